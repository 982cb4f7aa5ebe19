/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/target.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "decommission/target_impl.h"
#include "drives/linux_port.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define THREADS_MAX 64u

/* --- what was named --- */

static int check_kind(const char *path, struct stat *st, struct problem *reterr_problem)
{
	if (stat(path, st) < 0)
		return problem_set(reterr_problem, -errno,
			"%s cannot be looked at: %s; \"spoolguard devices\" lists the drives", path,
			strerror(errno));
	if (S_ISBLK(st->st_mode))
		return 0;
	if (S_ISREG(st->st_mode))
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"%s is a file and no drive: \"spoolguard overwrite\" is for files", path);
	if (S_ISDIR(st->st_mode))
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"%s is a directory and no drive: name a drive, such as /dev/sda", path);
	return problem_set(reterr_problem, -EMEDIUMTYPE,
		"%s is no block device: name the drive's block device, such as /dev/sda or "
		"/dev/nvme0n1",
		path);
}

/* The kernel's name for it, if that is what lies there. */
static void find_path(struct target *target, const char *name)
{
	struct stat st;

	target_node(name, target->path, sizeof(target->path));
	if (stat(target->path, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != target->device)
		snprintf(target->path, sizeof(target->path), "%s", target->asked);
}

/* --- what the drive says --- */

static int open_drive(struct target *target, int *ret_fd)
{
	int read_only = 0;
	struct stat st;
	int fd = open(target->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		snprintf(target->unasked, sizeof(target->unasked), "%.190s cannot be opened: %s%s",
			target->path, strerror(errno),
			errno == EACCES || errno == EPERM ? "; run as root" : "");
		return 0;
	}
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != target->device) {
		close(fd);
		return -ESTALE;
	}
	target->opened = true;
	target->read_only = ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
	*ret_fd = fd;
	return 0;
}

static void ask_drive(struct target *target, const struct target_scene *scene)
{
	_cleanup_(linux_port_closep) struct linux_port *port = NULL;
	const struct linux_port_options options = {.only_ask = true, .sysfs = scene->places->sysfs};
	struct problem problem = {""};
	int r = linux_port_open(target->path, &options, &port, &problem);

	if (r < 0) {
		snprintf(target->unasked, sizeof(target->unasked), "%.500s",
			problem_text(&problem, r));
		return;
	}
	r = facts_ask(linux_port_commands(port), &target->facts);
	if (r < 0) {
		target->facts = (struct drive_facts){.interface = INTERFACE_BLOCK};
		snprintf(target->unasked, sizeof(target->unasked),
			"%.190s does not answer its commands: %s", target->path, strerror(-r));
		return;
	}
	target->facts_known = true;
}

/* --- what kind it is --- */

/* Only from what the kernel could not tell, or to the worse. */
static void improve_class(struct target *target)
{
	struct drive_layer *layer = &target->stack.layers[0];
	const struct drive_facts *facts = &target->facts;

	if (!target->facts_known ||
		(layer->class != DRIVE_UNKNOWN && layer->class != DRIVE_ROTATIONAL))
		return;
	if (facts->rotation_known && facts->rotation_rpm == 0)
		layer->class = DRIVE_FLASH;
	else if (facts->zoned)
		layer->class = DRIVE_ZONED;
	else if (layer->class == DRIVE_UNKNOWN && facts->rotation_known)
		layer->class = DRIVE_ROTATIONAL;
}

static void find_fabric(const struct target_scene *scene, const char *name, char *transport)
{
	char path[PATH_MAX], text[16];
	_cleanup_close_ int fd = -1;
	size_t got = 0;

	snprintf(path, sizeof(path), "%.2000s/block/%.63s/device/transport", scene->sysfs, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_to_end(fd, text, sizeof(text) - 1, &got) < 0)
		return;
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "pcie") != 0)
		snprintf(transport, FACTS_TEXT_BYTES, "nvme-%s", text);
}

static void find_transport(
	struct target *target, const struct target_scene *scene, const char *name)
{
	const struct drive_layer *layer = &target->stack.layers[0];
	const char *told = layer->text;

	if (layer->class == DRIVE_LOOP)
		told = "loop";
	else if (strcmp(told, "ata") == 0 || (strcmp(told, "sas") == 0 && target->facts.is_ata))
		told = "sata";
	else if (strcmp(told, "mmc") == 0)
		told = "emmc";
	snprintf(target->transport, sizeof(target->transport), "%.63s", told);
	if (strcmp(told, "nvme") == 0)
		find_fabric(scene, name, target->transport);
}

/* What is asked by commands alone is told by the kernel of drives that take none. */
static void complete_sectors(
	struct target *target, const struct target_scene *scene, const char *name)
{
	struct drive_facts *facts = &target->facts;

	if (facts->logical_bytes == 0)
		facts->logical_bytes = (uint32_t)target_sysfs_number(
			scene->sysfs, name, "queue/logical_block_size");
	if (facts->physical_bytes == 0)
		facts->physical_bytes = (uint32_t)target_sysfs_number(
			scene->sysfs, name, "queue/physical_block_size");
}

/* --- one drive --- */

static int look(struct target *target, const struct target_scene *scene, const char *name)
{
	_cleanup_close_ int fd = -1;
	int r = open_drive(target, &fd);

	if (r < 0)
		return r;
	drive_look_at_device(target->device, scene->places, &target->stack);
	if (target->stack.count == 0)
		return -ENODEV;
	if (target->opened)
		ask_drive(target, scene);
	complete_sectors(target, scene, name);
	improve_class(target);
	target->class = target->stack.layers[0].class;
	target->overwrite = drive_judge(&target->stack);
	find_transport(target, scene, name);
	r = target_identify(target, fd, scene, name);
	/* A drive that leaves its commands without an answer is not read from either. */
	if (r >= 0)
		r = target_find_parts(target, target->facts_known ? fd : -1, scene, name);
	if (r >= 0)
		r = target_find_uses(target, scene);
	return r < 0 ? r : target_find_reaches(target, scene, name);
}

static int look_in(const char *path, const struct target_scene *scene, struct target **ret_target,
	struct problem *reterr_problem)
{
	_cleanup_(target_freep) struct target *target = calloc(1, sizeof(*target));
	char name[DEVICE_NAME_BYTES];
	struct stat st;
	int r;

	if (!target)
		return problem_set(reterr_problem, -ENOMEM, "%s: no memory", path);
	if (strlen(path) >= sizeof(target->asked))
		return problem_set(
			reterr_problem, -ENAMETOOLONG, "%.100s...: too long a path", path);
	r = check_kind(path, &st, reterr_problem);
	if (r >= 0)
		r = guard_check_confined_device(path, &st, reterr_problem);
	if (r >= 0)
		r = target_check_whole(scene, st.st_rdev, path, name, reterr_problem);
	if (r < 0)
		return r;
	strcpy(target->asked, path);
	target->device = st.st_rdev;
	find_path(target, name);
	r = look(target, scene, name);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s cannot be looked at: %s", path,
			r == -ESTALE ? "it was replaced meanwhile; try again" : strerror(-r));
	*ret_target = target;
	target = NULL;
	return 0;
}

int target_look(const char *path, const struct target_options *options, struct target **ret_target,
	struct problem *reterr_problem)
{
	_cleanup_(target_scene_freep) struct target_scene *scene = NULL;
	int r = target_scene_take(options ? options->places : NULL, &scene);

	if (r < 0)
		return problem_set(reterr_problem, r, "%s: this machine cannot be looked at: %s",
			path, strerror(-r));
	return look_in(path, scene, ret_target, reterr_problem);
}

void target_free(struct target *target)
{
	if (!target)
		return;
	usage_list_done(&target->uses);
	free(target->parts);
	free(target->volumes);
	free(target->reaches);
	free(target);
}

/* --- all of them --- */

struct listing {
	const struct target_scene *scene;
	char (*paths)[TARGET_PATH_BYTES];
	struct target **targets; /* one for each path; NULL: left out */
	int *results;
	size_t count;
	atomic_size_t next;
};

static void *look_at_some(void *context)
{
	struct listing *listing = context;

	for (size_t i; (i = atomic_fetch_add(&listing->next, 1)) < listing->count;)
		listing->results[i] =
			look_in(listing->paths[i], listing->scene, &listing->targets[i], NULL);
	return NULL;
}

static void look_at_all(struct listing *listing)
{
	pthread_t threads[THREADS_MAX];
	size_t count = 0;

	while (count < THREADS_MAX && count + 1 < listing->count &&
		pthread_create(&threads[count], NULL, look_at_some, listing) == 0)
		count++;
	look_at_some(listing);
	while (count > 0)
		pthread_join(threads[--count], NULL);
}

static int find_paths(struct listing *listing)
{
	_cleanup_closedir_ DIR *directory = target_listing(listing->scene->sysfs);
	char name[DEVICE_NAME_BYTES];
	void *grown;

	if (!directory)
		return -errno;
	while (target_next_device(listing->scene, directory, name)) {
		grown = reallocarray(listing->paths, listing->count + 1, sizeof(*listing->paths));
		if (!grown)
			return -ENOMEM;
		listing->paths = grown;
		target_node(name, listing->paths[listing->count++], TARGET_PATH_BYTES);
	}
	return 0;
}

static int compare_targets(const void *a, const void *b)
{
	return strverscmp((*(struct target *const *)a)->path, (*(struct target *const *)b)->path);
}

/* Without gaps.  What is no target, or none for us, is nobody's loss. */
static size_t close_gaps(struct listing *listing, size_t *ret_left_out)
{
	size_t kept = 0, left_out = 0;

	for (size_t i = 0; i < listing->count; i++) {
		int r = listing->results[i];

		if (listing->targets[i])
			listing->targets[kept++] = listing->targets[i];
		else if (r != -EPERM && r != -EINVAL && r != -ENOMEDIUM)
			left_out++;
	}
	*ret_left_out = left_out;
	return kept;
}

int target_list(const struct target_options *options, struct target ***ret_targets,
	size_t *ret_count, size_t *ret_left_out)
{
	_cleanup_(target_scene_freep) struct target_scene *scene = NULL;
	struct listing listing = {.count = 0};
	int r = target_scene_take(options ? options->places : NULL, &scene);

	if (r < 0)
		return r;
	listing.scene = scene;
	r = find_paths(&listing);
	if (r >= 0) {
		listing.targets = calloc(listing.count + 1, sizeof(struct target *));
		listing.results = calloc(listing.count + 1, sizeof(int));
	}
	if (r < 0 || !listing.targets || !listing.results) {
		free(listing.targets);
		r = r < 0 ? r : -ENOMEM;
	} else {
		look_at_all(&listing);
		*ret_count = close_gaps(&listing, ret_left_out);
		qsort(listing.targets, *ret_count, sizeof(struct target *), compare_targets);
		*ret_targets = listing.targets;
	}
	free(listing.results);
	free(listing.paths);
	return r;
}

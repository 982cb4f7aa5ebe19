/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_scene.c - what is mounted, swapped on, bound and open on this machine, each read once
 *
 * Loop devices come before open descriptors: of regular files only those below a loop device are
 * kept.
 */
#include "base/io.h"
#include "base/path.h"
#include "blockdev/drive_impl.h"
#include "blockdev/holder.h"
#include "blockdev/mount_table.h"
#include "blockdev/usage_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VOLUME_TYPE "fuse.spoolguard"

/* What the running system cannot be without, and what this program cannot. */
static const char *const system_places[] = {"/", "/boot", "/boot/efi", "/efi", "/usr", "/usr/lib",
	"/etc", "/var", "/var/lib", "/var/log", "/var/lib/spoolguard", "/var/log/spoolguard"};

/* --- mounts --- */

static struct usage_mount *add_mount(
	struct usage_scene *scene, dev_t number, dev_t device, const char *where)
{
	struct usage_mount *grown =
		usage_grow(scene->mounts, scene->mount_count, sizeof(*scene->mounts));

	if (!grown) {
		scene->error = -ENOMEM;
		return NULL;
	}
	scene->mounts = grown;
	grown += scene->mount_count;
	*grown = (struct usage_mount){.number = number, .device = device, .where = strdup(where)};
	if (!grown->where) {
		scene->error = -ENOMEM;
		return NULL;
	}
	scene->mount_count++;
	return grown;
}

static void read_mounts(struct usage_scene *scene)
{
	_cleanup_(mount_listing_done) struct mount_listing listing = {.proc = scene->places.proc};
	struct mount_entry entry;
	struct usage_mount *mount;

	while (mount_listing_next(&listing, &entry)) {
		mount = add_mount(scene, entry.number, entry.device, entry.where);
		if (mount && strcmp(entry.type, "overlay") == 0)
			mount->lower = strdup(entry.options);
	}
}

/* A btrfs lies on several devices, and the table of mounts names one. */
static void spread_btrfs(struct usage_scene *scene, DIR *devices)
{
	struct device_set set = {.count = 0};
	size_t count = scene->mount_count;
	const char *name;
	dev_t number;

	while ((name = drive_sysfs_next(devices))) {
		if (drive_sysfs_device(dirfd(devices), name, &number) >= 0 &&
			device_set_add(&set, number) < 0)
			return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct usage_mount one = scene->mounts[i];

		for (size_t j = 0; device_set_has(&set, one.device) && j < set.count; j++) {
			if (set.items[j] != one.device)
				(void)add_mount(scene, one.number, set.items[j], one.where);
		}
	}
}

static void read_btrfs(struct usage_scene *scene)
{
	const char *sysfs = scene->places.sysfs ? scene->places.sysfs : "/sys";
	_cleanup_closedir_ DIR *listing = NULL;
	char path[PATH_MAX];
	const char *name;

	snprintf(path, sizeof(path), "%.3900s/fs/btrfs", sysfs);
	listing = drive_sysfs_list(AT_FDCWD, path);
	while (listing && (name = drive_sysfs_next(listing))) {
		_cleanup_closedir_ DIR *devices = NULL;

		snprintf(path, sizeof(path), "%.190s/devices", name);
		devices = drive_sysfs_list(dirfd(listing), path);
		if (devices)
			spread_btrfs(scene, devices);
	}
}

/* Which of them a path lies on: the longest, of equals the one mounted last. */
static struct usage_mount *mount_of(const struct usage_scene *scene, const char *path)
{
	struct usage_mount *best = NULL;

	for (size_t i = 0; i < scene->mount_count; i++) {
		struct usage_mount *mount = &scene->mounts[i];

		if (path_is_at_or_below(path, mount->where) &&
			(!best || strlen(mount->where) >= strlen(best->where)))
			best = mount;
	}
	return best;
}

static void mark_file_system(struct usage_scene *scene, dev_t number)
{
	for (size_t i = 0; i < scene->mount_count; i++) {
		if (scene->mounts[i].number == number)
			scene->mounts[i].is_system = true;
	}
}

/* What a root of live media or of a container lies on, as far as it can be seen. */
static void mark_below_overlay(struct usage_scene *scene, const char *options)
{
	_cleanup_free_ char *copy = strdup(options);
	char *rest = copy, *word, *directories;
	const char *directory;
	struct stat st;

	while (rest && (word = strsep(&rest, ",\n"))) {
		directories = strchr(word, '=');
		if (!directories ||
			(strncmp(word, "lowerdir=", 9) != 0 && strncmp(word, "upperdir=", 9) != 0))
			continue;
		directories++;
		while ((directory = strsep(&directories, ":"))) {
			if (directory[0] == '/' && stat(directory, &st) == 0)
				mark_file_system(scene, st.st_dev);
		}
	}
}

static void mark_system(struct usage_scene *scene)
{
	struct usage_mount *mount;
	char real[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(system_places); i++) {
		mount = mount_of(scene, scene->places.proc || !realpath(system_places[i], real)
						? system_places[i]
						: real);
		if (!mount)
			continue;
		/* As it is, and again for each further device of a btrfs. */
		mark_file_system(scene, mount->number);
		if (mount->lower)
			mark_below_overlay(scene, mount->lower);
	}
}

/* --- swap --- */

static void read_swaps(struct usage_scene *scene)
{
	_cleanup_(mount_listing_done) struct mount_listing listing = {.proc = scene->places.proc};
	struct usage_swap *grown;
	const char *path;
	struct stat st;

	while (mount_listing_next_swap(&listing, &st, &path)) {
		bool is_file = !S_ISBLK(st.st_mode);

		grown = usage_grow(scene->swaps, scene->swap_count, sizeof(*scene->swaps));
		if (!grown) {
			scene->error = -ENOMEM;
			return;
		}
		scene->swaps = grown;
		scene->swaps[scene->swap_count] =
			(struct usage_swap){.device = is_file ? st.st_dev : st.st_rdev,
				.is_file = is_file,
				.path = strdup(path)};
		if (scene->swaps[scene->swap_count].path)
			scene->swap_count++;
		else
			scene->error = -ENOMEM;
	}
}

/* --- loop devices --- */

/* Below a directory of a test there are no loop devices to ask: the path must do. */
static int find_backing(const struct usage_scene *scene, int directory, const char *name,
	dev_t loop, struct device_backing *backing)
{
	char attribute[DEVICE_NAME_BYTES + 32];
	struct stat st;

	if (!scene->places.sysfs)
		return device_backing(loop, backing);
	snprintf(attribute, sizeof(attribute), "%.60s/loop/backing_file", name);
	*backing = (struct device_backing){.device = 0};
	if (!drive_sysfs_read(directory, attribute, backing->path, sizeof(backing->path)) ||
		stat(backing->path, &st) < 0)
		return -ENXIO;
	backing->device = st.st_dev;
	backing->inode = st.st_ino;
	backing->block = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
	return 0;
}

static bool is_on_volume(const struct device_backing *backing)
{
	char type[64];

	return backing->block == 0 && mount_table_type(backing->device, type, sizeof(type)) >= 0 &&
	       strcmp(type, VOLUME_TYPE) == 0;
}

static void read_loops(struct usage_scene *scene)
{
	const char *sysfs = scene->places.sysfs ? scene->places.sysfs : "/sys";
	_cleanup_closedir_ DIR *listing = NULL;
	struct usage_loop *grown, *loop;
	char path[PATH_MAX];
	const char *name;

	snprintf(path, sizeof(path), "%.3900s/block", sysfs);
	listing = drive_sysfs_list(AT_FDCWD, path);
	while (listing && (name = drive_sysfs_next(listing))) {
		if (strncmp(name, "loop", 4) != 0)
			continue;
		grown = usage_grow(scene->loops, scene->loop_count, sizeof(*scene->loops));
		if (!grown) {
			scene->error = -ENOMEM;
			return;
		}
		scene->loops = grown;
		loop = &scene->loops[scene->loop_count];
		if (drive_sysfs_device(dirfd(listing), name, &loop->device) < 0 ||
			find_backing(scene, dirfd(listing), name, loop->device, &loop->backing) < 0)
			continue;
		snprintf(loop->name, sizeof(loop->name), "%.63s", name);
		loop->is_volume = is_on_volume(&loop->backing);
		scene->loop_count++;
	}
}

/* --- open descriptors --- */

static bool is_wanted(void *context, const struct stat *file)
{
	const struct usage_scene *scene = context;

	for (size_t i = 0; S_ISREG(file->st_mode) && i < scene->loop_count; i++) {
		const struct device_backing *backing = &scene->loops[i].backing;

		if (backing->block == 0 && backing->device == file->st_dev &&
			backing->inode == file->st_ino)
			return true;
	}
	return S_ISBLK(file->st_mode);
}

static void take_open(void *context, const struct stat *file, pid_t process, const char *text)
{
	struct usage_scene *scene = context;
	struct usage_open *grown =
		usage_grow(scene->opens, scene->open_count, sizeof(*scene->opens));

	if (!grown) {
		scene->error = -ENOMEM;
		return;
	}
	scene->opens = grown;
	grown += scene->open_count++;
	*grown = (struct usage_open){.file = *file, .pid = process};
	snprintf(grown->text, sizeof(grown->text), "%s", text);
}

/* --- */

int usage_scene_take(const struct drive_places *places, struct usage_scene **ret_scene)
{
	_cleanup_(usage_scene_freep) struct usage_scene *scene = calloc(1, sizeof(*scene));
	struct holder_visit visit = {.wants = is_wanted, .tell = take_open, .context = scene};

	if (!scene)
		return -ENOMEM;
	if (places)
		scene->places = *places;
	read_mounts(scene);
	read_btrfs(scene);
	mark_system(scene);
	read_swaps(scene);
	read_loops(scene);
	visit.proc = scene->places.proc;
	scene->opens_known = holder_visit_all(&visit);
	if (scene->error < 0)
		return scene->error;
	*ret_scene = scene;
	scene = NULL;
	return 0;
}

void usage_scene_free(struct usage_scene *scene)
{
	if (!scene)
		return;
	for (size_t i = 0; i < scene->mount_count; i++) {
		free(scene->mounts[i].where);
		free(scene->mounts[i].lower);
	}
	for (size_t i = 0; i < scene->swap_count; i++)
		free(scene->swaps[i].path);
	free(scene->mounts);
	free(scene->swaps);
	free(scene->loops);
	free(scene->opens);
	free(scene);
}

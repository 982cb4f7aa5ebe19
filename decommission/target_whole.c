/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_whole.c - R1: a whole drive, or a line that names the whole drive
 */
#include "base/io.h"
#include "decommission/target_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NAMES_BYTES 256

void target_node(const char *name, char *ret_path, size_t path_bytes)
{
	snprintf(ret_path, path_bytes, "/dev/%.190s", name);
	for (char *c = ret_path + strlen("/dev/"); *c; c++) {
		if (*c == '!')
			*c = '/';
	}
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* "/dev/sdb or /dev/sdc": the drives (or loop devices) at the ends of the stack. */
static void name_drives(const struct drive_stack *stack, char names[static NAMES_BYTES])
{
	const char *ends[DRIVE_LAYERS_MAX] = {NULL}, *before = NULL;
	char node[DRIVE_TEXT_BYTES + 8];
	size_t count = 0, used = 0;

	/* Not itself, and not what was not seen. */
	for (size_t i = 1; i < stack->count; i++) {
		const struct drive_layer *layer = &stack->layers[i];

		if ((drive_class_is_drive(layer->class) || layer->class == DRIVE_LOOP) &&
			!strchr(layer->name, ' '))
			ends[count++] = layer->name;
		if (layer->class == DRIVE_LOOP)
			break; /* what is below it is a file's */
	}
	qsort(ends, count, sizeof(ends[0]), compare_names);
	snprintf(names, NAMES_BYTES, "%s", count > 0 ? "" : "that \"spoolguard devices\" lists");
	for (size_t i = 0; i < count && used < NAMES_BYTES; i++) {
		if (before && strcmp(before, ends[i]) == 0)
			continue;
		target_node(ends[i], node, sizeof(node));
		used += (size_t)snprintf(
			names + used, NAMES_BYTES - used, "%s%.60s", before ? " or " : "", node);
		before = ends[i];
	}
}

static int refuse(const char *asked, const char *what, const struct drive_stack *stack,
	struct problem *reterr_problem)
{
	char names[NAMES_BYTES];

	name_drives(stack, names);
	return problem_set(
		reterr_problem, -EINVAL, "%s is %s: name the whole drive %s", asked, what, names);
}

static bool has(const char *directory, const char *attribute)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3900s/%.100s", directory, attribute);
	return access(path, F_OK) == 0;
}

/* An eMMC's boot partition stands on the drive's own block device. */
static bool is_on_block(const char *directory, char drive[static DEVICE_NAME_BYTES])
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t bytes;

	snprintf(path, sizeof(path), "%.3900s/device/subsystem", directory);
	bytes = readlink(path, link, sizeof(link) - 1);
	if (bytes <= 0)
		return false;
	link[bytes] = '\0';
	if (!strrchr(link, '/') || strcmp(strrchr(link, '/'), "/block") != 0)
		return false;
	snprintf(path, sizeof(path), "%.3900s/device", directory);
	if (!realpath(path, link))
		return false;
	snprintf(drive, DEVICE_NAME_BYTES, "%.63s", strrchr(link, '/') + 1);
	return true;
}

static const char *describe_mapped(const char *directory, const struct drive_stack *stack)
{
	char path[PATH_MAX], uuid[64] = "";
	_cleanup_close_ int fd = -1;
	size_t got;

	if (stack->layers[0].class == DRIVE_RAID && has(directory, "md"))
		return "a RAID array";
	snprintf(path, sizeof(path), "%.3900s/dm/uuid", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!io_read_to_end(fd, uuid, sizeof(uuid) - 1, &got);
	if (strncmp(uuid, "LVM-", 4) == 0)
		return "an LVM volume";
	if (strncmp(uuid, "mpath-", 6) == 0)
		return "a multipath device";
	if (strncmp(uuid, "CRYPT-", 6) == 0)
		return "an encrypted device on another";
	return "a mapped device on others";
}

static int check_loop(const char *asked, const char *directory, const struct drive_stack *stack,
	const struct target_scene *scene, dev_t device, struct problem *reterr_problem)
{
	struct usage_list uses = {.items = NULL};
	int r;

	if (!has(directory, "loop"))
		return problem_set(reterr_problem, -ENOMEDIUM,
			"%s is a loop device that is bound to nothing: bind a file to it, or name "
			"a drive",
			asked);
	if (stack->count < 2 || stack->layers[1].class != DRIVE_FILE)
		return stack->count < 2 || stack->layers[1].class == DRIVE_MEMORY ||
				       stack->layers[1].class == DRIVE_UNKNOWN
			       ? 0
			       : refuse(asked, "a loop device on another device", stack,
					 reterr_problem);
	r = usage_find_in(scene->usage, device, &uses);
	for (size_t i = 0; r >= 0 && i < uses.count; i++) {
		if (uses.items[i].kind == USAGE_VOLUME)
			r = problem_set(reterr_problem, -EINVAL,
				"%s is the device of an attached spoolguard volume: name the whole "
				"drive that the volume lies on (\"spoolguard status\" shows it)",
				asked);
	}
	usage_list_done(&uses);
	return r;
}

static int check(const char *asked, const char *directory, const struct drive_stack *stack,
	const struct target_scene *scene, dev_t device, struct problem *reterr_problem)
{
	char drive[DEVICE_NAME_BYTES], node[DEVICE_NAME_BYTES + 8];

	if (has(directory, "partition"))
		return refuse(asked, "only a part of a drive", stack, reterr_problem);
	if (is_on_block(directory, drive)) {
		target_node(drive, node, sizeof(node));
		return problem_set(reterr_problem, -EINVAL,
			"%s is only a part of a drive: name the whole drive %s", asked, node);
	}
	if (stack->count == 0)
		return 0;
	if (stack->layers[0].class == DRIVE_LOOP || major(device) == 7)
		return check_loop(asked, directory, stack, scene, device, reterr_problem);
	if (stack->layers[0].class == DRIVE_MAPPED || stack->layers[0].class == DRIVE_RAID)
		return refuse(asked, describe_mapped(directory, stack), stack, reterr_problem);
	if (stack->layers[0].bytes == 0)
		return problem_set(reterr_problem, -ENOMEDIUM,
			"%s has no medium: insert one, or name another drive", asked);
	return 0;
}

int target_check_whole(const struct target_scene *scene, dev_t device, const char *asked,
	char ret_name[static DEVICE_NAME_BYTES], struct problem *reterr_problem)
{
	_cleanup_free_ struct drive_stack *stack = calloc(1, sizeof(*stack));
	char directory[PATH_MAX], link[PATH_MAX];
	ssize_t bytes;
	int r;

	if (!stack)
		return -ENOMEM;
	snprintf(directory, sizeof(directory), "%.3900s/dev/block/%u:%u", scene->sysfs,
		major(device), minor(device));
	bytes = readlink(directory, link, sizeof(link) - 1);
	if (bytes <= 0)
		return problem_set(reterr_problem, -ENODEV,
			"%s: the kernel knows no such device; check its name, and that /sys is "
			"mounted",
			asked);
	link[bytes] = '\0';
	drive_look_at_device(device, scene->places, stack);
	r = check(asked, directory, stack, scene, device, reterr_problem);
	if (r < 0)
		return r;
	snprintf(ret_name, DEVICE_NAME_BYTES, "%.63s",
		strrchr(link, '/') ? strrchr(link, '/') + 1 : link);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "decommission/target_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static bool read_line(
	const char *sysfs, const char *name, const char *attribute, char *text, size_t text_bytes)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	size_t got = 0;

	snprintf(path, sizeof(path), "%.2000s/block/%.63s/%.200s", sysfs, name, attribute);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	text[0] = '\0';
	if (fd < 0 || io_read_to_end(fd, text, text_bytes - 1, &got) < 0)
		got = 0;
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text[0] != '\0';
}

uint64_t target_sysfs_number(const char *sysfs, const char *name, const char *attribute)
{
	char text[32];

	return read_line(sysfs, name, attribute, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

DIR *target_listing(const char *sysfs)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3900s/block", sysfs);
	return opendir(path);
}

/* What stands on drives, what is memory, and what takes discs that one takes out. */
static bool is_no_drive(const char *name)
{
	static const char *const others[] = {"dm-", "md", "bcache", "ram", "zram", "sr", "fd"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		size_t length = strlen(others[i]);

		if (strncmp(name, others[i], length) == 0 &&
			(others[i][length - 1] == '-' ||
				strspn(name + length, "0123456789_pd") == strlen(name + length)))
			return true;
	}
	return false;
}

bool target_next_device(
	const struct target_scene *scene, DIR *listing, char ret_name[static DEVICE_NAME_BYTES])
{
	struct dirent *entry;
	char number[32], path[PATH_MAX];

	while ((entry = readdir(listing))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= DEVICE_NAME_BYTES ||
			is_no_drive(entry->d_name))
			continue;
		if (target_sysfs_number(scene->sysfs, entry->d_name, "size") == 0)
			continue;
		/* The hidden paths of an NVMe multipath device, an eMMC's boot partitions. */
		if (!read_line(scene->sysfs, entry->d_name, "dev", number, sizeof(number)))
			continue;
		snprintf(path, sizeof(path), "%.2000s/block/%.63s/device/dev", scene->sysfs,
			entry->d_name);
		if (strncmp(entry->d_name, "mmcblk", 6) == 0 && access(path, F_OK) == 0)
			continue;
		snprintf(ret_name, DEVICE_NAME_BYTES, "%.63s", entry->d_name);
		return true;
	}
	return false;
}

/* --- who is present --- */

/* "H:C:T" of "H:C:T:L": where the link below the disk leads. */
static void find_target_of(const char *sysfs, struct target_present *present)
{
	char path[PATH_MAX], link[PATH_MAX], *name, *lun;
	ssize_t bytes;

	snprintf(path, sizeof(path), "%.2000s/block/%.63s/device", sysfs, present->name);
	bytes = readlink(path, link, sizeof(link) - 1);
	if (bytes <= 0)
		return;
	link[bytes] = '\0';
	name = strrchr(link, '/') ? strrchr(link, '/') + 1 : link;
	lun = strrchr(name, ':');
	if (!lun || strspn(name, "0123456789:") != strlen(name))
		return;
	present->number = (unsigned int)strtoul(lun + 1, NULL, 10);
	snprintf(present->family, sizeof(present->family), "%.*s", (int)(lun - name), name);
}

static void find_family(const char *sysfs, struct target_present *present)
{
	char number[32];

	if (strncmp(present->name, "nvme", 4) != 0) {
		find_target_of(sysfs, present);
		return;
	}
	if (read_line(sysfs, present->name, "device/subsysnqn", present->family,
		    sizeof(present->family)) &&
		read_line(sysfs, present->name, "nsid", number, sizeof(number)))
		present->number = (unsigned int)strtoul(number, NULL, 10);
	else
		present->family[0] = '\0';
}

static bool read_present(const struct target_scene *scene, const char *name,
	struct drive_stack *stack, struct target_present *present)
{
	const struct drive_layer *layer = &stack->layers[0];
	unsigned int major_number, minor_number;
	char number[32];

	if (!read_line(scene->sysfs, name, "dev", number, sizeof(number)) ||
		sscanf(number, "%u:%u", &major_number, &minor_number) != 2)
		return false;
	*present = (struct target_present){.device = makedev(major_number, minor_number)};
	snprintf(present->name, sizeof(present->name), "%.63s", name);
	drive_look_at_device(present->device, scene->places, stack);
	if (stack->count == 0 || !drive_class_is_drive(layer->class) ||
		layer->class == DRIVE_MEMORY)
		return false;
	if (!layer->serial_is_stand_in)
		snprintf(present->serial, sizeof(present->serial), "%s", layer->serial);
	snprintf(present->wwn, sizeof(present->wwn), "%s", layer->wwn);
	find_family(scene->sysfs, present);
	return true;
}

static int read_all_present(struct target_scene *scene)
{
	_cleanup_closedir_ DIR *listing = target_listing(scene->sysfs);
	_cleanup_free_ struct drive_stack *stack = calloc(1, sizeof(*stack));
	char name[DEVICE_NAME_BYTES];
	struct target_present *grown;

	if (!stack)
		return -ENOMEM;
	while (listing && target_next_device(scene, listing, name)) {
		if (strncmp(name, "loop", 4) == 0)
			continue;
		grown = reallocarray(
			scene->present, scene->present_count + 1, sizeof(*scene->present));
		if (!grown)
			return -ENOMEM;
		scene->present = grown;
		if (read_present(scene, name, stack, &grown[scene->present_count]))
			scene->present_count++;
	}
	return 0;
}

int target_scene_take(const struct drive_places *places, struct target_scene **ret_scene)
{
	static const struct drive_places this_machine = {.sysfs = NULL};
	_cleanup_(target_scene_freep) struct target_scene *scene = calloc(1, sizeof(*scene));
	int r;

	if (!scene)
		return -ENOMEM;
	scene->places = places ? places : &this_machine;
	scene->sysfs = scene->places->sysfs ? scene->places->sysfs : "/sys";
	r = usage_scene_take(places, &scene->usage);
	if (r >= 0)
		r = read_all_present(scene);
	if (r < 0)
		return r;
	*ret_scene = scene;
	scene = NULL;
	return 0;
}

void target_scene_free(struct target_scene *scene)
{
	if (!scene)
		return;
	usage_scene_free(scene->usage);
	free(scene->present);
	free(scene);
}

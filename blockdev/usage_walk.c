/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_walk.c - from a device to all that stands on it, and who uses each of these
 *
 *   sdb -> sdb1 -> its file system -> a file -> loop3 -> loop3p1 -> ...
 *      \-> sdb2 -> dm-0 (LVM) -> ...
 *
 * Devices wait in a set, each looked at once.  A program that has one open is looked at twice: what
 * only looks is gone by then.
 */
#include "base/io.h"
#include "blockdev/drive_impl.h"
#include "blockdev/holder.h"
#include "blockdev/usage_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_AGAIN_US 100000
#define TRIES	      10
#define TRY_AGAIN_US  50000

struct walk {
	const struct usage_scene *scene;
	struct device_set set;
	struct usage_list list;
};

/* What is being looked at: a device, and its name. */
struct place {
	dev_t device;
	int directory; /* in sysfs */
	const char *name;
};

static int tell(
	struct walk *walk, const struct place *place, enum usage_kind kind, const char *text)
{
	return usage_list_add(&walk->list, kind, place->name, text, 0);
}

/* --- partitions and holders --- */

static int add_partitions(struct walk *walk, const struct place *place)
{
	_cleanup_closedir_ DIR *listing = drive_sysfs_list(place->directory, ".");
	char attribute[NAME_MAX + 16];
	const char *name;
	dev_t number;
	int r = 0;

	while (listing && r >= 0 && (name = drive_sysfs_next(listing))) {
		snprintf(attribute, sizeof(attribute), "%.255s/partition", name);
		if (drive_sysfs_has(place->directory, attribute) &&
			drive_sysfs_device(place->directory, name, &number) >= 0)
			r = device_set_add(&walk->set, number);
	}
	return r;
}

static enum usage_kind kind_of_holder(int directory, const char *name, char *text, size_t bytes)
{
	char uuid[192];

	if (!drive_sysfs_read(directory, "dm/name", text, bytes)) {
		snprintf(text, bytes, "%s", name);
		return strncmp(name, "md", 2) == 0 ? USAGE_RAID : USAGE_MAPPED;
	}
	(void)drive_sysfs_read(directory, "dm/uuid", uuid, sizeof(uuid));
	if (strncmp(uuid, "LVM-", 4) == 0)
		return USAGE_LVM;
	return strncmp(uuid, "mpath-", 6) == 0 ? USAGE_MULTIPATH : USAGE_MAPPED;
}

static int add_holders(struct walk *walk, const struct place *place)
{
	_cleanup_closedir_ DIR *listing = drive_sysfs_list(place->directory, "holders");
	char text[DEVICE_TEXT_BYTES];
	const char *name;
	dev_t number;
	int r = 0;

	while (listing && r >= 0 && (name = drive_sysfs_next(listing))) {
		_cleanup_close_ int holder =
			openat(dirfd(listing), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		enum usage_kind kind = kind_of_holder(holder, name, text, sizeof(text));

		r = tell(walk, place, kind, text);
		if (r >= 0 && drive_sysfs_device(dirfd(listing), name, &number) >= 0)
			r = device_set_add(&walk->set, number);
	}
	return r;
}

/* --- what the scene has --- */

static int add_mounts(struct walk *walk, const struct place *place)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < walk->scene->mount_count; i++) {
		const struct usage_mount *mount = &walk->scene->mounts[i];

		if (mount->device != place->device)
			continue;
		r = tell(walk, place, mount->is_system ? USAGE_SYSTEM : USAGE_MOUNT, mount->where);
		if (r >= 0) /* btrfs: files have a number that is no device's */
			r = device_set_add(&walk->set, mount->number);
	}
	return r;
}

static int add_swaps(struct walk *walk, const struct place *place)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < walk->scene->swap_count; i++) {
		const struct usage_swap *swap = &walk->scene->swaps[i];

		if (swap->device == place->device)
			r = tell(walk, place, USAGE_SWAP, swap->is_file ? swap->path : "");
	}
	return r;
}

static int tell_loop(struct walk *walk, const struct place *place, const struct usage_loop *loop)
{
	char text[USAGE_TEXT_BYTES];
	int r;

	snprintf(text, sizeof(text), "/dev/%s on %.400s", loop->name, loop->backing.path);
	r = tell(walk, place, USAGE_LOOP, text);
	return r < 0 ? r : device_set_add(&walk->set, loop->device);
}

static int add_loops(struct walk *walk, const struct place *place)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < walk->scene->loop_count; i++) {
		const struct usage_loop *loop = &walk->scene->loops[i];
		dev_t on = loop->backing.block ? loop->backing.block : loop->backing.device;

		if (on == place->device && loop->device != place->device)
			r = tell_loop(walk, place, loop);
	}
	return r;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) || S_ISBLK(b->st_mode))
		return S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int add_opens(struct walk *walk, const struct place *place, const struct stat *file)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < walk->scene->open_count; i++) {
		const struct usage_open *open = &walk->scene->opens[i];

		if (is_same_file(&open->file, file))
			r = usage_list_add(
				&walk->list, USAGE_OPEN, place->name, open->text, open->pid);
	}
	return r;
}

/* --- below a loop device: its file, which others may use beside it --- */

static int add_beside(struct walk *walk, const struct place *place, const struct usage_loop *own)
{
	const struct device_backing *backing = &own->backing;
	const struct stat file = {
		.st_mode = S_IFREG, .st_dev = backing->device, .st_ino = backing->inode};
	int r = 0;

	if (own->is_volume)
		return tell(walk, place, USAGE_VOLUME, backing->path);
	if (backing->block)
		return 0; /* the whole drive is below it: target_look() */
	for (size_t i = 0; r >= 0 && i < walk->scene->loop_count; i++) {
		const struct usage_loop *loop = &walk->scene->loops[i];

		if (loop != own && loop->backing.block == 0 &&
			loop->backing.device == backing->device &&
			loop->backing.inode == backing->inode)
			r = tell_loop(walk, place, loop);
	}
	return r < 0 ? r : add_opens(walk, place, &file);
}

static int add_below(struct walk *walk, const struct place *place)
{
	for (size_t i = 0; i < walk->scene->loop_count; i++) {
		if (walk->scene->loops[i].device == place->device)
			return add_beside(walk, place, &walk->scene->loops[i]);
	}
	return 0;
}

/* --- one device --- */

static int look_at(struct walk *walk, size_t index)
{
	const struct drive_places *places = &walk->scene->places;
	struct stat file = {.st_mode = S_IFBLK, .st_rdev = walk->set.items[index]};
	_cleanup_close_ int directory = -1;
	char path[PATH_MAX];
	struct place place;
	int r;

	directory = drive_sysfs_open(places, walk->set.items[index], path);
	if (directory < 0) {
		/* The number of a file system that has no device of its own; loops on its files. */
		place = (struct place){walk->set.items[index], -1, "file system"};
		r = index == 0 ? -ENODEV : add_loops(walk, &place);
		return r < 0 ? r : add_swaps(walk, &place);
	}
	place = (struct place){walk->set.items[index], directory,
		strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
	r = add_partitions(walk, &place);
	if (r >= 0)
		r = add_holders(walk, &place);
	if (r >= 0)
		r = add_mounts(walk, &place);
	if (r >= 0)
		r = add_swaps(walk, &place);
	if (r >= 0)
		r = add_loops(walk, &place);
	if (r >= 0 && index == 0)
		r = add_below(walk, &place);
	return r < 0 ? r : add_opens(walk, &place, &file);
}

static int walk_up(struct walk *walk, dev_t device)
{
	int r = device_set_add(&walk->set, device);

	for (size_t i = 0; r >= 0 && i < walk->set.count; i++)
		r = look_at(walk, i);
	return r;
}

/* --- the second look --- */

static bool is_still_open(const struct walk *walk, const struct usage *usage)
{
	for (size_t i = 0; i < walk->scene->open_count; i++) {
		const struct usage_open *open = &walk->scene->opens[i];

		if (open->pid == usage->pid && strcmp(open->text, usage->text) == 0 &&
			holder_has(walk->scene->places.proc, open->pid, &open->file))
			return true;
	}
	return false;
}

static void drop_passing(struct walk *walk)
{
	struct usage_list *list = &walk->list;
	size_t kept = 0;
	bool waited = false;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind == USAGE_OPEN && !waited) {
			usleep(LOOK_AGAIN_US);
			waited = true;
		}
		if (list->items[i].kind == USAGE_OPEN && !is_still_open(walk, &list->items[i]))
			continue;
		if (kept != i)
			list->items[kept] = list->items[i];
		kept++;
	}
	list->count = kept;
}

/* --- what nobody else tells --- */

/* The kernel's own claim: a file system that is mounted in another namespace, ZFS, a driver. */
static int ask_claim(struct walk *walk, const char *name, dev_t device)
{
	char node[DEVICE_NAME_BYTES + 8];
	_cleanup_close_ int fd = -1;
	struct stat st;

	snprintf(node, sizeof(node), "/dev/%.63s", name);
	for (char *c = node + 5; *c; c++) {
		if (*c == '!')
			*c = '/';
	}
	if (stat(node, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != device)
		return 0;
	for (int i = 0; i < TRIES; i++) {
		if (i > 0)
			usleep(TRY_AGAIN_US);
		fd = open(node, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY)
			return 0;
	}
	return usage_list_add(&walk->list, USAGE_UNKNOWN, name,
		"the kernel has given it, or a part of it, away (a mount in another namespace, a "
		"driver)",
		0);
}

static int tell_unknown(struct walk *walk, dev_t device)
{
	_cleanup_close_ int directory = -1;
	char path[PATH_MAX];
	const char *name;

	directory = drive_sysfs_open(&walk->scene->places, device, path);
	if (directory < 0)
		return -ENODEV;
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (!walk->scene->opens_known)
		return usage_list_add(&walk->list, USAGE_UNKNOWN, name,
			"what other users' programs have open: only root can see that", 0);
	if (walk->list.count > 0 || walk->scene->places.sysfs)
		return 0;
	return ask_claim(walk, name, device);
}

/* --- */

int usage_find_in(const struct usage_scene *scene, dev_t device, struct usage_list *ret_list)
{
	_cleanup_free_ struct walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (!walk)
		return -ENOMEM;
	walk->scene = scene;
	r = walk_up(walk, device);
	if (r >= 0) {
		drop_passing(walk);
		r = tell_unknown(walk, device);
	}
	if (r < 0) {
		usage_list_done(&walk->list);
		return r;
	}
	*ret_list = walk->list;
	return 0;
}

int usage_above(const struct usage_scene *scene, dev_t device, struct device_set *ret_set)
{
	_cleanup_free_ struct walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (!walk)
		return -ENOMEM;
	walk->scene = scene;
	r = walk_up(walk, device);
	if (r >= 0)
		*ret_set = walk->set;
	usage_list_done(&walk->list);
	return r;
}

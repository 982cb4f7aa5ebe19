/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_medium.c - what lies on a drive: partitions, volumes, and who uses them
 */
#include "base/io.h"
#include "decommission/target_impl.h"
#include "keystore/keystore.h"
#include "volume/runtime.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define VOLUME_PROCESS "spoolguard-volume "

/* libcryptsetup says nothing of threads. */
static pthread_mutex_t keystore_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- who uses it --- */

static int add_use(struct target *target, const struct usage *use)
{
	struct usage *grown = reallocarray(
		target->uses.items, target->uses.count + 1, sizeof(*target->uses.items));

	if (!grown)
		return -ENOMEM;
	target->uses.items = grown;
	grown[target->uses.count++] = *use;
	return 0;
}

/* The process that serves the volume is the volume. */
static void drop_process(struct target *target, const char *device)
{
	size_t kept = 0;

	for (size_t i = 0; i < target->uses.count; i++) {
		const struct usage *use = &target->uses.items[i];

		if (use->kind == USAGE_OPEN && strcmp(use->device, device) == 0 &&
			strncmp(use->text, VOLUME_PROCESS, strlen(VOLUME_PROCESS)) == 0)
			continue;
		if (kept != i)
			target->uses.items[kept] = *use;
		kept++;
	}
	target->uses.count = kept;
}

static int take_attached(
	struct target *target, const struct device_set *above, const struct runtime_state *state)
{
	struct usage use = {.kind = USAGE_VOLUME};
	char name[DEVICE_NAME_BYTES];
	struct stat st;
	dev_t on;

	if (stat(state->path, &st) < 0)
		return 0;
	on = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	if (!device_set_has(above, on))
		return 0;
	if (device_name(on, name) < 0)
		snprintf(name, sizeof(name), "%.63s", target->identity.name);
	if (S_ISBLK(st.st_mode))
		drop_process(target, name);
	snprintf(use.device, sizeof(use.device), "%s", name);
	snprintf(use.text, sizeof(use.text), "%s%s%.400s", state->uuid,
		state->mount[0] ? ", mounted at " : "", state->mount);
	return add_use(target, &use);
}

static int find_attached(struct target *target, const struct target_scene *scene)
{
	_cleanup_free_ struct device_set *above = calloc(1, sizeof(*above));
	struct runtime_state *state = calloc(1, sizeof(*state));
	int r = above && state ? 0 : -ENOMEM;

	if (r >= 0)
		r = usage_above(scene->usage, target->device, above);
	for (size_t i = 0; r >= 0 && runtime_at(i, state) >= 0; i++)
		r = take_attached(target, above, state);
	free(state);
	return r;
}

int target_find_uses(struct target *target, const struct target_scene *scene)
{
	int r = usage_find_in(scene->usage, target->device, &target->uses);

	if (r >= 0 && !scene->places->sysfs)
		r = find_attached(target, scene);
	for (size_t i = 0; i < target->uses.count; i++)
		target->is_system |= target->uses.items[i].kind == USAGE_SYSTEM;
	return r;
}

/* --- volumes --- */

static void find_runtime(struct target_volume *volume)
{
	struct runtime_state *state = calloc(1, sizeof(*state));

	if (state && runtime_find(volume->device, state) >= 0) {
		volume->attached = true;
		snprintf(volume->mount, sizeof(volume->mount), "%.511s", state->mount);
	}
	free(state);
}

static void read_header(struct target_volume *volume)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	struct keystore_token token;
	struct problem problem = {""};
	size_t count;

	if (keystore_open(volume->device, true, &keystore, &problem) < 0) {
		volume->damaged = true;
		return;
	}
	if (keystore_uuid(keystore))
		snprintf(volume->uuid, sizeof(volume->uuid), "%.36s", keystore_uuid(keystore));
	keystore_get_token(keystore, &token);
	volume->is_spoolguard = token.present || keystore_has_lost_token(keystore);
	/* Of a token that was removed the worse is assumed (keystore_repair_token). */
	volume->backups = token.present ? token.backups : volume->is_spoolguard;
	volume->filled_before = token.present ? token.filled_before : true;
	if (keystore_list(keystore, slots, &count) >= 0)
		volume->key_slots = (uint32_t)count;
}

/* A header that libblkid sees is then read by libcryptsetup, which is never let wait for a drive
 * that does not answer while others want it. */
static int find_volume(struct target *target, int fd, const char *device)
{
	struct target_volume *grown;
	char uuid[SIGNATURE_UUID_BYTES];

	if (!signature_find_luks(fd, uuid))
		return 0;
	grown = reallocarray(target->volumes, target->volume_count + 1, sizeof(*target->volumes));
	if (!grown)
		return -ENOMEM;
	target->volumes = grown;
	grown += target->volume_count++;
	*grown = (struct target_volume){.attached = false};
	snprintf(grown->uuid, sizeof(grown->uuid), "%s", uuid);
	snprintf(grown->device, sizeof(grown->device), "%s", device);
	pthread_mutex_lock(&keystore_lock);
	read_header(grown);
	pthread_mutex_unlock(&keystore_lock);
	find_runtime(grown);
	return 0;
}

/* --- partitions --- */

static int open_node(const char *path, dev_t device)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int opened = fd;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != device)
		return -1;
	fd = -1;
	return opened;
}

static uint64_t read_number(const char *directory, const char *attribute)
{
	char path[PATH_MAX], text[32];
	_cleanup_close_ int fd = -1;
	size_t got = 0;

	snprintf(path, sizeof(path), "%.3900s/%.64s", directory, attribute);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_to_end(fd, text, sizeof(text) - 1, &got) < 0)
		return 0;
	text[got] = '\0';
	return strtoull(text, NULL, 10);
}

static dev_t read_device(const char *directory)
{
	unsigned int major_number = 0, minor_number = 0;
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%.3900s/dev", directory);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%u:%u", &major_number, &minor_number) != 2)
		major_number = minor_number = 0;
	fclose(file);
	return makedev(major_number, minor_number);
}

static int add_part(struct target *target, const char *directory, const char *name, bool look)
{
	struct target_part *grown =
		reallocarray(target->parts, target->part_count + 1, sizeof(*target->parts));
	_cleanup_close_ int fd = -1;

	if (!grown)
		return -ENOMEM;
	target->parts = grown;
	grown += target->part_count++;
	*grown = (struct target_part){.bytes = 512 * read_number(directory, "size")};
	target_node(name, grown->device, sizeof(grown->device));
	fd = look ? open_node(grown->device, read_device(directory)) : -1;
	if (fd < 0)
		return 0;
	if (signature_find(fd, grown->holds) < 0)
		grown->holds[0] = '\0';
	return find_volume(target, fd, grown->device);
}

/* sda10 behind sda9. */
static int compare_parts(const void *a, const void *b)
{
	return strverscmp(
		((const struct target_part *)a)->device, ((const struct target_part *)b)->device);
}

int target_find_parts(
	struct target *target, int fd, const struct target_scene *scene, const char *name)
{
	char path[PATH_MAX], directory[PATH_MAX];
	_cleanup_closedir_ DIR *listing = NULL;
	struct dirent *entry;
	int r = 0;

	if (fd >= 0 && signature_find(fd, target->holds) < 0)
		target->holds[0] = '\0';
	if (fd >= 0)
		r = find_volume(target, fd, target->path);
	snprintf(directory, sizeof(directory), "%.2000s/block/%.63s", scene->sysfs, name);
	listing = opendir(directory);
	while (listing && r >= 0 && (entry = readdir(listing))) {
		snprintf(path, sizeof(path), "%.2100s/%.255s/partition", directory, entry->d_name);
		if (entry->d_name[0] == '.' || access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof(path), "%.2100s/%.255s", directory, entry->d_name);
		r = add_part(target, path, entry->d_name, fd >= 0);
	}
	if (target->part_count > 1)
		qsort(target->parts, target->part_count, sizeof(*target->parts), compare_parts);
	return r;
}

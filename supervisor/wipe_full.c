/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_full.c - a new key and a new file system; the directories that others count on, as they were
 *
 * The keys die in the mounter (open_volume.h, renew): what is interrupted there is finished there,
 * before the volume is open again.  Here it is known by the UUID whether that has happened.
 */
#include "base/problem.h"
#include "attached/sweep_volume.h"
#include "attached/volumes.h"
#include "blockdev/blockdev.h"
#include "ipc/message.h"
#include "supervisor/wipe_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- directories as they were --- */

static int open_beneath(int root_fd, const char *directory)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH,
	};
	int fd = (int)syscall(
		SYS_openat2, root_fd, directory[0] ? directory : ".", &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static void note_place(struct wipe *wipe, int root_fd, const char *directory)
{
	struct wipe_record *record = &wipe->record;
	struct wipe_place *place = &record->places[record->place_count];
	_cleanup_close_ int fd = -1;
	struct stat st;

	for (size_t i = 0; i < record->place_count; i++) {
		if (strcmp(record->places[i].directory, directory) == 0)
			return;
	}
	if (record->place_count == WIPE_PLACES_MAX || strlen(directory) >= sizeof(place->directory))
		return;
	fd = open_beneath(root_fd, directory);
	if (fd < 0 || fstat(fd, &st) < 0)
		return; /* it is not there: nobody counts on it */
	strcpy(place->directory, directory);
	place->uid = st.st_uid;
	place->gid = st.st_gid;
	place->mode = st.st_mode & 07777;
	record->place_count++;
}

/* With those that lead there: a parent stands before what is in it. */
static void note_path(struct wipe *wipe, int root_fd, const char *directory)
{
	char part[PATH_MAX];

	for (size_t i = 0; directory[0]; i++) {
		if (directory[i] != '/' && directory[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, directory);
		note_place(wipe, root_fd, part);
		if (directory[i] == '\0')
			return;
	}
}

/* Where a path of the host lies on the volume, if it does: NULL; buf may be returned. */
static const char *find_on_volume(
	const struct config_volume *volume, const char *path, char buf[static PATH_MAX])
{
	size_t length = strlen(volume->mount);

	if (strncmp(path, volume->mount, length) == 0 && path[length] == '/')
		return path + length + 1;
	for (size_t i = 0; i < volume->bind_count; i++) {
		const struct config_bind *bind = &volume->binds[i];

		length = strlen(bind->at);
		if (strncmp(path, bind->at, length) != 0 || path[length] != '/')
			continue;
		snprintf(buf, PATH_MAX, "%s%s", bind->directory, path + length);
		return buf;
	}
	return NULL;
}

int wipe_full_note_places(struct wipe *wipe, struct problem *reterr_problem)
{
	const struct config_volume *volume = wipe->volume;
	_cleanup_close_ int root_fd =
		open(wipe->runtime.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char buf[PATH_MAX];
	const char *temp;

	if (root_fd < 0)
		return problem_set(
			reterr_problem, -errno, "%s: %s", wipe->runtime.mount, strerror(errno));
	wipe->record.place_count = 0;
	note_place(wipe, root_fd, "");
	for (size_t i = 0; i < volume->bind_count; i++)
		note_path(wipe, root_fd, volume->binds[i].directory);
	temp = wipe->has_cups ? find_on_volume(volume, wipe->config->cups_temp, buf) : NULL;
	if (temp)
		note_path(wipe, root_fd, temp);
	return 0;
}

static int make_place(int root_fd, const struct wipe_place *place)
{
	const char *slash = strrchr(place->directory, '/');
	_cleanup_close_ int parent_fd = -1, fd = -1;
	char parent[sizeof(place->directory)] = "";

	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - place->directory),
			place->directory);
	parent_fd = open_beneath(root_fd, parent);
	if (parent_fd < 0)
		return parent_fd;
	if (place->directory[0] &&
		mkdirat(parent_fd, slash ? slash + 1 : place->directory, 0700) < 0 &&
		errno != EEXIST)
		return -errno;
	fd = open_beneath(root_fd, place->directory);
	if (fd < 0)
		return fd;
	/* The owner first: a change of it takes bits of the mode away. */
	if (fchown(fd, place->uid, place->gid) < 0 || fchmod(fd, place->mode) < 0 ||
		fsync(fd) < 0 || fsync(parent_fd) < 0)
		return -errno;
	return 0;
}

int wipe_full_make_places(struct wipe *wipe, struct problem *reterr_problem)
{
	_cleanup_close_ int root_fd =
		open(wipe->runtime.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r = root_fd < 0 ? -errno : 0;

	for (size_t i = 0; i < wipe->record.place_count && r >= 0; i++)
		r = make_place(root_fd, &wipe->record.places[i]);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the directories of volume %s could not be made again: %s",
			wipe->volume->name, strerror(-r));
	return 0;
}

/* --- the keys die --- */

static uint64_t count_of(struct json_object *report, const char *key)
{
	uint64_t value;

	return report && message_get_u64(report, key, &value) ? value : 0;
}

static void take_report(struct wipe *wipe, struct json_object *report)
{
	struct wipe_numbers *numbers = &wipe->record.numbers;

	numbers->slots_destroyed = count_of(report, "slots_destroyed");
	numbers->header_backups = count_of(report, "header_backups");
	numbers->blocks = (struct retirement){
		.requested_blocks = count_of(report, "owed_bytes") / BLOCK_BYTES};
	if (numbers->header_backups > 0)
		wipe_record_add_note(&wipe->record,
			"%llu header backups were made of the old key: whoever has one has that "
			"key, and what it opened is overwritten; destroy them",
			(unsigned long long)numbers->header_backups);
}

int wipe_full_renew(struct wipe *wipe, struct problem *reterr_problem)
{
	struct wipe_record *record = &wipe->record;
	struct keeper_renewal how = {.passphrase_fd = wipe->passphrase_fd, .by_force = true};
	struct json_object *report = NULL;
	int r;

	wipe->passphrase_fd = -1;
	if (strcmp(wipe->runtime.uuid, record->uuid) == 0) {
		r = keeper_renew(wipe->keeper, &how, &report, reterr_problem);
		supervisor_tell_keys(wipe->supervisor);
		if (r >= 0)
			r = wipe_look(wipe, reterr_problem);
		if (r < 0) {
			json_object_put(report);
			return r;
		}
	} else {
		io_closep(&how.passphrase_fd);
		wipe_record_add_note(record, "the new key and file system were finished after an "
					     "interruption, when the volume was opened");
	}
	take_report(wipe, report);
	json_object_put(report);
	strcpy(record->new_uuid, wipe->runtime.uuid);
	return 0;
}

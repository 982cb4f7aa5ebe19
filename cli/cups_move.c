/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_move.h"
#include "attached/bind.h"
#include "base/io.h"
#include "blockdev/mount_table.h"
#include "cli/cups_files.h"
#include "spool/mount.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_KEPT_BYTES (16ull << 20) /* for directories, and so that cupsd has a little */

/* Those that are still to be moved. */
static bool is_moving(const struct cups_move_tree *tree)
{
	return !tree->why_not && !tree->is_in_place;
}

static const char *source_of(const struct cups_move_tree *tree)
{
	return access(tree->old, F_OK) == 0 ? tree->old : tree->at;
}

static int sync_parent(const char *path)
{
	_cleanup_close_ int fd = -1;
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%.*s/", (int)(strrchr(path, '/') - path), path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int say(struct problem *reterr_problem, const char *path, int error)
{
	return problem_set(
		reterr_problem, error, "%s cannot be set aside: %s", path, strerror(-error));
}

/* --- what a run that was killed left --- */

/*
 * AT and an empty AT.spoolguard-new are exchanged, and the latter is then called AT.spoolguard-old.
 * Killed in between, AT is the empty one.
 */
static int recover(struct cups_move_tree *tree, struct problem *reterr_problem)
{
	int r = 0;

	if (tree->why_not || access(tree->fresh, F_OK) < 0)
		return 0;
	if (rmdir(tree->fresh) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return say(reterr_problem, tree->at, -errno);
	if (access(tree->old, F_OK) == 0)
		return problem_set(reterr_problem, -EEXIST,
			"%s and %s are both there; look which one holds your jobs, and move the "
			"other away",
			tree->old, tree->fresh);
	if (rename(tree->fresh, tree->old) < 0)
		r = -errno;
	if (r >= 0)
		r = sync_parent(tree->at);
	return r < 0 ? say(reterr_problem, tree->at, r) : 0;
}

/* --- copying --- */

static int take_lock(struct cups_move *move, struct problem *reterr_problem)
{
	int r;

	if (move->lock >= 0)
		return 0;
	r = runtime_lock(move->volume.uuid, &move->lock, reterr_problem);
	if (r >= 0)
		r = runtime_load(move->volume.uuid, &move->volume);
	if (r < 0 && reterr_problem && reterr_problem->text[0] == '\0')
		problem_set(reterr_problem, r, "%s was detached meanwhile", move->volume.path);
	return r;
}

/* Whoever uses the volume comes by the other place: above it only root gets through. */
static int make_target(const struct cups_move *move, const struct cups_move_tree *tree,
	struct problem *reterr_problem)
{
	char path[PATH_MAX];
	size_t root = strlen(move->mounted_at);

	strcpy(path, tree->target);
	for (char *at = path + root; at[0]; at++) {
		char *slash = strchr(at + 1, '/');

		if (slash)
			*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
		if (!slash)
			break;
		*slash = '/';
		at = slash - 1;
	}
	return 0;
}

static int check_room(const struct cups_move *move, struct problem *reterr_problem)
{
	struct statvfs fs;
	uint64_t wanted = ROOM_KEPT_BYTES;

	/* What an earlier run copied is counted twice: then the copying itself finds out. */
	for (size_t i = 0; i < CUPS_MOVES; i++)
		wanted += is_moving(&move->trees[i]) ? move->trees[i].count.bytes : 0;
	if (statvfs(move->mounted_at, &fs) == 0 && (uint64_t)fs.f_blocks * fs.f_frsize < wanted)
		return problem_set(reterr_problem, -ENOSPC,
			"%s is too small: cups has %llu MiB; make a larger volume, or \"spoolguard "
			"resize\" it",
			move->volume.path, (unsigned long long)(wanted >> 20));
	return 0;
}

static struct cups_tree tree_of(const struct cups_move *move, const struct cups_move_tree *tree)
{
	return (struct cups_tree){
		.from = source_of(tree),
		.to = tree->target,
		.emptied = tree->emptied[0] ? tree->emptied : NULL,
		.kept = tree->directory[0] ? NULL : move->kept,
	};
}

static int check_vacant(const struct cups_move *move, struct problem *reterr_problem)
{
	char mark[PATH_MAX];
	int r = cups_move_mark_path(move, mark);

	if (r < 0 || access(mark, F_OK) == 0)
		return r;
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++) {
		const struct cups_move_tree *tree = &move->trees[i];
		struct cups_tree copy = tree_of(move, tree);
		bool is_vacant = true;

		if (!is_moving(tree) || access(tree->target, F_OK) < 0)
			continue;
		r = cups_tree_is_vacant(&copy, &is_vacant, reterr_problem);
		if (r >= 0 && !is_vacant)
			r = problem_set(reterr_problem, -ENOTEMPTY,
				"%s on the volume is not empty, and nothing there comes from an "
				"earlier migration; empty it, or take another volume",
				tree->target);
	}
	return r;
}

static int set_mark(const struct cups_move *move, struct problem *reterr_problem)
{
	struct cups_text text = {.bytes = NULL};
	char path[PATH_MAX];
	FILE *stream;
	int r = cups_move_mark_path(move, path);

	if (r < 0 || access(path, F_OK) == 0)
		return r;
	stream = open_memstream(&text.bytes, &text.count);
	if (!stream)
		return -ENOMEM;
	fprintf(stream, "%s\n%s\n", move->trees[CUPS_MOVE_SPOOL].directory,
		move->jobs_are_known ? "waiting" : "not known");
	for (size_t i = 0; i < move->job_count; i++)
		fprintf(stream, "%d\n", move->jobs[i]);
	r = fclose(stream) == 0 ? cups_file_create(path, &text, 0600, reterr_problem) : -ENOMEM;
	free(text.bytes);
	return r;
}

int cups_move_copy(
	struct cups_move *move, const struct progress_sink *sink, struct problem *reterr_problem)
{
	int r = take_lock(move, reterr_problem);

	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++)
		r = recover(&move->trees[i], reterr_problem);
	if (r >= 0)
		r = check_room(move, reterr_problem);
	if (r >= 0)
		r = check_vacant(move, reterr_problem);
	if (r >= 0)
		r = set_mark(move, reterr_problem);
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++) {
		struct cups_tree copy = tree_of(move, &move->trees[i]);

		if (!is_moving(&move->trees[i]))
			continue;
		r = make_target(move, &move->trees[i], reterr_problem);
		if (r >= 0)
			r = cups_tree_copy(&copy, sink, reterr_problem);
		if (r >= 0)
			r = cups_tree_compare(&copy, reterr_problem);
	}
	return r;
}

/* --- setting aside --- */

/* The bare directory, so that something else may lie there again. */
static int unseal(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flags = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_IMMUTABLE_FL))
		return 0;
	flags &= ~FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

static int make_fresh(const struct cups_move_tree *tree)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (stat(tree->at, &st) < 0 || mkdir(tree->fresh, 0700) < 0)
		return -errno;
	fd = open(tree->fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0 ||
		fsync(fd) < 0)
		return -errno;
	return sync_parent(tree->at);
}

/* V1: AT is whole or empty at any instant. */
static int set_aside(struct cups_move_tree *tree, struct problem *reterr_problem)
{
	int r;

	if (access(tree->old, F_OK) == 0)
		return 0; /* by an earlier run */
	r = make_fresh(tree);
	if (r >= 0 && renameat2(AT_FDCWD, tree->at, AT_FDCWD, tree->fresh, RENAME_EXCHANGE) < 0)
		r = -errno;
	if (r >= 0 && rename(tree->fresh, tree->old) < 0)
		r = -errno;
	if (r >= 0)
		r = sync_parent(tree->at);
	if (r < 0)
		return say(reterr_problem, tree->at, r);
	tree->has_old = true;
	return 0;
}

static int put_back(struct cups_move_tree *tree, struct problem *reterr_problem)
{
	int r;

	if (access(tree->old, F_OK) < 0)
		return 0;
	/* rename(2) takes the place of an empty directory, and of no other. */
	r = unseal(tree->at);
	if (r >= 0 && rename(tree->old, tree->at) < 0)
		r = -errno;
	if (r >= 0)
		r = sync_parent(tree->at);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"what was at %s is whole, and lies at %s; it cannot be moved back: %s",
			tree->at, tree->old, strerror(-r));
	tree->has_old = false;
	return 0;
}

/* --- in place --- */

/* The volume itself at RequestRoot: recorded before it is there (T1 in volume/runtime.h). */
static int move_mount(
	struct cups_move *move, const char *from, const char *to, struct problem *reterr_problem)
{
	struct mount_seal seal = {.sealed = false};
	int r;

	r = mount_point_seal(to, MOUNT_POINT_CLOSED, &seal, reterr_problem);
	if (r < 0)
		return r;
	move->volume.ready = false;
	strcpy(move->volume.mount, to);
	r = runtime_save(&move->volume, reterr_problem);
	if (r >= 0)
		r = mount_move(from, to, reterr_problem);
	if (r < 0) {
		strcpy(move->volume.mount, from);
		mount_point_unseal(to, &seal);
	}
	move->volume.ready = true;
	if (runtime_save(&move->volume, r < 0 ? NULL : reterr_problem) < 0 && r >= 0)
		r = -EIO;
	if (r >= 0)
		strcpy(move->mounted_at, to);
	return r;
}

static int place_one(
	struct cups_move *move, struct cups_move_tree *tree, struct problem *reterr_problem)
{
	const struct bind_wanted wanted = {tree->directory, tree->at};

	if (tree->directory[0])
		return bind_volume(&move->volume, &wanted, 1, NULL, reterr_problem);
	return move_mount(move, move->mounted_at, tree->at, reterr_problem);
}

static void forget_bind(struct runtime_state *state, const char *at)
{
	for (size_t i = 0; i < state->bind_count; i++) {
		if (strcmp(state->binds[i].at, at) != 0)
			continue;
		memmove(&state->binds[i], &state->binds[i + 1],
			(state->bind_count - i - 1) * sizeof(state->binds[0]));
		state->bind_count--;
		return;
	}
}

static int unplace_one(struct cups_move *move, struct cups_move_tree *tree, const char *former,
	struct problem *reterr_problem)
{
	int r;

	if (tree->directory[0]) {
		r = mount_end(tree->at, reterr_problem);
		if (r >= 0) {
			forget_bind(&move->volume, tree->at);
			r = runtime_save(&move->volume, reterr_problem);
		}
	} else {
		r = unseal(former);
		if (r >= 0)
			r = move_mount(move, tree->at, former, reterr_problem);
	}
	if (r >= 0)
		r = unseal(tree->at);
	return r;
}

static int undo(
	struct cups_move *move, size_t placed, const char *former, struct problem *reterr_problem)
{
	int r = 0;

	for (size_t i = placed; i-- > 0 && r >= 0;) {
		if (is_moving(&move->trees[i]))
			r = unplace_one(move, &move->trees[i], former, reterr_problem);
	}
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++) {
		if (is_moving(&move->trees[i]))
			r = put_back(&move->trees[i], reterr_problem);
	}
	return r;
}

/*
 * All is where it is to be.  A run that was killed while it moved the mount may have left it at
 * both places, and the record of an attach that has not come to its end.
 */
static int settle(struct cups_move *move, struct problem *reterr_problem)
{
	char where[PATH_MAX];
	struct stat device;
	int r = 0;

	if (move->volume.ready)
		return 0;
	if (stat(move->volume.device, &device) < 0)
		return problem_set(
			reterr_problem, -errno, "%s: %s", move->volume.device, strerror(errno));
	for (size_t i = 0;
		r >= 0 && mount_table_place(device.st_rdev, i, where, sizeof(where)) >= 0; i++) {
		if (strcmp(where, move->volume.mount) == 0 ||
			bind_is_recorded(&move->volume, where))
			continue;
		r = mount_end(where, reterr_problem);
		i = (size_t)-1; /* the table is another one now */
	}
	move->volume.ready = true;
	return r < 0 ? r : runtime_save(&move->volume, reterr_problem);
}

int cups_move_place(struct cups_move *move, struct problem *reterr_problem)
{
	struct problem first = {""}, second = {""};
	size_t placed = 0;
	int r = 0, undone;

	strcpy(move->former, move->mounted_at);
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++) {
		if (is_moving(&move->trees[i]))
			r = set_aside(&move->trees[i], &first);
	}
	for (; placed < CUPS_MOVES && r >= 0; placed++) {
		if (is_moving(&move->trees[placed]))
			r = place_one(move, &move->trees[placed], &first);
		if (r < 0)
			break;
	}
	if (r >= 0)
		r = settle(move, &first);
	if (r >= 0) {
		move->is_placed = true;
		return 0;
	}
	undone = undo(move, placed, move->former, &second);
	if (undone >= 0)
		return problem_set(reterr_problem, r, "%s", problem_text(&first, r));
	return problem_set(reterr_problem, r, "%.300s; and: %.300s", problem_text(&first, r),
		problem_text(&second, undone));
}

int cups_move_undo(struct cups_move *move, struct problem *reterr_problem)
{
	int r = undo(move, CUPS_MOVES, move->former, reterr_problem);

	move->is_placed = false;
	return r;
}

/* --- erasing --- */

int cups_move_erase(
	struct cups_move *move, const struct progress_sink *sink, struct problem *reterr_problem)
{
	char mark[PATH_MAX];
	int r = take_lock(move, reterr_problem);

	if (r >= 0)
		r = settle(move, reterr_problem);
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++) {
		struct cups_move_tree *tree = &move->trees[i];

		if (!tree->why_not)
			r = cups_erase_tree(tree->old, sink, &tree->erased, reterr_problem);
	}
	if (r >= 0)
		r = cups_move_mark_path(move, mark);
	if (r >= 0 && unlink(mark) < 0 && errno != ENOENT)
		r = problem_set(reterr_problem, -errno, "%s: %s", mark, strerror(errno));
	return r;
}

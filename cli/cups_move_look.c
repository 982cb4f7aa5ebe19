/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_move_look.c - which directories are moved onto which volume, and how far that is
 */
#include "attached/bind.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "base/path.h"
#include "blockdev/guard.h"
#include "blockdev/mount_table.h"
#include "cli/cups_move.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_SUFFIX   ".spoolguard-old"
#define FRESH_SUFFIX ".spoolguard-new"

static const struct {
	const char *what, *directory;
} known[CUPS_MOVES] = {
	[CUPS_MOVE_SPOOL] = {"spool", ""}, /* the volume itself, if nothing else is asked for */
	[CUPS_MOVE_CACHE] = {"cache", "cache"},
	[CUPS_MOVE_LOG] = {"log", "log"},
};

/* --- the volume --- */

/* Where its file system is, binds apart: at the place that is recorded, or still where it was
 * before a run that was killed recorded another. */
static int find_mount(struct cups_move *move, struct problem *reterr_problem)
{
	char where[PATH_MAX];
	struct stat device;

	if (stat(move->volume.device, &device) == 0) {
		for (size_t i = 0; mount_table_place(device.st_rdev, i, where, sizeof(where)) >= 0;
			i++) {
			bool is_recorded = strcmp(where, move->volume.mount) == 0;

			if (bind_is_recorded(&move->volume, where) ||
				(move->mounted_at[0] && !is_recorded))
				continue;
			strcpy(move->mounted_at, where);
		}
	}
	if (move->mounted_at[0])
		return 0;
	return problem_set(reterr_problem, -ENODEV,
		"%s is attached, and not mounted; attach it with --mount DIR", move->volume.path);
}

static bool is_mounted_at(const struct runtime_state *state, const char *mount)
{
	char real[PATH_MAX];

	return state->mount[0] && realpath(mount, real) && strcmp(state->mount, real) == 0;
}

/* The one that was named, the one on which the spool lies already, or the only one. */
static int find_volume(
	const struct cups_context *context, struct cups_move *move, struct problem *reterr_problem)
{
	const char *wanted = context->options->volume_mount;
	const char *spool = context->paths.items[CUPS_REQUEST_ROOT].path;
	struct runtime_state state;
	size_t count = 0;
	int r = volumes_check_allowed(reterr_problem);

	if (r < 0)
		return r;
	if (!wanted && volumes_find_by_file(spool, &move->volume, NULL) >= 0)
		return find_mount(move, reterr_problem);
	for (size_t i = 0; runtime_at(i, &state) >= 0; i++) {
		if (!state.mount[0] || (wanted && !is_mounted_at(&state, wanted)))
			continue;
		move->volume = state;
		count++;
	}
	if (count == 1)
		return find_mount(move, reterr_problem);
	if (wanted)
		return problem_set(reterr_problem, -ENODEV,
			"no volume is mounted at %s; attach one (\"spoolguard attach --mount %s "
			"VOLUME\")",
			wanted, wanted);
	return problem_set(reterr_problem, -ENODEV,
		count ? "several volumes are mounted; say which with --volume-mount DIR"
		      : "no volume is mounted; attach one (\"spoolguard attach --mount DIR "
			"VOLUME\")");
}

static int check_volume(const struct cups_move *move, struct problem *reterr_problem)
{
	struct client *client = NULL;
	int r;

	if (move->volume.read_only)
		return problem_set(reterr_problem, -EROFS,
			"%s is attached read-only; attach it for writing", move->volume.path);
	r = volumes_connect(&move->volume, &client, reterr_problem);
	if (r >= 0)
		r = volumes_check_managed(&move->volume, client, "a spool on it", reterr_problem);
	client_free(client);
	return r;
}

/* --- the directories --- */

/* Of another program's things, or of everybody's. */
static bool is_shared(const char *path)
{
	static const char *const shared[] = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib",
		"/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",
		"/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		if (strcmp(path, shared[i]) == 0)
			return true;
	}
	return false;
}

static bool holds_something_else(
	const struct cups_context *context, const struct cups_move *move, const char *at)
{
	const char *others[] = {context->config, context->files_config,
		context->paths.items[CUPS_SERVER_ROOT].path,
		context->paths.items[CUPS_STATE_DIR].path, move->volume.path, move->mounted_at};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (strcmp(others[i], at) != 0 && path_is_at_or_below(others[i], at))
			return true;
	}
	return false;
}

/* The directory of all logs that are files. */
static const char *find_log_directory(
	const struct cups_context *context, char ret_path[static PATH_MAX])
{
	static const enum cups_path_name logs[] = {CUPS_ERROR_LOG, CUPS_ACCESS_LOG, CUPS_PAGE_LOG};
	char copy[PATH_MAX], first[PATH_MAX] = "";

	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		const struct cups_path *path = &context->paths.items[logs[i]];

		if (!cups_path_is_file(path))
			continue;
		strcpy(copy, path->path);
		dirname(copy);
		if (first[0] && strcmp(first, copy) != 0)
			return "the logs lie in several directories";
		strcpy(first, copy);
	}
	strcpy(ret_path, first);
	return first[0] ? NULL : "no log is a file";
}

static int set_paths(struct cups_move_tree *tree, const char *path, struct problem *reterr_problem)
{
	char at[PATH_MAX];

	if (!realpath(path, at))
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	if (snprintf(tree->old, sizeof(tree->old), "%s" OLD_SUFFIX, at) >= (int)sizeof(tree->old) ||
		snprintf(tree->fresh, sizeof(tree->fresh), "%s" FRESH_SUFFIX, at) >=
			(int)sizeof(tree->fresh))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%s is too long a path", path);
	strcpy(tree->at, at);
	return guard_check_confined(at, reterr_problem);
}

/* A reason not to move it at all, in words; NULL: none. */
static const char *find_reason(const struct cups_context *context, const struct cups_move *move,
	size_t index, char ret_path[static PATH_MAX])
{
	const char *reason = NULL;

	switch (index) {
	case CUPS_MOVE_SPOOL:
		strcpy(ret_path, context->paths.items[CUPS_REQUEST_ROOT].path);
		return NULL;
	case CUPS_MOVE_CACHE:
		strcpy(ret_path, context->paths.items[CUPS_CACHE_DIR].path);
		if (cups_is_without(context->options, "cache-place"))
			reason = "left out";
		break;
	default:
		reason = cups_is_without(context->options, "log-place")
				 ? "left out"
				 : find_log_directory(context, ret_path);
	}
	if (reason)
		return reason;
	if (path_is_at_or_below(ret_path, move->trees[CUPS_MOVE_SPOOL].at))
		return "it lies in the spool, and is moved with it";
	if (access(ret_path, F_OK) < 0)
		return "it does not exist";
	return NULL;
}

static bool is_empty(const char *path)
{
	const struct cups_tree self = {.from = path, .to = path};
	bool vacant = false;

	return cups_tree_is_vacant(&self, &vacant, NULL) >= 0 && vacant;
}

static int check_tree(const struct cups_context *context, const struct cups_move *move,
	const struct cups_move_tree *tree, struct problem *reterr_problem)
{
	struct statx root;

	if (tree->is_in_place)
		return 0;
	if (tree->has_old && access(tree->old, F_OK) == 0 && !is_empty(tree->at))
		return problem_set(reterr_problem, -ENOTEMPTY,
			"an earlier migration was interrupted, and cups has written to %s since; "
			"what it had before is whole in %s: stop cups, move what you need of the "
			"former there, empty it, then run this again",
			tree->at, tree->old);
	if (is_shared(tree->at) || holds_something_else(context, move, tree->at))
		return problem_set(reterr_problem, -EINVAL,
			"%s is not of cups alone: something else lies in it; give cups a directory "
			"of its own first",
			tree->at);
	if (statx(AT_FDCWD, tree->at, 0, STATX_TYPE, &root) == 0 &&
		(root.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return problem_set(reterr_problem, -EBUSY,
			"%s is a file system of its own; it cannot be set aside: copy it into a "
			"directory, unmount it, take it out of /etc/fstab, and overwrite its "
			"device "
			"in the end",
			tree->at);
	return 0;
}

/* --- what is where --- */

/* A run that was killed while it set a directory aside: AT.spoolguard-new is what AT was then. */
static int find_state(
	const struct cups_move *move, struct cups_move_tree *tree, struct problem *reterr_problem)
{
	struct stat volume, at;

	if (stat(move->mounted_at, &volume) < 0 || stat(tree->at, &at) < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", tree->at, strerror(errno));
	tree->is_in_place = at.st_dev == volume.st_dev;
	tree->has_old = access(tree->old, F_OK) == 0 ||
			(access(tree->fresh, F_OK) == 0 && !is_empty(tree->fresh));
	return 0;
}

static void find_emptied(const struct cups_context *context, struct cups_move_tree *spool)
{
	const char *root = context->paths.items[CUPS_REQUEST_ROOT].path;
	const char *temp = context->paths.items[CUPS_TEMP_DIR].path;
	const char *name = temp + strlen(root) + 1;

	if (path_is_at_or_below(temp, root) && strcmp(temp, root) != 0 && !strchr(name, '/') &&
		strlen(name) < sizeof(spool->emptied))
		strcpy(spool->emptied, name);
}

/* Where what cups had lies now. */
static const char *find_source(const struct cups_move_tree *tree)
{
	if (!tree->has_old)
		return tree->at;
	return access(tree->old, F_OK) == 0 ? tree->old : tree->fresh;
}

static int measure(struct cups_move_tree *tree, struct problem *reterr_problem)
{
	const struct cups_tree whole = {
		.from = find_source(tree),
		.to = "",
		.emptied = tree->emptied[0] ? tree->emptied : NULL,
	};

	return tree->is_in_place ? 0 : cups_tree_measure(&whole, &tree->count, reterr_problem);
}

static int look_at_tree(const struct cups_context *context, struct cups_move *move, size_t index,
	struct problem *reterr_problem)
{
	struct cups_move_tree *tree = &move->trees[index];
	char path[PATH_MAX];
	int r;

	tree->what = known[index].what;
	strcpy(tree->directory, known[index].directory);
	tree->why_not = find_reason(context, move, index, path);
	if (tree->why_not)
		return 0;
	r = set_paths(tree, path, reterr_problem);
	if (r >= 0)
		r = find_state(move, tree, reterr_problem);
	if (r >= 0)
		r = check_tree(context, move, tree, reterr_problem);
	return r;
}

/* At the root of the volume: lost+found, what is spoolguard's, and the other directories. */
static void list_kept(struct cups_move *move)
{
	size_t count = 0;

	move->kept[count++] = "lost+found";
	move->kept[count++] = ".spoolguard";
	move->kept[count++] = ".spoolguard-new";
	move->kept[count++] = ".spoolguard-migrate";
	for (size_t i = CUPS_MOVE_CACHE; i < CUPS_MOVES; i++)
		move->kept[count++] = move->trees[i].directory;
	move->kept[count] = NULL;
}

static int set_target(struct cups_move_tree *tree, const char *mounted_at)
{
	char target[PATH_MAX];
	int n = snprintf(target, sizeof(target), "%s%s%s", mounted_at,
		tree->directory[0] ? "/" : "", tree->directory);

	if (n < 0 || n >= (int)sizeof(target))
		return -ENAMETOOLONG;
	strcpy(tree->target, target);
	return 0;
}

int cups_move_mark_path(const struct cups_move *move, char ret_path[static PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s/.spoolguard-migrate", move->mounted_at);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int add_job(struct cups_move *move, int id)
{
	int *jobs = reallocarray(move->jobs, move->job_count + 1, sizeof(*jobs));

	if (!jobs)
		return -ENOMEM;
	move->jobs = jobs;
	move->jobs[move->job_count++] = id;
	return 0;
}

/* What a run that was killed had written down: the spool's directory, "waiting" or not, ids. */
static int read_mark(struct cups_move *move, const char *directory, struct problem *reterr_problem)
{
	size_t bytes = strlen(directory);
	char path[PATH_MAX];
	struct cups_text text;
	char *at;
	int r = cups_move_mark_path(move, path);

	if (r < 0 || access(path, F_OK) < 0)
		return r;
	r = cups_read_text(path, false, &text, reterr_problem);
	if (r < 0)
		return r;
	at = strchr(text.bytes, '\n');
	if (!at || (size_t)(at - text.bytes) != bytes || strncmp(text.bytes, directory, bytes) != 0)
		r = problem_set(reterr_problem, -EINVAL,
			"the migration that was interrupted was begun with another --directory "
			"(\"%.*s\"); go on with that",
			at ? (int)(at - text.bytes) : 0, text.bytes);
	move->jobs_are_known = at && strncmp(at, "\nwaiting\n", 9) == 0;
	at = at ? strchr(at + 1, '\n') : NULL;
	for (; at && at[1] && r >= 0; at = strchr(at + 1, '\n'))
		r = add_job(move, atoi(at + 1));
	cups_text_done(&text);
	return r;
}

int cups_move_look(
	const struct cups_context *context, struct cups_move *move, struct problem *reterr_problem)
{
	const char *directory = context->options->directory ? context->options->directory : "";
	int r;

	*move = (struct cups_move){.lock = -1};
	r = find_volume(context, move, reterr_problem);
	if (r >= 0)
		r = read_mark(move, directory, reterr_problem);
	if (r >= 0)
		r = check_volume(move, reterr_problem);
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++)
		r = look_at_tree(context, move, i, reterr_problem);
	if (r < 0)
		return r;
	strcpy(move->trees[CUPS_MOVE_SPOOL].directory, directory);
	find_emptied(context, &move->trees[CUPS_MOVE_SPOOL]);
	list_kept(move);
	for (size_t i = 0; i < CUPS_MOVES && r >= 0; i++) {
		struct cups_move_tree *tree = &move->trees[i];

		r = set_target(tree, move->mounted_at);
		if (r >= 0 && !tree->why_not)
			r = measure(tree, reterr_problem);
	}
	return r;
}

void cups_move_done(struct cups_move *move)
{
	io_closep(&move->lock);
	free(move->jobs);
	move->jobs = NULL;
}

bool cups_move_needs_stop(const struct cups_move *move)
{
	for (size_t i = 0; i < CUPS_MOVES; i++) {
		if (!move->trees[i].why_not && !move->trees[i].is_in_place)
			return true;
	}
	return false;
}

bool cups_move_has_old(const struct cups_move *move)
{
	for (size_t i = 0; i < CUPS_MOVES; i++) {
		if (!move->trees[i].why_not && move->trees[i].has_old)
			return true;
	}
	return false;
}

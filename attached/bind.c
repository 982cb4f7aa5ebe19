/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/bind.h"
#include "base/io.h"
#include "blockdev/mount_table.h"
#include "spool/mount.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* A directory gets its name when it has its owner and mode: also if we are killed before. */
#define UNFINISHED ".spoolguard-new"

/* --- what is asked for --- */

bool bind_is_directory(const char *directory)
{
	size_t length;

	if (strlen(directory) >= RUNTIME_BIND_DIRECTORY_BYTES)
		return false;
	for (const char *name = directory;; name += length + 1) {
		length = strcspn(name, "/");
		if (length == 0 || length > NAME_MAX || (length == 1 && name[0] == '.') ||
			(length == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		if (name[length] == '\0')
			return true;
	}
}

bool bind_is_recorded(const struct runtime_state *state, const char *where)
{
	for (size_t i = 0; i < state->bind_count; i++) {
		if (strcmp(state->binds[i].at, where) == 0)
			return true;
	}
	return false;
}

static bool is_in_place(dev_t device, const char *at)
{
	char where[PATH_MAX];

	for (size_t i = 0; mount_table_place(device, i, where, sizeof(where)) >= 0; i++) {
		if (strcmp(where, at) == 0)
			return true;
	}
	return false;
}

/* --- the directory on the volume --- */

/* Above it only we need to get through: who uses it comes by the other place. */
static int make_directory(int parent, const char *name, bool is_last, const struct stat *like)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(parent, UNFINISHED, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, UNFINISHED, OPEN_DIRECTORY);
	if (fd < 0)
		return -errno;
	/* A mount point of ours is closed (mode 0000) and no longer tells what it was. */
	if (is_last &&
		(fchown(fd, like->st_uid, like->st_gid) < 0 ||
			fchmod(fd, (like->st_mode & 0777) ? like->st_mode & 07777 : 0700) < 0))
		return -errno;
	return renameat(parent, UNFINISHED, parent, name) < 0 ? -errno : 0;
}

/* Opened name by name (N4), and made where it is missing. */
static int open_directory(int root_fd, const char *directory, const struct stat *like, int *ret_fd)
{
	_cleanup_close_ int parent = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	char copy[RUNTIME_BIND_DIRECTORY_BYTES], *rest = copy;
	const char *name;
	int r;

	strcpy(copy, directory);
	while (parent >= 0 && (name = strsep(&rest, "/"))) {
		int fd = openat(parent, name, OPEN_DIRECTORY);

		if (fd < 0 && errno == ENOENT) {
			r = make_directory(parent, name, !rest, like);
			if (r < 0)
				return r;
			fd = openat(parent, name, OPEN_DIRECTORY);
		}
		if (fd < 0)
			return -errno;
		io_closep(&parent);
		parent = fd;
	}
	if (parent < 0)
		return -errno;
	*ret_fd = parent;
	parent = -1;
	return 0;
}

/* --- one bind --- */

/* at's path without links and dots, and what it is. */
static int look_at_place(const char *at, dev_t volume, char ret_path[static PATH_MAX],
	struct stat *ret_stat, struct problem *reterr_problem)
{
	if (!realpath(at, ret_path) || stat(ret_path, ret_stat) < 0)
		return problem_set(reterr_problem, -errno,
			"%s cannot be bound over: %s; make it first, with the owner and mode that "
			"it is to have",
			at, strerror(errno));
	if (!S_ISDIR(ret_stat->st_mode))
		return problem_set(reterr_problem, -ENOTDIR, "%s is no directory; name one", at);
	if (ret_stat->st_dev == volume && !is_in_place(volume, ret_path))
		return problem_set(reterr_problem, -EXDEV,
			"%s lies on the volume itself; name a place outside of it", at);
	return 0;
}

static int make_bind(int root_fd, const char *directory, const char *at, const struct stat *like,
	struct mount_seal *ret_seal, struct problem *reterr_problem)
{
	struct mount_seal seal = {.sealed = false};
	_cleanup_close_ int fd = -1;
	struct stat root, st;
	int r;

	r = open_directory(root_fd, directory, like, &fd);
	if (r >= 0 && (fstat(root_fd, &root) < 0 || fstat(fd, &st) < 0))
		r = -errno;
	if (r >= 0 && st.st_dev != root.st_dev)
		r = -EXDEV;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"directory %s of the volume cannot be bound over %s: %s%s", directory, at,
			r == -ELOOP ? "it is a symbolic link, or lies behind one" : strerror(-r),
			r == -EROFS ? "; attach the volume for writing once, which makes it" : "");
	r = mount_point_seal(at, MOUNT_POINT_KEPT, &seal, reterr_problem);
	if (r < 0)
		return r;
	r = mount_bind(fd, at, reterr_problem);
	if (r < 0) {
		mount_point_unseal(at, &seal);
		return r;
	}
	*ret_seal = seal;
	return 0;
}

static struct runtime_bind *find_recorded(struct runtime_state *state, const char *at)
{
	for (size_t i = 0; i < state->bind_count; i++) {
		if (strcmp(state->binds[i].at, at) == 0)
			return &state->binds[i];
	}
	return NULL;
}

/* N3: before it is made. */
static int record(struct runtime_state *state, const char *directory, const char *at,
	struct problem *reterr_problem)
{
	struct runtime_bind *bind = find_recorded(state, at);
	int r;

	if (bind && strcmp(bind->directory, directory) == 0)
		return 0;
	if (bind)
		return problem_set(reterr_problem, -EBUSY,
			"directory %s of the volume is bound over %s already; detach the volume "
			"first",
			bind->directory, at);
	if (state->bind_count == RUNTIME_BINDS_MAX)
		return problem_set(reterr_problem, -E2BIG,
			"a volume has at most %u binds; mount a directory above several of them",
			RUNTIME_BINDS_MAX);
	bind = &state->binds[state->bind_count++];
	snprintf(bind->directory, sizeof(bind->directory), "%s", directory);
	snprintf(bind->at, sizeof(bind->at), "%s", at);
	r = runtime_save(state, reterr_problem);
	if (r < 0)
		state->bind_count--;
	return r;
}

static int bind_one(struct runtime_state *state, int root_fd, const struct bind_wanted *wanted,
	struct mount_seal *ret_seal, struct problem *reterr_problem)
{
	char at[PATH_MAX];
	struct stat root, place;
	int r;

	if (!bind_is_directory(wanted->directory))
		return problem_set(reterr_problem, -EINVAL,
			"\"%s\" names no directory of the volume; give its path from the volume's "
			"root, without \".\" or \"..\", of less than %u bytes",
			wanted->directory, RUNTIME_BIND_DIRECTORY_BYTES);
	if (fstat(root_fd, &root) < 0)
		return -errno;
	r = look_at_place(wanted->at, root.st_dev, at, &place, reterr_problem);
	if (r >= 0)
		r = record(state, wanted->directory, at, reterr_problem);
	if (r < 0 || is_in_place(root.st_dev, at))
		return r;
	return make_bind(root_fd, wanted->directory, at, &place, ret_seal, reterr_problem);
}

/* --- all of them --- */

static int open_root(const struct runtime_state *state, struct problem *reterr_problem)
{
	int fd = state->mount[0] ? open(state->mount, OPEN_DIRECTORY) : -1;
	struct stat root, device;

	if (fd >= 0 && fstat(fd, &root) == 0 && stat(state->device, &device) == 0 &&
		S_ISBLK(device.st_mode) && root.st_dev == device.st_rdev)
		return fd;
	io_closep(&fd);
	return problem_set(reterr_problem, -ENODEV,
		"%s is not mounted, so that nothing of it can be bound; attach it with --mount",
		state->path);
}

/* Only what is ours: by now something else may be mounted there, or over it. */
static int end_bind(dev_t device, const char *at, struct problem *reterr_problem)
{
	struct stat st;
	int r = 0;

	while (r >= 0 && is_in_place(device, at)) {
		if (stat(at, &st) == 0 && st.st_dev != device)
			return problem_set(reterr_problem, -EBUSY,
				"something else is mounted over %s; unmount it, then detach again "
				"(nothing was detached)",
				at);
		r = mount_end(at, reterr_problem);
	}
	return r;
}

/* Those from the first on, which this call recorded. */
static void undo(
	struct runtime_state *state, dev_t device, size_t first, const struct mount_seal *seals)
{
	size_t kept = first;

	for (size_t i = state->bind_count; i-- > first;) {
		if (end_bind(device, state->binds[i].at, NULL) < 0)
			kept = kept > i + 1 ? kept : i + 1;
		else
			mount_point_unseal(state->binds[i].at, &seals[i]);
	}
	state->bind_count = kept;
	if (runtime_save(state, NULL) < 0)
		(void)0; /* recorded, but not there: detach passes over it */
}

int bind_volume(struct runtime_state *state, const struct bind_wanted *wanted, size_t count,
	bool *ret_sealed, struct problem *reterr_problem)
{
	struct mount_seal seals[RUNTIME_BINDS_MAX] = {{.sealed = false}};
	_cleanup_close_ int root_fd = open_root(state, reterr_problem);
	size_t first = state->bind_count;
	bool ready = state->ready, sealed = true;
	struct stat root;
	int r = root_fd < 0 ? root_fd : 0;

	state->ready = false; /* "status" names a work that was interrupted */
	for (size_t i = 0; i < count && r >= 0; i++) {
		struct mount_seal seal = {.sealed = true};
		size_t number = state->bind_count;

		r = bind_one(state, root_fd, &wanted[i], &seal, reterr_problem);
		if (state->bind_count > number)
			seals[number] = seal;
		sealed &= seal.sealed;
	}
	state->ready = ready;
	if (r >= 0 && count > 0)
		r = runtime_save(state, reterr_problem);
	if (r < 0) {
		if (root_fd >= 0 && fstat(root_fd, &root) == 0)
			undo(state, root.st_dev, first, seals);
		return r;
	}
	if (ret_sealed)
		*ret_sealed = sealed;
	return 0;
}

int bind_end_all(const struct runtime_state *state, dev_t device, struct problem *reterr_problem)
{
	int r = 0;

	for (size_t i = state->bind_count; i-- > 0 && r >= 0;)
		r = end_bind(device, state->binds[i].at, reterr_problem);
	return r;
}

int bind_restore(struct runtime_state *state, struct problem *reterr_problem)
{
	struct bind_wanted wanted[RUNTIME_BINDS_MAX];

	for (size_t i = 0; i < state->bind_count; i++)
		wanted[i] = (struct bind_wanted){state->binds[i].directory, state->binds[i].at};
	return bind_volume(state, wanted, state->bind_count, NULL, reterr_problem);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/wipe_walk.h"
#include "base/io.h"
#include "supervisor/ledger_key.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES 256 /* of what may be retained: longer paths are not */

struct walk {
	const struct wipe_walk_options *options;
	struct wipe_walk_report report;
	dev_t device;
	char top[NAME_MAX + 1];
	char path[PATH_BYTES]; /* from the root; cut: it is no retained one then */
	bool is_cut;
	int depth;
};

/* L1 */
static int open_directory(int parent_fd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH |
			   RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, parent_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* --- what is retained --- */

/* L2 */
static bool is_retained(const struct walk *walk, const char *path)
{
	const struct config_volume *volume = walk->options->retain_of;

	for (size_t i = 0; volume && i < volume->retain_count; i++) {
		if (strcmp(volume->retain[i], path) == 0)
			return true;
	}
	return false;
}

static bool is_ledger_key(const struct walk *walk, const char *name)
{
	return walk->options->retain_of && strcmp(walk->path, LEDGER_KEY_DIRECTORY) == 0 &&
	       strcmp(name, LEDGER_KEY_FILE) == 0;
}

static int check_retained(struct walk *walk, int root_fd, struct problem *reterr_problem)
{
	const struct config_volume *volume = walk->options->retain_of;

	for (size_t i = 0; volume && i < volume->retain_count; i++) {
		_cleanup_close_ int fd = open_directory(root_fd, volume->retain[i]);

		walk->report.retained += fd >= 0;
		if (fd == -ELOOP || fd == -ENOTDIR)
			return problem_set(reterr_problem, -ELOOP,
				"%s is to be retained and is no directory, or behind a symbolic "
				"link; name the directory itself in the configuration (retain)",
				volume->retain[i]);
	}
	return 0;
}

/* --- the walk --- */

static int walk_directory(struct walk *walk, int fd, ino_t inode);

static void push(struct walk *walk, const char *name)
{
	size_t used = strlen(walk->path);
	int n = snprintf(
		walk->path + used, sizeof(walk->path) - used, "%s%s", used ? "/" : "", name);

	walk->is_cut = n < 0 || (size_t)n >= sizeof(walk->path) - used;
}

static int enter(struct walk *walk, int parent_fd, const char *name, ino_t inode)
{
	int fd;

	if (walk->depth >= WIPE_DEPTH_MAX) {
		walk->report.unreadable++;
		return 0;
	}
	fd = open_directory(parent_fd, name);
	if (fd == -EXDEV) {
		walk->report.covered++;
		return 0;
	}
	if (fd < 0) {
		walk->report.unreadable += fd != -ENOENT;
		return 0;
	}
	return walk_directory(walk, fd, inode);
}

static int visit_directory(struct walk *walk, int parent_fd, const char *name, ino_t inode)
{
	size_t used = strlen(walk->path);
	bool was_cut = walk->is_cut;
	int r = 0;

	if (!was_cut)
		push(walk, name);
	if (walk->depth == 1)
		snprintf(walk->top, sizeof(walk->top), "%s", name);
	if (walk->is_cut || !is_retained(walk, walk->path))
		r = enter(walk, parent_fd, name, inode);
	walk->path[used] = '\0';
	walk->is_cut = was_cut;
	if (walk->depth == 1)
		walk->top[0] = '\0';
	return r;
}

static int visit(struct walk *walk, int fd, ino_t directory_inode, const char *name)
{
	struct wipe_entry entry = {
		.directory_fd = fd,
		.device = walk->device,
		.directory_inode = directory_inode,
		.name = name,
		.top = walk->top,
	};

	if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME,
		    &entry.st) < 0) {
		walk->report.unreadable += errno != ENOENT;
		return 0;
	}
	if (S_ISDIR(entry.st.stx_mode))
		return visit_directory(walk, fd, name, (ino_t)entry.st.stx_ino);
	if (entry.st.stx_attributes & STATX_ATTR_MOUNT_ROOT) { /* over a file */
		walk->report.covered++;
		return 0;
	}
	if (!walk->is_cut && is_ledger_key(walk, name))
		return 0;
	return walk->options->entry(walk->options->context, &entry);
}

/* Takes fd. */
static int walk_directory(struct walk *walk, int fd, ino_t inode)
{
	DIR *directory = fdopendir(fd);
	struct dirent *found;
	int r = 0;

	if (!directory) {
		r = -errno;
		close(fd);
		return r;
	}
	walk->depth++;
	walk->report.directories++;
	while (r >= 0 && (errno = 0, found = readdir(directory))) {
		if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
			r = visit(walk, fd, inode, found->d_name);
	}
	if (r >= 0 && errno != 0)
		walk->report.unreadable++;
	walk->depth--;
	closedir(directory);
	return r;
}

int wipe_walk(const struct wipe_walk_options *options, struct wipe_walk_report *ret_report,
	struct problem *reterr_problem)
{
	struct walk walk = {.options = options};
	struct stat st;
	int fd, r;

	fd = open(options->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = problem_set(reterr_problem, -errno, "%s: %s", options->mount, strerror(errno));
		io_closep(&fd);
		return r;
	}
	if (options->device != 0 && st.st_dev != options->device) {
		close(fd);
		return problem_set(reterr_problem, -ENODEV,
			"the volume is not what is mounted at %s; unmount what lies over it",
			options->mount);
	}
	walk.device = st.st_dev;
	r = check_retained(&walk, fd, reterr_problem);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = walk_directory(&walk, fd, st.st_ino);
	if (r >= 0)
		*ret_report = walk.report;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_copy.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES    (256u << 10)
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* One level of both trees. */
struct level {
	const struct cups_tree *tree;
	int from, to; /* to: -1 where only "from" is looked at */
	int depth;    /* 0: the directories themselves */
	const char *name;
};

struct walk {
	struct cups_tree_count count, total;
	const struct progress_sink *sink;
	struct problem *problem;
};

typedef int visit_function(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st);

static int say(struct walk *walk, const struct level *level, const char *name, int error)
{
	if (walk->problem && walk->problem->text[0])
		return error;
	return problem_set(walk->problem, error, "%s/%s%s%s: %s%s", level->tree->from,
		level->depth ? level->name : "", level->depth ? "/" : "", name, strerror(-error),
		io_is_want_of_room(error) ? "; the volume is too small for it" : "");
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *list(int fd)
{
	int copy = openat(fd, ".", OPEN_DIRECTORY);
	DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;

	if (!directory)
		io_closep(&copy);
	return directory;
}

/* Visits every entry of level->from. */
static int walk_level(struct walk *walk, const struct level *level, visit_function *visit)
{
	DIR *directory = list(level->from);
	struct dirent *entry;
	struct stat st;
	int r = directory ? 0 : -errno;

	if (level->depth > CUPS_TREE_DEPTH_MAX)
		r = -ELOOP;
	if (r < 0)
		say(walk, level, ".", r);
	while (r >= 0 && (entry = readdir(directory))) {
		if (is_dots(entry->d_name))
			continue;
		if (fstatat(level->from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		else
			r = visit(walk, level, entry->d_name, &st);
		if (r < 0)
			r = say(walk, level, entry->d_name, r);
	}
	if (directory)
		closedir(directory);
	return r;
}

static bool is_emptied(const struct level *level, const char *name)
{
	return level->depth == 0 && level->tree->emptied && strcmp(level->tree->emptied, name) == 0;
}

static int descend(
	struct walk *walk, const struct level *level, const char *name, visit_function *visit)
{
	struct level below = {
		.tree = level->tree, .from = -1, .to = -1, .depth = level->depth + 1, .name = name};
	int r = 0;

	below.from = openat(level->from, name, OPEN_DIRECTORY);
	if (below.from < 0)
		return -errno;
	if (level->to >= 0) {
		below.to = openat(level->to, name, OPEN_DIRECTORY);
		r = below.to < 0 ? -errno : 0;
	}
	if (r >= 0)
		r = walk_level(walk, &below, visit);
	io_closep(&below.from);
	io_closep(&below.to);
	return r;
}

static int open_tree(const struct cups_tree *tree, bool with_to, struct level *ret_level,
	struct problem *reterr_problem)
{
	struct level level = {.tree = tree, .from = -1, .to = -1, .name = ""};

	level.from = open(tree->from, OPEN_DIRECTORY);
	if (level.from < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", tree->from, strerror(errno));
	if (with_to) {
		level.to = open(tree->to, OPEN_DIRECTORY);
		if (level.to < 0) {
			int r = problem_set(
				reterr_problem, -errno, "%s: %s", tree->to, strerror(errno));

			io_closep(&level.from);
			return r;
		}
	}
	*ret_level = level;
	return 0;
}

static void close_tree(struct level *level)
{
	io_closep(&level->from);
	io_closep(&level->to);
}

/* --- measuring --- */

static int visit_measure(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return is_emptied(level, name) ? 0 : descend(walk, level, name, visit_measure);
	if (S_ISREG(st->st_mode)) {
		walk->count.files++;
		walk->count.bytes += (uint64_t)st->st_size;
	}
	return 0;
}

int cups_tree_measure(const struct cups_tree *tree, struct cups_tree_count *ret_count,
	struct problem *reterr_problem)
{
	struct walk walk = {.problem = reterr_problem};
	struct level level;
	int r = open_tree(tree, false, &level, reterr_problem);

	if (r < 0)
		return r;
	r = walk_level(&walk, &level, visit_measure);
	close_tree(&level);
	if (r >= 0)
		*ret_count = walk.count;
	return r;
}

/* --- comparing --- */

static int compare_bytes(int a, int b, uint64_t bytes)
{
	_cleanup_free_ char *first = malloc(CHUNK_BYTES), *second = malloc(CHUNK_BYTES);
	uint64_t at = 0;

	if (!first || !second)
		return -ENOMEM;
	while (at < bytes) {
		size_t some = bytes - at < CHUNK_BYTES ? (size_t)(bytes - at) : CHUNK_BYTES;
		int r = io_pread(a, first, some, at);

		if (r >= 0)
			r = io_pread(b, second, some, at);
		if (r < 0)
			return r;
		if (memcmp(first, second, some) != 0)
			return -EUCLEAN;
		at += some;
	}
	return 0;
}

static bool is_alike(const struct stat *a, const struct stat *b)
{
	return ((a->st_mode ^ b->st_mode) & (S_IFMT | 07777)) == 0 && a->st_uid == b->st_uid &&
	       a->st_gid == b->st_gid && (S_ISDIR(a->st_mode) || a->st_size == b->st_size);
}

static int compare_files(const struct level *level, const char *name, const struct stat *st)
{
	_cleanup_close_ int from = openat(level->from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int to = openat(level->to, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (from < 0 || to < 0)
		return -errno;
	/* F2 */
	if (fsync(to) < 0)
		return -errno;
	(void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
	return compare_bytes(from, to, (uint64_t)st->st_size);
}

static int compare_links(const struct level *level, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	ssize_t a = readlinkat(level->from, name, from, sizeof(from));
	ssize_t b = readlinkat(level->to, name, to, sizeof(to));

	if (a < 0 || b < 0)
		return -errno;
	return a == b && memcmp(from, to, (size_t)a) == 0 ? 0 : -EUCLEAN;
}

static int visit_compare(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st)
{
	struct stat copy;
	int r;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		return 0;
	if (fstatat(level->to, name, &copy, AT_SYMLINK_NOFOLLOW) < 0 || !is_alike(st, &copy))
		r = -EUCLEAN;
	else if (S_ISDIR(st->st_mode)) /* which names what differs in it */
		return is_emptied(level, name) ? 0 : descend(walk, level, name, visit_compare);
	else
		r = S_ISREG(st->st_mode) ? compare_files(level, name, st)
					 : compare_links(level, name);
	if (r == -EUCLEAN)
		problem_set(walk->problem, r,
			"%s/%s%s: its copy on the volume is not the same; nothing of the old one "
			"was touched, run this again",
			level->tree->from, level->depth ? ".../" : "", name);
	return r;
}

int cups_tree_compare(const struct cups_tree *tree, struct problem *reterr_problem)
{
	struct walk walk = {.problem = reterr_problem};
	struct level level;
	int r = open_tree(tree, true, &level, reterr_problem);

	if (r < 0)
		return r;
	r = walk_level(&walk, &level, visit_compare);
	close_tree(&level);
	return r;
}

/* --- copying --- */

static int report(struct walk *walk)
{
	const struct progress progress = {"copying", walk->count.bytes, walk->total.bytes};

	return progress_report(walk->sink, &progress) ? -ECANCELED : 0;
}

static int copy_bytes(struct walk *walk, int from, int to)
{
	_cleanup_free_ char *chunk = malloc(CHUNK_BYTES);
	ssize_t n;
	int r = chunk ? 0 : -ENOMEM;

	while (r >= 0 && (n = read(from, chunk, CHUNK_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : io_write(to, chunk, (size_t)n);
		if (r < 0)
			break;
		walk->count.bytes += (uint64_t)n;
		r = report(walk);
	}
	return r;
}

static int keep_owner(int fd, const struct stat *st)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};

	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ||
		futimens(fd, times) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int remove_tree(int parent, const char *name, int depth)
{
	_cleanup_close_ int fd = openat(parent, name, OPEN_DIRECTORY);
	DIR *directory = fd >= 0 ? list(fd) : NULL;
	struct dirent *entry;
	int r = directory && depth <= CUPS_TREE_DEPTH_MAX ? 0 : -EIO;

	while (r >= 0 && (entry = readdir(directory))) {
		if (is_dots(entry->d_name) || unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		r = errno == EISDIR ? remove_tree(fd, entry->d_name, depth + 1) : -errno;
	}
	if (directory)
		closedir(directory);
	if (r >= 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

/* What is there under that name and is no such file, goes. */
static int make_way(const struct level *level, const char *name, mode_t type)
{
	struct stat st;

	if (fstatat(level->to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((st.st_mode & S_IFMT) == type && type != S_IFLNK)
		return 0;
	if (S_ISDIR(st.st_mode))
		return remove_tree(level->to, name, 0);
	return unlinkat(level->to, name, 0) < 0 ? -errno : 0;
}

static bool has_copy(const struct level *level, const char *name, const struct stat *st)
{
	struct stat copy;

	return fstatat(level->to, name, &copy, AT_SYMLINK_NOFOLLOW) == 0 && is_alike(st, &copy) &&
	       compare_files(level, name, st) == 0;
}

static int copy_file(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st)
{
	_cleanup_close_ int from = -1, to = -1;
	int r;

	walk->count.files++;
	if (has_copy(level, name, st)) {
		walk->count.bytes += (uint64_t)st->st_size;
		return report(walk);
	}
	from = openat(level->from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = openat(level->to, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_bytes(walk, from, to);
	return r < 0 ? r : keep_owner(to, st);
}

static int copy_link(const struct level *level, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(level->from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, level->to, name) < 0 ||
		fchownat(level->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int keep_directory(int parent, const char *name, const struct stat *st)
{
	_cleanup_close_ int fd = openat(parent, name, OPEN_DIRECTORY);

	return fd < 0 ? -errno : keep_owner(fd, st);
}

static bool is_kept(const struct level *level, const char *name)
{
	for (const char *const *kept = level->tree->kept; kept && *kept && level->depth == 0;
		kept++) {
		if (strcmp(*kept, name) == 0)
			return true;
	}
	return false;
}

/* What an earlier copy left, and cupsd has removed since. */
static int remove_extras(const struct level *level)
{
	DIR *directory = list(level->to);
	struct dirent *entry;
	struct stat st;
	int r = directory ? 0 : -errno;

	while (r >= 0 && (entry = readdir(directory))) {
		if (is_dots(entry->d_name) || is_kept(level, entry->d_name) ||
			fstatat(level->from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (unlinkat(level->to, entry->d_name, 0) < 0)
			r = errno == EISDIR ? remove_tree(level->to, entry->d_name, 0) : -errno;
	}
	if (directory)
		closedir(directory);
	return r;
}

static int visit_copy(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st);

static int copy_directory(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st)
{
	int r = 0;

	if (mkdirat(level->to, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (!is_emptied(level, name)) {
		struct level below = {.from = openat(level->from, name, OPEN_DIRECTORY),
			.to = openat(level->to, name, OPEN_DIRECTORY),
			.tree = level->tree,
			.depth = level->depth + 1,
			.name = name};

		r = below.from < 0 || below.to < 0 ? -EIO : remove_extras(&below);
		close_tree(&below);
		if (r >= 0)
			r = descend(walk, level, name, visit_copy);
	}
	return r < 0 ? r : keep_directory(level->to, name, st);
}

static int visit_copy(
	struct walk *walk, const struct level *level, const char *name, const struct stat *st)
{
	mode_t type = st->st_mode & S_IFMT;
	int r;

	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
		return 0;
	if (is_kept(level, name))
		return -EEXIST;
	r = make_way(level, name, type);
	if (r < 0)
		return r;
	if (type == S_IFDIR)
		return copy_directory(walk, level, name, st);
	return type == S_IFREG ? copy_file(walk, level, name, st) : copy_link(level, name, st);
}

int cups_tree_copy(const struct cups_tree *tree, const struct progress_sink *sink,
	struct problem *reterr_problem)
{
	struct walk walk = {.sink = sink, .problem = reterr_problem};
	struct level level;
	struct stat st;
	int r = cups_tree_measure(tree, &walk.total, reterr_problem);

	if (r >= 0)
		r = open_tree(tree, true, &level, reterr_problem);
	if (r < 0)
		return r;
	r = remove_extras(&level);
	if (r < 0)
		say(&walk, &level, ".", r);
	if (r >= 0)
		r = walk_level(&walk, &level, visit_copy);
	if (r >= 0 && (fstat(level.from, &st) < 0 || syncfs(level.to) < 0))
		r = -errno;
	if (r >= 0)
		r = keep_owner(level.to, &st);
	close_tree(&level);
	if (r == -ECANCELED)
		return problem_set(reterr_problem, r,
			"interrupted while %s was copied; nothing of it was touched, run this "
			"again",
			tree->from);
	if (r < 0 && reterr_problem && reterr_problem->text[0] == '\0')
		problem_set(reterr_problem, r, "%s cannot be copied: %s", tree->from, strerror(-r));
	return r;
}

int cups_tree_is_vacant(
	const struct cups_tree *tree, bool *ret_vacant, struct problem *reterr_problem)
{
	struct level level;
	struct dirent *entry;
	bool vacant = true;
	DIR *directory;
	int r = open_tree(tree, true, &level, reterr_problem);

	if (r < 0)
		return r;
	directory = list(level.to);
	while (directory && vacant && (entry = readdir(directory)))
		vacant = is_dots(entry->d_name) || is_kept(&level, entry->d_name);
	if (directory)
		closedir(directory);
	close_tree(&level);
	*ret_vacant = vacant;
	return 0;
}

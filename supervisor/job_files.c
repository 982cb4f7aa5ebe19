/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/job_files.h"
#include "base/io.h"
#include "supervisor/ledger_key.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/linkhash.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One walk: for finding (found) or for clearing (found NULL). */
struct walk {
	const struct job_files_options *options;
	struct job_files *found;
	struct lh_table *names; /* found already */
	char **opened;		/* paths of found->directories that hold single files; owned */
	size_t directories;	/* entered so far */
	size_t left;		/* clearing: files that are there */
};

/* A directory that is being walked. */
struct place {
	int fd;		    /* held by whoever called */
	const char *name;   /* absolute, without a slash at its end */
	const char *prefix; /* of the entries that count; "": all */
	unsigned int depth;
};

void job_files_done(struct job_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->files[i].name);
		free(files->files[i].path);
	}
	for (size_t i = 0; i < files->directory_count; i++)
		io_closep(&files->directories[i]);
	free(files->files);
	free(files->directories);
	*files = (struct job_files){.files = NULL};
}

/* --- opening --- */

/* O2; what root announced may lie behind links that root made. */
static int open_directory(const struct walk *walk, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned int)(flags | O_DIRECTORY | O_CLOEXEC),
		.resolve =
			walk->options->uid != 0 ? RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS : 0,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static bool is_theirs(const struct walk *walk, const struct stat *st)
{
	return walk->options->uid == 0 || st->st_uid == walk->options->uid;
}

/* 0; -EXDEV, -EPERM. */
static int check_place(const struct walk *walk, const struct stat *st)
{
	if (st->st_dev != walk->options->device)
		return -EXDEV; /* O1 */
	return is_theirs(walk, st) ? 0 : -EPERM;
}

static void refuse(struct walk *walk, int error)
{
	if (!walk->found)
		return;
	if (walk->found->refused++ == 0)
		walk->found->refusal = error;
}

static bool is_absence(int error)
{
	return error == -ENOENT || error == -ENOTDIR;
}

/* Takes fd. */
static int hold(struct walk *walk, int fd)
{
	struct job_files *found = walk->found;
	int *directories =
		realloc(found->directories, (found->directory_count + 1) * sizeof(*directories));

	if (!directories) {
		close(fd);
		return -ENOMEM;
	}
	found->directories = directories;
	directories[found->directory_count++] = fd;
	return 0;
}

/* --- what is found --- */

static int add_file(struct walk *walk, int directory, const char *entry, const char *name)
{
	const struct job_files_options *options = walk->options;
	struct job_files *found = walk->found;
	struct job_file *files, file;

	if (lh_table_lookup_entry(walk->names, name) ||
		(options->skip && options->skip(options->context, name)))
		return 0;
	if (found->count >= JOB_FILES_MAX) {
		found->is_cut = true;
		return 0;
	}
	files = realloc(found->files, (found->count + 1) * sizeof(*files));
	if (!files)
		return -ENOMEM;
	found->files = files;
	file.name = strdup(name);
	if (asprintf(&file.path, "/proc/self/fd/%d/%s", directory, entry) < 0)
		file.path = NULL;
	if (!file.name || !file.path || lh_table_insert(walk->names, file.name, NULL) < 0) {
		free(file.name);
		free(file.path);
		return -ENOMEM;
	}
	files[found->count++] = file;
	return 0;
}

/* --- walking --- */

static int walk_place(struct walk *walk, const struct place *place);

/* Its descriptor stays open while the set lives, or while it is cleared. */
static int enter(struct walk *walk, const struct place *place, const char *entry, const char *name)
{
	struct place inner = {.name = name, .prefix = "", .depth = place->depth + 1};
	int r;

	if (inner.depth > JOB_FILES_DEPTH_MAX || walk->directories >= JOB_FILES_DIRECTORIES_MAX) {
		if (walk->found)
			walk->found->is_cut = true; /* O3 */
		walk->left++;
		return 0;
	}
	inner.fd = openat(
		place->fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (inner.fd < 0)
		return is_absence(-errno) || errno == ELOOP ? 0 : -errno;
	walk->directories++;
	if (walk->found) {
		r = hold(walk, inner.fd);
		return r < 0 ? r : walk_place(walk, &inner);
	}
	r = walk_place(walk, &inner);
	close(inner.fd);
	if (r >= 0)
		(void)!unlinkat(place->fd, entry, AT_REMOVEDIR);
	return r;
}

static int take_entry(struct walk *walk, const struct place *place, const char *entry)
{
	char name[PATH_MAX];
	struct stat st;
	int n = snprintf(name, sizeof(name), "%s/%s", place->name, entry);

	if (n < 0 || (size_t)n >= sizeof(name)) {
		walk->left++;
		if (walk->found)
			walk->found->is_cut = true;
		return 0;
	}
	if (fstatat(place->fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.st_dev != walk->options->device) /* O1: something is mounted there */
		return 0;
	/* What only begins like the job's name may be another's. */
	if (place->prefix[0] && !is_theirs(walk, &st))
		return 0;
	if (S_ISDIR(st.st_mode) && strcmp(entry, LEDGER_KEY_DIRECTORY) == 0)
		return 0; /* of the service; no job's */
	if (S_ISDIR(st.st_mode))
		return enter(walk, place, entry, name);
	if (S_ISREG(st.st_mode)) {
		walk->left++;
		return walk->found ? add_file(walk, place->fd, entry, name) : 0;
	}
	if (!walk->found && unlinkat(place->fd, entry, 0) < 0 && errno != ENOENT)
		walk->left++;
	return 0;
}

static int walk_place(struct walk *walk, const struct place *place)
{
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!directory) {
		r = -errno;
		io_closep(&fd);
		return r;
	}
	while (r >= 0 && (errno = 0, entry = readdir(directory))) {
		const char *text = entry->d_name;

		if (strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
			strncmp(text, place->prefix, strlen(place->prefix)) == 0)
			r = take_entry(walk, place, text);
	}
	if (r >= 0 && errno != 0)
		r = -errno;
	closedir(directory);
	return r;
}

/* "/spool/tmp/7/" (prefix ""), or "/spool/tmp" and "7-". */
static int walk_named(struct walk *walk, const char *path, const char *prefix)
{
	struct place place = {.name = path, .prefix = prefix};
	struct stat st;
	int r;

	place.fd = open_directory(walk, path, O_RDONLY);
	if (place.fd < 0) {
		if (!is_absence(place.fd)) /* else it was never made, or is cleared */
			refuse(walk, place.fd);
		return 0;
	}
	r = fstat(place.fd, &st) < 0 ? -errno : 0;
	if (r >= 0)
		r = prefix[0] && st.st_dev == walk->options->device ? 0 : check_place(walk, &st);
	if (r < 0) {
		close(place.fd);
		refuse(walk, r);
		return 0;
	}
	walk->directories++;
	if (!walk->found) {
		r = walk_place(walk, &place);
		close(place.fd);
		return r;
	}
	r = hold(walk, place.fd);
	return r < 0 ? r : walk_place(walk, &place);
}

/* The names of a job lie in one or two directories, as a rule. */
static int find_opened(struct walk *walk, const char *path, int *ret_fd)
{
	size_t count = 0;
	char **opened;
	int fd, r;

	while (walk->opened && walk->opened[count]) {
		if (strcmp(walk->opened[count], path) == 0) {
			*ret_fd = walk->found->directories[count];
			return 0;
		}
		count++;
	}
	if (walk->directories >= JOB_FILES_DIRECTORIES_MAX) {
		walk->found->is_cut = true;
		return -EAGAIN;
	}
	fd = open_directory(walk, path, O_PATH);
	if (fd < 0)
		return fd;
	opened = realloc(walk->opened, (count + 2) * sizeof(char *));
	if (opened)
		walk->opened = opened;
	r = hold(walk, fd);
	if (r < 0 || !opened)
		return -ENOMEM;
	walk->directories++;
	opened[count] = strdup(path);
	opened[count + 1] = NULL;
	*ret_fd = fd;
	return opened[count] ? 0 : -ENOMEM;
}

static int find_single(struct walk *walk, const char *name)
{
	const char *slash = strrchr(name, '/');
	char path[PATH_MAX];
	struct stat st;
	int directory, r;

	*stpncpy(path, name, (size_t)(slash - name)) = '\0';
	r = find_opened(walk, path[0] ? path : "/", &directory);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (r >= 0 && fstatat(directory, slash + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r >= 0)
		r = check_place(walk, &st);
	if (r >= 0)
		return add_file(walk, directory, slash + 1, name);
	if (is_absence(r))
		walk->found->gone +=
			!walk->options->skip || !walk->options->skip(walk->options->context, name);
	else if (r != -EAGAIN)
		refuse(walk, r);
	return 0;
}

/* Cuts one or two slashes off: 0: a file, 1: a directory, 2: the beginning of names. */
static int kind_of(const char *name, char ret_path[static PATH_MAX])
{
	size_t length = strlen(name), kept = length;

	while (kept > 1 && length - kept < 2 && name[kept - 1] == '/')
		kept--;
	memcpy(ret_path, name, kept);
	ret_path[kept] = '\0';
	return (int)(length - kept);
}

static int walk_prefix(struct walk *walk, char *path)
{
	char *slash = strrchr(path, '/');

	*slash = '\0';
	return slash[1] ? walk_named(walk, path[0] ? path : "/", slash + 1) : 0;
}

static int walk_all(struct walk *walk)
{
	int r = 0;

	/* Single files first: their directories' places are those in walk->opened. */
	for (size_t i = 0; i < walk->options->name_count && r >= 0 && walk->found; i++) {
		char path[PATH_MAX];

		if (kind_of(walk->options->names[i], path) == 0)
			r = find_single(walk, walk->options->names[i]);
	}
	for (size_t i = 0; i < walk->options->name_count && r >= 0; i++) {
		char path[PATH_MAX];
		int kind = kind_of(walk->options->names[i], path);

		if (kind == 1)
			r = walk_named(walk, path, "");
		else if (kind == 2)
			r = walk_prefix(walk, path);
	}
	return r;
}

int job_files_find(const struct job_files_options *options, struct job_files *ret_files)
{
	struct job_files found = {.files = NULL};
	struct walk walk = {.options = options, .found = &found};
	int r;

	walk.names = lh_kchar_table_new(64, NULL);
	r = walk.names ? walk_all(&walk) : -ENOMEM;
	if (walk.names)
		lh_table_free(walk.names);
	for (size_t i = 0; walk.opened && walk.opened[i]; i++)
		free(walk.opened[i]);
	free(walk.opened);
	if (r < 0) {
		job_files_done(&found);
		return r;
	}
	*ret_files = found;
	return 0;
}

int job_files_clear(const struct job_files_options *options, size_t *ret_left)
{
	struct walk walk = {.options = options};
	int r = walk_all(&walk);

	if (r < 0)
		return r;
	*ret_left = walk.left;
	return 0;
}

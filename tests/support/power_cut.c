/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/power_cut.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX  4096
#define NAME_BYTES 80

struct content {
	ino_t inode;
	char *data; /* owned */
	size_t bytes;
};

struct name {
	ino_t directory, inode;
	char name[NAME_BYTES];
};

static char top[PATH_MAX];
static struct content contents[FILES_MAX];
static struct name names[FILES_MAX];
static size_t content_count, name_count;
static uint64_t random_state;

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "power_cut: %s: %s\n", what, strerror(errno));
	abort();
}

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* --- what is durable --- */

static struct content *content_of(ino_t inode)
{
	for (size_t i = 0; i < content_count; i++) {
		if (contents[i].inode == inode)
			return &contents[i];
	}
	return NULL;
}

static char *read_all(int fd, size_t *ret_bytes)
{
	struct stat st;
	char *data;

	require(fstat(fd, &st) == 0, "fstat");
	data = malloc((size_t)st.st_size + 1);
	require(data != NULL, "malloc");
	require(io_pread(fd, data, (size_t)st.st_size, 0) == 0, "read");
	*ret_bytes = (size_t)st.st_size;
	return data;
}

void power_cut_note_sync(int fd)
{
	struct content *content;
	struct stat st;
	char path[64];
	int reading;

	require(fstat(fd, &st) == 0, "fstat");
	content = content_of(st.st_ino);
	if (!content) {
		require(content_count < FILES_MAX, "too many files");
		content = &contents[content_count++];
		*content = (struct content){.inode = st.st_ino};
	}
	free(content->data);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* it may be open for writing only */
	reading = open(path, O_RDONLY | O_CLOEXEC);
	require(reading >= 0, path);
	content->data = read_all(reading, &content->bytes);
	close(reading);
}

static DIR *open_list(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	require(list != NULL, "a directory");
	return list;
}

/* A number that the system gives to another file is that file's from now on. */
static void forget_content(ino_t inode)
{
	struct content *content = content_of(inode);

	if (content) {
		free(content->data);
		*content = contents[--content_count];
	}
}

static bool is_named(ino_t inode)
{
	for (size_t i = 0; i < name_count; i++) {
		if (names[i].inode == inode)
			return true;
	}
	return false;
}

void power_cut_note_sync_directory(int fd)
{
	struct stat st;
	DIR *list;
	size_t kept = 0;
	static ino_t gone[FILES_MAX];
	size_t gone_count = 0;

	require(fstat(fd, &st) == 0, "fstat");
	for (size_t i = 0; i < name_count; i++) {
		if (names[i].directory != st.st_ino)
			names[kept++] = names[i];
		else
			gone[gone_count++] = names[i].inode;
	}
	name_count = kept;
	list = open_list(fd);
	for (struct dirent *entry; (entry = readdir(list));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		require(name_count < FILES_MAX && strlen(entry->d_name) < NAME_BYTES,
			"too many names");
		names[name_count] = (struct name){st.st_ino, entry->d_ino, ""};
		memcpy(names[name_count++].name, entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(list);
	for (size_t i = 0; i < gone_count; i++) {
		if (!is_named(gone[i]))
			forget_content(gone[i]);
	}
}

static void watch_tree(int fd)
{
	DIR *list = open_list(fd);

	for (struct dirent *entry; (entry = readdir(list));) {
		int at;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		at = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		require(at >= 0, entry->d_name);
		if (entry->d_type == DT_DIR)
			watch_tree(at);
		else
			power_cut_note_sync(at);
		close(at);
	}
	closedir(list);
	power_cut_note_sync_directory(fd);
}

void power_cut_watch(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	power_cut_forget();
	require(fd >= 0, directory);
	snprintf(top, sizeof(top), "%s", directory);
	watch_tree(fd);
	close(fd);
}

void power_cut_forget(void)
{
	for (size_t i = 0; i < content_count; i++)
		free(contents[i].data);
	content_count = name_count = 0;
}

/* --- what is left --- */

static void write_file(int at_fd, const char *name, const char *data, size_t bytes)
{
	int fd = openat(at_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	require(fd >= 0, name);
	require(io_write(fd, data, bytes) == 0, name);
	close(fd);
}

/* Of what was added since the last flush: all, a part, or all with a hole. */
static void leave_added(char *now, size_t *bytes, size_t flushed)
{
	size_t added = *bytes - flushed, hole;

	if (added == 0)
		return;
	switch (next_random(4)) {
	case 0:
		return;
	case 1:
		hole = flushed + next_random(added);
		memset(now + hole, 0, 1 + next_random(*bytes - hole));
		return;
	default:
		*bytes = flushed + next_random(added + 1);
	}
}

static void leave_content(
	enum power_cut kind, int from_fd, const char *name, ino_t inode, int to_fd)
{
	const struct content *content = content_of(inode);
	size_t flushed = content ? content->bytes : 0, bytes;
	const bool lost = kind == POWER_CUT_LOST || (kind == POWER_CUT_MIXED && next_random(2));
	int fd = openat(from_fd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *now;

	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != inode)) {
		close(fd);
		fd = -1;
	}
	if (lost || fd < 0) {
		write_file(to_fd, name, flushed ? content->data : "", flushed);
	} else {
		now = read_all(fd, &bytes);
		if (kind == POWER_CUT_MIXED && bytes > flushed)
			leave_added(now, &bytes, flushed);
		write_file(to_fd, name, now, bytes);
		free(now);
	}
	io_closep(&fd);
}

/* The inode that the name has after a cut; 0: it is not there. */
static ino_t inode_after(enum power_cut kind, ino_t now, ino_t flushed)
{
	if (kind == POWER_CUT_KEPT || (kind == POWER_CUT_MIXED && next_random(2)))
		return now;
	return flushed;
}

static ino_t flushed_inode(ino_t directory, const char *name)
{
	for (size_t i = 0; i < name_count; i++) {
		if (names[i].directory == directory && strcmp(names[i].name, name) == 0)
			return names[i].inode;
	}
	return 0;
}

static void leave_directory(enum power_cut kind, int from_fd, int to_fd);

static void leave_name(enum power_cut kind, int from_fd, const char *name, ino_t inode, int to_fd)
{
	struct stat st;
	int from, to;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
		leave_content(kind, from_fd, name, inode, to_fd);
		return;
	}
	require(mkdirat(to_fd, name, 0700) == 0, name);
	from = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(from >= 0 && to >= 0, name);
	leave_directory(kind, from, to);
	close(from);
	close(to);
}

static void leave_directory(enum power_cut kind, int from_fd, int to_fd)
{
	struct stat st, at;
	DIR *list = open_list(from_fd);

	require(fstat(from_fd, &st) == 0, "fstat");
	for (struct dirent *entry; (entry = readdir(list));) {
		ino_t inode;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		inode = inode_after(kind, entry->d_ino, flushed_inode(st.st_ino, entry->d_name));
		if (inode)
			leave_name(kind, from_fd, entry->d_name, inode, to_fd);
	}
	closedir(list);
	for (size_t i = 0; i < name_count; i++) {
		if (names[i].directory != st.st_ino ||
			fstatat(from_fd, names[i].name, &at, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (inode_after(kind, 0, names[i].inode)) /* its removal was not flushed */
			leave_name(kind, from_fd, names[i].name, names[i].inode, to_fd);
	}
}

void power_cut_leave(enum power_cut kind, uint64_t seed, const char *to)
{
	int from_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to_fd;

	random_state = seed * 2654435761u + 88172645463325252u;
	require(mkdir(to, 0700) == 0, to);
	to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(from_fd >= 0 && to_fd >= 0, to);
	leave_directory(kind, from_fd, to_fd);
	close(from_fd);
	close(to_fd);
}

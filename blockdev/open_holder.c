/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/open_holder.h"
#include "base/io.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDINFO_BYTES  256 /* position and flags come first */
#define COMMAND_BYTES 17

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

static const char *next_number(DIR *directory)
{
	struct dirent *entry;

	while ((entry = readdir(directory))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			return entry->d_name;
	}
	return NULL;
}

static void read_text(int directory, const char *name, char *text, size_t bytes)
{
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, bytes - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode))
		return S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool may_write(int process, const char *number)
{
	char name[32], text[FDINFO_BYTES];
	const char *flags;

	snprintf(name, sizeof(name), "fdinfo/%.20s", number);
	read_text(process, name, text, sizeof(text));
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/* process: /proc/PID */
static bool has_open(int process, const struct stat *file, bool writers_only)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *fds = fd < 0 ? NULL : fdopendir(fd);
	const char *number;
	struct stat st;

	if (!fds)
		io_closep(&fd);
	while (fds && (number = next_number(fds))) {
		if (fstatat(dirfd(fds), number, &st, 0) == 0 && is_same(file, &st) &&
			(!writers_only || may_write(process, number)))
			return true;
	}
	return false;
}

/* A command's name may hold anything: what a terminal could take as an order is replaced. */
static void describe(int process, const char *number, char text[static OPEN_HOLDER_BYTES])
{
	char command[COMMAND_BYTES];

	read_text(process, "comm", command, sizeof(command));
	command[strcspn(command, "\n")] = '\0';
	for (char *c = command; *c; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
	snprintf(text, OPEN_HOLDER_BYTES, "%s (process %.20s)", command[0] ? command : "a program",
		number);
}

bool open_holder_find(
	const struct stat *file, bool writers_only, char ret_text[static OPEN_HOLDER_BYTES])
{
	_cleanup_closedir_ DIR *processes = opendir("/proc");
	const char *number;

	while (processes && (number = next_number(processes))) {
		_cleanup_close_ int process = -1;

		if (atol(number) == (long)getpid())
			continue;
		process = openat(dirfd(processes), number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 || !has_open(process, file, writers_only))
			continue;
		describe(process, number, ret_text);
		return true;
	}
	return false;
}

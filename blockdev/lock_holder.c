/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/lock_holder.h"
#include "base/io.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is read of one /proc/PID/fdinfo/N: position, flags and a few locks. */
#define FDINFO_BYTES	  1024
#define KERNEL_NAME_BYTES 15u
#define COMMAND_BYTES	  32

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

/* The next entry that is a number, or NULL. */
static const char *next_number(DIR *directory)
{
	struct dirent *entry;

	while ((entry = readdir(directory)))
		if (isdigit((unsigned char)entry->d_name[0]))
			return entry->d_name;
	return NULL;
}

/* At most bytes - 1 of a file in a directory, as a string; empty if it cannot be read. */
static void read_text(int directory, const char *name, char *text, size_t bytes)
{
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, bytes - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
}

static DIR *open_directory(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

	if (!directory)
		io_closep(&fd);
	return directory;
}

/* process: /proc/PID */
static bool holds_lock(int process, const struct stat *file)
{
	_cleanup_closedir_ DIR *fds = open_directory(process, "fd");
	char name[32], text[FDINFO_BYTES];
	const char *number;
	struct stat st;

	while (fds && (number = next_number(fds))) {
		if (fstatat(dirfd(fds), number, &st, 0) < 0 || st.st_dev != file->st_dev ||
			st.st_ino != file->st_ino)
			continue;
		snprintf(name, sizeof(name), "fdinfo/%.20s", number);
		read_text(process, name, text, sizeof(text));
		if (strstr(text, "\nlock:"))
			return true;
	}
	return false;
}

/* The kernel keeps the first 15 bytes of a command's name; the program's file may tell the rest. */
static void complete_command(int process, char command[static COMMAND_BYTES])
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(process, "exe", path, sizeof(path) - 1);
	const char *name;

	if (n <= 0 || strlen(command) != KERNEL_NAME_BYTES)
		return;
	path[n] = '\0';
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (strncmp(name, command, KERNEL_NAME_BYTES) == 0)
		snprintf(command, COMMAND_BYTES, "%.*s", COMMAND_BYTES - 1, name);
}

/* A command's name may hold anything: what a terminal could take as an order is replaced. */
static void read_command(int process, char command[static COMMAND_BYTES])
{
	read_text(process, "comm", command, COMMAND_BYTES);
	command[strcspn(command, "\n")] = '\0';
	complete_command(process, command);
	for (char *c = command; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
}

const char *lock_holder_name(int fd, char buf[static LOCK_HOLDER_BYTES])
{
	_cleanup_closedir_ DIR *processes = opendir("/proc");
	const char *number;
	char command[COMMAND_BYTES];
	struct stat file;

	snprintf(buf, LOCK_HOLDER_BYTES, "another process");
	if (fstat(fd, &file) < 0)
		return buf;
	while (processes && (number = next_number(processes))) {
		_cleanup_close_ int process =
			openat(dirfd(processes), number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (process < 0 || !holds_lock(process, &file))
			continue;
		read_command(process, command);
		snprintf(buf, LOCK_HOLDER_BYTES, "%s (process %.20s)",
			command[0] ? command : "a program", number);
		break;
	}
	return buf;
}

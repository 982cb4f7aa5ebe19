/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/holder.h"
#include "base/io.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is read of one /proc/PID/fdinfo/N: position, flags and a few locks. */
#define FDINFO_BYTES	  1024
#define KERNEL_NAME_BYTES 15
#define COMMAND_BYTES	  32

/* What is looked for; holds() is asked for each descriptor of a process. */
struct wanted {
	const struct stat *file;
	const char *point;
	bool own_too; /* this process counts as well */
	bool mapped_too;
	bool (*holds)(int process, int directory, const char *name, const struct wanted *wanted);
};

/* --- /proc --- */

static DIR *open_directory(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

	if (!directory)
		io_closep(&fd);
	return directory;
}

/* At most bytes - 1 of a file in a directory, as a string; empty if it cannot be read. */
static void read_text(int directory, const char *name, char *text, size_t bytes)
{
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, bytes - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
}

static void read_fdinfo(int process, const char *number, char text[static FDINFO_BYTES])
{
	char name[32];

	snprintf(name, sizeof(name), "fdinfo/%.20s", number);
	read_text(process, name, text, FDINFO_BYTES);
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
static void describe(int process, const char *number, char text[static HOLDER_BYTES])
{
	char command[COMMAND_BYTES];

	read_text(process, "comm", command, COMMAND_BYTES);
	command[strcspn(command, "\n")] = '\0';
	complete_command(process, command);
	for (char *c = command; *c; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
	snprintf(text, HOLDER_BYTES, "%s (process %.20s)", command[0] ? command : "a program",
		number);
}

/* --- what is held --- */

static bool is_file(int directory, const char *name, const struct stat *file)
{
	struct stat st;

	if (fstatat(directory, name, &st, 0) < 0)
		return false;
	if (S_ISBLK(file->st_mode))
		return S_ISBLK(st.st_mode) && file->st_rdev == st.st_rdev;
	return file->st_dev == st.st_dev && file->st_ino == st.st_ino;
}

static bool has_open(int process, int directory, const char *name, const struct wanted *wanted)
{
	(void)process;
	return is_file(directory, name, wanted->file);
}

static bool may_write(int process, int directory, const char *name, const struct wanted *wanted)
{
	char text[FDINFO_BYTES];
	const char *flags;

	if (!is_file(directory, name, wanted->file))
		return false;
	read_fdinfo(process, name, text);
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static bool has_locked(int process, int directory, const char *name, const struct wanted *wanted)
{
	char text[FDINFO_BYTES];

	if (!is_file(directory, name, wanted->file))
		return false;
	read_fdinfo(process, name, text);
	return strstr(text, "\nlock:");
}

static bool is_below(int process, int directory, const char *name, const struct wanted *wanted)
{
	size_t length = strlen(wanted->point);
	char target[PATH_MAX];
	ssize_t n = readlinkat(directory, name, target, sizeof(target) - 1);

	(void)process;
	if (n < 0)
		return false;
	target[n] = '\0';
	return strncmp(target, wanted->point, length) == 0 &&
	       (target[length] == '\0' || target[length] == '/');
}

/* --- the search --- */

static bool any_holds(int process, const char *where, const struct wanted *wanted)
{
	_cleanup_closedir_ DIR *entries = open_directory(process, where);
	struct dirent *entry;

	while (entries && (entry = readdir(entries))) {
		if (entry->d_name[0] != '.' &&
			wanted->holds(process, dirfd(entries), entry->d_name, wanted))
			return true;
	}
	return false;
}

/* process: /proc/PID */
static bool process_holds(int process, const struct wanted *wanted)
{
	if (wanted->point && (wanted->holds(process, process, "cwd", wanted) ||
				     wanted->holds(process, process, "root", wanted)))
		return true;
	return any_holds(process, "fd", wanted) ||
	       (wanted->mapped_too && any_holds(process, "map_files", wanted));
}

static bool find(const struct wanted *wanted, char ret_text[static HOLDER_BYTES])
{
	_cleanup_closedir_ DIR *processes = opendir("/proc");
	struct dirent *entry;

	while (processes && (entry = readdir(processes))) {
		_cleanup_close_ int process = -1;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
			(!wanted->own_too && atol(entry->d_name) == (long)getpid()))
			continue;
		process =
			openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 || !process_holds(process, wanted))
			continue;
		describe(process, entry->d_name, ret_text);
		return true;
	}
	return false;
}

const char *holder_of_lock(int fd, char text[static HOLDER_BYTES])
{
	struct stat file;
	const struct wanted wanted = {.file = &file, .own_too = true, .holds = has_locked};

	if (fstat(fd, &file) < 0 || !find(&wanted, text))
		snprintf(text, HOLDER_BYTES, "another process");
	return text;
}

bool holder_find(const struct stat *file, bool writers_only, char ret_text[static HOLDER_BYTES])
{
	const struct wanted wanted = {.file = file, .holds = writers_only ? may_write : has_open};

	return find(&wanted, ret_text);
}

const char *holder_of_file(const struct stat *file, char text[static HOLDER_BYTES])
{
	const struct wanted wanted = {.file = file, .mapped_too = true, .holds = has_open};

	if (!find(&wanted, text))
		snprintf(text, HOLDER_BYTES, "another program");
	return text;
}

const char *holder_of_mount(const char *point, char text[static HOLDER_BYTES])
{
	const struct wanted wanted = {.point = point, .mapped_too = true, .holds = is_below};

	if (!find(&wanted, text))
		snprintf(text, HOLDER_BYTES, "another program");
	return text;
}

/* --- all of them --- */

static void visit_process(
	const struct holder_visit *visit, int process, const char *number, DIR *descriptors)
{
	char text[HOLDER_BYTES];
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(descriptors))) {
		if (entry->d_name[0] == '.' ||
			fstatat(dirfd(descriptors), entry->d_name, &st, 0) < 0 ||
			!visit->wants(visit->context, &st))
			continue;
		describe(process, number, text);
		visit->tell(visit->context, &st, (pid_t)atol(number), text);
	}
}

bool holder_visit_all(const struct holder_visit *visit)
{
	_cleanup_closedir_ DIR *processes = opendir(visit->proc ? visit->proc : "/proc");
	bool saw_all = processes != NULL;
	struct dirent *entry;

	while (processes && (entry = readdir(processes))) {
		_cleanup_closedir_ DIR *descriptors = NULL;
		_cleanup_close_ int process = -1;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
			atol(entry->d_name) == (long)getpid())
			continue;
		process =
			openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0)
			continue; /* it has ended */
		errno = 0;
		descriptors = open_directory(process, "fd");
		if (!descriptors && (errno == EACCES || errno == EPERM))
			saw_all = false;
		if (descriptors)
			visit_process(visit, process, entry->d_name, descriptors);
	}
	return saw_all;
}

bool holder_has(const char *proc, pid_t process, const struct stat *file)
{
	const struct wanted wanted = {.file = file, .holds = has_open};
	_cleanup_close_ int directory = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3900s/%ld", proc ? proc : "/proc", (long)process);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory >= 0 && any_holds(directory, "fd", &wanted);
}

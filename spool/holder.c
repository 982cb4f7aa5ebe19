/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/holder.h"
#include "base/io.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wanted {
	const char *point;	 /* a mount, or NULL */
	const struct stat *file; /* a file, or NULL */
};

static bool is_wanted(int directory, const char *name, const struct wanted *wanted)
{
	char target[PATH_MAX];
	struct stat st;
	size_t length;
	ssize_t n;

	if (wanted->file)
		return fstatat(directory, name, &st, 0) == 0 && st.st_dev == wanted->file->st_dev &&
		       st.st_ino == wanted->file->st_ino;
	n = readlinkat(directory, name, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	length = strlen(wanted->point);
	return strncmp(target, wanted->point, length) == 0 &&
	       (target[length] == '\0' || target[length] == '/');
}

static bool holds(int process, const struct wanted *wanted)
{
	bool found = !wanted->file &&
		     (is_wanted(process, "cwd", wanted) || is_wanted(process, "root", wanted));
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *fds = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!fds)
		io_closep(&fd);
	while (!found && fds && (entry = readdir(fds)))
		found = isdigit((unsigned char)entry->d_name[0]) &&
			is_wanted(dirfd(fds), entry->d_name, wanted);
	if (fds)
		closedir(fds);
	return found;
}

static void read_command(int process, char command[static 20])
{
	_cleanup_close_ int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, command, 19) : 0;

	command[n > 0 ? n : 0] = '\0';
	command[strcspn(command, "\n")] = '\0';
	for (char *c = command; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
}

static const char *find(const struct wanted *wanted, char text[static HOLDER_BYTES])
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	char command[20];

	snprintf(text, HOLDER_BYTES, "another program");
	while (processes && (entry = readdir(processes))) {
		_cleanup_close_ int process = -1;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
			atol(entry->d_name) == (long)getpid())
			continue;
		process =
			openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 || !holds(process, wanted))
			continue;
		read_command(process, command);
		snprintf(text, HOLDER_BYTES, "%s (process %.20s)", command, entry->d_name);
		break;
	}
	if (processes)
		closedir(processes);
	return text;
}

const char *holder_of_mount(const char *point, char text[static HOLDER_BYTES])
{
	return find(&(struct wanted){.point = point}, text);
}

const char *holder_of_file(const struct stat *file, char text[static HOLDER_BYTES])
{
	return find(&(struct wanted){.file = file}, text);
}

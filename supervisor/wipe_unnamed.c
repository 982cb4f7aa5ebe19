/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/wipe_unnamed.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Asked without touching the file, which may lie on something that does not answer. */
static bool is_unnamed(const char *path)
{
	static const char end[] = " (deleted)";
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));

	return n >= (ssize_t)strlen(end) && memcmp(target + n - strlen(end), end, strlen(end)) == 0;
}

static void cut_one(const char *path, dev_t device, struct wipe_unnamed *found)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!is_unnamed(path) || stat(path, &st) < 0 || st.st_dev != device ||
		!S_ISREG(st.st_mode) || st.st_nlink > 0 || (st.st_size == 0 && st.st_blocks == 0))
		return;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0) {
		found->left++;
		return;
	}
	found->files++;
	found->bytes += (uint64_t)st.st_size;
}

static bool is_number(const char *name)
{
	return name[0] >= '1' && name[0] <= '9';
}

static void look_at_process(const char *process, dev_t device, struct wipe_unnamed *found)
{
	char path[300];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	directory = opendir(path);
	if (!directory) {
		found->unseen += errno != ENOENT && errno != ESRCH; /* it has ended */
		return;
	}
	while ((entry = readdir(directory))) {
		char file[600];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		cut_one(file, device, found);
	}
	closedir(directory);
}

void wipe_unnamed(dev_t device, struct wipe_unnamed *ret_found)
{
	struct dirent *entry;
	DIR *directory = opendir("/proc");

	*ret_found = (struct wipe_unnamed){.files = 0};
	if (!directory) {
		ret_found->unseen = 1;
		return;
	}
	while ((entry = readdir(directory))) {
		if (is_number(entry->d_name))
			look_at_process(entry->d_name, device, ret_found);
	}
	closedir(directory);
}

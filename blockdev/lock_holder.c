/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/lock_holder.h"
#include "base/io.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Lines of /proc/locks that are looked at: a busy host has hundreds. */
#define LINES_MAX 10000

/* "12: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"; waiting requests have "->" before FLOCK. */
bool lock_holder_parse(const char *line, const struct stat *file, pid_t *ret_pid)
{
	unsigned int device_major, device_minor;
	uint64_t inode;
	int pid;

	if (sscanf(line, "%*[0-9]: FLOCK %*15s %*15s %d %x:%x:%" SCNu64, &pid, &device_major,
		    &device_minor, &inode) != 4)
		return false;
	if (pid <= 0 || makedev(device_major, device_minor) != file->st_dev ||
		inode != file->st_ino)
		return false;
	*ret_pid = pid;
	return true;
}

static bool find_holder(const struct stat *file, pid_t *ret_pid)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	bool found = false;

	if (!locks)
		return false;
	for (unsigned int i = 0; i < LINES_MAX && !found && fgets(line, sizeof(line), locks); i++)
		found = lock_holder_parse(line, file, ret_pid);
	fclose(locks);
	return found;
}

/* The command's name may hold anything, so what a terminal could take as an order is replaced. */
static void read_command(pid_t pid, char command[static 17])
{
	_cleanup_close_ int fd = -1;
	char path[32];
	size_t bytes = 0;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_to_end(fd, command, 16, &bytes) < 0)
		bytes = 0;
	while (bytes > 0 && command[bytes - 1] == '\n')
		bytes--;
	for (size_t i = 0; i < bytes; i++)
		if (command[i] < ' ' || command[i] > '~')
			command[i] = '?';
	command[bytes] = '\0';
}

const char *lock_holder_name(int fd, char buf[static LOCK_HOLDER_BYTES])
{
	struct stat file;
	char command[17];
	pid_t pid;

	if (fstat(fd, &file) < 0 || !find_holder(&file, &pid)) {
		snprintf(buf, LOCK_HOLDER_BYTES, "another process");
		return buf;
	}
	read_command(pid, command);
	snprintf(buf, LOCK_HOLDER_BYTES, "%s (process %d)", command[0] ? command : "a program",
		(int)pid);
	return buf;
}

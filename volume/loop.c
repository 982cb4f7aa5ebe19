/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/loop.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TRIES		 20
#define ZEROED_BYTES	 4096
#define SYSFS_PATH_BYTES 128

static int configure(const char *device, int file, uint32_t block_bytes, bool read_only)
{
	_cleanup_close_ int fd = open(device, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct loop_config config = {
		.fd = (uint32_t)file,
		.block_size = block_bytes,
		.info.lo_flags = LO_FLAGS_DIRECT_IO | (read_only ? LO_FLAGS_READ_ONLY : 0u),
	};

	if (fd < 0)
		return -errno;
	snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "spoolguard");
	return ioctl(fd, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

int loop_attach(const char *file, uint32_t block_bytes, bool read_only,
	char ret_device[static LOOP_NAME_BYTES], struct problem *reterr_problem)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	int r = -EBUSY;

	if (control < 0)
		return problem_set(reterr_problem, -errno,
			"/dev/loop-control cannot be opened (%s); load the loop module, or work "
			"without a mount (put, get, ls)",
			strerror(errno));
	fd = open(file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", file, strerror(errno));
	/* Between asking for a free device and taking it another process may take it. */
	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return problem_set(reterr_problem, -errno,
				"there is no free loop device: %s", strerror(errno));
		snprintf(ret_device, LOOP_NAME_BYTES, "/dev/loop%d", number);
		r = configure(ret_device, fd, block_bytes, read_only);
	}
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s could not be set up: %s", ret_device, strerror(-r));
	return 0;
}

static int queue_path(const char *device, const char *name, char path[static SYSFS_PATH_BYTES])
{
	const char *base = strrchr(device, '/');
	int n = snprintf(
		path, SYSFS_PATH_BYTES, "/sys/block/%s/queue/%s", base ? base + 1 : device, name);

	return n < 0 || n >= SYSFS_PATH_BYTES ? -ENAMETOOLONG : 0;
}

static int write_limit(const char *device, const char *name, const char *value)
{
	_cleanup_close_ int fd = -1;
	char path[SYSFS_PATH_BYTES];
	int r;

	r = queue_path(device, name, path);
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : io_write(fd, value, strlen(value));
}

int loop_detach(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, LOOP_CLR_FD) < 0)
		return -errno;
	if (write_limit(device, "scheduler", "none") < 0)
		return 0; /* the next user of the device has a scheduler, and loses nothing */
	return 0;
}

bool loop_is_over(const char *device, const char *path_end)
{
	_cleanup_close_ int fd = -1;
	const char *base = strrchr(device, '/');
	char path[SYSFS_PATH_BYTES], text[PATH_MAX];
	size_t bytes, length = strlen(path_end);

	if (snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file",
		    base ? base + 1 : device) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_to_end(fd, text, sizeof(text) - 1, &bytes) < 0)
		return false;
	while (bytes > 0 && text[bytes - 1] == '\n')
		bytes--;
	return bytes >= length && memcmp(text + bytes - length, path_end, length) == 0;
}

int loop_find(const char *path_end, char ret_device[static LOOP_NAME_BYTES])
{
	DIR *devices = opendir("/sys/block");
	struct dirent *entry;
	int r = -ENOENT;

	while (r < 0 && devices && (entry = readdir(devices))) {
		if (strncmp(entry->d_name, "loop", 4) != 0 ||
			!loop_is_over(entry->d_name, path_end))
			continue;
		snprintf(ret_device, LOOP_NAME_BYTES, "/dev/%.*s", LOOP_NAME_BYTES - 6,
			entry->d_name);
		r = 0;
	}
	if (devices)
		closedir(devices);
	return r;
}

int loop_refresh_size(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, LOOP_SET_CAPACITY) < 0 ? -errno : 0;
}

static int read_limit(const char *device, const char *name, uint64_t *ret_value)
{
	_cleanup_close_ int fd = -1;
	char path[SYSFS_PATH_BYTES], text[32];
	size_t bytes;
	int r;

	r = queue_path(device, name, path);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, text, sizeof(text) - 1, &bytes);
	if (r < 0)
		return r;
	text[bytes] = '\0';
	*ret_value = strtoull(text, NULL, 10);
	return 0;
}

int loop_refuse_zeroing(const char *device, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);
	uint64_t limit = 0;

	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", device, strerror(errno));
	/* Expected to fail: what counts is what the queue says afterwards. */
	(void)!fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, ZEROED_BYTES);
	if (read_limit(device, "write_zeroes_max_bytes", &limit) < 0 || limit != 0)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s still offers write-zeroes, which could not be told from discards: this "
			"kernel's loop driver cannot carry a spool; attach it with --nbd SOCKET "
			"and "
			"mount it from the kernel's nbd (nbd-client)",
			device);
	return 0;
}

/* What the kernel does not take is slower or needs more memory, and is not wrong. */
void loop_limit_transfers(const char *device, uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, bytes / 1024);
	if (write_limit(device, "max_sectors_kb", text) < 0)
		return;
}

void loop_limit_discards(const char *device, uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	if (write_limit(device, "discard_max_bytes", text) < 0)
		return;
}

void loop_limit_writes(const char *device, unsigned int count)
{
	char text[32];

	if (write_limit(device, "scheduler", "mq-deadline") < 0)
		return;
	snprintf(text, sizeof(text), "%u", count);
	if (write_limit(device, "iosched/async_depth", text) < 0 &&
		write_limit(device, "async_depth", text) < 0)
		return;
}

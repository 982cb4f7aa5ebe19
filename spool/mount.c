/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/mount.h"
#include "base/io.h"
#include "spool/free_space.h"
#include "blockdev/holder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FLAGS	(MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME)
#define OPTIONS "data=ordered,discard"

/* --- the mount point --- */

static bool is_mount_point(const char *point)
{
	char parent[PATH_MAX];
	struct stat here, above;
	struct statx root;

	/* Also a directory that is bound over itself or another (Linux 5.8). */
	if (statx(AT_FDCWD, point, 0, STATX_TYPE, &root) == 0 &&
		(root.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return root.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	if (snprintf(parent, sizeof(parent), "%s/..", point) >= (int)sizeof(parent) ||
		stat(point, &here) < 0 || stat(parent, &above) < 0)
		return false;
	return here.st_dev != above.st_dev;
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	bool empty = true;

	if (!directory) {
		io_closep(&copy);
		return false;
	}
	while (empty && (entry = readdir(directory)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(directory);
	return empty;
}

static int seal(int fd, enum mount_point_mode mode, struct mount_seal *seal)
{
	struct stat st;
	int flags = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	seal->mode = st.st_mode & 07777;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL)) {
		seal->sealed = true;
		return 0;
	}
	if (mode == MOUNT_POINT_CLOSED && fchmod(fd, 0000) < 0)
		return -errno;
	seal->changed = true;
	flags |= FS_IMMUTABLE_FL;
	seal->sealed = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	return 0;
}

int mount_point_seal(const char *point, enum mount_point_mode mode, struct mount_seal *ret_seal,
	struct problem *reterr_problem)
{
	struct mount_seal made = {.made = mkdir(point, 0000) == 0};
	_cleanup_close_ int fd = -1;
	int r;

	if (!made.made && errno != EEXIST)
		return problem_set(reterr_problem, -errno,
			"mount point %s cannot be made: %s; make its parent directory first", point,
			strerror(errno));
	fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "mount point %s: %s; name a directory",
			point, strerror(errno));
	if (is_mount_point(point))
		return problem_set(reterr_problem, -EBUSY,
			"something is mounted at %s already; unmount it, or name another place",
			point);
	if (!is_empty(fd))
		return problem_set(reterr_problem, -ENOTEMPTY,
			"mount point %s is not empty: its files would be hidden, not protected; "
			"move them away first",
			point);
	r = seal(fd, mode, &made);
	if (r < 0)
		return problem_set(reterr_problem, r, "mount point %s cannot be closed: %s", point,
			strerror(-r));
	*ret_seal = made;
	return 0;
}

void mount_point_unseal(const char *point, const struct mount_seal *seal)
{
	_cleanup_close_ int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flags = 0;

	if (fd < 0 || !seal->changed)
		return;
	if (seal->sealed && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags &= ~FS_IMMUTABLE_FL;
		if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
			return;
	}
	if (fchmod(fd, seal->mode) == 0 && seal->made)
		(void)rmdir(point);
}

/* --- mounting --- */

int mount_spool(
	const char *device, const char *point, bool read_only, struct problem *reterr_problem)
{
	const char *options = read_only ? "noload" : OPTIONS;

	if (mount(device, point, "ext4", FLAGS | (read_only ? MS_RDONLY : 0), options) < 0)
		return problem_set(reterr_problem, -errno,
			"the file system on %s cannot be mounted at %s: %s%s", device, point,
			strerror(errno),
			errno == EPERM ? "; run as root, or work without a mount (put, get, ls)"
				       : "; see the kernel's log, and check it with e2fsck");
	if (!read_only)
		free_space_tune(device);
	return 0;
}

int mount_move(const char *from, const char *to, struct problem *reterr_problem)
{
	/* A mount below a shared one cannot be moved: bind it to its place, and leave the first. */
	if (mount(from, to, NULL, MS_MOVE, NULL) == 0)
		return 0;
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return problem_set(reterr_problem, -errno, "the spool cannot be moved to %s: %s",
			to, strerror(errno));
	if (umount2(from, MNT_DETACH) < 0) {
		int r = problem_set(
			reterr_problem, -errno, "%s cannot be left: %s", from, strerror(errno));

		(void)umount2(to, UMOUNT_NOFOLLOW);
		return r;
	}
	return 0;
}

int mount_bind(int directory_fd, const char *to, struct problem *reterr_problem)
{
	const unsigned long needed = ST_NODEV | ST_NOSUID | ST_NOEXEC;
	struct statvfs bound;
	char from[64];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", directory_fd);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return problem_set(reterr_problem, -errno, "nothing can be bound over %s: %s", to,
			strerror(errno));
	/* A bind takes the flags of the mount that it shows along. */
	if (statvfs(to, &bound) == 0 && (bound.f_flag & needed) == needed)
		return 0;
	(void)umount2(to, UMOUNT_NOFOLLOW);
	return problem_set(reterr_problem, -EPERM,
		"what is bound over %s would allow devices or programs; mount the volume by "
		"\"spoolguard attach\"",
		to);
}

int mount_end(const char *point, struct problem *reterr_problem)
{
	char holder[HOLDER_BYTES];
	int r = 0;

	/* A lease or a descriptor that is just being closed elsewhere is waited for, briefly. */
	for (int i = 0; i < 25; i++) {
		r = umount2(point, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
		if (r != -EBUSY)
			break;
		usleep(20000);
	}
	if (r == 0 || r == -EINVAL) /* not mounted (any more) */
		return 0;
	if (r != -EBUSY)
		return problem_set(
			reterr_problem, r, "%s cannot be unmounted: %s", point, strerror(-r));
	return problem_set(reterr_problem, r,
		"%s is in use by %s; end it, then detach again (nothing was detached)", point,
		holder_of_mount(point, holder));
}

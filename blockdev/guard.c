/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/guard.h"
#include "base/io.h"
#include "base/path.h"
#include "blockdev/guard_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROTECTED_DIRECTORY "/etc/cups"
#define CONFINE_VARIABLE    "SPOOLGUARD_CONFINE"
#ifdef SPOOLGUARD_TEST_BUILD
#define CONFINE_DEFAULT "/var/tmp"
#else
#define CONFINE_DEFAULT NULL
#endif

/* --- where the path is --- */

/* The path without links; of one that is missing, its directory's with its own name behind. */
static int resolve(const char *path, bool missing, char ret_real[static PATH_MAX])
{
	char directory[PATH_MAX], name[PATH_MAX], *base;
	size_t bytes;

	if (!missing)
		return realpath(path, ret_real) ? 0 : -errno;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(directory, path);
	strcpy(name, path);
	base = basename(name);
	if (!realpath(dirname(directory), ret_real))
		return -errno;
	bytes = strlen(ret_real);
	if (bytes + strlen(base) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	ret_real[bytes] = '/';
	strcpy(ret_real + bytes + 1, base);
	return 0;
}

static const char *confined_to(void)
{
	const char *wanted = getenv(CONFINE_VARIABLE);

	return wanted && wanted[0] != '\0' ? wanted : CONFINE_DEFAULT;
}

static int check_confinement(
	const char *path, const char *real, const struct stat *st, struct problem *reterr_problem)
{
	const char *wanted = confined_to();
	struct device_backing backing;
	char directory[PATH_MAX];
	bool inside;

	if (!wanted)
		return 0;
	if (!realpath(wanted, directory))
		return problem_set(reterr_problem, -EPERM,
			"%s is refused: " CONFINE_VARIABLE " names %s, which does not exist", path,
			wanted);
	if (st && S_ISBLK(st->st_mode))
		inside = device_backing(st->st_rdev, &backing) >= 0 && backing.block == 0 &&
			 path_is_at_or_below(backing.path, directory);
	else
		inside = path_is_at_or_below(real, directory) && strcmp(real, directory) != 0;
	if (inside)
		return 0;
	return problem_set(reterr_problem, -EPERM,
		"%s is refused: " CONFINE_VARIABLE
		" allows only files below %s and loop devices on them",
		path, directory);
}

int guard_check_confined(const char *path, struct problem *reterr_problem)
{
	char nearest[PATH_MAX], real[PATH_MAX];
	struct stat st;
	char *slash;

	if (!confined_to())
		return 0;
	if (strlen(path) >= sizeof(nearest))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%s is too long a path", path);
	strcpy(nearest, path);
	while (!realpath(nearest, real)) {
		slash = strrchr(nearest, '/');
		/* What is made later could lead anywhere: a link to nothing, dots behind it. */
		if (errno != ENOENT || lstat(nearest, &st) == 0 ||
			strcmp(slash ? slash : nearest, "/..") == 0)
			return problem_set(reterr_problem, -EPERM,
				"%s is refused: whether it lies below " CONFINE_VARIABLE
				" cannot be told",
				path);
		if (!slash || slash == nearest)
			strcpy(nearest, slash ? "/" : ".");
		else
			*slash = '\0';
	}
	/* The directory itself is refused only as a file. */
	if (strcmp(nearest, path) != 0 && strlen(real) + 2 < sizeof(real))
		strcat(real, "/x");
	return check_confinement(path, real, NULL, reterr_problem);
}

int guard_check_confined_device(
	const char *path, const struct stat *st, struct problem *reterr_problem)
{
	struct device_backing backing;
	const char *wanted = confined_to();
	char directory[PATH_MAX];

	if (!wanted)
		return 0;
	/* Wherever its node lies: only what a loop device stands on tells. */
	if (S_ISBLK(st->st_mode) && realpath(wanted, directory) &&
		device_backing(st->st_rdev, &backing) >= 0 && backing.block == 0 &&
		path_is_at_or_below(backing.path, directory))
		return 0;
	return problem_set(reterr_problem, -EPERM,
		"%s is refused: " CONFINE_VARIABLE " allows only loop devices on files below %s",
		path, wanted);
}

static int check_place(
	const char *path, const char *real, const struct stat *st, struct problem *reterr_problem)
{
	if (path_is_at_or_below(real, PROTECTED_DIRECTORY))
		return problem_set(reterr_problem, -EPERM,
			"%s is refused: nothing in " PROTECTED_DIRECTORY
			" is ever a medium; name another path",
			path);
	return check_confinement(path, real, st, reterr_problem);
}

/* --- a path where nothing is yet --- */

static int check_missing(const char *path, const struct guard_options *options,
	struct guard_report *report, struct problem *reterr_problem)
{
	char real[PATH_MAX], directory[PATH_MAX];
	struct stat st;
	int r;

	/* As it is written, too: /dev/mistyped/x has no directory that could be resolved. */
	if (path_is_at_or_below(path, "/dev"))
		return problem_set(reterr_problem, -ENODEV,
			"%s does not exist, and nothing is ever created in /dev; check the name of "
			"the device",
			path);
	if (lstat(path, &st) == 0)
		return problem_set(reterr_problem, -ENOENT,
			"%s is a symbolic link to nothing; name the file itself", path);
	if (!options->may_create)
		return problem_set(
			reterr_problem, -ENOENT, "%s does not exist; check the path", path);
	r = resolve(path, true, real);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s cannot be created: %s; check the path",
			path, strerror(-r));
	if (path_is_at_or_below(real, "/dev"))
		return problem_set(reterr_problem, -ENODEV,
			"%s does not exist, and nothing is ever created in /dev; check the name of "
			"the device",
			path);
	r = check_place(path, real, NULL, reterr_problem);
	if (r < 0)
		return r;
	strcpy(directory, real);
	if (stat(dirname(directory), &st) < 0)
		return problem_set(reterr_problem, -errno,
			"%s cannot be created: %s; check the path", path, strerror(errno));
	*report = (struct guard_report){.kind = GUARD_MISSING, .device = st.st_dev};
	return 0;
}

/* --- what kind of thing it is --- */

static int refuse_kind(const char *path, const struct stat *st, struct problem *reterr_problem)
{
	static const long nowhere[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
		SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
		PSTOREFS_MAGIC, EFIVARFS_MAGIC, BINFMTFS_MAGIC, SELINUX_MAGIC, SMACK_MAGIC};
	struct statfs fs;
	struct stat dev;

	if (S_ISDIR(st->st_mode))
		return problem_set(reterr_problem, -EISDIR,
			"%s is a directory; name an image file or a block device", path);
	if (S_ISBLK(st->st_mode))
		return 0;
	if (!S_ISREG(st->st_mode))
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"%s is %s; name an image file or a block device", path,
			S_ISCHR(st->st_mode)	? "a character device"
			: S_ISFIFO(st->st_mode) ? "a pipe"
						: "neither a file nor a block device");
	/* What "dd of=/dev/mistyped" leaves: it fills the memory, and looks like a disk. */
	if (stat("/dev", &dev) == 0 && st->st_dev == dev.st_dev && stat("/", &dev) == 0 &&
		st->st_dev != dev.st_dev)
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"%s is a plain file in /dev and no device; check the name of the device, "
			"and remove the file",
			path);
	for (size_t i = 0; statfs(path, &fs) == 0 && i < ARRAY_SIZE(nowhere); i++) {
		if ((long)fs.f_type == nowhere[i])
			return problem_set(reterr_problem, -EMEDIUMTYPE,
				"%s is a file of the kernel's, on no medium; name an image file or "
				"a block device",
				path);
	}
	return 0;
}

/* The node may be opened for what comes: said now, and not after the questions. */
static int check_access(
	const char *path, const struct guard_options *options, struct problem *reterr_problem)
{
	int mode = options->read_only ? R_OK : R_OK | W_OK;

	if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0)
		return 0;
	if (errno == EROFS)
		return problem_set(reterr_problem, -EROFS,
			"%s is on a file system that is mounted read-only; remount it for writing",
			path);
	return problem_set(reterr_problem, -errno,
		"%s: no permission to %s it (%s); run as root or as a user who may", path,
		options->read_only ? "read" : "overwrite", strerror(errno));
}

static int size_of(int fd, const struct stat *st, uint64_t *ret_bytes)
{
	if (S_ISBLK(st->st_mode))
		return ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 ? -errno : 0;
	*ret_bytes = (uint64_t)st->st_size;
	return 0;
}

/* fd: what the checks of its use left open, for reading. */
static int look_inside(const char *path, int fd, const struct guard_options *options,
	struct guard_report *report, struct problem *reterr_problem)
{
	struct stat st;
	int read_only = 0, r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = size_of(fd, &st, &report->bytes);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: its size cannot be read: %s; check the device", path, strerror(-r));
	if (report->kind == GUARD_DEVICE && report->bytes == 0)
		return problem_set(reterr_problem, -ENOMEDIUM,
			"%s has no medium (a loop device bound to nothing, an empty drive)", path);
	if (report->kind == GUARD_DEVICE && !options->read_only &&
		ioctl(fd, BLKROGET, &read_only) == 0 && read_only)
		return problem_set(reterr_problem, -EROFS,
			"%s is write-protected; lift the protection first", path);
	if (!options->destroy)
		return 0;
	r = signature_find(fd, report->holds);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: what it holds cannot be read (%s); check the device", path,
			strerror(-r));
	return 0;
}

int guard_check(const char *path, const struct guard_options *options,
	struct guard_report *ret_report, struct problem *reterr_problem)
{
	struct guard_report report = {.kind = GUARD_MISSING};
	_cleanup_close_ int fd = -1;
	char real[PATH_MAX];
	struct stat st;
	int r;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT && !(errno == ENOTDIR && path_is_at_or_below(path, "/dev")))
			return problem_set(reterr_problem, -errno,
				"%s cannot be looked at: %s; check the path", path,
				strerror(errno));
		return check_missing(path, options, ret_report, reterr_problem);
	}
	r = resolve(path, false, real);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s cannot be looked at: %s; check the path",
			path, strerror(-r));
	r = refuse_kind(path, &st, reterr_problem);
	if (r >= 0)
		r = check_place(path, real, &st, reterr_problem);
	if (r >= 0)
		r = check_access(path, options, reterr_problem);
	if (r < 0)
		return r;

	report.kind = S_ISBLK(st.st_mode) ? GUARD_DEVICE : GUARD_FILE;
	report.device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	report.inode = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	fd = S_ISBLK(st.st_mode) ? guard_open_unused_device(path, &st, options, reterr_problem)
				 : guard_open_unused_file(path, &st, options, reterr_problem);
	if (fd < 0)
		return fd;
	r = guard_verify(&report, path, fd, reterr_problem);
	if (r >= 0)
		r = look_inside(path, fd, options, &report, reterr_problem);
	if (r < 0)
		return r;
	*ret_report = report;
	return 0;
}

int guard_verify(
	const struct guard_report *report, const char *path, int fd, struct problem *reterr_problem)
{
	struct stat st;
	bool same = false;

	if (fstat(fd, &st) < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	switch (report->kind) {
	case GUARD_MISSING:
		same = S_ISREG(st.st_mode) && st.st_dev == report->device && st.st_nlink == 1;
		break;
	case GUARD_FILE:
		same = S_ISREG(st.st_mode) && st.st_dev == report->device &&
		       st.st_ino == report->inode;
		break;
	case GUARD_DEVICE:
		same = S_ISBLK(st.st_mode) && st.st_rdev == report->device;
		break;
	}
	if (same)
		return 0;
	return problem_set(reterr_problem, -ESTALE,
		"%s was replaced while it was being checked; nothing was done, try again", path);
}

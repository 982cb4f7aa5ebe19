/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_use.c - who uses a medium: mounts, swap, holders, loop devices, locks, open files
 *
 * The kernel's own claim (O_EXCL on a device, a lease on a file) is asked last:
 * it is the surest, and it cannot say who.
 */
#include "base/io.h"
#include "blockdev/guard_impl.h"
#include "blockdev/holder.h"
#include "blockdev/mount_table.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define VOLUME_TYPE "fuse.spoolguard"

/* udev and blkid look at a device for a moment whenever it changes: they are waited for. */
#define TRIES	     10
#define TRY_AGAIN_US 50000

/* What is being asked about, and the loop device that may be its own. */
struct use {
	const char *path;
	const struct stat *file;  /* a file; NULL: devices */
	struct device_set family; /* devices; empty for a file */
	dev_t except;		  /* this loop device does not count; 0: none */
	struct problem *reterr_problem;
};

/* --- mounts, swap, holders --- */

static int check_devices(const struct use *use, const struct device_set *set, const char *through)
{
	char text[DEVICE_TEXT_BYTES], name[DEVICE_NAME_BYTES] = "";
	dev_t device;

	if (mount_table_find(set, &device, text)) {
		if (device_name(device, name) < 0)
			name[0] = '\0';
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is in use%s: %s is mounted at %s; unmount it first", use->path, through,
			name[0] ? name : "it", text);
	}
	if (mount_table_is_swap(set, use->file))
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is in use%s: it is swap space; run swapoff first", use->path, through);
	if (device_holder(set, text))
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is in use%s: %s holds it; release that first", use->path, through,
			text);
	return 0;
}

static bool is_on(const struct use *use, const struct device_backing *backing)
{
	if (use->file)
		return backing->block == 0 && backing->device == use->file->st_dev &&
		       backing->inode == use->file->st_ino;
	return backing->block != 0 && device_set_has(&use->family, backing->block);
}

static int check_loops(const struct use *use)
{
	_cleanup_closedir_ DIR *listing = opendir(DEVICE_LISTING);
	char through[DEVICE_NAME_BYTES + 32], name[DEVICE_NAME_BYTES];
	struct device_backing backing;
	dev_t loop;
	int r;

	while (listing && device_next_loop(listing, &loop, &backing)) {
		struct device_set family = {.count = 0};

		if (loop == use->except || !is_on(use, &backing) || device_name(loop, name) < 0)
			continue;
		snprintf(through, sizeof(through), " through /dev/%s", name);
		r = device_family(loop, &family);
		if (r >= 0)
			r = check_devices(use, &family, through);
		if (r < 0 && r != -ENOENT)
			return r;
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is in use: /dev/%s is bound to it; detach that first (losetup -d "
			"/dev/%s)",
			use->path, name, name);
	}
	return 0;
}

/* --- locks and open files --- */

static int check_locks(const struct use *use, int fd, bool destroy)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char holder[HOLDER_BYTES];

	if (fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is in use by %s (attached already?); detach it or end that program "
			"first",
			use->path, holder_of_lock(fd, holder));
	if (!destroy)
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return flock(fd, LOCK_UN) < 0 ? -errno : 0;
	if (errno != EWOULDBLOCK)
		return 0; /* a file system without locks */
	return problem_set(use->reterr_problem, -EBUSY,
		"%s is in use: it is locked by another process; end that program first", use->path);
}

static int refuse_open(const struct use *use, const struct stat *st, bool writers_only)
{
	char holder[HOLDER_BYTES];

	if (holder_find(st, writers_only, holder))
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is in use: %s has it open; end that program first", use->path, holder);
	return 0;
}

/*
 * A lease is only given while nobody else has the file open (to write, for a read
 * lease), whatever process or mapping it is.  It is given back at once.
 */
static int try_lease(int fd, bool destroy)
{
	int r = 0;

	/* Whoever opens the file in that moment must not cost us our life (SIGIO). */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)
		return 0;
	if (fcntl(fd, F_SETLEASE, destroy ? F_WRLCK : F_RDLCK) == 0)
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	else if (errno == EAGAIN)
		r = -EBUSY;
	return r; /* no leases here, or not ours to take: /proc must do */
}

/* Opens for reading; excl: the kernel refuses it while it has itself given the device away. */
static int open_checked(const struct use *use, int excl)
{
	int fd = open(use->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | excl);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EBUSY:
		return -EBUSY;
	case ENOMEDIUM:
	case ENXIO:
		return problem_set(use->reterr_problem, -ENOMEDIUM,
			"%s has no medium; insert or attach one", use->path);
	default:
		return problem_set(use->reterr_problem, -errno, "%s cannot be opened: %s",
			use->path, strerror(errno));
	}
}

/* --- files --- */

int guard_open_unused_file(const char *path, const struct stat *st,
	const struct guard_options *options, struct problem *reterr_problem)
{
	const struct use use = {.path = path, .file = st, .reterr_problem = reterr_problem};
	const bool destroy = options->destroy;
	_cleanup_close_ int fd = -1;
	int r, busy = 0;

	r = check_devices(&use, &use.family, "");
	if (r >= 0)
		r = check_loops(&use);
	if (r < 0)
		return r;
	fd = open_checked(&use, 0);
	if (fd < 0)
		return fd;
	r = check_locks(&use, fd, destroy);
	for (int i = 0; i < TRIES && r >= 0; i++) {
		if (i > 0)
			usleep(TRY_AGAIN_US);
		busy = refuse_open(&use, st, !destroy);
		if (busy >= 0 && try_lease(fd, destroy) < 0)
			busy = problem_set(reterr_problem, -EBUSY,
				"%s is in use: it is open or mapped elsewhere, by a process that "
				"cannot be seen from here; end that program first",
				path);
		if (busy != -EBUSY)
			break;
	}
	if (r >= 0)
		r = busy;
	if (r < 0)
		return r;
	r = fd;
	fd = -1;
	return r;
}

/* --- devices --- */

static int check_root(const struct use *use, dev_t device)
{
	struct device_set below = {.count = 0};
	dev_t root;

	if (mount_table_root(&root) < 0 || device_below(root, &below) < 0 ||
		!device_set_has(&below, device))
		return 0;
	return problem_set(use->reterr_problem, -EBUSY,
		"%s is refused: the running system's root file system lies on it", use->path);
}

/* A loop device is also its backing file, which others may use beside it. */
static int check_backing(const struct use *use, dev_t device, bool destroy)
{
	struct use below = {.path = use->path, .reterr_problem = use->reterr_problem};
	_cleanup_close_ int fd = -1;
	struct device_backing backing;
	char type[64] = "";
	struct stat st;
	int r;

	if (device_backing(device, &backing) < 0)
		return 0;
	r = device_whole(device, &below.except);
	if (r < 0)
		return r;
	if (mount_table_type(backing.device, type, sizeof(type)) >= 0 &&
		strcmp(type, VOLUME_TYPE) == 0)
		return problem_set(use->reterr_problem, -EBUSY,
			"%s is the device of an attached spoolguard volume; detach that first, and "
			"name its own path",
			use->path);
	if (backing.block) {
		r = device_family(backing.block, &below.family);
		if (r >= 0)
			r = check_devices(&below, &below.family, " below");
		return r < 0 ? r : check_loops(&below);
	}
	st = (struct stat){.st_dev = backing.device, .st_ino = backing.inode};
	below.file = &st;
	r = check_devices(&below, &below.family, " below");
	if (r >= 0)
		r = check_loops(&below);
	if (r < 0)
		return r;
	fd = open(backing.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != backing.device ||
		st.st_ino != backing.inode)
		return 0; /* removed or out of reach: nobody can come by that way */
	r = check_locks(&below, fd, destroy);
	return r < 0 ? r : refuse_open(&below, &st, !destroy);
}

/* The claim and the open descriptors pass by themselves if udev was only looking. */
static int open_exclusively(const struct use *use, const struct stat *st, bool destroy)
{
	int fd = -1, r = -EBUSY;

	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0)
			usleep(TRY_AGAIN_US);
		r = refuse_open(use, st, !destroy);
		if (r < 0)
			continue;
		fd = open_checked(use, O_EXCL);
		if (fd >= 0)
			return fd;
		r = fd;
		if (r == -EBUSY)
			r = problem_set(use->reterr_problem, r,
				"%s is in use: the kernel has given it, or a part of it, away (a "
				"mount in another namespace, a driver); release it first",
				use->path);
	}
	return r;
}

int guard_open_unused_device(const char *path, const struct stat *st,
	const struct guard_options *options, struct problem *reterr_problem)
{
	struct use use = {.path = path, .reterr_problem = reterr_problem};
	_cleanup_close_ int fd = -1;
	int r;

	r = device_family(st->st_rdev, &use.family);
	if (r < 0)
		return problem_set(reterr_problem, r == -ENOENT ? -ENODEV : r,
			"%s: the kernel knows no such device; check its name, and that /sys is "
			"mounted",
			path);
	r = check_devices(&use, &use.family, "");
	if (r >= 0)
		r = check_root(&use, st->st_rdev);
	if (r >= 0)
		r = check_loops(&use);
	if (r >= 0)
		r = check_backing(&use, st->st_rdev, options->destroy);
	if (r < 0)
		return r;
	fd = open_exclusively(&use, st, options->destroy);
	if (fd < 0)
		return fd;
	r = check_locks(&use, fd, options->destroy);
	if (r < 0)
		return r;
	r = fd;
	fd = -1;
	return r;
}

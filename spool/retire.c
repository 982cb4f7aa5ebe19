/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/retire.h"
#include "base/io.h"
#include "spool/file_extents.h"
#include "blockdev/holder.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files that are open at once, two descriptors each. */
#define BATCH_FILES 256u
/* From this many files on, one sync of the whole file system is cheaper than one of each. */
#define SYNCFS_FILES 8u

static int refuse(struct retire_file *file, int error, const char *why)
{
	file->error = error;
	return problem_set(&file->problem, error, "%s %s", file->path, why);
}

/* --- open --- */

static int open_directory(struct retire_file *file)
{
	const char *slash = strrchr(file->path, '/');
	char directory[PATH_MAX];

	file->name = slash ? slash + 1 : file->path;
	if (file->name[0] == '\0' || strcmp(file->name, ".") == 0 || strcmp(file->name, "..") == 0)
		return refuse(file, -EISDIR, "is a directory; name the files in it");
	if (!slash)
		strcpy(directory, ".");
	else if (slash == file->path)
		strcpy(directory, "/");
	else if (slash - file->path < PATH_MAX)
		*stpncpy(directory, file->path, (size_t)(slash - file->path)) = '\0';
	else
		return refuse(file, -ENAMETOOLONG, "has too long a path");
	file->directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (file->directory_fd < 0)
		return refuse(file, -errno, strerror(errno));
	return 0;
}

/* What the name means is looked at before it is opened: opening a FIFO or a device acts. */
static int check_kind(struct retire_file *file, dev_t device)
{
	struct stat st;

	if (fstatat(file->directory_fd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse(file, -errno,
			errno == ENOENT ? "does not exist; was it retired already?"
					: strerror(errno));
	if (S_ISDIR(st.st_mode))
		return refuse(file, -EISDIR, "is a directory; name the files in it");
	if (S_ISLNK(st.st_mode))
		return refuse(file, -ELOOP, "is a symbolic link; name the file that it points to");
	if (!S_ISREG(st.st_mode))
		return refuse(file, -EINVAL, "is no regular file; only files hold job data");
	if (st.st_dev != device)
		return refuse(file, -EXDEV,
			"does not lie on this volume; \"spoolguard overwrite\" overwrites files "
			"elsewhere");
	file->device = st.st_dev;
	file->inode = st.st_ino;
	return 0;
}

/* Opening a file again would break our own lease on it. */
static bool is_named_before(const struct retire_file *files, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (files[i].fd >= 0 && files[i].inode == files[index].inode &&
			files[i].device == files[index].device)
			return true;
	}
	return false;
}

static int take_lease(struct retire_file *file, const struct stat *st)
{
	char holder[HOLDER_BYTES], text[HOLDER_BYTES + 64];

	if (fcntl(file->fd, F_SETLEASE, F_WRLCK) == 0) {
		/* Whoever opens the file meanwhile waits; we need no signal about it. */
		(void)fcntl(file->fd, F_SETOWN, 0);
		return 0;
	}
	if (errno != EAGAIN && errno != EBUSY)
		return refuse(file, -errno, "cannot be leased; run as root or as its owner");
	snprintf(text, sizeof(text), "is open in %s; it can be retired when it is closed",
		holder_of_file(st, holder));
	return refuse(file, -EBUSY, text);
}

static int open_file(struct retire_file *file, dev_t device)
{
	struct stat st;
	char text[96];

	file->fd = openat(file->directory_fd, file->name,
		O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (file->fd < 0 && errno == ETXTBSY)
		return refuse(file, -EBUSY, "is a running program or a swap file");
	if (file->fd < 0 && (errno == EWOULDBLOCK || errno == EAGAIN))
		return refuse(file, -EBUSY, "is being retired by another process");
	if (file->fd < 0)
		return refuse(file, -errno, strerror(errno));
	if (fstat(file->fd, &st) < 0)
		return refuse(file, -errno, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_dev != device)
		return refuse(file, -ESTALE, "was replaced while it was being opened; try again");
	if (st.st_nlink > 1) {
		snprintf(text, sizeof(text),
			"has %ju names (hard links); remove the others, then retire it",
			(uintmax_t)st.st_nlink);
		return refuse(file, -EMLINK, text);
	}
	file->device = st.st_dev;
	file->inode = st.st_ino;
	file->size_bytes = (uint64_t)st.st_size;
	return take_lease(file, &st);
}

/* --- the steps, each over all files that are still well --- */

static void open_all(struct retire_file *files, size_t count, dev_t device)
{
	for (size_t i = 0; i < count; i++) {
		int r = open_directory(&files[i]);

		if (r >= 0)
			r = check_kind(&files[i], device);
		if (r >= 0 && is_named_before(files, i))
			r = refuse(&files[i], -EALREADY, "is named twice; one of them is retired");
		files[i].error = r < 0 ? r : open_file(&files[i], device);
	}
}

static void sync_all(int mount_fd, struct retire_file *files, size_t count)
{
	bool whole = count >= SYNCFS_FILES && syncfs(mount_fd) == 0;

	for (size_t i = 0; i < count && !whole; i++) {
		if (files[i].error == 0 && fsync(files[i].fd) < 0)
			(void)refuse(&files[i], -errno,
				"cannot be synced to the medium; its blocks stay as they are");
	}
}

static void find_all(struct retire_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct retire_file *file = &files[i];

		if (file->error == 0)
			file->error = file_extents_read(
				file->fd, file->path, &file->extents, &file->problem);
		file->extent_count = file->extents.count;
	}
}

/* True if the file lies where it lay when it was recorded. */
static bool is_unmoved(struct retire_file *file)
{
	struct extent_list now = {0};
	bool same = file_extents_read(file->fd, file->path, &now, NULL) >= 0 &&
		    extent_list_is_equal(&now, &file->extents);

	extent_list_done(&now);
	return same;
}

static int watch_all(const struct spool_port *port, struct retire_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct retire_file *file = &files[i];
		int r;

		if (file->error != 0 || file->extents.count == 0)
			continue;
		r = port->watch(port->context, &file->extents, &file->watch);
		if (r < 0)
			return r;
		file->watched = true;
		if (is_unmoved(file))
			continue;
		(void)refuse(file, -ESTALE,
			"was changed or moved while it was being recorded; nothing was erased, try "
			"again");
		r = port->unwatch(port->context, file->watch);
		file->watched = false;
		if (r < 0)
			return r;
	}
	return 0;
}

static int condemn_all(const struct spool_port *port, struct retire_file *files, size_t count)
{
	_cleanup_free_ uint64_t *watches = calloc(count, sizeof(*watches));
	_cleanup_free_ struct retirement *done = calloc(count, sizeof(*done));
	size_t n = 0;
	int r = watches && done ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r >= 0; i++) {
		if (files[i].watched)
			watches[n++] = files[i].watch;
	}
	if (r >= 0 && n > 0)
		r = port->condemn(port->context, watches, n, done);
	n = 0;
	for (size_t i = 0; i < count && r >= 0; i++) {
		if (!files[i].watched)
			continue;
		files[i].retirement = done[n++];
		files[i].watched = false;
	}
	return r;
}

/* What the passes came to; the page cache forgets the file too. */
static void judge(struct retire_file *file)
{
	const struct retirement *done = &file->retirement;
	char text[256];

	if (file->error != 0)
		return;
	if (done->unjudged_blocks > 0) {
		snprintf(text, sizeof(text),
			"lies on blocks whose content nobody has judged since the map was lost "
			"(%" PRIu64 "), and was left as it is; detach the volume, attach it with "
			"--mount, which judges them, and retire it again",
			done->unjudged_blocks);
		(void)refuse(file, -EUCLEAN, text);
		return;
	}
	(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (done->lost_blocks > 0 || !is_unmoved(file)) {
		snprintf(text, sizeof(text),
			"was changed while it was being retired: %" PRIu64 " of %" PRIu64
			" blocks were erased; retire it again",
			done->written_blocks, done->requested_blocks);
		(void)refuse(file, -ESTALE, text);
	} else if (done->refused_blocks > 0) {
		snprintf(text, sizeof(text),
			"lay partly on blocks that the medium refuses to overwrite (%" PRIu64
			"): what they held stays there, encrypted; the file is removed",
			done->refused_blocks);
		(void)refuse(file, -EIO, text);
		file->erased_but_refused = true;
	} else {
		file->erased = true;
	}
}

/* J4 */
static void remove_one(struct retire_file *file)
{
	struct stat named, opened;
	bool there;

	if (!file->erased && !file->erased_but_refused)
		return;
	there = fstatat(file->directory_fd, file->name, &named, AT_SYMLINK_NOFOLLOW) == 0;
	if (there && named.st_dev == file->device && named.st_ino == file->inode) {
		if (unlinkat(file->directory_fd, file->name, 0) < 0)
			(void)refuse(file, -errno, "is erased, but its name cannot be removed");
		else
			file->removed = true;
		return;
	}
	if (fstat(file->fd, &opened) == 0 && opened.st_nlink > 0) {
		(void)!ftruncate(file->fd, 0);
		(void)refuse(file, -ESTALE,
			"was renamed while it was being retired: its content is erased, an empty "
			"file stays under its new name");
		return;
	}
	file->removed = true; /* somebody else removed it: its blocks were erased before */
	if (there)
		(void)refuse(file, -ESTALE,
			"was replaced while it was being retired: the old file is erased, the new "
			"one is left alone");
}

static void close_all(const struct spool_port *port, struct retire_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (files[i].watched && port->unwatch(port->context, files[i].watch) < 0)
			files[i].error = files[i].error ? files[i].error : -EIO;
		files[i].watched = false;
		io_closep(&files[i].fd);
		io_closep(&files[i].directory_fd);
		extent_list_done(&files[i].extents);
	}
}

static int retire_batch(const struct spool_port *port, int mount_fd, dev_t device,
	struct retire_file *files, size_t count)
{
	int r;

	for (size_t i = 0; i < count; i++)
		files[i].fd = files[i].directory_fd = -1;
	open_all(files, count, device);
	sync_all(mount_fd, files, count);
	find_all(files, count);
	r = watch_all(port, files, count);
	if (r >= 0)
		r = condemn_all(port, files, count);
	for (size_t i = 0; i < count && r >= 0; i++) {
		judge(&files[i]);
		remove_one(&files[i]);
	}
	close_all(port, files, count);
	return r;
}

int retire_files(const struct spool_port *port, int mount_fd, struct retire_file *files,
	size_t count, struct problem *reterr_problem)
{
	struct stat st;
	int r = 0;

	if (fstat(mount_fd, &st) < 0)
		return problem_set(
			reterr_problem, -errno, "the spool's mount is gone: %s", strerror(errno));
	for (size_t done = 0; done < count && r >= 0; done += BATCH_FILES) {
		size_t some = count - done < BATCH_FILES ? count - done : BATCH_FILES;

		r = retire_batch(port, mount_fd, st.st_dev, files + done, some);
	}
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the volume stopped while files were being retired: %s; what is owed is "
			"recorded and is paid after the next attach",
			strerror(-r));
	return 0;
}

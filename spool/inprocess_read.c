/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/inprocess_impl.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/secret.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES (1u << 20)

static int find_existing(struct inprocess *inprocess, const char *name,
	struct inprocess_place *ret_place, struct problem *reterr_problem)
{
	int r = inprocess_find(inprocess, name, ret_place, NULL, reterr_problem);

	if (r >= 0 && ret_place->inode == 0)
		return problem_set(reterr_problem, -ENOENT,
			"%s: there is no such file on the volume; \"spoolguard ls\" lists them",
			name);
	return r;
}

/* --- get --- */

/* Zeros in a file that can have holes are skipped; its length is set at the end. */
static int write_out(int fd, bool sparse, const uint8_t *data, size_t bytes)
{
	if (sparse && bytes_are(data, bytes, 0))
		return lseek(fd, (off_t)bytes, SEEK_CUR) < 0 ? -errno : 0;
	return io_write(fd, data, bytes);
}

static int copy_out(
	ext2_file_t file, int fd, uint8_t *buf, uint64_t *ret_bytes, errcode_t *reterr_read)
{
	struct stat st;
	bool sparse = fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && st.st_size == 0;
	uint64_t total = 0;
	unsigned int got = 1;
	int r = 0;

	while (r >= 0 && got > 0) {
		*reterr_read = ext2fs_file_read(file, buf, COPY_BYTES, &got);
		if (*reterr_read)
			return ext4_io_errno(*reterr_read);
		for (size_t at = 0; at < got && r >= 0; at += BLOCK_BYTES) {
			size_t some = got - at < BLOCK_BYTES ? got - at : BLOCK_BYTES;

			r = write_out(fd, sparse, buf + at, some);
		}
		total += got;
	}
	if (r >= 0 && sparse && ftruncate(fd, (off_t)total) < 0)
		r = -errno;
	*ret_bytes = total;
	return r;
}

int inprocess_get(struct inprocess *inprocess, const char *name, int destination_fd,
	uint64_t *ret_bytes, struct problem *reterr_problem)
{
	struct inprocess_place place;
	ext2_file_t file = NULL;
	errcode_t e = 0;
	void *buf = NULL;
	int r;

	r = find_existing(inprocess, name, &place, reterr_problem);
	if (r < 0)
		return r;
	if (!LINUX_S_ISREG(place.body.i_mode))
		return problem_set(reterr_problem,
			LINUX_S_ISDIR(place.body.i_mode)   ? -EISDIR
			: LINUX_S_ISLNK(place.body.i_mode) ? -ELOOP
							   : -EINVAL,
			"%s: only regular files can be read; \"spoolguard ls -l\" shows what it is",
			name);
	r = io_alloc(COPY_BYTES, &buf);
	if (r < 0)
		return r;
	e = ext2fs_file_open(inprocess->fs, place.inode, 0, &file);
	if (!e)
		r = copy_out(file, destination_fd, buf, ret_bytes, &e);
	if (file)
		(void)ext2fs_file_close(file); /* it was only read */
	secret_wipe(buf, COPY_BYTES);
	free(buf);
	if (e)
		return inprocess_fail(reterr_problem, e, "reading it", name);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be copied out: %s", name, strerror(-r));
	return 0;
}

/* --- list --- */

struct listing {
	struct inprocess *inprocess;
	void (*entry)(void *context, const struct inprocess_entry *entry);
	void *context;
	errcode_t error;
};

static errcode_t list_one(struct listing *listing, ext2_ino_t inode, const char *name)
{
	struct inprocess_entry entry = {.links = 0};
	struct ext2_inode body;
	errcode_t e;

	e = ext2fs_read_inode(listing->inprocess->fs, inode, &body);
	if (e)
		return e;
	strncpy(entry.name, name, sizeof(entry.name) - 1);
	entry.mode = body.i_mode;
	entry.links = body.i_links_count;
	entry.uid = body.i_uid | (uint32_t)body.osd2.linux2.l_i_uid_high << 16;
	entry.bytes = EXT2_I_SIZE(&body);
	entry.modified_wall_s = (int64_t)body.i_mtime;
	listing->entry(listing->context, &entry);
	return 0;
}

static int list_entry(
	struct ext2_dir_entry *dirent, int offset, int blocksize, char *buf, void *private)
{
	struct listing *listing = private;
	int length = ext2fs_dirent_name_len(dirent);
	char name[INPROCESS_NAME_BYTES];

	(void)offset, (void)blocksize, (void)buf;
	memcpy(name, dirent->name, (size_t)length);
	name[length] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	listing->error = list_one(listing, dirent->inode, name);
	return listing->error ? DIRENT_ABORT : 0;
}

int inprocess_list(struct inprocess *inprocess, const char *name,
	void (*entry)(void *context, const struct inprocess_entry *entry), void *context,
	struct problem *reterr_problem)
{
	struct listing listing = {inprocess, entry, context, 0};
	struct inprocess_place place;
	errcode_t e;
	int r;

	r = find_existing(inprocess, name, &place, reterr_problem);
	if (r < 0)
		return r;
	if (LINUX_S_ISDIR(place.body.i_mode)) {
		e = ext2fs_dir_iterate(inprocess->fs, place.inode, 0, NULL, list_entry, &listing);
		e = e ? e : listing.error;
	} else {
		e = list_one(&listing, place.inode, place.name);
	}
	return e ? inprocess_fail(reterr_problem, e, "listing it", name) : 0;
}

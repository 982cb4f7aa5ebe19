/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/inprocess_impl.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BLOCKS  2048u /* 8 MiB are allocated at once */
#define CHUNK_BYTES   ((size_t)CHUNK_BLOCKS * BLOCK_BYTES)
#define EXPANDS_MAX   2 /* a new name needs one more directory block, or the volume is full */
#define NAME_OF_SPACE "allocating space"

/* A file on its way in. */
struct incoming {
	struct inprocess *inprocess;
	const char *name;
	ext2_ino_t inode;
	struct ext2_inode body;
	struct inprocess_put_report report;
	uint8_t *chunk;
	struct problem *reterr_problem;
};

/* --- directories and names --- */

static errcode_t with_room(
	ext2_filsys fs, ext2_ino_t directory, const char *name, ext2_ino_t inode, bool make)
{
	errcode_t e = EXT2_ET_DIR_NO_SPACE;

	for (int i = 0; i < EXPANDS_MAX && e == EXT2_ET_DIR_NO_SPACE; i++) {
		if (i > 0) {
			e = ext2fs_expand_dir(fs, directory);
			if (e)
				return e;
		}
		e = make ? ext2fs_mkdir(fs, directory, 0, name)
			 : ext2fs_link(fs, directory, name, inode, EXT2_FT_REG_FILE);
	}
	return e;
}

static void set_owner(
	struct ext2_inode *body, const struct inprocess_put_options *options, uint32_t mode)
{
	body->i_mode = (uint16_t)mode;
	body->i_uid = (uint16_t)options->uid;
	body->osd2.linux2.l_i_uid_high = (uint16_t)(options->uid >> 16);
	body->i_gid = (uint16_t)options->gid;
	body->osd2.linux2.l_i_gid_high = (uint16_t)(options->gid >> 16);
}

static int make_directories(struct inprocess *inprocess, const char *path, const char *missing,
	const struct inprocess_put_options *options, struct problem *reterr_problem)
{
	struct inprocess_place place;
	const char *still_missing = missing;
	errcode_t e = 0;
	int r;

	do { /* one more directory each time; the last part is the file's */
		char upto[4096];
		char part[INPROCESS_NAME_BYTES];
		const char *after = still_missing;

		r = inprocess_next_part(&after, part, reterr_problem);
		if (r < 0)
			return r;
		if ((size_t)(after - path) >= sizeof(upto))
			return problem_set(reterr_problem, -ENAMETOOLONG, "the name is too long");
		memcpy(upto, path, (size_t)(after - path));
		upto[after - path] = '\0';
		r = inprocess_find(inprocess, upto, &place, NULL, reterr_problem);
		if (r < 0)
			return r;
		e = with_room(inprocess->fs, place.directory, part, 0, true);
		if (!e)
			e = ext2fs_lookup(inprocess->fs, place.directory, part, (int)strlen(part),
				NULL, &place.inode);
		if (!e)
			e = ext2fs_read_inode(inprocess->fs, place.inode, &place.body);
		set_owner(&place.body, options, LINUX_S_IFDIR | 0700);
		if (!e)
			e = ext2fs_write_inode(inprocess->fs, place.inode, &place.body);
		if (e)
			return inprocess_fail(reterr_problem, e, "making its directory", path);
		still_missing = NULL;
		r = inprocess_find(inprocess, path, &place, &still_missing, reterr_problem);
	} while (r >= 0 && still_missing);
	return r;
}

/* --- data --- */

/* Fills the chunk from source; less only at its end. */
static int read_chunk(int fd, uint8_t *chunk, size_t *ret_bytes)
{
	size_t got = 0;

	while (got < CHUNK_BYTES) {
		ssize_t n = read(fd, chunk + got, CHUNK_BYTES - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret_bytes = got;
	return 0;
}

/* Blocks of the volume that carry "count" blocks of the file from "logical" on are written. */
static int write_run(struct incoming *incoming, uint64_t logical, uint64_t count, uint8_t *data)
{
	struct inprocess *inprocess = incoming->inprocess;
	int r = 0;

	while (count > 0 && r >= 0) {
		struct extent lies = {0, 0};

		for (; lies.count < count; lies.count++) {
			blk64_t block = 0;
			errcode_t e;

			e = ext2fs_bmap2(inprocess->fs, incoming->inode, &incoming->body, NULL, 0,
				logical + lies.count, NULL, &block);
			if (e)
				return inprocess_fail(
					incoming->reterr_problem, e, NAME_OF_SPACE, incoming->name);
			if (lies.count > 0 && block != extent_end(lies))
				break;
			if (lies.count == 0)
				lies.first = block;
		}
		r = extent_list_add(&inprocess->direct, lies);
		if (r >= 0)
			r = redo_write_direct(inprocess->parts.redo, lies, data);
		if (r < 0)
			return problem_set(incoming->reterr_problem, r,
				"%s cannot be written to the volume: %s", incoming->name,
				strerror(-r));
		data += lies.count * BLOCK_BYTES;
		logical += lies.count;
		count -= lies.count;
	}
	return r;
}

static int store_run(struct incoming *incoming, uint64_t logical, uint64_t count, uint8_t *data)
{
	errcode_t e;

	e = ext2fs_fallocate(incoming->inprocess->fs,
		EXT2_FALLOCATE_FORCE_INIT | EXT2_FALLOCATE_INIT_BEYOND_EOF, incoming->inode,
		&incoming->body, ~0ULL, logical, count);
	if (e)
		return inprocess_fail(incoming->reterr_problem, e, NAME_OF_SPACE, incoming->name);
	incoming->report.data_blocks += count;
	return write_run(incoming, logical, count, data);
}

/* Runs of zero blocks become holes. */
static int store_chunk(struct incoming *incoming, uint64_t logical, uint64_t count)
{
	uint64_t at = 0;
	int r = 0;

	while (at < count && r >= 0) {
		uint64_t run = at;

		while (run < count &&
			!bytes_are(incoming->chunk + run * BLOCK_BYTES, BLOCK_BYTES, 0))
			run++;
		if (run > at)
			r = store_run(incoming, logical + at, run - at,
				incoming->chunk + at * BLOCK_BYTES);
		at = run > at ? run : at + 1;
	}
	return r;
}

static int copy_in(struct incoming *incoming, int source_fd)
{
	uint64_t logical = 0;
	size_t got;
	int r;

	do {
		uint64_t count;

		r = read_chunk(source_fd, incoming->chunk, &got);
		if (r < 0)
			return problem_set(incoming->reterr_problem, r,
				"the source of %s cannot be read: %s", incoming->name,
				strerror(-r));
		count = (got + BLOCK_BYTES - 1) / BLOCK_BYTES;
		memset(incoming->chunk + got, 0, (size_t)count * BLOCK_BYTES - got);
		r = store_chunk(incoming, logical, count);
		incoming->report.bytes += got;
		logical += count;
	} while (r >= 0 && got == CHUNK_BYTES);
	return r;
}

/* --- the file --- */

static int make_inode(struct incoming *incoming, ext2_ino_t directory,
	const struct inprocess_put_options *options)
{
	ext2_filsys fs = incoming->inprocess->fs;
	struct ext2_inode *body = &incoming->body;
	ext2_extent_handle_t extents;
	errcode_t e;

	set_owner(body, options, LINUX_S_IFREG | (options->mode & 0777));
	body->i_links_count = 1;
	body->i_mtime = (uint32_t)options->modified_wall_s;
	body->i_atime = body->i_ctime = (uint32_t)clock_wall_s();
	e = ext2fs_new_inode(fs, directory, LINUX_S_IFREG, NULL, &incoming->inode);
	if (e)
		return inprocess_fail(
			incoming->reterr_problem, e, "allocating an inode", incoming->name);
	if (random_bytes(&body->i_generation, sizeof(body->i_generation)) < 0)
		return -EIO;
	ext2fs_inode_alloc_stats2(fs, incoming->inode, +1, 0);
	if (ext2fs_has_feature_extents(fs->super)) {
		body->i_flags |= EXT4_EXTENTS_FL;
		e = ext2fs_extent_open2(fs, incoming->inode, body, &extents); /* an empty root */
		if (!e)
			ext2fs_extent_free(extents);
	}
	if (!e)
		e = ext2fs_write_new_inode(fs, incoming->inode, body);
	return e ? inprocess_fail(incoming->reterr_problem, e, "making its inode", incoming->name)
		 : 0;
}

static int bring_in(struct incoming *incoming, int source_fd,
	const struct inprocess_put_options *options, const struct inprocess_place *place)
{
	ext2_filsys fs = incoming->inprocess->fs;
	errcode_t e;
	int r;

	r = make_inode(incoming, place->directory, options);
	if (r >= 0)
		r = copy_in(incoming, source_fd);
	if (r < 0)
		return r;
	e = ext2fs_inode_size_set(fs, &incoming->body, (ext2_off64_t)incoming->report.bytes);
	if (!e)
		e = ext2fs_write_inode(fs, incoming->inode, &incoming->body);
	if (!e)
		e = with_room(fs, place->directory, place->name, incoming->inode, false);
	if (e)
		return inprocess_fail(
			incoming->reterr_problem, e, "entering its name", incoming->name);
	return inprocess_commit(incoming->inprocess, incoming->reterr_problem);
}

static int find_new(struct inprocess *inprocess, const char *name,
	const struct inprocess_put_options *options, struct inprocess_place *ret_place,
	struct problem *reterr_problem)
{
	const char *missing = NULL;
	int r;

	r = inprocess_find(
		inprocess, name, ret_place, options->parents ? &missing : NULL, reterr_problem);
	if (r >= 0 && missing)
		r = make_directories(inprocess, name, missing, options, reterr_problem);
	if (r >= 0 && missing)
		r = inprocess_find(inprocess, name, ret_place, NULL, reterr_problem);
	if (r >= 0 && ret_place->inode != 0)
		r = problem_set(reterr_problem, -EEXIST,
			"%s is on the volume already; retire it with \"spoolguard job complete\", "
			"or give another name",
			name);
	return r;
}

int inprocess_put(struct inprocess *inprocess, int source_fd, const char *name,
	const struct inprocess_put_options *options, struct inprocess_put_report *ret_report,
	struct problem *reterr_problem)
{
	struct incoming incoming = {
		.inprocess = inprocess, .name = name, .reterr_problem = reterr_problem};
	struct inprocess_place place;
	void *chunk = NULL;
	int r;

	r = inprocess_check_writable(inprocess, reterr_problem);
	if (r >= 0)
		r = io_alloc(CHUNK_BYTES, &chunk);
	if (r < 0)
		return r;
	incoming.chunk = chunk;
	r = find_new(inprocess, name, options, &place, reterr_problem);
	if (r >= 0)
		r = bring_in(&incoming, source_fd, options, &place);
	secret_wipe(chunk, CHUNK_BYTES);
	free(chunk);
	if (r < 0)
		return inprocess_roll_back(inprocess, r);
	*ret_report = incoming.report;
	return 0;
}

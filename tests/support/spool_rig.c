/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/spool_rig.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "overwrite/sanitizing.h"
#include "overwrite/wipe.h"
#include "spool/ext4_check.h"
#include "spool/ext4_make.h"
#include "tests/support/simdisk.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_BLOCKS = 1024, CHECKED_MAX = 256 };

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "spool_rig: %s: %s\n", what, strerror(-result));
	abort();
}

static struct residue_parts parts_of(const struct spool_rig *rig, bool read_only)
{
	return (struct residue_parts){
		.device = rig->disk,
		.layout = &rig->layout,
		.volume_key = rig->key,
		.read_only = read_only,
	};
}

/* --- making --- */

static void make_filesystem(struct spool_rig *rig)
{
	struct residue_parts parts = parts_of(rig, false);
	struct blockdev *bd;

	must(residue_open(&parts, &rig->residue, &rig->opened, &rig->problem), "open");
	must(eraser_new(rig->residue, scheme_default(), VERIFY_FULL, &rig->eraser), "eraser");
	must(sanitizing_new(rig->residue, rig->eraser, &bd), "sanitizing");
	must(ext4_make(bd, "spool", &rig->problem), rig->problem.text);
	blockdev_close(bd);
	must(residue_set_filesystem_expected(rig->residue, true), "expected");
	must(residue_close_orderly(rig->residue), "close");
	spool_rig_drop(rig);
}

struct blockdev *spool_rig_make(struct spool_rig *rig, uint64_t data_blocks)
{
	const struct extent_list none = {0};
	struct residue_parts parts;
	struct blockdev *disk;

	*rig = (struct spool_rig){.key = NULL};
	must(secret_new_random(64, &rig->key), "key");
	must(layout_plan(0, PAGE_BLOCKS, data_blocks, data_blocks, &rig->layout), "plan");
	memset(rig->layout.volume_id, 0x5a, sizeof(rig->layout.volume_id));
	disk = simdisk_new(BLOCK_BYTES, rig->layout.data_first + data_blocks);
	rig->disk = disk;
	parts = parts_of(rig, false);
	must(residue_format(&parts, &none, &rig->problem), "format");
	make_filesystem(rig);
	return disk;
}

void spool_rig_done(struct spool_rig *rig)
{
	spool_rig_drop(rig);
	secret_free(rig->key);
	rig->key = NULL;
}

/* --- opening --- */

void spool_rig_drop(struct spool_rig *rig)
{
	inprocess_free(rig->inprocess);
	redo_free(rig->redo);
	blockdev_close(rig->below);
	eraser_free(rig->eraser);
	residue_free(rig->residue);
	rig->inprocess = NULL;
	rig->redo = NULL;
	rig->below = NULL;
	rig->eraser = NULL;
	rig->residue = NULL;
}

static struct redo_parts redo_parts_of(const struct spool_rig *rig)
{
	return (struct redo_parts){
		.below = rig->below,
		.residue = rig->residue,
		.medium = rig->disk,
		.layout = &rig->layout,
		.volume_key = rig->key,
	};
}

static int open_volume(struct spool_rig *rig, bool read_only)
{
	struct residue_parts parts = parts_of(rig, read_only);
	struct redo_parts redo_parts;
	int r;

	r = residue_open(&parts, &rig->residue, &rig->opened, &rig->problem);
	if (r >= 0)
		r = eraser_new(rig->residue, scheme_default(), VERIFY_FULL, &rig->eraser);
	if (r >= 0)
		r = sanitizing_new(rig->residue, rig->eraser, &rig->below);
	if (r < 0 || read_only)
		return r;
	redo_parts = redo_parts_of(rig);
	r = redo_replay(&redo_parts, &rig->outcome);
	if (r >= 0 && rig->outcome > REDO_REPLAYED)
		rig->opened.sweep_owed = true;
	if (r >= 0)
		r = wipe_what_shows(rig->disk, scheme_default(), rig->layout.redo);
	return r < 0 ? r : redo_new(&redo_parts, &rig->redo);
}

int spool_rig_open_volume(struct spool_rig *rig, struct blockdev *disk, bool read_only)
{
	int r;

	rig->disk = disk;
	rig->outcome = REDO_NONE;
	rig->problem.text[0] = '\0';
	r = open_volume(rig, read_only);
	if (r < 0)
		spool_rig_drop(rig);
	return r;
}

int spool_rig_open(struct spool_rig *rig, struct blockdev *disk, bool read_only)
{
	struct inprocess_parts parts;
	int r;

	r = spool_rig_open_volume(rig, disk, read_only);
	if (r < 0)
		return r;
	parts = (struct inprocess_parts){
		.residue = rig->residue,
		.eraser = rig->eraser,
		.below = rig->below,
		.redo = rig->redo,
		.scheme = scheme_default(),
		.sweep_owed = rig->opened.sweep_owed,
	};
	r = inprocess_open(&parts, &rig->inprocess, &rig->problem);
	if (r < 0)
		spool_rig_drop(rig);
	return r;
}

int spool_rig_close(struct spool_rig *rig)
{
	int r = 0;

	if (rig->inprocess)
		r = inprocess_settle(rig->inprocess, &rig->problem);
	if (r >= 0)
		r = residue_close_orderly(rig->residue);
	spool_rig_drop(rig);
	return r;
}

/* --- files --- */

int spool_rig_source(const void *bytes, size_t count)
{
	int fd = memfd_create("source", MFD_CLOEXEC);

	must(fd < 0 ? -errno : 0, "memfd");
	must(io_write(fd, bytes, count), "source");
	must((int)lseek(fd, 0, SEEK_SET), "source");
	return fd;
}

int spool_rig_put(struct spool_rig *rig, const char *name, const void *bytes, size_t count)
{
	const struct inprocess_put_options options = {
		.parents = true, .mode = 0640, .uid = 70000, .gid = 7, .modified_wall_s = 1000000};
	struct inprocess_put_report report;
	_cleanup_close_ int fd = spool_rig_source(bytes, count);

	return inprocess_put(rig->inprocess, fd, name, &options, &report, &rig->problem);
}

int spool_rig_get(
	struct spool_rig *rig, const char *name, void *bytes, size_t count, size_t *ret_count)
{
	_cleanup_close_ int fd = memfd_create("destination", MFD_CLOEXEC);
	uint64_t got;
	int r;

	must(fd < 0 ? -errno : 0, "memfd");
	r = inprocess_get(rig->inprocess, name, fd, &got, &rig->problem);
	if (r < 0)
		return r;
	if (got > count || lseek(fd, 0, SEEK_END) != (off_t)got)
		return -EFBIG;
	*ret_count = (size_t)got;
	return io_pread(fd, bytes, (size_t)got, 0);
}

static void no_entry(void *context, const struct inprocess_entry *entry)
{
	(void)context, (void)entry;
}

bool spool_rig_has(struct spool_rig *rig, const char *name)
{
	return inprocess_list(rig->inprocess, name, no_entry, NULL, &rig->problem) >= 0;
}

/* --- judging --- */

static uint8_t *read_all(struct spool_rig *rig, size_t *ret_bytes)
{
	uint64_t blocks = residue_blocks(rig->residue);
	uint8_t *all = malloc((size_t)blocks * BLOCK_BYTES);

	must(all ? 0 : -ENOMEM, "memory");
	must(residue_read(rig->residue, (struct extent){0, blocks}, all), "read");
	*ret_bytes = (size_t)blocks * BLOCK_BYTES;
	return all;
}

static void list_free(struct spool_rig *rig, struct extent_list *list)
{
	ext2_filsys fs;

	must(ext4_open_read_only(rig->below, &fs, &rig->problem), rig->problem.text);
	must(ext4_free_extents(fs, list), "free extents");
	ext2fs_free(fs);
}

/* Of the blocks that are not zeros, and where they are. */
static void digest_of(const uint8_t *all, size_t bytes, uint8_t ret_digest[static SHA256_BYTES])
{
	struct hash *hash;

	must(hash_new(&hash), "hash");
	for (size_t at = 0; at < bytes; at += BLOCK_BYTES) {
		if (bytes_are(all + at, BLOCK_BYTES, 0))
			continue;
		must(hash_update(hash, &at, sizeof(at)), "hash");
		must(hash_update(hash, all + at, BLOCK_BYTES), "hash");
	}
	must(hash_finish(hash, ret_digest), "hash");
	hash_free(hash);
}

static bool run_e2fsck(const uint8_t *all, size_t bytes)
{
	char path[] = "/tmp/spoolguard-rig.XXXXXX", command[160];
	int fd = mkstemp(path), status;

	must(fd < 0 ? -errno : 0, "mkstemp");
	must(io_write(fd, all, bytes), "dump");
	close(fd);
	snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin e2fsck -fn %s >%s.log 2>&1",
		path, path);
	status = system(command);
	snprintf(command, sizeof(command), "%s%s%s rm -f %s %s.log", status == 0 ? "" : "cat ",
		status == 0 ? "" : path, status == 0 ? "" : ".log >&2;", path, path);
	must(system(command) == 0 ? 0 : -EIO, "cleaning up");
	return status == 0;
}

bool spool_rig_is_whole(struct spool_rig *rig)
{
	static uint8_t checked[CHECKED_MAX][SHA256_BYTES];
	static size_t count;
	struct extent_list free_runs = {0};
	uint8_t digest[SHA256_BYTES];
	uint8_t *all;
	size_t bytes;
	bool whole;

	all = read_all(rig, &bytes);
	list_free(rig, &free_runs);
	for (size_t i = 0; i < free_runs.count; i++)
		memset(all + free_runs.items[i].first * BLOCK_BYTES, 0,
			free_runs.items[i].count * BLOCK_BYTES);
	extent_list_done(&free_runs);
	digest_of(all, bytes, digest);
	for (size_t i = 0; i < count; i++) {
		if (memcmp(checked[i], digest, sizeof(digest)) == 0) {
			free(all);
			return true;
		}
	}
	whole = run_e2fsck(all, bytes);
	free(all);
	if (whole && count < CHECKED_MAX)
		memcpy(checked[count++], digest, sizeof(digest));
	return whole;
}

static bool is_uniform(struct spool_rig *rig, struct extent run)
{
	uint8_t block[BLOCK_BYTES];

	for (uint64_t b = run.first; b < extent_end(run); b++) {
		simdisk_peek(rig->disk, (struct extent){b, 1}, block);
		if (!bytes_are_uniform(block, sizeof(block))) {
			fprintf(stderr, "block %llu of the medium holds something\n",
				(unsigned long long)b);
			return false;
		}
	}
	return true;
}

bool spool_rig_is_paid(struct spool_rig *rig)
{
	struct extent_list free_runs = {0};
	bool paid = is_uniform(rig, rig->layout.redo);

	list_free(rig, &free_runs);
	for (size_t i = 0; i < free_runs.count && paid; i++) {
		struct extent run = free_runs.items[i];

		for (uint64_t b = run.first; b < extent_end(run) && paid; b++) {
			uint64_t one;

			paid = residue_lookup(rig->residue, b, 1, &one) == RESIDUE_CLASS_CLEAN;
		}
		if (!paid)
			fprintf(stderr, "a free block is not clean in the map\n");
		run.first += rig->layout.data_first;
		paid = paid && is_uniform(rig, run);
	}
	extent_list_done(&free_runs);
	return paid;
}

size_t spool_rig_count(struct spool_rig *rig, const void *bytes, size_t count)
{
	size_t all_bytes, found = 0;
	uint8_t *all = read_all(rig, &all_bytes);
	const uint8_t *at = all;

	while ((at = memmem(at, all_bytes - (size_t)(at - all), bytes, count)) != NULL) {
		found++;
		at++;
	}
	free(all);
	return found;
}

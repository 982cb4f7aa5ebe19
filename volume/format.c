/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/format.h"
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/raw.h"
#include "blockdev/residue.h"
#include "crypto/random.h"
#include "keystore/keystore.h"
#include "overwrite/pass.h"
#include "crypto/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_BLOCKS_MIN	 2048u	       /* 8 MiB: less holds no useful file system */
#define GROWTH_FACTOR	 16u	       /* the map has room for this much more, */
#define GROWTH_BYTES_MAX (64ull << 30) /* up to this size, or twice the size */

struct target {
	bool created;	/* we made the file */
	bool is_device; /* block device: what it holds is not known, so all of it is owed */
	bool is_blank;	/* a file without a single allocated byte */
};

static bool has_data(int fd)
{
	return lseek(fd, 0, SEEK_DATA) >= 0 || errno != ENXIO;
}

static int prepare_file(const char *path, const struct volume_format_options *options,
	struct target *target, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (options->size_bytes == 0)
			return problem_set(reterr_problem, -EINVAL,
				"%s does not exist; give --size to make an image file", path);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		target->created = fd >= 0;
	}
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s cannot be opened for writing: %s",
			path, strerror(errno));
	if (fstat(fd, &st) < 0)
		return -errno;
	target->is_device = S_ISBLK(st.st_mode);
	if (target->is_device) {
		if (options->size_bytes != 0)
			return problem_set(reterr_problem, -EINVAL,
				"%s is a block device: its size is its own, leave --size out",
				path);
		return 0;
	}
	if (options->size_bytes != 0 && options->size_bytes < (uint64_t)st.st_size)
		return problem_set(reterr_problem, -EINVAL,
			"%s is longer than --size: what is cut off would stay readable on the disk "
			"below; leave --size out, or overwrite it first (\"spoolguard overwrite\")",
			path);
	target->is_blank = !has_data(fd);
	if (options->size_bytes != 0 &&
		ftruncate(fd, (off_t)bytes_align_down(options->size_bytes, BLOCK_BYTES)) < 0)
		return problem_set(reterr_problem, -errno,
			"%s cannot be made %" PRIu64 " bytes long: %s", path, options->size_bytes,
			strerror(errno));
	return 0;
}

/* The area between the key slots and the data: allocated, so that no map write can meet a full file
 * system. */
static int allocate_front(struct blockdev *device, const struct target *target, uint64_t bytes,
	const char *path, struct problem *reterr_problem)
{
	if (target->is_device)
		return 0;
	if (fallocate(raw_fd(device), 0, 0, (off_t)bytes) < 0 && errno != EOPNOTSUPP)
		return problem_set(reterr_problem, -errno,
			"%s: there is no room for its header and residue map (%" PRIu64
			" bytes): %s; free some space",
			path, bytes, strerror(errno));
	return 0;
}

static int plan(uint64_t blocks, const struct volume_format_options *options, struct layout *layout,
	const char *path, struct problem *reterr_problem)
{
	const uint64_t superblock = LAYOUT_SUPERBLOCK_BYTES / BLOCK_BYTES;
	uint64_t most = options->max_bytes / BLOCK_BYTES;
	int r;

	if (most == 0) {
		most = blocks * GROWTH_FACTOR;
		if (most > GROWTH_BYTES_MAX / BLOCK_BYTES)
			most = GROWTH_BYTES_MAX / BLOCK_BYTES;
		if (most < 2 * blocks)
			most = 2 * blocks;
	}
	if (most < blocks)
		return problem_set(
			reterr_problem, -EINVAL, "--max-size is smaller than the volume itself");

	/* Where data begins depends on the room for growth alone: plan twice. */
	r = layout_plan(superblock, LAYOUT_BLOCKS_PER_PAGE, 1, most, layout);
	if (r >= 0 && blocks < layout->data_first + DATA_BLOCKS_MIN)
		return problem_set(reterr_problem, -ENOSPC,
			"%s is too small: header and map take %" PRIu64
			" MiB, and a spool needs at least 8 MiB more",
			path, layout->data_first * BLOCK_BYTES >> 20);
	if (r >= 0)
		r = layout_plan(superblock, LAYOUT_BLOCKS_PER_PAGE, blocks - layout->data_first,
			most, layout);
	if (r >= 0)
		r = random_bytes(layout->volume_id, sizeof(layout->volume_id));
	return r;
}

/* What lay where header, map and spare blocks come to lie is not in the map: it gets its passes
 * now. */
static int overwrite_front(
	struct blockdev *device, const struct scheme *scheme, const struct layout *layout)
{
	_cleanup_(pass_buffers_freep) struct pass_buffers *buffers = NULL;
	struct extent_list front = {0}, refused = {0};
	struct progress progress = {0};
	int r;

	r = pass_buffers_new(&buffers);
	if (r >= 0)
		r = extent_list_add(&front, (struct extent){0, layout->data_first});
	for (unsigned int i = 0; i < scheme->pass_count && r >= 0; i++) {
		_cleanup_secret_ struct secret *seed = NULL;

		if (scheme->passes[i].kind == PASS_RANDOM)
			r = secret_new_random(STREAM_SEED_BYTES, &seed);
		if (r >= 0)
			r = pass_write(device, &scheme->passes[i], seed, &front, buffers, NULL,
				&progress, &refused);
		if (r >= 0)
			r = blockdev_flush(device);
	}
	if (r >= 0 && refused.count > 0)
		r = -EIO;
	extent_list_done(&front);
	extent_list_done(&refused);
	return r;
}

static int write_volume(const char *path, struct blockdev *device,
	const struct volume_format_options *options, const struct target *target,
	const struct secret *passphrase, struct layout *layout, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *volume_key = NULL;
	struct keystore_format_options key_options = {
		.profile = options->profile,
		.scheme = options->scheme->name,
		.kdf_memory_kib = options->kdf_memory_kib,
		.kdf_iteration_ms = options->kdf_iteration_ms,
		.kdf_iterations = options->kdf_iterations,
		.data_offset_bytes = layout->data_first * BLOCK_BYTES,
		.filled_before = !target->is_blank,
		.ret_volume_key = &volume_key,
	};
	struct residue_parts parts = {.device = device, .layout = layout};
	struct extent_list owed = {0};
	int r = 0;

	if (!target->is_blank) {
		r = overwrite_front(device, options->scheme, layout);
		if (r < 0)
			return problem_set(reterr_problem, r,
				"%s: the area of header and map cannot be overwritten: %s", path,
				strerror(-r));
		r = extent_list_add(&owed, (struct extent){0, layout->data_blocks_at_format});
	}
	if (r >= 0)
		r = keystore_format(path, &key_options, passphrase, &keystore, reterr_problem);
	parts.volume_key = volume_key;
	if (r >= 0)
		r = residue_format(&parts, &owed, reterr_problem);
	if (r >= 0)
		r = layout_write(device, layout, volume_key);
	if (r >= 0 && options->ret_volume_key) {
		*options->ret_volume_key = volume_key;
		volume_key = NULL;
	}
	extent_list_done(&owed);
	return r;
}

int volume_format(const char *path, const struct volume_format_options *options,
	const struct secret *passphrase, struct volume_format_report *ret_report,
	struct problem *reterr_problem)
{
	const struct raw_options raw_options = {.block_bytes = BLOCK_BYTES};
	_cleanup_(blockdev_closep) struct blockdev *device = NULL;
	struct target target = {.created = false};
	struct layout layout;
	int r;

	r = prepare_file(path, options, &target, reterr_problem);
	if (r >= 0)
		r = raw_open(path, &raw_options, &device, reterr_problem);
	if (r >= 0 && options->checked)
		r = guard_verify(options->checked, path, raw_fd(device), reterr_problem);
	if (r >= 0)
		r = plan(blockdev_blocks(device), options, &layout, path, reterr_problem);
	if (r >= 0)
		r = allocate_front(
			device, &target, layout.data_first * BLOCK_BYTES, path, reterr_problem);
	if (r >= 0)
		r = write_volume(
			path, device, options, &target, passphrase, &layout, reterr_problem);
	if (r < 0) {
		if (target.created &&
			device) /* without its lock it may be another command's by now */
			unlink(path);
		return r;
	}
	*ret_report = (struct volume_format_report){
		.medium_bytes = blockdev_bytes(device),
		.data_bytes = layout.data_blocks_at_format * BLOCK_BYTES,
		.max_data_bytes = layout.data_blocks_most * BLOCK_BYTES,
		.owed_bytes = target.is_blank ? 0 : layout.data_blocks_at_format * BLOCK_BYTES,
	};
	return 0;
}

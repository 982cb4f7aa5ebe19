/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/pass.h"
#include "base/io.h"
#include "crypto/stream.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pass_buffers {
	void *pattern;
	void *read;
	int filled; /* the byte that pattern is filled with, or -1 */
};

int pass_buffers_new(struct pass_buffers **ret_buffers)
{
	struct pass_buffers *buffers = calloc(1, sizeof(*buffers));
	int r;

	if (!buffers)
		return -ENOMEM;
	buffers->filled = -1;
	r = io_alloc(PASS_TRANSFER_BYTES, &buffers->pattern);
	if (r >= 0)
		r = io_alloc(PASS_TRANSFER_BYTES, &buffers->read);
	if (r < 0) {
		pass_buffers_free(buffers);
		return r;
	}
	*ret_buffers = buffers;
	return 0;
}

void pass_buffers_free(struct pass_buffers *buffers)
{
	if (!buffers)
		return;
	free(buffers->pattern);
	free(buffers->read);
	free(buffers);
}

/* One pass on its way over the runs. */
struct walk {
	struct blockdev *bd;
	const struct scheme_pass *pass;
	struct stream *stream; /* NULL for PASS_BYTE */
	struct pass_buffers *buffers;
	const struct progress_sink *sink;
	struct progress *progress;
	struct extent_list *mismatched;
	struct extent_list *refused;
};

/* The pattern as it is to lie at "at", in buffers->pattern. */
static int make_pattern(struct walk *walk, struct extent at)
{
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);

	if (walk->pass->kind == PASS_RANDOM) {
		walk->buffers->filled = -1;
		return stream_generate(walk->stream, at.first * block_bytes, walk->buffers->pattern,
			(size_t)at.count * block_bytes);
	}
	if (walk->buffers->filled != walk->pass->byte) {
		memset(walk->buffers->pattern, walk->pass->byte, PASS_TRANSFER_BYTES);
		walk->buffers->filled = walk->pass->byte;
	}
	return 0;
}

static int write_chunk(struct walk *walk, struct extent at)
{
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);
	const uint8_t *pattern = walk->buffers->pattern;
	int r;

	r = make_pattern(walk, at);
	if (r < 0)
		return r;
	if (blockdev_write(walk->bd, at, pattern, (size_t)at.count * block_bytes) >= 0)
		return 0;
	/* Block by block, to learn which of them the medium refuses. */
	for (uint64_t i = 0; i < at.count && r >= 0; i++) {
		struct extent one = {at.first + i, 1};

		if (blockdev_write(walk->bd, one, pattern + i * block_bytes, block_bytes) < 0)
			r = extent_list_add(walk->refused, one);
	}
	return r;
}

static int compare_chunk(struct walk *walk, struct extent at, const uint8_t *pattern)
{
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);
	const uint8_t *read = walk->buffers->read;
	int r = 0;

	if (memcmp(read, pattern, (size_t)at.count * block_bytes) == 0)
		return 0;
	for (uint64_t i = 0; i < at.count && r >= 0; i++) {
		if (memcmp(read + i * block_bytes, pattern + i * block_bytes, block_bytes) != 0)
			r = extent_list_add(walk->mismatched, (struct extent){at.first + i, 1});
	}
	return r;
}

static int verify_chunk(struct walk *walk, struct extent at)
{
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);
	const uint8_t *pattern = walk->buffers->pattern;
	int r;

	r = make_pattern(walk, at);
	if (r < 0)
		return r;
	if (blockdev_read(walk->bd, at, walk->buffers->read, (size_t)at.count * block_bytes) >= 0)
		return compare_chunk(walk, at, pattern);
	for (uint64_t i = 0; i < at.count && r >= 0; i++) {
		struct extent one = {at.first + i, 1};

		if (blockdev_read(walk->bd, one, walk->buffers->read, block_bytes) < 0)
			r = extent_list_add(walk->refused, one);
		else if (memcmp(walk->buffers->read, pattern + i * block_bytes, block_bytes) != 0)
			r = extent_list_add(walk->mismatched, one);
	}
	return r;
}

static int walk_runs(struct walk *walk, const struct extent_list *runs,
	int (*chunk)(struct walk *, struct extent))
{
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);
	uint64_t most = PASS_TRANSFER_BYTES / block_bytes;
	int r;

	for (size_t i = 0; i < runs->count; i++) {
		struct extent rest = runs->items[i];

		while (rest.count > 0) {
			struct extent at = {rest.first, rest.count < most ? rest.count : most};

			r = chunk(walk, at);
			if (r < 0)
				return r;
			walk->progress->done_bytes += at.count * block_bytes;
			if (progress_report(walk->sink, walk->progress))
				return -ECANCELED;
			rest.first += at.count;
			rest.count -= at.count;
		}
	}
	return 0;
}

static int run(struct walk *walk, const struct secret *seed, const struct extent_list *runs,
	int (*chunk)(struct walk *, struct extent))
{
	int r = 0;

	assert((walk->pass->kind == PASS_RANDOM) == (seed != NULL));
	if (seed)
		r = stream_new(seed, &walk->stream);
	if (r >= 0)
		r = walk_runs(walk, runs, chunk);
	stream_free(walk->stream);
	return r;
}

int pass_write(struct blockdev *bd, const struct scheme_pass *pass, const struct secret *seed,
	const struct extent_list *runs, struct pass_buffers *buffers,
	const struct progress_sink *sink, struct progress *progress, struct extent_list *refused)
{
	struct walk walk = {bd, pass, NULL, buffers, sink, progress, NULL, refused};

	return run(&walk, seed, runs, write_chunk);
}

int pass_verify(struct blockdev *bd, const struct scheme_pass *pass, const struct secret *seed,
	const struct extent_list *runs, struct pass_buffers *buffers,
	const struct progress_sink *sink, struct progress *progress, struct extent_list *mismatched,
	struct extent_list *refused)
{
	struct walk walk = {bd, pass, NULL, buffers, sink, progress, mismatched, refused};

	return run(&walk, seed, runs, verify_chunk);
}

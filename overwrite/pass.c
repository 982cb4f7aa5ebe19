/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/pass.h"
#include "base/io.h"
#include "crypto/stream.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One transfer at a time, and what it needs for itself. */
struct lane {
	struct walk *walk;
	struct stream *stream; /* NULL for PASS_BYTE */
	uint8_t *pattern;
	uint8_t *read;
	int filled; /* the byte that pattern is filled with, or -1 */
	pthread_t thread;
};

struct pass_buffers {
	unsigned int count;
	struct lane lanes[PASS_LANES_MAX];
};

/* One pass on its way over the runs. */
struct walk {
	struct blockdev *bd;
	const struct scheme_pass *pass;
	const struct progress_sink *sink;
	int (*chunk)(struct lane *, struct extent);

	pthread_mutex_t lock; /* guards what follows */
	const struct extent_list *runs;
	size_t run;	   /* the next chunk begins in this run, */
	uint64_t into_run; /* so many blocks behind its first */
	struct progress *progress;
	struct extent_list *mismatched;
	struct extent_list *refused;
	int result; /* the first error: no lane takes another chunk */
};

/* --- buffers --- */

static int lane_init(struct lane *lane)
{
	void *pattern = NULL, *read = NULL;
	int r;

	r = io_alloc(PASS_TRANSFER_BYTES, &pattern);
	if (r >= 0)
		r = io_alloc(PASS_TRANSFER_BYTES, &read);
	if (r < 0) {
		free(pattern);
		return r;
	}
	*lane = (struct lane){.pattern = pattern, .read = read, .filled = -1};
	return 0;
}

int pass_buffers_new_lanes(unsigned int lanes, struct pass_buffers **ret_buffers)
{
	struct pass_buffers *buffers = calloc(1, sizeof(*buffers));
	int r = 0;

	assert(lanes >= 1 && lanes <= PASS_LANES_MAX);
	if (!buffers)
		return -ENOMEM;
	while (buffers->count < lanes && r >= 0) {
		r = lane_init(&buffers->lanes[buffers->count]);
		buffers->count += r >= 0;
	}
	if (r < 0) {
		pass_buffers_free(buffers);
		return r;
	}
	*ret_buffers = buffers;
	return 0;
}

int pass_buffers_new(struct pass_buffers **ret_buffers)
{
	return pass_buffers_new_lanes(1, ret_buffers);
}

void pass_buffers_free(struct pass_buffers *buffers)
{
	if (!buffers)
		return;
	for (unsigned int i = 0; i < buffers->count; i++) {
		free(buffers->lanes[i].pattern);
		free(buffers->lanes[i].read);
	}
	free(buffers);
}

/* --- one chunk --- */

/* The pattern as it is to lie at "at", in lane->pattern. */
static int make_pattern(struct lane *lane, struct extent at)
{
	const struct walk *walk = lane->walk;
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);

	if (walk->pass->kind == PASS_RANDOM) {
		lane->filled = -1;
		return stream_generate(lane->stream, at.first * block_bytes, lane->pattern,
			(size_t)at.count * block_bytes);
	}
	if (lane->filled != walk->pass->byte) {
		memset(lane->pattern, walk->pass->byte, PASS_TRANSFER_BYTES);
		lane->filled = walk->pass->byte;
	}
	return 0;
}

static int note(struct walk *walk, struct extent_list *list, uint64_t block)
{
	int r;

	pthread_mutex_lock(&walk->lock);
	r = extent_list_add(list, (struct extent){block, 1});
	pthread_mutex_unlock(&walk->lock);
	return r;
}

static int write_chunk(struct lane *lane, struct extent at)
{
	struct walk *walk = lane->walk;
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);
	int r, written;

	r = make_pattern(lane, at);
	if (r < 0)
		return r;
	if (blockdev_write(walk->bd, at, lane->pattern, (size_t)at.count * block_bytes) >= 0)
		return 0;
	/* Block by block, to learn which of them the medium refuses. */
	for (uint64_t i = 0; i < at.count && r >= 0; i++) {
		struct extent one = {at.first + i, 1};

		written =
			blockdev_write(walk->bd, one, lane->pattern + i * block_bytes, block_bytes);
		if (io_is_want_of_room(written)) /* no block can be blamed for that */
			r = written;
		else if (written < 0)
			r = note(walk, walk->refused, one.first);
	}
	return r;
}

static int compare_chunk(struct lane *lane, struct extent at)
{
	uint32_t block_bytes = blockdev_block_bytes(lane->walk->bd);
	int r = 0;

	if (memcmp(lane->read, lane->pattern, (size_t)at.count * block_bytes) == 0)
		return 0;
	for (uint64_t i = 0; i < at.count && r >= 0; i++) {
		if (memcmp(lane->read + i * block_bytes, lane->pattern + i * block_bytes,
			    block_bytes) != 0)
			r = note(lane->walk, lane->walk->mismatched, at.first + i);
	}
	return r;
}

static int verify_chunk(struct lane *lane, struct extent at)
{
	struct walk *walk = lane->walk;
	uint32_t block_bytes = blockdev_block_bytes(walk->bd);
	int r;

	r = make_pattern(lane, at);
	if (r < 0)
		return r;
	if (blockdev_read(walk->bd, at, lane->read, (size_t)at.count * block_bytes) >= 0)
		return compare_chunk(lane, at);
	for (uint64_t i = 0; i < at.count && r >= 0; i++) {
		struct extent one = {at.first + i, 1};

		if (blockdev_read(walk->bd, one, lane->read, block_bytes) < 0)
			r = note(walk, walk->refused, one.first);
		else if (memcmp(lane->read, lane->pattern + i * block_bytes, block_bytes) != 0)
			r = note(walk, walk->mismatched, one.first);
	}
	return r;
}

/* --- all chunks --- */

/* The next one; empty at the end, or after an error.  The lock is held. */
static struct extent take_chunk(struct walk *walk)
{
	uint64_t most = PASS_TRANSFER_BYTES / blockdev_block_bytes(walk->bd);
	struct extent run, at;

	if (walk->result < 0 || walk->run == walk->runs->count)
		return (struct extent){0, 0};
	run = walk->runs->items[walk->run];
	at.first = run.first + walk->into_run;
	at.count = run.count - walk->into_run < most ? run.count - walk->into_run : most;
	walk->into_run += at.count;
	if (walk->into_run == run.count) {
		walk->run++;
		walk->into_run = 0;
	}
	return at;
}

static void *work(void *context)
{
	struct lane *lane = context;
	struct walk *walk = lane->walk;
	struct extent at;
	int r;

	pthread_mutex_lock(&walk->lock);
	while ((at = take_chunk(walk)).count > 0) {
		pthread_mutex_unlock(&walk->lock);
		r = walk->chunk(lane, at);
		pthread_mutex_lock(&walk->lock);
		walk->progress->done_bytes += at.count * blockdev_block_bytes(walk->bd);
		if (r >= 0 && progress_report(walk->sink, walk->progress))
			r = -ECANCELED;
		if (r < 0 && walk->result >= 0)
			walk->result = r;
	}
	pthread_mutex_unlock(&walk->lock);
	return NULL;
}

/* The caller's thread is the first lane; what cannot be done by several is done by fewer. */
static void work_in_lanes(struct pass_buffers *buffers)
{
	unsigned int started = 1;

	while (started < buffers->count && pthread_create(&buffers->lanes[started].thread, NULL,
						   work, &buffers->lanes[started]) == 0)
		started++;
	(void)work(&buffers->lanes[0]);
	for (unsigned int i = 1; i < started; i++)
		pthread_join(buffers->lanes[i].thread, NULL);
}

static int run(struct walk *walk, const struct secret *seed, struct pass_buffers *buffers)
{
	int r = 0;

	assert((walk->pass->kind == PASS_RANDOM) == (seed != NULL));
	pthread_mutex_init(&walk->lock, NULL);
	for (unsigned int i = 0; i < buffers->count; i++) {
		buffers->lanes[i].walk = walk;
		if (seed && r >= 0)
			r = stream_new(seed, &buffers->lanes[i].stream);
	}
	if (r >= 0) {
		work_in_lanes(buffers);
		r = walk->result;
	}
	for (unsigned int i = 0; i < buffers->count; i++) {
		stream_free(buffers->lanes[i].stream);
		buffers->lanes[i].stream = NULL;
		buffers->lanes[i].walk = NULL;
	}
	pthread_mutex_destroy(&walk->lock);
	return r;
}

int pass_write(struct blockdev *bd, const struct scheme_pass *pass, const struct secret *seed,
	const struct extent_list *runs, struct pass_buffers *buffers,
	const struct progress_sink *sink, struct progress *progress, struct extent_list *refused)
{
	struct walk walk = {
		.bd = bd,
		.pass = pass,
		.sink = sink,
		.chunk = write_chunk,
		.runs = runs,
		.progress = progress,
		.refused = refused,
	};

	return run(&walk, seed, buffers);
}

int pass_verify(struct blockdev *bd, const struct scheme_pass *pass, const struct secret *seed,
	const struct extent_list *runs, struct pass_buffers *buffers,
	const struct progress_sink *sink, struct progress *progress, struct extent_list *mismatched,
	struct extent_list *refused)
{
	struct walk walk = {
		.bd = bd,
		.pass = pass,
		.sink = sink,
		.chunk = verify_chunk,
		.runs = runs,
		.progress = progress,
		.mismatched = mismatched,
		.refused = refused,
	};

	return run(&walk, seed, buffers);
}

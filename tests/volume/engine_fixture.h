/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_fixture.h - an engine on a disk in memory, for the tests of this folder
 *
 * Included once by each program.  The disk outlives the engine: simdisk is lent to it
 * through a window, so that a test can look at the medium and open it again.
 */
#ifndef SPOOLGUARD_TESTS_VOLUME_ENGINE_FIXTURE_H
#define SPOOLGUARD_TESTS_VOLUME_ENGINE_FIXTURE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "blockdev/window.h"
#include "tests/support/simdisk.h"
#include "volume/engine_impl.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FIXTURE_PAGE_BLOCKS
#define FIXTURE_PAGE_BLOCKS 1024
#endif

/* More than the largest piece of backlog that is paid at once. */
enum { PAGE_BLOCKS = FIXTURE_PAGE_BLOCKS, DATA_BLOCKS = 12288, MOST_BLOCKS = 16384 };

static struct blockdev *disk;
static struct layout layout;
static struct secret *key;
static struct engine *engine;
static uint8_t buf[64 * BLOCK_BYTES];

static struct engine_options options = {.verify = VERIFY_FULL};

static may_be_unused void make_disk(const struct extent_list *owed)
{
	struct residue_parts parts;

	ck_assert_int_eq(layout_plan(0, PAGE_BLOCKS, DATA_BLOCKS, MOST_BLOCKS, &layout), 0);
	disk = simdisk_new(BLOCK_BYTES, layout.data_first + DATA_BLOCKS);
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	parts = (struct residue_parts){.device = disk, .layout = &layout, .volume_key = key};
	ck_assert_int_eq(residue_format(&parts, owed, NULL), 0);
}

static may_be_unused void open_engine(void)
{
	struct problem problem = {""};
	struct secret *copy;
	struct blockdev *window;
	int r;

	options.scheme = scheme_default();
	ck_assert_int_eq(window_new(disk, (struct extent){0, blockdev_blocks(disk)}, &window), 0);
	ck_assert_int_eq(secret_new_copy(secret_peek(key), secret_size(key), &copy), 0);
	r = engine_open_on(window, &layout, copy, &options, &engine, &problem);
	ck_assert_msg(r == 0, "open: %s", problem_text(&problem, r));
}

static may_be_unused void start_engine(void)
{
	open_engine();
	ck_assert_int_eq(engine_start(engine), 0);
}

static may_be_unused void close_engine(void)
{
	ck_assert_int_eq(engine_close(engine), 0);
	engine = NULL;
}

static may_be_unused void setup(void)
{
	const struct extent_list none = {0};

	make_disk(&none);
	start_engine();
}

static may_be_unused void teardown(void)
{
	int r = 0;

	simdisk_set_hook(disk, NULL, NULL);
	if (engine)
		r = engine_close(engine);
	(void)r; /* a test may have broken the disk */
	engine = NULL;
	disk = blockdev_close(disk);
	secret_free(key);
	key = NULL;
}

/* --- blocks --- */

static may_be_unused int put(uint64_t first, uint64_t count, char text)
{
	memset(buf, text, count * BLOCK_BYTES);
	return engine_write(engine, (struct extent){first, count}, buf);
}

static may_be_unused bool reads_as(uint64_t first, uint64_t count, uint8_t byte)
{
	ck_assert_int_eq(engine_read(engine, (struct extent){first, count}, buf), 0);
	return bytes_are(buf, count * BLOCK_BYTES, byte);
}

static may_be_unused bool medium_shows(uint64_t block, uint8_t byte)
{
	uint8_t raw[BLOCK_BYTES];

	simdisk_peek(disk, (struct extent){layout.data_first + block, 1}, raw);
	return bytes_are(raw, BLOCK_BYTES, byte);
}

static may_be_unused enum residue_class class_of(uint64_t block)
{
	uint64_t run;

	return residue_lookup(engine_residue(engine), block, 1, &run);
}

/* Written, and durable. */
static may_be_unused void make_live(uint64_t first, uint64_t count, char text)
{
	ck_assert_int_eq(put(first, count, text), 0);
	ck_assert_int_eq(engine_flush(engine), 0);
}

static may_be_unused int drop(uint64_t first, uint64_t count)
{
	return engine_discard(engine, (struct extent){first, count});
}

static may_be_unused int retire(uint64_t first, uint64_t count, struct retirement *done)
{
	struct extent_list blocks = {0};
	struct residue_watch *watch;
	int r;

	ck_assert_int_eq(extent_list_add(&blocks, (struct extent){first, count}), 0);
	ck_assert_int_eq(residue_watch_new(engine_residue(engine), &blocks, &watch), 0);
	r = engine_retire(engine, &watch, &count, 1, done);
	residue_watch_free(engine_residue(engine), watch);
	extent_list_done(&blocks);
	return r;
}

/* --- a write that may be parked --- */

struct pending {
	struct engine_write write;
	pthread_mutex_t lock;
	pthread_cond_t done;
	int result;
	unsigned int completions;
};

static may_be_unused void complete_pending(struct engine_write *write, int result)
{
	struct pending *pending = (struct pending *)write;

	pthread_mutex_lock(&pending->lock);
	pending->result = result;
	pending->completions++;
	pthread_cond_signal(&pending->done);
	pthread_mutex_unlock(&pending->lock);
}

static may_be_unused void init_pending(struct pending *pending, struct extent at, void *data)
{
	memset(pending, 0, sizeof(*pending));
	pending->write = (struct engine_write){.at = at, .buf = data, .complete = complete_pending};
	pthread_mutex_init(&pending->lock, NULL);
	pthread_cond_init(&pending->done, NULL);
}

static may_be_unused unsigned int completions_of(struct pending *pending)
{
	unsigned int completions;

	pthread_mutex_lock(&pending->lock);
	completions = pending->completions;
	pthread_mutex_unlock(&pending->lock);
	return completions;
}

static may_be_unused int wait_pending(struct pending *pending)
{
	int result;

	pthread_mutex_lock(&pending->lock);
	while (pending->completions == 0)
		pthread_cond_wait(&pending->done, &pending->lock);
	result = pending->result;
	pthread_mutex_unlock(&pending->lock);
	return result;
}

/* As a port writes: at once if it can be, else parked. */
static may_be_unused int write_and_wait(struct extent at, void *data)
{
	struct pending pending;
	int r;

	r = engine_write(engine, at, data);
	if (r != -EBUSY)
		return r;
	init_pending(&pending, at, data);
	r = engine_park(engine, &pending.write);
	return r < 0 ? r : wait_pending(&pending);
}

/* --- a gate before the medium: what would be written waits there --- */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool closed;
	unsigned int waiting;
};

static may_be_unused struct gate gate = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static may_be_unused void pass_gate(void *context, const struct simdisk_call *call)
{
	(void)context;
	if (call->op != SIMDISK_WRITE || call->at.first < layout.data_first)
		return;
	pthread_mutex_lock(&gate.lock);
	gate.waiting++;
	pthread_cond_broadcast(&gate.moved);
	while (gate.closed)
		pthread_cond_wait(&gate.moved, &gate.lock);
	gate.waiting--;
	pthread_mutex_unlock(&gate.lock);
}

static may_be_unused void close_gate(void)
{
	gate.closed = true;
	gate.waiting = 0;
	simdisk_set_hook(disk, pass_gate, NULL);
}

static may_be_unused void open_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.closed = false;
	pthread_cond_broadcast(&gate.moved);
	pthread_mutex_unlock(&gate.lock);
}

static may_be_unused void wait_for_somebody_at_the_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.waiting == 0)
		pthread_cond_wait(&gate.moved, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/simdisk.h"
#include "blockdev/blockdev_impl.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BAD_RUNS_MAX = 16, SCRIBBLE = 0xdb };

struct fault {
	unsigned int ops; /* 0: none */
	uint64_t nth;	  /* counts down to 0 */
	bool stays;
	int error;
	bool fired;
};

struct lie {
	uint64_t nth; /* 0: none; counts down */
	uint64_t bytes;
	bool told;
};

struct bad_run {
	struct extent at;
	unsigned int ops;
	int error;
};

/* What a block held when the log began, for power cuts. */
struct undo {
	uint64_t block;
	uint8_t *content; /* NULL: what the parent shows */
};

struct simdisk {
	struct blockdev bd; /* first: a simdisk is a blockdev */
	pthread_mutex_t lock;
	struct simdisk *parent; /* borrowed, or NULL: zeros */

	uint8_t **own; /* for each block, what was written to it, or NULL: what the parent shows */
	uint64_t *own_blocks; /* the blocks that have it */
	uint64_t own_count;
	uint64_t own_capacity;

	bool logging;
	struct simdisk_event *events;
	uint64_t event_count;
	uint64_t event_capacity;
	bool *in_undo;
	struct undo *undo;
	uint64_t undo_count;
	uint64_t undo_capacity;

	uint64_t counts[3]; /* reads, writes, flushes */
	struct fault fault;
	enum simdisk_landing landing;
	struct bad_run bad[BAD_RUNS_MAX];
	size_t bad_count;
	struct lie lie;
	bool flushes_lie;

	/* Read without the lock, and changed while operations run: the context before the hook. */
	void (*_Atomic hook)(void *context, const struct simdisk_call *call);
	void *_Atomic hook_context;
	_Atomic uint64_t flush_delay_ns;
};

/* --- memory --- */

static void *must_have(void *memory)
{
	if (!memory) {
		fputs("simdisk: no memory\n", stderr);
		abort();
	}
	return memory;
}

/* Room for one more item. */
static void *grow(void *items, uint64_t count, uint64_t *capacity, size_t item_bytes)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity ? 2 * *capacity : 64;
	return must_have(realloc(items, *capacity * item_bytes));
}

/* --- what the disk holds --- */

/* NULL: zeros */
static const uint8_t *content(const struct simdisk *disk, uint64_t block)
{
	for (; disk; disk = disk->parent)
		if (disk->own[block])
			return disk->own[block];
	return NULL;
}

static uint8_t *content_for_writing(struct simdisk *disk, uint64_t block)
{
	const uint8_t *now;

	if (disk->own[block])
		return disk->own[block];
	now = content(disk, block);
	disk->own_blocks = grow(
		disk->own_blocks, disk->own_count, &disk->own_capacity, sizeof(*disk->own_blocks));
	disk->own[block] = must_have(calloc(1, disk->bd.block_bytes));
	if (now)
		memcpy(disk->own[block], now, disk->bd.block_bytes);
	disk->own_blocks[disk->own_count++] = block;
	return disk->own[block];
}

static void remember(struct simdisk *disk, uint64_t block)
{
	struct undo *undo;

	if (!disk->logging || disk->in_undo[block])
		return;
	disk->undo = grow(disk->undo, disk->undo_count, &disk->undo_capacity, sizeof(*disk->undo));
	undo = &disk->undo[disk->undo_count++];
	*undo = (struct undo){.block = block};
	if (disk->own[block]) {
		undo->content = must_have(malloc(disk->bd.block_bytes));
		memcpy(undo->content, disk->own[block], disk->bd.block_bytes);
	}
	disk->in_undo[block] = true;
}

/* bytes is a multiple of 512, byte too. */
static void store(struct simdisk *disk, uint64_t byte, const uint8_t *from, uint64_t bytes)
{
	while (bytes > 0) {
		uint64_t block = byte / disk->bd.block_bytes, within = byte % disk->bd.block_bytes;
		uint64_t some = disk->bd.block_bytes - within;

		if (some > bytes)
			some = bytes;
		remember(disk, block);
		memcpy(content_for_writing(disk, block) + within, from, some);
		byte += some;
		from += some;
		bytes -= some;
	}
}

static void load(const struct simdisk *disk, struct extent at, uint8_t *to)
{
	for (uint64_t i = 0; i < at.count; i++, to += disk->bd.block_bytes) {
		const uint8_t *now = content(disk, at.first + i);

		if (now)
			memcpy(to, now, disk->bd.block_bytes);
		else
			memset(to, 0, disk->bd.block_bytes);
	}
}

/* --- the log; under lock --- */

static struct simdisk_event *append(struct simdisk *disk, enum simdisk_event_kind kind)
{
	struct simdisk_event *event;

	disk->events =
		grow(disk->events, disk->event_count, &disk->event_capacity, sizeof(*disk->events));
	event = &disk->events[disk->event_count++];
	*event = (struct simdisk_event){.kind = kind};
	return event;
}

static void log_write(struct simdisk *disk, struct extent at, const void *buf, uint64_t bytes)
{
	struct simdisk_event *event;
	uint8_t *copy;

	if (!disk->logging || bytes == 0)
		return;
	copy = must_have(malloc(bytes));
	memcpy(copy, buf, bytes);
	event = append(disk, SIMDISK_EVENT_WRITE);
	event->at = at;
	event->bytes = bytes;
	event->data = copy;
}

static void clear_log(struct simdisk *disk)
{
	for (uint64_t i = 0; i < disk->event_count; i++)
		free((void *)(uintptr_t)disk->events[i].data);
	for (uint64_t i = 0; i < disk->undo_count; i++) {
		disk->in_undo[disk->undo[i].block] = false;
		free(disk->undo[i].content);
	}
	disk->event_count = 0;
	disk->undo_count = 0;
}

/* --- faults and lies; under lock --- */

static uint64_t *count_of(struct simdisk *disk, enum simdisk_op op)
{
	return &disk->counts[op == SIMDISK_READ ? 0 : op == SIMDISK_WRITE ? 1 : 2];
}

static int nth_fault(struct simdisk *disk, enum simdisk_op op)
{
	struct fault *fault = &disk->fault;

	if (!(fault->ops & op))
		return 0;
	if (fault->nth == 0)
		return fault->stays ? -fault->error : 0;
	if (--fault->nth > 0)
		return 0;
	fault->fired = true;
	return -fault->error;
}

static int bad_block_fault(const struct simdisk *disk, enum simdisk_op op, struct extent at)
{
	for (size_t i = 0; i < disk->bad_count; i++)
		if ((disk->bad[i].ops & op) && extent_overlaps(disk->bad[i].at, at))
			return -disk->bad[i].error;
	return 0;
}

/* Counts the operation; -errno if it is to fail. */
static int count_and_judge(struct simdisk *disk, enum simdisk_op op, struct extent at)
{
	int r;

	++*count_of(disk, op);
	r = nth_fault(disk, op);
	return r < 0 ? r : bad_block_fault(disk, op, at);
}

/* How much of a write lands that will be reported with this result. */
static uint64_t landing_bytes(struct simdisk *disk, uint64_t bytes, int result)
{
	if (result < 0) {
		if (disk->landing == SIMDISK_LANDS_NOT)
			return 0;
		return disk->landing == SIMDISK_LANDS_WHOLLY
			       ? bytes
			       : bytes / 2 / SIMDISK_SECTOR_BYTES * SIMDISK_SECTOR_BYTES;
	}
	if (disk->lie.nth > 0 && --disk->lie.nth == 0) {
		disk->lie.told = true;
		return disk->lie.bytes < bytes ? disk->lie.bytes : bytes;
	}
	return bytes;
}

/* --- operations --- */

static void before(struct simdisk *disk, enum simdisk_op op, struct extent at)
{
	struct simdisk_call call = {op, at};
	void (*hook)(void *context, const struct simdisk_call *c) = disk->hook;

	if (hook)
		hook(disk->hook_context, &call);
}

static int simdisk_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct simdisk *disk = (struct simdisk *)bd;
	int r;

	before(disk, SIMDISK_READ, at);
	pthread_mutex_lock(&disk->lock);
	r = count_and_judge(disk, SIMDISK_READ, at);
	if (r < 0)
		memset(buf, SCRIBBLE, at.count * bd->block_bytes);
	else
		load(disk, at, buf);
	pthread_mutex_unlock(&disk->lock);
	return r;
}

static int simdisk_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct simdisk *disk = (struct simdisk *)bd;
	uint64_t bytes;
	int r;

	before(disk, SIMDISK_WRITE, at);
	pthread_mutex_lock(&disk->lock);
	r = count_and_judge(disk, SIMDISK_WRITE, at);
	bytes = landing_bytes(disk, at.count * bd->block_bytes, r);
	log_write(disk, at, buf, bytes);
	store(disk, at.first * bd->block_bytes, buf, bytes);
	pthread_mutex_unlock(&disk->lock);
	return r;
}

/* Scribbles, as a layer that encrypts in place would: who reads the buffer again is found out. */
static int simdisk_write_consuming(struct blockdev *bd, struct extent at, void *buf)
{
	int r = simdisk_write(bd, at, buf);

	memset(buf, SCRIBBLE, at.count * bd->block_bytes);
	return r;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec left = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static int simdisk_flush(struct blockdev *bd)
{
	struct simdisk *disk = (struct simdisk *)bd;
	uint64_t covers;
	bool lies;
	int r;

	before(disk, SIMDISK_FLUSH, (struct extent){0, 0});
	pthread_mutex_lock(&disk->lock);
	r = count_and_judge(disk, SIMDISK_FLUSH, (struct extent){0, 0});
	covers = disk->event_count; /* Z1 */
	lies = disk->flushes_lie;
	pthread_mutex_unlock(&disk->lock);

	if (disk->flush_delay_ns > 0)
		sleep_ns(disk->flush_delay_ns);
	if (r < 0)
		return r;

	pthread_mutex_lock(&disk->lock);
	if (disk->logging)
		append(disk, lies ? SIMDISK_EVENT_LIE : SIMDISK_EVENT_FLUSH)->covers =
			lies ? 0 : covers;
	pthread_mutex_unlock(&disk->lock);
	return 0;
}

static void simdisk_close(struct blockdev *bd)
{
	struct simdisk *disk = (struct simdisk *)bd;

	simdisk_reset(bd);
	pthread_mutex_destroy(&disk->lock);
	free(disk->own);
	free(disk->own_blocks);
	free(disk->events);
	free(disk->undo);
	free(disk->in_undo);
	free(disk);
}

static const struct blockdev_ops simdisk_ops = {
	.read = simdisk_read,
	.write = simdisk_write,
	.write_consuming = simdisk_write_consuming,
	.flush = simdisk_flush,
	.close = simdisk_close,
};

static struct simdisk *simdisk_of(struct blockdev *bd)
{
	assert(bd->ops == &simdisk_ops);
	return (struct simdisk *)bd;
}

/* --- making, forking, looking inside --- */

struct blockdev *simdisk_new(uint32_t block_bytes, uint64_t blocks)
{
	struct simdisk *disk = must_have(calloc(1, sizeof(*disk)));

	/* One more, so that a disk without blocks is no special case. */
	disk->own = must_have(calloc(blocks + 1, sizeof(*disk->own)));
	disk->in_undo = must_have(calloc(blocks + 1, sizeof(*disk->in_undo)));
	pthread_mutex_init(&disk->lock, NULL);
	blockdev_init(&disk->bd, &simdisk_ops, block_bytes, blocks);
	return &disk->bd;
}

struct blockdev *simdisk_fork(struct blockdev *parent)
{
	struct blockdev *fork =
		simdisk_new(simdisk_of(parent)->bd.block_bytes, atomic_load(&parent->blocks));

	simdisk_of(fork)->parent = simdisk_of(parent);
	return fork;
}

void simdisk_reset(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);

	simdisk_log_stop(bd);
	simdisk_replug(bd);
	for (uint64_t i = 0; i < disk->own_count; i++) {
		free(disk->own[disk->own_blocks[i]]);
		disk->own[disk->own_blocks[i]] = NULL;
	}
	disk->own_count = 0;
}

static void *regrow(void *items, uint64_t before, uint64_t after, size_t item_bytes)
{
	uint8_t *more = must_have(realloc(items, (after + 1) * item_bytes));

	memset(more + (before + 1) * item_bytes, 0, (after - before) * item_bytes);
	return more;
}

void simdisk_grow(struct blockdev *bd, uint64_t blocks)
{
	struct simdisk *disk = simdisk_of(bd);
	uint64_t now = atomic_load(&bd->blocks);

	assert(!disk->parent && blocks >= now);
	pthread_mutex_lock(&disk->lock);
	disk->own = regrow(disk->own, now, blocks, sizeof(*disk->own));
	disk->in_undo = regrow(disk->in_undo, now, blocks, sizeof(*disk->in_undo));
	blockdev_grow(bd, blocks);
	pthread_mutex_unlock(&disk->lock);
}

void simdisk_peek(struct blockdev *bd, struct extent at, void *buf)
{
	struct simdisk *disk = simdisk_of(bd);

	assert(extent_is_within(at, atomic_load(&bd->blocks)));
	pthread_mutex_lock(&disk->lock);
	load(disk, at, buf);
	pthread_mutex_unlock(&disk->lock);
}

void simdisk_poke(struct blockdev *bd, struct extent at, const void *buf)
{
	struct simdisk *disk = simdisk_of(bd);

	assert(extent_is_within(at, atomic_load(&bd->blocks)));
	assert(!disk->logging);
	pthread_mutex_lock(&disk->lock);
	store(disk, at.first * bd->block_bytes, buf, at.count * bd->block_bytes);
	pthread_mutex_unlock(&disk->lock);
}

void simdisk_flip(struct blockdev *bd, uint64_t byte, unsigned int bit)
{
	struct simdisk *disk = simdisk_of(bd);
	uint64_t block = byte / bd->block_bytes;

	assert(block < atomic_load(&bd->blocks) && bit < 8);
	assert(!disk->logging);
	pthread_mutex_lock(&disk->lock);
	content_for_writing(disk, block)[byte % bd->block_bytes] ^= (uint8_t)(1u << bit);
	pthread_mutex_unlock(&disk->lock);
}

/* --- counting and faults --- */

uint64_t simdisk_count(struct blockdev *bd, unsigned int ops)
{
	static const enum simdisk_op each[] = {SIMDISK_READ, SIMDISK_WRITE, SIMDISK_FLUSH};
	struct simdisk *disk = simdisk_of(bd);
	uint64_t count = 0;

	pthread_mutex_lock(&disk->lock);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		if (ops & each[i])
			count += *count_of(disk, each[i]);
	pthread_mutex_unlock(&disk->lock);
	return count;
}

static void set_fault(struct blockdev *bd, struct fault fault)
{
	struct simdisk *disk = simdisk_of(bd);

	pthread_mutex_lock(&disk->lock);
	disk->fault = fault.nth > 0 ? fault : (struct fault){0};
	pthread_mutex_unlock(&disk->lock);
}

void simdisk_fail_nth(struct blockdev *bd, unsigned int ops, uint64_t nth, int error)
{
	assert(error > 0 || nth == 0);
	set_fault(bd, (struct fault){.ops = ops, .nth = nth, .error = error});
}

void simdisk_fail_from_nth(struct blockdev *bd, unsigned int ops, uint64_t nth, int error)
{
	assert(error > 0 || nth == 0);
	set_fault(bd, (struct fault){.ops = ops, .nth = nth, .error = error, .stays = true});
}

bool simdisk_fired(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);
	bool fired;

	pthread_mutex_lock(&disk->lock);
	fired = disk->fault.fired;
	pthread_mutex_unlock(&disk->lock);
	return fired;
}

void simdisk_set_failed_write(struct blockdev *bd, enum simdisk_landing landing)
{
	struct simdisk *disk = simdisk_of(bd);

	pthread_mutex_lock(&disk->lock);
	disk->landing = landing;
	pthread_mutex_unlock(&disk->lock);
}

void simdisk_break(struct blockdev *bd, struct extent at, unsigned int ops, int error)
{
	struct simdisk *disk = simdisk_of(bd);

	pthread_mutex_lock(&disk->lock);
	assert(disk->bad_count < BAD_RUNS_MAX && error > 0);
	disk->bad[disk->bad_count++] = (struct bad_run){at, ops, error};
	pthread_mutex_unlock(&disk->lock);
}

void simdisk_mend(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);

	pthread_mutex_lock(&disk->lock);
	disk->bad_count = 0;
	pthread_mutex_unlock(&disk->lock);
}

/* --- lies --- */

void simdisk_drop_write(struct blockdev *bd, uint64_t nth)
{
	simdisk_tear_write(bd, nth, 0);
}

void simdisk_tear_write(struct blockdev *bd, uint64_t nth, uint64_t sectors)
{
	simdisk_of(bd)->lie = (struct lie){.nth = nth, .bytes = sectors * SIMDISK_SECTOR_BYTES};
}

bool simdisk_lied(struct blockdev *bd)
{
	return simdisk_of(bd)->lie.told;
}

void simdisk_lie_about_flushes(struct blockdev *bd, bool lies)
{
	simdisk_of(bd)->flushes_lie = lies;
}

/* --- the log --- */

void simdisk_log_start(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);

	clear_log(disk);
	disk->logging = true;
}

void simdisk_log_stop(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);

	clear_log(disk);
	disk->logging = false;
}

void simdisk_log_hold(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);

	pthread_mutex_lock(&disk->lock);
	disk->logging = false;
	pthread_mutex_unlock(&disk->lock);
}

uint64_t simdisk_log_count(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);
	uint64_t count;

	pthread_mutex_lock(&disk->lock);
	count = disk->event_count;
	pthread_mutex_unlock(&disk->lock);
	return count;
}

const struct simdisk_event *simdisk_log_event(struct blockdev *bd, uint64_t index)
{
	struct simdisk *disk = simdisk_of(bd);

	assert(index < disk->event_count);
	return &disk->events[index];
}

void simdisk_mark(struct blockdev *bd, uint64_t tag)
{
	struct simdisk *disk = simdisk_of(bd);

	pthread_mutex_lock(&disk->lock);
	if (disk->logging)
		append(disk, SIMDISK_EVENT_MARK)->tag = tag;
	pthread_mutex_unlock(&disk->lock);
}

uint64_t simdisk_log_durable(struct blockdev *bd, uint64_t count)
{
	struct simdisk *disk = simdisk_of(bd);
	uint64_t durable = 0;

	assert(count <= disk->event_count);
	for (uint64_t i = 0; i < count; i++)
		if (disk->events[i].kind == SIMDISK_EVENT_FLUSH && disk->events[i].covers > durable)
			durable = disk->events[i].covers;
	return durable;
}

uint64_t simdisk_event_sectors(const struct simdisk_event *event)
{
	return event->bytes / SIMDISK_SECTOR_BYTES;
}

void simdisk_apply(
	struct blockdev *bd, const struct simdisk_event *event, uint64_t first, uint64_t count)
{
	struct simdisk *disk = simdisk_of(bd);
	uint64_t sectors = simdisk_event_sectors(event);

	assert(!disk->logging);
	if (first >= sectors)
		return;
	if (count > sectors - first)
		count = sectors - first;
	store(disk, event->at.first * bd->block_bytes + first * SIMDISK_SECTOR_BYTES,
		event->data + first * SIMDISK_SECTOR_BYTES, count * SIMDISK_SECTOR_BYTES);
}

/* --- power cuts --- */

static void rewind_to_log_start(struct simdisk *disk)
{
	for (uint64_t i = 0; i < disk->undo_count; i++) {
		struct undo *undo = &disk->undo[i];
		const uint8_t *then = undo->content;

		if (!then && disk->parent)
			then = content(disk->parent, undo->block);
		if (then)
			memcpy(disk->own[undo->block], then, disk->bd.block_bytes);
		else
			memset(disk->own[undo->block], 0, disk->bd.block_bytes);
	}
}

void simdisk_power_cut(struct blockdev *bd, simdisk_keep *keep, void *context)
{
	struct simdisk *disk = simdisk_of(bd);
	uint64_t durable = simdisk_log_durable(bd, disk->event_count);

	assert(disk->logging);
	rewind_to_log_start(disk);
	disk->logging = false;
	for (uint64_t i = 0; i < disk->event_count; i++) {
		const struct simdisk_event *event = &disk->events[i];
		uint64_t sectors = simdisk_event_sectors(event);

		for (uint64_t s = 0; s < sectors; s++)
			if (i < durable || (keep && keep(context, event, s)))
				simdisk_apply(bd, event, s, 1);
	}
	simdisk_replug(bd);
	simdisk_log_start(bd);
}

void simdisk_replug(struct blockdev *bd)
{
	struct simdisk *disk = simdisk_of(bd);

	memset(disk->counts, 0, sizeof(disk->counts));
	disk->fault = (struct fault){0};
	disk->landing = SIMDISK_LANDS_NOT;
	disk->bad_count = 0;
	disk->lie = (struct lie){0};
	disk->flushes_lie = false;
	atomic_store(&bd->flush_failed, false);
}

/* --- timing --- */

void simdisk_set_hook(struct blockdev *bd,
	void (*hook)(void *context, const struct simdisk_call *call), void *context)
{
	struct simdisk *disk = simdisk_of(bd);

	disk->hook =
		(void (*)(void *, const struct simdisk_call *))0; /* clang: NULL is no function */
	disk->hook_context = context;
	disk->hook = hook;
}

void simdisk_set_flush_delay_ns(struct blockdev *bd, uint64_t ns)
{
	simdisk_of(bd)->flush_delay_ns = ns;
}

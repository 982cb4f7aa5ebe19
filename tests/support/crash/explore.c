/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/explore.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_SECTORS (CRASH_DISK_BLOCKS * SECTORS_PER_BLOCK)
#define PENDING_MAX  4096u

/* One sector of a write that no flush covers yet. */
struct pending {
	const struct simdisk_event *event;
	uint64_t sector; /* of the event */
	uint64_t at;	 /* of the disk */
	uint64_t hash;
	uint64_t index; /* of the event in the log */
	bool chosen;
};

struct set {
	uint64_t *items; /* 0: free */
	uint64_t capacity;
	uint64_t count;
};

struct explorer {
	struct crash_era *era;
	const struct crash_options *options;
	struct crash_stats *stats;
	struct crash_rig probe; /* a fork of the base: one crash state after the other */
	uint64_t n;		/* events that have happened */
	uint64_t durable;	/* of those: covered by flushes, and on the base */
	struct crash_media media;
	uint64_t durable_hash[DISK_SECTORS];
	struct pending pending[PENDING_MAX];
	size_t pending_count;
	size_t newest; /* from here on the pending ones are of the newest event */
	size_t winner[DISK_SECTORS];
	uint64_t promised; /* acknowledged requests */
	struct set seen;
	uint64_t seed;
};

/* --- states that were seen already --- */

static bool set_add(struct set *set, uint64_t item)
{
	uint64_t at;

	if (item == 0)
		item = 1;
	if (2 * set->count >= set->capacity) {
		struct set bigger = {.capacity = set->capacity ? 2 * set->capacity : 4096};

		bigger.items = calloc(bigger.capacity, sizeof(*bigger.items));
		if (!bigger.items)
			abort();
		for (uint64_t i = 0; i < set->capacity; i++) {
			if (set->items[i])
				set_add(&bigger, set->items[i]);
		}
		free(set->items);
		*set = bigger;
	}
	for (at = item & (set->capacity - 1); set->items[at]; at = (at + 1) & (set->capacity - 1)) {
		if (set->items[at] == item)
			return false;
	}
	set->items[at] = item;
	set->count++;
	return true;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t seed = a * 0x9fb21c651e98df25ull ^ b;

	return crash_random(&seed);
}

/* Names the medium that the chosen sectors make, and what was promised of it. */
static uint64_t name_of_state(struct explorer *x)
{
	uint64_t name = mix(x->durable, x->promised);

	for (size_t i = 0; i < x->pending_count; i++) {
		if (x->pending[i].chosen)
			x->winner[x->pending[i].at] = i;
	}
	for (size_t i = 0; i < x->pending_count; i++) {
		const struct pending *p = &x->pending[i];

		if (p->chosen && x->winner[p->at] == i && p->hash != x->durable_hash[p->at])
			name ^= mix(p->at, p->hash);
	}
	return name;
}

/* --- judging one state --- */

static void describe(struct explorer *x, const char *how)
{
	struct crash_verdict *verdict = &x->era->verdict;
	char text[sizeof(verdict->text)];
	size_t chosen = 0;

	for (size_t i = 0; i < x->pending_count; i++)
		chosen += x->pending[i].chosen;
	memcpy(text, verdict->text, sizeof(text));
	snprintf(verdict->text, sizeof(verdict->text),
		"%.250s [%s; crash after event %" PRIu64 " of %" PRIu64
		", %zu of %zu unflushed sectors survived]",
		text, how, x->n, simdisk_log_count(x->era->rig->disk), chosen, x->pending_count);
}

static void put_state(struct explorer *x)
{
	simdisk_reset(x->probe.disk);
	for (size_t i = 0; i < x->era->rig->broken_count; i++)
		simdisk_break(x->probe.disk, x->era->rig->broken[i], SIMDISK_WRITE, EIO);
	for (size_t i = 0; i < x->pending_count; i++) {
		if (x->pending[i].chosen)
			simdisk_apply(x->probe.disk, x->pending[i].event, x->pending[i].sector, 1);
	}
}

static struct crash_media media_of_state(struct explorer *x)
{
	struct crash_media media = x->media;

	for (size_t i = 0; i < x->pending_count; i++) {
		if (x->pending[i].chosen)
			crash_media_survived(&media, x->pending[i].event, x->pending[i].sector);
	}
	return media;
}

/* A page of the map that was written in part. */
static bool is_torn(struct explorer *x)
{
	const struct layout *layout = &x->probe.layout;
	uint64_t end = extent_end(layout->stuck) * SECTORS_PER_BLOCK;

	for (size_t i = 0, k; i < x->pending_count; i = k) {
		uint64_t block = x->pending[i].at / SECTORS_PER_BLOCK;
		unsigned int chosen = 0;

		for (k = i; k < x->pending_count && x->pending[k].index == x->pending[i].index &&
			    x->pending[k].at / SECTORS_PER_BLOCK == block;
			k++)
			chosen += x->pending[k].chosen;
		if (x->pending[i].at < end && chosen != 0 && chosen != SECTORS_PER_BLOCK)
			return true;
	}
	return false;
}

/* The crash came before the era's first attach was done: it may have found a torn page. */
static bool attach_is_young(struct explorer *x)
{
	const struct crash_spans *opens = &x->era->model.opens;

	return opens->count == 0 || x->n < opens->items[0].log_end;
}

/* Attaches what put_state made, and judges it. */
static void judge(struct explorer *x, const struct crash_media *media, bool pay, bool rotten,
	uint64_t *ret_damaged_pages)
{
	struct crash_verdict *verdict = &x->era->verdict;
	struct residue_open_report report;
	struct crash_seen seen;
	bool owned[CRASH_BLOCKS_MAX];
	int r;

	r = crash_rig_open(&x->probe, &report);
	if (r < 0) {
		crash_wrong(verdict, "P3: the volume cannot be attached: %s", strerror(-r));
		return;
	}
	*ret_damaged_pages = report.damaged_pages;
	if (report.damaged_pages > 0 && !rotten && !is_torn(x) && !attach_is_young(x))
		crash_wrong(verdict, "M5: a page of the map is damaged, and none was torn");
	crash_check_attached(&x->probe, &x->era->model, x->n, &report, media, &seen, verdict);
	if (pay && !crash_is_wrong(verdict)) {
		x->stats->paid++;
		crash_choose_owned(&seen, &x->era->model, x->n, &x->seed, owned);
		crash_check_paid(
			&x->probe, &seen, owned, crash_below(&x->seed, 6) == 0, media, verdict);
	}
	crash_rig_drop(&x->probe);
}

/* P3 with any one slot of the map damaged. */
static void judge_with_rot(
	struct explorer *x, const struct crash_media *media, uint64_t damaged_pages)
{
	const struct layout *layout = &x->probe.layout;
	struct extent slots = {layout->map.first, extent_end(layout->stuck) - layout->map.first};
	uint64_t ignored;

	for (uint64_t slot = slots.first; slot < extent_end(slots); slot++) {
		/* With its twin torn there is no list of remapped blocks any more: refused. */
		if (damaged_pages > 0 && slot >= layout->stuck.first)
			continue;
		put_state(x);
		simdisk_flip(x->probe.disk, slot * BLOCK_BYTES + crash_below(&x->seed, BLOCK_BYTES),
			(unsigned int)crash_below(&x->seed, 8));
		x->stats->rotted++;
		judge(x, media, false, true, &ignored);
		if (crash_is_wrong(&x->era->verdict)) {
			describe(x, "with a damaged slot");
			return;
		}
	}
}

static void visit(struct explorer *x)
{
	struct crash_media media;
	uint64_t damaged_pages = 0;
	bool pay, rot;

	if (crash_is_wrong(&x->era->verdict))
		return;
	x->stats->visited++;
	if (!set_add(&x->seen, name_of_state(x)))
		return;
	x->stats->distinct++;
	pay = crash_below(&x->seed, x->options->pay_one_in) == 0;
	rot = x->options->rot_one_in && crash_below(&x->seed, x->options->rot_one_in) == 0;

	media = media_of_state(x);
	put_state(x);
	judge(x, &media, pay, false, &damaged_pages);
	if (crash_is_wrong(&x->era->verdict))
		describe(x, pay ? "swept and paid" : "attached");
	else if (rot)
		judge_with_rot(x, &media, damaged_pages);
}

/* --- which subsets --- */

static void every_subset(struct explorer *x, bool again)
{
	uint64_t newest = 0;

	for (size_t i = x->newest; i < x->pending_count; i++)
		newest |= 1ull << i;
	for (uint64_t mask = 0; mask < 1ull << x->pending_count; mask++) {
		if (!again && !(mask & newest))
			continue;
		for (size_t i = 0; i < x->pending_count; i++)
			x->pending[i].chosen = mask >> i & 1;
		visit(x);
	}
}

/* Each event's sectors: all, none, a head, or by chance. */
static void choose_by_event(struct explorer *x, unsigned int torn_one_in)
{
	for (size_t i = 0, end; i < x->pending_count; i = end) {
		unsigned int how = (unsigned int)crash_below(&x->seed, 2);
		size_t head;

		for (end = i;
			end < x->pending_count && x->pending[end].index == x->pending[i].index;
			end++)
			;
		if (torn_one_in && crash_below(&x->seed, torn_one_in) == 0)
			how = 2 + (unsigned int)crash_below(&x->seed, 2);
		head = i + crash_below(&x->seed, end - i + 1);
		for (size_t k = i; k < end; k++)
			x->pending[k].chosen = how == 0 || (how == 2 && k < head) ||
					       (how == 3 && crash_below(&x->seed, 2) == 0);
	}
}

static void some_subsets(struct explorer *x, bool again)
{
	/* The plain ones first: everything; the newest event alone; all but the newest; nothing. */
	for (unsigned int k = 0; k < (again ? 4u : 2u); k++) {
		for (size_t i = 0; i < x->pending_count; i++)
			x->pending[i].chosen =
				k == 0 || (k == 1 && i >= x->newest) || (k == 2 && i < x->newest);
		visit(x);
	}
	for (unsigned int k = 0; k < x->options->samples; k++) {
		bool any = again;

		choose_by_event(x, k % 3 == 0 ? 0 : 3);
		for (size_t i = x->newest; i < x->pending_count; i++)
			any |= x->pending[i].chosen;
		if (!any)
			x->pending[x->newest + crash_below(&x->seed, x->pending_count - x->newest)]
				.chosen = true;
		visit(x);
	}
}

static void visit_all(struct explorer *x, bool again)
{
	if (x->pending_count <= x->options->exhaustive_sectors)
		every_subset(x, again);
	else
		some_subsets(x, again);
}

/* --- along the log --- */

static void add_pending(struct explorer *x, const struct simdisk_event *event, uint64_t index)
{
	x->newest = x->pending_count;
	for (uint64_t s = 0; s < simdisk_event_sectors(event); s++) {
		assert(x->pending_count < PENDING_MAX);
		x->pending[x->pending_count++] =
			(struct pending){event, s, event->at.first * SECTORS_PER_BLOCK + s,
				crash_sector_hash(event->data + s * SECTOR_BYTES), index, false};
	}
}

/* What is covered now goes to the base for good. */
static void make_durable(struct explorer *x, uint64_t durable)
{
	struct blockdev *disk = x->era->rig->disk;
	uint64_t place = 0;
	size_t kept = 0;

	if (durable <= x->durable)
		return;
	simdisk_reset(x->probe.disk); /* it shows the base, which changes */
	for (uint64_t i = x->durable; i < durable; i++) {
		const struct simdisk_event *event = simdisk_log_event(disk, i);

		crash_media_event(&x->media, event, i, &place);
		if (event->kind == SIMDISK_EVENT_WRITE)
			simdisk_apply(x->era->base, event, 0, UINT64_MAX);
	}
	crash_media_flushed(&x->media, UINT64_MAX);
	for (size_t i = 0; i < x->pending_count; i++) {
		if (x->pending[i].index < durable)
			x->durable_hash[x->pending[i].at] = x->pending[i].hash;
		else
			x->pending[kept++] = x->pending[i];
	}
	x->pending_count = x->newest = kept;
	x->durable = durable;
}

static void hash_base(struct explorer *x)
{
	uint8_t block[BLOCK_BYTES];

	for (uint64_t b = 0; b < blockdev_blocks(x->era->base); b++) {
		simdisk_peek(x->era->base, (struct extent){b, 1}, block);
		for (size_t s = 0; s < SECTORS_PER_BLOCK; s++)
			x->durable_hash[b * SECTORS_PER_BLOCK + s] =
				crash_sector_hash(block + s * SECTOR_BYTES);
	}
}

void crash_explore(
	struct crash_era *era, const struct crash_options *options, struct crash_stats *stats)
{
	struct explorer *x = calloc(1, sizeof(*x));
	uint64_t count = simdisk_log_count(era->rig->disk);

	if (!x)
		abort();
	x->era = era;
	x->options = options;
	x->stats = stats;
	x->seed = era->seed;
	x->media = era->media;
	x->probe = (struct crash_rig){.disk = simdisk_fork(era->base),
		.layout = era->rig->layout,
		.key = era->rig->key,
		.broken_count = era->rig->broken_count};
	memcpy(x->probe.broken, era->rig->broken, sizeof(x->probe.broken));
	hash_base(x);
	stats->events += count;

	for (x->n = 0; x->n <= count && !crash_is_wrong(&era->verdict); x->n++) {
		uint64_t promised = crash_model_acks_at(&era->model, x->n);
		bool again = x->n == 0 || promised != x->promised;
		const struct simdisk_event *event;
		bool write = false;

		x->promised = promised;
		x->newest = x->pending_count;
		if (x->n > 0) {
			event = simdisk_log_event(era->rig->disk, x->n - 1);
			write = event->kind == SIMDISK_EVENT_WRITE;
			if (write)
				add_pending(x, event, x->n - 1);
			make_durable(x, simdisk_log_durable(era->rig->disk, x->n));
		}
		if (options->only_last && x->n < count)
			continue;
		if (write || again || options->only_last)
			visit_all(x, again || options->only_last);
	}
	blockdev_close(x->probe.disk);
	free(x->seen.items);
	free(x);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/rig.h"
#include "tests/support/simdisk.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t crash_random(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t crash_sector_hash(const uint8_t *sector)
{
	uint64_t hash = 0x51ed270b35d7a1f3ull;

	for (size_t i = 0; i < SECTOR_BYTES; i += 8) {
		uint64_t word;

		memcpy(&word, sector + i, 8);
		hash = (hash ^ word) * 0x9fb21c651e98df25ull;
		hash ^= hash >> 32;
	}
	return hash;
}

bool crash_sector_is_uniform(const uint8_t *sector)
{
	return memcmp(sector, sector + 1, SECTOR_BYTES - 1) == 0;
}

static void must(int r)
{
	if (r < 0)
		abort();
}

/* The disk held somebody's files before. */
static void fill_with_old_data(struct crash_rig *rig, uint64_t blocks)
{
	uint8_t block[BLOCK_BYTES];
	uint64_t seed = 1;

	for (uint64_t b = 0; b < blocks; b++) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)crash_random(&seed);
		simdisk_poke(rig->disk, (struct extent){rig->layout.data_first + b, 1}, block);
	}
}

void crash_rig_format(
	struct crash_rig *rig, const struct crash_geometry *geometry, bool used, bool filesystem)
{
	struct extent_list owed = {0};
	struct residue_open_report report;
	struct residue_parts parts;

	*rig = (struct crash_rig){.disk = NULL};
	must(layout_plan(0, geometry->page_blocks, geometry->data_blocks, geometry->most_blocks,
		&rig->layout));
	assert(geometry->most_blocks <= CRASH_BLOCKS_MAX);
	assert(rig->layout.data_first + geometry->most_blocks <= CRASH_DISK_BLOCKS);
	rig->disk = simdisk_new(BLOCK_BYTES, rig->layout.data_first + geometry->most_blocks);
	must(secret_new_random(64, &rig->key));
	if (used) {
		fill_with_old_data(rig, geometry->data_blocks);
		must(extent_list_add(&owed, (struct extent){0, geometry->data_blocks}));
	}
	parts = (struct residue_parts){
		.device = rig->disk, .layout = &rig->layout, .volume_key = rig->key};
	must(residue_format(&parts, &owed, NULL));
	extent_list_done(&owed);
	if (!filesystem)
		return;
	must(crash_rig_open(rig, &report));
	must(residue_set_filesystem_expected(rig->residue, true));
	must(residue_close_orderly(rig->residue));
	crash_rig_drop(rig);
}

void crash_rig_done(struct crash_rig *rig)
{
	crash_rig_drop(rig);
	rig->disk = blockdev_close(rig->disk);
	secret_free(rig->key);
	rig->key = NULL;
}

int crash_rig_open(struct crash_rig *rig, struct residue_open_report *ret_report)
{
	struct residue_parts parts = {
		.device = rig->disk, .layout = &rig->layout, .volume_key = rig->key};
	struct problem problem = {""};
	int r;

	r = residue_open(&parts, &rig->residue, ret_report, &problem);
	if (r < 0)
		return r;
	must(eraser_new(rig->residue, scheme_default(), VERIFY_FULL, &rig->eraser));
	return 0;
}

void crash_rig_drop(struct crash_rig *rig)
{
	eraser_free(rig->eraser);
	residue_free(rig->residue);
	rig->eraser = NULL;
	rig->residue = NULL;
}

int crash_rig_sweep(struct crash_rig *rig, const bool *owned, bool distrust)
{
	int r = 0;

	if (distrust)
		r = residue_distrust(rig->residue);
	residue_allow_unknown_discards(rig->residue);
	for (uint64_t b = 0; b < residue_blocks(rig->residue) && r >= 0; b++) {
		if (!owned[b])
			r = residue_discard(rig->residue, (struct extent){b, 1});
	}
	if (r >= 0)
		r = residue_settle_unknown(rig->residue);
	if (r >= 0)
		r = residue_set_sweep_owed(rig->residue, false);
	residue_trust(rig->residue);
	return r;
}

static int pay_debt(struct crash_rig *rig, enum residue_debt debt)
{
	struct extent_list owed = {0};
	struct eraser_report report;
	uint64_t cursor = 0;
	int r;

	r = residue_next_owed(rig->residue, debt, &cursor, UINT64_MAX, &owed);
	if (r >= 0 && owed.count > 0)
		r = eraser_run(rig->eraser, &owed, &report);
	extent_list_done(&owed);
	return r;
}

int crash_rig_pay(struct crash_rig *rig)
{
	int r = pay_debt(rig, RESIDUE_DEBT_BACKLOG);

	return r < 0 ? r : pay_debt(rig, RESIDUE_DEBT_FRESH);
}

int crash_rig_erase(struct crash_rig *rig, struct extent at)
{
	struct extent_list wanted = {0};
	struct eraser_report report;
	int r;

	must(extent_list_add(&wanted, at));
	r = eraser_run(rig->eraser, &wanted, &report);
	extent_list_done(&wanted);
	return r;
}

uint64_t crash_rig_place(struct crash_rig *rig, uint64_t block)
{
	struct residue_stuck stuck[8];
	size_t count = residue_get_stuck(rig->residue, stuck, ARRAY_SIZE(stuck));

	assert(count <= ARRAY_SIZE(stuck));
	for (size_t i = 0; i < count; i++) {
		if (stuck[i].block == block)
			return rig->layout.spare.first + stuck[i].spare;
	}
	return rig->layout.data_first + block;
}

void crash_rig_break(struct crash_rig *rig, uint64_t place)
{
	if (rig->broken_count == ARRAY_SIZE(rig->broken) || crash_rig_is_broken(rig, place))
		return;
	rig->broken[rig->broken_count] = (struct extent){place, 1};
	simdisk_break(rig->disk, rig->broken[rig->broken_count++], SIMDISK_WRITE, EIO);
}

bool crash_rig_is_broken(const struct crash_rig *rig, uint64_t place)
{
	for (size_t i = 0; i < rig->broken_count; i++) {
		if (rig->broken[i].first == place)
			return true;
	}
	return false;
}

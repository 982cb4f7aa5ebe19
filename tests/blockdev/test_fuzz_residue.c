/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of map, volume and stuck pages, well sealed, with any bytes in them: by another
 * program, or by a version with a bug.  The volume opens or is refused; what opens
 * counts right, reads, takes a write, erases, and opens again.
 * The first byte says which slots are damaged; then follow the volume page, the stuck page
 * and two map pages, 256 bytes of each.
 */
#include "blockdev/map_store.h"
#include "blockdev/residue.h"
#include "tests/support/fuzz.h"
#include "tests/support/simdisk.h"
#include <errno.h>
#include <string.h>

enum { PAGE_BLOCKS = 16, DATA_BLOCKS = 32, MOST_BLOCKS = 64, PART = 256 };

static struct blockdev *base;
static struct layout layout;
static struct secret *key;

static void prepare(void)
{
	const struct extent_list none = {0};
	struct residue_parts parts;

	if (base)
		return;
	fuzz_require(layout_plan(0, PAGE_BLOCKS, DATA_BLOCKS, MOST_BLOCKS, &layout) == 0);
	fuzz_require(secret_new_random(64, &key) == 0);
	base = simdisk_new(BLOCK_BYTES, layout.data_first + DATA_BLOCKS);
	parts = (struct residue_parts){.device = base, .layout = &layout, .volume_key = key};
	fuzz_require(residue_format(&parts, &none, NULL) == 0);
}

struct bodies {
	uint8_t part[4][PART];
};

static void body_of(void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	const uint8_t *part = context;

	(void)number;
	memset(ret_body, 0, MAP_PAGE_BODY_BYTES);
	memcpy(ret_body, part, PART);
}

static void write_pages(struct blockdev *disk, struct bodies *bodies, unsigned int damaged)
{
	static const struct map_page_id ids[] = {{MAP_PAGE_VOLUME, 0}, {MAP_PAGE_STUCK, 0},
		{MAP_PAGE_STATES, 0}, {MAP_PAGE_STATES, 1}};
	const uint64_t at[] = {
		layout.state.first, layout.stuck.first, layout.map.first, layout.map.first + 2};
	struct map_store *store;

	fuzz_require(map_store_new(disk, &layout, key, &store) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		fuzz_require(map_store_fill(store, ids[i], 1, body_of, bodies->part[i]) == 0);
		for (unsigned int slot = 0; slot < 2; slot++) {
			if (damaged >> (2 * i + slot) & 1)
				simdisk_flip(disk, (at[i] + slot) * BLOCK_BYTES + 500, 1);
		}
	}
	map_store_free(store);
}

static void check_counts(struct residue *residue)
{
	struct residue_stuck stuck[8];
	struct residue_counts c;
	uint64_t blocks = residue_blocks(residue);
	size_t count = residue_get_stuck(residue, stuck, ARRAY_SIZE(stuck));

	residue_get_counts(residue, &c);
	fuzz_require(c.clean + c.live + c.residue + c.suspect + c.unknown == blocks);
	fuzz_require(blocks > 0 && blocks <= DATA_BLOCKS);
	for (size_t i = 0; i < count && i < ARRAY_SIZE(stuck); i++)
		fuzz_require(stuck[i].block < blocks && stuck[i].spare < layout.spare.count);
}

/* Whatever it says of its blocks, it can be used. */
static void use(struct residue *residue)
{
	static uint8_t buf[DATA_BLOCKS * BLOCK_BYTES];
	uint64_t blocks = residue_blocks(residue);
	struct extent all = {0, blocks}, owed, lies;
	struct extent_list wanted = {0}, taken = {0};
	int r;

	fuzz_require(residue_read(residue, all, buf) == 0);
	residue_trust(residue);
	fuzz_require(extent_list_add(&wanted, all) == 0);
	fuzz_require(residue_erase_begin(residue, &wanted, &taken) == 0);
	fuzz_require(extent_list_common_blocks(&wanted, &taken) == extent_list_blocks(&taken));
	for (size_t i = 0; i < taken.count; i++)
		fuzz_require(residue_locate(residue, taken.items[i], &lies) == 0);
	residue_erase_done(residue, &taken);
	memset(buf, 'w', BLOCK_BYTES);
	r = residue_write(residue, (struct extent){blocks / 2, 1}, buf, &owed);
	fuzz_require(r == 0);
	fuzz_require(residue_flush(residue) == 0);
	fuzz_require(residue_discard(residue, all) == 0);
	check_counts(residue);
	fuzz_require(residue_close_orderly(residue) == 0);
	extent_list_done(&wanted);
	extent_list_done(&taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct bodies bodies = {0};
	struct residue_open_report report;
	struct residue *residue = NULL;
	struct problem problem = {""};
	struct residue_parts parts;
	struct blockdev *disk;
	int r;

	prepare();
	if (bytes < 1)
		return 0;
	memcpy(&bodies, data + 1, bytes - 1 < sizeof(bodies) ? bytes - 1 : sizeof(bodies));
	disk = simdisk_fork(base);
	write_pages(disk, &bodies, data[0]);
	parts = (struct residue_parts){.device = disk, .layout = &layout, .volume_key = key};
	r = residue_open(&parts, &residue, &report, &problem);
	if (r < 0) {
		fuzz_require(r == -EBADMSG || r == -ENXIO);
		fuzz_require(problem.text[0] != '\0');
	} else {
		check_counts(residue);
		use(residue);
		residue_free(residue);
		r = residue_open(&parts, &residue, &report, &problem);
		fuzz_require(r == 0 && !report.was_unclean && report.damaged_pages == 0);
		residue_free(residue);
	}
	blockdev_close(disk);
	return 0;
}

static void give(unsigned int damaged, uint64_t blocks, unsigned int stuck, uint8_t codes)
{
	uint8_t seed[1 + sizeof(struct bodies)] = {(uint8_t)damaged};
	struct bodies bodies = {0};

	bodies.part[0][0] = 1;
	bodies.part[0][8] = (uint8_t)blocks;
	bodies.part[1][0] = (uint8_t)stuck;
	bodies.part[1][8] = (uint8_t)stuck;
	for (unsigned int i = 0; i < stuck; i++) {
		bodies.part[1][16 + 16 * i] = (uint8_t)(3 * i + 1);
		bodies.part[1][16 + 16 * i + 8] = (uint8_t)i;
		bodies.part[1][16 + 16 * i + 10] = 5;
	}
	memset(bodies.part[2], codes, 8);
	memset(bodies.part[3], codes ^ 0x60, 8);
	memcpy(seed + 1, &bodies, sizeof(bodies));
	fuzz_seed(seed, sizeof(seed));
}

void fuzz_seeds(void)
{
	give(0, DATA_BLOCKS, 0, 0x22);
	give(0, DATA_BLOCKS, 3, 0x45);
	give(0, 17, 1, 0x36);
	give(0x01, DATA_BLOCKS, 1, 0x14);
	give(0x10, DATA_BLOCKS, 0, 0x55);
	give(0xc3, DATA_BLOCKS, 2, 0x23);
	give(0, 200, 0, 0x22);
}

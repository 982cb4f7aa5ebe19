/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_layout.c - the superblock: planned, encoded, decoded, written, read
 *
 * Goal: the bytes are those of docs/ONDISK.md; every kind of damage is told
 * from every other; and no single failure of the disk loses both copies.
 * Method: a fixed vector whose digests were computed with Python (see there),
 * one flipped bit at each place, field by field nonsense under a right digest,
 * and a disk that fails its nth operation, tears and forgets.
 */
#include "base/bytes.h"
#include "blockdev/layout.h"
#include "crypto/hash.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 3, BLOCKS = 64 };

static struct secret *key, *other_key;
static struct layout layout;
static struct blockdev *disk;
static uint8_t block[BLOCK_BYTES];
static struct problem problem;

static void setup(void)
{
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &key), 0);
	bytes[63] ^= 1;
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &other_key), 0);
	ck_assert_int_eq(layout_plan(FIRST, 16, 40, 64, &layout), 0);
	for (size_t i = 0; i < LAYOUT_UUID_BYTES; i++)
		layout.volume_id[i] = (uint8_t)(0xa0 + i);
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
	problem.text[0] = '\0';
}

static void teardown(void)
{
	disk = blockdev_close(disk);
	secret_free(key);
	secret_free(other_key);
	key = other_key = NULL;
}

static int write_it(void)
{
	return layout_write(disk, &layout, key);
}

static int read_with(const struct secret *with, struct layout *ret_layout)
{
	return layout_read_at(disk, FIRST, with, ret_layout, &problem);
}

static bool is_the_layout(const struct layout *other)
{
	return memcmp(other, &layout, sizeof(layout)) == 0;
}

static void assert_reads_back(void)
{
	struct layout read;

	memset(&read, 0, sizeof(read));
	ck_assert_int_eq(read_with(key, &read), 0);
	ck_assert(is_the_layout(&read));
}

/* --- the plan --- */

static void assert_areas_adjoin(const struct layout *l)
{
	ck_assert_uint_eq(l->map.first, extent_end(l->superblock));
	ck_assert_uint_eq(l->state.first, extent_end(l->map));
	ck_assert_uint_eq(l->stuck.first, extent_end(l->state));
	ck_assert_uint_eq(l->spare.first, extent_end(l->stuck));
	ck_assert_uint_eq(l->redo.first, extent_end(l->spare));
	ck_assert_uint_eq(l->scratch.first, extent_end(l->redo));
	ck_assert_uint_ge(l->data_first, extent_end(l->scratch));
	ck_assert_uint_eq(l->superblock.count, 2);
	ck_assert_uint_eq(l->state.count, 2);
	ck_assert_uint_eq(l->stuck.count, 2);
}

START_TEST(a_real_volume_has_room_for_everything)
{
	const uint64_t most = (100ull << 30) / BLOCK_BYTES;
	struct layout l;

	ck_assert_int_eq(layout_plan(LAYOUT_SUPERBLOCK_BYTES / BLOCK_BYTES, LAYOUT_BLOCKS_PER_PAGE,
				 most / 2, most, &l),
		0);
	assert_areas_adjoin(&l);
	ck_assert_uint_eq(l.superblock.first * BLOCK_BYTES, 4 << 20);
	ck_assert_uint_eq(l.map.count, 2 * ((most + 7679) / 7680));
	ck_assert_uint_eq(l.spare.count, 240);
	ck_assert_uint_eq(l.redo.count * BLOCK_BYTES, 4 << 20);
	ck_assert_uint_eq(l.scratch.count, 16);
	ck_assert_uint_eq(l.data_first % 256, 0);
	ck_assert_uint_lt(l.data_first - extent_end(l.scratch), 256);
	ck_assert_uint_eq(l.data_blocks_at_format, most / 2);
	ck_assert_uint_eq(l.data_blocks_most, most);
}
END_TEST

START_TEST(a_simulated_volume_stays_tiny)
{
	assert_areas_adjoin(&layout);
	ck_assert_uint_eq(layout.map.count, 8);
	ck_assert_uint_eq(layout.data_first, FIRST + 2 + 8 + 2 + 2 + 4 + 2 + 1);
}
END_TEST

START_TEST(the_map_has_a_page_for_every_block)
{
	static const uint64_t edges[][2] = {{1, 2}, {15, 2}, {16, 2}, {17, 4}, {32, 4}, {33, 6}};
	struct layout l;

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		ck_assert_int_eq(layout_plan(0, 16, 1, edges[i][0], &l), 0);
		ck_assert_uint_eq(l.map.count, edges[i][1]);
	}
	/* a volume that may not grow still has room for what it holds */
	ck_assert_int_eq(layout_plan(0, 16, 40, 0, &l), 0);
	ck_assert_uint_eq(l.data_blocks_most, 40);
}
END_TEST

START_TEST(a_size_that_no_medium_has_overflows)
{
	struct layout l;

	ck_assert_int_eq(layout_plan(0, 16, 1, UINT64_MAX, &l), -EOVERFLOW);
	ck_assert_int_eq(layout_plan(0, 16, UINT64_MAX, 0, &l), -EOVERFLOW);
	ck_assert_int_eq(layout_plan(UINT64_MAX, 16, 1, 1, &l), -EOVERFLOW);
	ck_assert_int_eq(layout_plan(0, 7680, 1, UINT64_MAX / BLOCK_BYTES, &l), -EOVERFLOW);
}
END_TEST

/* --- encoded --- */

/*
 * python3: struct.pack('<8sII16s4Q', b'SPGDSUP1', 1, 16, bytes(range(0xa0, 0xb0)), 24, 40, 64, 0)
 * and the seven extents; HKDF and HMAC from cryptography.hazmat, key bytes(range(64)).
 */
static const uint8_t vector_head[64] = {'S', 'P', 'G', 'D', 'S', 'U', 'P', '1', 1, 0, 0, 0, 16, 0,
	0, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad,
	0xae, 0xaf, 24, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 64};
static const uint8_t vector_extents[7][2] = {
	{3, 2}, {5, 8}, {13, 2}, {15, 2}, {17, 4}, {21, 2}, {23, 1}};
static const uint8_t vector_mac[32] = {0x8e, 0x71, 0x7a, 0x7a, 0x86, 0x45, 0x3d, 0x05, 0xbf, 0x9b,
	0xb7, 0x63, 0x95, 0xd4, 0xed, 0xac, 0x24, 0x72, 0x14, 0x5f, 0x06, 0x95, 0x15, 0xbd, 0x2d,
	0x5f, 0x66, 0x54, 0xd0, 0xd9, 0xd6, 0x96};
static const uint8_t vector_digest[32] = {0x22, 0x13, 0xfc, 0xc5, 0x41, 0x6e, 0xe0, 0x22, 0xbf,
	0xbf, 0xb2, 0x7b, 0xc1, 0xf9, 0xfd, 0x67, 0xf0, 0x79, 0xcd, 0x3d, 0xf8, 0x89, 0x61, 0x2f,
	0xff, 0xad, 0xe0, 0xfe, 0x1f, 0x60, 0x85, 0xa0};

START_TEST(the_bytes_are_those_of_the_documentation)
{
	uint8_t expected[BLOCK_BYTES] = {0};

	memcpy(expected, vector_head, sizeof(vector_head));
	for (size_t i = 0; i < ARRAY_SIZE(vector_extents); i++) {
		expected[64 + 16 * i] = vector_extents[i][0];
		expected[72 + 16 * i] = vector_extents[i][1];
	}
	memcpy(expected + 4032, vector_mac, sizeof(vector_mac));
	memcpy(expected + 4064, vector_digest, sizeof(vector_digest));
	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		ck_assert_msg(block[i] == expected[i], "byte %zu: %02x, not %02x", i, block[i],
			expected[i]);
}
END_TEST

START_TEST(what_is_encoded_is_decoded)
{
	struct layout decoded;

	memset(&decoded, 0, sizeof(decoded));
	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	ck_assert_int_eq(layout_decode(block, key, &decoded), 0);
	ck_assert(is_the_layout(&decoded));
	memset(&decoded, 0, sizeof(decoded));
	ck_assert_int_eq(layout_decode(block, NULL, &decoded), 0);
	ck_assert(is_the_layout(&decoded));
}
END_TEST

START_TEST(another_key_is_rejected_and_not_called_damage)
{
	struct layout decoded;

	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	ck_assert_int_eq(layout_decode(block, other_key, &decoded), -EKEYREJECTED);
}
END_TEST

START_TEST(one_flipped_bit_anywhere_is_damage)
{
	struct layout decoded;

	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	for (size_t bit = 0; bit < 8 * BLOCK_BYTES; bit++) {
		int expected = bit < 64 ? -ENODATA : -EBADMSG;

		block[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		ck_assert_msg(layout_decode(block, key, &decoded) == expected, "bit %zu", bit);
		ck_assert_msg(layout_decode(block, NULL, &decoded) == expected, "bit %zu", bit);
		block[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	ck_assert_int_eq(layout_decode(block, key, &decoded), 0);
}
END_TEST

static void seal_again(void)
{
	ck_assert_int_eq(hash_sha256(block, 4064, block + 4064), 0);
}

START_TEST(a_newer_version_is_not_damage)
{
	struct layout decoded;

	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	bytes_put_le32(block + 8, LAYOUT_VERSION + 1);
	memset(block + 12, 0xff, 4000); /* whatever a newer version puts there */
	seal_again();
	ck_assert_int_eq(layout_decode(block, key, &decoded), -EPROTONOSUPPORT);
	bytes_put_le32(block + 8, 0);
	seal_again();
	ck_assert_int_eq(layout_decode(block, key, &decoded), -EBADMSG);
}
END_TEST

static const struct {
	size_t at;
	uint64_t value;
} nonsense[] = {
	{32, 23},		  /* data inside the scratch area */
	{32, UINT64_MAX},	  /* data beyond any medium */
	{40, 0},		  /* no data at all */
	{40, 65},		  /* more than there is room for */
	{48, UINT64_MAX},	  /* pages would wrap */
	{48, 65},		  /* more than the map has pages for */
	{64, 4},		  /* the superblock overlaps the map */
	{64, UINT64_MAX},	  /* ends beyond the end */
	{72, 1},		  /* no copy */
	{80, 6},		  /* a gap */
	{88, 0},		  /* no map */
	{88, 7},		  /* an odd number of slots */
	{88, UINT64_MAX - 4},	  /* wraps */
	{104, 3},		  /* three slots */
	{136, 0},		  /* no spare area */
	{136, UINT64_MAX / 4096}, /* a spare area larger than any medium */
	{168, 0},		  /* no scratch area */
};

START_TEST(numbers_that_contradict_one_another_are_damage)
{
	struct layout decoded;

	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	bytes_put_le64(block + nonsense[_i].at, nonsense[_i].value);
	seal_again();
	ck_assert_int_eq(layout_decode(block, key, &decoded), -EBADMSG);
	ck_assert_int_eq(layout_decode(block, NULL, &decoded), -EBADMSG);
}
END_TEST

START_TEST(a_page_size_out_of_range_is_damage)
{
	static const uint32_t sizes[] = {0, LAYOUT_BLOCKS_PER_PAGE + 1, UINT32_MAX};
	struct layout decoded;

	ck_assert_int_eq(layout_encode(&layout, key, block), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		bytes_put_le32(block + 12, sizes[i]);
		seal_again();
		ck_assert_int_eq(layout_decode(block, NULL, &decoded), -EBADMSG);
	}
}
END_TEST

START_TEST(zeros_and_ones_are_no_superblock)
{
	struct layout decoded;

	memset(block, 0, sizeof(block));
	ck_assert_int_eq(layout_decode(block, key, &decoded), -ENODATA);
	memset(block, 0xff, sizeof(block));
	ck_assert_int_eq(layout_decode(block, key, &decoded), -ENODATA);
}
END_TEST

/* --- on a disk --- */

START_TEST(what_is_written_is_read)
{
	ck_assert_int_eq(write_it(), 0);
	assert_reads_back();
}
END_TEST

START_TEST(real_volumes_have_it_at_four_mebibytes)
{
	struct blockdev *large = simdisk_new(BLOCK_BYTES, 1 << 20);
	struct layout planned, read;

	ck_assert_int_eq(layout_plan(1024, LAYOUT_BLOCKS_PER_PAGE, 1 << 19, 1 << 19, &planned), 0);
	memset(planned.volume_id, 7, sizeof(planned.volume_id));
	ck_assert_int_eq(layout_write(large, &planned, key), 0);
	ck_assert_int_eq(layout_read(large, key, &read, &problem), 0);
	ck_assert_uint_eq(read.data_first, planned.data_first);
	blockdev_close(large);
}
END_TEST

START_TEST(one_damaged_copy_does_no_harm)
{
	for (uint64_t copy = 0; copy < 2; copy++) {
		ck_assert_int_eq(write_it(), 0);
		simdisk_flip(disk, (FIRST + copy) * BLOCK_BYTES + 100, 3);
		assert_reads_back();
		simdisk_break(disk, (struct extent){FIRST + copy, 1}, SIMDISK_READ, EIO);
		assert_reads_back();
		simdisk_mend(disk);
		memset(block, 0, sizeof(block));
		simdisk_poke(disk, (struct extent){FIRST + copy, 1}, block);
		assert_reads_back();
	}
}
END_TEST

/* How the two copies are, and what is said of that. */
enum copy_is { WHOLE, GONE, DAMAGED, UNREADABLE, FOREIGN, NEWER };

static void make_copy(uint64_t copy, enum copy_is is)
{
	ck_assert_int_eq(layout_encode(&layout, is == FOREIGN ? other_key : key, block), 0);
	if (is == GONE)
		memset(block, 0, sizeof(block));
	if (is == DAMAGED)
		block[1000] ^= 1;
	if (is == NEWER) {
		bytes_put_le32(block + 8, 2);
		seal_again();
	}
	if (is == UNREADABLE)
		simdisk_break(disk, (struct extent){FIRST + copy, 1}, SIMDISK_READ, EIO);
	simdisk_poke(disk, (struct extent){FIRST + copy, 1}, block);
}

static const struct {
	enum copy_is first, second;
	int result;
	const char *says;
} verdicts[] = {
	{WHOLE, NEWER, 0, ""},
	{NEWER, WHOLE, -EPROTONOSUPPORT, "newer version"},
	{DAMAGED, NEWER, -EPROTONOSUPPORT, "newer version"},
	{FOREIGN, WHOLE, 0, ""},
	{FOREIGN, FOREIGN, -EKEYREJECTED, "another volume key"},
	{FOREIGN, DAMAGED, -EKEYREJECTED, "another volume key"},
	{DAMAGED, FOREIGN, -EKEYREJECTED, "another volume key"},
	{UNREADABLE, FOREIGN, -EKEYREJECTED, "another volume key"},
	{DAMAGED, DAMAGED, -EBADMSG, "damaged"},
	{GONE, DAMAGED, -EBADMSG, "damaged"},
	{DAMAGED, GONE, -EBADMSG, "damaged"},
	{UNREADABLE, DAMAGED, -EIO, "cannot be read"},
	{DAMAGED, UNREADABLE, -EIO, "cannot be read"},
	{UNREADABLE, GONE, -EIO, "cannot be read"},
	{GONE, UNREADABLE, -EIO, "cannot be read"},
	{UNREADABLE, UNREADABLE, -EIO, "cannot be read"},
	{GONE, GONE, -ENODATA, "no residue map"},
};

START_TEST(of_two_bad_copies_the_more_telling_is_reported)
{
	struct layout read = {.data_first = 77};
	int r;

	make_copy(0, verdicts[_i].first);
	make_copy(1, verdicts[_i].second);
	r = read_with(key, &read);
	ck_assert_msg(r == verdicts[_i].result, "%d, not %d", r, verdicts[_i].result);
	ck_assert_msg(strstr(problem.text, verdicts[_i].says), "%s", problem.text);
	if (r < 0) {
		ck_assert_msg(strchr(problem.text, ';'), "no next step in: %s", problem.text);
		ck_assert_uint_eq(read.data_first, 77); /* written only on success */
	}
}
END_TEST

START_TEST(a_superblock_of_another_place_is_not_believed)
{
	struct layout moved = layout, read;

	ck_assert_int_eq(layout_plan(FIRST + 5, 16, 40, 64, &moved), 0);
	ck_assert_int_eq(layout_encode(&moved, key, block), 0);
	simdisk_poke(disk, (struct extent){FIRST, 1}, block);
	simdisk_poke(disk, (struct extent){FIRST + 1, 1}, block);
	ck_assert_int_eq(read_with(key, &read), -EBADMSG);
}
END_TEST

START_TEST(a_device_too_short_for_one_has_none)
{
	struct blockdev *tiny = simdisk_new(BLOCK_BYTES, FIRST);
	struct layout read;

	ck_assert_int_eq(layout_read_at(tiny, FIRST, key, &read, &problem), -ENODATA);
	ck_assert_int_eq(layout_read(tiny, key, &read, NULL), -ENODATA);
	ck_assert_int_eq(layout_write(tiny, &layout, key), -ERANGE);
	blockdev_close(tiny);
}
END_TEST

START_TEST(every_single_io_error_of_a_write_is_reported)
{
	uint64_t nth = 1;

	for (;; nth++) {
		int r;

		simdisk_reset(disk);
		simdisk_set_failed_write(disk, (enum simdisk_landing)(nth % 3));
		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		r = write_it();
		if (!simdisk_fired(disk)) {
			ck_assert_int_eq(r, 0);
			break;
		}
		ck_assert_int_eq(r, -EIO);
	}
	ck_assert_uint_eq(nth, 5); /* two writes, two flushes */
}
END_TEST

START_TEST(every_single_io_error_of_a_read_is_survived)
{
	ck_assert_int_eq(write_it(), 0);
	for (uint64_t nth = 1;; nth++) {
		simdisk_replug(disk);
		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		assert_reads_back();
		if (!simdisk_fired(disk))
			break;
	}
	simdisk_replug(disk);
	simdisk_fail_from_nth(disk, SIMDISK_ANY, 1, ENODEV);
	ck_assert_int_eq(read_with(key, &layout), -ENODEV);
}
END_TEST

static bool keep_some(void *context, const struct simdisk_event *event, uint64_t sector)
{
	(void)event;
	return (*(unsigned int *)context >> sector) & 1;
}

/* Writing it over itself with other content, at every instant and with every tear. */
START_TEST(a_power_cut_leaves_one_copy_whole)
{
	struct layout old = layout, new = layout, read;

	new.data_blocks_at_format = 41;
	for (uint64_t nth = 1; nth <= 4; nth++)
		for (unsigned int kept = 0; kept < 256; kept++) {
			simdisk_reset(disk);
			ck_assert_int_eq(layout_write(disk, &old, key), 0);
			simdisk_log_start(disk);
			simdisk_fail_from_nth(disk, SIMDISK_ANY, nth, EIO);
			simdisk_set_failed_write(disk, SIMDISK_LANDS_WHOLLY);
			ck_assert_int_eq(layout_write(disk, &new, key), -EIO);
			simdisk_power_cut(disk, keep_some, &kept);
			ck_assert_int_eq(read_with(key, &read), 0);
			ck_assert(read.data_blocks_at_format == 40 ||
				  read.data_blocks_at_format == 41);
			if (nth >= 3) /* the first copy was durable */
				ck_assert_uint_eq(read.data_blocks_at_format, 41);
		}
}
END_TEST

START_TEST(a_lying_disk_costs_one_copy_at_most)
{
	for (uint64_t nth = 1; nth <= 2; nth++)
		for (uint64_t sectors = 0; sectors < 8; sectors++) {
			simdisk_reset(disk);
			simdisk_tear_write(disk, nth, sectors);
			ck_assert_int_eq(write_it(), 0);
			ck_assert(simdisk_lied(disk));
			simdisk_replug(disk);
			assert_reads_back();
		}
}
END_TEST

static TCase *new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_tests(Suite *suite)
{
	TCase *tcase = new_case(suite, "plan and codec");

	tcase_add_test(tcase, a_real_volume_has_room_for_everything);
	tcase_add_test(tcase, a_simulated_volume_stays_tiny);
	tcase_add_test(tcase, the_map_has_a_page_for_every_block);
	tcase_add_test(tcase, a_size_that_no_medium_has_overflows);
	tcase_add_test(tcase, the_bytes_are_those_of_the_documentation);
	tcase_add_test(tcase, what_is_encoded_is_decoded);
	tcase_add_test(tcase, another_key_is_rejected_and_not_called_damage);
	tcase_add_test(tcase, one_flipped_bit_anywhere_is_damage);
	tcase_add_test(tcase, a_newer_version_is_not_damage);
	tcase_add_loop_test(tcase, numbers_that_contradict_one_another_are_damage, 0,
		(int)ARRAY_SIZE(nonsense));
	tcase_add_test(tcase, a_page_size_out_of_range_is_damage);
	tcase_add_test(tcase, zeros_and_ones_are_no_superblock);

	tcase = new_case(suite, "on a disk");
	tcase_add_test(tcase, what_is_written_is_read);
	tcase_add_test(tcase, real_volumes_have_it_at_four_mebibytes);
	tcase_add_test(tcase, one_damaged_copy_does_no_harm);
	tcase_add_loop_test(tcase, of_two_bad_copies_the_more_telling_is_reported, 0,
		(int)ARRAY_SIZE(verdicts));
	tcase_add_test(tcase, a_superblock_of_another_place_is_not_believed);
	tcase_add_test(tcase, a_device_too_short_for_one_has_none);
	tcase_add_test(tcase, every_single_io_error_of_a_write_is_reported);
	tcase_add_test(tcase, every_single_io_error_of_a_read_is_survived);
	tcase_add_test(tcase, a_power_cut_leaves_one_copy_whole);
	tcase_add_test(tcase, a_lying_disk_costs_one_copy_at_most);
}

int main(void)
{
	Suite *suite = suite_create("layout");
	SRunner *runner;
	int failed;

	add_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

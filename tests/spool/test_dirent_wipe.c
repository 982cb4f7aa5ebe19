/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dirent_wipe.c - a name goes from a directory block, with what earlier removals left
 *
 * Goal: after dirent_wipe() the block lists the other names and no byte of the removed
 * one, nor of any that is not listed; damage is refused and left alone.
 *
 * Method: blocks are built by hand as ext4's documentation draws them, with names in every
 * gap; a walk of the test's own reads them again.
 */
#include "base/bytes.h"
#include "spool/dirent_wipe.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 4096, TAIL = 12 };

static uint8_t block[SIZE];
static size_t last; /* where the last entry is */

/* Fills everything with what old names may have left. */
static void setup(void)
{
	for (size_t i = 0; i < SIZE; i++)
		block[i] = (uint8_t) "GHOST"[i % 5];
	last = 0;
}

static size_t add(size_t at, uint32_t inode, const char *name, size_t length)
{
	bytes_put_le32(block + at, inode);
	bytes_put_le16(block + at + 4, (uint16_t)length);
	block[at + 6] = (uint8_t)strlen(name);
	block[at + 7] = 1;
	memcpy(block + at + 8, name, strlen(name));
	last = at;
	return at + length;
}

static void add_tail(void)
{
	memset(block + SIZE - TAIL, 0, TAIL);
	bytes_put_le16(block + SIZE - TAIL + 4, TAIL);
	block[SIZE - TAIL + 7] = 0xde;
	bytes_put_le32(block + SIZE - 4, 0x12345678); /* a checksum */
}

/* alpha, beta, gamma; the last reaches to the end or to the tail. */
static void three(bool tail)
{
	size_t at = add(0, 11, "alpha", 16);

	at = add(at, 12, "beta", 32);
	add(at, 13, "gamma", SIZE - at - (tail ? TAIL : 0));
	if (tail)
		add_tail();
}

static int wipe(const char *name, bool indexed, bool first, bool checksum, bool *ret_removed)
{
	struct dirent_block what = {
		.bytes = block,
		.size = SIZE,
		.is_indexed = indexed,
		.is_first = first,
		.has_checksum = checksum,
	};

	return dirent_wipe(what, name, ret_removed);
}

static bool has(const char *text)
{
	return memmem(block, SIZE, text, strlen(text)) != NULL;
}

/* The names that a reader of the block sees, each followed by a slash. */
static const char *names(void)
{
	static char list[256];

	list[0] = '\0';
	for (size_t at = 0; at < SIZE; at += bytes_get_le16(block + at + 4)) {
		ck_assert_uint_ge(bytes_get_le16(block + at + 4), 8);
		if (bytes_get_le32(block + at) == 0)
			continue;
		strncat(list, (char *)block + at + 8, block[at + 6]);
		strcat(list, "/");
	}
	return list;
}

START_TEST(a_removed_name_leaves_no_byte)
{
	static const struct {
		const char *name, *left;
	} cases[] = {{"alpha", "beta/gamma/"}, {"beta", "alpha/gamma/"}, {"gamma", "alpha/beta/"}};
	bool removed;

	for (int tail = 0; tail < 2; tail++) {
		setup();
		three(tail);
		ck_assert_int_eq(wipe(cases[_i].name, false, true, tail, &removed), 0);
		ck_assert(removed);
		ck_assert_str_eq(names(), cases[_i].left);
		ck_assert(!has(cases[_i].name));
		ck_assert(!has("GHO") && !has("OST"));
		if (tail)
			ck_assert_uint_eq(bytes_get_le32(block + SIZE - 4), 0x12345678);
	}
}
END_TEST

START_TEST(without_a_name_only_what_is_unlisted_goes)
{
	bool removed;

	three(true);
	ck_assert_int_eq(wipe(NULL, false, true, true, &removed), 0);
	ck_assert(!removed);
	ck_assert_str_eq(names(), "alpha/beta/gamma/");
	ck_assert(!has("GHO") && !has("OST"));
}
END_TEST

START_TEST(a_name_is_not_taken_for_its_beginning)
{
	bool removed;

	three(false);
	ck_assert_int_eq(wipe("alph", false, true, false, &removed), 0);
	ck_assert(!removed);
	ck_assert_int_eq(wipe("alphas", false, true, false, &removed), 0);
	ck_assert(!removed);
	ck_assert_str_eq(names(), "alpha/beta/gamma/");
}
END_TEST

START_TEST(an_unused_entry_loses_its_old_name)
{
	bool removed;

	add(0, 0, "GHOSTS", SIZE);
	ck_assert_int_eq(wipe(NULL, true, false, false, &removed), 0);
	ck_assert(bytes_are(block + 6, SIZE - 6, 0));
	ck_assert_uint_eq(bytes_get_le16(block + 4), SIZE);
}
END_TEST

START_TEST(two_names_removed_in_turn_join_what_is_free)
{
	bool removed;

	three(true);
	ck_assert_int_eq(wipe("beta", false, true, true, &removed), 0);
	ck_assert_int_eq(wipe("alpha", false, true, true, &removed), 0);
	ck_assert(removed);
	ck_assert_str_eq(names(), "gamma/");
	ck_assert_uint_eq(bytes_get_le16(block + 4), 48);
}
END_TEST

/* --- index blocks --- */

static void index_at(size_t at, size_t limit, size_t count)
{
	bytes_put_le16(block + at, (uint16_t)limit);
	bytes_put_le16(block + at + 2, (uint16_t)count);
}

START_TEST(an_index_root_keeps_its_index)
{
	uint8_t was[SIZE];
	size_t limit = (SIZE - 32 - 8) / 8;
	bool removed;

	add(0, 2, ".", 12);
	add(12, 2, "..", SIZE - 12);
	memset(block + 24, 0, 8);
	block[29] = 8;
	index_at(32, limit, 3);
	memcpy(was, block, SIZE);
	ck_assert_int_eq(wipe("alpha", true, true, true, &removed), 0);
	ck_assert(!removed);
	ck_assert_mem_eq(block, was, 32 + 3 * 8);
	ck_assert(bytes_are(block + 32 + 3 * 8, (limit - 3) * 8, 0));
	ck_assert_mem_eq(block + SIZE - 8, was + SIZE - 8, 8);
}
END_TEST

START_TEST(an_index_node_keeps_its_index)
{
	uint8_t was[SIZE];
	size_t limit = (SIZE - 8) / 8;
	bool removed;

	bytes_put_le32(block, 0);
	bytes_put_le16(block + 4, SIZE);
	block[6] = block[7] = 0;
	index_at(8, limit, 100);
	memcpy(was, block, SIZE);
	ck_assert_int_eq(wipe("alpha", true, false, false, &removed), 0);
	ck_assert_mem_eq(block, was, 8 + 100 * 8);
	ck_assert(bytes_are(block + 8 + 100 * 8, SIZE - 8 - 100 * 8, 0));
}
END_TEST

/* --- damage --- */

static void spoil_length_zero(void)
{
	bytes_put_le16(block + 16 + 4, 0);
}

static void spoil_length_odd(void)
{
	bytes_put_le16(block + 16 + 4, 30);
}

static void spoil_length_long(void)
{
	bytes_put_le16(block + last + 4, SIZE);
}

static void spoil_name_length(void)
{
	block[6] = 9;
}

START_TEST(damage_is_refused_and_left_alone)
{
	static void (*const spoils[])(void) = {
		spoil_length_zero, spoil_length_odd, spoil_length_long, spoil_name_length};
	uint8_t was[SIZE];
	bool removed;

	three(true);
	spoils[_i]();
	memcpy(was, block, SIZE);
	ck_assert_int_eq(wipe("gamma", false, true, true, &removed), -EBADMSG);
	ck_assert_mem_eq(block, was, SIZE);
}
END_TEST

START_TEST(noise_is_refused_or_handled_without_a_fault)
{
	uint8_t *exact = malloc(SIZE); /* so that a step beyond is seen by a sanitizer */
	unsigned int handled = 0;
	bool removed;

	srandom(7);
	for (int round = 0; round < 20000; round++) {
		struct dirent_block what = {
			.bytes = exact,
			.size = SIZE,
			.is_indexed = round & 1,
			.is_first = round & 2,
			.has_checksum = round & 4,
		};

		setup();
		three(true);
		memcpy(exact, block, SIZE);
		for (int i = 0; i < 3; i++)
			exact[random() % (round & 8 ? 64 : SIZE)] = (uint8_t)random();
		if (dirent_wipe(what, "gamma", &removed) >= 0)
			handled++;
	}
	free(exact);
	ck_assert_uint_gt(handled, 0);
	ck_assert_uint_lt(handled, 20000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dirent_wipe");
	TCase *tcase = tcase_create("blocks");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, a_removed_name_leaves_no_byte, 0, 3);
	tcase_add_test(tcase, without_a_name_only_what_is_unlisted_goes);
	tcase_add_test(tcase, a_name_is_not_taken_for_its_beginning);
	tcase_add_test(tcase, an_unused_entry_loses_its_old_name);
	tcase_add_test(tcase, two_names_removed_in_turn_join_what_is_free);
	tcase_add_test(tcase, an_index_root_keeps_its_index);
	tcase_add_test(tcase, an_index_node_keeps_its_index);
	tcase_add_loop_test(tcase, damage_is_refused_and_left_alone, 0, 4);
	tcase_add_test(tcase, noise_is_refused_or_handled_without_a_fault);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

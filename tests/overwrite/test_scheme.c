/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_scheme.c - the tables of passes, and which blocks a sampled read-back reads
 *
 * Goal: each scheme's bytes are those of the document that it names; a sample is
 * laid out as SP 800-88r1 demands, and falls on every block sooner or later.
 */
#include "overwrite/sample.h"
#include "overwrite/scheme.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- schemes --- */

START_TEST(the_default_is_what_three_passes_means)
{
	const struct scheme *scheme = scheme_default();

	ck_assert_str_eq(scheme->name, "three-pass");
	ck_assert_uint_eq(scheme->pass_count, 3);
	/* NCSC-TG-025 5.1.1: 0011 0101, 1100 1010, 1001 0111; Xerox's image overwrite */
	ck_assert_uint_eq(scheme->passes[0].byte, 0x35);
	ck_assert_uint_eq(scheme->passes[1].byte, 0xca);
	ck_assert_uint_eq(scheme->passes[2].byte, 0x97);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(scheme->passes[i].kind, PASS_BYTE);
	ck_assert_ptr_eq(scheme_at(0), scheme);
}
END_TEST

START_TEST(the_table_is_sane)
{
	size_t count = 0;

	for (const struct scheme *scheme; (scheme = scheme_at(count)); count++) {
		ck_assert_uint_ge(scheme->pass_count, 1);
		ck_assert_uint_le(scheme->pass_count, SCHEME_PASSES_MAX);
		ck_assert_uint_gt(strlen(scheme->origin), 10);
		/* The token has room for it, and it is a word of the command line. */
		ck_assert_uint_lt(strlen(scheme->name), 32);
		ck_assert_uint_eq(strspn(scheme->name, "abcdefghijklmnopqrstuvwxyz0123456789.-"),
			strlen(scheme->name));
		ck_assert_ptr_eq(scheme_find(scheme->name), scheme); /* unique */
		for (unsigned int i = 0; i < SCHEME_PASSES_MAX; i++) {
			const struct scheme_pass *pass = &scheme->passes[i];

			if (i >= scheme->pass_count || pass->kind == PASS_RANDOM)
				ck_assert_uint_eq(pass->byte, 0);
		}
	}
	ck_assert_uint_ge(count, 8);
	ck_assert_ptr_null(scheme_at(count + 1000));
	ck_assert_ptr_null(scheme_find(""));
	ck_assert_ptr_null(scheme_find("Three-Pass"));
	ck_assert_ptr_null(scheme_find("gutmann"));
}
END_TEST

enum { R = 0x100 }; /* random */

START_TEST(each_scheme_has_the_passes_of_its_document)
{
	static const struct {
		const char *name;
		unsigned int count;
		unsigned int passes[3];
	} known[] = {
		{"three-pass", 3, {0x35, 0xca, 0x97}}, {"zero", 1, {0x00}}, {"random", 1, {R}},
		{"hp", 3, {0x48, 0xb7, R}},	       /* SecureSanitizeErase */
		{"ricoh-nsa", 3, {R, R, 0x00}},	       /* DOSS, NSA */
		{"kyocera", 3, {R, R, 0x00}},	       /* Data Security Kit, 3-time */
		{"dod-5220.22-m", 3, {0x55, 0xaa, R}}, /* character, complement, random */
		{"ar-380-19", 3, {R, 0x55, 0xaa}},     /* random, fixed, complement */
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const struct scheme *scheme = scheme_find(known[i].name);

		ck_assert_msg(scheme != NULL, "%s", known[i].name);
		ck_assert_uint_eq(scheme->pass_count, known[i].count);
		for (unsigned int p = 0; p < known[i].count; p++) {
			ck_assert_int_eq(scheme->passes[p].kind,
				known[i].passes[p] == R ? PASS_RANDOM : PASS_BYTE);
			if (known[i].passes[p] != R)
				ck_assert_uint_eq(scheme->passes[p].byte, known[i].passes[p]);
		}
	}
}
END_TEST

START_TEST(complements_are_complements)
{
	static const char *const names[] = {"three-pass", "dod-5220.22-m", "hp"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct scheme *scheme = scheme_find(names[i]);

		ck_assert_uint_eq(scheme->passes[0].byte ^ scheme->passes[1].byte, 0xff);
	}
}
END_TEST

/* --- samples --- */

static bool has(const struct extent_list *plan, uint64_t block)
{
	return extent_list_overlaps(plan, (struct extent){block, 1});
}

static uint64_t blocks_within(const struct extent_list *plan, struct extent run)
{
	struct extent_list one = {0};
	uint64_t common;

	ck_assert_int_eq(extent_list_add(&one, run), 0);
	common = extent_list_common_blocks(plan, &one);
	extent_list_done(&one);
	return common;
}

/* Sections as the plan divides them: as even as whole blocks allow. */
static void assert_layout(const struct extent_list *plan, uint64_t blocks)
{
	uint64_t done = 0;

	ck_assert(has(plan, 0) && has(plan, blocks - 1));
	ck_assert_uint_le(
		extent_end(plan->items[plan->count - 1]), blocks); /* sorted: the last ends last */
	for (uint64_t i = 1; i <= SAMPLE_SECTIONS; i++) {
		uint64_t end = blocks / SAMPLE_SECTIONS * i +
			       blocks % SAMPLE_SECTIONS * i / SAMPLE_SECTIONS;
		struct extent first = {done, (end - done) / 2};
		struct extent second = {extent_end(first), end - extent_end(first)};
		uint64_t least = (end - done + 19) / 20;

		ck_assert_uint_ge(blocks_within(plan, first), least);
		ck_assert_uint_ge(blocks_within(plan, second), least);
		done = end;
	}
}

START_TEST(a_sample_has_two_samples_in_each_of_a_thousand_sections)
{
	static const uint64_t sizes[] = {20000, 20001, 20999, 123457, 1000003, 26214400};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct extent_list plan = {0};
		uint64_t sampled;

		ck_assert_int_eq(sample_plan(sizes[i], &plan), 0);
		assert_layout(&plan, sizes[i]);
		sampled = extent_list_blocks(&plan);
		ck_assert_uint_ge(sampled * 10, sizes[i]); /* a tenth at least */
		ck_assert_uint_le(sampled, sizes[i] / 10 + 2 * SAMPLE_SECTIONS + 2);
		extent_list_done(&plan);
	}
}
END_TEST

START_TEST(a_small_medium_is_read_in_full)
{
	static const uint64_t sizes[] = {1, 2, 999, 19999};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct extent_list plan = {0};

		ck_assert_int_eq(sample_plan(sizes[i], &plan), 0);
		ck_assert_uint_eq(extent_list_blocks(&plan), sizes[i]);
		extent_list_done(&plan);
	}
}
END_TEST

START_TEST(no_place_is_never_sampled)
{
	enum { BLOCKS = 25000, PLANS = 400 };
	static unsigned int hits[BLOCKS];

	for (unsigned int i = 0; i < PLANS; i++) {
		struct extent_list plan = {0};

		ck_assert_int_eq(sample_plan(BLOCKS, &plan), 0);
		for (size_t e = 0; e < plan.count; e++) {
			for (uint64_t b = plan.items[e].first; b < extent_end(plan.items[e]); b++)
				hits[b]++;
		}
		extent_list_done(&plan);
	}
	/* Sections of 25 blocks, halves of 12 and 13, samples of 2 in one of 11 or 12 places: a
	 * block at a half's edge is missed by one plan with 11/12, by all 400 with 8e-16. */
	for (unsigned int b = 0; b < BLOCKS; b++)
		ck_assert_msg(hits[b] > 0 && hits[b] <= PLANS, "block %u: %u", b, hits[b]);
	ck_assert_uint_eq(hits[0], PLANS);
	ck_assert_uint_eq(hits[BLOCKS - 1], PLANS);
}
END_TEST

START_TEST(a_sample_of_a_list_stays_in_the_list)
{
	struct extent_list runs = {0}, plan = {0};
	uint64_t blocks, outside;

	for (uint64_t i = 0; i < 3000; i++)
		ck_assert_int_eq(extent_list_add(&runs, (struct extent){i * 100, 1 + i % 20}), 0);
	blocks = extent_list_blocks(&runs);
	ck_assert_uint_gt(blocks, 20000);
	ck_assert_int_eq(sample_plan_of_list(&runs, &plan), 0);
	outside = extent_list_blocks(&plan) - extent_list_common_blocks(&plan, &runs);
	ck_assert_uint_eq(outside, 0);
	ck_assert_uint_ge(extent_list_blocks(&plan) * 10, blocks);
	ck_assert(has(&plan, 0));
	ck_assert(has(&plan, extent_end(runs.items[runs.count - 1]) - 1));
	extent_list_done(&plan);

	extent_list_clear(&runs);
	ck_assert_int_eq(sample_plan_of_list(&runs, &plan), 0);
	ck_assert_uint_eq(plan.count, 0);
	ck_assert_int_eq(extent_list_add(&runs, (struct extent){77, 9}), 0);
	ck_assert_int_eq(extent_list_add(&runs, (struct extent){99, 1}), 0);
	ck_assert_int_eq(sample_plan_of_list(&runs, &plan), 0);
	ck_assert(extent_list_is_equal(&runs, &plan));
	extent_list_done(&plan);
	extent_list_done(&runs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scheme and sample");
	TCase *tcase = tcase_create("tables and layouts");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_default_is_what_three_passes_means);
	tcase_add_test(tcase, the_table_is_sane);
	tcase_add_test(tcase, each_scheme_has_the_passes_of_its_document);
	tcase_add_test(tcase, complements_are_complements);
	tcase_add_test(tcase, a_sample_has_two_samples_in_each_of_a_thousand_sections);
	tcase_add_test(tcase, a_small_medium_is_read_in_full);
	tcase_add_test(tcase, no_place_is_never_sampled);
	tcase_add_test(tcase, a_sample_of_a_list_stays_in_the_list);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

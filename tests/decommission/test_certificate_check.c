/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_certificate_check.c - a certificate tells all that it was made from, and one that
 * contradicts itself is refused, however well it is signed
 *
 * Goal: Y1, Y3, and what certificate_check() promises.  Method: decoded and made again; then one
 * member after the other is changed, each in a way that nothing else of the certificate bears out.
 */
#include "tests/support/certificate_fixture.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct certificate_fixture fixture;
static struct json_object *certificate;
static struct problem problem;

static void make(void)
{
	json_object_put(certificate);
	ck_assert_int_eq(certificate_make(fixture.record, &fixture.verdict, &certificate), 0);
}

static void setup(void)
{
	certificate = NULL;
	certificate_fixture_init(&fixture);
	make();
	problem.text[0] = '\0';
}

static void teardown(void)
{
	json_object_put(certificate);
	certificate_fixture_done(&fixture);
}

static void assert_refused(const char *words)
{
	ck_assert_msg(certificate_check(certificate, &problem) == -EBADMSG, "%s", words);
	ck_assert_msg(strstr(problem.text, words) != NULL, "%s: %s", words, problem.text);
}

/* --- both ways --- */

/* fontconfig keeps what it read until the process ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfontconfig\n";
}

START_TEST(what_is_decoded_is_what_was_made)
{
	struct verdict *verdict = calloc(1, sizeof(*verdict));
	struct json_object *again;
	struct record *record;

	ck_assert_int_eq(certificate_decode(certificate, &record, verdict, &problem), 0);
	ck_assert_int_eq(certificate_make(record, verdict, &again), 0);
	ck_assert(json_object_equal(certificate, again));
	ck_assert_uint_eq(record->overwrite.took_ns, fixture.record->overwrite.took_ns);
	ck_assert_int_eq(memcmp(record->methods[0].status_after,
				 fixture.record->methods[0].status_after, METHOD_STATUS_BYTES),
		0);
	ck_assert_int_eq((int)record->approvals[0].person.uid, -1);
	json_object_put(again);
	record_free(record);
	free(verdict);
	ck_assert_int_eq(certificate_check(certificate, &problem), 0);
}
END_TEST

START_TEST(a_list_that_was_cut_is_no_contradiction)
{
	struct record_overwrite *o = &fixture.record->overwrite;

	extent_list_clear(&o->refused);
	for (uint64_t i = 0; i < 5000; i++)
		ck_assert_int_eq(extent_list_add(&o->refused, (struct extent){i * 10, 1}), 0);
	o->written_bytes = o->durable_bytes = o->read_bytes = o->requested_bytes - 5000 * 512;
	o->verified_bytes = o->read_bytes - 512;
	make();
	ck_assert_int_eq(certificate_check(certificate, &problem), 0);
}
END_TEST

/* A drive without a volume: its steps say that nothing was to be done, and never began. */
START_TEST(what_was_not_needed_never_began)
{
	struct record_progress *step = &fixture.record->steps[RECORD_SEARCH];

	step->state = RECORD_NOT_NEEDED;
	step->began_wall_s = 0;
	make();
	ck_assert_int_eq(certificate_check(certificate, &problem), 0);
	step->state = RECORD_DONE;
	make();
	assert_refused("never began");
}
END_TEST

/* A later minor version has members that we do not know. */
START_TEST(a_member_that_is_not_known_is_passed_over)
{
	json_object_object_add(certificate, "new", json_object_new_int(1));
	json_object_object_add(json_object_object_get(certificate, "media"), "colour",
		json_object_new_string("black"));
	ck_assert_int_eq(certificate_check(certificate, &problem), 0);
}
END_TEST

/* --- each contradiction --- */

static const struct {
	const char *path, *value; /* JSON; NULL: removed */
	const char *words;
} changes[] = {
	{"details.method", "\"Purge\"", "details.method"},
	{"details.technique", "\"NVMe Sanitize\"", "details.technique"},
	{"details.verification", "\"hcd\"", "details.verification"},
	{"details.tool", "\"another\"", "details.tool"},
	{"person.signature", "\"J. Gross\"", "person.signature"},
	{"validation.name", "\"somebody\"", "validation.name"},
	{"media.serial", "17", "serial"},
	{"media.serial", NULL, "serial"},
	{"media.bytes", "-1", "bytes"},
	{"media.bytes", "1000", "bytes requested"},
	{"media.type", "\"shiny\"", "type"},
	{"verdict.reached", "\"Destroy\"", "reached"},
	{"verdict.open", "[17]", "open"},
	{"began", "\"yesterday\"", "began"},
	{"began", "\"2026-02-31T00:00:00Z\"", "began"},
	{"steps", "[]", "steps"},
	{"approvals", "[]", "needed 1 approvals"},
	{"approvals_required", "5", "needed 5"},
	{"overwrite.verified_bytes", "4000787030016", "verified"},
	{"overwrite.durable_bytes", "4000787030016", "durable"},
	{"overwrite.written_bytes", "4000787030016", "refused"},
	{"overwrite.requested_bytes", "5000787030016", "requested"},
	{"overwrite.passes_ended", "4", "passes ended"},
	{"overwrite.refused.blocks", "2", "refused"},
	{"overwrite.refused.listed", "[[1000,2]]", "refused"},
	{"overwrite.refused.listed", "[[1000,2],[5000000001,1]]", "refused"},
	{"overwrite.mismatched.extents", "0", "mismatched"},
	{"methods.0.state", "\"done\"", "survived"},
	{"methods.0.witness.survived_blocks", "0", "witness"},
	{"methods.0.witness.survived_blocks", "3000", "surviving"},
	{"methods.0.status_before", "\"0g\"", "hexadecimal"},
	{"volumes.0.key_slots_destroyed", "3", "key slots"},
	{"volumes.1.header_backups_destroyed", "2", "header backups"},
	{"log", "{}", "log"},
};

static void change(const char *path, const char *value)
{
	char copy[128], *rest = copy, *name;
	struct json_object *at = certificate;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((name = strsep(&rest, ".")) != NULL && rest) {
		at = json_object_is_type(at, json_type_array)
			     ? json_object_array_get_idx(at, strtoul(name, NULL, 10))
			     : json_object_object_get(at, name);
		ck_assert_ptr_nonnull(at);
	}
	ck_assert_msg(json_object_object_get_ex(at, name, NULL), "%s", path);
	if (value)
		json_object_object_add(at, name, json_tokener_parse(value));
	else
		json_object_object_del(at, name);
}

START_TEST(each_contradiction_is_found)
{
	change(changes[_i].path, changes[_i].value);
	assert_refused(changes[_i].words);
}
END_TEST

/* --- the verdict --- */

static void claim(enum drive_sanitization reached)
{
	fixture.verdict.reached = reached;
	fixture.verdict.parts[1].reached = reached;
	make();
}

START_TEST(a_verdict_above_its_parts_is_refused)
{
	fixture.verdict.reached = DRIVE_CLEAR;
	make();
	assert_refused("best of its parts");
}
END_TEST

START_TEST(clear_needs_every_byte_on_a_medium_written_in_place)
{
	struct record_overwrite *o = &fixture.record->overwrite;

	claim(DRIVE_CLEAR);
	assert_refused("at most");
	extent_list_clear(&o->refused);
	extent_list_clear(&o->mismatched);
	o->written_bytes = o->durable_bytes = o->read_bytes = o->verified_bytes =
		o->requested_bytes;
	make();
	ck_assert_int_eq(certificate_check(certificate, &problem), 0);
	claim(DRIVE_PURGE);
	assert_refused("reaches Clear at most");
	claim(DRIVE_CLEAR);
	fixture.record->searches[1].hits = 1;
	make();
	assert_refused("found on the medium");
	fixture.record->searches[1].hits = 0;
	fixture.record->overwrite_promise = DRIVE_NEITHER;
	make();
	assert_refused("at most");
}
END_TEST

START_TEST(purge_needs_a_method_without_survivors)
{
	struct record_method *method = &fixture.record->methods[0];

	claim(DRIVE_PURGE);
	assert_refused("at most");
	method->state = METHOD_DONE;
	method->witness.survived = 0;
	method->witness.verdict = WITNESS_CHANGED;
	make();
	ck_assert_msg(certificate_check(certificate, &problem) == 0, "%s", problem.text);
	method->judged = false;
	make();
	assert_refused("at most");
}
END_TEST

/* Nothing that the verdict was judged from is missing in what is signed. */
START_TEST(judged_anew_from_what_is_signed_it_is_the_same)
{
	struct verdict *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));
	struct verdict *claimed = calloc(1, sizeof(*claimed));
	struct record_overwrite *o = &fixture.record->overwrite;
	struct record *record;

	if (_i == 1) {
		extent_list_clear(&o->refused);
		extent_list_clear(&o->mismatched);
		o->written_bytes = o->durable_bytes = o->read_bytes = o->verified_bytes =
			o->requested_bytes;
		fixture.record->method_count = 0;
		fixture.record->health_after[0] = '\0';
		fixture.record->unreadable_bytes = 0;
		fixture.record->searched_bytes = fixture.record->bytes;
	}
	verdict_judge(fixture.record, first);
	fixture.verdict = *first;
	make();
	ck_assert_msg(certificate_check(certificate, &problem) == 0, "%s", problem.text);
	ck_assert_int_eq(certificate_decode(certificate, &record, claimed, &problem), 0);
	verdict_judge(record, second);
	ck_assert_int_eq(first->reached, second->reached);
	ck_assert_int_eq(first->reached, _i == 1 ? DRIVE_CLEAR : DRIVE_NEITHER);
	ck_assert_str_eq(first->reason, second->reason);
	ck_assert_uint_eq(first->part_count, second->part_count);
	ck_assert_uint_eq(first->open_count, second->open_count);
	for (size_t i = 0; i < first->open_count; i++)
		ck_assert_str_eq(first->open[i], second->open[i]);
	record_free(record);
	free(first);
	free(second);
	free(claimed);
}
END_TEST

START_TEST(one_key_approves_once)
{
	fixture.record->approvals[1] = fixture.record->approvals[0];
	fixture.record->approval_count = 2;
	make();
	assert_refused("one key");
}
END_TEST

/* --- the page --- */

START_TEST(the_page_is_the_same_bytes_each_time)
{
	char *first, *second;
	size_t first_bytes, second_bytes;

	ck_assert_int_eq(
		certificate_render(certificate, "aa", &fixture.key, &first, &first_bytes, &problem),
		0);
	ck_assert_int_eq(certificate_render(
				 certificate, "aa", &fixture.key, &second, &second_bytes, &problem),
		0);
	ck_assert_uint_eq(first_bytes, second_bytes);
	ck_assert_int_eq(memcmp(first, second, first_bytes), 0);
	free(first);
	free(second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("certificate_check");
	TCase *tcase = tcase_create("check");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_decoded_is_what_was_made);
	tcase_add_test(tcase, a_list_that_was_cut_is_no_contradiction);
	tcase_add_test(tcase, what_was_not_needed_never_began);
	tcase_add_test(tcase, a_member_that_is_not_known_is_passed_over);
	tcase_add_loop_test(tcase, each_contradiction_is_found, 0, ARRAY_SIZE(changes));
	tcase_add_test(tcase, a_verdict_above_its_parts_is_refused);
	tcase_add_test(tcase, clear_needs_every_byte_on_a_medium_written_in_place);
	tcase_add_test(tcase, purge_needs_a_method_without_survivors);
	tcase_add_loop_test(tcase, judged_anew_from_what_is_signed_it_is_the_same, 0, 2);
	tcase_add_test(tcase, one_key_approves_once);
	tcase_add_test(tcase, the_page_is_the_same_bytes_each_time);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

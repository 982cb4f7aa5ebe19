/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_verify.c - is every change of a log found, and its place told?
 *
 * Goal: J1, J2 and J3 of log_verify.h.
 *
 * Method: good logs, then each single damage to them: every byte of every file of a small one
 * (three segments, the last one open), and of a log of a thousand records each record removed,
 * repeated, swapped with the next and cut off, and bytes sampled over all of it.  With
 * SPOOLGUARD_EVERY_BYTE=N in the environment every Nth byte of that one; 1 takes half an hour.
 *
 * What no signature covers is the text of a minisign file's untrusted comment.
 *
 * Time limit: 600 s
 */
#include "audit/log_verify.h"
#include "audit/log_format.h"
#include "tests/support/log_maker.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (4u << 20)
#define UNTRUSTED      "untrusted comment: "

static char directory[512];
static struct trust trusted;
static enum log_maker_fault head_2; /* of the logs that are made */
static struct log_verdict verdict;

static void make(uint64_t records, uint64_t per_segment, uint64_t drop, uint64_t step)
{
	const struct log_maker_options options = {.records = records,
		.records_per_segment = per_segment,
		.drop = drop,
		.head_2 = head_2,
		.clock_step_at = step};
	static unsigned int made;

	snprintf(directory, sizeof(directory), "%s/%d.%u", scratch_path(), (int)getpid(), made++);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	log_maker_make(directory, &options, &trusted);
}

static bool is_small(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0;
}

/* --- files --- */

/* A file as it was: its bytes are changed in place, and put back. */
struct file {
	char path[768];
	char *text; /* owned */
	size_t bytes;
};

static void load(struct file *file, const char *name)
{
	FILE *from;

	*file = (struct file){.bytes = 0};
	snprintf(file->path, sizeof(file->path), "%s/%s", directory, name);
	from = fopen(file->path, "r");
	ck_assert_ptr_nonnull(from);
	file->text = malloc(FILE_BYTES_MAX);
	file->bytes = fread(file->text, 1, FILE_BYTES_MAX, from);
	fclose(from);
}

static void load_segment(struct file *file, uint64_t segment)
{
	char name[LOG_NAME_BYTES], path[LOG_NAME_BYTES + 8];

	snprintf(path, sizeof(path), "audit/%s", log_file_name(LOG_SEGMENT_FILE, segment, name));
	load(file, path);
}

static void store(const struct file *file, const void *text, size_t bytes)
{
	FILE *to = fopen(file->path, "w");

	ck_assert_ptr_nonnull(to);
	ck_assert_uint_eq(fwrite(text, 1, bytes, to), bytes);
	ck_assert_int_eq(fclose(to), 0);
}

static void restore(struct file *file)
{
	store(file, file->text, file->bytes);
}

static void drop(struct file *file)
{
	free(file->text);
}

static void change_byte(const struct file *file, size_t at, char byte)
{
	FILE *to = fopen(file->path, "r+");

	ck_assert_ptr_nonnull(to);
	ck_assert_int_eq(fseek(to, (long)at, SEEK_SET), 0);
	ck_assert_int_eq(fputc(byte, to), (unsigned char)byte);
	ck_assert_int_eq(fclose(to), 0);
}

/* --- verdicts --- */

static void verify(void)
{
	char path[768];
	struct problem problem = {""};
	int r;

	snprintf(path, sizeof(path), "%s/audit", directory);
	log_verdict_done(&verdict);
	r = log_verify(path, NULL, &trusted, &verdict, &problem);
	if (r < 0)
		ck_abort_msg("%s", problem_text(&problem, r));
}

static const char *first_text(void)
{
	return verdict.count > 0 ? verdict.findings[0].text : "(nothing)";
}

static bool is_found(enum log_finding_kind kind, uint64_t segment, uint64_t sequence)
{
	for (size_t i = 0; i < verdict.count; i++) {
		if (verdict.findings[i].kind == kind && verdict.findings[i].segment == segment &&
			verdict.findings[i].sequence == sequence)
			return true;
	}
	return false;
}

static void expect(enum log_finding_kind kind, uint64_t segment, uint64_t sequence)
{
	verify();
	if (!is_found(kind, segment, sequence))
		ck_abort_msg("no \"%s\" in segment %" PRIu64 ", record %" PRIu64 "; %zu findings, "
			     "the first: %s, segment %" PRIu64 ", record %" PRIu64 ": %s",
			log_finding_name(kind), segment, sequence, verdict.count,
			verdict.count ? log_finding_name(verdict.findings[0].kind) : "none",
			verdict.count ? verdict.findings[0].segment : 0,
			verdict.count ? verdict.findings[0].sequence : 0, first_text());
	ck_assert(!verdict.good);
}

static void expect_good(void)
{
	verify();
	if (!verdict.good)
		ck_abort_msg("%s", first_text());
}

/* --- good logs --- */

START_TEST(a_good_log_is_good_and_counted)
{
	make(1000, 150, 0, 0);
	expect_good();
	ck_assert_uint_eq(verdict.records, 1000);
	ck_assert_uint_eq(verdict.first_sequence, 1);
	ck_assert_uint_eq(verdict.last_sequence, 1000);
	ck_assert_uint_eq(verdict.segments, 7);
	ck_assert_uint_eq(verdict.closed_segments, 6);
	ck_assert_uint_eq(verdict.dropped_segments, 0);
	ck_assert_uint_eq(verdict.signed_up_to, 900);
	ck_assert_uint_eq(verdict.clock_steps, 0);
	ck_assert(verdict.root_enrolled && verdict.position_known);
	ck_assert_uint_eq(verdict.torn_bytes, 0);
}
END_TEST

START_TEST(what_rotation_dropped_is_no_fault_if_a_record_names_it)
{
	struct file segment;
	char *at;

	make(300, 50, 2, 0);
	expect_good();
	ck_assert_uint_eq(verdict.dropped_segments, 2);
	ck_assert_uint_eq(verdict.first_sequence, 101);
	ck_assert_uint_eq(verdict.records, 200);

	load_segment(&segment, 3); /* a third one is dropped by somebody else */
	ck_assert_int_eq(unlink(segment.path), 0);
	expect(LOG_FILE_MISSING, 3, 0);
	restore(&segment);
	drop(&segment);

	load_segment(&segment, 6); /* a record that names less */
	at = memmem(segment.text, segment.bytes, "\"segment\":2", 11);
	ck_assert_ptr_nonnull(at);
	change_byte(&segment, (size_t)(at - segment.text) + 10, '1');
	verify();
	ck_assert(is_found(LOG_FILE_MISSING, 2, 0));
	drop(&segment);
}
END_TEST

START_TEST(a_clock_that_was_set_is_told_and_is_no_fault)
{
	make(100, 40, 0, 57);
	expect_good();
	ck_assert_uint_eq(verdict.clock_steps, 1);
}
END_TEST

START_TEST(a_line_that_a_crash_tore_is_no_fault_unless_it_was_durable)
{
	struct file segment, position;
	char end[20];

	make(100, 40, 0, 0);
	load_segment(&segment, 3);
	load(&position, LOG_POSITION_NAME);
	memcpy(end, segment.text + segment.bytes - 20, 20);
	/* Half of record 101 stands there, of which nothing is known. */
	memcpy(segment.text + segment.bytes, segment.text, 20);
	store(&segment, segment.text, segment.bytes + 20);
	expect_good();
	ck_assert_uint_eq(verdict.torn_bytes, 20);
	ck_assert_int_eq(unlink(position.path), 0);
	expect(LOG_CUT, 3, 101);
	restore(&position);

	/* Zeros, and the end of another line. */
	memset(segment.text + segment.bytes, 0, 100);
	segment.text[segment.bytes + 100] = '\n';
	store(&segment, segment.text, segment.bytes + 101);
	expect_good();
	ck_assert_uint_eq(verdict.torn_bytes, 101);
	/* The same, where it was durable. */
	memset(segment.text + segment.bytes - 20, 0, 10);
	store(&segment, segment.text, segment.bytes);
	expect(LOG_NO_RECORD, 3, 100);
	memcpy(segment.text + segment.bytes - 20, end, 20);

	/* Half of record 100, which audit-position has. */
	store(&segment, segment.text, segment.bytes - 20);
	expect(LOG_CUT, 3, 100);
	drop(&segment);
	drop(&position);
}
END_TEST

START_TEST(a_head_whose_signature_is_not_written_yet_is_no_head)
{
	struct file head, signature, segment;

	make(100, 50, 0, 0);
	load(&signature, "audit/head-00000001.json.minisig");
	load_segment(&segment, 2);
	load(&head, LOG_POSITION_NAME);
	ck_assert_int_eq(unlink(segment.path), 0); /* the next segment is not begun */
	ck_assert_int_eq(unlink(signature.path), 0);
	ck_assert_int_eq(unlink(head.path), 0);
	expect_good();
	ck_assert_uint_eq(verdict.closed_segments, 0);
	restore(&signature);
	expect_good();
	ck_assert_uint_eq(verdict.closed_segments, 1);
	restore(&segment);
	ck_assert_int_eq(unlink(signature.path), 0); /* it was begun */
	expect(LOG_FILE_MISSING, 1, 0);
	drop(&head);
	drop(&signature);
	drop(&segment);
}
END_TEST

/* --- keys --- */

START_TEST(another_device_or_another_beginning_is_refused)
{
	struct trust mine, others;

	make(10, 5, 0, 0);
	others = trusted;
	make(100, 40, 0, 0);
	mine = trusted;

	trusted = others;
	expect(LOG_KEY, 0, 0);
	ck_assert_uint_eq(verdict.signed_up_to, 0);
	trusted.has_log_root = false;
	expect(LOG_KEY, 0, 0);

	trusted = mine;
	trusted.log_root = others.log_root; /* a log that was begun anew after a theft of keys */
	expect(LOG_KEY, 0, 0);
	ck_assert(!verdict.root_enrolled);
	ck_assert_uint_eq(verdict.signed_up_to, 0);

	trusted.has_log_root = false;
	expect_good();
	ck_assert(!verdict.root_enrolled);
	ck_assert_uint_eq(verdict.signed_up_to, 80);
	trusted = mine;
}
END_TEST

START_TEST(removed_and_swapped_heads_are_found)
{
	static const char *const names[] = {"audit/log.json", "audit/log.json.minisig",
		"audit/head-00000001.json", "audit/head-00000001.json.minisig",
		"audit/head-00000002.json", "audit/head-00000002.json.minisig"};
	static const uint64_t segments[] = {0, 0, 1, 1, 2, 2};
	struct file files[6];

	make(100, 40, 0, 0);
	for (size_t i = 0; i < 6; i++)
		load(&files[i], names[i]);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_int_eq(unlink(files[i].path), 0);
		expect(LOG_FILE_MISSING, segments[i], 0);
		restore(&files[i]);
	}
	for (size_t i = 2; i < 4; i++) {
		store(&files[i], files[i + 2].text, files[i + 2].bytes);
		store(&files[i + 2], files[i].text, files[i].bytes);
	}
	expect(LOG_HEAD, 1, 0);
	ck_assert_uint_eq(verdict.signed_up_to, 0);
	for (size_t i = 0; i < 6; i++) {
		restore(&files[i]);
		drop(&files[i]);
	}
	expect_good();
}
END_TEST

START_TEST(a_head_of_the_right_key_has_to_fit_too)
{
	for (head_2 = LOG_MAKER_OTHER_LOG; head_2 <= LOG_MAKER_OTHER_FIRST; head_2++) {
		make(100, 20, 0, 0);
		expect(LOG_HEAD, 2, 0);
	}
	head_2 = LOG_MAKER_OTHER_SHA256;
	make(100, 20, 0, 0);
	expect(LOG_CHANGED, 2, 0);
	head_2 = LOG_MAKER_NO_FAULT;
}
END_TEST

START_TEST(a_removed_segment_is_found)
{
	struct file segment;

	make(100, 20, 0, 0); /* five segments */
	for (uint64_t i = 1; i <= 4; i++) {
		load_segment(&segment, i);
		ck_assert_int_eq(unlink(segment.path), 0);
		expect(LOG_FILE_MISSING, i, 0);
		restore(&segment);
		drop(&segment);
	}
	load_segment(&segment, 5); /* the open one: its end is known by audit-position */
	ck_assert_int_eq(unlink(segment.path), 0);
	expect(LOG_CUT, 4, 81);
	drop(&segment);
}
END_TEST

START_TEST(audit_position_that_does_not_fit_is_found)
{
	struct file position;
	char *at;

	make(100, 40, 0, 0);
	load(&position, LOG_POSITION_NAME);
	at = strstr(position.text, "\"sequence\":100");
	ck_assert_ptr_nonnull(at);
	change_byte(&position, (size_t)(at - position.text) + 11, '2');
	expect(LOG_CUT, 3, 101);
	restore(&position);
	for (size_t i = 0; i < position.bytes; i++) {
		change_byte(&position, i, position.text[i] == '9' ? '8' : '9');
		verify();
		/* In which segment it was is for people; the record is known by number and digest.
		 */
		if (verdict.good && !memmem(position.text + i - 10, 20, "\"segment\"", 9))
			ck_abort_msg("a change of byte %zu of audit-position is not found", i);
		change_byte(&position, i, position.text[i]);
	}
	expect_good();
	ck_assert_int_eq(unlink(position.path), 0);
	expect_good();
	ck_assert(!verdict.position_known);
	drop(&position);
}
END_TEST

/* --- every byte --- */

static bool is_untrusted_comment(const struct file *file, size_t at)
{
	size_t from = strlen(UNTRUSTED), to;

	if (!strstr(file->path, LOG_SIGNATURE_END))
		return false;
	to = (size_t)((char *)memchr(file->text, '\n', file->bytes) - file->text);
	return at >= from && at < to;
}

static void change_every_byte(struct file *file, size_t from, size_t step)
{
	for (size_t i = from; i < file->bytes; i += step) {
		char byte = file->text[i];

		if (is_untrusted_comment(file, i))
			continue;
		change_byte(file, i, byte == '0' ? '1' : byte == 'a' ? 'b' : byte ^ 1);
		verify();
		if (verdict.good)
			ck_abort_msg("%s: a change of byte %zu is not found", file->path, i);
		change_byte(file, i, byte);
	}
}

/* As above, and the record and its line are named. */
static void change_records(uint64_t segment, uint64_t first, size_t from, size_t step)
{
	uint64_t line = 1;
	struct file file;
	size_t at = 0;

	load_segment(&file, segment);
	for (size_t i = from; i < file.bytes; i += step) {
		bool is_named = false;
		char byte = file.text[i];

		for (; at < i; at++)
			line += file.text[at] == '\n';
		change_byte(&file, i, byte == '9' ? '0' : byte ^ 1);
		verify();
		for (size_t k = 0; k < verdict.count; k++)
			is_named |= verdict.findings[k].segment == segment &&
				    verdict.findings[k].sequence == first + line - 1;
		if (!is_named)
			ck_abort_msg(
				"segment %" PRIu64 ", line %" PRIu64
				", byte %zu ('%c'): not named; %zu findings, the first: record "
				"%" PRIu64 ": %s",
				segment, line, i, byte, verdict.count,
				verdict.count ? verdict.findings[0].sequence : 0, first_text());
		change_byte(&file, i, byte);
	}
	drop(&file);
}

START_TEST(every_byte_of_a_small_log_counts)
{
	static const char *const names[] = {"audit/log.json", "audit/log.json.minisig",
		"audit/head-00000001.json", "audit/head-00000001.json.minisig",
		"audit/head-00000002.json", "audit/head-00000002.json.minisig"};
	size_t step = is_small() ? 29 : 1;
	struct file file;

	make(30, 12, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		load(&file, names[i]);
		change_every_byte(&file, 0, step);
		drop(&file);
	}
	change_records(1, 1, 0, step);
	change_records(2, 13, 0, step);
	change_records(3, 25, 0, step);
	expect_good();
}
END_TEST

START_TEST(bytes_all_over_a_large_log_count)
{
	const char *every = getenv("SPOOLGUARD_EVERY_BYTE");
	size_t step = every && atoi(every) > 0 ? (size_t)atoi(every) : is_small() ? 9973 : 997;

	make(1000, 150, 0, 0);
	for (uint64_t segment = 1; segment <= 7; segment++)
		change_records(segment, (segment - 1) * 150 + 1, segment % step, step);
	expect_good();
}
END_TEST

/* --- every record --- */

#define PER_SEGMENT 150u

/* A segment, line by line. */
struct lines {
	struct file file;
	uint64_t segment, first, count;
	char *at[PER_SEGMENT + 1]; /* the last: the end */
};

static void load_lines(struct lines *lines, uint64_t segment)
{
	char *at;

	load_segment(&lines->file, segment);
	lines->segment = segment;
	lines->first = (segment - 1) * PER_SEGMENT + 1;
	lines->count = 0;
	for (at = lines->file.text; at < lines->file.text + lines->file.bytes;
		at = strchr(at, '\n') + 1)
		lines->at[lines->count++] = at;
	lines->at[lines->count] = at;
}

/* Pieces from..to (numbers of lines) one after the other. */
static void store_pieces(const struct lines *lines, const size_t pieces[][2], size_t count)
{
	FILE *to = fopen(lines->file.path, "w");

	ck_assert_ptr_nonnull(to);
	for (size_t i = 0; i < count; i++) {
		const char *from = lines->at[pieces[i][0]];
		size_t bytes = (size_t)(lines->at[pieces[i][1]] - from);

		ck_assert_uint_eq(fwrite(from, 1, bytes, to), bytes);
	}
	ck_assert_int_eq(fclose(to), 0);
}

static void remove_record(const struct lines *lines, size_t i)
{
	const size_t pieces[][2] = {{0, i}, {i + 1, lines->count}};
	bool is_last = i + 1 == lines->count;

	store_pieces(lines, pieces, 2);
	expect(is_last ? LOG_CUT : LOG_MISSING, lines->segment, lines->first + i);
}

static void repeat_record(const struct lines *lines, size_t i)
{
	const size_t pieces[][2] = {{0, i + 1}, {i, lines->count}};

	store_pieces(lines, pieces, 2);
	expect(LOG_REPEATED, lines->segment, lines->first + i);
}

static void swap_records(const struct lines *lines, size_t i)
{
	const size_t pieces[][2] = {{0, i}, {i + 1, i + 2}, {i, i + 1}, {i + 2, lines->count}};

	if (i + 1 == lines->count)
		return;
	store_pieces(lines, pieces, 4);
	expect(LOG_SWAPPED, lines->segment, lines->first + i);
}

static void cut_off(const struct lines *lines, size_t i)
{
	const size_t pieces[][2] = {{0, i}};

	store_pieces(lines, pieces, 1);
	expect(LOG_CUT, lines->segment, lines->first + i);
}

START_TEST(every_record_removed_repeated_swapped_or_cut_off_is_named)
{
	void (*const damages[])(const struct lines *, size_t) = {
		remove_record, repeat_record, swap_records, cut_off};
	size_t step = is_small() ? 37 : 1;

	make(1000, PER_SEGMENT, 0, 0);
	for (uint64_t segment = 1; segment <= 7; segment++) {
		struct lines lines;

		load_lines(&lines, segment);
		for (size_t damage = 0; damage < ARRAY_SIZE(damages); damage++) {
			for (size_t i = 0; i < lines.count; i += step)
				damages[damage](&lines, i);
		}
		restore(&lines.file);
		drop(&lines.file);
	}
	expect_good();
}
END_TEST

START_TEST(each_of_several_changed_records_is_named)
{
	static const char link[] = "\"previous\":\"";
	struct lines lines;
	char *at;

	make(1000, PER_SEGMENT, 0, 0);
	load_lines(&lines, 2);
	at = lines.at[17] + 13; /* in its number */
	change_byte(&lines.file, (size_t)(at - lines.file.text), *at ^ 1);
	at = strstr(lines.at[40], "success");
	change_byte(&lines.file, (size_t)(at - lines.file.text), 'S');
	at = strstr(lines.at[60], link) + strlen(link);
	change_byte(&lines.file, (size_t)(at - lines.file.text), *at == '0' ? '1' : '0');
	at = strstr(lines.at[80], "\"role\":\"");
	change_byte(&lines.file, (size_t)(at - lines.file.text) + 9, '_');
	verify();
	ck_assert(is_found(LOG_CHANGED, 2, 168));
	ck_assert(is_found(LOG_NO_RECORD, 2, 191)); /* an outcome that there is not */
	ck_assert(is_found(LOG_CHANGED, 2, 211));
	ck_assert(is_found(LOG_CHANGED, 2, 231));
	ck_assert_uint_eq(verdict.count, 4);
	drop(&lines.file);
}
END_TEST

/* Who has no key and rewrites the chain from a record on. */
START_TEST(a_chain_that_was_made_anew_is_not_what_was_signed)
{
	struct file one, two;

	make(100, 40, 0, 0);
	load_segment(&one, 2);
	{
		char first[512];
		struct trust keep = trusted;

		snprintf(first, sizeof(first), "%s", directory);
		make(100, 40, 0, 0); /* the same records behind another log.json */
		load_segment(&two, 2);
		snprintf(directory, sizeof(directory), "%s", first);
		trusted = keep;
	}
	store(&one, two.text, two.bytes);
	verify();
	ck_assert(!verdict.good);
	ck_assert_uint_eq(verdict.findings[0].segment, 2);
	drop(&one);
	drop(&two);
}
END_TEST

START_TEST(what_cannot_be_looked_at_is_an_error_and_no_verdict)
{
	struct problem problem = {""};
	struct log_verdict none = {.findings = NULL};
	char path[768];

	make(10, 5, 0, 0);
	ck_assert_int_eq(
		log_verify("/nonexistent/audit", NULL, &trusted, &none, &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, "/nonexistent/audit"));
	snprintf(path, sizeof(path), "%s/audit", directory);
	ck_assert_int_eq(
		log_verify(path, "/nonexistent/position", &trusted, &none, &problem), -ENOENT);
	ck_assert_ptr_null(none.findings);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_verify");
	TCase *good = tcase_create("good"), *bad = tcase_create("bad");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(good, scratch_make_fast, scratch_remove);
	tcase_set_timeout(good, 60);
	tcase_add_test(good, a_good_log_is_good_and_counted);
	tcase_add_test(good, what_rotation_dropped_is_no_fault_if_a_record_names_it);
	tcase_add_test(good, a_clock_that_was_set_is_told_and_is_no_fault);
	tcase_add_test(good, a_line_that_a_crash_tore_is_no_fault_unless_it_was_durable);
	tcase_add_test(good, a_head_whose_signature_is_not_written_yet_is_no_head);
	tcase_add_test(good, what_cannot_be_looked_at_is_an_error_and_no_verdict);
	suite_add_tcase(suite, good);
	tcase_add_unchecked_fixture(bad, scratch_make_fast, scratch_remove);
	tcase_set_timeout(bad, 3600);
	tcase_add_test(bad, another_device_or_another_beginning_is_refused);
	tcase_add_test(bad, removed_and_swapped_heads_are_found);
	tcase_add_test(bad, a_head_of_the_right_key_has_to_fit_too);
	tcase_add_test(bad, a_removed_segment_is_found);
	tcase_add_test(bad, audit_position_that_does_not_fit_is_found);
	tcase_add_test(bad, every_byte_of_a_small_log_counts);
	tcase_add_test(bad, bytes_all_over_a_large_log_count);
	tcase_add_test(bad, every_record_removed_repeated_swapped_or_cut_off_is_named);
	tcase_add_test(bad, each_of_several_changed_records_is_named);
	tcase_add_test(bad, a_chain_that_was_made_anew_is_not_what_was_signed);
	suite_add_tcase(suite, bad);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

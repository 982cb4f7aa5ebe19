/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_damage.c - an audit log that is cut, torn, damaged or mixed up
 *
 * Goal: B2 and B3 of log.h.  A torn end is cut off and told; what was cut is missed; whatever else
 * does not fit is left as it is, and refused in words.
 *
 * Method: the open segment cut at every byte, damaged at every byte, its lines removed and
 * repeated, with zeros where data was not written; the other files removed, exchanged and changed.
 */
#include "tests/audit/log_fixture.h"

#define OPEN_SEGMENT "audit/segment-00000001.jsonl"

static char content[8192], position[LOG_POSITION_BYTES];
static size_t content_bytes, position_bytes;

static void read_file(const char *name, char *to, size_t room, size_t *ret_bytes)
{
	int fd = open(path_of(name), O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_read_to_end(fd, to, room, ret_bytes), 0);
	close(fd);
}

static void write_file(const char *name, const char *data, size_t bytes)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, data, bytes), 0);
	close(fd);
}

/* A log whose end is not its orderly stop; position: of its record so many before the newest. */
static void make_content(unsigned int behind)
{
	open_log();
	for (unsigned int i = 0; i < 5; i++) {
		add_and_commit("cups 1");
		if (i + 1 + behind == 5)
			read_file("audit-position", position, sizeof(position), &position_bytes);
	}
	read_file(OPEN_SEGMENT, content, sizeof(content), &content_bytes);
	close_log();
}

static void put_back(size_t bytes)
{
	write_file(OPEN_SEGMENT, content, bytes);
	write_file("audit-position", position, position_bytes);
}

static size_t lines_in(size_t bytes)
{
	size_t lines = 0;

	for (size_t i = 0; i < bytes; i++)
		lines += content[i] == '\n';
	return lines;
}

START_TEST(after_a_cut_at_any_byte_the_log_has_the_records_before_it_and_says_what_it_misses)
{
	make_content(2); /* of 6 records the position knows 4 */
	/* Each byte of the last record; of those before it some, unless who runs it has time. */
	for (size_t cut = 0; cut <= content_bytes;
		cut += stride() * (lines_in(cut) < 5 && !has_time() ? 11 : 1)) {
		const size_t lines = lines_in(cut);
		const bool torn = cut > 0 && content[cut - 1] != '\n';

		put_back(cut);
		open_log();
		ck_assert_uint_eq(
			walk(NULL, NULL), lines + 1 + (torn ? 1 : 0) + (lines < 4 ? 1 : 0));
		ck_assert_uint_eq(count_of("audit-recovered", "not finished"), torn ? 1 : 0);
		ck_assert_uint_eq(count_of("audit-recovered", "was cut"), lines < 4 ? 1 : 0);
		add_and_commit("cups 2");
		close_log();
		open_log();
		ck_assert_uint_le(count_of("audit-recovered", NULL), 2);
		close_log();
	}
}
END_TEST

START_TEST(a_byte_that_changed_is_never_taken_for_what_was_written)
{
	make_content(0);
	for (size_t at = 0; at < content_bytes; at += (has_time() ? 1 : 5) * stride()) {
		const char was = content[at];
		int r;

		content[at] ^= (char)(1 << at % 7);
		put_back(content_bytes);
		r = try_open();
		if (was == '\n' && at + 1 == content_bytes) {
			ck_assert_int_eq(r, 0); /* as if it had been cut */
			ck_assert_uint_eq(count_of("audit-recovered", "was cut"), 1);
		} else {
			ck_assert_msg(r == -EUCLEAN, "byte %zu: %d", at, r);
			ck_assert_ptr_nonnull(strstr(problem.text, "set-aside"));
		}
		close_log();
		content[at] = was;
	}
	/* It was left as it is. */
	content[10] ^= 1;
	put_back(content_bytes);
	ck_assert_int_eq(try_open(), -EUCLEAN);
	{
		char again[sizeof(content)];
		size_t bytes;

		read_file(OPEN_SEGMENT, again, sizeof(again), &bytes);
		ck_assert_uint_eq(bytes, content_bytes);
		ck_assert_int_eq(memcmp(again, content, bytes), 0);
	}
}
END_TEST

START_TEST(a_record_that_is_missing_repeated_or_swapped_is_not_passed_over)
{
	char *lines[8], again[sizeof(content)];
	size_t count = 0;

	make_content(0);
	for (char *at = content; at < content + content_bytes; at = strchr(at, '\n') + 1)
		lines[count++] = at;
	lines[count] = content + content_bytes;
	ck_assert_uint_eq(count, 6);
	memcpy(again, content, content_bytes);
	for (size_t i = 0; i + 1 < count; i++) { /* missing */
		const size_t bytes = (size_t)(lines[i + 1] - lines[i]);

		memmove(content + (lines[i] - content), lines[i + 1],
			(size_t)(lines[count] - lines[i + 1]));
		put_back(content_bytes - bytes);
		ck_assert_int_eq(try_open(), -EUCLEAN);
		memcpy(content, again, content_bytes);
		memmove(lines[i + 1], lines[i], (size_t)(lines[count] - lines[i])); /* repeated */
		put_back(content_bytes + bytes);
		ck_assert_int_eq(try_open(), -EUCLEAN);
		memcpy(content, again, content_bytes);
	}
}
END_TEST

/* Who rewrites the open segment can make its chain fit, and not its numbers. */
START_TEST(a_number_that_was_left_out_is_missed_though_the_chain_fits)
{
	for (uint64_t step = 0; step < 3; step++) {
		struct audit_record record;
		uint8_t digest[SHA256_BYTES];
		char *line;

		make_content(5);
		for (char *at = content, *end; (end = strchr(at, '\n')); at = end + 1) {
			ck_assert_int_eq(audit_record_decode(at, (size_t)(end - at), &record), 0);
			ck_assert_int_eq(hash_sha256(at, (size_t)(end - at) + 1, digest), 0);
			if (end + 1 < content + content_bytes)
				audit_record_done(&record);
			else
				break;
		}
		record.stamp.sequence += step; /* 1 is right */
		(void)hex_encode(digest, sizeof(digest), record.stamp.previous);
		ck_assert_int_eq(audit_record_encode(&record.event, &record.stamp, &line), 0);
		audit_record_done(&record);
		memcpy(content + content_bytes, line, strlen(line));
		put_back(content_bytes + strlen(line));
		free(line);
		ck_assert_int_eq(try_open(), step == 1 ? 0 : -EUCLEAN);
		close_log();
		ck_assert_int_eq(audit_log_set_aside(directory, &problem), 0);
	}
}
END_TEST

START_TEST(zeros_and_holes_of_a_group_that_was_not_acknowledged_are_cut_off)
{
	make_content(2);
	memset(content + content_bytes, 0, 1000);
	put_back(content_bytes + 1000); /* the file was longer before its data was there */
	open_log();
	ck_assert_uint_eq(count_of("audit-recovered", "1000 bytes"), 1);
	ck_assert_uint_eq(size_of_segment(1), state().bytes); /* nothing lies behind the end */
	ck_assert_uint_eq(count_of("job-retired", NULL), 5);
	close_log();
	for (size_t at = 0; at < content_bytes; at += 7) { /* a page of it was not written */
		const size_t lines = lines_in(at);
		char was[8];

		memcpy(was, content + at, sizeof(was));
		memset(content + at, 0, 5);
		put_back(content_bytes);
		if (lines < 4) {
			ck_assert_int_eq(try_open(), -EUCLEAN); /* it was acknowledged */
		} else {
			open_log();
			ck_assert_uint_le(count_of("job-retired", NULL), 5);
			ck_assert_uint_ge(count_of("job-retired", NULL), 3);
		}
		close_log();
		memcpy(content + at, was, sizeof(was));
	}
}
END_TEST

START_TEST(a_position_that_was_torn_keeps_nobody_from_opening)
{
	uint64_t unread = 0, tries = 0;

	make_content(0);
	for (size_t at = 0; at < LOG_POSITION_BYTES; at += 3 * stride(), tries++) {
		const char was = position[at];

		position[at] = was == 'x' ? 'y' : 'x';
		put_back(content_bytes);
		open_log();
		/* Not all: without the word "check" there is none. */
		unread += count_of("audit-recovered", "could not be read");
		ck_assert_uint_eq(count_of("audit-recovered", "was cut"), 0);
		close_log();
		ck_assert_uint_ge(read_position().sequence, 8);
		position[at] = was;
	}
	ck_assert_uint_ge(unread + 4, tries);
}
END_TEST

START_TEST(heads_keys_and_names_that_do_not_fit_are_left_as_they_are)
{
	static const char *const damages[] = {"rm head-00000001.json",
		"rm head-00000002.json.minisig", "rm log.json", "rm log.json.minisig",
		"rm segment-00000002.jsonl", "cp segment-00000003.jsonl segment-00000005.jsonl",
		"sed -i 's/\"records\":/\"records\":1/' head-00000002.json",
		"sed -i 's/Z\"/Z \"/' log.json",
		"cp head-00000001.json.minisig head-00000002.json.minisig",
		("cp head-00000001.json head-00000002.json; "
		 "cp head-00000001.json.minisig head-00000002.json.minisig"),
		"cat /dev/null >head-00000002.json"};

	char kept[300];

	open_log();
	for (int i = 0; i < 2; i++) {
		add("cups 1");
		ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
	}
	close_log();
	snprintf(kept, sizeof(kept), "%s.kept", directory);
	run("cp -r '%s' '%s'", directory, kept);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		run("cd '%s/audit' && %s", directory, damages[i]);
		ck_assert_msg(try_open() == -EUCLEAN, "%s", damages[i]);
		ck_assert_ptr_nonnull(strstr(problem.text, "set-aside"));
		run("rm -r '%s'; cp -r '%s' '%s'", directory, kept, directory);
	}
	{
		struct secret *seed = signer.log_seed;
		struct minisign_key key = signer.log_key;

		ck_assert_int_eq(minisign_key_new(&signer.log_seed, &signer.log_key), 0);
		ck_assert_int_eq(try_open(), -EUCLEAN);
		secret_free(signer.log_seed);
		signer.log_seed = seed;
		signer.log_key = key;
	}
	open_log();
}
END_TEST

START_TEST(links_are_not_followed)
{
	struct stat st;

	ck_assert_int_eq(symlink("/nonexistent", path_of("audit")), 0);
	ck_assert_int_lt(try_open(), 0);
	ck_assert_int_eq(unlink(path_of("audit")), 0);
	open_log();
	close_log();
	run("mv '%s/" OPEN_SEGMENT "' '%s/elsewhere'", directory, directory);
	ck_assert_int_eq(symlink("../elsewhere", path_of(OPEN_SEGMENT)), 0);
	ck_assert_int_eq(try_open(), -EUCLEAN);
	run("mv '%s/elsewhere' '%s/" OPEN_SEGMENT "'", directory, directory);
	ck_assert_int_eq(symlink("../target", path_of("audit/segment.next")), 0);
	open_log();
	ck_assert_int_lt(audit_log_close_segment(audit_log), 0);
	ck_assert_int_lt(stat(path_of("target"), &st), 0);
	ck_assert_int_eq(unlink(path_of("audit/segment.next")), 0);
	ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_damage");
	TCase *tc = tcase_create("damage");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tc, log_setup, log_teardown);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc,
		after_a_cut_at_any_byte_the_log_has_the_records_before_it_and_says_what_it_misses);
	tcase_add_test(tc, a_byte_that_changed_is_never_taken_for_what_was_written);
	tcase_add_test(tc, a_record_that_is_missing_repeated_or_swapped_is_not_passed_over);
	tcase_add_test(tc, a_number_that_was_left_out_is_missed_though_the_chain_fits);
	tcase_add_test(tc, zeros_and_holes_of_a_group_that_was_not_acknowledged_are_cut_off);
	tcase_add_test(tc, a_position_that_was_torn_keeps_nobody_from_opening);
	tcase_add_test(tc, heads_keys_and_names_that_do_not_fit_are_left_as_they_are);
	tcase_add_test(tc, links_are_not_followed);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_residue.c - the parts of "spoolguard check residue" that need no volume
 *
 * Goal: words are new each time, and found in the document in the clear; files, directories and
 * the memory of another process are searched to their ends; nothing counts as clean that was not
 * seen to be (H1, H2), and no word gets into what is said (H3).
 * Method: files in a directory of ours; a child that holds a word; reports filled by hand.
 */
#include "base/clock.h"
#include "base/io.h"
#include "cli/residue_scan.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[PATH_MAX];
static struct residue_canary *canary;
static struct search *search;
static struct residue_scan scan;
static struct residue_place place;

static void setup(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%s/test-residue.XXXXXX", base ? base : "/var/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(residue_canary_new(&canary), 0);
	ck_assert_int_eq(residue_canary_search(canary, &search), 0);
	scan = (struct residue_scan){.canary = canary, .search = search};
	ck_assert_int_eq(residue_scan_init(&scan), 0);
	place = (struct residue_place){.state = PLACE_CLEAN};
}

static void teardown(void)
{
	char command[PATH_MAX + 16];

	residue_scan_done(&scan);
	search_free(search);
	residue_canary_free(canary);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static const char *in(const char *name)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* A file with a word at a place in it. */
static void put(const char *name, enum canary_word word, off_t at, off_t length)
{
	_cleanup_secret_ struct secret *text = NULL;
	_cleanup_close_ int fd = open(in(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, length), 0);
	ck_assert_int_eq(residue_canary_reveal(canary, word, &text), 0);
	ck_assert_int_eq(io_pwrite(fd, secret_peek(text), CANARY_WORD_BYTES, (uint64_t)at), 0);
	ck_assert_int_eq(fsync(fd), 0);
}

/* --- words --- */

static uint64_t hits[CANARY_WORDS];

static void count(void *context, const struct search_hit *hit)
{
	(void)context;
	hits[hit->index]++;
}

static void search_bytes(const void *bytes, size_t length)
{
	struct search_stream *stream;

	memset(hits, 0, sizeof(hits));
	ck_assert_int_eq(search_stream_new(search, count, NULL, &stream), 0);
	search_stream_feed(stream, 0, bytes, length);
	search_stream_free(stream);
}

START_TEST(words_are_letters_and_new_each_time)
{
	struct residue_canary *other;

	ck_assert_int_eq(residue_canary_new(&other), 0);
	for (enum canary_word word = 0; word < CANARY_WORDS; word++) {
		_cleanup_secret_ struct secret *text = NULL, *another = NULL;
		const char *letters;

		ck_assert_int_eq(residue_canary_reveal(canary, word, &text), 0);
		ck_assert_int_eq(residue_canary_reveal(other, word, &another), 0);
		letters = (const char *)secret_peek(text);
		ck_assert_uint_eq(strlen(letters), CANARY_WORD_BYTES);
		ck_assert_uint_eq(strspn(letters, "abcdefghijklmnopqrstuvwxyz"), CANARY_WORD_BYTES);
		ck_assert_str_ne(letters, (const char *)secret_peek(another));
	}
	residue_canary_free(other);
}
END_TEST

START_TEST(the_document_shows_text_in_every_block_and_the_title)
{
	_cleanup_secret_ struct secret *document = NULL;
	size_t bytes;

	ck_assert_int_eq(residue_canary_document(canary, &document), 0);
	bytes = secret_size(document);
	ck_assert_uint_gt(bytes, 60000);
	ck_assert_int_eq(memcmp(secret_peek(document), "%PDF-1.4\n", 9), 0);
	ck_assert_int_eq(memcmp(secret_peek(document) + bytes - 6, "%%EOF\n", 6), 0);
	search_bytes(secret_peek(document), bytes);
	ck_assert_uint_gt(hits[CANARY_TEXT], 1000);
	ck_assert_uint_eq(hits[CANARY_TITLE], 1);
	for (size_t at = 0; at + 4096 <= bytes; at += 4096) {
		search_bytes(secret_peek(document) + at, 4096);
		ck_assert_uint_gt(hits[CANARY_TEXT], 0);
	}
}
END_TEST

/* What "startxref" names, and each line of the table, is where it says. */
START_TEST(the_table_of_the_document_is_right)
{
	_cleanup_secret_ struct secret *document = NULL;
	const char *text, *at;
	unsigned long table, offset;
	char expected[16];

	ck_assert_int_eq(residue_canary_document(canary, &document), 0);
	text = (const char *)secret_peek(document);
	at = memmem(text, secret_size(document), "startxref\n", 10);
	ck_assert_ptr_nonnull(at);
	table = strtoul(at + 10, NULL, 10);
	ck_assert_int_eq(memcmp(text + table, "xref\n0 6\n", 9), 0);
	for (unsigned int object = 1; object <= 5; object++) {
		offset = strtoul(text + table + 9 + 20 * (size_t)object, NULL, 10);
		snprintf(expected, sizeof(expected), "%u 0 obj\n", object);
		ck_assert_int_eq(memcmp(text + offset, expected, strlen(expected)), 0);
	}
	at = memmem(text, secret_size(document), "/Length ", 8);
	offset = strtoul(at + 8, NULL, 10);
	at = memmem(text, secret_size(document), "stream\n", 7);
	ck_assert_int_eq(memcmp(at + 7 + offset, "\nendstream\n", 11), 0);
}
END_TEST

/* --- files --- */

START_TEST(a_word_is_found_wherever_it_lies_in_a_file)
{
	const off_t meb = 1 << 20, length = 2 * meb + 100;
	const off_t at[] = {0, meb - 5, meb, length - (off_t)CANARY_WORD_BYTES};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		place = (struct residue_place){.state = PLACE_CLEAN};
		unlink(in("file"));
		put("file", CANARY_USER, at[i], length);
		ck_assert_int_eq(residue_scan_file(&scan, &place, in("file")), 0);
		ck_assert_int_eq(place.state, PLACE_FOUND);
		ck_assert_uint_eq(place.hits[CANARY_USER], 1);
		ck_assert_uint_eq(place.examples[0].offset, (uint64_t)at[i]);
		ck_assert_uint_eq(place.bytes, (uint64_t)length);
	}
}
END_TEST

START_TEST(a_file_that_is_not_there_has_nothing_and_one_that_cannot_be_read_is_not_clean)
{
	ck_assert_int_eq(residue_scan_file(&scan, &place, in("none")), 0);
	ck_assert_int_eq(place.state, PLACE_CLEAN);
	ck_assert_int_eq(symlink("/etc/hostname", in("link")), 0);
	ck_assert_int_eq(residue_scan_file(&scan, &place, in("link")), 0);
	ck_assert_int_eq(place.state, PLACE_NOT_SEARCHED);
	ck_assert_ptr_nonnull(strstr(place.why, "link"));
	place = (struct residue_place){.state = PLACE_CLEAN};
	ck_assert_int_eq(residue_scan_file(&scan, &place, "/dev/null"), 0);
	ck_assert_int_eq(place.state, PLACE_NOT_SEARCHED);
}
END_TEST

START_TEST(directories_are_searched_to_their_leaves)
{
	ck_assert_int_eq(mkdir(in("a"), 0700), 0);
	ck_assert_int_eq(mkdir(in("a/b"), 0700), 0);
	ck_assert_int_eq(mkdir(in(".hidden"), 0700), 0);
	put("a/b/leaf", CANARY_TITLE, 10, 100);
	put(".hidden/leaf", CANARY_TITLE, 10, 100);
	ck_assert_int_eq(symlink("/", in("a/away")), 0);
	ck_assert_int_eq(residue_scan_tree(&scan, &place, directory, 0), 0);
	ck_assert_uint_eq(place.hits[CANARY_TITLE], 2);
	ck_assert_uint_eq(place.things, 2);

	place = (struct residue_place){.state = PLACE_CLEAN};
	scan.skip_hidden = true;
	ck_assert_int_eq(residue_scan_tree(&scan, &place, directory, 0), 0);
	ck_assert_uint_eq(place.hits[CANARY_TITLE], 1);

	place = (struct residue_place){.state = PLACE_CLEAN};
	ck_assert_int_eq(residue_scan_tree(&scan, &place, directory, clock_wall_s() + 3600), 0);
	ck_assert_uint_eq(place.things, 0);
}
END_TEST

START_TEST(no_word_is_in_what_is_said_of_a_path)
{
	_cleanup_secret_ struct secret *text = NULL;
	char where[RESIDUE_WHERE_BYTES];

	ck_assert_int_eq(residue_canary_reveal(canary, CANARY_TITLE, &text), 0);
	put((const char *)secret_peek(text), CANARY_TEXT, 0, 100);
	ck_assert_int_eq(residue_scan_tree(&scan, &place, directory, 0), 0);
	ck_assert_uint_eq(place.example_count, 1);
	ck_assert_ptr_null(strstr(place.examples[0].where, (const char *)secret_peek(text)));
	residue_scan_path(&scan, in((const char *)secret_peek(text)), where);
	search_bytes(where, strlen(where));
	ck_assert_uint_eq(hits[CANARY_TITLE], 0);
}
END_TEST

static bool stop(void *context, const struct progress *progress)
{
	(void)context, (void)progress;
	return true;
}

START_TEST(whoever_watches_may_stop_it)
{
	const struct progress_sink sink = {.report = stop};

	put("file", CANARY_TEXT, 0, 100);
	scan.sink = &sink;
	ck_assert_int_eq(residue_scan_file(&scan, &place, in("file")), -ECANCELED);
}
END_TEST

START_TEST(a_rate_is_kept)
{
	uint64_t began_ns;

	put("file", CANARY_TEXT, 0, 2 << 20);
	scan.rate_bytes = 4 << 20;
	scan.began_ns = began_ns = clock_monotonic_ns();
	ck_assert_int_eq(residue_scan_file(&scan, &place, in("file")), 0);
	ck_assert_uint_ge(clock_monotonic_ns() - began_ns, 490000000u);
}
END_TEST

/* --- memory --- */

/* A child that has the word in its heap, or once had it, and waits to be killed. */
static pid_t start_child(bool wipes, int *ret_fd)
{
	int ready[2];
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct secret *text;
		char *copy = malloc(300000); /* a region of its own */

		if (!copy || residue_canary_reveal(canary, CANARY_TEXT, &text) < 0)
			_exit(1);
		memcpy(copy + 200000, secret_peek(text), CANARY_WORD_BYTES);
		secret_free(text);
		if (wipes)
			secret_wipe(copy, 300000);
		search_free(search); /* copies that it has from us */
		residue_scan_done(&scan);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[1]);
	*ret_fd = ready[0];
	return pid;
}

static void end_child(pid_t pid, int fd)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

START_TEST(a_word_in_another_process_is_found_and_one_that_was_wiped_is_not)
{
	for (int wipes = 0; wipes < 2; wipes++) {
		int fd;
		pid_t pid = start_child(wipes, &fd);

		place = (struct residue_place){.state = PLACE_CLEAN};
		ck_assert_int_eq(residue_scan_memory(&scan, &place, pid, "child"), 0);
		end_child(pid, fd);
		ck_assert_uint_gt(place.bytes, 300000);
		ck_assert_msg(place.hits[CANARY_TEXT] == (wipes ? 0 : 1), "%s: %d times",
			wipes ? "wiped" : "kept", (int)place.hits[CANARY_TEXT]);
	}
}
END_TEST

START_TEST(our_own_memory_is_not_searched_and_no_process_is_no_pass)
{
	ck_assert_int_eq(residue_scan_memory(&scan, &place, getpid(), "we"), 0);
	ck_assert_uint_eq(place.bytes, 0);
	ck_assert_int_eq(residue_scan_memory(&scan, &place, 0x3fffffff, "nobody"), 0);
	ck_assert_int_eq(place.state, PLACE_NOT_SEARCHED);
}
END_TEST

/* --- the verdict --- */

static struct residue_report good(void)
{
	struct residue_report report = {.is_planted = true, .is_retired = true};

	report.seen[CANARY_TEXT] = 16;
	return report;
}

START_TEST(clean_needs_everything)
{
	struct residue_report report = good();

	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_IS_CLEAN);
	report.seen[CANARY_TEXT] = 0;
	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_UNKNOWN);
	report = good();
	report.is_planted = false;
	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_UNKNOWN);
	report = good();
	report.is_interrupted = true;
	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_UNKNOWN);
	report = good();
	residue_reason(&report, "something");
	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_UNKNOWN);
	report = good();
	report.is_retired = false;
	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_NOT_RETIRED);
}
END_TEST

START_TEST(each_place_that_counts_decides_and_no_other)
{
	const struct search_hit hit = {.index = CANARY_USER};

	for (enum residue_place_name name = 0; name < PLACES; name++) {
		struct residue_report report = good();
		bool counts = residue_place_is_judged(name);

		residue_place_fail(&report.places[name], "why");
		ck_assert_int_eq(
			residue_verdict_of(&report), counts ? RESIDUE_UNKNOWN : RESIDUE_IS_CLEAN);
		residue_place_hit(&report.places[name], &hit, "there");
		ck_assert_int_eq(
			residue_verdict_of(&report), counts ? RESIDUE_IS_FOUND : RESIDUE_IS_CLEAN);
		report = good();
		report.places[name].state = PLACE_LEFT_OUT;
		ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_IS_CLEAN);
	}
}
END_TEST

START_TEST(what_is_found_outweighs_what_cannot_be_told)
{
	const struct search_hit hit = {.index = CANARY_TEXT};
	struct residue_report report = good();

	residue_reason(&report, "something");
	report.is_retired = false;
	residue_place_hit(&report.places[PLACE_MEDIUM], &hit, "there");
	ck_assert_int_eq(residue_verdict_of(&report), RESIDUE_IS_FOUND);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, words_are_letters_and_new_each_time);
	tcase_add_test(tcase, the_document_shows_text_in_every_block_and_the_title);
	tcase_add_test(tcase, the_table_of_the_document_is_right);
	tcase_add_test(tcase, a_word_is_found_wherever_it_lies_in_a_file);
	tcase_add_test(tcase,
		a_file_that_is_not_there_has_nothing_and_one_that_cannot_be_read_is_not_clean);
	tcase_add_test(tcase, directories_are_searched_to_their_leaves);
	tcase_add_test(tcase, no_word_is_in_what_is_said_of_a_path);
	tcase_add_test(tcase, whoever_watches_may_stop_it);
	tcase_add_test(tcase, a_rate_is_kept);
	tcase_add_test(tcase, a_word_in_another_process_is_found_and_one_that_was_wiped_is_not);
	tcase_add_test(tcase, our_own_memory_is_not_searched_and_no_process_is_no_pass);
	tcase_add_test(tcase, clean_needs_everything);
	tcase_add_test(tcase, each_place_that_counts_decides_and_no_other);
	tcase_add_test(tcase, what_is_found_outweighs_what_cannot_be_told);
}

int main(void)
{
	Suite *suite = suite_create("residue");
	TCase *tcase = tcase_create("residue");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

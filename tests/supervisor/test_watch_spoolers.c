/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_watch_spoolers.c - watched directories under spoolers as they are: SANE, HylaFAX, and a
 * crowd
 *
 * Goal: docs/WATCHED-DIRECTORIES.md is true: with its configuration each of these leaves jobs, each
 * once and none too early, and does what it does without us.  Method: scanimage itself where it is
 * installed; HylaFAX's calls in their order (hfaxd, faxq, faxgetty, faxqclean of 6.0.7), which need
 * a modem; thousands of files.
 */
#include "tests/supervisor/watch_fixture.h"
#include <sys/file.h>
#include <sys/resource.h>

static void setup_volume(void)
{
	attach_volume_of("128M");
}

static bool has(const char *program)
{
	char line[64];

	snprintf(line, sizeof(line), "command -v %s >/dev/null", program);
	return system(line) == 0;
}

/* In the spool. */
static void shell(const char *words)
{
	char line[2 * PATH_MAX];

	snprintf(line, sizeof(line), "cd '%s' && %s", mount_point, words);
	ck_assert_msg(system(line) == 0, "%s", line);
}

/* --- SANE --- */

/* What scanimage --batch does: openat NAME.part, written page by page, closed, renamed. */
static void scan(const char *name)
{
	char part[128];
	int fd;

	snprintf(part, sizeof(part), "%s.part", name);
	fd = open(in_spool(part), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ck_assert_int_ge(fd, 0);
	for (int band = 0; band < 5; band++) {
		ck_assert_int_eq(io_write(fd, MARK, sizeof(MARK)), 0);
		pause_ms(80);
	}
	close(fd);
	move(part, name);
}

START_TEST(pages_that_nobody_collects_are_retired_when_they_have_settled)
{
	make_directory("scan");
	strcpy(add_watch("scan", "scan", false)->pattern, "!(*.part)");
	start_watcher();
	scan("scan/out1.pnm");
	scan("scan/out2.pnm");
	await_seen(2);
	ck_assert_uint_eq(count_names("scan"), 0);
	retire_all(2);
	ck_assert_uint_eq(count_marks(MARK), 0);
}
END_TEST

START_TEST(pages_that_a_script_sends_on_and_removes_are_retired_then)
{
	make_directory("scan");
	add_watch("scan", "scan", true);
	start_watcher();
	scan("scan/out1.pnm");
	scan("scan/out2.pnm");
	ck_assert_uint_eq(names_of("scan/out1.pnm"), 2);
	shell("cat scan/out1.pnm scan/out2.pnm >scan/all.pdf && rm scan/out1.pnm scan/out2.pnm");
	await_seen(2);
	retire_all(2);
	shell("rm scan/all.pdf");
	await_seen(1);
	retire_all(1);
	ck_assert_uint_eq(count_marks(MARK), 0);
}
END_TEST

START_TEST(scanimage_itself_leaves_one_job_for_each_page)
{
	if (!has("scanimage")) {
		printf("(scanimage is not installed: its calls are made by the tests beside)\n");
		return;
	}
	make_directory("scan");
	make_directory("fetched");
	strcpy(add_watch("scan", "scan", false)->pattern, "!(*.part)");
	add_watch("fetched", "fetched", true);
	start_watcher();
	shell("scanimage -d test --resolution 75 --batch=scan/out%d.pnm --batch-count=3 "
	      "2>/dev/null");
	await_seen(3);
	retire_all(3);
	shell("scanimage -d test --resolution 75 --batch=fetched/%d.pnm --batch-count=3 "
	      "2>/dev/null");
	await(names_of("fetched/3.pnm") == 2);
	ck_assert_uint_eq(count_pending("fetched"), 3);
	shell("rm fetched/*");
	await_seen(3);
	retire_all(3);
}
END_TEST

/* --- HylaFAX --- */

/* The configuration of docs/WATCHED-DIRECTORIES.md. */
static void make_fax(void)
{
	static const char *const directories[] = {
		"fax", "fax/docq", "fax/sendq", "fax/doneq", "fax/recvq", "fax/tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		make_directory(directories[i]);
	strcpy(add_watch("fax-received", "fax/recvq", true)->pattern, "fax*.tif");
	strcpy(add_watch("fax-send", "fax/sendq", true)->pattern, "q*");
	strcpy(add_watch("fax-done", "fax/doneq", true)->pattern, "q*");
	start_watcher();
}

static void write_sequence(const char *name)
{
	int fd = open(in_spool(name), O_RDWR | O_CREAT, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(io_write(fd, "17", 2), 0);
	close(fd);
}

/* faxgetty: created, locked, written while the call lasts, mode set at its end; faxrcvd mails it.
 */
START_TEST(a_received_fax_is_retired_when_it_is_removed_from_recvq)
{
	int fd;

	make_fax();
	write_sequence("fax/recvq/seqf");
	fd = open(in_spool("fax/recvq/fax00017.tif"), O_RDWR | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	for (int page = 0; page < 3; page++) {
		ck_assert_int_eq(io_write(fd, MARK, sizeof(MARK)), 0);
		pause_ms(200);
	}
	close(fd);
	ck_assert_int_eq(chmod(in_spool("fax/recvq/fax00017.tif"), 0640), 0);
	pause_ms(700);
	ck_assert_uint_eq(seen(), 0); /* it stays until faxcron or a person removes it */
	ck_assert_uint_eq(names_of("fax/recvq/fax00017.tif"), 2);
	drop("fax/recvq/fax00017.tif");
	await_seen(1);
	retire_all(1);
	ck_assert_uint_eq(count_marks(MARK), 0);
	ck_assert_uint_eq(names_of("fax/recvq/seqf"), 1);
}
END_TEST

/*
 * sendfax, hfaxd: the document comes as tmp/doc17.ps, is linked to docq/doc17.ps.17 for job 17, and
 * loses its first name when the client leaves.  faxq images it beside and renames sendq/q17 to
 * doneq/q17 at the end.  faxqclean unlinks q17, and later the document, if it has one link: docq
 * must not be watched.
 */
START_TEST(a_sent_fax_leaves_its_job_file_and_its_document_without_a_trace)
{
	make_fax();
	write_sequence("fax/sendq/seqf");
	put("fax/tmp/doc17.ps");
	ck_assert_int_eq(link(in_spool("fax/tmp/doc17.ps"), in_spool("fax/docq/doc17.ps.17")), 0);
	put("fax/sendq/q17");
	drop("fax/tmp/doc17.ps");
	put("fax/docq/doc17.ps;1a"); /* imaged */
	await(names_of("fax/sendq/q17") == 2);

	drop("fax/docq/doc17.ps;1a");
	move("fax/sendq/q17", "fax/doneq/q17");
	pause_ms(700);
	ck_assert_uint_eq(seen(), 0);
	ck_assert_uint_eq(names_of("fax/doneq/q17"), 2);
	drop("fax/doneq/q17");
	await_seen(1);
	ck_assert_uint_eq(count_pending("fax-send"), 1);
	ck_assert_uint_eq(count_pending("fax-done"), 0);
	ck_assert_uint_eq(names_of("fax/docq/doc17.ps.17"), 1); /* what faxqclean looks at */
	drop("fax/docq/doc17.ps.17");
	/* What was freed by others goes with the barrier of the next job. */
	retire_all(1);
	ck_assert_uint_eq(count_marks(MARK), 0);
	ck_assert_uint_eq(names_of("fax/sendq/seqf"), 1);
}
END_TEST

/* --- many --- */

static int many;

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* From its creation; the median of 101. */
static double second_name_ms(void)
{
	double times[101];

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		uint64_t start_ns = clock_monotonic_ns();
		size_t at = i;

		close(open(in_spool("q/a"), O_WRONLY | O_CREAT | O_EXCL, 0600));
		while (names_of("q/a") != 2)
			;
		times[i] = (double)(clock_monotonic_ns() - start_ns) / 1e6;
		drop("q/a");
		for (; at > 0 && times[at] < times[at - 1]; at--) {
			double swap = times[at];

			times[at] = times[at - 1];
			times[at - 1] = swap;
		}
	}
	return times[ARRAY_SIZE(times) / 2];
}

START_TEST(a_file_has_its_second_name_within_milliseconds)
{
	double median_ms;

	make_directory("q");
	add_watch("w", "q", true);
	start_watcher();
	pause_ms(200);
	median_ms = second_name_ms();
	printf("(after %.2f ms)\n", median_ms);
	ck_assert(median_ms < 50);
}
END_TEST

static void make_many(void)
{
	char name[64];

	for (int i = 0; i < many; i++) {
		int fd;

		snprintf(name, sizeof(name), "q/a document %d", i);
		fd = open(in_spool(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(io_write(fd, MARK, sizeof(MARK)), 0);
		close(fd);
	}
}

START_TEST(thousands_of_files_are_as_many_jobs)
{
	uint64_t start_ns = clock_monotonic_ns();
	double begun_s, idle_s;

	make_directory("q");
	add_watch("w", "q", true);
	start_watcher();
	make_many();
	await(count_pending("w") == (size_t)many);
	printf("(%d files have a second name after %.1f s)\n", many,
		(double)(clock_monotonic_ns() - start_ns) / 1e9);
	pause_ms(300);
	begun_s = cpu_s();
	pause_ms(4000);
	idle_s = cpu_s() - begun_s;
	printf("(while they lie there: %.2f %% of a processor)\n", idle_s / 4 * 100);
	ck_assert_msg(idle_s < 0.2, "%.3f s of 4 s", idle_s);
	start_ns = clock_monotonic_ns();
	shell("find q -type f -delete");
	await_seen((size_t)many);
	printf("(the ledger has them after %.1f s)\n",
		(double)(clock_monotonic_ns() - start_ns) / 1e9);
	retire_all((size_t)many);
	ck_assert_uint_eq(count_pending("w"), 0);
	ck_assert_uint_eq(count_marks(MARK), 0);
}
END_TEST

START_TEST(thousands_of_files_settle)
{
	make_directory("q");
	add_watch("w", "q", false)->settle_ms = 1000;
	make_many();
	start_watcher();
	await_seen((size_t)many);
	ck_assert_uint_eq(count_names("q"), 0);
	ck_assert_uint_eq(count_pending("w"), (size_t)many);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watch_spoolers");
	TCase *tcase = tcase_create("spoolers");
	SRunner *runner;
	int failed;

	many = getenv("SPOOLGUARD_TEST_SCALE") ? 200 : 2000;
	if (why_skipped()) {
		printf("skipped: %s\n", why_skipped());
		return 77;
	}
	tcase_add_unchecked_fixture(tcase, setup_volume, detach_it);
	tcase_add_checked_fixture(tcase, setup_service, teardown_service);
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, pages_that_nobody_collects_are_retired_when_they_have_settled);
	tcase_add_test(tcase, pages_that_a_script_sends_on_and_removes_are_retired_then);
	tcase_add_test(tcase, scanimage_itself_leaves_one_job_for_each_page);
	tcase_add_test(tcase, a_received_fax_is_retired_when_it_is_removed_from_recvq);
	tcase_add_test(tcase, a_sent_fax_leaves_its_job_file_and_its_document_without_a_trace);
	tcase_add_test(tcase, a_file_has_its_second_name_within_milliseconds);
	tcase_add_test(tcase, thousands_of_files_are_as_many_jobs);
	tcase_add_test(tcase, thousands_of_files_settle);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

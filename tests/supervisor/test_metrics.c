/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_metrics.c - the text file for node_exporter
 *
 * Goal: it is what the exposition format asks for (each metric once, HELP and TYPE before it, no
 * timestamps, a newline at its end), with the figures given; a reader never finds half a file; a
 * directory that is full or away is an error and leaves what is there.
 */
#include "base/io.h"
#include "supervisor/metrics.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/spoolguard-metrics.XXXXXX";
static char path[100];
static struct figures figures;
static char *text;

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/spoolguard.prom", directory);
	figures = (struct figures){
		.state = STATE_DEGRADED,
		.may_claim = true,
		.has_ledger = true,
		.open_jobs = 3,
		.oldest_open_s = 75,
		.tested_wall_s = 1790000000,
		.volume_count = 2,
		.volumes =
			{
				{.name = "spool",
					.state = KEEPER_OPEN,
					.answered = true,
					.owed_bytes = 1ull << 40,
					.oldest_owed_s = 9,
					.erased_blocks = 12,
					.restarts = 2},
				{.name = "other", .state = KEEPER_LOCKED},
			},
	};
	figures.jobs.retired_ever = 12;
	figures.jobs.by_state[LEDGER_HELD] = 3;
	text = metrics_format(&figures);
	ck_assert_ptr_nonnull(text);
}

static void teardown(void)
{
	char command[100];

	free(text);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static void has(const char *line)
{
	char whole[200];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	ck_assert_msg(strstr(text, whole), "no line \"%s\" in:\n%s", line, text);
}

START_TEST(figures_are_what_they_are)
{
	has("spoolguard_state{state=\"DEGRADED\"} 1");
	has("spoolguard_state{state=\"READY\"} 0");
	has("spoolguard_claims_allowed 1");
	has("spoolguard_jobs_sanitized_total 12");
	has("spoolguard_backlog_jobs 3");
	has("spoolguard_oldest_unsanitized_seconds 75");
	has("spoolguard_jobs{state=\"held\"} 3");
	has("spoolguard_last_selftest_timestamp_seconds 1790000000");
	has("spoolguard_volume_open{volume=\"spool\"} 1");
	has("spoolguard_volume_open{volume=\"other\"} 0");
	has("spoolguard_owed_bytes{volume=\"spool\"} 1099511627776");
	has("spoolguard_volume_restarts_total{volume=\"spool\"} 2");
	ck_assert_ptr_null(strstr(text, "owed_bytes{volume=\"other\"}")); /* it did not answer */
}
END_TEST

/* A metric's lines stand together, its HELP and TYPE before them, once. */
START_TEST(the_format_is_node_exporters)
{
	char copy[16384], *save = NULL, name[100] = "", seen[4096] = " ";

	ck_assert_uint_lt(strlen(text), sizeof(copy));
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	strcpy(copy, text);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char found[100] = "", value[100] = "", surplus;

		if (sscanf(line, "# HELP %99s %99s", found, value) == 2) {
			snprintf(name, sizeof(name), " %.90s ", found);
			ck_assert_msg(!strstr(seen, name), "%s again", found);
			strcat(seen, name + 1);
			snprintf(name, sizeof(name), "%s", found);
			continue;
		}
		if (sscanf(line, "# TYPE %99s %99s %c", found, value, &surplus) == 2) {
			ck_assert_str_eq(found, name);
			ck_assert(strcmp(value, "gauge") == 0 || strcmp(value, "counter") == 0);
			ck_assert((strcmp(value, "counter") == 0) ==
				  (strlen(found) > 6 &&
					  strcmp(found + strlen(found) - 6, "_total") == 0));
			continue;
		}
		ck_assert_msg(sscanf(line, "%99[a-z_]%99[^ ]", found, value) >= 1 &&
				      strcmp(found, name) == 0,
			"%s stands below %s", line, name);
		ck_assert_msg(strrchr(line, ' ') && strspn(strrchr(line, ' ') + 1, "0123456789") ==
							    strlen(strrchr(line, ' ') + 1),
			"%s", line);
	}
}
END_TEST

START_TEST(without_volumes_and_ledger_it_is_a_file_too)
{
	free(text);
	figures.volume_count = 0;
	figures.has_ledger = false;
	text = metrics_format(&figures);
	ck_assert_ptr_nonnull(text);
	has("spoolguard_claims_allowed 1");
	ck_assert_ptr_null(strstr(text, "backlog"));
	ck_assert_ptr_null(strstr(text, "volume"));
}
END_TEST

static char *read_file(void)
{
	static char bytes[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t count = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_read_to_end(fd, bytes, sizeof(bytes) - 1, &count), 0);
	bytes[count] = '\0';
	close(fd);
	return bytes;
}

START_TEST(a_file_is_replaced_whole)
{
	struct stat before, after;

	ck_assert_int_eq(metrics_write(path, text), 0);
	ck_assert_str_eq(read_file(), text);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_uint_eq(before.st_mode & 07777, 0644);
	ck_assert_int_eq(metrics_write(path, "shorter\n"), 0);
	ck_assert_str_eq(read_file(), "shorter\n");
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_ne(before.st_ino, after.st_ino); /* who had it open reads the old one */
}
END_TEST

START_TEST(a_file_that_cannot_be_written_leaves_the_old_one)
{
	struct rlimit limit, small;
	char temporary[140];
	int r;

	ck_assert_int_eq(metrics_write(path, "old\n"), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &small);
	r = metrics_write(path, text);
	setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_int_lt(r, 0);
	ck_assert_str_eq(read_file(), "old\n");
	snprintf(temporary, sizeof(temporary), "%s.spoolguard-new", path);
	ck_assert_int_lt(access(temporary, F_OK), 0);
	ck_assert_int_eq(metrics_write("/nonexistent/x.prom", text), -ENOENT);
	/* a link that lies there leads nowhere */
	ck_assert_int_eq(symlink("/etc/passwd", temporary), 0);
	ck_assert_int_lt(metrics_write(path, text), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("text file");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, figures_are_what_they_are);
	tcase_add_test(tcase, the_format_is_node_exporters);
	tcase_add_test(tcase, without_volumes_and_ledger_it_is_a_file_too);
	tcase_add_test(tcase, a_file_is_replaced_whole);
	tcase_add_test(tcase, a_file_that_cannot_be_written_leaves_the_old_one);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_conf.c - a CUPS configuration is read as cupsd reads it, and judged by what it leaves
 *
 * Goal: the directive that counts for cupsd is the one that counts here (the last that it accepts;
 * in a policy the first limit); every row of the table is found where it applies and not where it
 * does not; what cannot be read as it looks is refused.  What is said of cupsd here was tried
 * with cupsd (tests/e2e/cups_config.sh asks it again).
 */
#include "pipeline/cups_policy.h"
#include "pipeline/cups_residue.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cups_conf conf;
static struct cups_findings findings;
static struct problem problem;

static void teardown(void)
{
	cups_conf_done(&conf);
	cups_findings_done(&findings);
}

static void parse(const char *text)
{
	cups_conf_done(&conf);
	problem.text[0] = '\0';
	ck_assert_msg(cups_conf_parse("file", text, strlen(text), &conf, &problem) == 0, "%s",
		problem.text);
}

static void assert_refused(const char *text, size_t bytes, int error, const char *words)
{
	struct cups_conf none;

	problem.text[0] = '\0';
	ck_assert_int_eq(cups_conf_parse("file", text, bytes, &none, &problem), error);
	ck_assert_msg(strstr(problem.text, words) != NULL, "\"%s\" says nothing of \"%s\"",
		problem.text, words);
}

static const struct cups_directive *at(size_t index)
{
	ck_assert_uint_lt(index, conf.count);
	return &conf.items[index];
}

/* --- lines --- */

START_TEST(comments_white_space_and_case_are_as_cupsd_has_them)
{
	parse("# LogLevel debug\n"
	      "\n"
	      "  loglevel\twarn   # really\n"
	      "ServerAdmin a\\#b\n"
	      "PageLogFormat\n"
	      "PageLogFormat #nothing\n"
	      "Listen  localhost:631  \n");
	ck_assert_uint_eq(conf.count, 5);
	ck_assert_uint_eq(conf.lines, 7);
	ck_assert(cups_directive_is(at(0), "LogLevel"));
	ck_assert_str_eq(at(0)->value, "warn");
	ck_assert_uint_eq(at(0)->line, 3);
	ck_assert_str_eq(at(1)->value, "a#b");
	ck_assert_ptr_null(at(2)->value);
	ck_assert_ptr_null(at(3)->value);
	ck_assert_uint_eq(at(3)->line, 6);
	ck_assert_str_eq(at(4)->value, "localhost:631");
}
END_TEST

START_TEST(lines_are_counted_whatever_ends_them)
{
	parse("A 1\r\nB 2\rC 3\n\nD 4");
	ck_assert_uint_eq(conf.count, 4);
	ck_assert_uint_eq(at(1)->line, 2);
	ck_assert_uint_eq(at(2)->line, 3);
	ck_assert_uint_eq(at(3)->line, 5);
	ck_assert_uint_eq(conf.lines, 5);
	parse("");
	ck_assert_uint_eq(conf.count, 0);
	ck_assert_uint_eq(conf.lines, 0);
}
END_TEST

START_TEST(a_directive_knows_in_which_section_and_limit_it_stands)
{
	parse("LogLevel warn\n"
	      "<Location />\n"
	      "  <Limit GET>\n"
	      "  Order allow,deny\n"
	      "  </Limit>\n"
	      "</Location>\n"
	      "<policy default>\n"
	      "  JobPrivateAccess all\n"
	      "  <Limit All>\n"
	      "    Order deny,allow\n"
	      "  </limit>\n"
	      "</Policy>\n"
	      "MaxJobs 5\n");
	ck_assert_int_eq(at(0)->scope, CUPS_TOP);
	ck_assert_int_eq(at(3)->scope, CUPS_IN_SECTION);
	ck_assert_uint_eq(at(3)->section, 2);
	ck_assert_int_eq(at(6)->scope, CUPS_TOP);
	ck_assert_str_eq(at(6)->value, "default");
	ck_assert_int_eq(at(7)->scope, CUPS_IN_SECTION);
	ck_assert_int_eq(at(9)->scope, CUPS_IN_LIMIT);
	ck_assert_uint_eq(at(9)->limit, 9);
	ck_assert_int_eq(at(12)->scope, CUPS_TOP);
	ck_assert_uint_eq(at(12)->section, 0);
}
END_TEST

START_TEST(what_cupsd_would_read_otherwise_than_it_looks_is_refused)
{
	char line[CUPS_LINE_BYTES_MAX + 2];
	char *large = calloc(1, CUPS_CONF_BYTES_MAX + 1);

	assert_refused("A 1\0B 2\n", 8, -EINVAL, "file:1: holds a NUL");
	assert_refused("A 1\n<Policy x>\n", 15, -EINVAL, "file:2: <Policy> is not closed");
	memset(line, 'x', sizeof(line));
	assert_refused(line, CUPS_LINE_BYTES_MAX + 1, -EINVAL, "longer than");
	ck_assert_int_eq(cups_conf_parse("file", line, CUPS_LINE_BYTES_MAX, &conf, NULL), 0);
	ck_assert_uint_eq(strlen(at(0)->name), CUPS_LINE_BYTES_MAX);
	ck_assert_ptr_nonnull(large);
	memset(large, '\n', CUPS_CONF_BYTES_MAX + 1);
	assert_refused(large, CUPS_CONF_BYTES_MAX + 1, -EFBIG, "larger");
	free(large);
}
END_TEST

/* --- values --- */

START_TEST(times_numbers_and_truths_are_read_with_their_units)
{
	double seconds = -1;
	long number = -1;
	bool truth = false;
	int level = -1;

	ck_assert(cups_value_time("1.5h", false, &seconds) && seconds == 5400.0);
	ck_assert(cups_value_time("2W", false, &seconds) && seconds == 1209600.0);
	ck_assert(cups_value_time("0", false, &seconds) && seconds == 0.0);
	ck_assert(cups_value_time("No", true, &seconds) && seconds == 0.0);
	ck_assert(cups_value_time("Yes", true, &seconds) && seconds >= CUPS_TIME_FOREVER);
	ck_assert(!cups_value_time("Yes", false, &seconds));
	ck_assert(!cups_value_time("5x", false, &seconds));
	ck_assert(!cups_value_time("", true, &seconds));
	ck_assert(!cups_value_time("-1", true, &seconds));
	ck_assert(!cups_value_time("1e99", true, &seconds));
	ck_assert(cups_value_integer("0x10", &number) && number == 16);
	ck_assert(cups_value_integer("2k", &number) && number == 2048);
	ck_assert(!cups_value_integer("many", &number));
	ck_assert(!cups_value_integer("9999999999g", &number));
	ck_assert(cups_value_boolean("enabled", &truth) && truth);
	ck_assert(cups_value_boolean("7", &truth) && truth);
	ck_assert(cups_value_boolean("0", &truth) && !truth);
	ck_assert(!cups_value_boolean("maybe", &truth));
	ck_assert(cups_value_log_level("WARN", &level) && level == CUPS_LOG_WARN);
	ck_assert(cups_value_log_level("debug2", &level) && level == 9);
	ck_assert(!cups_value_log_level("loud", &level));
}
END_TEST

/* --- settings --- */

static const struct cups_finding *found(const char *id)
{
	for (size_t i = 0; i < findings.count; i++) {
		if (strcmp(findings.items[i].row->id, id) == 0)
			return &findings.items[i];
	}
	return NULL;
}

static void judge(const char *text)
{
	cups_findings_done(&findings);
	parse(text);
	ck_assert_int_eq(cups_judge_settings(&conf, CUPS_CONF_CUPSD, "cupsd.conf", &findings), 0);
}

static void assert_found(const char *id, unsigned int line, const char *value)
{
	const struct cups_finding *finding = found(id);

	ck_assert_msg(finding != NULL, "%s was not found", id);
	ck_assert_uint_eq(finding->line, line);
	ck_assert_str_eq(finding->value, value);
}

START_TEST(what_is_not_set_is_judged_by_cupsds_own_default)
{
	judge("");
	assert_found("job-files", 0, "86400");
	assert_found("max-jobs", 0, "500");
	assert_found("dirty-interval", 0, "30");
	assert_found("log-history", 0, "200");
	ck_assert(strstr(found("page-log")->value, "%{job-name}") != NULL);
	ck_assert_ptr_null(found("job-history"));
	ck_assert_ptr_null(found("log-level"));
	ck_assert_ptr_null(found("access-log"));
	ck_assert_ptr_null(found("auto-purge"));
	ck_assert_ptr_null(found("classification"));
}
END_TEST

START_TEST(the_last_value_that_cupsd_accepts_counts)
{
	judge("LogLevel warn\nLogLevel debug\n");
	assert_found("log-level", 2, "debug");
	judge("LogLevel debug\nLogLevel warn\n");
	ck_assert_ptr_null(found("log-level"));
	judge("LogLevel debug\nLogLevel loud\nLogLevel\n");
	assert_found("log-level", 1, "debug");
	judge("PreserveJobFiles No\nPreserveJobFiles perhaps\n");
	assert_found("job-files", 1, "No");
	/* In a section it is no such directive. */
	judge("<Location />\nLogLevel debug\n</Location>\n");
	ck_assert_ptr_null(found("log-level"));
}
END_TEST

static const struct {
	const char *text, *id;
	bool is_residue;
} settings[] = {
	{"PreserveJobFiles Yes", "job-files", false},
	{"PreserveJobFiles 1d", "job-files", true},
	{"PreserveJobHistory No", "job-history", true},
	{"PreserveJobHistory On", "job-history", false},
	{"AutoPurgeJobs Yes", "auto-purge", true},
	{"MaxJobs 0", "max-jobs", false},
	{"MaxJobs 1000", "max-jobs", true},
	{"DirtyCleanInterval 0", "dirty-interval", false},
	{"DirtyCleanInterval no", "dirty-interval", false},
	{"DirtyCleanInterval 1", "dirty-interval", true},
	{"LogLevel info", "log-level", true},
	{"LogLevel notice", "log-level", true},
	{"LogLevel none", "log-level", false},
	{"LogDebugHistory 0", "log-history", false},
	{"LogDebugHistory 1", "log-history", true},
	{"PageLogFormat", "page-log", false},
	{"PageLogFormat %p %j %T %P %C %{media} 100%%", "page-log", false},
	{"PageLogFormat %p %u", "page-log", true},
	{"PageLogFormat %{job-name}", "page-log", true},
	{"PageLogFormat %{media", "page-log", true},
	{"PageLogFormat %{}", "page-log", true},
	{"AccessLogLevel all", "access-log", true},
	{"AccessLogLevel config", "access-log", false},
	{"Classification secret", "classification", true},
	{"Classification None", "classification", false},
};

START_TEST(each_setting_is_residue_or_is_not)
{
	judge(settings[_i].text);
	ck_assert_msg((found(settings[_i].id) != NULL) == settings[_i].is_residue, "%s",
		settings[_i].text);
}
END_TEST

START_TEST(a_hint_is_no_residue)
{
	judge("Classification secret\nPreserveJobFiles Yes\nMaxJobs 0\nDirtyCleanInterval 0\n"
	      "LogDebugHistory 0\nPageLogFormat\n");
	ck_assert_uint_eq(findings.count, 1);
	ck_assert_uint_eq(cups_findings_residue(&findings), 0);
}
END_TEST

START_TEST(every_row_says_what_it_leaves_and_what_mends_it)
{
	size_t count;
	const struct cups_residue *rows = cups_residue_rows(&count);

	for (size_t i = 0; i < count; i++) {
		const struct cups_residue *row = &rows[i];

		ck_assert_msg(row->leaves != NULL, "%s", row->id);
		ck_assert_msg(row->wanted ? row->lose != NULL : row->mend != NULL, "%s", row->id);
		ck_assert_msg(!row->directive || row->is_fine, "%s", row->id);
		ck_assert_msg(!row->wanted || row->is_fine(row->wanted), "%s", row->id);
		ck_assert_msg(
			!row->wanted || !row->accepts || row->accepts(row->wanted), "%s", row->id);
		ck_assert_msg(!row->accepts || row->accepts(row->default_value), "%s", row->id);
		ck_assert_ptr_eq(cups_residue_find(row->id), row);
	}
	ck_assert_ptr_null(cups_residue_find("nothing"));
}
END_TEST

/* --- policies --- */

#define REFUSAL                                                                                    \
	"<Limit Restart-Job Reprocess-Job CUPS-Get-Document>\nRequire user @spoolguard-nobody\n"   \
	"</Limit>\n"

static bool refuses(const char *text, const char *operation)
{
	unsigned int line;
	bool result = false;

	parse(text);
	ck_assert_int_eq(cups_policy_refuses(&conf, "default", operation, &result, &line), 0);
	return result;
}

START_TEST(the_first_limit_that_names_an_operation_decides)
{
	ck_assert(refuses("<Policy default>\n" REFUSAL "<Limit Restart-Job>\n</Limit>\n"
			  "<Limit All>\n</Limit>\n</Policy>\n",
		"Restart-Job"));
	ck_assert(!refuses("<Policy default>\n<Limit restart-job Send-URI>\n</Limit>\n" REFUSAL
			   "</Policy>\n",
		"Restart-Job"));
	ck_assert(refuses("<Policy DEFAULT>\n<Limit All>\n</Limit>\n" REFUSAL "</Policy>\n",
		"CUPS-Get-Document"));
	/* A second section of that name goes on with the first. */
	ck_assert(!refuses("<Policy default>\n<Limit Restart-Job>\n</Limit>\n</Policy>\n"
			   "<Policy default>\n" REFUSAL "</Policy>\n",
		"Restart-Job"));
	ck_assert(refuses("<Policy default>\n<Limit All>\n</Limit>\n</Policy>\n"
			  "<Policy other>\n<Limit Restart-Job>\n</Limit>\n</Policy>\n"
			  "<Policy default>\n" REFUSAL "</Policy>\n",
		"Restart-Job"));
}
END_TEST

START_TEST(only_a_group_that_nobody_is_in_refuses_everybody)
{
#define WITH(lines) "<Policy default>\n<Limit All>\n" lines "</Limit>\n</Policy>\n"
	ck_assert(!refuses(WITH("Order deny,allow\nDeny from all\n"), "Restart-Job"));
	ck_assert(!refuses(WITH("Require valid-user\n"), "Restart-Job"));
	ck_assert(!refuses(WITH("Require user @SYSTEM @spoolguard-nobody\n"), "Restart-Job"));
	ck_assert(!refuses(WITH("Require user spoolguard-nobody\n"), "Restart-Job"));
	ck_assert(!refuses(WITH("Require user @spoolguard-nobody\nSatisfy any\n"), "Restart-Job"));
	ck_assert(!refuses(
		WITH("Require user @spoolguard-nobody\nAuthClass Anonymous\n"), "Restart-Job"));
	ck_assert(!refuses(
		WITH("Require user @spoolguard-nobody\nRequire group lp\n"), "Restart-Job"));
	ck_assert(!refuses(WITH(""), "Restart-Job"));
	ck_assert(refuses(WITH("Require user @spoolguard-nobody\nSatisfy all\n"), "Restart-Job"));
#undef WITH
}
END_TEST

static void judge_policies(const char *text, const char *queues_text)
{
	struct cups_conf queues;

	cups_findings_done(&findings);
	parse(text);
	ck_assert_int_eq(
		cups_conf_parse("queues", queues_text, strlen(queues_text), &queues, NULL), 0);
	ck_assert_int_eq(cups_judge_policies(&conf, &queues, "cupsd.conf", &findings), 0);
	cups_conf_done(&queues);
}

START_TEST(every_policy_is_judged_and_said_to_be_in_use_or_not)
{
	judge_policies("<Policy default>\n" REFUSAL "</Policy>\n", "");
	ck_assert_uint_eq(findings.count, 0);
	judge_policies("<Policy default>\n<Limit Restart-Job>\n</Limit>\n</Policy>\n"
		       "<Policy other>\n</Policy>\n<Policy third>\n" REFUSAL "</Policy>\n"
		       "<Policy default>\n</Policy>\n",
		"");
	ck_assert_uint_eq(findings.count, 2);
	ck_assert_uint_eq(findings.items[0].line, 2);
	ck_assert_str_eq(findings.items[0].value, "Restart-Job, Reprocess-Job, CUPS-Get-Document");
	ck_assert(strstr(findings.items[0].detail, "no queue uses") == NULL);
	ck_assert(strstr(findings.items[1].detail, "no queue uses") != NULL);
	judge_policies("<Policy default>\n" REFUSAL "</Policy>\n<Policy other>\n</Policy>\n",
		"<Printer a>\nOpPolicy OTHER\n</Printer>\n");
	ck_assert(strstr(findings.items[0].detail, "no queue uses") == NULL);
	/* Without a policy of that name cupsd makes one up. */
	judge_policies("DefaultPolicy mine\n<Policy default>\n" REFUSAL "</Policy>\n", "");
	ck_assert_uint_eq(findings.count, 1);
	ck_assert(strstr(findings.items[0].detail, "<Policy mine>") != NULL);
}
END_TEST

/* --- queues, subscriptions, places --- */

START_TEST(queues_that_keep_documents_are_found_and_passwords_are_not_shown)
{
	parse("<Printer a>\nDeviceURI ipp://user:secret@host/\n</Printer>\n"
	      "<DefaultPrinter b>\nDeviceURI cups-pdf:/\n</DefaultPrinter>\n"
	      "<Printer c>\nDeviceURI file:///dev/null\n</Printer>\n"
	      "<Printer d>\nDeviceURI odd://user:secret@host/\n</Printer>\n"
	      "<Printer e>\nDeviceURI file:/tmp/out\n</Printer>\n");
	ck_assert_int_eq(cups_judge_queues(&conf, "printers.conf", &findings), 0);
	ck_assert_uint_eq(findings.count, 3);
	assert_found("queue-device", 5, "cups-pdf:");
	assert_found("queue-unknown", 11, "odd:");
	ck_assert_str_eq(findings.items[2].value, "file:");
	ck_assert_str_eq(cups_queue_to_file(&conf), "e");
	parse("<Printer a>\nDeviceURI file:///dev/null\n</Printer>\n");
	ck_assert_ptr_null(cups_queue_to_file(&conf));
}
END_TEST

START_TEST(events_for_others_are_found)
{
	parse("<Subscription 1>\nRecipient spoolguard:///wake\n</Subscription>\n"
	      "<Subscription 2>\nPullMethod ippget\n</Subscription>\n"
	      "<Subscription 3>\nRecipient mailto:boss@example.org\n</Subscription>\n");
	ck_assert_int_eq(cups_judge_subscriptions(&conf, "subscriptions.conf", &findings), 0);
	ck_assert_uint_eq(findings.count, 1);
	assert_found("subscriptions", 8, "mailto:");
}
END_TEST

static enum cups_place place_of(void *context, const char *path)
{
	(void)context;
	return strncmp(path, "/volume", 7) == 0	  ? CUPS_PLACE_VOLUME
	       : strncmp(path, "/memory", 7) == 0 ? CUPS_PLACE_MEMORY
	       : strncmp(path, "/other", 6) == 0  ? CUPS_PLACE_UNKNOWN
						  : CUPS_PLACE_DISK;
}

START_TEST(paths_are_worked_out_as_cupsd_does)
{
	struct cups_paths paths;

	parse("RequestRoot /volume/spool\nCacheDir cache\nErrorLog syslog\nPageLog /dev/null\n"
	      "AccessLog\n");
	ck_assert_int_eq(cups_paths_get(&conf, "/etc/cups/cupsd.conf", &paths), 0);
	ck_assert_str_eq(paths.items[CUPS_SERVER_ROOT].path, "/etc/cups");
	ck_assert_str_eq(paths.items[CUPS_REQUEST_ROOT].path, "/volume/spool");
	ck_assert_str_eq(paths.items[CUPS_TEMP_DIR].path, "/volume/spool/tmp");
	ck_assert_str_eq(paths.items[CUPS_CACHE_DIR].path, "/etc/cups/cache");
	ck_assert_uint_eq(paths.items[CUPS_CACHE_DIR].line, 2);
	ck_assert_str_eq(paths.items[CUPS_ERROR_LOG].path, "syslog");
	ck_assert_str_eq(paths.items[CUPS_ACCESS_LOG].path, "/var/log/cups/access_log");
	ck_assert_uint_eq(paths.items[CUPS_ACCESS_LOG].line, 0);
	ck_assert(cups_path_is_file(&paths.items[CUPS_REQUEST_ROOT]));
	ck_assert(!cups_path_is_file(&paths.items[CUPS_PAGE_LOG]));
	parse("ServerRoot /srv/cups\nTempDir t\n");
	ck_assert_int_eq(cups_paths_get(&conf, "cupsd.conf", &paths), 0);
	ck_assert_str_eq(paths.items[CUPS_TEMP_DIR].path, "/srv/cups/t");
}
END_TEST

START_TEST(what_does_not_lie_on_a_volume_is_found)
{
	const struct cups_places places = {place_of, NULL};
	struct cups_paths paths;

	parse("RequestRoot /volume/spool\nTempDir /memory/t\nCacheDir /var/cache/cups\n"
	      "ErrorLog /volume/log/e\nAccessLog /other/a\nPageLog syslog\n");
	ck_assert_int_eq(cups_paths_get(&conf, "/etc/cups/cupsd.conf", &paths), 0);
	ck_assert_int_eq(cups_judge_places(&paths, "cups-files.conf", &places, &findings), 0);
	ck_assert_uint_eq(findings.count, 3);
	assert_found("cache-place", 3, "/var/cache/cups");
	ck_assert_uint_eq(cups_findings_doubts(&findings), 1);
	ck_assert_uint_eq(cups_findings_residue(&findings), 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_conf");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, comments_white_space_and_case_are_as_cupsd_has_them);
	tcase_add_test(tcase, lines_are_counted_whatever_ends_them);
	tcase_add_test(tcase, a_directive_knows_in_which_section_and_limit_it_stands);
	tcase_add_test(tcase, what_cupsd_would_read_otherwise_than_it_looks_is_refused);
	tcase_add_test(tcase, times_numbers_and_truths_are_read_with_their_units);
	tcase_add_test(tcase, what_is_not_set_is_judged_by_cupsds_own_default);
	tcase_add_test(tcase, the_last_value_that_cupsd_accepts_counts);
	tcase_add_loop_test(tcase, each_setting_is_residue_or_is_not, 0, (int)ARRAY_SIZE(settings));
	tcase_add_test(tcase, a_hint_is_no_residue);
	tcase_add_test(tcase, every_row_says_what_it_leaves_and_what_mends_it);
	tcase_add_test(tcase, the_first_limit_that_names_an_operation_decides);
	tcase_add_test(tcase, only_a_group_that_nobody_is_in_refuses_everybody);
	tcase_add_test(tcase, every_policy_is_judged_and_said_to_be_in_use_or_not);
	tcase_add_test(tcase, queues_that_keep_documents_are_found_and_passwords_are_not_shown);
	tcase_add_test(tcase, events_for_others_are_found);
	tcase_add_test(tcase, paths_are_worked_out_as_cupsd_does);
	tcase_add_test(tcase, what_does_not_lie_on_a_volume_is_found);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_edit.c - what "cups apply" writes into a configuration, and takes out again
 *
 * Goal: after a plan the file leaves nothing (for what the plan covers), a second plan is empty,
 * taking out gives back the same bytes, and no line of an administrator is ever lost.
 */
#include "pipeline/cups_plan.h"
#include "pipeline/cups_policy.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cups_text text, applied, taken;
static struct cups_conf conf;
static struct problem problem;
static size_t marks;

static void teardown(void)
{
	cups_text_done(&text);
	cups_text_done(&applied);
	cups_text_done(&taken);
	cups_conf_done(&conf);
}

static void set(struct cups_text *to, const char *bytes)
{
	cups_text_done(to);
	*to = (struct cups_text){strdup(bytes), strlen(bytes)};
}

static void parse(const struct cups_text *from)
{
	cups_conf_done(&conf);
	problem.text[0] = '\0';
	ck_assert_msg(cups_conf_parse("file", from->bytes, from->count, &conf, &problem) == 0, "%s",
		problem.text);
}

/* Plans for "from", and puts what comes of it into "to". */
static size_t plan_and_apply(const struct cups_text *from, struct cups_text *to,
	enum cups_conf_kind file, const char *without)
{
	struct cups_plan_request request = {.file = file,
		.conf = &conf,
		.text = from,
		.without = &without,
		.without_count = without ? 1 : 0};
	struct cups_text result;
	struct cups_plan plan;
	size_t changes;

	parse(from);
	ck_assert_int_eq(cups_plan_make(&request, &plan), 0);
	changes = cups_plan_changes(&plan);
	ck_assert_int_eq(cups_plan_apply(&plan, from, &result), 0);
	cups_plan_done(&plan);
	cups_text_done(to);
	*to = result;
	return changes;
}

static int take_out(const struct cups_text *from)
{
	cups_text_done(&taken);
	problem.text[0] = '\0';
	return cups_edit_take_out("file", from, cups_residue_is_line, &taken, &marks, &problem);
}

static void assert_same(const struct cups_text *a, const struct cups_text *b)
{
	ck_assert_uint_eq(a->count, b->count);
	ck_assert_mem_eq(a->bytes, b->bytes, a->count);
	ck_assert_int_eq(b->bytes[b->count], '\0');
}

static const char debian[] = "# Log general information\n"
			     "LogLevel debug\n"
			     "PageLogFormat\n"
			     "\n"
			     "Listen localhost:631\n"
			     "<Policy default>\n"
			     "  <Limit Restart-Job>\n"
			     "    Require user @OWNER @SYSTEM\n"
			     "  </Limit>\n"
			     "</Policy>\n";

START_TEST(a_change_stands_where_the_line_stood_and_keeps_it_readable)
{
	set(&text, debian);
	ck_assert_uint_eq(plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, NULL), 6);
	ck_assert(strstr(applied.bytes, "# Log general information\n"
					"#spoolguard[log-level] was: LogLevel debug\n"
					"LogLevel warn #spoolguard[log-level]\n"
					"PageLogFormat\n"
					"\n"
					"Listen localhost:631\n"
					"<Policy default>\n"
					"<Limit Restart-Job Reprocess-Job CUPS-Get-Document> "
					"#spoolguard[reprint]\n") == applied.bytes);
	ck_assert(strstr(applied.bytes, "\nPreserveJobFiles Yes #spoolguard[job-files]\n"
					"MaxJobs 0 #spoolguard[max-jobs]\n"
					"DirtyCleanInterval 0 #spoolguard[dirty-interval]\n"
					"LogDebugHistory 0 #spoolguard[log-history]\n"
					"#spoolguard[end]\n") != NULL);
}
END_TEST

START_TEST(after_a_plan_nothing_is_left_to_plan)
{
	struct cups_findings findings = {.items = NULL};

	set(&text, debian);
	plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, NULL);
	ck_assert_uint_eq(plan_and_apply(&applied, &taken, CUPS_CONF_CUPSD, NULL), 0);
	assert_same(&applied, &taken);
	parse(&applied);
	ck_assert_int_eq(cups_judge_settings(&conf, CUPS_CONF_CUPSD, "x", &findings), 0);
	ck_assert_int_eq(cups_judge_policies(&conf, NULL, "x", &findings), 0);
	ck_assert_uint_eq(findings.count, 0);
	cups_findings_done(&findings);
}
END_TEST

START_TEST(each_change_can_be_left_out)
{
	static const char *const ids[] = {
		"job-files", "max-jobs", "dirty-interval", "log-level", "log-history", "reprint"};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		char mark[64];

		set(&text, debian);
		ck_assert_uint_eq(plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, ids[i]), 5);
		snprintf(mark, sizeof(mark), "#spoolguard[%s]", ids[i]);
		ck_assert_ptr_null(strstr(applied.bytes, mark));
	}
}
END_TEST

static const char *const texts[] = {
	"",
	"\n",
	"LogLevel debug",
	"LogLevel debug\n",
	"LogLevel debug\r\nMaxJobs 5\r\n",
	"LogLevel debug\rMaxJobs 5",
	"LogLevel debug\rMaxJobs 5\r",
	"# nothing",
	"Listen 631\n\n\n",
	"AutoPurgeJobs yes\nLogLevel debug2\nPageLogFormat %u",
	"<Policy default>\n</Policy>",
	"<Policy a>\r\n<Limit All>\r\n</Limit>\r\n</Policy>\r\n<Policy b>\n</Policy>\n",
	"PreserveJobFiles Yes\nMaxJobs 0\nDirtyCleanInterval 0\nLogDebugHistory 0\nPageLogFormat",
	debian,
};

START_TEST(taking_out_gives_back_the_same_bytes)
{
	set(&text, texts[_i]);
	plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, NULL);
	ck_assert_int_eq(take_out(&applied), 0);
	assert_same(&text, &taken);
	ck_assert_int_eq(take_out(&text), 0);
	ck_assert_uint_eq(marks, 0);
	assert_same(&text, &taken);
}
END_TEST

/* Replaces the first "from" in applied. */
static void edit(const char *from, const char *to)
{
	char *place = strstr(applied.bytes, from), *result;

	ck_assert_ptr_nonnull(place);
	*place = '\0';
	ck_assert_int_gt(asprintf(&result, "%s%s%s", applied.bytes, to, place + strlen(from)), 0);
	set(&applied, result);
	free(result);
}

START_TEST(lines_of_an_administrator_survive_wherever_they_stand)
{
	set(&text, "LogLevel debug\nListen 631");
	plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, NULL);
	edit("LogLevel warn #", "# one\nLogLevel warn #");
	edit("#spoolguard[end]\n", "MaxClients 5\n#spoolguard[end]\nServerAdmin me");
	ck_assert_int_eq(take_out(&applied), 0);
	/* Listen had no end, and gets none back: something stands behind it now. */
	ck_assert_str_eq(
		taken.bytes, "LogLevel debug\n# one\nListen 631\nMaxClients 5\nServerAdmin me");
}
END_TEST

START_TEST(a_line_of_ours_that_was_changed_is_a_conflict)
{
	set(&text, debian);
	plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, NULL);
	edit("LogLevel warn #", "LogLevel info #");
	ck_assert_int_eq(take_out(&applied), -ESTALE);
	ck_assert(strstr(problem.text, "file:3: \"LogLevel info") != NULL);
	/* Without its mark it is the administrator's. */
	edit("LogLevel info #spoolguard[log-level]\n", "LogLevel info\n");
	ck_assert_int_eq(take_out(&applied), 0);
	ck_assert(strstr(taken.bytes, "LogLevel debug\nLogLevel info\n") != NULL);
}
END_TEST

START_TEST(a_change_of_the_administrators_to_our_line_is_kept_by_a_second_plan)
{
	set(&text, debian);
	plan_and_apply(&text, &applied, CUPS_CONF_CUPSD, NULL);
	edit("LogLevel warn #", "LogLevel info #");
	ck_assert_uint_eq(plan_and_apply(&applied, &text, CUPS_CONF_CUPSD, NULL), 1);
	ck_assert_int_eq(take_out(&text), 0);
	ck_assert(strstr(taken.bytes, "LogLevel debug\nLogLevel info\nPageLogFormat\n") != NULL);
}
END_TEST

START_TEST(words_that_only_look_like_a_mark_stay)
{
	set(&text, "#spoolguard[note] mine\n# spoolguard[log-level] was: x\nX #spoolguard[]\n"
		   "#spoolguard[log-level] was:x\nX#spoolguard[log-level]\n");
	ck_assert_int_eq(take_out(&text), 0);
	assert_same(&text, &taken);
	ck_assert_uint_eq(marks, 0);
}
END_TEST

START_TEST(a_queue_that_prints_into_a_file_is_not_stopped)
{
	static const char queues_text[] = "<Printer out>\nDeviceURI file:/srv/x\n</Printer>\n";
	struct cups_conf queues;
	struct cups_plan_request request = {
		.file = CUPS_CONF_FILES, .conf = &conf, .text = &text, .queues = &queues};
	struct cups_plan plan;

	ck_assert_int_eq(cups_conf_parse("q", queues_text, strlen(queues_text), &queues, NULL), 0);
	set(&text, "FileDevice Yes\n");
	parse(&text);
	ck_assert_int_eq(cups_plan_make(&request, &plan), 0);
	ck_assert_uint_eq(plan.count, 1);
	ck_assert(strstr(plan.items[0]->blocked, "\"out\"") != NULL);
	ck_assert_uint_eq(cups_plan_changes(&plan), 0);
	ck_assert_int_eq(cups_plan_apply(&plan, &text, &applied), 0);
	assert_same(&text, &applied);
	cups_plan_done(&plan);
	cups_conf_done(&queues);
	ck_assert_uint_eq(plan_and_apply(&text, &applied, CUPS_CONF_FILES, NULL), 1);
	ck_assert_str_eq(applied.bytes, "#spoolguard[file-device] was: FileDevice Yes\n"
					"FileDevice No #spoolguard[file-device]\n");
}
END_TEST

START_TEST(an_edit_of_a_line_that_is_not_there_is_refused)
{
	static const char *const lines[] = {"A 1", NULL};
	struct cups_edit change = {CUPS_EDIT_REPLACE, 3, "x", lines};

	set(&text, "one\ntwo");
	ck_assert_int_eq(cups_edit_apply(&text, &change, 1, &applied), -EINVAL);
	change = (struct cups_edit){CUPS_EDIT_BEHIND, 2, "x", lines};
	ck_assert_int_eq(cups_edit_apply(&text, &change, 1, &applied), -EINVAL);
	change.line = 1;
	ck_assert_int_eq(cups_edit_apply(&text, &change, 1, &applied), 0);
	ck_assert_str_eq(applied.bytes, "one\nA 1 #spoolguard[x]\ntwo");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_edit");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, a_change_stands_where_the_line_stood_and_keeps_it_readable);
	tcase_add_test(tcase, after_a_plan_nothing_is_left_to_plan);
	tcase_add_test(tcase, each_change_can_be_left_out);
	tcase_add_loop_test(tcase, taking_out_gives_back_the_same_bytes, 0, (int)ARRAY_SIZE(texts));
	tcase_add_test(tcase, lines_of_an_administrator_survive_wherever_they_stand);
	tcase_add_test(tcase, a_line_of_ours_that_was_changed_is_a_conflict);
	tcase_add_test(tcase, a_change_of_the_administrators_to_our_line_is_kept_by_a_second_plan);
	tcase_add_test(tcase, words_that_only_look_like_a_mark_stay);
	tcase_add_test(tcase, a_queue_that_prints_into_a_file_is_not_stopped);
	tcase_add_test(tcase, an_edit_of_a_line_that_is_not_there_is_refused);
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

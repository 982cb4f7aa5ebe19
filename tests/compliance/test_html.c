/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_html.c - the report's page: whole, with nothing that runs or is fetched, and nothing lost
 *
 * Goal: what was found is in it, what came from outside is text, and the plot is right.
 * Method: a fixed report; python3's own parser of HTML reads the page again.
 */
#include "tests/compliance/report_fixture.h"
#include <stdio.h>
#include <unistd.h>

static char *page;

static void setup(void)
{
	ck_assert_int_eq(compliance_html(&fixture_report, &page), 0);
}

static void teardown(void)
{
	free(page);
	page = NULL;
}

static size_t count_of(const char *what)
{
	size_t count = 0;

	for (const char *at = page; (at = strstr(at, what)); at += strlen(what))
		count++;
	return count;
}

START_TEST(every_control_is_there_with_its_state_in_words)
{
	ck_assert_uint_eq(count_of("<article "), 3);
	ck_assert_uint_eq(count_of(" · <span class=\"state\">met<"), 1);
	ck_assert_uint_eq(count_of(" · <span class=\"state\">not met<"), 1);
	ck_assert_uint_eq(count_of(" · <span class=\"state\">cannot tell<"), 1);
	ck_assert_ptr_nonnull(strstr(page, "the service does not run"));
	ck_assert_uint_eq(count_of("What would mend it:"), 2);
}
END_TEST

START_TEST(what_was_looked_at_is_listed_part_by_part)
{
	ck_assert_uint_eq(count_of("<details>"), 1);
	ck_assert_ptr_nonnull(strstr(page, "<summary>2 things looked at</summary>"));
	ck_assert_ptr_nonnull(strstr(page,
		"<li><span class=\"state\">met</span>: AES-256-XTS <span class=\"soft\">(LUKS2 "
		"header, 2026-11-24T08:59:59Z)</span></li>"));
	ck_assert_ptr_nonnull(strstr(page, "<li><span class=\"state\">cannot tell</span>: swap"));
}
END_TEST

START_TEST(what_is_not_met_comes_first)
{
	const char *not_met = strstr(page, "id=\"hcd-fpt-wipe-ext-1\"");
	const char *unknown = strstr(page, "id=\"gdpr-32\"");
	const char *met = strstr(page, "id=\"hcd-fdp-dsk-ext-1\"");

	ck_assert(not_met && unknown && met);
	ck_assert(not_met < unknown && unknown < met);
}
END_TEST

START_TEST(text_from_outside_is_text)
{
	ck_assert_ptr_null(strstr(page, "<script"));
	ck_assert_ptr_null(strstr(page, "<spool>"));
	ck_assert_ptr_null(strstr(page, "<all>"));
	ck_assert_ptr_nonnull(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
	ck_assert_ptr_nonnull(strstr(page, "volume &lt;spool&gt; &amp; &quot;4096&quot; blocks"));
	ck_assert_ptr_nonnull(strstr(page, "&#39;x&#39;"));
}
END_TEST

START_TEST(nothing_is_fetched_and_nothing_runs)
{
	ck_assert_ptr_nonnull(strstr(page, "default-src 'none'"));
	ck_assert_ptr_null(strstr(page, "http:"));
	ck_assert_ptr_null(strstr(page, "https:"));
	ck_assert_ptr_null(strstr(page, "src=\""));
	ck_assert_ptr_null(strstr(page, "url("));
	ck_assert_ptr_null(strstr(page, "@import"));
	ck_assert_ptr_nonnull(strstr(page, "name=\"viewport\""));
	ck_assert_ptr_nonnull(strstr(page, "@media print"));
}
END_TEST

START_TEST(each_day_is_in_both_drawings)
{
	ck_assert_uint_eq(count_of("<svg "), 2);
	ck_assert_uint_eq(count_of("<title>2026-11-24: "), 2);
	ck_assert_ptr_nonnull(strstr(page, "<title>2026-11-24: 250 retired, 3 failed</title>"));
	ck_assert_ptr_nonnull(strstr(page, "<title>2026-11-24: 117.7 MiB</title>"));
	ck_assert_uint_eq(count_of("class=\"bad\" x="), 1);  /* one day had failed jobs */
	ck_assert_uint_eq(count_of("class=\"good\" x="), 2); /* a day without jobs has no bar */
}
END_TEST

START_TEST(a_report_without_days_says_so)
{
	struct compliance_report empty = fixture_report;

	empty.day_count = 0;
	teardown();
	ck_assert_int_eq(compliance_html(&empty, &page), 0);
	ck_assert_ptr_null(strstr(page, "<svg "));
	ck_assert_ptr_nonnull(strstr(page, "No day has been recorded yet."));
}
END_TEST

START_TEST(numbers_as_large_as_can_be_are_drawn)
{
	struct compliance_day days[] = {{"2026-11-24", UINT64_MAX / 2, 0, UINT64_MAX}};
	struct compliance_report large = fixture_report;

	large.days = days;
	large.day_count = 1;
	teardown();
	ck_assert_int_eq(compliance_html(&large, &page), 0);
	ck_assert_uint_eq(count_of("height=\"-"), 0);
	ck_assert_uint_eq(count_of("=\"nan"), 0);
}
END_TEST

/* Every tag that is opened is closed, in order. */
START_TEST(a_parser_that_is_not_ours_reads_it)
{
	FILE *to = popen("python3 -c '\n"
			 "import sys\n"
			 "from html.parser import HTMLParser\n"
			 "class Reader(HTMLParser):\n"
			 "    open = []\n"
			 "    def handle_starttag(self, tag, attributes):\n"
			 "        if tag not in (\"meta\",): self.open.append(tag)\n"
			 "    def handle_endtag(self, tag):\n"
			 "        assert self.open.pop() == tag, tag\n"
			 "    def handle_startendtag(self, tag, attributes): pass\n"
			 "reader = Reader()\n"
			 "reader.feed(sys.stdin.read())\n"
			 "reader.close()\n"
			 "assert reader.open == [], reader.open\n"
			 "'",
		"we");

	if (access("/usr/bin/python3", X_OK) < 0)
		return; /* the other tests look at the text */
	ck_assert_ptr_nonnull(to);
	fputs(page, to);
	ck_assert_int_eq(pclose(to), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("html");
	TCase *tcase = tcase_create("page");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_control_is_there_with_its_state_in_words);
	tcase_add_test(tcase, what_was_looked_at_is_listed_part_by_part);
	tcase_add_test(tcase, what_is_not_met_comes_first);
	tcase_add_test(tcase, text_from_outside_is_text);
	tcase_add_test(tcase, nothing_is_fetched_and_nothing_runs);
	tcase_add_test(tcase, each_day_is_in_both_drawings);
	tcase_add_test(tcase, a_report_without_days_says_so);
	tcase_add_test(tcase, numbers_as_large_as_can_be_are_drawn);
	tcase_add_test(tcase, a_parser_that_is_not_ours_reads_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

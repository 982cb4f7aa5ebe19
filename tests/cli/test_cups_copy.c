/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_copy.c - a directory of CUPS's copied, compared, and copied again
 *
 * Goal: the copy has what the original has, with owner, mode and time, and nothing else; whatever
 * differs, in one bit too, is found, and mended by the next copy; links lead nowhere.
 */
#include "cli/cups_copy.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64], from[80], to[80];
static const char *const kept[] = {"lost+found", NULL};
static struct cups_tree tree;
static struct problem problem;

static void run(const char *format, ...) format_printf(1, 2);

static void run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void setup(void)
{
	const char *temporary = getenv("TMPDIR");

	snprintf(top, sizeof(top), "%.40s/sg-copy.XXXXXX", temporary ? temporary : "/var/tmp");
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(from, sizeof(from), "%s/from", top);
	snprintf(to, sizeof(to), "%s/to", top);
	run("mkdir -p '%s/sub/deep' '%s/tmp' '%s/lost+found'", from, from, to);
	run("cd '%s' && head -c 600000 /dev/urandom > d00001-001 && echo title > c00001 && "
	    ": > empty && echo x > sub/deep/below && echo residue > tmp/left && ln -s c00001 link "
	    "&& "
	    "mkfifo pipe && chmod 640 d00001-001 && chmod 600 c00001 && chmod 1770 tmp && "
	    "touch -d '2001-02-03 04:05:06' c00001",
		from);
	tree = (struct cups_tree){.from = from, .to = to, .emptied = "tmp", .kept = kept};
	problem.text[0] = '\0';
}

static void teardown(void)
{
	run("rm -rf '%s'", top);
}

static void copy(void)
{
	ck_assert_msg(cups_tree_copy(&tree, NULL, &problem) == 0, "%s", problem.text);
}

static void assert_equal(void)
{
	ck_assert_msg(cups_tree_compare(&tree, &problem) == 0, "%s", problem.text);
}

static void assert_differs(const char *name)
{
	problem.text[0] = '\0';
	ck_assert_int_eq(cups_tree_compare(&tree, &problem), -EUCLEAN);
	ck_assert_msg(strstr(problem.text, name) != NULL, "%s: %s", name, problem.text);
}

START_TEST(a_copy_has_all_but_what_is_emptied)
{
	struct cups_tree_count count;

	if (geteuid() == 0)
		run("chown -h 7:7 '%s/c00001' '%s/link' '%s/tmp'", from, from, from);
	copy();
	assert_equal();
	run("cd '%s' && [ ! -e tmp/left ] && [ ! -e pipe ] && [ -d lost+found ]", to);
	run("cmp -s '%s/d00001-001' '%s/d00001-001'", from, to);
	run("for n in c00001 d00001-001 tmp sub link empty; do "
	    "[ \"$(stat -c '%%a %%u %%g %%F' '%s/'$n)\" = \"$(stat -c '%%a %%u %%g %%F' '%s/'$n)\" "
	    "] "
	    "|| exit 1; done",
		from, to);
	run("[ \"$(stat -c %%Y '%s/c00001')\" = \"$(stat -c %%Y '%s/c00001')\" ]", from, to);
	ck_assert_int_eq(cups_tree_measure(&tree, &count, &problem), 0);
	ck_assert_uint_eq(count.files, 4);
	ck_assert_uint_eq(count.bytes, 600000 + 6 + 2);
}
END_TEST

static const struct {
	const char *change, *name;
} changes[] = {
	{"printf x | dd of=d00001-001 bs=1 seek=599999 conv=notrunc status=none", "d00001-001"},
	{"printf x >> sub/deep/below", "/below:"},
	{"rm empty", "empty"},
	{"chmod 644 c00001", "c00001"},
	{"chmod 700 sub", "sub"},
	{"ln -sfn /etc/passwd link", "link"},
	{"rm c00001 && ln -s /etc/passwd c00001", "c00001"},
	{"rm empty && mkdir empty && echo x > empty/x", "empty"},
};

START_TEST(whatever_differs_is_found_and_mended)
{
	copy();
	run("cd '%s' && %s", to, changes[_i].change);
	/* The random last byte may have been that one. */
	if (_i == 0)
		run("cmp -s '%s/d00001-001' '%s/d00001-001' && printf y | dd of='%s/d00001-001' "
		    "bs=1 seek=599999 conv=notrunc status=none || true",
			from, to, to);
	assert_differs(changes[_i].name);
	problem.text[0] = '\0';
	copy();
	assert_equal();
}
END_TEST

START_TEST(what_an_earlier_copy_left_goes_and_what_is_kept_stays)
{
	copy();
	run("cd '%s' && mkdir -p gone/deep && echo x > gone/deep/x && echo x > d00009-001 && "
	    "echo x > sub/extra && echo mine > lost+found/mine",
		to);
	copy();
	run("cd '%s' && [ ! -e gone ] && [ ! -e d00009-001 ] && [ ! -e sub/extra ] && "
	    "[ -e lost+found/mine ]",
		to);
	assert_equal();
}
END_TEST

START_TEST(only_what_is_kept_is_vacant)
{
	bool vacant = false;

	ck_assert_int_eq(cups_tree_is_vacant(&tree, &vacant, &problem), 0);
	ck_assert(vacant);
	run("echo x > '%s/c00001'", to);
	ck_assert_int_eq(cups_tree_is_vacant(&tree, &vacant, &problem), 0);
	ck_assert(!vacant);
}
END_TEST

START_TEST(a_name_that_is_kept_is_not_overwritten)
{
	run("echo theirs > '%s/lost+found/mine'; mkdir '%s/lost+found'", to, from);
	ck_assert_int_eq(cups_tree_copy(&tree, NULL, &problem), -EEXIST);
	run("grep -q theirs '%s/lost+found/mine'", to);
}
END_TEST

START_TEST(a_link_in_the_place_of_a_directory_is_not_followed)
{
	copy();
	run("mkdir '%s/elsewhere' && rm -r '%s/sub' && ln -s '%s/elsewhere' '%s/sub'", top, to, top,
		to);
	copy();
	run("[ -z \"$(ls -A '%s/elsewhere')\" ] && [ ! -L '%s/sub' ]", top, to);
	assert_equal();
}
END_TEST

static bool stop(void *context, const struct progress *progress)
{
	(void)context;
	return progress->done_bytes > 300000;
}

START_TEST(a_copy_that_was_stopped_goes_on)
{
	const struct progress_sink sink = {stop, NULL};

	ck_assert_int_eq(cups_tree_copy(&tree, &sink, &problem), -ECANCELED);
	ck_assert(strstr(problem.text, "interrupted") != NULL);
	problem.text[0] = '\0';
	copy();
	assert_equal();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_copy");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_copy_has_all_but_what_is_emptied);
	tcase_add_loop_test(
		tcase, whatever_differs_is_found_and_mended, 0, (int)ARRAY_SIZE(changes));
	tcase_add_test(tcase, what_an_earlier_copy_left_goes_and_what_is_kept_stays);
	tcase_add_test(tcase, only_what_is_kept_is_vacant);
	tcase_add_test(tcase, a_name_that_is_kept_is_not_overwritten);
	tcase_add_test(tcase, a_link_in_the_place_of_a_directory_is_not_followed);
	tcase_add_test(tcase, a_copy_that_was_stopped_goes_on);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bind.c - which names a bind's directory may have
 *
 * Goal: no name leads out of the volume, and none is cut where it is recorded.  Method: a
 * table.  What binding does is seen in tests/e2e/binds.sh.
 */
#include "attached/bind.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_directory_is_named_from_the_root_of_the_volume)
{
	static const char *const good[] = {"a", "a/b", "...", ".a", "a.", "..a", "a b", "\xff"};
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a",
		"a/.", "a/..", "a/./b", "a/../b"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(bind_is_directory(good[i]), "\"%s\"", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!bind_is_directory(bad[i]), "\"%s\"", bad[i]);
}
END_TEST

START_TEST(a_directory_that_does_not_fit_the_record_is_none)
{
	char name[RUNTIME_BIND_DIRECTORY_BYTES + 1] = "";

	memset(name, 'a', RUNTIME_BIND_DIRECTORY_BYTES);
	ck_assert(!bind_is_directory(name));
	name[RUNTIME_BIND_DIRECTORY_BYTES - 1] = '\0';
	ck_assert(bind_is_directory(name));
}
END_TEST

START_TEST(a_place_is_recorded_by_its_whole_path)
{
	static struct runtime_state state = {
		.binds = {{"a", "/var/a"}, {"b", "/var/b"}},
		.bind_count = 1,
	};

	ck_assert(bind_is_recorded(&state, "/var/a"));
	ck_assert(!bind_is_recorded(&state, "/var/b"));
	ck_assert(!bind_is_recorded(&state, "/var/a/c"));
	ck_assert(!bind_is_recorded(&state, "/var"));
	ck_assert(!bind_is_recorded(&state, ""));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bind");
	TCase *tcase = tcase_create("names");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_directory_is_named_from_the_root_of_the_volume);
	tcase_add_test(tcase, a_directory_that_does_not_fit_the_record_is_none);
	tcase_add_test(tcase, a_place_is_recorded_by_its_whole_path);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_trust.c - what an auditor was given is read as it was meant, or not at all
 *
 * Goal: two keys, one key, mail's line ends; everything else is refused.  Method: a text of two
 * keys, cut at every byte and changed.
 */
#include "audit/trust.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct minisign_key device, root;
static char *device_text, *root_text;
static char both[1024];

static void setup(void)
{
	struct secret *seed;

	ck_assert_int_eq(minisign_key_new(&seed, &device), 0);
	secret_free(seed);
	ck_assert_int_eq(minisign_key_new(&seed, &root), 0);
	secret_free(seed);
	ck_assert_int_eq(minisign_key_encode(&device, "Rotunda's device", &device_text), 0);
	ck_assert_int_eq(minisign_key_encode(&root, "its log", &root_text), 0);
	snprintf(both, sizeof(both), "%s%s", device_text, root_text);
}

static void teardown(void)
{
	free(device_text);
	free(root_text);
}

static void assert_both(const char *text)
{
	struct trust trust;

	ck_assert_int_eq(trust_decode(text, strlen(text), &trust), 0);
	ck_assert(minisign_key_is_equal(&trust.device, &device));
	ck_assert(trust.has_log_root);
	ck_assert(minisign_key_is_equal(&trust.log_root, &root));
}

START_TEST(the_first_key_is_the_devices_and_the_second_the_logs)
{
	char text[1024];

	assert_both(both);
	snprintf(text, sizeof(text), "%s\n\n%s\n", device_text, root_text);
	assert_both(text);
}
END_TEST

START_TEST(line_ends_of_mail_do_not_matter)
{
	char text[1024], *at = text;

	for (const char *from = both; *from; from++) {
		if (*from == '\n')
			*at++ = '\r';
		*at++ = *from;
	}
	*at = '\0';
	assert_both(text);
}
END_TEST

START_TEST(one_key_alone_has_no_root)
{
	char line[MINISIGN_KEY_LINE_BYTES];
	struct trust trust;

	minisign_key_line(&device, line);
	for (int i = 0; i < 2; i++) {
		const char *text = i == 0 ? device_text : line;

		memset(&trust, 0xff, sizeof(trust));
		ck_assert_int_eq(trust_decode(text, strlen(text), &trust), 0);
		ck_assert(minisign_key_is_equal(&trust.device, &device));
		ck_assert(!trust.has_log_root);
	}
}
END_TEST

/* A cut that leaves the whole first key and nothing more is a file with one key. */
START_TEST(a_cut_text_is_refused)
{
	const size_t one = strlen(device_text);
	struct trust trust;

	for (size_t bytes = 0; bytes < strlen(both) - 1; bytes++) {
		int r = trust_decode(both, bytes, &trust);

		if (bytes == one || bytes == one - 1)
			ck_assert_int_eq(r, 0);
		else
			ck_assert_int_eq(r, -EINVAL);
	}
}
END_TEST

START_TEST(what_else_stands_there_is_refused)
{
	char text[2048], *big = malloc(3 * MINISIGN_TEXT_MAX);
	struct trust trust;

	snprintf(text, sizeof(text), "%s%s%s", device_text, root_text, root_text);
	ck_assert_int_eq(trust_decode(text, strlen(text), &trust), -EINVAL);
	snprintf(text, sizeof(text), "hello\n%s", device_text);
	ck_assert_int_eq(trust_decode(text, strlen(text), &trust), -EINVAL);
	snprintf(text, sizeof(text), "%shello\n", device_text);
	ck_assert_int_eq(trust_decode(text, strlen(text), &trust), -EINVAL);
	ck_assert_ptr_nonnull(big);
	memset(big, '\n', 3 * MINISIGN_TEXT_MAX);
	ck_assert_int_eq(trust_decode(big, 3 * MINISIGN_TEXT_MAX, &trust), -EINVAL);
	free(big);
}
END_TEST

START_TEST(a_file_is_named_where_it_cannot_be_read)
{
	char path[] = "/tmp/trust.XXXXXX";
	struct problem problem = {""};
	struct trust trust;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(trust_read(path, &trust, &problem), -EINVAL);
	ck_assert_ptr_nonnull(strstr(problem.text, path));
	ck_assert_int_eq(write(fd, both, strlen(both)), (ssize_t)strlen(both));
	ck_assert_int_eq(trust_read(path, &trust, &problem), 0);
	ck_assert(trust.has_log_root);
	close(fd);
	unlink(path);
	ck_assert_int_eq(trust_read(path, &trust, &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, path));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trust");
	TCase *tcase = tcase_create("trust");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_first_key_is_the_devices_and_the_second_the_logs);
	tcase_add_test(tcase, line_ends_of_mail_do_not_matter);
	tcase_add_test(tcase, one_key_alone_has_no_root);
	tcase_add_test(tcase, a_cut_text_is_refused);
	tcase_add_test(tcase, what_else_stands_there_is_refused);
	tcase_add_test(tcase, a_file_is_named_where_it_cannot_be_read);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

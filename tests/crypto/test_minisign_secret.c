/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the secret keys of stock minisign open here with their passphrase, sign what stock minisign
 * verifies, and open with nothing else (B1, B2).
 * Method: the installed minisign makes the keys (skipped with a word where there is none).
 */
#include "base/io.h"
#include "crypto/minisign_secret.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/test-minisign-secret-XXXXXX";

static int shell(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>&1", directory, command);
	return system(line);
}

static struct secret *load(const char *name)
{
	_cleanup_close_ int fd = -1;
	struct secret *text = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(secret_read_fd(fd, MINISIGN_TEXT_MAX, &text), 0);
	return text;
}

static void assert_signs(const struct secret *seed, const struct minisign_key *key, const char *pub)
{
	char *signature, path[128], command[128];
	FILE *file;

	ck_assert_int_eq(minisign_sign(seed, key, "hello", 5, "by spoolguard", &signature), 0);
	snprintf(path, sizeof(path), "%s/m.minisig", directory);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(signature, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	free(signature);
	snprintf(command, sizeof(command), "minisign -V -p %s -m m", pub);
	ck_assert_int_eq(shell(command), 0);
}

START_TEST(a_key_without_a_passphrase_signs_as_stock_minisign_does)
{
	_cleanup_secret_ struct secret *text = load("w.key"), *seed = NULL;
	struct minisign_key key;

	ck_assert(!minisign_secret_is_encrypted(text));
	ck_assert_int_eq(minisign_secret_decode(text, NULL, &seed, &key), 0);
	assert_signs(seed, &key, "w.pub");
}
END_TEST

START_TEST(an_encrypted_key_opens_with_its_passphrase_alone)
{
	_cleanup_secret_ struct secret *text = load("k.key"), *seed = NULL, *pass = NULL;
	_cleanup_secret_ struct secret *wrong = NULL;
	struct minisign_key key;

	ck_assert(minisign_secret_is_encrypted(text));
	ck_assert_int_eq(minisign_secret_decode(text, NULL, &seed, &key), -ENOKEY);
	ck_assert_int_eq(secret_new_copy("pw worD", 7, &wrong), 0);
	ck_assert_int_eq(minisign_secret_decode(text, wrong, &seed, &key), -EPERM);
	ck_assert_ptr_null(seed);
	ck_assert_int_eq(secret_new_copy("pw word", 7, &pass), 0);
	ck_assert_int_eq(minisign_secret_decode(text, pass, &seed, &key), 0);
	assert_signs(seed, &key, "k.pub");
}
END_TEST

START_TEST(no_byte_of_a_key_can_be_changed_unseen)
{
	_cleanup_secret_ struct secret *text = load("w.key");
	uint8_t *bytes = secret_bytes(text);
	size_t from = (size_t)((uint8_t *)memchr(bytes, '\n', secret_size(text)) - bytes) + 1;

	for (size_t i = from; i + 1 < secret_size(text); i++) {
		_cleanup_secret_ struct secret *seed = NULL;
		uint8_t was = bytes[i];
		struct minisign_key key;
		int r;

		bytes[i] = was == 'A' ? 'B' : 'A';
		r = minisign_secret_decode(text, NULL, &seed, &key);
		bytes[i] = was;
		/* Salt and costs mean nothing in a key that is not encrypted, and nothing protects
		 * its id and checksum. */
		if ((i - from >= 8 && i - from < 84) || i - from >= 168)
			continue;
		ck_assert_msg(r < 0, "byte %zu", i - from);
	}
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
	static const char *const texts[] = {"untrusted comment: x", "untrusted comment: x\n",
		"untrusted comment: x\nRWRTY0Iy\n", "RWRTY0Iy", "\xff\xff"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_secret_ struct secret *text = NULL, *seed = NULL;
		struct minisign_key key;

		ck_assert_int_eq(secret_new_copy(texts[i], strlen(texts[i]), &text), 0);
		ck_assert_int_eq(minisign_secret_decode(text, NULL, &seed, &key), -EINVAL);
		ck_assert(!minisign_secret_is_encrypted(text));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("minisign_secret");
	TCase *tcase = tcase_create("stock");
	SRunner *runner;
	int failed;

	if (system("command -v minisign >/dev/null 2>&1") != 0) {
		printf("skipped: minisign is not installed\n");
		return 77;
	}
	if (!mkdtemp(directory) || shell("printf hello > m; minisign -G -W -f -p w.pub -s w.key; "
					 "printf 'pw word\\npw word\\n' | minisign -G -f -p k.pub "
					 "-s k.key; test -s k.key -a -s w.key") != 0) {
		fprintf(stderr, "stock minisign makes no keys\n");
		return EXIT_FAILURE;
	}
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, a_key_without_a_passphrase_signs_as_stock_minisign_does);
	tcase_add_test(tcase, an_encrypted_key_opens_with_its_passphrase_alone);
	tcase_add_test(tcase, no_byte_of_a_key_can_be_changed_unseen);
	tcase_add_test(tcase, what_is_no_key_is_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)shell("rm -f m m.minisig w.pub w.key k.pub k.key");
	(void)rmdir(directory);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

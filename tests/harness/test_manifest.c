/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_manifest.c - the build manifest: read, found, and held against files
 *
 * Goal: a manifest is read as it was meant, from where it lies; every other text is refused.
 * Method: lines that are wrong in one thing each; directories
 * as "make" and "make install" have them.
 */
#include "base/io.h"
#include "harness/manifest.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD   "# spoolguard manifest 1\n# version 1.2.3\n# commit 0123abc\n# built 1732449600\n"
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */

static struct manifest manifest;
static struct manifest *read_back;
static struct problem problem;

static int parse(const char *text)
{
	memset(&manifest, 0, sizeof(manifest));
	return manifest_parse(text, strlen(text), &manifest);
}

static void put(const char *name, const char *text)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", scratch_path(), name);
	for (char *slash = path + strlen(scratch_path()); (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	ck_assert_int_eq(io_write(fd, text, strlen(text)), 0);
}

static const char *at(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", scratch_path(), name);
	return path;
}

static void setup(void)
{
	scratch_make();
}

static void teardown(void)
{
	free(read_back);
	read_back = NULL;
	scratch_remove();
}

START_TEST(a_manifest_is_read_field_by_field)
{
	ck_assert_int_eq(parse(HEAD "# a later version's comment\n" DIGEST
				    "  ../../bin/spoolguard\n\n" DIGEST "  b c\n"),
		0);
	ck_assert_str_eq(manifest.version, "1.2.3");
	ck_assert_str_eq(manifest.commit, "0123abc");
	ck_assert_int_eq(manifest.built_wall_s, 1732449600);
	ck_assert_uint_eq(manifest.count, 2);
	ck_assert_str_eq(manifest.files[0].name, "../../bin/spoolguard");
	ck_assert_str_eq(manifest.files[1].name, "b c");
	ck_assert_uint_eq(manifest.files[0].digest[0], 0xba);
	ck_assert_uint_eq(manifest.files[0].digest[31], 0xad);
}
END_TEST

START_TEST(what_is_no_manifest_is_refused)
{
	static const char *const texts[] = {
		"",
		"\n",
		"# spoolguard manifest 2\n# version 1\n# built 1\n" DIGEST "  a\n",
		HEAD,							 /* nothing in it */
		"# spoolguard manifest 1\n# built 1\n" DIGEST "  a\n",	 /* no version */
		"# spoolguard manifest 1\n# version 1\n" DIGEST "  a\n", /* no time */
		"# spoolguard manifest 1\n# version 1\n# built -1\n" DIGEST "  a\n",
		"# spoolguard manifest 1\n# version 1\n# built 1x\n" DIGEST "  a\n",
		"# spoolguard manifest 1\n# version 1\n# built \n" DIGEST "  a\n",
		"# spoolguard manifest 1\n# version 1\n# built 99999999999999999999\n" DIGEST
		"  a\n",
		HEAD DIGEST "\n",
		HEAD DIGEST "  \n",
		HEAD DIGEST " *a\n",
		HEAD DIGEST "  /etc/passwd\n", /* not relative */
		HEAD "ba78  a\n",
		HEAD "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD  a\n",
		HEAD "za7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n",
		HEAD "rubbish\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(parse(texts[i]) == -EBADMSG, "text %zu", i);
}
END_TEST

START_TEST(too_many_lines_and_too_long_names_are_refused)
{
	char text[MANIFEST_BYTES_MAX] = HEAD, name[300];

	for (size_t i = 0; i < MANIFEST_FILES_MAX; i++)
		strcat(text, DIGEST "  a\n");
	ck_assert_int_eq(parse(text), 0);
	strcat(text, DIGEST "  a\n");
	ck_assert_int_eq(parse(text), -EFBIG);

	for (size_t length = 255; length <= 256; length++) {
		memset(name, 'n', sizeof(name));
		name[length] = '\0';
		snprintf(text, sizeof(text), HEAD DIGEST "  %s\n", name);
		ck_assert_int_eq(parse(text), length == 255 ? 0 : -EBADMSG);
	}
}
END_TEST

START_TEST(bytes_behind_a_nul_are_refused)
{
	char text[] = HEAD DIGEST "  a\n\0" DIGEST "  b\n";

	ck_assert_int_eq(manifest_parse(text, sizeof(text) - 1, &manifest), -EBADMSG);
}
END_TEST

START_TEST(the_digest_names_the_build)
{
	uint8_t digest[SHA256_BYTES];

	ck_assert_int_eq(parse(HEAD DIGEST "  a\n"), 0);
	memcpy(digest, manifest.digest, sizeof(digest));
	ck_assert_int_eq(parse(HEAD DIGEST "  a\n"), 0);
	ck_assert_mem_eq(digest, manifest.digest, sizeof(digest));
	ck_assert_int_eq(parse(HEAD DIGEST "  b\n"), 0);
	ck_assert_mem_ne(digest, manifest.digest, sizeof(digest));
}
END_TEST

START_TEST(a_manifest_is_found_where_builds_and_installations_have_it)
{
	static const struct {
		const char *program, *manifest;
	} cases[] = {
		{"build/spoolguard", "build/manifest"},
		{"usr/bin/spoolguard", "usr/lib/spoolguard/manifest"},
		{"usr/sbin/spoolguardd", "usr/lib/spoolguard/manifest"},
		{"usr/libexec/spoolguard/spoolguard-volume", "usr/lib/spoolguard/manifest"},
	};
	char program[PATH_MAX], found[PATH_MAX], real[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(cases[i].program, "abc");
		strcpy(program, at(cases[i].program));
		unlink(at(cases[i].manifest));
		ck_assert_int_eq(manifest_find(program, found), -ENOENT);
		put(cases[i].manifest, HEAD);
		ck_assert_int_eq(manifest_find(program, found), 0);
		ck_assert_ptr_nonnull(realpath(found, real));
		ck_assert_str_eq(real, at(cases[i].manifest));
	}
	ck_assert_int_eq(manifest_find(at("no/such/program"), found), -ENOENT);
}
END_TEST

START_TEST(names_are_relative_to_the_manifest)
{
	char path[PATH_MAX], real[PATH_MAX];
	uint8_t digest[SHA256_BYTES];

	put("usr/bin/spoolguard", "abc");
	put("usr/lib/spoolguard/manifest", HEAD DIGEST "  ../../bin/spoolguard\n");
	ck_assert_int_eq(manifest_read(at("usr/lib/spoolguard/manifest"), &read_back, &problem), 0);
	ck_assert_int_eq(manifest_locate(read_back, 0, path), 0);
	ck_assert_ptr_nonnull(realpath(path, real));
	ck_assert_str_eq(real, at("usr/bin/spoolguard"));
	ck_assert_int_eq(manifest_hash(path, false, digest), 0);
	ck_assert_mem_eq(digest, read_back->files[0].digest, sizeof(digest));
	ck_assert_int_eq(manifest_hash(path, true, digest), 0);
	ck_assert_mem_ne(digest, read_back->files[0].digest, sizeof(digest));
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
	ck_assert_int_eq(manifest_read(at("none"), &read_back, &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, "none"));
	put("bad", "rubbish");
	ck_assert_int_eq(manifest_read(at("bad"), &read_back, &problem), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "damaged"));
	ck_assert_int_eq(manifest_hash(at("none"), false, manifest.digest), -ENOENT);
}
END_TEST

/* A file of any length: the step of the reader, and one byte more. */
START_TEST(long_files_are_hashed_whole)
{
	static uint8_t bytes[65536 + 1];
	uint8_t whole[SHA256_BYTES], digest[SHA256_BYTES];
	_cleanup_close_ int fd = -1;

	put("long", "");
	fd = open(at("long"), O_WRONLY | O_CLOEXEC);
	memset(bytes, 'x', sizeof(bytes));
	ck_assert_int_eq(io_write(fd, bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(hash_sha256(bytes, sizeof(bytes), whole), 0);
	ck_assert_int_eq(manifest_hash(at("long"), false, digest), 0);
	ck_assert_mem_eq(whole, digest, sizeof(digest));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manifest");
	TCase *tcase = tcase_create("manifest");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_manifest_is_read_field_by_field);
	tcase_add_test(tcase, what_is_no_manifest_is_refused);
	tcase_add_test(tcase, too_many_lines_and_too_long_names_are_refused);
	tcase_add_test(tcase, bytes_behind_a_nul_are_refused);
	tcase_add_test(tcase, the_digest_names_the_build);
	tcase_add_test(tcase, a_manifest_is_found_where_builds_and_installations_have_it);
	tcase_add_test(tcase, names_are_relative_to_the_manifest);
	tcase_add_test(tcase, what_cannot_be_read_is_named);
	tcase_add_test(tcase, long_files_are_hashed_whole);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_volume_record.c - what is remembered of a volume that is being made anew
 *
 * Goal: what is saved is loaded; what a crash or somebody else left is no record; a directory
 * that cannot be written to is said before anything is destroyed; a failed save leaves the old.
 */
#include "base/io.h"
#include "supervisor/volume_record.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/spoolguard-record.XXXXXX";
static char path[100];
static struct volume_record record, loaded;
static struct problem problem;

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/volume.spool", directory);
	record = (struct volume_record){
		.medium = "/srv/\"strange\" \\ medium\n",
		.making = true,
		.uuid = "0a0a0a0a-0000-4000-8000-00000000000a",
		.scheme = "three-pass",
		.profile = "hcd-cpp",
		.max_bytes = 1ull << 40,
		.kdf_memory_kib = 32768,
		.kdf_iterations = 7,
	};
	problem.text[0] = '\0';
}

static void teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *text, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_eq(io_write(fd, text, bytes), 0);
	close(fd);
}

START_TEST(what_is_saved_is_loaded)
{
	struct stat st;

	ck_assert_int_eq(volume_record_load(directory, "spool", &loaded), -ENOENT);
	ck_assert_int_eq(volume_record_save(directory, "spool", &record, &problem), 0);
	ck_assert_int_eq(volume_record_load(directory, "spool", &loaded), 0);
	ck_assert_str_eq(loaded.medium, record.medium);
	ck_assert(loaded.making);
	ck_assert_str_eq(loaded.uuid, record.uuid);
	ck_assert_str_eq(loaded.scheme, record.scheme);
	ck_assert_str_eq(loaded.profile, record.profile);
	ck_assert_uint_eq(loaded.max_bytes, record.max_bytes);
	ck_assert_uint_eq(loaded.kdf_memory_kib, record.kdf_memory_kib);
	ck_assert_uint_eq(loaded.kdf_iterations, record.kdf_iterations);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(volume_record_load(directory, "other", &loaded), -ENOENT);
	ck_assert_int_eq(volume_record_remove(directory, "spool", &problem), 0);
	ck_assert_int_eq(volume_record_load(directory, "spool", &loaded), -ENOENT);
	ck_assert_int_eq(volume_record_remove(directory, "spool", &problem), 0);
}
END_TEST

START_TEST(what_is_damaged_is_no_record)
{
	static const char *const bad[] = {"", "{", "[]", "7", "null", "{}", "{\"medium\":\"/x\"}",
		"{\"medium\":\"/x\",\"making\":1,\"uuid\":\"\",\"scheme\":\"\",\"profile\":\"\","
		"\"max_bytes\":0,\"kdf_memory_kib\":0,\"kdf_iterations\":0}",
		"{\"medium\":\"/x\",\"making\":true,\"uuid\":\"\",\"profile\":\"\","
		"\"scheme\":\"12345678901234567890123456789012\","
		"\"max_bytes\":0,\"kdf_memory_kib\":0,\"kdf_iterations\":0}"};
	static char large[100000];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file(bad[i], strlen(bad[i]));
		ck_assert_msg(
			volume_record_load(directory, "spool", &loaded) == -EBADMSG, "%s", bad[i]);
	}
	memset(large, ' ', sizeof(large));
	write_file(large, sizeof(large));
	ck_assert_int_eq(volume_record_load(directory, "spool", &loaded), -EBADMSG);
	write_file("{}\0x", 4);
	ck_assert_int_eq(volume_record_load(directory, "spool", &loaded), -EBADMSG);
}
END_TEST

START_TEST(a_save_that_fails_leaves_the_old_record)
{
	char blocked[120];

	ck_assert_int_eq(volume_record_save(directory, "spool", &record, &problem), 0);
	snprintf(blocked, sizeof(blocked), "%s.new", path);
	ck_assert_int_eq(mkdir(blocked, 0700), 0);
	record.making = false;
	ck_assert_int_lt(volume_record_save(directory, "spool", &record, &problem), 0);
	ck_assert_ptr_nonnull(strstr(problem.text, "nothing of volume spool was destroyed"));
	ck_assert_int_eq(volume_record_load(directory, "spool", &loaded), 0);
	ck_assert(loaded.making);
	ck_assert_int_lt(volume_record_save("/nonexistent", "spool", &record, &problem), 0);
	ck_assert_int_lt(volume_record_save("/proc", "spool", &record, &problem), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("records of volumes");
	TCase *tcase = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, what_is_saved_is_loaded);
	tcase_add_test(tcase, what_is_damaged_is_no_record);
	tcase_add_test(tcase, a_save_that_fails_leaves_the_old_record);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

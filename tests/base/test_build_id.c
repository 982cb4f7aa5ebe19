/* SPDX-License-Identifier: Apache-2.0 */
/* test_build_id.c - the id in memory is the one that the linker wrote into the file */
#include "base/build_id.h"
#include <check.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The note as it lies in the file: sizes 4 and 20, type 3, "GNU". */
START_TEST(the_running_program_knows_its_build)
{
	static const char note[] = "\4\0\0\0\24\0\0\0\3\0\0\0GNU";
	char id[BUILD_ID_BYTES], file_id[BUILD_ID_BYTES] = "";
	FILE *file = fopen("/proc/self/exe", "r");
	char *bytes = malloc(8u << 20);
	size_t count;
	const unsigned char *found;

	ck_assert_ptr_nonnull(file);
	count = fread(bytes, 1, 8u << 20, file);
	fclose(file);
	found = memmem(bytes, count, note, sizeof(note));
	if (found) {
		for (size_t i = 0; i < 20; i++)
			snprintf(file_id + 2 * i, 3, "%02x", found[sizeof(note) + i]);
	}
	free(bytes);
	ck_assert_str_eq(build_id(id), file_id);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("build id");
	TCase *tcase = tcase_create("file");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, the_running_program_knows_its_build);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

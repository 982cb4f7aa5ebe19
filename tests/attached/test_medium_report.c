/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_medium_report.c - what is said of a volume's medium, as JSON
 *
 * Goal: the drive that decides is the one that is named, each drive once; what keeps a
 * cryptographic erase from being claimed is listed, line by line, and it is never claimed.
 * Method: stacks and states made by hand; the kept file in a runtime directory of its own.
 */
#include "attached/medium_report.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct drive_stack stack;

static struct drive_layer *add(enum drive_class class, const char *name, unsigned int depth)
{
	struct drive_layer *layer = &stack.layers[stack.count++];

	*layer = (struct drive_layer){.class = class, .depth = depth, .bytes = 4096};
	snprintf(layer->name, sizeof(layer->name), "%s", name);
	snprintf(layer->serial, sizeof(layer->serial), "SN-%.100s", name);
	return layer;
}

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = json_object_object_get(object, key);

	ck_assert_msg(value != NULL, "no %s in %s", key, json_object_to_json_string(object));
	return value;
}

static void expect(struct json_object *object, const char *key, const char *text)
{
	ck_assert_str_eq(json_object_get_string(get(object, key)), text);
}

START_TEST(the_drive_that_decides_is_named_and_each_once)
{
	struct json_object *report;

	stack = (struct drive_stack){.count = 0};
	snprintf(add(DRIVE_RAID, "md0", 0)->text, DRIVE_TEXT_BYTES, "raid1");
	add(DRIVE_PARTITION, "sda1", 1);
	add(DRIVE_ROTATIONAL, "sda", 2);
	add(DRIVE_PARTITION, "sda2", 1);
	add(DRIVE_ROTATIONAL, "sda", 2);
	add(DRIVE_FLASH, "sdb", 1);
	report = medium_report_encode(&stack, 1764000000);
	expect(report, "looked_at", "2025-11-24T16:00:00Z");
	expect(report, "class", "flash");
	expect(report, "overwrite", "neither");
	expect(get(report, "drive"), "name", "sdb");
	expect(get(report, "drive"), "serial", "SN-sdb");
	ck_assert_uint_eq(json_object_array_length(get(report, "drives")), 2);
	ck_assert_uint_eq(json_object_array_length(get(report, "layers")), 6);
	ck_assert(json_object_get_boolean(get(report, "complete")));
	json_object_put(report);

	stack.count = 5;
	stack.cut = false;
	report = medium_report_encode(&stack, 1764000000);
	expect(report, "overwrite", "Clear");
	expect(report, "class", "rotational");
	expect(get(report, "drive"), "serial", "SN-sda");
	json_object_put(report);
}
END_TEST

START_TEST(without_a_drive_in_sight_none_is_named)
{
	struct json_object *report, *drive;

	stack = (struct drive_stack){.cut = true};
	report = medium_report_encode(&stack, 0);
	ck_assert(json_object_object_get_ex(report, "drive", &drive) && !drive);
	expect(report, "class", "unknown");
	expect(report, "overwrite", "neither");
	ck_assert(!json_object_get_boolean(get(report, "complete")));
	json_object_put(report);
}
END_TEST

struct state {
	const char *status; /* NULL: none */
	enum drive_sanitization overwrite;
	size_t lines;
	const char *word;
};

/* Two lines are always there: what a person must show, and what the kernel says. */
static const struct state states[] = {
	{"{\"managed\":true,\"fips_provider\":true,\"not_approved\":[],\"header_backups\":0}",
		DRIVE_CLEAR, 2, "a person must show"},
	{"{\"managed\":true,\"fips_provider\":false,\"not_approved\":[],\"header_backups\":0}",
		DRIVE_CLEAR, 3, "not a validated one"},
	{"{\"managed\":true,\"fips_provider\":true,\"not_approved\":[\"x\"],\"header_backups\":0}",
		DRIVE_CLEAR, 3, "not a validated one"},
	{"{\"managed\":true,\"fips_provider\":true,\"not_approved\":[],\"header_backups\":1}",
		DRIVE_CLEAR, 3, "1 header backup was taken"},
	{"{\"managed\":true,\"fips_provider\":true,\"not_approved\":[],\"header_backups\":2}",
		DRIVE_CLEAR, 3, "2 header backups were taken"},
	{"{\"managed\":true,\"fips_provider\":true,\"filled_before\":true}", DRIVE_CLEAR, 3,
		"before it was encrypted"},
	{"{\"managed\":false,\"fips_provider\":true}", DRIVE_CLEAR, 3, "header was not made here"},
	{"{\"managed\":true,\"fips_provider\":true}", DRIVE_NEITHER, 3,
		"key slots lie on the same"},
	{NULL, DRIVE_CLEAR, 3, "does not answer"},
};

START_TEST(a_cryptographic_erase_is_never_claimed_and_what_is_open_is_listed)
{
	const struct state *state = &states[_i];
	struct json_object *status = state->status ? json_tokener_parse(state->status) : NULL;
	struct json_object *keys = medium_report_describe_keys(status, state->overwrite);
	const char *open = json_object_to_json_string(get(keys, "open"));

	ck_assert(!state->status || status);
	expect(keys, "claimed", "neither");
	expect(keys, "clause", "SP 800-88r2 3.2");
	ck_assert(json_object_get_boolean(get(keys, "possible")));
	ck_assert_msg(strstr(open, state->word), "%s lacks \"%s\"", open, state->word);
	ck_assert_msg(json_object_array_length(get(keys, "open")) == state->lines, "%s", open);
	json_object_put(keys);
	json_object_put(status);
}
END_TEST

/* --- the kept file --- */

static struct runtime_state volume = {.uuid = "01234567-89ab-cdef-0123-456789abcdef"};
static char kept[RUNTIME_PATH_BYTES];

static void setup(void)
{
	char directory[PATH_MAX];
	int fd;

	snprintf(directory, sizeof(directory), "%.1000s/run", scratch_path());
	(void)mkdir(directory, 0700);
	ck_assert_int_eq(setenv("SPOOLGUARD_RUNTIME_DIR", directory, 1), 0);
	snprintf(directory, sizeof(directory), "%.1000s/run/%s", scratch_path(), volume.uuid);
	(void)mkdir(directory, 0700);
	snprintf(volume.path, sizeof(volume.path), "%.1000s/medium", scratch_path());
	fd = open(volume.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(runtime_path(volume.uuid, "report", kept), 0);
	(void)unlink(kept);
}

static void keep(const char *text)
{
	FILE *file = fopen(kept, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static bool is_kept_one(enum medium_promise promise)
{
	struct json_object *report;
	bool is;

	ck_assert_int_eq(medium_report_get(&volume, promise, NULL, &report), 0);
	is = strcmp(json_object_get_string(get(report, "reason")), "kept") == 0;
	(void)get(report, "cryptographic_erase");
	json_object_put(report);
	return is;
}

START_TEST(what_was_found_is_kept_and_not_looked_for_again)
{
	struct stat st;

	ck_assert(!is_kept_one(MEDIUM_NOT_ASSESSED));
	ck_assert_int_eq(stat(kept, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	keep("{\"overwrite\":\"neither\",\"reason\":\"kept\"}");
	ck_assert(is_kept_one(MEDIUM_NOT_ASSESSED));
	ck_assert(is_kept_one(MEDIUM_NOT_IN_PLACE));
}
END_TEST

START_TEST(clear_is_not_believed_where_nothing_is_written_in_place)
{
	keep("{\"overwrite\":\"Clear\",\"reason\":\"kept\"}");
	ck_assert(is_kept_one(MEDIUM_NOT_ASSESSED));
	ck_assert(is_kept_one(MEDIUM_CACHE_ONLY));
	ck_assert(!is_kept_one(MEDIUM_NOT_IN_PLACE));
}
END_TEST

START_TEST(a_kept_file_that_is_none_is_made_anew)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"reason\":\"kept\"}", "null"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		keep(bad[i]);
		ck_assert(!is_kept_one(MEDIUM_NOT_ASSESSED));
	}
}
END_TEST

int main(void)
{
	TCase *pure = tcase_create("pure"), *file = tcase_create("file");
	Suite *suite = suite_create("medium_report");
	SRunner *runner;
	int failed;

	tcase_add_test(pure, the_drive_that_decides_is_named_and_each_once);
	tcase_add_test(pure, without_a_drive_in_sight_none_is_named);
	tcase_add_loop_test(pure, a_cryptographic_erase_is_never_claimed_and_what_is_open_is_listed,
		0, (int)ARRAY_SIZE(states));
	tcase_add_unchecked_fixture(file, scratch_make, scratch_remove);
	tcase_add_checked_fixture(file, setup, NULL);
	tcase_add_test(file, what_was_found_is_kept_and_not_looked_for_again);
	tcase_add_test(file, clear_is_not_believed_where_nothing_is_written_in_place);
	tcase_add_test(file, a_kept_file_that_is_none_is_made_anew);
	suite_add_tcase(suite, pure);
	suite_add_tcase(suite, file);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_record.c - the record of a drive's last day, written, damaged, cut off and read again
 *
 * Goal: every member comes back as it was (the table leaves none out); a file that is damaged, cut,
 * newer or put in another's place is refused as that (J6); and a power cut or a full disk leaves
 * the record before or the record after.  Method: members filled by the table, the table held
 * against the layout of the structures; each truncation and bit flip; fsync, write and rename
 * replaced by ones that fail; power_cut.h.
 */
#include "base/durable.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "decommission/record_fields.h"
#include "tests/support/power_cut.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct record *record;
static char directory[256];
static unsigned int fail_at;   /* of the calls below; 0: none */
static int fail_with;	       /* errno */
static unsigned int cut_at;    /* the nth fsync: what a cut just before it leaves */
static enum power_cut cut_how; /* ... goes to this directory */
static char cut_to[256];
static bool is_watched;

/* --- calls that fail --- */

static bool is_faulty(void)
{
	if (fail_at == 0 || --fail_at > 0)
		return false;
	errno = fail_with;
	return true;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int fsync(int fd)
{
	if (is_faulty())
		return -1;
	if (cut_at > 0 && --cut_at == 0)
		power_cut_leave(cut_how, 1, cut_to);
	if (is_watched && is_directory(fd))
		power_cut_note_sync_directory(fd);
	else if (is_watched)
		power_cut_note_sync(fd);
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	return is_faulty() ? -1 : (int)syscall(SYS_renameat2, -100, from, -100, to, 0);
}

ssize_t write(int fd, const void *buf, size_t bytes)
{
	return is_faulty() ? -1 : syscall(SYS_write, fd, buf, bytes);
}

/* --- a record with something in every member --- */

static uint64_t drawn; /* the same at every run */

static uint64_t draw(void)
{
	drawn = drawn * 6364136223846793005u + 1442695040888963407u;
	return drawn >> 8;
}

static void fill_all(const struct field *fields, void *base);

static void fill_text(char *at, size_t room)
{
	size_t length = 1 + draw() % (room - 1);

	for (size_t i = 0; i < length; i++)
		at[i] = (char)(' ' + draw() % 95);
	at[length] = '\0';
}

static void set_number(void *at, size_t bytes, uint64_t value)
{
	memcpy(at, &value, bytes); /* little-endian hosts, as all of ours */
}

static void fill(const struct field *field, void *base)
{
	char *at = (char *)base + field->offset;

	switch (field->type) {
	case FIELD_TEXT:
		fill_text(at, field->bytes);
		break;
	case FIELD_U64:
		set_number(at, 8, UINT64_MAX - draw() % 1000);
		break;
	case FIELD_U32:
		set_number(at, field->bytes, UINT32_MAX - draw() % 100);
		break;
	case FIELD_I64:
		set_number(at, 8, (uint64_t) - (int64_t)(draw() % 100000 + 1));
		break;
	case FIELD_BOOL:
		*(bool *)at = true;
		break;
	case FIELD_NAME:
		set_number(at, 4, 1 + draw() % (field->most - 1));
		break;
	case FIELD_BYTES:
		for (size_t i = 0; i < field->most; i++)
			at[i] = (char)draw();
		set_number((char *)base + field->count_offset, 4, field->most);
		break;
	case FIELD_RUNS:
		for (uint64_t i = 0; i < 5; i++)
			ck_assert_int_eq(extent_list_add((struct extent_list *)at,
						 (struct extent){i * 1000 + draw() % 500, 1 + i}),
				0);
		break;
	case FIELD_OBJECT:
		fill_all(field->fields, at);
		break;
	case FIELD_ARRAY:
		for (size_t i = 0; i < field->most; i++)
			fill_all(field->fields, at + i * field->bytes);
		if (field->count_offset != FIELD_ALL)
			set_number((char *)base + field->count_offset, 4, field->most);
		break;
	}
}

static void fill_all(const struct field *fields, void *base)
{
	for (const struct field *field = fields; field->name; field++)
		fill(field, base);
}

static void make_full(void)
{
	drawn = 7;
	fill_all(record_fields, record);
	memset(record->id, 'a', RECORD_ID_BYTES - 1);
	record->id[RECORD_ID_BYTES - 1] = '\0';
	strcpy(record->identity.key, "0123456789abcdef");
	record->overwrite.reached.pass = 3;
}

/* As it is when a drive was just chosen. */
static void make_small(void)
{
	strcpy(record->identity.serial, "S3R1AL");
	strcpy(record->identity.key, "00ff");
	record->bytes = 1 << 20;
	record->steps[RECORD_INTAKE].state = RECORD_BEGUN;
}

static void setup(void)
{
	snprintf(directory, sizeof(directory), "%s/state", scratch_path());
	ck_assert(mkdir(directory, 0700) == 0 || errno == EEXIST);
	fail_at = cut_at = 0;
	ck_assert_int_eq(record_new(&record), 0);
}

static void teardown(void)
{
	char command[600];

	fail_at = 0;
	is_watched = false;
	record_free(record);
	record = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s' '%s'/after-*", directory, scratch_path());
	ck_assert_int_eq(system(command), 0);
}

static char *encoded(const struct record *from)
{
	char *text;

	ck_assert_int_eq(record_encode(from, &text), 0);
	return text;
}

/* --- the text --- */

START_TEST(every_member_comes_back_as_it_was)
{
	struct record *again;
	char *text, *second;

	make_full();
	text = encoded(record);
	ck_assert_int_eq(record_decode(text, strlen(text), &again), 0);
	ck_assert(extent_list_is_equal(&record->overwrite.refused, &again->overwrite.refused));
	ck_assert(
		extent_list_is_equal(&record->overwrite.mismatched, &again->overwrite.mismatched));
	second = encoded(again);
	ck_assert_str_eq(text, second);
	/* Byte for byte, but for where lists lie. */
	extent_list_done(&record->overwrite.refused);
	extent_list_done(&record->overwrite.mismatched);
	extent_list_done(&again->overwrite.refused);
	extent_list_done(&again->overwrite.mismatched);
	ck_assert_int_eq(
		memcmp(&record->operator_, &again->operator_, sizeof(record->operator_)), 0);
	ck_assert_int_eq(record->approvals[3].person.uid, again->approvals[3].person.uid);
	ck_assert_str_eq(record->certificate_sha256, again->certificate_sha256);
	ck_assert_int_eq(memcmp(record->methods[31].status_after, again->methods[31].status_after,
				 METHOD_STATUS_BYTES),
		0);
	ck_assert_int_eq(record->began_wall_s, again->began_wall_s);
	ck_assert_uint_eq(record->bytes, again->bytes);
	free(text);
	free(second);
	record_free(again);
}
END_TEST

START_TEST(an_empty_record_comes_back_too)
{
	struct record *again;
	char *text = encoded(record);

	ck_assert_int_eq(record_decode(text, strlen(text), &again), 0);
	ck_assert_int_eq(memcmp(record, again, sizeof(*record)), 0);
	ck_assert_int_eq(strncmp(text, "{\"schema\":\"spoolguard.decommission/1\",", 38), 0);
	free(text);
	record_free(again);
}
END_TEST

struct place {
	size_t first, bytes, align;
};

static size_t align_of(const struct field *field);

static size_t align_of_all(const struct field *fields)
{
	size_t align = 1;

	for (const struct field *field = fields; field->name; field++) {
		size_t one = align_of(field);

		if (one < 4 &&
			(field->type == FIELD_BYTES ||
				(field->type == FIELD_ARRAY && field->count_offset != FIELD_ALL)))
			one = 4; /* for their count */
		align = one > align ? one : align;
	}
	return align;
}

static size_t align_of(const struct field *field)
{
	switch (field->type) {
	case FIELD_U64:
	case FIELD_I64:
	case FIELD_RUNS:
		return 8;
	case FIELD_U32:
	case FIELD_NAME:
		return field->bytes;
	case FIELD_OBJECT:
	case FIELD_ARRAY:
		return align_of_all(field->fields);
	default:
		return 1;
	}
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Members lie one behind the other with no more between than their alignment asks for. */
static void check_layout(const struct field *fields, size_t whole)
{
	struct place places[128] = {{.first = 0}};
	size_t count = 0, end = 0;

	for (const struct field *field = fields; field->name; field++) {
		size_t bytes =
			field->type == FIELD_ARRAY ? field->bytes * field->most : field->bytes;
		bool counted = field->type == FIELD_BYTES ||
			       (field->type == FIELD_ARRAY && field->count_offset != FIELD_ALL);

		places[count++] = (struct place){field->offset, bytes, align_of(field)};
		if (counted)
			places[count++] = (struct place){field->count_offset, 4, 4};
		if (field->fields)
			check_layout(field->fields, field->bytes);
	}
	qsort(places, count, sizeof(places[0]), compare_places);
	for (size_t i = 0; i < count; i++) {
		size_t align = places[i].align;

		if (i > 0 && places[i].first == places[i - 1].first)
			continue; /* a count of two members */
		ck_assert_uint_eq(places[i].first, (end + align - 1) / align * align);
		end = places[i].first + places[i].bytes;
	}
	ck_assert_uint_le(end, whole);
	ck_assert_uint_lt(whole - end, 8);
}

START_TEST(the_table_leaves_no_member_out)
{
	check_layout(record_fields, sizeof(struct record));
}
END_TEST

START_TEST(each_truncation_is_refused)
{
	struct record *again;
	char *text;

	make_small();
	text = encoded(record);
	for (size_t bytes = 0; bytes < strlen(text); bytes++)
		ck_assert_int_eq(record_decode(text, bytes, &again), -EBADMSG);
	free(text);
}
END_TEST

START_TEST(each_bit_that_is_turned_over_is_refused)
{
	struct record *again;
	char *text;

	make_small();
	text = encoded(record);
	for (size_t bit = 0; bit < 8 * strlen(text); bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_eq(record_decode(text, strlen(text), &again), -EBADMSG);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert_int_eq(record_decode(text, strlen(text), &again), 0);
	record_free(again);
	free(text);
}
END_TEST

/* The text with one piece exchanged, and a digest that fits. */
static char *changed(const char *from, const char *to)
{
	char *text = encoded(record), *at = strstr(text, from), *body, *sealed;
	char *tail = strstr(text, ",\"sha256\":\"");
	uint8_t digest[SHA256_BYTES];
	char digits[2 * SHA256_BYTES + 1];

	ck_assert_ptr_nonnull(at);
	while (strstr(tail + 1, ",\"sha256\":\"")) /* searches have one of their own */
		tail = strstr(tail + 1, ",\"sha256\":\"");
	ck_assert_int_gt(asprintf(&body, "%.*s%s%.*s", (int)(at - text), text, to,
				 (int)(tail - at - (ptrdiff_t)strlen(from)), at + strlen(from)),
		0);
	ck_assert_int_eq(hash_sha256(body, strlen(body), digest), 0);
	hex_encode(digest, sizeof(digest), digits);
	ck_assert_int_gt(asprintf(&sealed, "%s,\"sha256\":\"%s\"}\n", body, digits), 0);
	free(text);
	free(body);
	return sealed;
}

START_TEST(what_encode_would_not_have_written_is_refused)
{
	static const struct {
		const char *from, *to;
		int error;
	} cases[] = {
		{"\"bytes\":1048576", "\"bytes\":1048577", 0}, /* that the seal fits is seen here */
		{"decommission/1", "decommission/2", -EPROTONOSUPPORT},
		{"decommission/1", "decommission/1.1", -EPROTONOSUPPORT},
		{"\"bytes\":1048576", "\"bytes\":-1", -EBADMSG},
		{"\"bytes\":1048576", "\"bytes\":\"1\"", -EBADMSG},
		{"\"bytes\":1048576", "\"bytes\":1.5", -EBADMSG},
		{"\"bytes\":1048576", "\"bytes\":null", -EBADMSG},
		{"\"bytes\":1048576,", "", -EBADMSG},
		{"\"bytes\":1048576", "\"bytes\":1048576,\"more\":1", -EBADMSG},
		{"\"opal\":false", "\"opal\":0", -EBADMSG},
		{"\"logical_bytes\":0", "\"logical_bytes\":4294967296", -EBADMSG},
		{"\"began_wall_s\":0", "\"began_wall_s\":9223372036854775808", -EBADMSG},
		{"\"state\":\"begun\"", "\"state\":\"begone\"", -EBADMSG},
		{"\"key\":\"00ff\"", "\"key\":\"../x\"", -EBADMSG},
		{"\"serial\":\"S3R1AL\"", "\"serial\":\"S3R1\\u0000AL\"", -EBADMSG},
		{"\"serial\":\"S3R1AL\"", "\"serial\":\"\xff\"", -EBADMSG},
		{"\"refused\":[]", "\"refused\":[[1,2],[3,1]]", -EBADMSG}, /* adjacent */
		{"\"refused\":[]", "\"refused\":[[1,0]]", -EBADMSG},
		{"\"refused\":[]", "\"refused\":[[18446744073709551615,2]]", -EBADMSG},
		{"\"refused\":[]", "\"refused\":[[1]]", -EBADMSG},
		{"\"pass\":0", "\"pass\":1", -EBADMSG}, /* of no passes */
		{"\"scheme\":\"\"", "\"scheme\":\"0123456789012345678901234567890123\"", -EBADMSG},
		{"\"volumes\":[]", "\"volumes\":{}", -EBADMSG},
		{"\"hidden\":{", "\"hidden\":[],\"h\":{", -EBADMSG},
	};
	struct record *again = NULL;

	make_small();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = changed(cases[i].from, cases[i].to);

		ck_assert_msg(record_decode(text, strlen(text), &again) == cases[i].error,
			"case %zu: %s", i, cases[i].to);
		if (cases[i].error == 0)
			record_free(again);
		free(text);
	}
}
END_TEST

START_TEST(what_is_no_utf8_is_written_so_that_it_can_be_read)
{
	struct record *again;
	char *text;

	strcpy(record->model, "WD\xff\xfe 1");
	text = encoded(record);
	ck_assert_int_eq(record_decode(text, strlen(text), &again), 0);
	ck_assert_str_eq(again->model, "WD\\xff\\xfe 1");
	free(text);
	record_free(again);
}
END_TEST

/* --- the files --- */

static int load(const char *key, struct record **ret_record)
{
	struct problem problem = {{0}};
	int r = record_load(directory, key, ret_record, &problem);

	ck_assert((r < 0) == (problem.text[0] != '\0'));
	return r;
}

START_TEST(a_record_is_found_by_its_key_its_id_and_its_serial)
{
	struct record *again;

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	ck_assert_int_eq(load("00ff", &again), 0);
	ck_assert_str_eq(again->id, record->id);
	record_free(again);
	ck_assert_int_eq(record_find(directory, "S3R1AL", &again, NULL), 0);
	record_free(again);
	ck_assert_int_eq(record_find(directory, record->id, &again, NULL), 0);
	record_free(again);
	ck_assert_int_eq(record_find(directory, "S3R1", &again, NULL), -ENOENT);
	ck_assert_int_eq(load("00fe", &again), -ENOENT);
	ck_assert_int_eq(load("../decommission/00ff", &again), -ENOENT);
	ck_assert_int_eq(load("", &again), -ENOENT);
}
END_TEST

START_TEST(a_drive_without_a_key_is_kept_under_its_id)
{
	struct record *again;

	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	ck_assert_int_eq(load(record->id, &again), 0);
	record_free(again);
}
END_TEST

START_TEST(two_of_one_serial_are_told_apart_by_id_only)
{
	struct record *again;
	char first[RECORD_ID_BYTES];

	make_small();
	strcpy(first, record->id);
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	record->id[0] = record->id[0] == 'a' ? 'b' : 'a';
	strcpy(record->identity.key, "00fe");
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	ck_assert_int_eq(record_find(directory, "S3R1AL", &again, NULL), -ENOTUNIQ);
	ck_assert_int_eq(record_find(directory, first, &again, NULL), 0);
	ck_assert_str_eq(again->identity.key, "00ff");
	record_free(again);
}
END_TEST

static void write_over(const char *name, const char *text)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/decommission/%s", directory, name);
	ck_assert_int_eq(durable_write(path, text), 0);
}

START_TEST(a_damaged_file_is_never_none)
{
	struct problem problem = {{0}};
	struct record *again;

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	write_over("00ff.json", "{\"schema\":");
	ck_assert_int_eq(load("00ff", &again), -EBADMSG);
	ck_assert_int_eq(record_find(directory, "S3R1AL", &again, &problem), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "00ff.json is damaged"));
	write_over("00ff.json", "");
	ck_assert_int_eq(load("00ff", &again), -EBADMSG);
}
END_TEST

START_TEST(a_record_under_anothers_name_is_refused)
{
	struct record *again;
	char *text;

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	text = encoded(record);
	write_over("00fe.json", text);
	ck_assert_int_eq(load("00fe", &again), -EBADMSG);
	free(text);
}
END_TEST

START_TEST(a_newer_versions_file_is_told_as_that)
{
	struct record *again;
	char *text;

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	text = changed("decommission/1", "decommission/9");
	write_over("00ff.json", text);
	ck_assert_int_eq(load("00ff", &again), -EPROTONOSUPPORT);
	free(text);
}
END_TEST

START_TEST(a_directory_that_is_gone_is_not_made_anew)
{
	struct problem problem = {{0}};
	struct record *again;

	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(record_save(directory, record, &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, directory));
	ck_assert_int_eq(access(directory, F_OK), -1);
	ck_assert_int_eq(record_find(directory, "x", &again, NULL), -ENOENT);
}
END_TEST

/* A full disk, and everything else that can fail: the old one stays. */
START_TEST(whatever_fails_leaves_the_record_before)
{
	struct record *again;

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	for (unsigned int nth = 1;; nth++) {
		struct problem problem = {{0}};
		int r;

		record->jobs_retired = nth;
		fail_at = nth;
		fail_with = ENOSPC;
		r = record_save(directory, record, &problem);
		if (fail_at > 0)
			break;
		ck_assert_int_eq(r, -ENOSPC);
		ck_assert_ptr_nonnull(strstr(problem.text, "not touched further"));
		ck_assert_int_eq(load("00ff", &again), 0);
		/* The last to fail is the flush of the directory, behind the rename. */
		ck_assert(again->jobs_retired == 0 || again->jobs_retired == nth);
		record_free(again);
		ck_assert_uint_lt(nth, 100);
	}
	fail_at = 0;
}
END_TEST

START_TEST(a_power_cut_leaves_the_record_before_or_the_record_after)
{
	static const enum power_cut kinds[] = {POWER_CUT_LOST, POWER_CUT_KEPT, POWER_CUT_MIXED};
	struct record *again;
	unsigned int cuts = 0;

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	for (unsigned int nth = 1; nth <= 2; nth++) {
		for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++, cuts++) {
			snprintf(cut_to, sizeof(cut_to), "%s/after-%u", scratch_path(), cuts);
			power_cut_watch(directory);
			is_watched = true;
			cut_at = nth;
			cut_how = kinds[kind];
			record->jobs_retired++;
			ck_assert_int_eq(record_save(directory, record, NULL), 0);
			is_watched = false;
			power_cut_forget();
			ck_assert_uint_eq(cut_at, 0);
			ck_assert_int_eq(record_load(cut_to, "00ff", &again, NULL), 0);
			ck_assert(again->jobs_retired == record->jobs_retired ||
				  again->jobs_retired + 1 == record->jobs_retired);
			record_free(again);
		}
	}
	ck_assert_uint_eq(cuts, 6);
}
END_TEST

START_TEST(what_the_witness_saw_is_kept_beside_it)
{
	static uint8_t bytes[WITNESS_BYTES_MAX], again[WITNESS_BYTES_MAX];
	size_t count = 0;

	make_small();
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(record_load_witness(directory, record, again, &count, NULL), -ENOENT);
	ck_assert_int_eq(record_save_witness(directory, record, bytes, sizeof(bytes), NULL), 0);
	ck_assert_int_eq(record_load_witness(directory, record, again, &count, NULL), 0);
	ck_assert_uint_eq(count, sizeof(bytes));
	ck_assert_int_eq(memcmp(bytes, again, count), 0);
	write_over("00ff.witness", "0g");
	ck_assert_int_eq(record_load_witness(directory, record, again, &count, NULL), -EBADMSG);
	write_over("00ff.witness", "012");
	ck_assert_int_eq(record_load_witness(directory, record, again, &count, NULL), -EBADMSG);
}
END_TEST

START_TEST(a_finished_one_makes_room_for_the_next)
{
	struct record *again;
	const uint8_t byte = 1;
	char path[512];

	make_small();
	ck_assert_int_eq(record_save(directory, record, NULL), 0);
	ck_assert_int_eq(record_save_witness(directory, record, &byte, 1, NULL), 0);
	ck_assert_int_eq(record_finish(directory, record, NULL), 0);
	ck_assert_int_eq(load("00ff", &again), -ENOENT);
	ck_assert_int_eq(record_find(directory, "S3R1AL", &again, NULL), -ENOENT);
	snprintf(path, sizeof(path), "%s/decommission/00ff.%s.done.json", directory, record->id);
	ck_assert_int_eq(access(path, R_OK), 0);
	snprintf(path, sizeof(path), "%s/decommission/00ff.witness", directory);
	ck_assert_int_eq(access(path, R_OK), -1);
	ck_assert_int_eq(record_finish(directory, record, NULL), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, every_member_comes_back_as_it_was);
	tcase_add_test(tcase, an_empty_record_comes_back_too);
	tcase_add_test(tcase, the_table_leaves_no_member_out);
	tcase_add_test(tcase, each_truncation_is_refused);
	tcase_add_test(tcase, each_bit_that_is_turned_over_is_refused);
	tcase_add_test(tcase, what_encode_would_not_have_written_is_refused);
	tcase_add_test(tcase, what_is_no_utf8_is_written_so_that_it_can_be_read);
	tcase_add_test(tcase, a_record_is_found_by_its_key_its_id_and_its_serial);
	tcase_add_test(tcase, a_drive_without_a_key_is_kept_under_its_id);
	tcase_add_test(tcase, two_of_one_serial_are_told_apart_by_id_only);
	tcase_add_test(tcase, a_damaged_file_is_never_none);
	tcase_add_test(tcase, a_record_under_anothers_name_is_refused);
	tcase_add_test(tcase, a_newer_versions_file_is_told_as_that);
	tcase_add_test(tcase, a_directory_that_is_gone_is_not_made_anew);
	tcase_add_test(tcase, whatever_fails_leaves_the_record_before);
	tcase_add_test(tcase, a_power_cut_leaves_the_record_before_or_the_record_after);
	tcase_add_test(tcase, what_the_witness_saw_is_kept_beside_it);
	tcase_add_test(tcase, a_finished_one_makes_room_for_the_next);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ledger_record.c - one line of the ledger, and names that are sealed
 *
 * Goal: a line is what the header says, byte for byte; it reads back as it was; no flipped bit
 * passes; names open under their key, for their job, and for nothing else.
 *
 * Method: lines that were made by another program (python3: json, hashlib) from the header's
 * description; every bit turned over in turn.
 */
#include "supervisor/ledger_names.h"
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define UUID "0a0a0a0a-0000-4000-8000-00000000000a"

/* clang-format off */
static const char head_line[] =
	"{\"check\":\"42673e2af3fa53ff\",\"kind\":\"head\",\"version\":1,\"next\":18,\"retired\":4}\n";
static const char job_line[] =
	"{\"check\":\"936da10afddce3f8\",\"kind\":\"job\",\"job\":17,\"source\":\"cups\",\"id\":\"123\","
	"\"volume\":\"" UUID "\",\"uid\":7,\"state\":\"retiring\",\"seen\":1795463000,"
	"\"changed\":1795463001,\"attempts\":1,\"files\":2}\n";
static const char retired_line[] =
	"{\"check\":\"c4d2632cb2f55f8a\",\"kind\":\"job\",\"job\":3,\"source\":\"call\",\"id\":\"a/b\","
	"\"volume\":\"\",\"uid\":4294967295,\"state\":\"retired\",\"seen\":-1,\"changed\":0,"
	"\"attempts\":4294967295,\"files\":0,\"why\":\"why \\\"not\\\"\","
	"\"receipt\":{\"result\":\"retired\",\"pass_times\":[\"t\"]}}\n";
static const char files_line[] =
	"{\"check\":\"db458068e086eacb\",\"kind\":\"files\",\"job\":17,\"volume\":\"" UUID "\",\"count\":1,"
	"\"salt\":\"abababababababababababababababababababababababababababababababab\","
	"\"nonce\":5,\"sealed\":\"000102030405060708090a0b0c0d0e0f10\"}\n";
/* clang-format on */

static struct ledger_record record;

static void setup(void)
{
	record = (struct ledger_record){.kind = LEDGER_KIND_HEAD};
}

static int decode(const char *line)
{
	return ledger_record_decode(line, strlen(line) - 1, &record);
}

static void encodes_to(const char *expected)
{
	char *line = NULL;

	ck_assert_int_eq(ledger_record_encode(&record, &line), 0);
	ck_assert_str_eq(line, expected);
	free(line);
}

START_TEST(a_head_is_what_the_header_says)
{
	ck_assert_int_eq(decode(head_line), 0);
	ck_assert_int_eq(record.kind, LEDGER_KIND_HEAD);
	ck_assert_uint_eq(record.head.next, 18);
	ck_assert_uint_eq(record.head.retired, 4);
	encodes_to(head_line);
}
END_TEST

START_TEST(a_job_is_what_the_header_says)
{
	ck_assert_int_eq(decode(job_line), 0);
	ck_assert_int_eq(record.kind, LEDGER_KIND_JOB);
	ck_assert_uint_eq(record.job.number, 17);
	ck_assert_str_eq(record.job.source, "cups");
	ck_assert_str_eq(record.job.id, "123");
	ck_assert_str_eq(record.job.volume, UUID);
	ck_assert_uint_eq(record.job.uid, 7);
	ck_assert_int_eq(record.job.state, LEDGER_RETIRING);
	ck_assert_int_eq(record.job.seen_wall_s, 1795463000);
	ck_assert_int_eq(record.job.changed_wall_s, 1795463001);
	ck_assert_uint_eq(record.job.attempts, 1);
	ck_assert_uint_eq(record.job.file_count, 2);
	ck_assert_str_eq(record.job.why, "");
	ck_assert_ptr_null(record.job.receipt);
	encodes_to(job_line);
}
END_TEST

START_TEST(a_receipt_and_numbers_at_their_edges_are_kept)
{
	ck_assert_int_eq(decode(retired_line), 0);
	ck_assert_uint_eq(record.job.uid, UINT32_MAX);
	ck_assert_uint_eq(record.job.attempts, UINT32_MAX);
	ck_assert_int_eq(record.job.seen_wall_s, -1);
	ck_assert_str_eq(record.job.why, "why \"not\"");
	ck_assert_ptr_nonnull(record.job.receipt);
	encodes_to(retired_line);
	ledger_record_done(&record);
}
END_TEST

START_TEST(sealed_names_are_what_the_header_says)
{
	ck_assert_int_eq(decode(files_line), 0);
	ck_assert_int_eq(record.kind, LEDGER_KIND_FILES);
	ck_assert_uint_eq(record.sealed.number, 17);
	ck_assert_str_eq(record.sealed.volume, UUID);
	ck_assert_uint_eq(record.sealed.count, 1);
	ck_assert_uint_eq(record.sealed.nonce, 5);
	ck_assert_uint_eq(record.sealed.size, 17);
	ck_assert_uint_eq(record.sealed.bytes[16], 16);
	encodes_to(files_line);
	ledger_record_done(&record);
}
END_TEST

static void no_bit_passes(const char *line)
{
	size_t bytes = strlen(line) - 1;
	char *copy = strdup(line);

	ck_assert(ledger_record_is_whole(line, bytes));
	for (size_t i = 0; i < 8 * bytes; i++) {
		copy[i / 8] ^= (char)(1 << i % 8);
		ck_assert_msg(ledger_record_decode(copy, bytes, &record) == -EBADMSG, "bit %zu", i);
		copy[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t cut = 0; cut < bytes; cut++)
		ck_assert_int_eq(ledger_record_decode(line, cut, &record), -EBADMSG);
	free(copy);
}

START_TEST(no_flipped_bit_and_no_cut_passes)
{
	no_bit_passes(head_line);
	no_bit_passes(job_line);
	no_bit_passes(retired_line);
	no_bit_passes(files_line);
}
END_TEST

START_TEST(a_newer_version_is_told_from_damage)
{
	static const char newer[] =
		"{\"check\":\"8aaf3d4e453a5628\",\"kind\":\"head\",\"version\":2}\n";
	static const char kind[] = "{\"check\":\"8d7dcf48b2e3b823\",\"kind\":\"weather\"}\n";
	static const char state[] =
		"{\"check\":\"ddc164f79bf3504d\",\"kind\":\"job\",\"job\":17,\"source\":\"cups\","
		"\"id\":"
		"\"123\",\"volume\":\"\",\"uid\":7,\"state\":\"dancing\",\"seen\":1,\"changed\":1,"
		"\"attempts\":1,\"files\":2}\n";

	ck_assert_int_eq(decode(newer), -EPROTONOSUPPORT);
	ck_assert_int_eq(decode(kind), -EPROTONOSUPPORT);
	ck_assert_int_eq(decode(state), -EBADMSG);
}
END_TEST

START_TEST(what_could_not_be_read_again_is_not_written)
{
	char *line, *large = malloc(LEDGER_LINE_BYTES_MAX);
	struct json_object *inner;

	record.kind = LEDGER_KIND_JOB;
	record.job.number = 1;
	strcpy(record.job.source, "call");
	strcpy(record.job.id, "\xff");
	ck_assert_int_eq(ledger_record_encode(&record, &line), -EINVAL);
	strcpy(record.job.id, "1");
	record.job.receipt = json_object_new_object();
	inner = json_object_get(record.job.receipt);
	for (int i = 0; i < 20; i++) {
		struct json_object *deeper = json_object_new_object();

		json_object_object_add(inner, "a", json_object_get(deeper));
		json_object_put(inner);
		inner = deeper;
	}
	json_object_put(inner);
	ck_assert_int_eq(ledger_record_encode(&record, &line), -EINVAL);
	json_object_put(record.job.receipt);
	memset(large, 'x', LEDGER_LINE_BYTES_MAX - 1);
	large[LEDGER_LINE_BYTES_MAX - 1] = '\0';
	record.job.receipt = json_object_new_object();
	json_object_object_add(record.job.receipt, "text", json_object_new_string(large));
	ck_assert_int_eq(ledger_record_encode(&record, &line), -EMSGSIZE);
	ledger_record_done(&record);
	free(large);
}
END_TEST

/* Characters that JSON may write in more than one way, and a line that ends in a newline. */
START_TEST(a_signed_receipt_comes_back_byte_by_byte)
{
	static const char document[] = "{\"schema\":\"spoolguard.receipt/1\",\"id\":\"a/b\\u001b "
				       "\xc3\xbc\",\"n\":1.50,\"big\":18446744073709551615}\n";
	struct ledger_record signed_one = {.kind = LEDGER_KIND_JOB}, again;
	struct json_object *schema;
	char *line;

	signed_one.job.number = 1;
	strcpy(signed_one.job.source, "call");
	strcpy(signed_one.job.id, "1");
	signed_one.job.state = LEDGER_RETIRED;
	signed_one.job.document = strdup(document);
	signed_one.job.signature = strdup("untrusted comment: x\nRU\n");
	ck_assert_int_eq(ledger_record_encode(&signed_one, &line), 0);
	ck_assert_int_eq(ledger_record_decode(line, strlen(line) - 1, &again), 0);
	ck_assert_str_eq(again.job.document, document);
	ck_assert_str_eq(again.job.signature, signed_one.job.signature);
	ck_assert(json_object_object_get_ex(again.job.receipt, "schema", &schema));
	ck_assert_str_eq(json_object_get_string(schema), "spoolguard.job/1");
	ledger_record_done(&again);
	free(line);
	free(signed_one.job.document);
	signed_one.job.document = strdup("no object\n");
	ck_assert_int_eq(ledger_record_encode(&signed_one, &line), -EINVAL);
	ledger_record_done(&signed_one);
}
END_TEST

/* --- names --- */

static struct secret *key, *other_key;
static struct ledger_names *names;
static struct ledger_job job;
static char got[3 * PATH_MAX];

static void setup_names(void)
{
	ck_assert_int_eq(secret_new_random(32, &key), 0);
	ck_assert_int_eq(secret_new_random(32, &other_key), 0);
	ck_assert_int_eq(ledger_names_new(key, &names), 0);
	job = (struct ledger_job){.number = 17};
	strcpy(job.volume, UUID);
	got[0] = '\0';
}

static void teardown_names(void)
{
	ledger_names_free(names);
	secret_free(key);
	secret_free(other_key);
}

static int note(void *context, const char *name)
{
	(void)context;
	strcat(strcat(got, name), "|");
	return 0;
}

START_TEST(names_open_again_after_a_restart)
{
	static const char *const files[] = {"/spool/d1", "/spool/\xff\n", "/spool/3"};
	struct ledger_sealed first, second;

	ck_assert_int_eq(ledger_names_seal(names, &job, files, 3, &first), 0);
	ck_assert_uint_eq(first.count, 3);
	ck_assert_int_eq(ledger_names_seal(names, &job, files, 1, &second), 0);
	ck_assert_ptr_null(memmem(first.bytes, first.size, "spool", 5));
	ledger_names_free(names);
	ck_assert_int_eq(ledger_names_new(key, &names), 0);
	ck_assert_int_eq(ledger_names_open(names, &first, note, NULL), 0);
	ck_assert_int_eq(ledger_names_open(names, &second, note, NULL), 0);
	ck_assert_str_eq(got, "/spool/d1|/spool/\xff\n|/spool/3|/spool/d1|");
	free(first.bytes);
	free(second.bytes);
}
END_TEST

START_TEST(no_salt_and_nonce_is_used_twice)
{
	static const char *const files[] = {"/spool/d1"};
	struct ledger_sealed first, second, third;

	ck_assert_int_eq(ledger_names_seal(names, &job, files, 1, &first), 0);
	ck_assert_int_eq(ledger_names_seal(names, &job, files, 1, &second), 0);
	ck_assert_uint_ne(first.nonce, second.nonce);
	ledger_names_free(names);
	ck_assert_int_eq(ledger_names_new(key, &names), 0);
	ck_assert_int_eq(ledger_names_seal(names, &job, files, 1, &third), 0);
	ck_assert_int_ne(memcmp(first.salt, third.salt, LEDGER_SALT_BYTES), 0);
	free(first.bytes);
	free(second.bytes);
	free(third.bytes);
}
END_TEST

START_TEST(names_open_for_their_job_their_volume_and_their_key_alone)
{
	static const char *const files[] = {"/spool/d1"};
	struct ledger_sealed sealed;

	ck_assert_int_eq(ledger_names_seal(names, &job, files, 1, &sealed), 0);
	sealed.number++;
	ck_assert_int_eq(ledger_names_open(names, &sealed, note, NULL), -EBADMSG);
	sealed.number--;
	sealed.volume[0] = 'f';
	ck_assert_int_eq(ledger_names_open(names, &sealed, note, NULL), -EBADMSG);
	sealed.volume[0] = '0';
	sealed.count = 2;
	ck_assert_int_eq(ledger_names_open(names, &sealed, note, NULL), -EBADMSG);
	sealed.count = 1;
	sealed.bytes[sealed.size - 1] ^= 1;
	ck_assert_int_eq(ledger_names_open(names, &sealed, note, NULL), -EBADMSG);
	sealed.bytes[sealed.size - 1] ^= 1;
	ledger_names_free(names);
	ck_assert_int_eq(ledger_names_new(other_key, &names), 0);
	ck_assert_int_eq(ledger_names_open(names, &sealed, note, NULL), -EBADMSG);
	free(sealed.bytes);
}
END_TEST

START_TEST(as_many_names_as_fit_go_into_a_line)
{
	static char text[8][PATH_MAX];
	const char *files[8];
	struct ledger_sealed sealed;

	for (size_t i = 0; i < 8; i++) {
		memset(text[i], 'a', PATH_MAX - 1);
		text[i][0] = '/';
		files[i] = text[i];
	}
	ck_assert_int_eq(ledger_names_seal(names, &job, files, 8, &sealed), 0);
	ck_assert_uint_eq(sealed.count, LEDGER_NAMES_BYTES / PATH_MAX);
	record = (struct ledger_record){.kind = LEDGER_KIND_FILES, .sealed = sealed};
	{
		char *line;

		ck_assert_int_eq(ledger_record_encode(&record, &line), 0);
		free(line);
	}
	ledger_record_done(&record);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger_record");
	TCase *lines = tcase_create("lines"), *sealed = tcase_create("names");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(lines, setup, NULL);
	tcase_add_test(lines, a_head_is_what_the_header_says);
	tcase_add_test(lines, a_job_is_what_the_header_says);
	tcase_add_test(lines, a_receipt_and_numbers_at_their_edges_are_kept);
	tcase_add_test(lines, a_signed_receipt_comes_back_byte_by_byte);
	tcase_add_test(lines, sealed_names_are_what_the_header_says);
	tcase_add_test(lines, no_flipped_bit_and_no_cut_passes);
	tcase_add_test(lines, a_newer_version_is_told_from_damage);
	tcase_add_test(lines, what_could_not_be_read_again_is_not_written);
	suite_add_tcase(suite, lines);
	tcase_add_checked_fixture(sealed, setup_names, teardown_names);
	tcase_add_test(sealed, names_open_again_after_a_restart);
	tcase_add_test(sealed, no_salt_and_nonce_is_used_twice);
	tcase_add_test(sealed, names_open_for_their_job_their_volume_and_their_key_alone);
	tcase_add_test(sealed, as_many_names_as_fit_go_into_a_line);
	suite_add_tcase(suite, sealed);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

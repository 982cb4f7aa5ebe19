/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_receipt.c - a receipt is believed as it was signed, for its job, anchored in its log
 *
 * Goal: R1, R2 of receipt.h, Q1, Q2 of audit/receipt_check.h; each refusal says what it is.
 * Method: device keys and an audit log in a directory of the test's own; receipts are signed and
 * logged as the retirer does it, then forged, replayed, cut off from their log.
 */
#include "supervisor/receipt.h"
#include "attached/job_receipt.h"
#include "audit/receipt_check.h"
#include "ipc/fields.h"
#include "supervisor/ledger_record.h"
#include "supervisor/log_signer.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct device {
	char directory[256], log_path[272];
	struct device_keys *keys;
	struct log_signer signer;
	struct audit_log *log;
	struct trust trust;
};

static struct device device;
static struct problem problem;
static struct receipt_signed made;

/* --- fixture --- */

static void open_log(struct device *of, uint64_t segment_bytes, uint64_t size_bytes)
{
	const struct audit_log_options options = {
		.segment_bytes = segment_bytes, .size_bytes = size_bytes, .readers = (gid_t)-1};
	int r = audit_log_open(of->directory, &of->signer, &options, &of->log, &problem);

	ck_assert_msg(r >= 0, "%s", problem.text);
}

static void make_device(struct device *ret)
{
	static unsigned int n;

	snprintf(ret->directory, sizeof(ret->directory), "%s/%d-%u", scratch_path(), (int)getpid(),
		++n);
	snprintf(ret->log_path, sizeof(ret->log_path), "%s/audit", ret->directory);
	ck_assert_int_eq(mkdir(ret->directory, 0700), 0);
	ck_assert_int_eq(device_keys_open(ret->directory, true, &ret->keys, NULL, &problem), 0);
	log_signer_init(ret->keys, &ret->signer);
	ret->trust = (struct trust){.device = *device_keys_public(ret->keys),
		.has_log_root = true,
		.log_root = *device_keys_log_root(ret->keys)};
	open_log(ret, 0, 0);
}

static void free_device(struct device *of)
{
	audit_log_close(of->log);
	device_keys_free(of->keys);
}

static void add(struct device *of, const struct audit_event *event)
{
	ck_assert_int_eq(audit_log_add(of->log, event, NULL), 0);
	ck_assert_int_eq(audit_log_commit(of->log, 0), 0);
}

static struct json_object *receipt_of(const char *id)
{
	const struct job_receipt receipt = {
		.id = id,
		.scheme = "zeros",
		.verify = "full",
		.volume_uuid = "0a0a0a0a-0000-4000-8000-00000000000a",
		.medium = "a disk",
		.retired = true,
		.total = {.passes = 1, .requested_blocks = 7, .verified_blocks = 7},
	};
	struct json_object *object = job_receipt_to_json(&receipt);

	fields_add_string(object, "source", "call");
	fields_add_u64(object, "job", strtoull(id, NULL, 10));
	return object;
}

/* A receipt of that job; the log has nothing of it yet. */
static void sign(struct device *of, const char *id, struct receipt_signed *ret)
{
	struct receipt_frame frame = {.keys = of->keys, .key_state = "active"};
	struct json_object *receipt = receipt_of(id);

	audit_log_tip(of->log, &frame.position);
	ck_assert_int_eq(receipt_sign(receipt, &frame, ret), 0);
	json_object_put(receipt);
}

static void log_it(
	struct device *of, const char *job, const char *id, const char *sha256, const char *outcome)
{
	struct json_object *data = json_object_new_object();
	const struct audit_event event = {
		.event = "job-retired", .job = job, .outcome = outcome, .data = data};

	fields_add_string(data, "receipt", id);
	fields_add_string(data, "receipt_sha256", sha256);
	fields_add_string(data, "source", "call");
	fields_add_u64(data, "number", strtoull(strchr(job, ' '), NULL, 10));
	add(of, &event);
	json_object_put(data);
}

static void setup(void)
{
	const struct audit_event started = {.event = "service-started", .outcome = "success"};

	make_device(&device);
	add(&device, &started);
	sign(&device, "17", &made);
	log_it(&device, "call 17", made.id, made.sha256, "success");
}

static void teardown(void)
{
	receipt_signed_done(&made);
	free_device(&device);
}

static struct document document_of(const struct receipt_signed *receipt)
{
	return (struct document){.text = receipt->document,
		.signature = receipt->signature,
		.bytes = strlen(receipt->document),
		.signature_bytes = strlen(receipt->signature)};
}

static int check_as(const struct device *of, const struct receipt_signed *receipt,
	const char *source, const char *id, bool with_log)
{
	const struct receipt_check check = {.trusted = &of->trust,
		.source = source,
		.id = id,
		.log = with_log ? of->log_path : NULL};
	const struct document document = document_of(receipt);
	struct receipt_found found;
	int r;

	problem.text[0] = '\0';
	r = receipt_check(&check, &document, &found, &problem);
	if (r >= 0)
		receipt_found_done(&found);
	return r;
}

static void assert_refused(int r, int error, const char *words)
{
	ck_assert_msg(r == error, "%d: %s", r, problem.text);
	ck_assert_msg(strstr(problem.text, words) != NULL, "%s", problem.text);
	ck_assert_ptr_null(strchr(problem.text, '\n'));
}

START_TEST(a_receipt_of_the_job_that_the_log_names_is_good)
{
	const struct receipt_check check = {
		.trusted = &device.trust, .source = "call", .id = "17", .log = device.log_path};
	const struct document document = document_of(&made);
	struct receipt_found found;
	struct json_object *log, *value;

	ck_assert_msg(receipt_check(&check, &document, &found, &problem) == 0, "%s", problem.text);
	ck_assert_uint_gt(found.record, 1);
	ck_assert(found.root_enrolled);
	ck_assert(json_object_object_get_ex(found.receipt, "log", &log));
	ck_assert(json_object_object_get_ex(log, "sequence", &value));
	ck_assert_uint_eq(json_object_get_uint64(value), found.record - 1);
	receipt_found_done(&found);
	ck_assert_int_eq(check_as(&device, &made, NULL, NULL, false), 0);
}
END_TEST

START_TEST(its_document_begins_with_its_schema_and_comes_back_from_the_ledger_as_it_was_signed)
{
	struct ledger_record record = {.kind = LEDGER_KIND_JOB}, again;
	static const char beginning[] = "{\"schema\":\"spoolguard.receipt/1\",\"id\":\"17\",";
	char *line;

	ck_assert_int_eq(strncmp(made.document, beginning, strlen(beginning)), 0);
	record.job.number = 1;
	strcpy(record.job.source, "call");
	strcpy(record.job.id, "17");
	record.job.state = LEDGER_RETIRED;
	record.job.document = made.document;
	record.job.signature = made.signature;
	ck_assert_int_eq(ledger_record_encode(&record, &line), 0);
	ck_assert_int_eq(ledger_record_decode(line, strlen(line) - 1, &again), 0);
	ck_assert_str_eq(again.job.document, made.document);
	ck_assert_str_eq(again.job.signature, made.signature);
	ledger_record_done(&again);
	free(line);
}
END_TEST

START_TEST(no_two_receipts_have_the_same_id)
{
	struct receipt_signed second;

	sign(&device, "17", &second);
	ck_assert_uint_eq(strlen(second.id), 32);
	ck_assert_str_ne(second.id, made.id);
	receipt_signed_done(&second);
}
END_TEST

START_TEST(a_forged_receipt_is_refused)
{
	char *at = strstr(made.document, "\"verified_blocks\":7");

	ck_assert_ptr_nonnull(at);
	at[strlen("\"verified_blocks\":")] = '9';
	assert_refused(check_as(&device, &made, NULL, NULL, false), -EBADMSG, "changed");
	at[strlen("\"verified_blocks\":")] = '7';
	made.document[strlen(made.document) - 1] = '\0';
	assert_refused(check_as(&device, &made, NULL, NULL, false), -EBADMSG, "changed");
	made.signature[strlen(made.signature) / 2] = '\0';
	assert_refused(check_as(&device, &made, NULL, NULL, false), -EBADMSG, "signature");
}
END_TEST

START_TEST(another_devices_receipt_is_refused)
{
	struct device other = {.keys = NULL};
	struct receipt_signed theirs;

	make_device(&other);
	sign(&other, "17", &theirs);
	log_it(&device, "call 17", theirs.id, theirs.sha256, "success");
	assert_refused(
		check_as(&device, &theirs, "call", "17", true), -EBADMSG, "another device's");
	receipt_signed_done(&theirs);
	free_device(&other);
}
END_TEST

START_TEST(a_receipt_that_is_shown_for_another_job_is_refused)
{
	assert_refused(check_as(&device, &made, "call", "18", true), -EBADMSG,
		"another job's: it is of call/17");
	assert_refused(check_as(&device, &made, "cups", "17", false), -EBADMSG, "another job's");
	ck_assert_int_eq(check_as(&device, &made, "call", "17", false), 0);
}
END_TEST

START_TEST(a_receipt_that_the_log_does_not_name_is_refused)
{
	struct receipt_signed second;

	sign(&device, "18", &second);
	assert_refused(check_as(&device, &second, NULL, NULL, true), -EBADMSG,
		"no record \"job-retired\"");
	log_it(&device, "call 18", second.id, made.sha256, "success");
	assert_refused(check_as(&device, &second, NULL, NULL, true), -EBADMSG, "another digest");
	receipt_signed_done(&second);
	sign(&device, "19", &second);
	log_it(&device, "call 18", second.id, second.sha256, "success");
	assert_refused(check_as(&device, &second, NULL, NULL, true), -EBADMSG, "another job");
	receipt_signed_done(&second);
	sign(&device, "20", &second);
	log_it(&device, "call 20", second.id, second.sha256, "failure");
	assert_refused(check_as(&device, &second, NULL, NULL, true), -EBADMSG, "not say that");
	receipt_signed_done(&second);
}
END_TEST

/* The position names a record that is another one in this log, or none of it. */
START_TEST(a_receipt_that_stands_on_another_log_is_refused)
{
	struct receipt_frame frame = {.keys = device.keys};
	struct json_object *receipt;
	struct receipt_signed other;

	for (int i = 0; i < 3; i++) {
		audit_log_tip(device.log, &frame.position);
		if (i == 0)
			frame.position.sha256[5] = frame.position.sha256[5] == '0' ? '1' : '0';
		else if (i == 1)
			frame.position.sequence += 1000;
		else
			frame.position.log[0] = frame.position.log[0] == '0' ? '1' : '0';
		receipt = receipt_of("21");
		ck_assert_int_eq(receipt_sign(receipt, &frame, &other), 0);
		json_object_put(receipt);
		log_it(&device, "call 21", other.id, other.sha256, "success");
		assert_refused(
			check_as(&device, &other, NULL, NULL, true), -EBADMSG, "not anchored");
		ck_assert_int_eq(check_as(&device, &other, NULL, NULL, false), 0);
		receipt_signed_done(&other);
	}
}
END_TEST

static void cut_a_line(void)
{
	char command[700];

	snprintf(command, sizeof(command),
		"cd '%s' && sed -i '$d' segment-00000001.jsonl && rm -f ../audit-position",
		device.log_path);
	ck_assert_int_eq(system(command), 0);
}

/* Without the counter a cut is no fault of the log; the receipt has its own position. */
START_TEST(a_log_that_was_cut_behind_the_receipt_is_refused)
{
	audit_log_close(device.log);
	device.log = NULL;
	for (int i = 0; i < 9 && check_as(&device, &made, NULL, NULL, true) == 0; i++)
		cut_a_line();
	assert_refused(check_as(&device, &made, NULL, NULL, true), -EBADMSG, "no record");
	cut_a_line();
	assert_refused(check_as(&device, &made, NULL, NULL, true), -EBADMSG, "the log ends at");
}
END_TEST

START_TEST(a_damaged_log_is_no_witness)
{
	char command[700];

	snprintf(command, sizeof(command),
		"cd '%s' && sed -i '1s/success/failure/' segment-00000001.jsonl", device.log_path);
	ck_assert_int_eq(system(command), 0);
	assert_refused(
		check_as(&device, &made, NULL, NULL, true), -EBADMSG, "the log does not verify");
}
END_TEST

START_TEST(of_records_that_the_log_dropped_nothing_can_be_told)
{
	const struct audit_event event = {.event = "volume-attached", .outcome = "success"};
	struct audit_log_state state = {.dropped_segments = 0};

	audit_log_close(device.log);
	open_log(&device, AUDIT_SEGMENT_BYTES_MIN, 8 * AUDIT_SEGMENT_BYTES_MIN);
	for (int i = 0; i < 5000 && state.dropped_segments == 0; i++) {
		ck_assert_int_eq(audit_log_add(device.log, &event, NULL), 0);
		audit_log_get_state(device.log, &state);
	}
	ck_assert_uint_gt(state.dropped_segments, 0);
	ck_assert_int_eq(audit_log_commit(device.log, 0), 0);
	assert_refused(check_as(&device, &made, NULL, NULL, true), -ENODATA, "dropped");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("receipt");
	TCase *tcase = tcase_create("receipt");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_receipt_of_the_job_that_the_log_names_is_good);
	tcase_add_test(tcase,
		its_document_begins_with_its_schema_and_comes_back_from_the_ledger_as_it_was_signed);
	tcase_add_test(tcase, no_two_receipts_have_the_same_id);
	tcase_add_test(tcase, a_forged_receipt_is_refused);
	tcase_add_test(tcase, another_devices_receipt_is_refused);
	tcase_add_test(tcase, a_receipt_that_is_shown_for_another_job_is_refused);
	tcase_add_test(tcase, a_receipt_that_the_log_does_not_name_is_refused);
	tcase_add_test(tcase, a_receipt_that_stands_on_another_log_is_refused);
	tcase_add_test(tcase, a_log_that_was_cut_behind_the_receipt_is_refused);
	tcase_add_test(tcase, a_damaged_log_is_no_witness);
	tcase_add_test(tcase, of_records_that_the_log_dropped_nothing_can_be_told);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_check_receipts.c - receipts that fall short, and such as are not the device's
 *
 * Goal: each of a receipt's numbers counts, and the signed text is believed, not what stands
 * beside. Method: a whole receipt, one number changed in turn; signed, unsigned, by another key,
 * changed.
 */
#include "cli/check_receipts.h"
#include "audit/document.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char whole[] =
	"{\"schema\":\"spoolguard.receipt/1\",\"result\":\"retired\",\"verify\":\"full\","
	"\"requested_blocks\":10,\"written_blocks\":7,\"durable_blocks\":7,"
	"\"verified_blocks\":7,\"lost_blocks\":1,\"not_owed_blocks\":2,\"refused_blocks\":0,"
	"\"unjudged_blocks\":0}";

/* A receipt in which key has that value, as JSON; NULL: is left out. */
static struct json_object *receipt_with(const char *key, const char *json)
{
	struct json_object *receipt = json_tokener_parse(whole);

	if (key && json)
		json_object_object_add(receipt, key, json_tokener_parse(json));
	else if (key)
		json_object_object_del(receipt, key);
	return receipt;
}

struct device {
	struct secret *seed;
	struct minisign_key key;
};

static struct device new_device(void)
{
	struct device device;

	ck_assert_int_eq(minisign_key_new(&device.seed, &device.key), 0);
	return device;
}

/* A job as the service shows it; takes receipt. */
static struct json_object *job_of(struct json_object *receipt, const struct device *device)
{
	struct json_object *job = json_object_new_object();
	char *document, *signature;

	ck_assert_int_eq(document_encode(receipt, &document), 0);
	ck_assert_int_eq(minisign_sign(device->seed, &device->key, document, strlen(document),
				 "spoolguard receipt", &signature),
		0);
	json_object_object_add(job, "document", json_object_new_string(document));
	json_object_object_add(job, "signature", json_object_new_string(signature));
	json_object_object_add(job, "receipt", receipt);
	free(document);
	free(signature);
	return job;
}

static void assert_counts(struct json_object *job, const struct minisign_key *trusted,
	uint64_t fell_short, uint64_t not_signed)
{
	struct check_receipts receipts = {.looked_at = 0};

	check_receipts_add(&receipts, job, trusted);
	ck_assert_uint_eq(receipts.looked_at, 1);
	ck_assert_msg(receipts.fell_short == fell_short, "%s", json_object_to_json_string(job));
	ck_assert_uint_eq(receipts.not_signed, not_signed);
	json_object_put(job);
}

START_TEST(each_number_counts)
{
	static const struct {
		const char *key, *json;
		bool is_short;
	} cases[] = {
		{NULL, NULL, false},
		{"result", "\"failed\"", true},
		{"requested_blocks", "11", true},
		{"written_blocks", "6", true},
		{"durable_blocks", "6", true},
		{"verified_blocks", "6", true},
		{"lost_blocks", "0", true},
		{"not_owed_blocks", "1", true},
		{"refused_blocks", "1", true},
		{"unjudged_blocks", "1", true},
		{"requested_blocks", NULL, true},
		{"verified_blocks", NULL, true},
		{"durable_blocks", "\"7\"", true},
	};
	struct device device = new_device();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_counts(job_of(receipt_with(cases[i].key, cases[i].json), &device),
			&device.key, cases[i].is_short, 0);
	secret_free(device.seed);
}
END_TEST

START_TEST(a_sample_that_was_read_back_is_enough)
{
	struct device device = new_device();
	struct json_object *receipt = receipt_with("verify", "\"sample\"");

	json_object_object_add(receipt, "verified_blocks", json_object_new_int(1));
	assert_counts(job_of(receipt, &device), &device.key, 0, 0);
	receipt = receipt_with("verify", "\"sample\"");
	json_object_object_add(receipt, "verified_blocks", json_object_new_int(0));
	assert_counts(job_of(receipt, &device), &device.key, 1, 0);
	secret_free(device.seed);
}
END_TEST

START_TEST(what_is_not_the_devices_is_not_signed)
{
	struct device device = new_device(), other = new_device();
	struct json_object *job;

	assert_counts(job_of(receipt_with(NULL, NULL), &other), &device.key, 0, 1);
	assert_counts(job_of(receipt_with(NULL, NULL), &device), NULL, 0, 1);
	job = job_of(receipt_with(NULL, NULL), &device);
	json_object_object_del(job, "signature");
	assert_counts(job, &device.key, 0, 1);
	job = job_of(receipt_with(NULL, NULL), &device);
	json_object_object_del(job, "document");
	assert_counts(job, &device.key, 0, 1);
	assert_counts(job_of(receipt_with("schema", "\"spoolguard.other/1\""), &device),
		&device.key, 0, 1);
	assert_counts(json_object_new_object(), &device.key, 1, 1);
	secret_free(device.seed);
	secret_free(other.seed);
}
END_TEST

START_TEST(the_signed_numbers_are_believed)
{
	struct device device = new_device();
	struct json_object *job = job_of(receipt_with("durable_blocks", "1"), &device);

	json_object_object_add(job, "receipt", receipt_with(NULL, NULL));
	assert_counts(job, &device.key, 1, 0);
	secret_free(device.seed);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("check_receipts");
	TCase *tc = tcase_create("check_receipts");

	tcase_add_test(tc, each_number_counts);
	tcase_add_test(tc, a_sample_that_was_read_back_is_enough);
	tcase_add_test(tc, what_is_not_the_devices_is_not_signed);
	tcase_add_test(tc, the_signed_numbers_are_believed);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

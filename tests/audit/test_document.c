/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_document.c - a signed statement is believed as it was signed, under the caller's key
 *
 * Goal: C1 and C2; each refusal says what it is.  Method: one receipt, every byte of it changed;
 * documents of another device, another schema, a newer version.
 */
#include "audit/document.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct secret *seed;
static struct minisign_key device;
static struct problem problem;
static char *text, *signature;

static void sign(const char *of)
{
	free(signature);
	ck_assert_int_eq(
		minisign_sign(seed, &device, of, strlen(of), "spoolguard x y", &signature), 0);
}

static void setup(void)
{
	struct json_object *object = json_object_new_object();

	ck_assert_int_eq(minisign_key_new(&seed, &device), 0);
	json_object_object_add(object, "schema", json_object_new_string("spoolguard.receipt/1"));
	json_object_object_add(object, "path", json_object_new_string("a/b \xc3\xbc"));
	ck_assert_int_eq(document_encode(object, &text), 0);
	json_object_put(object);
	sign(text);
	problem.text[0] = '\0';
}

static void teardown(void)
{
	free(text);
	free(signature);
	signature = NULL;
	secret_free(seed);
}

static int verify(const char *document, const struct minisign_key *trusted)
{
	struct json_object *object;
	int r = document_verify(document, strlen(document), signature, strlen(signature), trusted,
		"spoolguard.receipt", &object, &problem);

	if (r >= 0)
		json_object_put(object);
	return r;
}

static void assert_refused(int r, int error, const char *words)
{
	ck_assert_int_eq(r, error);
	ck_assert_msg(strstr(problem.text, words) != NULL, "%s", problem.text);
}

START_TEST(a_document_is_one_line_and_is_read_back)
{
	struct json_object *object;
	char *again;

	ck_assert_str_eq(text, "{\"schema\":\"spoolguard.receipt/1\",\"path\":\"a/b \xc3\xbc\"}\n");
	ck_assert_int_eq(document_verify(text, strlen(text), signature, strlen(signature), &device,
				 "spoolguard.receipt", &object, &problem),
		0);
	ck_assert_int_eq(document_encode(object, &again), 0);
	ck_assert_str_eq(again, text);
	free(again);
	json_object_put(object);
}
END_TEST

START_TEST(every_changed_byte_is_refused)
{
	const size_t bytes = strlen(text);

	for (size_t at = 0; at < bytes; at++) {
		for (int bit = 0; bit < 8; bit++) {
			text[at] = (char)(text[at] ^ 1 << bit);
			ck_assert_int_eq(document_verify(text, bytes, signature, strlen(signature),
						 &device, "spoolguard.receipt", NULL, &problem),
				-EBADMSG);
			text[at] = (char)(text[at] ^ 1 << bit);
		}
	}
	ck_assert_int_eq(verify(text, &device), 0);
	for (size_t cut = 0; cut < bytes; cut++)
		ck_assert_int_eq(document_verify(text, cut, signature, strlen(signature), &device,
					 "spoolguard.receipt", NULL, &problem),
			-EBADMSG);
	assert_refused(-EBADMSG, -EBADMSG, "changed");
}
END_TEST

START_TEST(another_devices_document_is_refused_and_says_so)
{
	struct minisign_key other;
	struct secret *other_seed;

	ck_assert_int_eq(minisign_key_new(&other_seed, &other), 0);
	secret_free(other_seed);
	assert_refused(verify(text, &other), -ENOKEY, "another device's");
}
END_TEST

START_TEST(another_schema_or_a_newer_version_is_refused)
{
	static const struct {
		const char *text, *words;
		int error;
	} cases[] = {
		{"{\"schema\":\"spoolguard.certificate/1\"}\n", "no spoolguard.receipt",
			-EPROTONOSUPPORT},
		{"{\"schema\":\"spoolguard.receipts/1\"}\n", "no spoolguard.receipt",
			-EPROTONOSUPPORT},
		{"{\"schema\":\"spoolguard.receipt/2\"}\n", "newer", -EPROTONOSUPPORT},
		{"{\"schema\":\"spoolguard.receipt/11\"}\n", "newer", -EPROTONOSUPPORT},
		{"{\"schema\":\"spoolguard.receipt/1.2\",\"more\":1}\n", "", 0},
		{"{\"id\":1,\"schema\":\"spoolguard.receipt/1\"}\n", "no document", -EINVAL},
		{"{\"schema\":1}\n", "no document", -EINVAL},
		{"{\"schema\":\"spoolguard.receipt/1\"}{}\n", "no document", -EINVAL},
		{"{\"schema\":\"spoolguard.receipt/1\"}", "no document", -EINVAL},
		{"[\"spoolguard.receipt/1\"]\n", "no document", -EINVAL},
		{"", "no document", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sign(cases[i].text);
		problem.text[0] = '\0';
		assert_refused(verify(cases[i].text, &device), cases[i].error, cases[i].words);
	}
}
END_TEST

START_TEST(what_has_no_schema_first_is_not_encoded)
{
	struct json_object *object = json_object_new_object();
	char *out;

	ck_assert_int_eq(document_encode(object, &out), -EINVAL);
	json_object_object_add(object, "id", json_object_new_int(1));
	json_object_object_add(object, "schema", json_object_new_string("spoolguard.receipt/1"));
	ck_assert_int_eq(document_encode(object, &out), -EINVAL);
	json_object_put(object);
}
END_TEST

static void write_file(const char *directory, const char *name, const char *content)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(content, file);
	fclose(file);
}

START_TEST(a_file_is_verified_with_the_signature_beside_it)
{
	char directory[] = "/tmp/document.XXXXXX", path[64], beside[80];
	struct json_object *object;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/r", directory);
	snprintf(beside, sizeof(beside), "%s.minisig", path);
	write_file(directory, "r", text);
	assert_refused(document_read(path, NULL, &device, "spoolguard.receipt", &object, &problem),
		-ENOENT, beside);
	write_file(directory, "r.minisig", signature);
	ck_assert_int_eq(
		document_read(path, NULL, &device, "spoolguard.receipt", &object, &problem), 0);
	json_object_put(object);
	write_file(directory, "r", "{}\n");
	assert_refused(
		document_read(path, beside, &device, "spoolguard.receipt", &object, &problem),
		-EBADMSG, path);
	unlink(path);
	unlink(beside);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("document");
	TCase *tcase = tcase_create("document");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_document_is_one_line_and_is_read_back);
	tcase_add_test(tcase, every_changed_byte_is_refused);
	tcase_add_test(tcase, another_devices_document_is_refused_and_says_so);
	tcase_add_test(tcase, another_schema_or_a_newer_version_is_refused);
	tcase_add_test(tcase, what_has_no_schema_first_is_not_encoded);
	tcase_add_test(tcase, a_file_is_verified_with_the_signature_beside_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

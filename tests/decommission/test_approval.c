/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an approval counts only if it is a listed second person's, for this drive and this plan, in
 * time, and once (Q1 to Q3 in approval.h).
 * Method: keys made here, one request, signed and then bent in each way; stock minisign signs and
 * reads the same in tests/e2e/decommission_approval.sh.
 */
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "decommission/approval.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000

static struct secret *seeds[3];
static struct minisign_key keys[3];
static const char names[3][RECORD_TEXT_BYTES] = {"Ada Lovelace", "Grace Hopper", "Otto Operator"};
static struct approval_policy policy;
static struct record *record;
static char *request;
static struct problem problem;

static void setup(void)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(minisign_key_new(&seeds[i], &keys[i]), 0);
	policy = (struct approval_policy){.required = 1,
		.window_s = 3600,
		.approvers = keys,
		.approver_count = 3,
		.names = names};
	ck_assert_int_eq(record_new(&record), 0);
	strcpy(record->identity.serial, "SERIAL-1");
	strcpy(record->wwn, "naa.5000c500a1b2c3d4");
	record->identity.bytes = record->bytes = 1 << 20;
	strcpy(record->overwrite.scheme, "three-pass");
	strcpy(record->operator_.name, "Otto Operator");
	record->volume_count = 1;
	strcpy(record->volumes[0].uuid, "11111111-2222-3333-4444-555555555555");
	ck_assert_int_eq(approval_request(record, NOW, policy.window_s, &request), 0);
	problem.text[0] = '\0';
}

static void teardown(void)
{
	free(request);
	record_free(record);
	for (int i = 0; i < 3; i++)
		secret_free(seeds[i]);
}

static char *sign(int who, const char *text, const char *comment)
{
	char *signature;

	ck_assert_int_eq(
		minisign_sign(seeds[who], &keys[who], text, strlen(text), comment, &signature), 0);
	return signature;
}

static int accept_with(int who, int64_t now, const char *comment)
{
	_cleanup_free_ char *signature = sign(who, request, comment);

	return approval_accept(record, request, strlen(request), signature, strlen(signature),
		&policy, now, &problem);
}

START_TEST(a_second_persons_signature_counts_and_is_kept)
{
	uint8_t digest[SHA256_BYTES];
	char text[RECORD_DIGEST_BYTES];

	ck_assert_int_eq(accept_with(0, NOW + 10, "timestamp:1800000005 file:x"), 0);
	ck_assert_uint_eq(record->approval_count, 1);
	ck_assert_str_eq(record->approvals[0].person.name, "Ada Lovelace");
	ck_assert_int_eq(record->approvals[0].signed_wall_s, NOW + 5);
	ck_assert_int_eq(hash_sha256(request, strlen(request), digest), 0);
	ck_assert_str_eq(
		record->approvals[0].statement_sha256, hex_encode(digest, sizeof(digest), text));
	ck_assert_uint_eq(record->approvals[0].person.uid, (uid_t)-1);
}
END_TEST

START_TEST(one_key_counts_once_and_two_keys_twice)
{
	ck_assert_int_eq(accept_with(0, NOW, "x"), 0);
	ck_assert_int_eq(accept_with(0, NOW, "y"), -EEXIST);
	ck_assert_uint_eq(record->approval_count, 1);
	ck_assert_int_eq(accept_with(1, NOW, "x"), 0);
	ck_assert_uint_eq(record->approval_count, 2);
}
END_TEST

START_TEST(nobody_approves_what_he_asked_for)
{
	ck_assert_int_eq(accept_with(2, NOW, "x"), -EKEYREJECTED);
	ck_assert_ptr_nonnull(strstr(problem.text, "asked for it"));
	ck_assert_uint_eq(record->approval_count, 0);
}
END_TEST

START_TEST(too_late_and_long_before_are_refused)
{
	ck_assert_int_eq(accept_with(0, NOW + 3600, "x"), 0);
	ck_assert_int_eq(accept_with(1, NOW + 3601, "x"), -ETIME);
	ck_assert_ptr_nonnull(strstr(problem.text, "too late"));
	ck_assert_int_eq(accept_with(1, NOW - 86400, "x"), -ETIME);
	/* Brought in time, and said by its signer to be later or of last year. */
	ck_assert_int_eq(accept_with(1, NOW + 5, "timestamp:1800009999"), -ETIME);
	ck_assert_int_eq(accept_with(1, NOW + 5, "timestamp:1700000000"), -ETIME);
	ck_assert_uint_eq(record->approval_count, 1);
}
END_TEST

START_TEST(a_key_that_is_not_listed_is_refused)
{
	policy.approver_count = 1;
	ck_assert_int_eq(accept_with(1, NOW, "x"), -EKEYREJECTED);
	ck_assert_ptr_nonnull(strstr(problem.text, "not in the list"));
}
END_TEST

START_TEST(a_forged_signature_is_refused)
{
	_cleanup_free_ char *other = sign(0, "something else", "x");
	_cleanup_secret_ struct secret *seed = NULL;
	struct minisign_key key;
	char *forged;

	ck_assert_int_eq(approval_accept(record, request, strlen(request), other, strlen(other),
				 &policy, NOW, &problem),
		-EKEYREJECTED);
	ck_assert_ptr_nonnull(strstr(problem.text, "forged"));
	/* Another key under a listed key's id. */
	ck_assert_int_eq(minisign_key_new(&seed, &key), 0);
	memcpy(key.id, keys[0].id, sizeof(key.id));
	ck_assert_int_eq(minisign_sign(seed, &key, request, strlen(request), "x", &forged), 0);
	ck_assert_int_eq(approval_accept(record, request, strlen(request), forged, strlen(forged),
				 &policy, NOW, &problem),
		-EKEYREJECTED);
	free(forged);
	ck_assert_int_eq(
		approval_accept(record, request, strlen(request), "no", 2, &policy, NOW, &problem),
		-EKEYREJECTED);
}
END_TEST

static void assert_another_request(void)
{
	ck_assert_int_eq(accept_with(0, NOW, "x"), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "not for this drive"));
	ck_assert_uint_eq(record->approval_count, 0);
}

START_TEST(an_approval_of_another_drive_or_plan_is_refused)
{
	struct record was = *record;

	strcpy(record->identity.serial, "SERIAL-2");
	assert_another_request();
	*record = was;
	record->id[0] = record->id[0] == 'a' ? 'b' : 'a';
	assert_another_request();
	*record = was;
	record->identity.bytes++;
	assert_another_request();
	*record = was;
	record->volume_count = 0;
	assert_another_request();
	*record = was;
	strcpy(record->overwrite.scheme, "zero");
	assert_another_request();
	*record = was;
	record->steps[RECORD_SANITIZE].state = RECORD_SKIPPED;
	assert_another_request();
	*record = was;
	ck_assert_int_eq(accept_with(0, NOW, "x"), 0);
}
END_TEST

START_TEST(a_request_that_gives_itself_more_time_is_refused)
{
	char *later;

	ck_assert_int_eq(approval_request(record, NOW, policy.window_s + 1, &later), 0);
	free(request);
	request = later;
	ck_assert_int_eq(accept_with(0, NOW, "x"), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "longer"));
}
END_TEST

START_TEST(damage_of_any_byte_is_refused)
{
	size_t bytes = strlen(request);

	for (size_t i = 0; i < bytes; i++) {
		char was = request[i];
		int r;

		request[i] = was == '0' ? '1' : '0';
		r = accept_with(0, NOW, "x");
		/* Times are the requester's to choose, and only with their texts. */
		ck_assert_msg(r == -EBADMSG || r == -ETIME, "byte %zu: %d", i, r);
		request[i] = was;
	}
	ck_assert_uint_eq(record->approval_count, 0);
}
END_TEST

/* --- the list --- */

static int load(const char *text, struct approval_policy *ret_policy)
{
	char path[] = "/tmp/test-approval-XXXXXX";
	int fd = mkstemp(path), r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = approval_list_load(path, ret_policy, &problem);
	unlink(path);
	return r;
}

START_TEST(a_list_names_each_key)
{
	_cleanup_free_ char *a = NULL, *b = NULL, *all = NULL, *twice = NULL;
	struct approval_policy loaded;

	ck_assert_int_eq(minisign_key_encode(&keys[0], "Ada Lovelace", &a), 0);
	ck_assert_int_eq(minisign_key_encode(&keys[1], "Grace Hopper", &b), 0);
	ck_assert_int_gt(asprintf(&all, "# who may\n%s\n%s", a, b), 0);
	ck_assert_int_eq(load(all, &loaded), 0);
	ck_assert_uint_eq(loaded.approver_count, 2);
	ck_assert_str_eq(loaded.names[1], "Grace Hopper");
	ck_assert(minisign_key_is_equal(&loaded.approvers[0], &keys[0]));
	ck_assert_uint_eq(loaded.window_s, APPROVAL_WINDOW_S);
	approval_list_done(&loaded);
	ck_assert_int_gt(asprintf(&twice, "%s%s", a, a), 0);
	ck_assert_int_eq(load(twice, &loaded), -EEXIST);
	ck_assert_ptr_nonnull(strstr(problem.text, "line 4"));
	ck_assert_int_eq(load(strchr(a, '\n') + 1, &loaded), -ENODATA);
	ck_assert_int_eq(load("untrusted comment: x\nRWnonsense\n", &loaded), -EBADMSG);
	ck_assert_int_eq(load("", &loaded), -ENODATA);
	ck_assert_int_eq(approval_list_load("/nonexistent/list", &loaded, &problem), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("approval");
	TCase *tcase = tcase_create("approval");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_second_persons_signature_counts_and_is_kept);
	tcase_add_test(tcase, one_key_counts_once_and_two_keys_twice);
	tcase_add_test(tcase, nobody_approves_what_he_asked_for);
	tcase_add_test(tcase, too_late_and_long_before_are_refused);
	tcase_add_test(tcase, a_key_that_is_not_listed_is_refused);
	tcase_add_test(tcase, a_forged_signature_is_refused);
	tcase_add_test(tcase, an_approval_of_another_drive_or_plan_is_refused);
	tcase_add_test(tcase, a_request_that_gives_itself_more_time_is_refused);
	tcase_add_test(tcase, damage_of_any_byte_is_refused);
	tcase_add_test(tcase, a_list_names_each_key);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

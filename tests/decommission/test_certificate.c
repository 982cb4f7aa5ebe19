/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_certificate.c - a certificate has every field of the standards' form, and is written whole
 * or not at all
 *
 * Goal: F1, F4; the fields of SP 800-88r1 appendix G and 88r2 4.6 by a list of their own.  Method:
 * a record in which everything is filled in, and one in which nothing is; files that are there
 * already, or were left by a run that was cut off.
 */
#include "audit/document.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "tests/support/certificate_fixture.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct certificate_fixture fixture;
static struct json_object *certificate;
static struct problem problem;
static char file[PATH_MAX - 16], sha256[RECORD_DIGEST_BYTES];

static void setup(void)
{
	certificate_fixture_init(&fixture);
	ck_assert_int_eq(certificate_make(fixture.record, &fixture.verdict, &certificate), 0);
	snprintf(file, sizeof(file), "%s/drive.json", scratch_path());
	problem.text[0] = '\0';
}

static void teardown(void)
{
	json_object_put(certificate);
	certificate_fixture_done(&fixture);
}

/* "media.serial", "steps.0.state": what stands there, as text; "absent" if it is not there. */
static const char *at(struct json_object *object, const char *path)
{
	char copy[128], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((name = strsep(&rest, ".")) != NULL) {
		if (json_object_is_type(object, json_type_array))
			object = json_object_array_get_idx(object, strtoul(name, NULL, 10));
		else if (!json_object_object_get_ex(object, name, &object))
			return "absent";
	}
	return object ? json_object_get_string(object) : "null";
}

#define ck_assert_at(path, text) ck_assert_str_eq(at(certificate, path), text)

/* --- what it says --- */

/* SP 800-88r1 appendix G and SP 800-88r2 4.6, field by field, and where each stands. */
static const char *const form[] = {"person.name", "person.title", "person.organization",
	"person.location", "person.contact", "media.manufacturer", "media.model", "media.serial",
	"media.property_number", "media.type", "media.source", "media.categorization_before",
	"media.backed_up", "media.backup_location", "details.method", "details.technique",
	"details.technique_details", "details.tool", "details.verification",
	"details.categorization_after", "details.notes", "destination", "person.signature", "ended",
	"validation.name", "validation.title", "validation.organization", "validation.location",
	"validation.contact", "validation.signature", "validation.date"};

START_TEST(every_field_of_the_form_is_there)
{
	for (size_t i = 0; i < ARRAY_SIZE(form); i++)
		ck_assert_msg(strcmp(at(certificate, form[i]), "absent") != 0, "%s", form[i]);
	ck_assert_at("person.name", "Jürgen Großmann");
	ck_assert_at("media.serial", "ZC1ABCDE");
	ck_assert_at("destination", "external reuse");
	ck_assert_at("details.method", "null"); /* neither */
	ck_assert_at("details.verification", "full");
	ck_assert_at("validation.name", "null");
}
END_TEST

START_TEST(what_nobody_filled_in_is_null)
{
	struct record *empty = calloc(1, sizeof(*empty));
	struct verdict neither = {.reached = DRIVE_NEITHER};
	struct json_object *bare;

	ck_assert_ptr_nonnull(empty);
	ck_assert_int_eq(certificate_make(empty, &neither, &bare), 0);
	for (size_t i = 0; i < ARRAY_SIZE(form); i++) {
		if (strcmp(form[i], "media.type") != 0 && strcmp(form[i], "details.tool") != 0)
			ck_assert_msg(strcmp(at(bare, form[i]), "null") == 0, "%s", form[i]);
	}
	ck_assert_str_eq(at(bare, "media.type"), "unknown");
	ck_assert_str_eq(at(bare, "log.before"), "null");
	json_object_put(bare);
	free(empty);
}
END_TEST

START_TEST(it_has_what_was_done)
{
	char status[2 * METHOD_STATUS_BYTES + 1];

	for (unsigned int i = 0; i < METHOD_STATUS_BYTES; i++)
		sprintf(status + 2 * i, "%02x", 255u - i % 256);
	ck_assert_at("schema", CERTIFICATE_SCHEMA "/1");
	ck_assert_at("verdict.reached", "neither");
	ck_assert_at("verdict.parts.0.means", "ATA SANITIZE, overwrite");
	ck_assert_at(
		"verdict.open.1", "The drive says of a method that it ended well, and it did not.");
	ck_assert_at("steps.2.step", "sanitize");
	ck_assert_at("steps.2.resumes", "2");
	ck_assert_at("steps.5.ended", "null");
	ck_assert_at("jobs.not_retired", "1");
	ck_assert_at("volumes.1.header_backups_destroyed", "1");
	ck_assert_at("methods.0.method", "ata-sanitize-overwrite");
	ck_assert_at("methods.0.witness.verdict", "survived");
	ck_assert_at("methods.0.status_after", status);
	ck_assert_at("methods.0.drive_said_done", "true");
	ck_assert_at("reaches.0.what", "LUN 1");
	ck_assert_at("overwrite.passes.0.pattern", "0x35");
	ck_assert_at("overwrite.passes.1.pattern", "random");
	ck_assert_at("overwrite.requested_bytes", "4000787030016");
	ck_assert_at("overwrite.verified_bytes", "4000787027968");
	ck_assert_at("overwrite.refused.blocks", "3");
	ck_assert_at("overwrite.refused.listed.1.0", "5000000000");
	ck_assert_at("search.texts.2.label", "IP address (hexadecimal)");
	ck_assert_at("approvals.0.name", "Åsa Öberg");
	ck_assert_at("log.after.sequence", "140");
}
END_TEST

START_TEST(a_stand_in_for_a_serial_is_marked)
{
	json_object_put(certificate);
	fixture.record->identity.is_stand_in = true;
	ck_assert_int_eq(certificate_make(fixture.record, &fixture.verdict, &certificate), 0);
	ck_assert_at("media.serial_is_stand_in", "true");
}
END_TEST

/* The digest is of lines "FIRST COUNT\n", made here by hand. */
START_TEST(a_list_that_is_too_long_is_cut_and_bound_by_its_digest)
{
	struct extent_list *refused = &fixture.record->overwrite.refused;
	_cleanup_(hash_freep) struct hash *hash = NULL;
	uint8_t digest[SHA256_BYTES];
	char line[64], text[2 * SHA256_BYTES + 1];

	json_object_put(certificate);
	extent_list_clear(refused);
	ck_assert_int_eq(hash_new(&hash), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		int n = snprintf(line, sizeof(line), "%llu 1\n", (unsigned long long)i * 10);

		ck_assert_int_eq(hash_update(hash, line, (size_t)n), 0);
		ck_assert_int_eq(extent_list_add(refused, (struct extent){i * 10, 1}), 0);
	}
	ck_assert_int_eq(hash_finish(hash, digest), 0);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	ck_assert_int_eq(certificate_make(fixture.record, &fixture.verdict, &certificate), 0);
	ck_assert_at("overwrite.refused.extents", "5000");
	ck_assert_at("overwrite.refused.listed.4095.0", "40950");
	ck_assert_at("overwrite.refused.listed.4096", "null");
	ck_assert_at("overwrite.refused.sha256", text);
}
END_TEST

/* --- its files --- */

static int write_it(void)
{
	return certificate_write(certificate, file, &fixture.signer, sha256, &problem);
}

static bool is_there(const char *suffix)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", file, suffix);
	return access(path, F_OK) == 0;
}

static void put(const char *suffix, const char *text)
{
	char path[PATH_MAX];
	FILE *to;

	snprintf(path, sizeof(path), "%s%s", file, suffix);
	to = fopen(path, "we");
	ck_assert_ptr_nonnull(to);
	ck_assert_int_ge(fputs(text, to), 0);
	ck_assert_int_eq(fclose(to), 0);
}

static void remove_all(void)
{
	static const char *const suffixes[] = {"", ".minisig", ".new", ".minisig.new"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", file, suffixes[i]);
		(void)unlink(path);
	}
}

START_TEST(it_is_written_with_its_signature)
{
	struct json_object *read;
	struct document document;
	uint8_t digest[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	ck_assert_int_eq(write_it(), 0);
	ck_assert_int_eq(
		document_read(file, NULL, &fixture.key, CERTIFICATE_SCHEMA, &read, &problem), 0);
	ck_assert(json_object_equal(read, certificate));
	json_object_put(read);
	ck_assert_int_eq(document_load(file, NULL, &document, &problem), 0);
	ck_assert_int_eq(hash_sha256(document.text, document.bytes, digest), 0);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	ck_assert_str_eq(sha256, text);
	document_done(&document);
	ck_assert(!is_there(".new") && !is_there(".minisig.new"));
	remove_all();
}
END_TEST

/* The step is done again after a power cut behind the last rename; the record has moved on. */
START_TEST(the_same_runs_certificate_is_taken_up)
{
	char first[RECORD_DIGEST_BYTES];

	ck_assert_int_eq(write_it(), 0);
	strcpy(first, sha256);
	sha256[0] = '\0';
	json_object_put(certificate);
	fixture.record->steps[RECORD_CERTIFICATE].resumes++;
	ck_assert_int_eq(certificate_make(fixture.record, &fixture.verdict, &certificate), 0);
	ck_assert_int_eq(write_it(), 0);
	ck_assert_str_eq(sha256, first);
	remove_all();
}
END_TEST

START_TEST(a_file_that_is_there_stays)
{
	struct stat before, after;

	put("", "somebody's\n");
	ck_assert_int_eq(stat(file, &before), 0);
	ck_assert_int_eq(write_it(), -EEXIST);
	ck_assert_ptr_nonnull(strstr(problem.text, "name another file"));
	ck_assert_int_eq(stat(file, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert(!is_there(".minisig"));
	remove_all();
}
END_TEST

START_TEST(another_runs_certificate_stays)
{
	ck_assert_int_eq(write_it(), 0);
	json_object_put(certificate);
	fixture.record->id[0] = 'f';
	ck_assert_int_eq(certificate_make(fixture.record, &fixture.verdict, &certificate), 0);
	ck_assert_int_eq(write_it(), -EEXIST);
	remove_all();
}
END_TEST

START_TEST(what_a_cut_left_is_no_hindrance)
{
	put(".new", "half of");
	put(".minisig.new", "half");
	put(".minisig", "of a run that never had its file");
	ck_assert_int_eq(write_it(), 0);
	ck_assert(is_there("") && !is_there(".new") && !is_there(".minisig.new"));
	remove_all();
}
END_TEST

static int sign_wrongly(void *context, const void *message, size_t bytes,
	const char *trusted_comment, char **ret_signature)
{
	(void)context, (void)bytes;
	return minisign_sign(
		fixture.seed, &fixture.key, message, 5, trusted_comment, ret_signature);
}

static int sign_not(void *context, const void *message, size_t bytes, const char *trusted_comment,
	char **ret_signature)
{
	(void)context, (void)message, (void)bytes, (void)trusted_comment, (void)ret_signature;
	return -EKEYREVOKED;
}

START_TEST(what_does_not_verify_gets_no_name)
{
	fixture.signer.sign = sign_wrongly;
	ck_assert_int_eq(write_it(), -EBADMSG);
	ck_assert(!is_there("") && !is_there(".minisig") && !is_there(".new"));
	fixture.signer.sign = sign_not;
	ck_assert_int_eq(write_it(), -EKEYREVOKED);
	ck_assert(!is_there("") && !is_there(".minisig") && !is_there(".new"));
}
END_TEST

START_TEST(a_place_that_is_not_there_is_named)
{
	snprintf(file, sizeof(file), "%s/none/drive.json", scratch_path());
	ck_assert_int_eq(write_it(), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, "none/drive.json"));
	snprintf(file, sizeof(file), "%s/", scratch_path());
	ck_assert_int_eq(write_it(), -EISDIR);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("certificate");
	TCase *said = tcase_create("said"), *files = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(said, setup, teardown);
	tcase_add_test(said, every_field_of_the_form_is_there);
	tcase_add_test(said, what_nobody_filled_in_is_null);
	tcase_add_test(said, it_has_what_was_done);
	tcase_add_test(said, a_stand_in_for_a_serial_is_marked);
	tcase_add_test(said, a_list_that_is_too_long_is_cut_and_bound_by_its_digest);
	suite_add_tcase(suite, said);

	tcase_add_unchecked_fixture(files, scratch_make, scratch_remove);
	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, it_is_written_with_its_signature);
	tcase_add_test(files, the_same_runs_certificate_is_taken_up);
	tcase_add_test(files, a_file_that_is_there_stays);
	tcase_add_test(files, another_runs_certificate_stays);
	tcase_add_test(files, what_a_cut_left_is_no_hindrance);
	tcase_add_test(files, what_does_not_verify_gets_no_name);
	tcase_add_test(files, a_place_that_is_not_there_is_named);
	suite_add_tcase(suite, files);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

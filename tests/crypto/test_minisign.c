/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_minisign.c - stock minisign and this code believe one another, and nothing else
 *
 * Goal: N1 and N2.  Method: keys and signatures go both ways between the installed minisign and
 * this code (skipped with a word where there is none); of a signature every byte is replaced by
 * every other value, and of message and key every bit turned over.
 */
#include "crypto/minisign.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct secret *seed;
static struct minisign_key key;
static uint8_t message[60] = "{\"schema\":\"spoolguard.receipt/1\"}\n";
static char *signature;
static char directory[64];

static void setup(void)
{
	ck_assert_int_eq(minisign_key_new(&seed, &key), 0);
	ck_assert_int_eq(
		minisign_sign(seed, &key, message, sizeof(message), "receipt 17", &signature), 0);
}

static void teardown(void)
{
	free(signature);
	signature = NULL;
	secret_free(seed);
}

static int verify(const char *text, size_t bytes)
{
	return minisign_verify(&key, message, sizeof(message), text, bytes, NULL, 0);
}

START_TEST(what_is_signed_verifies_and_gives_its_trusted_comment)
{
	char comment[MINISIGN_COMMENT_BYTES];
	uint8_t id[MINISIGN_ID_BYTES];

	ck_assert_int_eq(minisign_verify(&key, message, sizeof(message), signature,
				 strlen(signature), comment, sizeof(comment)),
		0);
	ck_assert_str_eq(comment, "receipt 17");
	ck_assert_int_eq(minisign_signature_id(signature, strlen(signature), id), 0);
	ck_assert_mem_eq(id, key.id, sizeof(id));
	ck_assert_int_eq(minisign_verify(&key, message, sizeof(message), signature,
				 strlen(signature), comment, strlen("receipt 17")),
		-ENOBUFS);
}
END_TEST

/* The text of the untrusted comment is under no signature; all else is. */
START_TEST(every_byte_of_a_signature_counts)
{
	const size_t bytes = strlen(signature);
	const size_t prefix = strlen("untrusted comment: ");
	const size_t first = (size_t)(strchr(signature, '\n') - signature);
	size_t accepted = 0;

	for (size_t at = 0; at < bytes; at++) {
		const char was = signature[at];

		if (at >= prefix && at < first)
			continue;
		for (int value = 0; value < 256; value++) {
			if ((char)value == was)
				continue;
			signature[at] = (char)value;
			accepted += verify(signature, bytes) >= 0;
		}
		signature[at] = was;
	}
	ck_assert_uint_eq(accepted, 0);
	ck_assert_int_eq(verify(signature, bytes), 0);
}
END_TEST

START_TEST(every_bit_of_message_and_key_counts)
{
	struct {
		uint8_t *at;
		size_t bytes;
		int error;
	} parts[] = {{message, sizeof(message), -EBADMSG},
		{key.public_key, sizeof(key.public_key), -EBADMSG},
		{key.id, sizeof(key.id), -ENOKEY}};

	for (size_t part = 0; part < ARRAY_SIZE(parts); part++) {
		for (size_t bit = 0; bit < 8 * parts[part].bytes; bit++) {
			parts[part].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			ck_assert_int_eq(verify(signature, strlen(signature)), parts[part].error);
			parts[part].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	ck_assert_int_eq(verify(signature, strlen(signature)), 0);
}
END_TEST

/* Every digit of base64, each changed to every other byte: nothing else spells the same key. */
START_TEST(a_key_has_one_spelling)
{
	static const char *const lines[] = {
		"RWQABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0",
		"RWR/+9876543210zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONML"};
	struct minisign_key was, now;
	char line[MINISIGN_KEY_LINE_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		strcpy(line, lines[i]);
		ck_assert_int_eq(minisign_key_decode(line, strlen(lines[i]), &was), 0);
		for (size_t at = 0; at < strlen(lines[i]); at++) {
			for (int value = 0; value < 256; value++) {
				line[at] = (char)value;
				if (line[at] == lines[i][at] ||
					minisign_key_decode(line, strlen(lines[i]), &now) < 0)
					continue;
				ck_assert_msg(!minisign_key_is_equal(&was, &now), "%d", value);
			}
			line[at] = lines[i][at];
		}
	}
}
END_TEST

/* All but the last newline, which mail programs eat. */
START_TEST(a_cut_signature_is_none)
{
	for (size_t bytes = 0; bytes < strlen(signature) - 1; bytes++)
		ck_assert_int_eq(verify(signature, bytes), -EINVAL);
	ck_assert_int_eq(verify(signature, strlen(signature) - 1), 0);
}
END_TEST

START_TEST(what_is_not_four_lines_is_none)
{
	char *longer = NULL;

	ck_assert_int_ge(asprintf(&longer, "%sx\n", signature), 0);
	ck_assert_int_eq(verify(longer, strlen(longer)), -EINVAL);
	free(longer);
	ck_assert_int_ge(asprintf(&longer, "untrusted comment: %*s\n%s", MINISIGN_TEXT_MAX, "x",
				 strchr(signature, '\n') + 1),
		0);
	ck_assert_int_eq(verify(longer, strlen(longer)), -EINVAL);
	free(longer);
}
END_TEST

/* Its own comment, its own message, and still not of this one. */
START_TEST(a_comment_of_another_signature_does_not_fit)
{
	char *other, *mixed = NULL;

	ck_assert_int_eq(
		minisign_sign(seed, &key, message, sizeof(message) - 1, "receipt 18", &other), 0);
	ck_assert_int_ge(asprintf(&mixed, "%.*s%s",
				 (int)(strstr(signature, "trusted comment: receipt") - signature),
				 signature, strstr(other, "trusted comment: receipt")),
		0);
	ck_assert_int_eq(verify(mixed, strlen(mixed)), -EBADMSG);
	free(mixed);
	free(other);
}
END_TEST

/* A signature by another key that has taken this one's id. */
START_TEST(an_id_is_not_enough)
{
	_cleanup_secret_ struct secret *other = NULL;
	struct minisign_key another;
	char *forged;

	ck_assert_int_eq(minisign_key_new(&other, &another), 0);
	ck_assert_mem_ne(another.id, key.id, sizeof(key.id));
	memcpy(another.id, key.id, sizeof(key.id));
	ck_assert_int_eq(
		minisign_sign(other, &another, message, sizeof(message), "receipt 17", &forged), 0);
	ck_assert_int_eq(verify(forged, strlen(forged)), -EBADMSG);
	free(forged);
}
END_TEST

START_TEST(a_comment_that_would_make_a_line_is_refused)
{
	static const char *const bad[] = {"a\nb", "tab\t", "\x1b[2J", "caf\xc3\xa9"};
	char longest[MINISIGN_COMMENT_BYTES + 1], *text;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(minisign_sign(seed, &key, "", 0, bad[i], &text), -EINVAL);
		ck_assert_int_eq(minisign_key_encode(&key, bad[i], &text), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[MINISIGN_COMMENT_BYTES] = '\0';
	ck_assert_int_eq(minisign_sign(seed, &key, "", 0, longest, &text), -EINVAL);
	longest[MINISIGN_COMMENT_BYTES - 1] = '\0';
	ck_assert_int_eq(minisign_sign(seed, &key, "", 0, longest, &text), 0);
	ck_assert_int_eq(minisign_verify(&key, "", 0, text, strlen(text), NULL, 0), 0);
	free(text);
}
END_TEST

START_TEST(a_key_is_read_back_from_its_file_and_from_its_line)
{
	char line[MINISIGN_KEY_LINE_BYTES], *text;
	struct minisign_key again;

	ck_assert_int_eq(minisign_key_encode(&key, "a device", &text), 0);
	ck_assert_int_eq(minisign_key_decode(text, strlen(text), &again), 0);
	ck_assert(minisign_key_is_equal(&again, &key));
	minisign_key_line(&key, line);
	ck_assert_int_eq(strncmp(line, "RW", 2), 0);
	memset(&again, 0, sizeof(again));
	ck_assert_int_eq(minisign_key_decode(line, strlen(line), &again), 0);
	ck_assert(minisign_key_is_equal(&again, &key));
	for (size_t bytes = 0; bytes < strlen(line); bytes++)
		ck_assert_int_eq(minisign_key_decode(line, bytes, &again), -EINVAL);
	text[0] = 'x';
	ck_assert_int_eq(minisign_key_decode(text, strlen(text), &again), -EINVAL);
	free(text);
	line[1] = 'X'; /* another algorithm */
	ck_assert_int_eq(minisign_key_decode(line, strlen(line), &again), -EINVAL);
}
END_TEST

START_TEST(a_fingerprint_is_the_sha256_of_the_public_key)
{
	static const struct minisign_key zeros;
	char text[MINISIGN_FINGERPRINT_BYTES];

	ck_assert_int_eq(minisign_fingerprint(&zeros, text), 0);
	ck_assert_str_eq(text, /* printf %064d 0 | xxd -r -p | sha256sum */
		"66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
}
END_TEST

/* --- stock minisign --- */

/* Runs it in the directory, with these arguments; its exit code. */
static int stock(const char *arguments)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "cd '%s' && minisign %s >out 2>&1 </dev/null", directory,
		arguments);
	status = system(command);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void write_file(const char *name, const void *bytes, size_t count)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
	ck_assert_int_eq(fclose(file), 0);
}

static size_t read_file(const char *name, char *text, size_t bytes)
{
	char path[128];
	size_t got;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	got = fread(text, 1, bytes, file);
	ck_assert_uint_lt(got, bytes);
	fclose(file);
	return got;
}

static void stock_setup(void)
{
	const char *base = getenv("TMPDIR");

	setup();
	snprintf(directory, sizeof(directory), "%.40s/minisign.XXXXXX", base ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	write_file("message", message, sizeof(message));
}

static void stock_teardown(void)
{
	static const char *const names[] = {"message", "message.minisig", "device.pub", "stock.pub",
		"stock.key", "out", "big", "big.minisig"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(directory), 0);
	teardown();
}

START_TEST(stock_minisign_believes_what_is_signed_here)
{
	char *text;

	ck_assert_int_eq(minisign_key_encode(&key, "a device", &text), 0);
	write_file("device.pub", text, strlen(text));
	free(text);
	write_file("message.minisig", signature, strlen(signature));
	ck_assert_int_eq(stock("-V -p device.pub -m message"), 0);
	ck_assert_int_eq(stock("-V -H -p device.pub -m message"), 0);
	message[3] ^= 1;
	write_file("message", message, sizeof(message));
	message[3] ^= 1;
	ck_assert_int_ne(stock("-V -p device.pub -m message"), 0);
}
END_TEST

static const char *const kinds[] = {"-S -s stock.key -m message", "-S -l -s stock.key -m message"};

START_TEST(what_stock_minisign_signs_is_believed_here)
{
	char text[MINISIGN_TEXT_MAX], comment[MINISIGN_COMMENT_BYTES];
	struct minisign_key theirs;
	size_t bytes;

	ck_assert_int_eq(stock("-G -W -p stock.pub -s stock.key"), 0);
	bytes = read_file("stock.pub", text, sizeof(text));
	ck_assert_int_eq(minisign_key_decode(text, bytes, &theirs), 0);
	ck_assert_int_eq(stock(kinds[_i]), 0);
	bytes = read_file("message.minisig", text, sizeof(text));
	ck_assert_int_eq(minisign_verify(&theirs, message, sizeof(message), text, bytes, comment,
				 sizeof(comment)),
		0);
	ck_assert_int_eq(strncmp(comment, "timestamp:", 10), 0);
	ck_assert_int_eq(
		minisign_verify(&key, message, sizeof(message), text, bytes, NULL, 0), -ENOKEY);
	message[0] ^= 1;
	ck_assert_int_eq(
		minisign_verify(&theirs, message, sizeof(message), text, bytes, NULL, 0), -EBADMSG);
	message[0] ^= 1;
}
END_TEST

START_TEST(a_large_message_is_hashed_as_minisign_hashes_it)
{
	const size_t bytes = 300001;
	char *text, *big = malloc(bytes);

	ck_assert_ptr_nonnull(big);
	memset(big, 'b', bytes);
	write_file("big", big, bytes);
	ck_assert_int_eq(minisign_key_encode(&key, "a device", &text), 0);
	write_file("device.pub", text, strlen(text));
	free(text);
	ck_assert_int_eq(minisign_sign(seed, &key, big, bytes, "big", &text), 0);
	write_file("big.minisig", text, strlen(text));
	free(text);
	free(big);
	ck_assert_int_eq(stock("-V -p device.pub -m big"), 0);
}
END_TEST

static TCase *stock_case(void)
{
	TCase *tcase = tcase_create("stock minisign");

	tcase_add_checked_fixture(tcase, stock_setup, stock_teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, stock_minisign_believes_what_is_signed_here);
	tcase_add_loop_test(
		tcase, what_stock_minisign_signs_is_believed_here, 0, (int)ARRAY_SIZE(kinds));
	tcase_add_test(tcase, a_large_message_is_hashed_as_minisign_hashes_it);
	return tcase;
}

static TCase *own_case(void)
{
	TCase *tcase = tcase_create("minisign");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, what_is_signed_verifies_and_gives_its_trusted_comment);
	tcase_add_test(tcase, every_byte_of_a_signature_counts);
	tcase_add_test(tcase, every_bit_of_message_and_key_counts);
	tcase_add_test(tcase, a_key_has_one_spelling);
	tcase_add_test(tcase, a_cut_signature_is_none);
	tcase_add_test(tcase, what_is_not_four_lines_is_none);
	tcase_add_test(tcase, a_comment_of_another_signature_does_not_fit);
	tcase_add_test(tcase, an_id_is_not_enough);
	tcase_add_test(tcase, a_comment_that_would_make_a_line_is_refused);
	tcase_add_test(tcase, a_key_is_read_back_from_its_file_and_from_its_line);
	tcase_add_test(tcase, a_fingerprint_is_the_sha256_of_the_public_key);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("minisign");
	bool has_stock = system("command -v minisign >/dev/null 2>&1") == 0;
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, own_case());
	if (has_stock)
		suite_add_tcase(suite, stock_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed)
		return EXIT_FAILURE;
	if (!has_stock) {
		printf("skipped: minisign is not installed; all else passed\n");
		return 77;
	}
	return EXIT_SUCCESS;
}

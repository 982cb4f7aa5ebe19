/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 and BLAKE2b are libsodium's.  Its decoder refuses what is not the only spelling of some
 * bytes (spare bits, padding), so that no character of a key or a signature can be changed unseen.
 * What is free to change is the text of an untrusted comment: nothing signs it, by the format.
 */
#include "crypto/minisign.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNTRUSTED   "untrusted comment: "
#define TRUSTED	    "trusted comment: "
#define KEY_BYTES   (2 + MINISIGN_ID_BYTES + SIGNATURE_PUBLIC_BYTES)
#define SIGN_BYTES  (2 + MINISIGN_ID_BYTES + SIGNATURE_BYTES)
#define HASH_BYTES  64 /* BLAKE2b-512 */
#define LINES_MAX   4u
#define BASE64(b)   sodium_base64_ENCODED_LEN((b), sodium_base64_VARIANT_ORIGINAL)
#define ALGORITHM   "Ed" /* of a key, and of a signature of the message itself */
#define ALGORITHM_H "ED" /* of a signature of the message's hash */

_Static_assert(BASE64(KEY_BYTES) == MINISIGN_KEY_LINE_BYTES, "the line of a key");

struct span {
	const char *at;
	size_t bytes;
};

/* A signature's text, taken apart. */
struct parts {
	uint8_t algorithm[2], id[MINISIGN_ID_BYTES], signature[SIGNATURE_BYTES];
	uint8_t global[SIGNATURE_BYTES];
	struct span comment;
};

/* The lines without their newlines; the last may have none. */
static int split(const char *text, size_t bytes, size_t max, struct span *ret_lines, size_t *ret_n)
{
	size_t n = 0;

	if (bytes > MINISIGN_TEXT_MAX)
		return -EINVAL;
	while (bytes > 0) {
		const char *end = memchr(text, '\n', bytes);
		size_t line = end ? (size_t)(end - text) : bytes;

		if (n == max)
			return -EINVAL;
		ret_lines[n++] = (struct span){text, line};
		text += line + (end != NULL);
		bytes -= line + (end != NULL);
	}
	*ret_n = n;
	return 0;
}

static bool begins(const struct span *line, const char *with)
{
	return line->bytes >= strlen(with) && memcmp(line->at, with, strlen(with)) == 0;
}

static int decode_base64(const struct span *line, uint8_t *ret_bytes, size_t bytes)
{
	const char *end;
	size_t got;

	/* libsodium's decoder reads bytes from 0x80 on as if they were digits (1.0.18). */
	for (size_t i = 0; i < line->bytes; i++) {
		if ((unsigned char)line->at[i] >= 0x80)
			return -EINVAL;
	}
	if (sodium_base642bin(ret_bytes, bytes, line->at, line->bytes, NULL, &got, &end,
		    sodium_base64_VARIANT_ORIGINAL) != 0)
		return -EINVAL;
	return got == bytes && end == line->at + line->bytes ? 0 : -EINVAL;
}

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

/* minisign writes tabs between its words, and file names as they are. */
static bool is_comment(const struct span *text)
{
	if (text->bytes >= MINISIGN_COMMENT_BYTES)
		return false;
	for (size_t i = 0; i < text->bytes; i++) {
		unsigned char c = (unsigned char)text->at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int minisign_key_new(struct secret **ret_seed, struct minisign_key *ret_key)
{
	struct minisign_key key = {.id = {0}};
	int r;

	r = random_bytes(key.id, sizeof(key.id));
	if (r >= 0)
		r = signature_key_new(ret_seed, key.public_key);
	if (r < 0)
		return r;
	*ret_key = key;
	return 0;
}

int minisign_key_decode(const char *text, size_t bytes, struct minisign_key *ret_key)
{
	struct span lines[2];
	uint8_t raw[KEY_BYTES];
	size_t n;
	int r;

	r = split(text, bytes, ARRAY_SIZE(lines), lines, &n);
	if (r < 0)
		return r;
	if (n == 0 || (n == 2 && !begins(&lines[0], UNTRUSTED)))
		return -EINVAL;
	r = decode_base64(&lines[n - 1], raw, sizeof(raw));
	if (r < 0)
		return r;
	if (memcmp(raw, ALGORITHM, 2) != 0)
		return -EINVAL;
	memcpy(ret_key->id, raw + 2, sizeof(ret_key->id));
	memcpy(ret_key->public_key, raw + 2 + MINISIGN_ID_BYTES, sizeof(ret_key->public_key));
	return 0;
}

void minisign_key_line(
	const struct minisign_key *key, char ret_line[static MINISIGN_KEY_LINE_BYTES])
{
	uint8_t raw[KEY_BYTES] = ALGORITHM;

	memcpy(raw + 2, key->id, sizeof(key->id));
	memcpy(raw + 2 + MINISIGN_ID_BYTES, key->public_key, sizeof(key->public_key));
	sodium_bin2base64(ret_line, MINISIGN_KEY_LINE_BYTES, raw, sizeof(raw),
		sodium_base64_VARIANT_ORIGINAL);
}

int minisign_key_encode(const struct minisign_key *key, const char *comment, char **ret_text)
{
	char line[MINISIGN_KEY_LINE_BYTES];

	if (strlen(comment) >= MINISIGN_COMMENT_BYTES || !is_printable(comment))
		return -EINVAL;
	minisign_key_line(key, line);
	return asprintf(ret_text, UNTRUSTED "%s\n%s\n", comment, line) < 0 ? -ENOMEM : 0;
}

bool minisign_key_is_equal(const struct minisign_key *a, const struct minisign_key *b)
{
	return memcmp(a->id, b->id, sizeof(a->id)) == 0 &&
	       memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0;
}

int minisign_fingerprint(
	const struct minisign_key *key, char ret_text[static MINISIGN_FINGERPRINT_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	int r;

	r = hash_sha256(key->public_key, sizeof(key->public_key), digest);
	if (r < 0)
		return r;
	hex_encode(digest, sizeof(digest), ret_text);
	return 0;
}

/* What the second signature is of; gives ret_bytes to free(). */
static int global_message(const uint8_t signature[static SIGNATURE_BYTES],
	const struct span *comment, uint8_t **ret_bytes)
{
	uint8_t *bytes = malloc(SIGNATURE_BYTES + comment->bytes);

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, signature, SIGNATURE_BYTES);
	memcpy(bytes + SIGNATURE_BYTES, comment->at, comment->bytes);
	*ret_bytes = bytes;
	return 0;
}

static int hash(const void *message, size_t bytes, uint8_t ret_digest[static HASH_BYTES])
{
	return crypto_generichash(ret_digest, HASH_BYTES, message, bytes, NULL, 0) == 0 ? 0 : -EIO;
}

static int print_signature(const struct minisign_key *key,
	const uint8_t signature[static SIGNATURE_BYTES], const char *comment,
	const uint8_t global[static SIGNATURE_BYTES], char **ret_text)
{
	uint8_t raw[SIGN_BYTES] = ALGORITHM_H;
	char first[BASE64(SIGN_BYTES)], second[BASE64(SIGNATURE_BYTES)];

	memcpy(raw + 2, key->id, sizeof(key->id));
	memcpy(raw + 2 + MINISIGN_ID_BYTES, signature, SIGNATURE_BYTES);
	sodium_bin2base64(first, sizeof(first), raw, sizeof(raw), sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(
		second, sizeof(second), global, SIGNATURE_BYTES, sodium_base64_VARIANT_ORIGINAL);
	return asprintf(ret_text,
		       UNTRUSTED "signature from a spoolguard device\n%s\n" TRUSTED "%s\n%s\n",
		       first, comment, second) < 0
		       ? -ENOMEM
		       : 0;
}

int minisign_sign(const struct secret *seed, const struct minisign_key *key, const void *message,
	size_t bytes, const char *trusted_comment, char **ret_text)
{
	const struct span comment = {trusted_comment, strlen(trusted_comment)};
	uint8_t digest[HASH_BYTES], signature[SIGNATURE_BYTES], global[SIGNATURE_BYTES];
	uint8_t *both = NULL;
	int r;

	if (comment.bytes >= MINISIGN_COMMENT_BYTES || !is_printable(trusted_comment))
		return -EINVAL;
	r = hash(message, bytes, digest);
	if (r >= 0)
		r = signature_sign(seed, digest, sizeof(digest), signature);
	if (r >= 0)
		r = global_message(signature, &comment, &both);
	if (r >= 0)
		r = signature_sign(seed, both, SIGNATURE_BYTES + comment.bytes, global);
	free(both);
	if (r < 0)
		return r;
	return print_signature(key, signature, trusted_comment, global, ret_text);
}

static int take_apart(const char *text, size_t bytes, struct parts *ret_parts)
{
	struct span lines[LINES_MAX];
	uint8_t raw[SIGN_BYTES];
	size_t n;
	int r;

	r = split(text, bytes, ARRAY_SIZE(lines), lines, &n);
	if (r < 0)
		return r;
	if (n != LINES_MAX || !begins(&lines[0], UNTRUSTED) || !begins(&lines[2], TRUSTED))
		return -EINVAL;
	r = decode_base64(&lines[1], raw, sizeof(raw));
	if (r >= 0)
		r = decode_base64(&lines[3], ret_parts->global, sizeof(ret_parts->global));
	if (r < 0)
		return r;
	memcpy(ret_parts->algorithm, raw, 2);
	memcpy(ret_parts->id, raw + 2, sizeof(ret_parts->id));
	memcpy(ret_parts->signature, raw + 2 + MINISIGN_ID_BYTES, SIGNATURE_BYTES);
	ret_parts->comment =
		(struct span){lines[2].at + strlen(TRUSTED), lines[2].bytes - strlen(TRUSTED)};
	return is_comment(&ret_parts->comment) ? 0 : -EINVAL;
}

static int verify_message(const struct minisign_key *key, const void *message, size_t bytes,
	const struct parts *parts)
{
	uint8_t digest[HASH_BYTES];
	int r;

	if (memcmp(parts->algorithm, ALGORITHM, 2) == 0)
		return signature_verify(key->public_key, message, bytes, parts->signature);
	if (memcmp(parts->algorithm, ALGORITHM_H, 2) != 0)
		return -EINVAL;
	r = hash(message, bytes, digest);
	if (r < 0)
		return r;
	return signature_verify(key->public_key, digest, sizeof(digest), parts->signature);
}

static int verify_comment(const struct minisign_key *key, const struct parts *parts)
{
	uint8_t *both;
	int r;

	r = global_message(parts->signature, &parts->comment, &both);
	if (r < 0)
		return r;
	r = signature_verify(
		key->public_key, both, SIGNATURE_BYTES + parts->comment.bytes, parts->global);
	free(both);
	return r;
}

int minisign_verify(const struct minisign_key *key, const void *message, size_t bytes,
	const char *signature, size_t signature_bytes, char *ret_comment, size_t comment_bytes)
{
	struct parts parts;
	int r;

	r = take_apart(signature, signature_bytes, &parts);
	if (r < 0)
		return r;
	if (ret_comment && comment_bytes <= parts.comment.bytes)
		return -ENOBUFS;
	if (memcmp(parts.id, key->id, sizeof(key->id)) != 0)
		return -ENOKEY;
	r = verify_message(key, message, bytes, &parts);
	if (r >= 0)
		r = verify_comment(key, &parts);
	if (r < 0)
		return r;
	if (ret_comment) {
		memcpy(ret_comment, parts.comment.at, parts.comment.bytes);
		ret_comment[parts.comment.bytes] = '\0';
	}
	return 0;
}

int minisign_signature_id(
	const char *signature, size_t signature_bytes, uint8_t ret_id[static MINISIGN_ID_BYTES])
{
	struct parts parts;
	int r;

	r = take_apart(signature, signature_bytes, &parts);
	if (r < 0)
		return r;
	memcpy(ret_id, parts.id, sizeof(parts.id));
	return 0;
}

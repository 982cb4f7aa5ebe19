/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minisign.h - public keys and signatures as stock minisign(1) reads them
 *
 * Format: minisign's own description (jedisct1.github.io/minisign, "Signature format", "Public key
 * format"); signatures are the prehashed kind ("ED": Ed25519 over BLAKE2b-512 of the message),
 * which minisign writes since 0.10.  Both kinds ("ED", "Ed") are read.
 *
 *   public key  untrusted comment: TEXT
 *               base64("Ed" | key id, 8 bytes | public key, 32 bytes)
 *   signature   untrusted comment: TEXT
 *               base64("ED" | key id | signature, 64 bytes)
 *               trusted comment: TEXT
 *               base64(signature of (signature | TEXT), 64 bytes)
 *
 *   N1  A signature is accepted only if both of its signatures verify under the key that the caller
 *       trusts; a key is never taken from what is verified.
 *   N2  Every decoder is pure, and takes at most MINISIGN_TEXT_MAX bytes.
 *
 * Errors: -EINVAL: it is no such text; -EBADMSG: not the key's signature of the message; -ENOKEY:
 * made by another key; -ENOMEM; -EIO: the library fails.  Threads: any.
 */
#ifndef SPOOLGUARD_CRYPTO_MINISIGN_H
#define SPOOLGUARD_CRYPTO_MINISIGN_H

#include "crypto/signature.h"
#include <stdbool.h>

#define MINISIGN_ID_BYTES	   8
#define MINISIGN_TEXT_MAX	   4096u /* of a key or a signature */
#define MINISIGN_COMMENT_BYTES	   512	 /* of a comment, with its NUL */
#define MINISIGN_FINGERPRINT_BYTES 65

struct minisign_key {
	uint8_t id[MINISIGN_ID_BYTES];
	uint8_t public_key[SIGNATURE_PUBLIC_BYTES];
};

/* The id is drawn at random, as minisign does. */
must_check int minisign_key_new(struct secret **ret_seed, struct minisign_key *ret_key);

/* The file's text, or its base64 line alone ("RW..."). */
must_check int minisign_key_decode(const char *text, size_t bytes, struct minisign_key *ret_key);
/* The two lines; gives ret_text to free().  comment: printable ASCII. */
must_check int minisign_key_encode(
	const struct minisign_key *key, const char *comment, char **ret_text);
/* The second line alone, without a newline: "RW...". */
#define MINISIGN_KEY_LINE_BYTES 57
void minisign_key_line(
	const struct minisign_key *key, char ret_line[static MINISIGN_KEY_LINE_BYTES]);
bool minisign_key_is_equal(const struct minisign_key *a, const struct minisign_key *b);
/* SHA-256 of the 32 bytes of the public key, in hexadecimal: to be read out over the telephone. */
must_check int minisign_fingerprint(
	const struct minisign_key *key, char ret_text[static MINISIGN_FINGERPRINT_BYTES]);

/* Gives ret_text (four lines) to free().  trusted_comment: printable, without a newline. */
must_check int minisign_sign(const struct secret *seed, const struct minisign_key *key,
	const void *message, size_t bytes, const char *trusted_comment, char **ret_text);

/* ret_comment: the trusted comment (may be NULL); MINISIGN_COMMENT_BYTES suffice, else -ENOBUFS. */
must_check int minisign_verify(const struct minisign_key *key, const void *message, size_t bytes,
	const char *signature, size_t signature_bytes, char *ret_comment, size_t comment_bytes);

/* Which key a signature says it is by: for messages, never for trust. */
must_check int minisign_signature_id(
	const char *signature, size_t signature_bytes, uint8_t ret_id[static MINISIGN_ID_BYTES]);

#endif

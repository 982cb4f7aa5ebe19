/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/minisign_secret.h"
#include "base/bytes.h"
#include <errno.h>
#include <sodium.h>
#include <string.h>

#define UNTRUSTED      "untrusted comment: "
#define SALT_BYTES     crypto_pwhash_scryptsalsa208sha256_SALTBYTES
#define CHECKSUM_BYTES 32
/* Offsets of what is decoded. */
#define AT_KDF	      2
#define AT_CHECKSUM   4
#define AT_SALT	      6
#define AT_OPERATIONS (AT_SALT + SALT_BYTES)
#define AT_MEMORY     (AT_OPERATIONS + 8)
#define AT_KEY	      (AT_MEMORY + 8)
#define KEY_BYTES                                                                                  \
	(MINISIGN_ID_BYTES + SIGNATURE_SEED_BYTES + SIGNATURE_PUBLIC_BYTES + CHECKSUM_BYTES)
#define ALL_BYTES (AT_KEY + KEY_BYTES)

_Static_assert(ALL_BYTES == 158, "as minisign's description has it");

/* The second line, decoded.  Gives. */
static int decode_line(const struct secret *text, struct secret **ret_bytes)
{
	const char *at = (const char *)secret_peek(text), *line, *end, *decoded_end;
	size_t bytes = secret_size(text), length, got;
	_cleanup_secret_ struct secret *decoded = NULL;
	int r;

	if (bytes > MINISIGN_TEXT_MAX || bytes < strlen(UNTRUSTED) ||
		memcmp(at, UNTRUSTED, strlen(UNTRUSTED)) != 0)
		return -EINVAL;
	line = memchr(at, '\n', bytes);
	if (!line)
		return -EINVAL;
	line++;
	length = bytes - (size_t)(line - at);
	end = memchr(line, '\n', length);
	if (end)
		length = (size_t)(end - line);
	/* libsodium's decoder reads bytes from 0x80 on as if they were digits (1.0.18). */
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)line[i] >= 0x80)
			return -EINVAL;
	}
	r = secret_new(ALL_BYTES, &decoded);
	if (r < 0)
		return r;
	if (sodium_base642bin(secret_bytes(decoded), ALL_BYTES, line, length, NULL, &got,
		    &decoded_end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
		got != ALL_BYTES || decoded_end != line + length)
		return -EINVAL;
	at = (const char *)secret_peek(decoded);
	if (memcmp(at, "Ed", 2) != 0 || memcmp(at + AT_CHECKSUM, "B2", 2) != 0 ||
		(memcmp(at + AT_KDF, "Sc", 2) != 0 && memcmp(at + AT_KDF, "\0\0", 2) != 0))
		return -EINVAL;
	*ret_bytes = decoded;
	decoded = NULL;
	return 0;
}

static bool is_encrypted(const struct secret *decoded)
{
	return memcmp(secret_peek(decoded) + AT_KDF, "Sc", 2) == 0;
}

bool minisign_secret_is_encrypted(const struct secret *text)
{
	_cleanup_secret_ struct secret *decoded = NULL;

	return decode_line(text, &decoded) >= 0 && is_encrypted(decoded);
}

static int decrypt(struct secret *decoded, const struct secret *passphrase)
{
	uint8_t *bytes = secret_bytes(decoded);
	uint64_t operations = bytes_get_le64(bytes + AT_OPERATIONS);
	uint64_t memory = bytes_get_le64(bytes + AT_MEMORY);
	_cleanup_secret_ struct secret *stream = NULL;
	int r;

	if (memory > MINISIGN_SECRET_MEMORY_MAX ||
		operations > crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE * 4ull)
		return -ENOMEM;
	r = secret_new(KEY_BYTES, &stream);
	if (r < 0)
		return r;
	if (crypto_pwhash_scryptsalsa208sha256(secret_bytes(stream), KEY_BYTES,
		    (const char *)secret_peek(passphrase), secret_size(passphrase), bytes + AT_SALT,
		    operations, (size_t)memory) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < KEY_BYTES; i++)
		bytes[AT_KEY + i] ^= secret_peek(stream)[i];
	return 0;
}

static bool is_whole(const struct secret *decoded)
{
	const uint8_t *key = secret_peek(decoded) + AT_KEY;
	uint8_t checksum[CHECKSUM_BYTES];
	crypto_generichash_state state;
	bool same;

	if (crypto_generichash_init(&state, NULL, 0, CHECKSUM_BYTES) != 0 ||
		crypto_generichash_update(&state, secret_peek(decoded), 2) != 0 ||
		crypto_generichash_update(&state, key, KEY_BYTES - CHECKSUM_BYTES) != 0 ||
		crypto_generichash_final(&state, checksum, CHECKSUM_BYTES) != 0)
		return false;
	same = secret_is_equal(checksum, key + KEY_BYTES - CHECKSUM_BYTES, CHECKSUM_BYTES);
	secret_wipe(&state, sizeof(state));
	return same;
}

int minisign_secret_decode(const struct secret *text, const struct secret *passphrase,
	struct secret **ret_seed, struct minisign_key *ret_key)
{
	_cleanup_secret_ struct secret *decoded = NULL, *seed = NULL;
	struct minisign_key key;
	const uint8_t *at;
	int r;

	if (sodium_init() < 0)
		return -ENOSYS;
	r = decode_line(text, &decoded);
	if (r < 0)
		return r;
	if (is_encrypted(decoded)) {
		if (!passphrase)
			return -ENOKEY;
		r = decrypt(decoded, passphrase);
		if (r < 0)
			return r;
	}
	/* Stock minisign leaves the checksum of a key that is not encrypted at zeros; B2 has it
	 * then. */
	if (is_encrypted(decoded) && !is_whole(decoded))
		return -EPERM;
	at = secret_peek(decoded) + AT_KEY;
	memcpy(key.id, at, MINISIGN_ID_BYTES);
	r = secret_new_copy(at + MINISIGN_ID_BYTES, SIGNATURE_SEED_BYTES, &seed);
	if (r >= 0)
		r = signature_public(seed, key.public_key);
	if (r < 0)
		return r;
	if (memcmp(key.public_key, at + MINISIGN_ID_BYTES + SIGNATURE_SEED_BYTES,
		    SIGNATURE_PUBLIC_BYTES) != 0)
		return -EPERM;
	*ret_seed = seed;
	seed = NULL;
	*ret_key = key;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore.c - format, open, check and unlock the LUKS2 header
 */
#include "base/bytes.h"
#include "keystore/keystore_impl.h"
#include "keystore/token.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_BYTES	      16384u /* each copy */
#define CIPHER		      "aes"
#define CIPHER_MODE	      "xts-plain64"
#define VOLUME_KEY_BYTES      64
#define ITERATION_MS_DEFAULT  2000u
#define ARGON2_PASSES_TEST    4u
#define PBKDF2_ITERATIONS_MIN 1000u
#define SECTOR_BYTES	      512u

static void keep_error(int level, const char *message, void *context)
{
	struct keystore *keystore = context;

	if (level != CRYPT_LOG_ERROR)
		return;
	snprintf(keystore->last_error, sizeof(keystore->last_error), "%s", message);
	keystore->last_error[strcspn(keystore->last_error, "\n")] = '\0';
}

void keystore_free(struct keystore *keystore)
{
	if (!keystore)
		return;
	crypt_free(keystore->cd);
	free(keystore->path);
	free(keystore);
}

static int begin(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	struct keystore *keystore = calloc(1, sizeof(*keystore));
	int r;

	if (!keystore)
		return -ENOMEM;
	keystore->read_only = read_only;
	keystore->token_number = CRYPT_ANY_TOKEN;
	keystore->path = strdup(path);
	if (!keystore->path) {
		keystore_free(keystore);
		return -ENOMEM;
	}
	/* A log function without a device: what crypt_init says must not go to the terminal either.
	 */
	crypt_set_log_callback(NULL, keep_error, keystore);
	r = crypt_init(&keystore->cd, path);
	if (r < 0) {
		problem_set(reterr_problem, r, "%s cannot be opened as a LUKS2 volume: %s", path,
			strerror(-r));
		crypt_set_log_callback(NULL, NULL, NULL);
		keystore_free(keystore);
		return r;
	}
	crypt_set_log_callback(NULL, NULL, NULL);
	crypt_set_log_callback(keystore->cd, keep_error, keystore);
	crypt_set_rng_type(keystore->cd, CRYPT_RNG_URANDOM);
	*ret_keystore = keystore;
	return 0;
}

int keystore_set_kdf(struct keystore *keystore, uint32_t memory_kib, uint32_t iteration_ms)
{
	struct crypt_pbkdf_type pbkdf = {
		.type = profile_allows_argon2id() ? CRYPT_KDF_ARGON2ID : CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.time_ms = iteration_ms ? iteration_ms : ITERATION_MS_DEFAULT,
	};

	if (profile_allows_argon2id()) {
		pbkdf.max_memory_kb = memory_kib ? memory_kib : KEYSTORE_KDF_MEMORY_KIB_DEFAULT;
		pbkdf.parallel_threads = 2;
	}
	if (iteration_ms ==
		1) { /* quick, for tests: the least that libcryptsetup takes, and no benchmark */
		pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
		pbkdf.iterations =
			profile_allows_argon2id() ? ARGON2_PASSES_TEST : PBKDF2_ITERATIONS_MIN;
	}
	return crypt_set_pbkdf_type(keystore->cd, &pbkdf);
}

/* --- K2: what may be opened --- */

static int find_token(struct keystore *keystore, struct problem *reterr_problem)
{
	for (int i = 0; i < crypt_token_max(CRYPT_LUKS2); i++) {
		const char *type = NULL, *json = NULL;
		crypt_token_info info = crypt_token_status(keystore->cd, i, &type);
		int r;

		if (info != CRYPT_TOKEN_EXTERNAL_UNKNOWN && info != CRYPT_TOKEN_EXTERNAL)
			continue;
		if (!type || strcmp(type, TOKEN_TYPE) != 0 ||
			crypt_token_json_get(keystore->cd, i, &json) < 0)
			continue;
		r = token_decode(json, &keystore->token);
		if (r == -EPROTONOSUPPORT)
			return problem_set(reterr_problem, r,
				"%s was made by a newer version of spoolguard; use that version or "
				"a newer one",
				keystore->path);
		if (r < 0)
			return problem_set(reterr_problem, -EBADMSG,
				"%s: the spoolguard token in its LUKS2 header is damaged; restore "
				"the header from a backup",
				keystore->path);
		keystore->token_number = i;
		return 0;
	}
	return 0;
}

static int check_cipher(struct keystore *keystore, struct problem *reterr_problem)
{
	const char *cipher = crypt_get_cipher(keystore->cd);
	const char *mode = crypt_get_cipher_mode(keystore->cd);
	int key_bytes = crypt_get_volume_key_size(keystore->cd);

	if (!cipher || !mode || strcmp(cipher, CIPHER) != 0 || strcmp(mode, CIPHER_MODE) != 0)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s is encrypted with %s-%s; spoolguard opens aes-xts-plain64 only",
			keystore->path, cipher ? cipher : "no cipher", mode ? mode : "no mode");
	if (key_bytes != VOLUME_KEY_BYTES)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has a %d-bit volume key; spoolguard opens aes-xts-plain64 with 512 "
			"bits (AES-256) only",
			keystore->path, key_bytes * 8);
	return 0;
}

static int check_segment(struct keystore *keystore, struct problem *reterr_problem)
{
	struct crypt_params_integrity integrity = {0};
	int sector_bytes = crypt_get_sector_size(keystore->cd);

	if (sector_bytes != 512 && sector_bytes != 4096)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has encryption sectors of %d bytes; spoolguard opens 512 and 4096",
			keystore->path, sector_bytes);
	if (crypt_get_integrity_info(keystore->cd, &integrity) == 0 && integrity.tag_size != 0)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s uses dm-integrity (%s); spoolguard opens volumes without integrity "
			"tags only",
			keystore->path, integrity.integrity ? integrity.integrity : "unnamed");
	if (bytes_multiply(crypt_get_data_offset(keystore->cd), SECTOR_BYTES,
		    &keystore->segment.data_offset_bytes) < 0)
		return problem_set(reterr_problem, -EBADMSG,
			"%s: the LUKS2 header's data offset is absurd", keystore->path);
	keystore->segment.iv_offset = crypt_get_iv_offset(keystore->cd);
	keystore->segment.sector_bytes = (uint32_t)sector_bytes;
	return 0;
}

static int check_reencryption(struct keystore *keystore, struct problem *reterr_problem)
{
	struct crypt_params_reencrypt params = {0};
	crypt_reencrypt_info info = crypt_reencrypt_status(keystore->cd, &params);

	if (info == CRYPT_REENCRYPT_NONE)
		return 0;
	return problem_set(reterr_problem, -EINPROGRESS,
		"%s: a re-encryption by cryptsetup is pending; finish it with \"cryptsetup "
		"reencrypt --resume-only\" first",
		keystore->path);
}

int keystore_load(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	struct keystore *keystore = NULL;
	int r;

	r = begin(path, read_only, &keystore, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_load(keystore->cd, CRYPT_LUKS2, NULL);
	if (r < 0) {
		const char *detail = keystore->last_error[0] ? keystore->last_error : strerror(-r);

		if (r != -EBUSY && r != -EACCES && r != -EPERM)
			r = -ENODATA;
		problem_set(reterr_problem, r,
			"%s has no LUKS2 header that can be read (%s); restore the header from a "
			"backup, or check the path",
			path, detail);
		keystore_free(keystore);
		return r;
	}
	r = check_reencryption(keystore, reterr_problem);
	if (r >= 0)
		r = check_cipher(keystore, reterr_problem);
	if (r >= 0)
		r = check_segment(keystore, reterr_problem);
	if (r >= 0)
		r = find_token(keystore, reterr_problem);
	if (r < 0) {
		keystore_free(keystore);
		return r;
	}
	*ret_keystore = keystore;
	return 0;
}

int keystore_open(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	return keystore_load(path, read_only, ret_keystore, reterr_problem);
}

/* --- format --- */

static int write_header(struct keystore *keystore, const struct keystore_format_options *options,
	const struct secret *volume_key, struct problem *reterr_problem)
{
	struct crypt_params_luks2 params = {
		.sector_size = BLOCK_BYTES,
		.data_alignment = 0,
	};
	int r;

	r = keystore_set_kdf(keystore, options->kdf_memory_kib, options->kdf_iteration_ms);
	if (r >= 0)
		r = crypt_set_metadata_size(
			keystore->cd, METADATA_BYTES, LAYOUT_SUPERBLOCK_BYTES - 2 * METADATA_BYTES);
	if (r >= 0)
		r = crypt_set_data_offset(keystore->cd, options->data_offset_bytes / SECTOR_BYTES);
	if (r >= 0)
		r = crypt_format(keystore->cd, CRYPT_LUKS2, CIPHER, CIPHER_MODE, NULL,
			(const char *)secret_peek(volume_key), VOLUME_KEY_BYTES, &params);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the LUKS2 header could not be written: %s", keystore->path,
			keystore->last_error[0] ? keystore->last_error : strerror(-r));
	return 0;
}

int keystore_format(const char *path, const struct keystore_format_options *options,
	const struct secret *passphrase, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *volume_key = NULL;
	struct keystore_token token = {
		.present = true,
		.version = TOKEN_VERSION,
		.superblock_offset_bytes = LAYOUT_SUPERBLOCK_BYTES,
		.profile = options->profile,
		.filled_before = options->filled_before,
		.key_generation = 1,
	};
	int r;

	assert(options->data_offset_bytes > LAYOUT_SUPERBLOCK_BYTES &&
		options->data_offset_bytes % BLOCK_BYTES == 0);
	r = begin(path, false, &keystore, reterr_problem);
	if (r >= 0)
		r = secret_new_random(VOLUME_KEY_BYTES, &volume_key);
	if (r >= 0)
		r = write_header(keystore, options, volume_key, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_keyslot_add_by_volume_key(keystore->cd, CRYPT_ANY_SLOT,
		(const char *)secret_peek(volume_key), VOLUME_KEY_BYTES,
		(const char *)secret_peek(passphrase), secret_size(passphrase));
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the first key slot could not be written: %s", path,
			keystore->last_error[0] ? keystore->last_error : strerror(-r));
	snprintf(token.scheme, sizeof(token.scheme), "%s", options->scheme);
	r = check_segment(keystore, reterr_problem);
	if (r >= 0)
		r = keystore_set_token(keystore, &token, reterr_problem);
	if (r < 0)
		return r;
	*ret_keystore = keystore;
	keystore = NULL;
	return 0;
}

/* --- what the header says --- */

void keystore_get_segment(const struct keystore *keystore, struct keystore_segment *ret_segment)
{
	*ret_segment = keystore->segment;
}

const char *keystore_uuid(const struct keystore *keystore)
{
	return crypt_get_uuid(keystore->cd);
}

void keystore_get_token(const struct keystore *keystore, struct keystore_token *ret_token)
{
	*ret_token = keystore->token;
}

int keystore_set_token(struct keystore *keystore, const struct keystore_token *token,
	struct problem *reterr_problem)
{
	char *json = NULL;
	int r;

	r = token_encode(token, &json);
	if (r < 0)
		return r;
	r = crypt_token_json_set(keystore->cd, keystore->token_number, json);
	free(json);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the spoolguard token could not be written: %s", keystore->path,
			keystore->last_error[0] ? keystore->last_error : strerror(-r));
	keystore->token_number = r;
	keystore->token = *token;
	keystore->token.present = true;
	return 0;
}

/* --- unlock --- */

int keystore_unlock(struct keystore *keystore, const struct secret *passphrase, int slot,
	struct secret **ret_volume_key, int *ret_slot, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *key = NULL;
	size_t bytes = VOLUME_KEY_BYTES;
	int r;

	r = secret_new(VOLUME_KEY_BYTES, &key);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the volume key cannot be kept in locked memory; raise RLIMIT_MEMLOCK "
			"(ulimit -l)");
	r = crypt_volume_key_get(keystore->cd, slot < 0 ? CRYPT_ANY_SLOT : slot,
		(char *)secret_bytes(key), &bytes, (const char *)secret_peek(passphrase),
		secret_size(passphrase));
	if (r == -ENOENT)
		return problem_set(reterr_problem, -EPERM, "%s has no key slot that is in use",
			keystore->path);
	if (r == -EPERM)
		return problem_set(reterr_problem, -EPERM,
			"%s: the passphrase or key file opens none of its key slots; try another "
			"one",
			keystore->path);
	if (r == -ENOMEM)
		return problem_set(reterr_problem, r,
			"%s: there is not enough memory for the key derivation; free some, or use "
			"a key slot that needs less "
			"(key add --kdf-memory)",
			keystore->path);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the volume key could not be unlocked: %s", keystore->path,
			keystore->last_error[0] ? keystore->last_error : strerror(-r));
	if (bytes != VOLUME_KEY_BYTES)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s: the volume key has %zu bits instead of 512", keystore->path,
			bytes * 8);
	*ret_volume_key = key;
	key = NULL;
	*ret_slot = r;
	return 0;
}

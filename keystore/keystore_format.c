/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_format.c - a new LUKS2 header
 */
#include "keystore/keystore_impl.h"
#include "keystore/token.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define METADATA_BYTES 16384u /* each copy */

static int write_header(struct keystore *keystore, const struct keystore_format_options *options,
	const struct secret *volume_key, struct problem *reterr_problem)
{
	struct crypt_params_luks2 params = {
		.sector_size = BLOCK_BYTES,
		.data_alignment = 0,
	};
	const struct keystore_kdf kdf = {options->kdf_memory_kib, options->kdf_iteration_ms};
	int r;

	keystore->token.profile = options->profile; /* the first key slot is of this profile too */
	r = keystore_set_kdf(keystore, &kdf);
	if (r >= 0)
		r = crypt_set_metadata_size(
			keystore->cd, METADATA_BYTES, LAYOUT_SUPERBLOCK_BYTES - 2 * METADATA_BYTES);
	if (r >= 0)
		r = crypt_set_data_offset(
			keystore->cd, options->data_offset_bytes / KEYSTORE_SECTOR_BYTES);
	if (r >= 0)
		r = crypt_format(keystore->cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL,
			(const char *)secret_peek(volume_key), KEYSTORE_VOLUME_KEY_BYTES, &params);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the LUKS2 header could not be written: %s", keystore->path,
			keystore_detail(keystore, r));
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
	r = keystore_begin(path, false, &keystore, reterr_problem);
	if (r >= 0)
		r = secret_new_random(KEYSTORE_VOLUME_KEY_BYTES, &volume_key);
	if (r >= 0)
		r = write_header(keystore, options, volume_key, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_keyslot_add_by_volume_key(keystore->cd, CRYPT_ANY_SLOT,
		(const char *)secret_peek(volume_key), KEYSTORE_VOLUME_KEY_BYTES,
		(const char *)secret_peek(passphrase), secret_size(passphrase));
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the first key slot could not be written: %s", path,
			keystore_detail(keystore, r));
	snprintf(token.scheme, sizeof(token.scheme), "%s", options->scheme);
	r = keystore_check_segment(keystore, reterr_problem);
	if (r >= 0)
		r = keystore_set_token(keystore, &token, reterr_problem);
	if (r < 0)
		return r;
	*ret_keystore = keystore;
	keystore = NULL;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_check.c - K2: what may be opened, and what is refused by name
 */
#include "keystore/keystore_impl.h"
#include "base/bytes.h"
#include "keystore/token.h"
#include <errno.h>
#include <string.h>

#define CIPHER	    "aes"
#define CIPHER_MODE "xts-plain64"

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
		if (keystore->token.superblock_offset_bytes != LAYOUT_SUPERBLOCK_BYTES)
			return problem_set(reterr_problem, -EBADMSG,
				"%s: the spoolguard token in its LUKS2 header names a wrong place "
				"for the residue map; restore the header from a backup",
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
	if (key_bytes <= 0) /* no key slot is left that would tell */
		return 0;
	if (key_bytes != KEYSTORE_VOLUME_KEY_BYTES)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has a %d-bit volume key; spoolguard opens aes-xts-plain64 with 512 "
			"bits (AES-256) only",
			keystore->path, key_bytes * 8);
	return 0;
}

/* What the header's JSON says of the segment and the API does not. */
static int check_segment_json(const struct keystore *keystore, struct problem *reterr_problem)
{
	struct json_object *header = keystore_header_json(keystore);
	struct json_object *segment = header ? keystore_header_segment(header) : NULL;
	struct json_object *integrity = NULL;
	const char *size = segment ? keystore_header_text(segment, "size") : NULL;
	int r = 0;

	if (!header)
		r = -ENOMEM;
	else if (!size)
		r = problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has more than one data segment; spoolguard opens volumes with one",
			keystore->path);
	else if (json_object_object_get_ex(segment, "integrity", &integrity))
		r = problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has integrity tags (dm-integrity); spoolguard opens volumes without "
			"them only",
			keystore->path);
	else if (strcmp(size, "dynamic") != 0)
		r = problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has a data segment of fixed size (%s bytes); spoolguard opens those "
			"that "
			"reach to the end of the medium",
			keystore->path, size);
	json_object_put(header);
	return r;
}

int keystore_check_segment(struct keystore *keystore, struct problem *reterr_problem)
{
	int sector_bytes = crypt_get_sector_size(keystore->cd);

	if (sector_bytes != 512 && sector_bytes != 4096)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has encryption sectors of %d bytes; spoolguard opens 512 and 4096",
			keystore->path, sector_bytes);
	if (bytes_multiply(crypt_get_data_offset(keystore->cd), KEYSTORE_SECTOR_BYTES,
		    &keystore->segment.data_offset_bytes) < 0)
		return problem_set(reterr_problem, -EBADMSG,
			"%s: the LUKS2 header's data offset is absurd", keystore->path);
	if (keystore->segment.data_offset_bytes == 0)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s is a detached LUKS2 header; spoolguard opens volumes that begin with "
			"their header",
			keystore->path);
	keystore->segment.iv_offset = crypt_get_iv_offset(keystore->cd);
	keystore->segment.sector_bytes = (uint32_t)sector_bytes;
	return check_segment_json(keystore, reterr_problem);
}

static int check_reencryption(struct keystore *keystore, struct problem *reterr_problem)
{
	struct crypt_params_reencrypt params = {0};
	uint32_t flags = 0;

	if (crypt_persistent_flags_get(keystore->cd, CRYPT_FLAGS_REQUIREMENTS, &flags) < 0 ||
		(flags & CRYPT_REQUIREMENT_UNKNOWN))
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s: its LUKS2 header requires something that this libcryptsetup does not "
			"know; use a newer one",
			keystore->path);
	if (crypt_reencrypt_status(keystore->cd, &params) != CRYPT_REENCRYPT_NONE)
		return problem_set(reterr_problem, -EINPROGRESS,
			"%s: a re-encryption by cryptsetup is pending; finish it with \"cryptsetup "
			"reencrypt --resume-only\" first",
			keystore->path);
	if (flags & (CRYPT_REQUIREMENT_OFFLINE_REENCRYPT | CRYPT_REQUIREMENT_ONLINE_REENCRYPT))
		return problem_set(reterr_problem, -EINPROGRESS,
			"%s: a re-encryption by cryptsetup was begun; finish it with cryptsetup "
			"first",
			keystore->path);
	return 0;
}

int keystore_check(struct keystore *keystore, struct problem *reterr_problem)
{
	struct layout layout;
	int r;

	r = check_reencryption(keystore, reterr_problem);
	if (r >= 0)
		r = check_cipher(keystore, reterr_problem);
	if (r >= 0)
		r = keystore_check_segment(keystore, reterr_problem);
	if (r >= 0)
		r = find_token(keystore, reterr_problem);
	if (r < 0 || keystore->token.present)
		return r;
	keystore->token_lost =
		keystore_medium_superblock(keystore->medium, &layout) >= 0 &&
		layout.data_first * BLOCK_BYTES == keystore->segment.data_offset_bytes;
	return 0;
}

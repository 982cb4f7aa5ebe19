/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_format.c - a new LUKS2 header
 *
 * Made whole in memory, with its key slot and token, and then written: no crash
 * leaves a header without a key, and libcryptsetup, which wants a block device
 * for itself to format it, need not have it while its caller holds it.
 */
#include "base/io.h"
#include "blockdev/raw.h"
#include "keystore/keystore_impl.h"
#include "keystore/token.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define METADATA_BYTES	16384u /* each copy */
#define ROOM_FOR_DATA	(1u << 20)
#define COPY_STEP_BYTES (1u << 20)

/* --- in memory --- */

static int make_header(struct keystore *keystore, const struct keystore_format_options *options,
	const struct secret *volume_key, const struct secret *passphrase)
{
	const struct keystore_kdf kdf = {
		.memory_kib = options->kdf_memory_kib,
		.iteration_ms = options->kdf_iteration_ms,
		.iterations = options->kdf_iterations,
	};
	struct crypt_params_luks2 params = {.sector_size = BLOCK_BYTES};
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
	if (r >= 0)
		r = crypt_keyslot_add_by_volume_key(keystore->cd, CRYPT_ANY_SLOT,
			(const char *)secret_peek(volume_key), KEYSTORE_VOLUME_KEY_BYTES,
			(const char *)secret_peek(passphrase), secret_size(passphrase));
	return r < 0 ? r : 0;
}

static int make_in_memory(int fd, const char *path, const struct keystore_format_options *options,
	const struct secret *passphrase, struct secret **ret_volume_key,
	struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *volume_key = NULL;
	struct keystore_token token = {
		.version = TOKEN_VERSION,
		.superblock_offset_bytes = LAYOUT_SUPERBLOCK_BYTES,
		.profile = options->profile,
		.filled_before = options->filled_before,
		.key_generation = 1,
	};
	char memory_path[32];
	int r;

	snprintf(token.scheme, sizeof(token.scheme), "%s", options->scheme);
	snprintf(memory_path, sizeof(memory_path), "/proc/self/fd/%d", fd);
	if (ftruncate(fd, (off_t)(options->data_offset_bytes + ROOM_FOR_DATA)) < 0)
		return -errno;
	r = keystore_begin(memory_path, false, &keystore, reterr_problem);
	if (r < 0)
		return r;
	r = secret_new_random(KEYSTORE_VOLUME_KEY_BYTES, &volume_key);
	if (r >= 0)
		r = make_header(keystore, options, volume_key, passphrase);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: its LUKS2 header and first key slot could not be made: %s", path,
			keystore_detail(keystore, r));
	r = keystore_set_token(keystore, &token, reterr_problem);
	if (r >= 0) {
		*ret_volume_key = volume_key;
		volume_key = NULL;
	}
	return r;
}

/* --- on the medium --- */

static int copy_run(int fd, struct blockdev *medium, uint64_t first, uint64_t end, void *buf)
{
	int r = 0;

	while (first < end && r >= 0) {
		size_t some =
			end - first < COPY_STEP_BYTES ? (size_t)(end - first) : COPY_STEP_BYTES;

		r = io_pread(fd, buf, some, first);
		if (r >= 0)
			r = blockdev_write(medium,
				(struct extent){first / BLOCK_BYTES, some / BLOCK_BYTES}, buf,
				some);
		first += some;
	}
	return r < 0 ? r : blockdev_flush(medium);
}

/* Key slots and second copy first: where the first copy can be read, all of it is there. */
static int write_out(int fd, const char *path, struct problem *reterr_problem)
{
	const struct raw_options options = {.unlocked = true, .block_bytes = BLOCK_BYTES};
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	_cleanup_free_ void *buf = NULL;
	int r;

	r = raw_open(path, &options, &medium, reterr_problem);
	if (r < 0)
		return r;
	r = io_alloc(COPY_STEP_BYTES, &buf);
	if (r >= 0)
		r = copy_run(fd, medium, METADATA_BYTES, LAYOUT_SUPERBLOCK_BYTES, buf);
	if (r >= 0)
		r = copy_run(fd, medium, 0, METADATA_BYTES, buf);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: its LUKS2 header could not be written: %s", path, strerror(-r));
	return 0;
}

int keystore_format(const char *path, const struct keystore_format_options *options,
	const struct secret *passphrase, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	_cleanup_close_ int fd = memfd_create("spoolguard-format", MFD_CLOEXEC);
	_cleanup_secret_ struct secret *volume_key = NULL;
	int r;

	assert(options->data_offset_bytes > LAYOUT_SUPERBLOCK_BYTES &&
		options->data_offset_bytes % BLOCK_BYTES == 0);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: no memory for its header: %s", path,
			strerror(errno));
	r = make_in_memory(fd, path, options, passphrase, &volume_key, reterr_problem);
	if (r >= 0)
		r = write_out(fd, path, reterr_problem);
	if (r >= 0)
		r = keystore_open(path, false, ret_keystore, reterr_problem);
	if (r >= 0 && options->ret_volume_key) {
		*options->ret_volume_key = volume_key;
		volume_key = NULL;
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_copies.c - is each of the two header copies whole by itself?
 *
 * libcryptsetup reads whichever copy is whole and says nothing of the other.  So it is given, in
 * memory, a header whose other copy is gone; what it loads then is the one that is asked about.
 */
#include "base/io.h"
#include "blockdev/raw.h"
#include "keystore/keystore_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int copy_bytes_of(const char *path, uint64_t *ret_bytes, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	uint64_t slots_bytes;
	int r;

	r = keystore_load(path, true, &keystore, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_get_metadata_size(keystore->cd, ret_bytes, &slots_bytes);
	return r < 0 ? keystore_explain(
			       keystore, r, "the length of its LUKS2 header", reterr_problem)
		     : 0;
}

static int flip_a_bit(int fd, uint64_t offset)
{
	uint8_t byte;
	int r;

	r = io_pread(fd, &byte, sizeof(byte), offset);
	if (r < 0)
		return r;
	byte ^= 1;
	return io_pwrite(fd, &byte, sizeof(byte), offset);
}

static int fill_with_zeros(int fd, struct extent bytes)
{
	_cleanup_free_ void *zeros = calloc(1, bytes.count);

	return zeros ? io_pwrite(fd, zeros, bytes.count, bytes.first) : -ENOMEM;
}

/* The private copy of the header as it is, apart from what is done to it here. */
static int load_one(const char *path, unsigned int copy, uint64_t copy_bytes, bool damage,
	bool *ret_whole, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int r;

	r = keystore_begin(path, true, &keystore, reterr_problem);
	if (r < 0)
		return r;
	r = keystore_medium_copy(raw_fd(keystore->medium), keystore->copy_fd, 0, 2 * copy_bytes);
	if (r >= 0 && damage) /* behind the binary header: in the JSON that its digest covers */
		r = flip_a_bit(keystore->copy_fd, copy * copy_bytes + BLOCK_BYTES + 1);
	if (r >= 0)
		r = fill_with_zeros(
			keystore->copy_fd, (struct extent){(copy ^ 1u) * copy_bytes, copy_bytes});
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s: its header cannot be read: %s", path, strerror(-r));
	*ret_whole = crypt_load(keystore->cd, CRYPT_LUKS2, NULL) >= 0;
	return 0;
}

int keystore_check_copies(
	const char *path, bool damage, bool ret_whole[static 2], struct problem *reterr_problem)
{
	uint64_t copy_bytes;
	bool whole[2];
	int r;

	r = copy_bytes_of(path, &copy_bytes, reterr_problem);
	for (unsigned int copy = 0; copy < 2 && r >= 0; copy++)
		r = load_one(
			path, copy, copy_bytes, damage && copy == 1, &whole[copy], reterr_problem);
	if (r < 0)
		return r;
	ret_whole[0] = whole[0];
	ret_whole[1] = whole[1];
	return 0;
}

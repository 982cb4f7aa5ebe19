/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore.c - open, check and unlock the LUKS2 header; its token
 */
#include "keystore/keystore_impl.h"
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/raw.h"
#include "keystore/token.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_COPY_BYTES  LAYOUT_SUPERBLOCK_BYTES /* where ours end; stock ones at 16 MiB */
#define HEADER_BYTES_MOST (136ull << 20)	  /* two copies of 4 MiB, 128 MiB of key slots */
static void keep_error(int level, const char *message, void *context)
{
	struct keystore *keystore = context;

	if (level != CRYPT_LOG_ERROR)
		return;
	/* The one error that its number does not tell; others of the same call may follow it. */
	if (strstr(message, "concurrent"))
		keystore->raced = true;
	snprintf(keystore->last_error, sizeof(keystore->last_error), "%s", message);
	keystore->last_error[strcspn(keystore->last_error, "\n")] = '\0';
}

int keystore_explain(
	struct keystore *keystore, int error, const char *what, struct problem *reterr_problem)
{
	bool raced = keystore->raced;

	keystore->raced = false;
	if (raced)
		return problem_set(reterr_problem, -ESTALE,
			"%s: another program changed its LUKS2 header at the same moment; nothing "
			"was done, try again",
			keystore->path);
	return problem_set(reterr_problem, error, "%s: %s: %s", keystore->path, what,
		keystore_detail(keystore, error));
}

const char *keystore_detail(const struct keystore *keystore, int error)
{
	return keystore->last_error[0] ? keystore->last_error : strerror(-error);
}

/*
 * The kernel tells each open file once of a write that was lost since it was opened: ours hears of
 * what libcryptsetup's heard and did not pass on.
 */
int keystore_sync(struct keystore *keystore, struct problem *reterr_problem)
{
	int r = blockdev_flush(keystore->medium);

	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: its LUKS2 header was written, but may not have reached the medium: "
			"%s; "
			"check the medium, then look with \"key list\" at what is there",
			keystore->path, strerror(-r));
	return 0;
}

void keystore_free(struct keystore *keystore)
{
	if (!keystore)
		return;
	crypt_free(keystore->cd);
	blockdev_close(keystore->medium);
	io_closep(&keystore->copy_fd);
	free(keystore->path);
	free(keystore);
}

/* --- open --- */

static uint64_t header_end(const struct keystore *keystore, uint64_t most)
{
	return keystore->medium_bytes < most ? keystore->medium_bytes : most;
}

/* K4 */
static int copy_header(struct keystore *keystore, int fd, char *ret_path, size_t path_bytes)
{
	keystore->copy_fd = memfd_create("spoolguard-header", MFD_CLOEXEC);
	if (keystore->copy_fd < 0)
		return -errno;
	snprintf(ret_path, path_bytes, "/proc/self/fd/%d", keystore->copy_fd);
	/* As long as the medium: libcryptsetup holds a header's length against it. */
	if (ftruncate(keystore->copy_fd, (off_t)header_end(keystore, HEADER_BYTES_MOST)) < 0)
		return -errno;
	return keystore_medium_copy(
		fd, keystore->copy_fd, 0, header_end(keystore, FIRST_COPY_BYTES));
}

static int begin_on(struct keystore *keystore, int fd, struct problem *reterr_problem)
{
	char copy_path[32];
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	keystore->device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	keystore->inode = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	if (keystore->read_only)
		r = copy_header(keystore, fd, copy_path, sizeof(copy_path));
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: its header cannot be read: %s",
			keystore->path, strerror(-r));

	/* Without a device there is no log function of its own yet: nothing goes to the terminal.
	 */
	crypt_set_log_callback(NULL, keep_error, keystore);
	r = crypt_init(&keystore->cd, keystore->read_only ? copy_path : keystore->path);
	crypt_set_log_callback(NULL, NULL, NULL);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s cannot be opened as a LUKS2 volume: %s",
			keystore->path, keystore_detail(keystore, r));
	crypt_set_log_callback(keystore->cd, keep_error, keystore);
	crypt_set_rng_type(keystore->cd, CRYPT_RNG_URANDOM);
	return 0;
}

int keystore_begin(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	const struct raw_options options = {.read_only = read_only,
		.unlocked = true,
		.buffered = true,
		.block_bytes = BLOCK_BYTES};
	_cleanup_(keystore_freep) struct keystore *keystore = calloc(1, sizeof(*keystore));
	int r;

	if (!keystore)
		return -ENOMEM;
	keystore->read_only = read_only;
	keystore->copy_fd = -1;
	keystore->token_number = CRYPT_ANY_TOKEN;
	keystore->path = strdup(path);
	if (!keystore->path)
		return -ENOMEM;
	r = raw_open(path, &options, &keystore->medium, reterr_problem);
	if (r < 0)
		return r;
	keystore->medium_bytes = blockdev_bytes(keystore->medium);
	r = begin_on(keystore, raw_fd(keystore->medium), reterr_problem);
	if (r < 0)
		return r;
	*ret_keystore = keystore;
	keystore = NULL;
	return 0;
}

static int explain_load(const struct keystore *keystore, int error, struct problem *reterr_problem)
{
	switch (keystore_medium_trace(raw_fd(keystore->medium))) {
	case KEYSTORE_TRACE_LUKS1:
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s is a LUKS1 volume; spoolguard opens LUKS2 (\"cryptsetup convert --type "
			"luks2\" makes one of it)",
			keystore->path);
	case KEYSTORE_TRACE_LUKS2:
		if (error == -ENOMEM || error == -EBUSY || error == -EACCES || error == -EIO)
			break;
		if (strstr(keystore->last_error, "too small")) /* shorter than the key slots end */
			return problem_set(reterr_problem, -ENXIO,
				"%s is %" PRIu64
				" bytes long, and its LUKS2 header says that it is longer: "
				"it was cut short; restore the whole image",
				keystore->path, keystore->medium_bytes);
		return problem_set(reterr_problem, -EBADMSG,
			"%s: both copies of its LUKS2 header are damaged; restore the header from "
			"a backup (key restore --force)",
			keystore->path);
	case KEYSTORE_TRACE_NONE:
		return problem_set(reterr_problem, -ENODATA,
			"%s has no LUKS2 header; check the path, or make a volume with "
			"\"spoolguard format\"",
			keystore->path);
	}
	return problem_set(reterr_problem, error, "%s: its LUKS2 header cannot be read: %s",
		keystore->path, keystore_detail(keystore, error));
}

/* A header that is longer than the part that was copied. */
static int copy_rest(struct keystore *keystore)
{
	uint64_t copy_bytes = 0, slots_bytes = 0, end;

	if (!keystore->read_only ||
		crypt_get_metadata_size(keystore->cd, &copy_bytes, &slots_bytes) < 0)
		return 0;
	end = header_end(keystore, 2 * copy_bytes + slots_bytes);
	if (end <= FIRST_COPY_BYTES)
		return 0;
	return keystore_medium_copy(
		raw_fd(keystore->medium), keystore->copy_fd, FIRST_COPY_BYTES, end);
}

int keystore_load(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int r;

	r = keystore_begin(path, read_only, &keystore, reterr_problem);
	if (r < 0)
		return r;
	r = crypt_load(keystore->cd, CRYPT_LUKS2, NULL);
	if (r >= 0)
		r = copy_rest(keystore);
	if (r < 0)
		return explain_load(keystore, r, reterr_problem);
	r = keystore_check(keystore, reterr_problem);
	if (r < 0)
		return r;
	*ret_keystore = keystore;
	keystore = NULL;
	return 0;
}

int keystore_open(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int r;

	r = keystore_load(path, read_only, &keystore, reterr_problem);
	if (r < 0)
		return r;
	if (keystore->medium_bytes <= keystore->segment.data_offset_bytes)
		return problem_set(reterr_problem, -ENXIO,
			"%s is %" PRIu64
			" bytes long, but its header says that data begins at byte "
			"%" PRIu64
			": it was cut short, or is a header backup; restore the whole image",
			path, keystore->medium_bytes, keystore->segment.data_offset_bytes);
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
		return keystore_explain(
			keystore, r, "the spoolguard token could not be written", reterr_problem);
	keystore->token_number = r;
	keystore->token = *token;
	keystore->token.present = true;
	keystore->token_lost = false;
	return keystore_sync(keystore, reterr_problem);
}

bool keystore_has_lost_token(const struct keystore *keystore)
{
	return keystore->token_lost;
}

int keystore_check_token(const struct keystore *keystore, struct problem *reterr_problem)
{
	if (!keystore->token_lost)
		return 0;
	return problem_set(reterr_problem, -ENOTUNIQ,
		"%s has a residue map, but the spoolguard token was removed from its LUKS2 header: "
		"what is done to its keys could not be recorded; attach once with --repair-token "
		"to put it back",
		keystore->path);
}

int keystore_repair_token(
	struct keystore *keystore, const char *scheme, struct problem *reterr_problem)
{
	struct keystore_token token = {
		.version = TOKEN_VERSION,
		.superblock_offset_bytes = LAYOUT_SUPERBLOCK_BYTES,
		.profile = profile_current(),
		.filled_before = true,
		.backups = 1,
		/* Greater than any count of removals, however many tokens were lost before. */
		.key_generation = (uint64_t)clock_wall_s(),
	};

	snprintf(token.scheme, sizeof(token.scheme), "%s", scheme);
	return keystore_set_token(keystore, &token, reterr_problem);
}

/* --- unlock --- */

int keystore_unlock(struct keystore *keystore, const struct secret *passphrase, int slot,
	struct secret **ret_volume_key, int *ret_slot, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *key = NULL;
	size_t bytes = KEYSTORE_VOLUME_KEY_BYTES;
	int r;

	if (slot >= 0 && crypt_keyslot_status(keystore->cd, slot) < CRYPT_SLOT_ACTIVE)
		return problem_set(reterr_problem, -EPERM,
			"%s: key slot %d is not in use; \"key list\" shows those that are",
			keystore->path, slot);
	r = secret_new(KEYSTORE_VOLUME_KEY_BYTES, &key);
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
			keystore_detail(keystore, r));
	if (bytes != KEYSTORE_VOLUME_KEY_BYTES)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s: the volume key has %zu bits instead of 512", keystore->path,
			bytes * 8);
	*ret_volume_key = key;
	key = NULL;
	*ret_slot = r;
	return 0;
}

int keystore_check_key(
	struct keystore *keystore, const struct secret *volume_key, struct problem *reterr_problem)
{
	if (crypt_volume_key_verify(keystore->cd, (const char *)secret_peek(volume_key),
		    secret_size(volume_key)) < 0)
		return problem_set(reterr_problem, -EPERM,
			"%s: this is not its volume key; unlock it with a passphrase",
			keystore->path);
	return 0;
}

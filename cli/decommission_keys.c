/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/decommission_keys.h"
#include "base/io.h"
#include "cli/overwrite_job.h"
#include "keystore/keystore.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* LUKS2 specification 2.1: the second copy begins at 16 KiB times a power of two, up to 4 MiB; each
 * is a binary header of 4 KiB and its JSON behind it. */
#define COPY_LEAST   0x4000u
#define COPY_MOST    0x400000u
#define BINARY_BYTES 4096u
#define NO_SLOTS     "\"keyslots\":{}"

/* Is a whole copy there that names no slot?  The text is looked for as it is written: whatever
 * stands there otherwise is no proof. */
static bool copy_is_empty(int fd, uint64_t at, const char magic[static 6], uint8_t *buf)
{
	uint8_t found[6];

	if (io_pread(fd, found, sizeof(found), at) < 0 || memcmp(found, magic, sizeof(found)) != 0)
		return false;
	if (io_pread(fd, buf, COPY_LEAST - BINARY_BYTES, at + BINARY_BYTES) < 0)
		return false;
	buf[COPY_LEAST - BINARY_BYTES] = '\0';
	return strstr((const char *)buf, NO_SLOTS) != NULL;
}

static bool both_copies_are_empty(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_free_ uint8_t *buf = malloc(COPY_LEAST);
	bool second = false;

	if (fd < 0 || !buf)
		return false;
	/* What the medium has, and not what the kernel remembers. */
	(void)posix_fadvise(fd, 0, 2 * (off_t)COPY_MOST, POSIX_FADV_DONTNEED);
	for (uint64_t at = COPY_LEAST; at <= COPY_MOST && !second; at *= 2)
		second = copy_is_empty(fd, at, "SKUL\xba\xbe", buf);
	return second && copy_is_empty(fd, 0, "LUKS\xba\xbe", buf);
}

/* The header as it is on the medium now: no slot, and it does not open. */
static int prove_closed(const char *device, bool *ret_closed, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *any = NULL, *volume_key = NULL;
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	struct problem unsaid;
	size_t count = 0;
	int opened, r = keystore_open(device, true, &keystore, reterr_problem);

	if (r >= 0)
		r = keystore_list(keystore, slots, &count);
	if (r >= 0)
		r = secret_new_random(32, &any);
	if (r < 0)
		return r;
	*ret_closed =
		count == 0 && keystore_unlock(keystore, any, -1, &volume_key, &opened, &unsaid) < 0;
	return 0;
}

int decommission_keys_destroy(
	const char *device, struct record_volume *volume, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct keystore_token token;
	unsigned int destroyed = 0;
	int r = keystore_open(device, false, &keystore, reterr_problem);

	if (r < 0)
		return r;
	keystore_get_token(keystore, &token);
	volume->is_spoolguard |= token.present;
	if (token.present) {
		volume->backups = token.backups > volume->backups ? token.backups : volume->backups;
		volume->filled_before |= token.filled_before;
	}
	r = keystore_destroy(keystore, &destroyed, reterr_problem);
	if (r < 0)
		return r;
	/* A run that was cut off may have destroyed some of them and not come to say so. */
	volume->slots_destroyed += destroyed;
	keystore_free(keystore);
	keystore = NULL;
	r = prove_closed(device, &volume->proven_closed, reterr_problem);
	if (r < 0)
		return r;
	if (volume->proven_closed && volume->slots_destroyed < volume->slots_before)
		volume->slots_destroyed = volume->slots_before;
	volume->copies_destroyed = volume->proven_closed && both_copies_are_empty(device);
	if (!volume->copies_destroyed)
		return problem_set(reterr_problem, -EIO,
			"volume %s: a copy of its header still names a key slot, or cannot be "
			"read; what "
			"follows overwrites it",
			volume->uuid);
	return 0;
}

/* A backup ends where the data would begin, so that libcryptsetup does not open it as a volume; its
 * UUID stands at byte 168 of the binary header (LUKS2 specification 2.1). */
static int read_uuid(const char *path, char ret_uuid[static TARGET_UUID_BYTES])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char magic[6];
	int r;

	if (fd < 0)
		return -errno;
	r = io_pread(fd, magic, sizeof(magic), 0);
	if (r >= 0)
		r = io_pread(fd, ret_uuid, TARGET_UUID_BYTES - 1, 168);
	ret_uuid[TARGET_UUID_BYTES - 1] = '\0';
	if (r < 0 || memcmp(magic, "LUKS\xba\xbe", sizeof(magic)) != 0)
		return -ENODATA;
	return 0;
}

int decommission_keys_destroy_backup(
	const char *path, struct record_volume *volume, struct problem *reterr_problem)
{
	struct overwrite_job job = {.request = {.path = path,
					    .scheme = scheme_default(),
					    .verify = VERIFY_FULL,
					    .remove = true}};
	char uuid[TARGET_UUID_BYTES];
	int r = read_uuid(path, uuid);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s is no header backup, or cannot be read: %s", path, strerror(-r));
	if (strcmp(uuid, volume->uuid) != 0)
		return 0;
	r = overwrite_job_look(&job, reterr_problem);
	if (r >= 0)
		r = overwrite_job_run(&job, NULL, reterr_problem);
	if (r >= 0 && overwrite_job_outcome(&job, r) == OVERWRITE_BAD_BLOCKS)
		r = problem_set(reterr_problem, -EIO,
			"the header backup %s could not be overwritten everywhere: destroy its "
			"medium",
			path);
	if (r >= 0)
		volume->backups_destroyed++;
	overwrite_job_done(&job);
	return r;
}

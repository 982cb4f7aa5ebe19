/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_record.h - STATE/volume.NAME: what must be known of a volume while it cannot say so itself
 *
 * While a volume is made anew (at boot, or by Renew) its medium holds half of something.  The
 * record says that this is ours to finish, and with what:
 *
 *   R1  making is durable before the first byte of the old volume is destroyed, and taken back
 *       when the new one is durable.  In between nothing on the medium is worth keeping.
 *   R2  A volume whose key was made at boot is destroyed at the next boot without asking; so its
 *       UUID stands here, and a medium with another one is refused.
 *
 * One JSON object; a new file, fsync, rename, fsync of the directory.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_VOLUME_RECORD_H
#define SPOOLGUARD_SUPERVISOR_VOLUME_RECORD_H

#include "base/problem.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct volume_record {
	char medium[PATH_MAX]; /* as the configuration named it */
	bool making;
	char uuid[40]; /* of the volume that was made with a key of one boot; "": none */
	char scheme[32];
	char profile[16];
	uint64_t max_bytes;	 /* the map has room to grow to this; 0: a default */
	uint64_t kdf_memory_kib; /* what a try at the passphrase cost (Argon2id); 0: a default */
	uint64_t kdf_iterations; /* ... in passes over that memory */
};

/* -ENOENT; -EBADMSG: damaged, or of another volume. */
must_check int volume_record_load(
	const char *directory, const char *name, struct volume_record *ret_record);
must_check int volume_record_save(const char *directory, const char *name,
	const struct volume_record *record, struct problem *reterr_problem);
/* Durable too; one that is not there is none. */
must_check int volume_record_remove(
	const char *directory, const char *name, struct problem *reterr_problem);

#endif

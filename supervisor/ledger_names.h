/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_names.h - names of files, sealed under the key of the volume that they lie on (L4)
 *
 *   key = HKDF(the volume's ledger key, random 256-bit salt of this start, "spoolguard ledger v1")
 *   AES-256-GCM, counter nonce; authenticated besides: the job's number, the volume's UUID
 *   inside: the names, each with its NUL
 *
 * A salt and its counter are never used again by another start, so that no nonce is.
 *
 * Threads: one at a time.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_NAMES_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_NAMES_H

#include "supervisor/ledger_record.h"

/* Names of one line; a single one may be longer (PATH_MAX). */
#define LEDGER_NAMES_BYTES (16u << 10)

struct ledger_names;

/* key: of AEAD_KEY_BYTES at least; borrowed for good. */
must_check int ledger_names_new(const struct secret *key, struct ledger_names **ret_names);
void ledger_names_free(struct ledger_names *names);

/* Of the job its number and volume count.  As many of the names as go into one line, at least one;
 * *ret_sealed->count says how many. */
must_check int ledger_names_seal(struct ledger_names *names, const struct ledger_job *job,
	const char *const *files, size_t count, struct ledger_sealed *ret_sealed);

/* Calls add for each name.  -EBADMSG: not under this key, another job's, or damaged. */
must_check int ledger_names_open(struct ledger_names *names, const struct ledger_sealed *sealed,
	int (*add)(void *context, const char *name), void *context);

#endif

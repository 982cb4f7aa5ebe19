/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_key.h - the key that names of files are sealed with in the ledger (L4)
 *
 *   MOUNT/.spoolguard             root's, mode 0700
 *   MOUNT/.spoolguard/ledger.key  32 random bytes, mode 0600
 *
 * It lies on the volume, so that whoever has the state directory and not the volume's key reads no
 * name; it goes with the file system (a new one makes the names of its jobs unreadable for good).
 * A key that is lost costs the names of the jobs that are open then, and nothing else.
 *
 * Nothing there is followed or believed that is not root's: a directory or a key that somebody else
 * could have made is refused in words.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_KEY_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_KEY_H

#include "base/problem.h"
#include "crypto/secret.h"

#define LEDGER_KEY_DIRECTORY ".spoolguard"
#define LEDGER_KEY_FILE	     "ledger.key"
#define LEDGER_KEY_BYTES     32u

/* Makes what is not there, and returns when it is durable.  -EPERM: it is not root's; -EBADMSG: it
 * is no key. */
must_check int ledger_key_get(
	const char *mount, struct secret **ret_key, struct problem *reterr_problem);

/* MOUNT/.spoolguard, made if it is not there, by its descriptor (O_RDONLY). */
must_check int ledger_key_open_directory(
	const char *mount, int *ret_fd, struct problem *reterr_problem);

#endif

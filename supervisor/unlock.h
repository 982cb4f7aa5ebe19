/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unlock.h - where a volume's passphrase comes from
 *
 *   ask         nobody but an administrator has it: he hands over a descriptor
 *   credential  $CREDENTIALS_DIRECTORY/spoolguard.NAME (systemd's LoadCredentialEncrypted)
 *   key-file    the file that the configuration names; its medium may come later
 *   boot-key    512 random bits, made here, kept by who asks
 *
 *   U1  A passphrase is read with read(2) into locked memory and never stands anywhere else.
 *   U2  It is what the file holds, byte for byte: no newline is cut off.
 *
 * Errors: -ENOKEY: there is none to be had now (and the line says what to do); what reading says.
 */
#ifndef SPOOLGUARD_SUPERVISOR_UNLOCK_H
#define SPOOLGUARD_SUPERVISOR_UNLOCK_H

#include "base/problem.h"
#include "crypto/secret.h"
#include "supervisor/config.h"

#define UNLOCK_BOOT_KEY_BYTES 64u
#define UNLOCK_FD_MS	      10000 /* a descriptor that gives nothing for so long is given up */

/* As the configuration says; never for CONFIG_UNLOCK_BOOT_KEY. */
must_check int unlock_read(const struct config_volume *volume, struct secret **ret_passphrase,
	struct problem *reterr_problem);

/* From a descriptor that somebody handed over, to its end; -ETIMEDOUT: that did not come. */
must_check int unlock_read_fd(int fd, uint64_t timeout_ms, struct secret **ret_passphrase,
	struct problem *reterr_problem);

/*
 * What is wrong with where the key lies, as a line with its remedy; false: nothing is known
 * against it.  "Key beside the lock": a key file on a disk of this machine that is not
 * encrypted itself, so that who takes the disks has both.
 */
bool unlock_is_beside(const struct config_volume *volume, struct problem *ret_line);

/* "ask", "credential", ... as in the configuration. */
const char *unlock_text(enum config_unlock unlock);

#endif

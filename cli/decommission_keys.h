/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_keys.h - the keys of one volume die, and that they are dead is shown
 *
 * Every key slot is destroyed and its area read back (keystore.h); then the header is opened anew,
 * has no key slot, and refuses to open; then both copies of its metadata are read from the medium,
 * and neither names a key slot.  One thread at a time.
 */
#ifndef SPOOLGUARD_CLI_DECOMMISSION_KEYS_H
#define SPOOLGUARD_CLI_DECOMMISSION_KEYS_H

#include "base/problem.h"
#include "decommission/record.h"

/* Fills what the record says of it.  The errors of keystore_open() and keystore_destroy(). */
must_check int decommission_keys_destroy(
	const char *device, struct record_volume *volume, struct problem *reterr_problem);
/* A header backup: if it is of this volume the file is overwritten, read back and removed.
 * Another volume's, and one that is gone, is left alone (0). */
must_check int decommission_keys_destroy_backup(
	const char *path, struct record_volume *volume, struct problem *reterr_problem);

#endif

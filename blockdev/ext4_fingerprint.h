/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4_fingerprint.h - has anybody but us written to this ext4?
 *
 * The superblock's hash is recorded as each write of it passes through the volume; a
 * superblock that does not match at the next attach was written by somebody else (the
 * kernel's dm-crypt, say: mounting alone changes it).  A crash between the superblock
 * and its record looks the same: that costs a sweep, and loses nothing.
 * Writes below ext4 that leave its superblock alone cannot be noticed.  Pure.
 */
#ifndef SPOOLGUARD_BLOCKDEV_EXT4_FINGERPRINT_H
#define SPOOLGUARD_BLOCKDEV_EXT4_FINGERPRINT_H

#include "base/macros.h"
#include "blockdev/residue.h"
#include <stdbool.h>

/* block is the file system's first 4096 bytes.  False (and zeros) if there is no ext4. */
must_check bool ext4_fingerprint(const uint8_t block[static BLOCK_BYTES],
	uint8_t ret_fingerprint[static RESIDUE_FINGERPRINT_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.h - what a medium holds already, by name
 *
 * libblkid's low-level probing: file systems, LUKS and other encryption, RAID
 * members, LVM physical volumes, swap, partition tables, all that it finds and
 * not only the first.  What has no signature is not found: an empty answer does
 * not say that the medium is blank.
 */
#ifndef SPOOLGUARD_BLOCKDEV_SIGNATURE_H
#define SPOOLGUARD_BLOCKDEV_SIGNATURE_H

#include "base/macros.h"
#include <stdbool.h>

#define SIGNATURE_TEXT_BYTES 192

/*
 * fd: an image file or block device, open for reading.  "an ext4 file system labelled
 * \"home\" and a gpt partition table", or empty.  -EIO if the medium cannot be read.
 */
must_check int signature_find(int fd, char ret_text[static SIGNATURE_TEXT_BYTES]);

#define SIGNATURE_UUID_BYTES 37
/* Is there a LUKS header (or its second copy)?  Its UUID, or "". */
bool signature_find_luks(int fd, char ret_uuid[static SIGNATURE_UUID_BYTES]);

#endif

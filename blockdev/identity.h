/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - which device this is, so that a person can confirm exactly what dies
 *
 * A device with a serial number (or a World Wide Name, a device-mapper or RAID UUID) is
 * known by it; a partition by its disk's and its own number behind.  One without
 * gets a stand-in made of its name, its size and eight hexadecimal digits: of
 * the backing file for a loop device, else of the device's number, size and
 * first and last sectors.
 *
 *   I1  Two devices present at once never have the same stand-in (but by a 32-bit chance).
 *   I2  The key outlives an overwrite and a new name in /dev, and is empty where
 *       nothing does.
 */
#ifndef SPOOLGUARD_BLOCKDEV_IDENTITY_H
#define SPOOLGUARD_BLOCKDEV_IDENTITY_H

#include "base/macros.h"
#include "blockdev/device_tree.h"
#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_SERIAL_BYTES 160
#define IDENTITY_KEY_BYTES    33 /* 128 bits in hexadecimal, and the end */

struct identity {
	char name[DEVICE_NAME_BYTES];	    /* the kernel's, "sda": for people */
	char model[DEVICE_NAME_BYTES];	    /* empty: not known */
	char serial[IDENTITY_SERIAL_BYTES]; /* or the stand-in: one word */
	bool is_stand_in;
	char key[IDENTITY_KEY_BYTES]; /* names this device and size in file names */
	uint64_t bytes;
};

/* fd: a block device, open for reading. */
must_check int identity_read(int fd, struct identity *ret_identity);

/* One word, whatever a drive's maker put there: blanks within are "_", what is not printable goes.
 */
void identity_word(char *text);
/* Another key: of these words, which outlive whatever is done to the device. */
must_check int identity_bind(struct identity *identity, const char *words);

#endif

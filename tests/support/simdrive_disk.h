/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_disk.h - the model of a SCSI or ATA drive as a whole disk: what a kernel asks when it
 * finds one, and reads and writes besides; for a front end that hands on every command
 *
 * An ATA drive gets the translation that such a kernel expects of its controller (SAT): INQUIRY,
 * READ CAPACITY, MODE SENSE.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_DISK_H
#define SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_DISK_H

#include "tests/support/simdrive.h"

/*
 * command has cdb, data and data_bytes; direction is found out.  Answers status, sense and
 * residual_bytes.  -errno: the drive is gone.
 */
must_check int simdrive_disk(struct simdrive *drive, struct scsi_command *command);

/* --- how a front end in another machine hands them on: in each direction these, then the data ---
 */

struct simdrive_disk_request {
	uint8_t cdb[16];
	uint32_t data_bytes; /* of the buffer, which follows whatever its direction */
};

struct simdrive_disk_answer {
	uint8_t status, sense_bytes;
	uint8_t sense[COMMAND_SENSE_BYTES];
	uint32_t data_bytes; /* read, which follow */
};

/* False: the connection has ended. */
bool simdrive_disk_send(
	int fd, const void *head, size_t head_bytes, const void *data, size_t data_bytes);
bool simdrive_disk_receive(int fd, void *buf, size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scsi_sense.h - what a SCSI answer's sense data say, in both of its formats; pure
 *
 * Fixed (70h, 71h) and descriptor (72h, 73h); the kernel gives one for a success and the other for
 * an abort of the same drive.  An ATA drive's registers lie in both (SAT-5 12.2): the fixed format
 * has room for their lower halves, and one bit each for "the upper half is not zero".
 *
 *   Y1  What is not whole is said to be so, and never taken for a small number.
 *
 * Sources: SPC-5 4.5, SAT-5 12.2.6 and 12.2.7.
 */
#ifndef SPOOLGUARD_DRIVES_SCSI_SENSE_H
#define SPOOLGUARD_DRIVES_SCSI_SENSE_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct scsi_sense {
	bool deferred; /* it speaks of an earlier command */
	uint8_t key, asc, ascq;
};

struct ata_registers {
	uint8_t status, error;
	uint16_t count;
	uint64_t lba;
	uint8_t device;		     /* 28-bit commands: bits 3:0 are the address's uppermost */
	bool count_whole, lba_whole; /* Y1 */
};

/* -EBADMSG: it is cut short, or no sense data. */
must_check int scsi_sense_decode(const uint8_t *sense, size_t bytes, struct scsi_sense *ret_sense);
/* -EBADMSG: there are no registers in it. */
must_check int scsi_sense_registers(
	const uint8_t *sense, size_t bytes, struct ata_registers *ret_registers);
/* How far an operation is that is under way, of 65536.  -EBADMSG: it is not told. */
must_check int scsi_sense_progress(const uint8_t *sense, size_t bytes, uint32_t *ret_progress);

#endif

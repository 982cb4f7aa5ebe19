/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scsi_pages.h - what a SCSI drive's pages say; pure
 *
 * A page that is cut, all of one byte, or another than was asked for is -EBADMSG: nothing of it is
 * known.
 * Source: SPC-5 6.7 (INQUIRY), 6.36 (REPORT SUPPORTED OPERATION CODES), 7.7 (vital product data),
 * SPC-5 (log pages), SBC-4 5.21 (READ CAPACITY), 6.6.2 (block device characteristics);
 * big-endian.
 */
#ifndef SPOOLGUARD_DRIVES_SCSI_PAGES_H
#define SPOOLGUARD_DRIVES_SCSI_PAGES_H

#include "drives/facts.h"

#define SCSI_PAGE_BYTES 252u

struct scsi_inquiry {
	char vendor[FACTS_TEXT_BYTES], model[FACTS_TEXT_BYTES], firmware[FACTS_TEXT_BYTES];
};

struct scsi_capacity {
	uint64_t bytes;
	uint32_t logical_bytes, physical_bytes;
};

struct scsi_medium {
	bool rotation_known, zoned;
	uint32_t rotation_rpm;
};

/* Of a disk; others are -EBADMSG. */
must_check int scsi_inquiry_decode(
	const uint8_t *page, size_t bytes, struct scsi_inquiry *ret_inquiry);
must_check int scsi_serial_decode(
	const uint8_t *page, size_t bytes, char ret_serial[static FACTS_TEXT_BYTES]);
must_check int scsi_names_decode(
	const uint8_t *page, size_t bytes, char ret_wwn[static FACTS_TEXT_BYTES]);
must_check int scsi_medium_decode(
	const uint8_t *page, size_t bytes, struct scsi_medium *ret_medium);
must_check int scsi_capacity_decode(
	const uint8_t *page, size_t bytes, struct scsi_capacity *ret_capacity);
struct scsi_health {
	bool healthy;
	char text[FACTS_WHY_BYTES];
};

/* The log page of informational exceptions (2Fh). */
must_check int scsi_health_decode(
	const uint8_t *page, size_t bytes, struct scsi_health *ret_health);
/* One command: is it there, as the standard has it? */
must_check int scsi_support_decode(const uint8_t *page, size_t bytes, bool *ret_supported);

#endif

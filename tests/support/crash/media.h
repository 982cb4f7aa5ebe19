/* SPDX-License-Identifier: Apache-2.0 */
/*
 * media.h - which blocks of the medium are owed passes, from the log alone (P2, P4)
 *
 * Job data on the medium is ciphertext; a pass and a block that was never written
 * are one byte repeated.  So a sector that is not uniform is job data, and a block
 * owes every pass from the first such sector on until
 *
 *   pass 1 written, flushed, pass 2 written, flushed ... the last one flushed.
 *
 * Only the data segment and the spare blocks are looked at.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_MEDIA_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_MEDIA_H

#include "tests/support/crash/rig.h"
#include "tests/support/simdisk.h"

struct crash_place {
	bool owes;
	uint8_t durable;     /* passes over it that are durable */
	uint8_t pending;     /* the pass that was written and not flushed yet, or 0 */
	uint64_t written_at; /* event of the pending pass */
};

struct crash_media {
	struct extent data; /* on the disk */
	struct extent spare;
	struct crash_place places[CRASH_DISK_BLOCKS];
};

/* By what the disk shows now. */
void crash_media_init(
	struct crash_media *media, const struct layout *layout, struct blockdev *disk);

/* An event of the log, in its order.  NULL, or what is wrong (R1, P1); *ret_place where. */
const char *crash_media_event(struct crash_media *media, const struct simdisk_event *event,
	uint64_t index, uint64_t *ret_place);
/* Everything before event index `covers` is durable. */
void crash_media_flushed(struct crash_media *media, uint64_t covers);
/* One sector of an unflushed write survived a power cut. */
void crash_media_survived(
	struct crash_media *media, const struct simdisk_event *event, uint64_t sector);
/* The power is cut: what was written and not flushed is no pass. */
void crash_media_cut(struct crash_media *media);

bool crash_media_shows_job_data(struct blockdev *disk, uint64_t place);

#endif

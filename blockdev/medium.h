/* SPDX-License-Identifier: Apache-2.0 */
/*
 * medium.h - what lies below a volume, and what overwriting can promise there
 *
 * An overwrite is worth something where a write lands on the sector that held
 * the data before.  Copy-on-write and log-structured file systems, compression,
 * data journals, shared (reflinked) blocks and servers elsewhere do not do that, or do
 * not tell; where O_DIRECT is served from the page cache, a read-back reads memory.
 * These are recognised and named; everything else is "not assessed": flash, SMR
 * and thin volumes are no part of this judgement.
 *
 * Facts are gathered from a descriptor, the verdict is a pure function of facts.
 * Where layers stand on one another (a file in ext4 on a loop device on btrfs) each
 * is judged, and the worst verdict is the medium's.
 */
#ifndef SPOOLGUARD_BLOCKDEV_MEDIUM_H
#define SPOOLGUARD_BLOCKDEV_MEDIUM_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define MEDIUM_TEXT_BYTES 192

struct medium_facts {
	bool is_device;
	bool direct;	       /* O_DIRECT is accepted: raw_is_direct */
	bool through_loop;     /* it lies below a loop device, whose direct I/O "direct" tells */
	bool is_volume;	       /* the FUSE file of an attached spoolguard volume */
	uint32_t file_system;  /* statfs f_type of a file */
	uint32_t attributes;   /* FS_IOC_GETFLAGS: FS_*_FL; 0 if not told */
	uint32_t extent_flags; /* FIEMAP_EXTENT_*, of all extents or-ed; 0 if not told */
	bool journals_data;    /* ext4 in the mode data=journal */
};

/* From the best to the worst. */
enum medium_promise {
	MEDIUM_NOT_ASSESSED, /* nothing is known against it */
	MEDIUM_CACHE_ONLY,   /* a read-back reads the page cache */
	MEDIUM_NOT_IN_PLACE, /* overwriting cannot be promised */
};

struct medium_verdict {
	enum medium_promise promise;
	const char *reason; /* what makes it so; empty for MEDIUM_NOT_ASSESSED */
};

/* Pure. */
struct medium_verdict medium_classify(const struct medium_facts *facts);

/* "overwriting cannot be promised here: ...", "verified through the page cache only: ...",
 * "not assessed"; returns buf. */
const char *medium_describe(
	const struct medium_verdict *verdict, char buf[static MEDIUM_TEXT_BYTES]);

/* "cannot-promise", "cache-only", "not-assessed": for programs. */
const char *medium_promise_name(enum medium_promise promise);

/* Of what is open at fd, and nothing below it. */
must_check int medium_gather(int fd, bool direct, struct medium_facts *ret_facts);

/*
 * All layers that can be seen from fd down; direct as above, of fd itself.  Takes the time
 * of one FIEMAP of the file.
 */
must_check int medium_assess(int fd, bool direct, struct medium_verdict *ret_verdict);

#endif

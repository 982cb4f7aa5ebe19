/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format.h - makes a medium a spoolguard volume
 *
 * Whether the path may be destroyed is the caller's question (blockdev/guard.h);
 * here it is destroyed.  What the medium held where header and map come to lie gets
 * every pass at once; then LUKS2 header, map, and the superblock last: a crash in
 * between leaves a token without a superblock, which attach refuses in words.
 */
#ifndef SPOOLGUARD_VOLUME_FORMAT_H
#define SPOOLGUARD_VOLUME_FORMAT_H

#include "base/problem.h"
#include "blockdev/guard.h"
#include "crypto/profile.h"
#include "crypto/secret.h"
#include "overwrite/scheme.h"
#include <stdbool.h>
#include <stdint.h>

struct volume_format_options {
	uint64_t size_bytes; /* of an image file, header included; 0: as large as the path is */
	uint64_t max_bytes;  /* the map has room to grow to this; 0: a default */
	const struct scheme *scheme;
	enum profile profile;
	uint32_t kdf_memory_kib;	    /* 0: default */
	uint32_t kdf_iteration_ms;	    /* 0: default */
	uint32_t kdf_iterations;	    /* keystore.h */
	struct secret **ret_volume_key;	    /* NULL: not wanted; else gives it */
	const struct guard_report *checked; /* what was opened must be this; NULL: not asked */
};

struct volume_format_report {
	uint64_t medium_bytes;
	uint64_t data_bytes;
	uint64_t max_data_bytes;
	uint64_t owed_bytes; /* the medium held something before: all of this is owed passes */
};

/* Creates path as a sparse image if it does not exist (and removes it again on failure). */
must_check int volume_format(const char *path, const struct volume_format_options *options,
	const struct secret *passphrase, struct volume_format_report *ret_report,
	struct problem *reterr_problem);

#endif

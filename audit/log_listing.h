/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_listing.h - which files of a log are there (log_verify.c's own)
 *
 * Errors: -errno of the directory and the files; -EFBIG.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_LISTING_H
#define SPOOLGUARD_AUDIT_LOG_LISTING_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_SEGMENT_BYTES_MOST (256u << 20)

struct log_listing {
	uint64_t *segments; /* owned; in order */
	size_t count;
	uint64_t last;	     /* the newest segment that has a file, or a head and its signature */
	bool last_is_closed; /* it has these */
};

must_check int log_listing_read(const char *path, struct log_listing *ret_listing);
void log_listing_done(struct log_listing *listing);
bool log_listing_is_equal(const struct log_listing *a, const struct log_listing *b);

/* A file's bytes; kept from one file to the next. */
struct log_bytes {
	char *at; /* owned */
	size_t bytes, room;
};
void log_bytes_done(struct log_bytes *text);
/* name: in the directory path, or, if that is NULL, a path itself.  -ENOENT; -EFBIG: it is larger
 * than most_bytes; -EINVAL: it is no file. */
must_check int log_bytes_read(
	const char *path, const char *name, size_t most_bytes, struct log_bytes *text);

#endif

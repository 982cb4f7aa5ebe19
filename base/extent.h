/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extent.h - runs of blocks, and sorted lists of them
 *
 * An extent is counted in blocks of whatever device the caller is talking
 * about.  A list keeps its extents sorted, disjoint and not adjacent (E1).
 */
#ifndef SPOOLGUARD_BASE_EXTENT_H
#define SPOOLGUARD_BASE_EXTENT_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct extent {
	uint64_t first;
	uint64_t count;
};

struct extent_list {
	struct extent *items; /* owned */
	size_t count;
	size_t capacity;
};

static inline uint64_t extent_end(struct extent e)
{
	return e.first + e.count;
}

/* True if first + count does not wrap and ends at or before blocks. */
bool extent_is_within(struct extent e, uint64_t blocks);
bool extent_overlaps(struct extent a, struct extent b);

/* Lists start as zero bytes; done leaves them so. */
void extent_list_done(struct extent_list *list);
void extent_list_clear(struct extent_list *list); /* keeps the memory */

/* Adds (merging with neighbours and overlaps) or cuts out a run.  -ENOMEM; -EINVAL if it wraps. */
must_check int extent_list_add(struct extent_list *list, struct extent e);
must_check int extent_list_remove(struct extent_list *list, struct extent e);

/* The same with every run of another list; what was done before an error stays done. */
must_check int extent_list_add_list(struct extent_list *list, const struct extent_list *other);
must_check int extent_list_remove_list(struct extent_list *list, const struct extent_list *other);

bool extent_list_overlaps(const struct extent_list *list, struct extent e);
bool extent_list_is_equal(const struct extent_list *a, const struct extent_list *b);
/* Blocks that are in both. */
uint64_t extent_list_common_blocks(const struct extent_list *a, const struct extent_list *b);
uint64_t extent_list_blocks(const struct extent_list *list);

#endif

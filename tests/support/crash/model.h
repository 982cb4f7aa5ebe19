/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - what the blocks of a volume may show after a crash (P2, P3)
 *
 * A block's history is the list of what was asked of it since the log began: data,
 * or freedom (discarded, condemned, never written).  A crash state is "the first n
 * events of the log happened".  In it a block may show
 *
 *   from: the last version that a flush acknowledged within those n events
 *   to:   the last version whose request had begun before the nth event
 *
 * and anything between.  The model knows nothing of the map.
 *
 * Threads: a block's requests come from one thread; different blocks from any.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_MODEL_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_MODEL_H

#include "tests/support/crash/rig.h"
#include <pthread.h>

struct crash_version {
	uint64_t log_start;  /* events in the log when it was asked for */
	uint64_t start, end; /* order in time of the request and of its answer */
	bool has_data;
	bool failed; /* the answer was an error: it may show, wholly or in part, or not */
	uint64_t sectors[SECTORS_PER_BLOCK]; /* crash_sector_hash of what was written */
};

struct crash_span { /* something that was going on while the log grew from start to end */
	uint64_t log_start, log_end;
	uint64_t start; /* order in time */
	uint64_t blocks;
};

#define CRASH_VERSIONS_MAX 96u
#define CRASH_SPANS_MAX	   192u

struct crash_history {
	struct crash_version versions[CRASH_VERSIONS_MAX]; /* the first: when the log began */
	size_t count;
};

struct crash_spans {
	struct crash_span items[CRASH_SPANS_MAX];
	size_t count;
};

struct crash_model {
	pthread_mutex_t lock;
	uint64_t clock;
	uint64_t blocks;  /* when the log began */
	bool began_clean; /* the clean mark was on the medium then */
	struct crash_history histories[CRASH_BLOCKS_MAX];
	struct crash_spans acks;   /* flushes and closes that succeeded */
	struct crash_spans opens;  /* attaches that succeeded */
	struct crash_spans closes; /* orderly ends that succeeded */
	struct crash_spans grows;
};

void crash_model_init(struct crash_model *model, uint64_t blocks, bool began_clean);
uint64_t crash_model_now(struct crash_model *model); /* order in time */

/* The block before the log began.  sectors NULL: free. */
void crash_model_set(struct crash_model *model, uint64_t block, const uint64_t *sectors);

/* Begin and end of a request.  sectors NULL: it is freed. */
void crash_model_begin(
	struct crash_model *model, uint64_t block, uint64_t log_start, const uint64_t *sectors);
void crash_model_end(struct crash_model *model, uint64_t block, int result);
/* The request was refused before anything happened. */
void crash_model_undo(struct crash_model *model, uint64_t block);
/* It may have been freed, or be as it was. */
void crash_model_maybe_freed(struct crash_model *model, uint64_t block, uint64_t log_start);
bool crash_model_is_free(struct crash_model *model, uint64_t block); /* now */

void crash_model_add_span(
	struct crash_model *model, struct crash_spans *spans, struct crash_span span);

/* --- asked about a crash after the first n events --- */

struct crash_allowed {
	const struct crash_version *versions;
	size_t count;
};
struct crash_allowed crash_model_allowed(
	const struct crash_model *model, uint64_t block, uint64_t n);
bool crash_allowed_free(struct crash_allowed allowed);
bool crash_allowed_data(struct crash_allowed allowed);
bool crash_allowed_sector(struct crash_allowed allowed, unsigned int sector, uint64_t hash);

bool crash_model_may_be_clean(const struct crash_model *model, uint64_t n);
bool crash_model_must_be_clean(const struct crash_model *model, uint64_t n);
uint64_t crash_model_blocks_least(const struct crash_model *model, uint64_t n);
/* A number that changes when the answers to the questions above may get stricter. */
uint64_t crash_model_acks_at(const struct crash_model *model, uint64_t n);
/* ... and one that changes when they may get laxer. */
uint64_t crash_model_begun_at(const struct crash_model *model, uint64_t n);

#endif

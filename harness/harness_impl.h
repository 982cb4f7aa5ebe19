/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness_impl.h - what the files of the self-test harness share
 *
 *   harness.c      the table of tests, a run, its report
 *   algorithms.c   known answers, a new signing key
 *   randomness.c   the raw noise source, the generators (health.h has the arithmetic)
 *   patterns.c     passes, streams, the sampling plan
 *   memory.c       secrets in memory
 *   programs.c     our programs (manifest.h)
 *   media.c        volumes
 *   conditions.c   the host (host.h)
 */
#ifndef SPOOLGUARD_HARNESS_HARNESS_IMPL_H
#define SPOOLGUARD_HARNESS_HARNESS_IMPL_H

#include "harness/harness.h"

/* What a test has found.  It begins as HARNESS_CANNOT_TELL with no words. */
struct outcome {
	enum harness_verdict verdict;
	char detail[HARNESS_DETAIL_BYTES];
	char remedy[HARNESS_DETAIL_BYTES];
};

/* What a test is made on. */
struct trial {
	const struct harness_options *options;
	const struct harness_volume *volume; /* for HARNESS_MEDIA, else NULL */
	size_t index;			     /* what the table was given */
	bool damage;			     /* H2: break the thing under test, then test it */
};

typedef void test_function(const struct trial *trial, struct outcome *out);

/* remedy is one line without arguments; the rest says what was found. */
void outcome_ok(struct outcome *out, const char *format, ...) format_printf(2, 3);
void outcome_skipped(struct outcome *out, const char *format, ...) format_printf(2, 3);
void outcome_failed(struct outcome *out, const char *remedy, const char *format, ...)
	format_printf(3, 4);
void outcome_cannot_tell(struct outcome *out, const char *remedy, const char *format, ...)
	format_printf(3, 4);

/* --- the table --- */

#define HARNESS_TESTS_MAX 80

struct harness_table;

/* name is copied; blanks in it become hyphens. */
void harness_add(struct harness_table *table, enum harness_group group, enum harness_weight weight,
	const char *name, test_function *run, size_t index);

void harness_add_algorithms(struct harness_table *table);
void harness_add_randomness(struct harness_table *table);
void harness_add_patterns(struct harness_table *table);
void harness_add_memory(struct harness_table *table);
void harness_add_programs(struct harness_table *table);
void harness_add_media(struct harness_table *table);
void harness_add_conditions(struct harness_table *table);

#endif

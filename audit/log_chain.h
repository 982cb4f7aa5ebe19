/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_chain.h - the records of a log in their order, and what does not fit (log_verify.c's own)
 *
 * Each line is held against two things: the number that is due, and the digest of the line before.
 * A link that does not fit leaves the choice of two records, the one before it (changed) and the
 * one that has it (its link changed); it is in doubt until what comes behind it has shown whether
 * it has the digest of that one.
 *
 * What was found goes to the verdict, with its place, once for each cause.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_CHAIN_H
#define SPOOLGUARD_AUDIT_LOG_CHAIN_H

#include "audit/log_verify.h"

struct log_place {
	uint64_t segment, line, sequence; /* sequence 0: no place */
};

struct log_chain {
	struct log_verdict *verdict; /* borrowed */
	bool is_signed;		     /* the lines that come are under a signature */

	uint64_t expected;	      /* the number that is due; 0: any */
	char digest[AUDIT_HEX_BYTES]; /* of the line before; "": not known */
	uint64_t damaged;	      /* lines since the last record that are none */

	struct log_place before;       /* the last record */
	struct log_place doubt;	       /* its link back does not fit */
	struct log_place before_doubt; /* the record that it should have linked */
	uint64_t blamed;	       /* the last record that was found changed */
	size_t gap;		      /* the finding of numbers that were skipped; SIZE_MAX: none */
	uint64_t gap_first, gap_last; /* those */

	char boot[AUDIT_BOOT_BYTES]; /* of the last record, and its times */
	int64_t wall_ms;
	uint64_t monotonic_ms;

	uint64_t wanted;		     /* the number of a record whose digest is asked for */
	char wanted_digest[AUDIT_HEX_BYTES]; /* "": it did not come by */
	uint64_t dropped_segment; /* the newest that a record says was dropped; 0: none */
};

void log_chain_init(struct log_chain *chain, struct log_verdict *verdict, uint64_t wanted);

/* What is due next, if it is known from elsewhere; digest NULL: it is not. */
void log_chain_jump(struct log_chain *chain, uint64_t expected, const char *digest);

/* line: without its newline. */
must_check int log_chain_take(
	struct log_chain *chain, uint64_t segment, uint64_t number, const char *line, size_t bytes);

/* What comes behind the last record is known, and has its digest, or not. */
void log_chain_settle(struct log_chain *chain, bool fits);

/* A finding; several of one record are one. */
void log_chain_blame(struct log_chain *chain, const struct log_place *place, const char *format,
	...) format_printf(3, 4);
void log_verdict_add(struct log_verdict *verdict, enum log_finding_kind kind,
	const struct log_place *place, const char *format, ...) format_printf(4, 5);

#endif

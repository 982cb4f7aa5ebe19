/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_report.h - what a residue check did and saw, and how it is said
 *
 *   {"schema":"spoolguard.residue-check/1","id","ok":true|false|null,"verdict","reasons":[...],
 *    "began","took_ms","volume":{"name","uuid","medium","promise"},
 *    "way":{"name","words","queue","not_covered":[...]},
 *    "job":{"id","source","state","receipt_digest"},"seen_before":{"text","title","user"},
 *    "places":[{"id","what","state","judged","why","bytes","things","hits":{"text","title","user"},
 *               "examples":[{"word","form","offset","where"}]}],
 *    "not_covered":[...],"recorded":bool,"version"}
 *
 *   H1  "clean" needs all of: the canary was seen where it had to be before it was retired, its
 *       receipt says retired, every place that counts was searched to its end, nothing was found.
 *   H2  A place that is there and could not be searched makes "cannot tell", never "clean"; one
 *       that the caller left out is named, and does not count.
 *   H3  No word of the canary is in the report; a path that has one in it shows which instead.
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_REPORT_H
#define SPOOLGUARD_CLI_RESIDUE_REPORT_H

#include "base/problem.h"
#include "cli/residue_canary.h"
#include <json-c/json.h>
#include <limits.h>

#define RESIDUE_EXAMPLES_MAX 6u
#define RESIDUE_WHERE_BYTES  200u
#define RESIDUE_REASONS_MAX  8u

enum residue_place_name {
	PLACE_MEMORY,	   /* of our own processes */
	PLACE_CUPS_MEMORY, /* of cupsd: told, and not judged */
	PLACE_SPOOL,	   /* files of cupsd's spool and temporary directory */
	PLACE_CUPS_CACHE,  /* job.cache and its last version */
	PLACE_CUPS_LOGS,   /* access, error and page log */
	PLACE_CUPS_CONFIG, /* printers.conf, subscriptions.conf and their last versions */
	PLACE_STATE,	   /* ledger, events, receipts */
	PLACE_SYSTEM_LOGS, /* the journal, and text logs, that were written since */
	PLACE_SWAP,
	PLACE_DECRYPTED, /* every block of the volume, whatever its map says */
	PLACE_MEDIUM,	 /* as it lies */
	PLACES,
};

enum residue_place_state { PLACE_CLEAN, PLACE_FOUND, PLACE_NOT_SEARCHED, PLACE_LEFT_OUT };

struct residue_example {
	enum canary_word word;
	enum search_form form;
	uint64_t offset;
	char where[RESIDUE_WHERE_BYTES];
};

struct residue_place {
	enum residue_place_state state;
	char why[PROBLEM_TEXT_BYTES]; /* not searched to its end */
	uint64_t bytes;		      /* that were searched */
	uint64_t things;	      /* files, processes, devices */
	uint64_t hits[CANARY_WORDS];
	struct residue_example examples[RESIDUE_EXAMPLES_MAX];
	size_t example_count;
};

enum residue_way { WAY_CUPS_CANCELLED, WAY_CUPS_PRINTED, WAY_CALL, WAY_DIRECT };

struct residue_report {
	char id[17];
	int64_t began_wall_s;
	uint64_t took_ms;
	char volume_name[64], uuid[40], medium[PATH_MAX], promise[PROBLEM_TEXT_BYTES];
	enum residue_way way;
	char queue[128];
	char job_id[64];
	bool is_planted, is_retired, is_interrupted, is_recorded;
	char job_state[32]; /* what is said of a job that is not retired */
	char receipt_digest[65];
	uint64_t seen[CANARY_WORDS]; /* before it was retired, on the decrypted volume */
	struct residue_place places[PLACES];
	struct problem reasons[RESIDUE_REASONS_MAX]; /* why it cannot be told, beside the places' */
	size_t reason_count;
};

enum residue_verdict { RESIDUE_IS_CLEAN, RESIDUE_IS_FOUND, RESIDUE_NOT_RETIRED, RESIDUE_UNKNOWN };

const char *residue_place_id(enum residue_place_name name);
/* -ENOENT */
must_check int residue_place_find(const char *id, enum residue_place_name *ret_name);
/* Matches in it are residue. */
bool residue_place_is_judged(enum residue_place_name name);

void residue_reason(struct residue_report *report, const char *format, ...) format_printf(2, 3);
/* It could not be searched to its end. */
void residue_place_fail(struct residue_place *place, const char *format, ...) format_printf(2, 3);
void residue_place_hit(struct residue_place *place, const struct search_hit *hit,
	const char *where); /* where: shown as it is */

/* The same, and it was counted by somebody else. */
void residue_place_show(
	struct residue_place *place, const struct search_hit *hit, const char *where);

/* Pure.  H1, H2. */
enum residue_verdict residue_verdict_of(const struct residue_report *report);
const char *residue_verdict_name(enum residue_verdict verdict);
uint64_t residue_hits(const struct residue_report *report); /* in places that are judged */

struct json_object *residue_report_to_json(const struct residue_report *report);
void residue_report_print(const struct residue_report *report);

#endif

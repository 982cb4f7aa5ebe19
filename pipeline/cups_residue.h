/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_residue.h - what in a CUPS configuration leaves something of a job behind, and what mends it
 *
 * One table (cups_residue_rows): each row names what is wanted, what lies where otherwise, what
 * users lose by the change, and an id by which an administrator leaves it out.  A row with a
 * directive and a wanted value is what "cups apply" can change by itself; the others tell a person
 * what to do.
 *
 *   Z1  A finding quotes configuration, paths and counts; never a line of a log, never a name that
 *       a job has.
 *   Z2  What could not be looked at is a doubt, never "nothing found".
 *
 * Pure but for the function that says what a path lies on.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_RESIDUE_H
#define SPOOLGUARD_PIPELINE_CUPS_RESIDUE_H

#include "pipeline/cups_conf.h"
#include "pipeline/cups_paths.h"
#include <limits.h>

enum cups_severity {
	CUPS_HINT,	/* told, and not counted as residue */
	CUPS_NAMES,	/* titles, user names, command lines */
	CUPS_DOCUMENTS, /* what was printed */
};

enum cups_conf_kind {
	CUPS_CONF_CUPSD, /* cupsd.conf */
	CUPS_CONF_FILES, /* cups-files.conf */
	CUPS_CONF_OTHER,
};

struct cups_residue {
	const char *id;
	enum cups_severity severity;
	enum cups_conf_kind file;
	const char *directive;	   /* NULL: no directive, see the id */
	const char *wanted;	   /* "" is the directive alone; NULL: apply does not change it */
	const char *default_value; /* in force where the directive is not set */
	const char *leaves;	   /* what, where */
	const char *lose;	   /* what users lose; with a wanted value only */
	const char *mend;	   /* what a person does; where apply changes nothing */
	bool (*accepts)(const char *value); /* NULL: cupsd takes anything */
	bool (*is_fine)(const char *value); /* of a directive */
};

const struct cups_residue *cups_residue_rows(size_t *ret_count);
/* NULL: there is none of that id. */
const struct cups_residue *cups_residue_find(const char *id);

#define CUPS_RESIDUE_LINE_BYTES 160

/* "LogLevel warn": what apply writes for a row with a wanted value; returns buf. */
const char *cups_residue_line(
	const struct cups_residue *row, char buf[static CUPS_RESIDUE_LINE_BYTES]);
/* Could that be a line that apply wrote for that id?  (cups_edit_known) */
bool cups_residue_is_line(const char *id, const char *line);

/* --- what was found --- */

struct cups_finding {
	const struct cups_residue *row;
	bool is_doubt; /* Z2: detail says why it could not be told */
	char *file;
	unsigned int line; /* 0: not in a line, or not set in that file */
	char *value;	   /* what stands there, or is in force */
	char *detail;	   /* more than the row's "leaves" says; "" */
};

struct cups_findings {
	struct cups_finding *items; /* owned */
	size_t count, capacity;
};

struct cups_finding_source {
	const char *file;
	unsigned int line;
	const char *value;
};

void cups_findings_done(struct cups_findings *findings);
/* detail: "" for none.  -ENOMEM. */
must_check int cups_findings_add(struct cups_findings *findings, const char *id,
	const struct cups_finding_source *source, const char *detail, ...) format_printf(4, 5);
must_check int cups_findings_doubt(struct cups_findings *findings, const char *id,
	const struct cups_finding_source *source, const char *why, ...) format_printf(4, 5);
/* Those of that id are forgotten. */
void cups_findings_drop(struct cups_findings *findings, const char *id);
/* Those of a severity above CUPS_HINT that are no doubts. */
size_t cups_findings_residue(const struct cups_findings *findings);
size_t cups_findings_doubts(const struct cups_findings *findings);

/* --- judging; each adds to findings, and fails with -ENOMEM only --- */

/* Every row with a directive of that file. */
must_check int cups_judge_settings(const struct cups_conf *conf, enum cups_conf_kind file,
	const char *name, struct cups_findings *findings);

/* Every <Policy> of cupsd.conf; queues (printers.conf, may be NULL) say which is in use. */
must_check int cups_judge_policies(const struct cups_conf *conf, const struct cups_conf *queues,
	const char *name, struct cups_findings *findings);

/* Where each queue sends documents. */
must_check int cups_judge_queues(
	const struct cups_conf *queues, const char *name, struct cups_findings *findings);
/* A queue whose device is a file on this machine (FileDevice No would stop it); NULL: none. */
const char *cups_queue_to_file(const struct cups_conf *queues);

/* subscriptions.conf: events are sent to whom? */
must_check int cups_judge_subscriptions(
	const struct cups_conf *subscriptions, const char *name, struct cups_findings *findings);

enum cups_place {
	CUPS_PLACE_VOLUME, /* a spoolguard volume */
	CUPS_PLACE_MEMORY, /* tmpfs: gone at power-off (swap is another matter) */
	CUPS_PLACE_DISK,
	CUPS_PLACE_UNKNOWN,
};

struct cups_places {
	enum cups_place (*find)(void *context, const char *path);
	void *context;
};

/* RequestRoot, TempDir, CacheDir and the logs. */
must_check int cups_judge_places(const struct cups_paths *paths, const char *files_conf,
	const struct cups_places *places, struct cups_findings *findings);

#endif

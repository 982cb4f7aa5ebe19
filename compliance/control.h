/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - the technical controls that "spoolguard check" answers, and how each is judged
 *
 *   facts, one JSON object  ->  compliance_judge()  ->  report  ->  text, JSON, OSCAL, HTML
 *
 * Facts are gathered by cli/check_facts.c; judging is pure, so that every control is tested from
 * facts that a test writes.  Nothing here says certified or compliant: "met" means that this device
 * does its technical part, as far as was seen; what people must still show stands beside it.
 * Clauses are paraphrased with their number, never quoted.
 *
 * A control has parts ("swap", "log"): each rests on one or two facts, and several controls share
 * it.  So one thing that is wrong has one id and one remedy, however many controls it turns.
 * The facts are drawn in judge.h.
 *
 *   F1  A control is met only on evidence: a fact that is not there is "cannot tell", never met.
 *   F2  Evidence names what was seen and when; a remedy is one step that can be done.
 *   F3  The worst state of a control's parts is the control's: not met, cannot tell, met.
 */
#ifndef SPOOLGUARD_COMPLIANCE_CONTROL_H
#define SPOOLGUARD_COMPLIANCE_CONTROL_H

#include "base/macros.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum control_state { CONTROL_MET, CONTROL_NOT_MET, CONTROL_CANNOT_TELL };

struct control_part {
	const char *id; /* "swap"; static */
	enum control_state state;
	char *evidence; /* one line, never NULL */
	char *remedy;	/* one line; NULL if it is met */
	char *seen;	/* RFC 3339; "": it was not seen */
	char *how;	/* "GetStatus of the service" */
};

struct control {
	/* from the table; static strings */
	const char *id;	      /* "hcd-fdp-dsk-ext-1": lower case, digits, hyphens; an OSCAL token */
	const char *standard; /* "HCD cPP v1.0e" */
	const char *clause;   /* "FDP_DSK_EXT.1" */
	const char *title;    /* paraphrase, one line */
	const char *person;   /* what a person must still show; one line */
	/* found; owned */
	enum control_state state;
	char *evidence; /* one line, never NULL: of the parts that decided, with how and when */
	char *remedy;	/* one line; NULL if it is met: of the first part that decided */
	struct control_part *parts; /* owned */
	size_t part_count;
};

/* One day of the plot: newest last. */
struct compliance_day {
	char day[11]; /* "2026-11-24" */
	uint64_t retired_jobs, failed_jobs;
	uint64_t debt_bytes; /* the greatest that was recorded on that day */
};

struct compliance_report {
	const char *profile; /* "all", "hcd", "hipaa", ... */
	char time[32];	     /* RFC 3339 */
	char host[256];
	char version[64], build[96];
	char device_key[65]; /* fingerprint; "": none yet */
	char log_position[96];
	struct control *controls; /* owned */
	size_t count;
	struct compliance_day *days; /* owned */
	size_t day_count;
	size_t met, not_met, cannot_tell;
};
void compliance_report_done(struct compliance_report *report);

/* profile: NULL: "all".  -ENOENT: there is no such profile; -ENOMEM. */
must_check int compliance_judge(
	struct json_object *facts, const char *profile, struct compliance_report *ret_report);

/* The profiles' names and what each is, ends with a NULL name. */
struct compliance_profile {
	const char *name, *summary;
};
extern const struct compliance_profile compliance_profiles[];

/* What buyers name otherwise (SOX, GLBA, ...), and by which controls the technical part is
 * answered; ends with a NULL name.  controls: ids, ends with NULL. */
struct compliance_mapping {
	const char *name, *clause, *asks;
	const char *const *controls;
};
extern const struct compliance_mapping compliance_mappings[];

/* "met", "not met", "cannot tell". */
const char *control_state_name(enum control_state state);

/* --- renderers; each gives what it made --- */

/*
 * "schema":"spoolguard.check/1", "technical_controls_met": bool, "profile", "time", "host",
 * "version", "build", "device_key", "log_position", "met", "not_met", "cannot_tell",
 * "controls":[{"id","state","evidence","remedy","standard","clause","title","person",
 *   "parts":[{"id","state","evidence","remedy","seen","how"}]}],
 * "days":[{"day","retired_jobs","failed_jobs","debt_bytes"}]
 */
must_check int compliance_json(
	const struct compliance_report *report, struct json_object **ret_object);
/* OSCAL assessment-results 1.1.x, as the public schema has it. */
must_check int compliance_oscal(
	const struct compliance_report *report, struct json_object **ret_object);
/* One file: no script, no font, no picture from elsewhere. */
must_check int compliance_html(const struct compliance_report *report, char **ret_text);

#endif

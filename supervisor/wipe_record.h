/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_record.h - STATE/wipe: the on-demand overwrite that is under way, as it is on disk
 *
 * There is one at most.  It says which step has begun, and everything that a later step needs and
 * could not find out again; the numbers are those of the steps that have ended.
 *
 *   W1  The record of a step is durable before the step begins.
 *   W5  No name of a file, title or user is in it: ids, counts, and directories that the
 *       configuration names.
 *
 * One JSON object (base/durable.h).  STATE/wipe.NAME, of each volume, says when its last wipe began
 * and what came of it: the schedule counts from there.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_RECORD_H
#define SPOOLGUARD_SUPERVISOR_WIPE_RECORD_H

#include "base/problem.h"
#include "overwrite/retirement.h"
#include "supervisor/config.h"
#include "volume/runtime.h"
#include <json-c/json.h>
#include <sys/types.h>

#define WIPE_PLACES_MAX	 (CONFIG_BINDS_MAX + 2u) /* binds, the root, the TempDir of CUPS */
#define WIPE_FAULTS_MAX	 16u
#define WIPE_FAULT_BYTES 256u
#define WIPE_JOBS_MAX	 4096u /* that are named; of more the number */

enum wipe_step {
	WIPE_PLANNED, /* nothing is touched */
	WIPE_INTAKE,  /* intake stands still, jobs are cancelled */
	WIPE_ERASE,   /* files are overwritten; or keys destroyed, everything made anew */
	WIPE_SETTLE,  /* directories as they were; everything that is owed is paid */
	WIPE_ACCOUNT, /* the ledger is told which jobs died */
	WIPE_SHEET,   /* intake is open again; the confirmation sheet */
	WIPE_STEPS,
};

/* What was measured (W4). */
struct wipe_numbers {
	uint64_t files;		  /* overwritten in place and removed */
	uint64_t bytes;		  /* in these */
	uint64_t cut_files;	  /* open elsewhere, or without a name: cut to nothing */
	uint64_t cut_bytes;	  /* ... */
	uint64_t links;		  /* further names of files, and symbolic links */
	uint64_t left_files;	  /* could not be overwritten: each is a fault */
	uint64_t later_files;	  /* came after the wipe began, and are not its */
	struct retirement blocks; /* of those overwritten in place; full: of the medium */
	uint64_t freed_blocks;	  /* overwritten after they were freed, by the barrier */
	uint64_t owed_blocks;	  /* afterwards */
	uint64_t epoch;		  /* of the barrier; 0: none has passed */
	/* full */
	uint64_t slots_destroyed;
	uint64_t header_backups;
};

/* A directory that is made again as it was. */
struct wipe_place {
	char directory[64]; /* from the volume's root; "": the root itself */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

struct wipe_record {
	char volume[CONFIG_NAME_BYTES];
	char uuid[RUNTIME_UUID_BYTES];	   /* when it began */
	char new_uuid[RUNTIME_UUID_BYTES]; /* full: of what was made; "": not yet */
	bool full;
	bool scheduled;
	uid_t uid;     /* who asked */
	char role[16]; /* as what */
	enum wipe_step step;
	int64_t began_wall_s;
	int64_t ended_wall_s;	  /* when everything was paid */
	uint64_t held_wall_ns;	  /* intake stood still, and the jobs were about to be listed */
	uint64_t listed_wall_ns;  /* they are; 0: not yet.  What came later is not the wipe's */
	int last_cups_job;	  /* of CUPS the jobs up to this one die */
	uint64_t last_ledger_job; /* and of the ledger up to this */
	uint64_t job_count;
	struct json_object *jobs; /* [{"source","id","state"}], WIPE_JOBS_MAX at most; owned */
	struct wipe_numbers numbers;
	struct wipe_place places[WIPE_PLACES_MAX];
	size_t place_count;
	char faults[WIPE_FAULTS_MAX][WIPE_FAULT_BYTES]; /* none: successful */
	size_t fault_count;				/* of more the number alone */
	char notes[WIPE_FAULTS_MAX][WIPE_FAULT_BYTES];	/* to be known, and no failure */
	size_t note_count;
	uint64_t resumed; /* times that it was interrupted */
	int sheet_job;	  /* 0: not printed yet */
};

void wipe_record_done(struct wipe_record *record);
const char *wipe_record_step_text(enum wipe_step step); /* "erase" */

/* -ENOENT: none is under way; -EBADMSG: it cannot be read. */
must_check int wipe_record_load(const char *directory, struct wipe_record *ret_record);
must_check int wipe_record_save(const char *directory, const struct wipe_record *record);
must_check int wipe_record_remove(const char *directory);

/* One that is there already is counted once. */
void wipe_record_add_fault(struct wipe_record *record, const char *format, ...) format_printf(2, 3);
void wipe_record_add_note(struct wipe_record *record, const char *format, ...) format_printf(2, 3);

/* The last wipe of that volume.  report: an object, borrowed. */
must_check int wipe_record_save_last(const char *directory, const char *volume,
	int64_t began_wall_s, struct json_object *report);
/* -ENOENT; ret_report may be NULL, else gives what was saved (NULL: nothing). */
must_check int wipe_record_load_last(const char *directory, const char *volume,
	int64_t *ret_began_wall_s, struct json_object **ret_report);

/* {"requested_blocks", "written_blocks", ...}; gives. */
struct json_object *wipe_numbers_to_json(const struct wipe_numbers *numbers);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission.h - "spoolguard decommission": what its parts share
 *
 *   command line -> one job for each drive: look, plan, confirm, approvals -> a thread each: the
 *   steps (decommission/run.h), the certificate -> a line for each
 *
 *   N1  A dry run opens for reading alone, and writes nothing anywhere.
 *   N2  Nothing is begun on any drive before every drive that was named is looked at and confirmed.
 *   N3  What is searched for is neither printed nor stored: labels and digests are.
 */
#ifndef SPOOLGUARD_CLI_DECOMMISSION_H
#define SPOOLGUARD_CLI_DECOMMISSION_H

#include "cli/cli.h"
#include "cli/service_client.h"
#include "decommission/approval.h"
#include "decommission/plan.h"
#include "decommission/run.h"
#include "decommission/verdict.h"
#include "harness/harness.h"
#include "supervisor/config.h"
#include <pthread.h>

#define DECOMMISSION_DRIVES_MAX 64
#define DECOMMISSION_APPROVERS	"/etc/spoolguard/approvers"

struct decommission_texts {		 /* to be searched for */
	struct search *search;		 /* owned; NULL: nothing */
	char *labels[RECORD_SEARCH_MAX]; /* owned */
	size_t count;
};

struct decommission_options {
	const struct scheme *scheme;
	enum record_verify verify;
	bool verify_said; /* by an option */
	bool dry_run, own_methods, this_machine, standalone, json;
	const char *state_directory;
	const char *certificate; /* NULL: in the state directory */
	const char *batch, *form, *approvers;
	uint32_t approvals; /* required */
	uint32_t approval_window_s;
	const char *config;			  /* file; NULL: the usual */
	struct config_decommission configured;	  /* its [decommission] */
	char configured_state[TARGET_PATH_BYTES]; /* its state directory */
	const char *confirms[DECOMMISSION_DRIVES_MAX];
	size_t confirm_count;
	const char *backups[RECORD_VOLUMES_MAX]; /* files of header backups that are to die too */
	size_t backup_count;
	const char *search_texts[RECORD_SEARCH_MAX];
	size_t search_count;
	const char *search_file;
	struct record_person operator_;
	struct record_media media;
	char selftest_id[HARNESS_ID_BYTES]; /* of the run before; "": none */
	bool selftest_ok;
};

struct decommission_job {
	const struct decommission_options *options;
	char device[TARGET_PATH_BYTES];	     /* as named */
	char confirm[IDENTITY_SERIAL_BYTES]; /* of a line of --batch; "": the options' */
	char asset[RECORD_TEXT_BYTES];	     /* of a line of --batch */
	char certificate[TARGET_PATH_BYTES];
	struct target *target; /* owned */
	struct plan plan;
	struct record *record; /* owned */
	bool resumes;	       /* there was a record */
	const struct decommission_texts *texts;
	bool with_service;		/* one runs, and not standalone */
	struct service_client *service; /* owned; NULL: none, or it went away */
	struct linux_port *port;	/* owned while the drive is open */
	int lock;			/* on the record, or -1 */
	struct progress_sink sink;
	/* the end */
	int error; /* 0, or what stopped it */
	struct problem problem;
	struct verdict *verdict; /* owned; NULL: it did not come so far */
	pthread_t thread;
	bool has_thread;
	/* progress, under the display's lock */
	char what[64]; /* "": it waits */
	uint64_t started_ns, started_bytes, done_bytes, total_bytes, drawn_ns;
};

/* --- command line --- */
/* 0, or CLI_USAGE and the line was printed. */
int decommission_parse(int argc, char **argv, struct decommission_options *options);
/* INI ("key = value") or JSON, keys as the options' names.  Never over what an option said. */
must_check int decommission_form_read(
	const char *path, struct decommission_options *options, struct problem *reterr_problem);
/* Sets the field that is called so ("asset", "operator"); -ENOENT: there is none. */
must_check int decommission_form_set(
	struct decommission_options *options, const char *name, const char *value);
/* Lines "DEVICE|SERIAL [CONFIRM [ASSET [CERTIFICATE]]]", tabs or blanks between, "-" for nothing.
 */
must_check int decommission_batch_read(const char *path, struct decommission_job *jobs,
	size_t *count, struct problem *reterr_problem);

/* --- one drive --- */
must_check int decommission_look(struct decommission_job *job, const char *const *named,
	size_t named_count, struct problem *reterr_problem);
/* Confirmed, approved, record durable, locked: ready to be run. */
must_check int decommission_prepare(struct decommission_job *job, struct problem *reterr_problem);
/* All steps and the certificate; job->error says. */
void decommission_run(struct decommission_job *job);
void decommission_job_done(struct decommission_job *job);

/* --- the configuration: what it says is the default, and how many approve the least --- */
/* Once before the command line is judged.  A configuration that is wrong is an error. */
must_check int decommission_config_read(
	struct decommission_options *options, struct problem *reterr_problem);
/* The administrator's lists, and his numbers: the command line may ask for more, never for less. */
void decommission_config_approvals(struct decommission_options *options);
/* Fields that neither an option nor the form gave. */
void decommission_config_fields(struct decommission_options *options);
/* Scheme and read-back, where no option said so. */
must_check int decommission_config_how(
	struct decommission_options *options, struct problem *reterr_problem);
/* --state, SPOOLGUARD_STATE_DIR, the configuration's. */
void decommission_config_state(struct decommission_options *options);

/* --- the service's part; nothing is done without one --- */
struct decommission_jobs_count {
	uint64_t retired, not_retired;
};
/* Closed for good, its jobs retired or named.  -ENOENT: it is none of the service's. */
must_check int decommission_service_close(struct decommission_job *job, struct record *record,
	const char *uuid, struct decommission_jobs_count *count, struct problem *reterr_problem);
void decommission_service_destroyed(
	struct decommission_job *job, const struct record_volume *volume);
/* A step into the audit log, and its position into the record.  A log that does not take it stops
 * nothing: the user is warned. */
void decommission_service_tell(struct decommission_job *job, enum record_step step,
	const char *outcome, const char *detail);

/* --- its parts --- */
struct run_world decommission_world(struct decommission_job *job);
must_check int decommission_certify(struct decommission_job *job, struct problem *reterr_problem);
must_check int decommission_texts_make(const struct decommission_options *options,
	struct decommission_texts *ret_texts, struct problem *reterr_problem);
void decommission_texts_done(struct decommission_texts *texts);
/* Approvals that are there are taken; -EAGAIN: some are missing, and the line says what to do. */
must_check int decommission_approvals(struct decommission_job *job, struct problem *reterr_problem);
/* STATE/decommission/ID.SUFFIX */
must_check int decommission_path(const struct decommission_options *options, const char *id,
	const char *suffix, char ret_path[static TARGET_PATH_BYTES]);

/* --- what is shown --- */
void decommission_print_plan(const struct decommission_job *job);
struct json_object *decommission_plan_json(const struct decommission_job *job);
void decommission_print_result(const struct decommission_job *job);
struct json_object *decommission_result_json(const struct decommission_job *job);
int decommission_exit(const struct decommission_job *job);
/* A line for each job on a terminal; Ctrl-C asks all of them to stop. */
void decommission_progress_begin(struct decommission_job *jobs, size_t count);
void decommission_progress_end(void);
bool decommission_interrupted(void);

/* --- "decommission approve", "decommission status" --- */
int decommission_approve(int argc, char **argv);
int decommission_status(int argc, char **argv);
int decommission_usage(const char *format, ...) format_printf(1, 2);

#endif

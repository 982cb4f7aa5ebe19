/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_list.h - which files belong to which job
 *
 * From the command line (one job), or from a file with a line "ID<TAB>PATH" for each
 * file; lines of one job need not adjoin.  A job may have no file at all: what it
 * freed is swept all the same.
 */
#ifndef SPOOLGUARD_ATTACHED_JOB_LIST_H
#define SPOOLGUARD_ATTACHED_JOB_LIST_H

#include "base/problem.h"
#include <json-c/json.h>
#include <stddef.h>

#define JOB_LIST_FILES_MAX 65536u
#define JOB_ID_BYTES_MAX   255u

struct job_entry {
	const char *id; /* its job's */
	char *path;	/* owned */
	size_t job;	/* index of the job: jobs are numbered as they first appear */
};

struct job_list {
	struct job_entry *entries; /* owned */
	size_t count;
	char **ids; /* of the jobs; owned */
	size_t jobs;
	struct json_object *numbers; /* of the jobs by their ids; owned */
};

void job_list_done(struct job_list *list);
/* The job with that id, new or not, without a file so far.  -EINVAL, -E2BIG, -ENOMEM as below. */
must_check int job_list_add_job(struct job_list *list, const char *id, size_t *ret_job);
/* -EINVAL: an empty or too long id; -E2BIG; -ENOMEM. */
must_check int job_list_add(struct job_list *list, const char *id, const char *path);
/* file "-" is standard input.  -EINVAL: a line that is none, named by its number. */
must_check int job_list_read(
	struct job_list *list, const char *file, struct problem *reterr_problem);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_way.h - how the canary job gets onto the volume, and off it again
 *
 *   CUPS, cancelled  submitted on hold, so that cupsd prints nothing; looked at; cancelled; the
 *                    service finds it finished and retires it as any job
 *   CUPS, printed    the same, but released: filters and printer get it
 *   call             JobBegin, the file written, JobComplete, as a printer program does
 *   direct           the file written and retired by this process; no service
 *
 *   plant -> (seen on the volume) -> finish -> receipt
 *
 *   A1  What was planted is retired, also if the run is interrupted or fails in between:
 *       residue_way_abandon() sees to that.
 *
 * The title is the job's title in CUPS; elsewhere it is the file's name, so that directories and
 * the journal have it.  The user's name is planted by CUPS alone.
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_WAY_H
#define SPOOLGUARD_CLI_RESIDUE_WAY_H

#include "cli/residue_scan.h"
#include "cli/residue_volume.h"
#include "cli/service_client.h"
#include "pipeline/cups_server.h"

struct residue_route {
	struct service_client *service; /* borrowed; NULL: direct */
	struct residue_volume *volume;	/* borrowed */
	struct cups_server *cups;	/* borrowed; NULL: not through CUPS */
	const char *spool;		/* its RequestRoot */
	uint64_t timeout_ms;		/* for the receipt */
	bool printed;			/* really print it */

	/* What was planted. */
	char file[PATH_MAX]; /* its document on the volume; has the title in it (W1): wiped */
	char control[PATH_MAX];
	int cups_job; /* 0: none */
	bool is_planted, is_over;
};

/* report: its id, volume_name and way are known; queue and job_id are filled. */
must_check int residue_way_plant(struct residue_route *route, const struct residue_canary *canary,
	struct residue_report *report, struct problem *reterr_problem);
/*
 * Ends the job and waits for its receipt; report: is_retired, job_state, receipt_digest.
 * -ECANCELED.  A job that is not retired in time is no error.
 */
must_check int residue_way_finish(struct residue_route *route, struct residue_scan *scan,
	struct residue_report *report, struct problem *reterr_problem);
/* A1.  Nothing is waited for, but for a direct one.  < 0: it could not be ended. */
must_check int residue_way_abandon(
	struct residue_route *route, struct residue_report *report, struct problem *reterr_problem);

#endif

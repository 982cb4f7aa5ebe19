/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_run.h - one residue check: what was asked, what it works on, what it found
 *
 *   check_residue.c    the command line, and the order of it all
 *   residue_prepare.c  which service, volume and way; the words
 *   residue_way.c      the job
 *   residue_scan.c, residue_volume.c, residue_cups.c    searching
 *   residue_report.c   the verdict, and how it is said
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_RUN_H
#define SPOOLGUARD_CLI_RESIDUE_RUN_H

#include "cli/residue_cups.h"
#include "cli/residue_way.h"
#include "supervisor/config.h"

enum residue_wanted { WANT_ANY, WANT_CUPS, WANT_CALL, WANT_DIRECT };

struct residue_arguments {
	const char *volume, *config, *cups_config, *queue; /* NULL: not given */
	enum residue_wanted way;
	bool json, print;
	bool without[PLACES];
	uint64_t rate_bytes; /* 0: as fast as it goes */
	uint64_t timeout_ms;
};

struct residue_run {
	const struct residue_arguments *arguments; /* borrowed */
	struct config config;
	struct service_client *service; /* NULL: none, or not wanted */
	struct cups_server *server;
	struct residue_canary *canary;
	struct search *search;
	struct residue_scan scan;
	struct residue_volume volume;
	struct residue_cups cups;
	struct residue_route route;
	struct residue_report report;
	bool is_locked; /* in memory */
};

/* arguments and report.began_wall_s are set.  Done with it also after a failure. */
must_check int residue_run_prepare(struct residue_run *run, struct problem *reterr_problem);
void residue_run_done(struct residue_run *run);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_cups.h - which cupsd it is, and where it may have left something of a job
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_CUPS_H
#define SPOOLGUARD_CLI_RESIDUE_CUPS_H

#include "cli/cups_context.h"
#include "cli/residue_scan.h"

struct residue_cups {
	struct cups_options options;
	struct cups_context context; /* its configuration, if has_context */
	bool has_context;
	char no_context[PROBLEM_TEXT_BYTES];
	char config[PATH_MAX];
	pid_t process; /* 0: none was found */
};

/*
 * server: its socket, or host:port ([cups] of our configuration).  config: cupsd.conf; NULL: what
 * the process that listens there was started with, or the system's.  What cannot be found is said
 * when it is searched.
 */
void residue_cups_open(struct residue_cups *cups, const char *server, const char *config);
void residue_cups_done(struct residue_cups *cups);

/* Cache alone: it is the last that cupsd and the service settle after a job. */
must_check int residue_cups_search_cache(
	const struct residue_cups *cups, struct residue_scan *scan, struct residue_place *place);
/* PLACE_SPOOL, PLACE_CUPS_LOGS, PLACE_CUPS_CONFIG, PLACE_CUPS_MEMORY. */
must_check int residue_cups_search(const struct residue_cups *cups, struct residue_scan *scan,
	enum residue_place_name name, struct residue_place *place);

#endif

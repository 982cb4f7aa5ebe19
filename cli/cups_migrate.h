/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_migrate.h - what the files of "spoolguard cups migrate" share
 */
#ifndef SPOOLGUARD_CLI_CUPS_MIGRATE_H
#define SPOOLGUARD_CLI_CUPS_MIGRATE_H

#include "cli/cups_move.h"

struct cups_migration {
	const struct cups_options *options;
	struct cups_context context;
	struct cups_move move;
	bool is_moved;	   /* by this run or an earlier one */
	bool is_undone;	   /* cupsd did not come up on the volume: it runs on the old spool */
	size_t jobs_found; /* of those that waited */
};

/* What would be done. */
void cups_migrate_print_plan(const struct cups_migration *migration);
/* What was done, and what was not covered.  result: "moved", "undone", ... */
void cups_migrate_print_result(const struct cups_migration *migration, const char *result);

#endif

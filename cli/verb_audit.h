/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_audit.h - what the files of the verb "audit" share: one file a sub-command
 */
#ifndef SPOOLGUARD_CLI_VERB_AUDIT_H
#define SPOOLGUARD_CLI_VERB_AUDIT_H

#include "base/problem.h"
#include "cli/cli.h"

/* Each is run with the sub-command's name in argv[0], and returns an enum cli_exit. */
int audit_show(int argc, char **argv);
int audit_verify(int argc, char **argv);
int audit_export(int argc, char **argv);
int audit_match(int argc, char **argv);
int audit_record(int argc, char **argv);
int audit_set_aside(int argc, char **argv);

/* The state directory, by the configuration (the default where there is none): where
 * "audit", "audit-position" and "keys" are.  Gives ret_directory to free(). */
must_check int audit_state_directory(char **ret_directory, struct problem *reterr_problem);
/* The log's: as it was given, or (NULL) "audit" in the state directory.  Gives ret_directory to
 * free(). */
must_check int audit_log_directory(
	const char *given, char **ret_directory, struct problem *reterr_problem);

/* "--json: means nothing to ..." and the like; returns CLI_USAGE. */
int audit_usage(const char *format, ...) format_printf(1, 2);

#endif

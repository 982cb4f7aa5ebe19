/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_export.h - what the files of "spoolguard audit export" share
 */
#ifndef SPOOLGUARD_CLI_AUDIT_EXPORT_H
#define SPOOLGUARD_CLI_AUDIT_EXPORT_H

#include "audit/export_rfc5424.h"
#include "base/problem.h"
#include <stdio.h>

/* Where an export goes: a new file that takes its name when it is whole, standard output, or a
 * socket that takes datagrams. */
struct export_target {
	const char *path; /* NULL: standard output */
	char *temporary;  /* owned; NULL: none was begun */
	FILE *out;	  /* owned if there is a path; NULL: what writes opens the file itself */
	int socket;	  /* -1: none */
};

must_check int export_target_open(struct export_target *target, const char *path, bool is_text,
	struct problem *reterr_problem);
/* A message, as a line or as a datagram. */
must_check int export_target_put(struct export_target *target, const char *text, size_t bytes);
/* The file gets its name. */
must_check int export_target_end(struct export_target *target, struct problem *reterr_problem);
/* What has none yet is removed. */
void export_target_done(struct export_target *target);

/* A copy of the log's directory, with the position of its end, into a new directory: it verifies
 * there. */
must_check int audit_copy(const char *from, const char *to, struct problem *reterr_problem);

#endif

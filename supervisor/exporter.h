/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter.h - follows the audit log, and hands each record on: to the journal, to syslog, or into
 * the SQLite mirror
 *
 * One exporter, with a thread of its own, for each place.  Where it is says the file
 * STATE/export.NAME, {"log":UUID,"sequence":N}: up to there, the receiver has read all.
 *
 *   waiting --(a record is durable)--> sending --(no room)--> the same again, a little later
 *      ^                                  |
 *      +--(all read: the file is written)-+--(receiver gone)--> away: every second somebody is
 *                                                 looked for; then from the file's place on
 *
 *   E1  Records are sent in the order of their numbers, and none is left out that the log still
 *       has: what the log dropped meanwhile is counted, and said.
 *   E2  Only durable records are sent: what a power cut could take back was never told.
 *   E3  The file never names a record that the receiver had not read.  After a crash, ours or
 *       his, some are sent again; their numbers tell.
 *   E4  Nobody waits for it: the log does not know of it.
 *
 * Threads: any, but for exporter_free.
 */
#ifndef SPOOLGUARD_SUPERVISOR_EXPORTER_H
#define SPOOLGUARD_SUPERVISOR_EXPORTER_H

#include "base/problem.h"
#include <stdbool.h>
#include <stdint.h>

struct exporter;

enum exporter_kind { EXPORTER_JOURNAL, EXPORTER_SYSLOG, EXPORTER_SQLITE };

/* Strings are copied. */
struct exporter_options {
	enum exporter_kind kind;
	const char *state_directory; /* the log is "audit" in it */
	const char *target;	     /* a socket, or the mirror's file */
	uint32_t enterprise;	     /* as in export_rfc5424.h; 0: the default */
	const char *device_uuid;     /* NULL: not known */
	/* The number of the newest durable record; from the exporter's thread. */
	uint64_t (*newest)(void *context);
	void *context;
};

must_check int exporter_new(const struct exporter_options *options, struct exporter **ret_exporter);
/* There may be something new. */
void exporter_wake(struct exporter *exporter);
/* What was sent is waited for, for two seconds at most. */
void exporter_free(struct exporter *exporter);

struct exporter_status {
	uint64_t confirmed; /* up to this number the receiver has all */
	uint64_t newest;
	uint64_t skipped;    /* dropped by the log before they could be sent */
	uint64_t behind_ms;  /* since when the receiver has not got on; 0: it has all */
	struct problem away; /* why; "": it is there */
};
void exporter_get_status(struct exporter *exporter, struct exporter_status *ret_status);
const char *exporter_name(const struct exporter *exporter); /* "journal", "syslog", "sqlite" */

#endif

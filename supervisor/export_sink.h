/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_sink.h - where the service's exporter puts records: a socket of syslog's or the
 * journal's, or an SQLite file
 *
 *   S1  send() never waits for a receiver: -EAGAIN is "no room now".
 *   S2  confirm() is 0 only if whoever listens has read all that was sent (a socket), or it is
 *       durable (a file).
 *
 * Errors: -EAGAIN: not yet, try again; -ESTALE: who listened is gone, and what was not confirmed
 * may be with him; any other: the sink is of no use now, close it.
 * Threads: one.
 */
#ifndef SPOOLGUARD_SUPERVISOR_EXPORT_SINK_H
#define SPOOLGUARD_SUPERVISOR_EXPORT_SINK_H

#include "audit/export_rfc5424.h"
#include "base/problem.h"

struct export_sink;

struct export_sink_ops {
	must_check int (*send)(struct export_sink *sink, const struct audit_record *record,
		const struct export_source *source, const char *line, size_t line_bytes);
	must_check int (*confirm)(struct export_sink *sink);
	/* The newest record that it keeps durably itself; NULL: it keeps none. */
	uint64_t (*last)(const struct export_sink *sink);
	void (*close)(struct export_sink *sink);
};

/* The first member of each kind. */
struct export_sink {
	const struct export_sink_ops *ops;
};

must_check int export_sink_journal(
	const char *socket_path, struct export_sink **ret_sink, struct problem *reterr_problem);
must_check int export_sink_syslog(
	const char *socket_path, struct export_sink **ret_sink, struct problem *reterr_problem);
must_check int export_sink_mirror(const char *path, const char *log, struct export_sink **ret_sink,
	struct problem *reterr_problem);

#endif

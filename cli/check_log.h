/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_log.h - what the records of the audit log add up to, for the facts of "spoolguard check"
 *
 * Whether they are true is another question: log_verify.h.
 */
#ifndef SPOOLGUARD_CLI_CHECK_LOG_H
#define SPOOLGUARD_CLI_CHECK_LOG_H

#include "audit/event_table.h"
#include "audit/record.h"
#include "cli/check_days.h"

#define CHECK_LOG_KINDS_MAX 96u

/* The last of its kind that ended. */
struct check_log_last {
	uint64_t count;
	char outcome[16];
	int64_t wall_ms;
};

struct check_log {
	uint64_t records, from_host;
	uint64_t kinds[CHECK_LOG_KINDS_MAX]; /* by their place in audit_event_kinds */
	bool is_open;			     /* started, and not stopped since */
	struct check_log_last wipe, residue;
	struct check_days days;
};

void check_log_add(struct check_log *log, const struct audit_record *record);

/* As judge.h draws them; each gives. */
struct json_object *check_log_events(const struct check_log *log);
struct json_object *check_log_wipe(const struct check_log *log);
struct json_object *check_log_residue(const struct check_log *log, int64_t now_s);

#endif

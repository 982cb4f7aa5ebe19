/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event_table.h"
#include <string.h>

#define MANAGEMENT "use of management functions"
#define JOB	   "job completion"

/* The rows of FAU_GEN.1 table 3 stand in short words; HCD cPP v1.0e, 4 March 2024. */
const struct audit_event_kind audit_event_kinds[] = {
	{"audit-started", AUDIT_NOTICE, AUDIT_ALERT, "start-up of the audit functions", false,
		"The log was opened; detail says how it ended before."},
	{"audit-stopped", AUDIT_NOTICE, AUDIT_ALERT, "shutdown of the audit functions", false,
		"The log was closed in order."},
	{"audit-recovered", AUDIT_WARNING, AUDIT_ALERT, NULL, false,
		"The last line was torn by a crash and was cut off, or the log ends before its "
		"counter."},
	{"log-segment-closed", AUDIT_INFO, AUDIT_ERROR, NULL, false,
		"A segment was closed by a signed head, and its key destroyed."},
	{"log-dropped", AUDIT_WARNING, AUDIT_ERROR, NULL, false,
		"The oldest segment made room; its head stays."},
	{"log-nearly-full", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"80 % of the log's size is used: export it."},
	{"log-set-aside", AUDIT_ALERT, AUDIT_ALERT, MANAGEMENT, false,
		"A log that did not verify was set aside, and this one begun; detail has its "
		"digest."},
	{"log-lost", AUDIT_ALERT, AUDIT_ALERT, NULL, false,
		"Records could not be written and were let go; detail says how many."},
	{"service-started", AUDIT_NOTICE, AUDIT_ERROR, NULL, false,
		"spoolguardd runs; with version and build."},
	{"service-stopped", AUDIT_NOTICE, AUDIT_ERROR, NULL, false, "spoolguardd ends."},
	{"service-fault", AUDIT_ERROR, AUDIT_ERROR, NULL, false,
		"A part of the service failed or stands still; detail says which."},
	{"state-changed", AUDIT_NOTICE, AUDIT_WARNING, NULL, false,
		"The service's state, with its reasons."},
	{"configuration-changed", AUDIT_NOTICE, AUDIT_WARNING, MANAGEMENT, false,
		"The configuration was read anew, or could not be."},
	{"role-changed", AUDIT_NOTICE, AUDIT_WARNING, "modification of a role's group", true,
		"A role's groups, or the members of such a group, were changed."},
	{"access-denied", AUDIT_WARNING, AUDIT_WARNING,
		"unsuccessful identification or authentication", false,
		"A caller asked for what its roles do not allow."},
	{"authentication-failed", AUDIT_WARNING, AUDIT_WARNING,
		"unsuccessful identification or authentication", true,
		"A login to the host or the printer failed."},
	{"login-limit", AUDIT_WARNING, AUDIT_WARNING, "limit of login attempts reached", true,
		"The host locked somebody out."},
	{"session-failed", AUDIT_WARNING, AUDIT_WARNING, "failure to establish a session", true,
		"A secured session (TLS, IPsec, SSH) could not be established; detail says why."},
	{"time-changed", AUDIT_NOTICE, AUDIT_WARNING, "change of the time", true,
		"The clock was set."},
	{"management", AUDIT_NOTICE, AUDIT_WARNING, MANAGEMENT, true,
		"A management function of the host or the printer was used."},
	{"selftest", AUDIT_INFO, AUDIT_ALERT, NULL, false, "A run of the self-tests, with its id."},
	{"key-state", AUDIT_NOTICE, AUDIT_ERROR, NULL, false,
		"A key went from one state of SP 800-57 to another."},
	{"key-changed", AUDIT_NOTICE, AUDIT_ERROR, MANAGEMENT, false,
		"A key slot was added, changed or removed, or a header backed up or restored."},
	{"volume-attached", AUDIT_NOTICE, AUDIT_ERROR, MANAGEMENT, false, "A volume was opened."},
	{"volume-detached", AUDIT_NOTICE, AUDIT_ERROR, MANAGEMENT, false, "A volume was closed."},
	{"volume-failed", AUDIT_ERROR, AUDIT_ERROR, NULL, false,
		"A volume's process or mount was lost."},
	{"volume-warning", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"Something is not as it should be with a volume, and work goes on."},
	{"block-stuck", AUDIT_ALERT, AUDIT_ALERT, NULL, false,
		"The medium refused the passes on blocks; they are never used again."},
	{"job-retired", AUDIT_INFO, AUDIT_ERROR, JOB, false,
		"A job's files were overwritten, read back and removed; data has the receipt's "
		"digest."},
	{"job-failed", AUDIT_ERROR, AUDIT_ERROR, JOB, false,
		"A job could not be retired; it is tried again."},
	{"job-held", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"A job waits for a person; detail says why."},
	{"job-released", AUDIT_NOTICE, AUDIT_WARNING, MANAGEMENT, false, "A held job may go on."},
	{"intake-held", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"New jobs wait; detail says why."},
	{"intake-released", AUDIT_NOTICE, AUDIT_WARNING, NULL, false, "New jobs are taken again."},
	{"sweep", AUDIT_NOTICE, AUDIT_ERROR, MANAGEMENT, false,
		"Free space and journal of a volume were emptied, and what was owed was paid."},
	{"wipe", AUDIT_NOTICE, AUDIT_ALERT, MANAGEMENT, false,
		"On-demand overwrite of a volume: begun, progress, ended."},
	{"residue-check", AUDIT_NOTICE, AUDIT_ALERT, NULL, false,
		"A canary job was printed, retired and searched for."},
	{"decommission", AUDIT_NOTICE, AUDIT_ALERT, MANAGEMENT, false,
		"A step of a drive's decommissioning: begun, progress, ended."},
	{NULL, 0, 0, NULL, false, NULL},
};

const struct audit_event_kind *audit_event_find(const char *name)
{
	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		if (strcmp(kind->name, name) == 0)
			return kind;
	}
	return NULL;
}

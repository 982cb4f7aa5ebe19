/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event_table.h"
#include <assert.h>
#include <string.h>

#define MANAGEMENT "use of management functions"
#define JOB	   "job completion"
#define ACCESS	   "unsuccessful identification or authentication"

/* The rows of FAU_GEN.1 table 3 stand in short words; HCD cPP v1.0e, 4 March 2024. */
const struct audit_event_kind audit_event_kinds[] = {

	/* --- The log itself --- */

	{"audit-started", AUDIT_NOTICE, AUDIT_ALERT, "start-up of the audit functions", false,
		"The log was opened; detail says how it ended before.", AUDIT_BY_SERVICE, NULL,
		NULL},
	{"audit-stopped", AUDIT_NOTICE, AUDIT_ALERT, "shutdown of the audit functions", false,
		"The log was closed in order.", AUDIT_BY_SERVICE, NULL, NULL},
	{"audit-recovered", AUDIT_WARNING, AUDIT_ALERT, NULL, false,
		"The last line was torn by a crash and was cut off, or the log ends before its "
		"counter.",
		AUDIT_BY_SERVICE, NULL, NULL},
	{"audit-read", AUDIT_INFO, AUDIT_WARNING, MANAGEMENT, false,
		"Somebody read the log through the service; count: his calls since it was noted "
		"last, at most once an hour.",
		AUDIT_BY_CALLER, NULL, "since, count"},
	{"log-segment-closed", AUDIT_INFO, AUDIT_ERROR, NULL, false,
		"A segment was closed by a signed head, and its key destroyed.", AUDIT_BY_SERVICE,
		NULL, "segment, head"},
	{"log-dropped", AUDIT_WARNING, AUDIT_ERROR, NULL, false,
		"The oldest segment made room; its head stays.", AUDIT_BY_SERVICE, NULL,
		"segment, first, last, sha256, head"},
	{"log-nearly-full", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"80 % of the size of the log is used: export it.", AUDIT_BY_SERVICE, NULL, NULL},
	{"log-set-aside", AUDIT_ALERT, AUDIT_ALERT, MANAGEMENT, false,
		"A log that did not verify was set aside, and this one begun; sha256sum is "
		"its digest.",
		AUDIT_BY_SERVICE, NULL, "sha256sum"},
	{"log-lost", AUDIT_ALERT, AUDIT_ALERT, NULL, false,
		"Records could not be written and were let go.", AUDIT_BY_SERVICE, NULL, "count"},

	/* --- The service --- */

	{"service-started", AUDIT_NOTICE, AUDIT_ERROR, NULL, false, "spoolguardd runs.",
		AUDIT_BY_SERVICE, NULL, "version, build"},
	{"service-ready", AUDIT_INFO, AUDIT_ERROR, NULL, false,
		"It is tested, and every volume is open or known not to open now.",
		AUDIT_BY_SERVICE, NULL, NULL},
	{"service-stopped", AUDIT_NOTICE, AUDIT_ERROR, NULL, false,
		"spoolguardd ends in order; the volumes stay attached.", AUDIT_BY_SERVICE, NULL,
		NULL},
	{"service-fault", AUDIT_ERROR, AUDIT_ERROR, NULL, false,
		"A part of the service failed or stands still.", AUDIT_BY_SERVICE, "volume",
		"part"},
	{"mounter-started", AUDIT_INFO, AUDIT_ERROR, NULL, false,
		"The service started its mounter.", AUDIT_BY_SERVICE, NULL, NULL},
	{"state-changed", AUDIT_NOTICE, AUDIT_WARNING, NULL, false,
		"The state of the service, with its reasons.", AUDIT_BY_SERVICE, NULL,
		"state, before"},
	{"configuration-changed", AUDIT_NOTICE, AUDIT_WARNING, MANAGEMENT, false,
		"The configuration was read anew, or could not be.", AUDIT_BY_CALLER, NULL, "kept"},
	{"role-changed", AUDIT_NOTICE, AUDIT_WARNING, "modification of a role's group", true,
		"The groups of a role, or the members of such a group, were changed; failure: "
		"there is no such group.",
		AUDIT_BY_HOST, NULL, "role, groups, user, suppressed"},
	{"time-changed", AUDIT_NOTICE, AUDIT_WARNING, "change of the time", true,
		"The clock was set; step_ms: by how much.", AUDIT_BY_SERVICE, NULL,
		"step_ms, user, suppressed"},
	{"selftest", AUDIT_INFO, AUDIT_ALERT, NULL, false, "A run of the self-tests, with its id.",
		AUDIT_BY_CALLER, NULL, "id, tests, bad, took_ms, injected"},
	{"selftest-failed", AUDIT_ALERT, AUDIT_ALERT, NULL, false,
		"One self-test did not pass, or could not be made.", AUDIT_BY_SERVICE, NULL,
		"test, weight"},

	/* --- Callers, and what the host reports --- */

	{"access-denied", AUDIT_WARNING, AUDIT_WARNING, ACCESS, false,
		"A caller asked for what its roles do not allow; more: as many without a record of "
		"their own.",
		AUDIT_BY_CALLER, "job", "method, more"},
	{"authenticated", AUDIT_INFO, AUDIT_WARNING, NULL, true,
		"Somebody logged in at the host or the printer (IEEE 2600.2 asks for success too).",
		AUDIT_BY_HOST, NULL, "user, suppressed"},
	{"authentication-failed", AUDIT_WARNING, AUDIT_WARNING, ACCESS, true,
		"A login to the host or the printer failed.", AUDIT_BY_HOST, NULL,
		"user, suppressed"},
	{"login-limit", AUDIT_WARNING, AUDIT_WARNING, "limit of login attempts reached", true,
		"The host locked somebody out.", AUDIT_BY_HOST, NULL, "user, suppressed"},
	{"session-failed", AUDIT_WARNING, AUDIT_WARNING, "failure to establish a session", true,
		"A secured session (TLS, IPsec, SSH) could not be established; detail says why.",
		AUDIT_BY_HOST, NULL, "user, suppressed"},
	{"management", AUDIT_NOTICE, AUDIT_WARNING, MANAGEMENT, true,
		"A management function of the service, the host or the printer was used.",
		AUDIT_BY_CALLER, "volume", "method, name, user, suppressed"},

	/* --- Keys --- */

	{"key-state", AUDIT_NOTICE, AUDIT_ERROR, NULL, false,
		"A key went from one state of SP 800-57 part 1 section 7 to another.",
		AUDIT_BY_SERVICE, "volume", "key, id, number, to, reason, since"},
	{"key-changed", AUDIT_NOTICE, AUDIT_ERROR, MANAGEMENT, false,
		"A key slot was added, changed or removed, or a header backed up or restored.",
		AUDIT_BY_CALLER, "volume", "act, slot, header_backups"},

	/* --- Volumes --- */

	{"volume-attached", AUDIT_NOTICE, AUDIT_ERROR, NULL, false, "A volume was opened.",
		AUDIT_BY_SERVICE, "volume", "name, adopted"},
	{"volume-detached", AUDIT_NOTICE, AUDIT_ERROR, NULL, false,
		"A volume was closed on purpose.", AUDIT_BY_SERVICE, "volume", "name"},
	{"volume-waits", AUDIT_NOTICE, AUDIT_WARNING, NULL, false,
		"A volume is not open: its medium or its key is not there.", AUDIT_BY_SERVICE,
		"volume", "name, state"},
	{"volume-failed", AUDIT_ERROR, AUDIT_ERROR, NULL, false,
		"A volume could not be opened, or its process was lost.", AUDIT_BY_SERVICE,
		"volume", "name, state"},
	{"volume-warning", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"Something is not as it should be with a volume, and work goes on.",
		AUDIT_BY_SERVICE, "volume", "name"},
	{"block-stuck", AUDIT_ALERT, AUDIT_ALERT, NULL, false,
		"The medium refused the passes on blocks; they are never used again.",
		AUDIT_BY_SERVICE, "volume", "name, blocks, more"},

	/* --- Jobs --- */

	{"job-retired", AUDIT_INFO, AUDIT_ERROR, JOB, false,
		"The files of a job were overwritten, read back and removed; failure: without a "
		"receipt that claims it.",
		AUDIT_BY_SERVICE, "job, volume",
		"number, source, receipt, receipt_sha256, requested, written, durable, verified, "
		"files, owed_blocks, selftest, user_digest, title_digest"},
	{"job-failed", AUDIT_ERROR, AUDIT_ERROR, JOB, false,
		"A job could not be retired; it is tried again.", AUDIT_BY_SERVICE, "job, volume",
		"number, source"},
	{"job-held", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"A job waits for a person; detail says why.", AUDIT_BY_CALLER, "job, volume",
		"number, source"},
	{"job-released", AUDIT_NOTICE, AUDIT_WARNING, MANAGEMENT, false, "A held job may go on.",
		AUDIT_BY_CALLER, "job", "number, source"},
	{"intake-held", AUDIT_WARNING, AUDIT_WARNING, NULL, false,
		"New jobs wait; detail says why.", AUDIT_BY_SERVICE, NULL, NULL},
	{"intake-released", AUDIT_NOTICE, AUDIT_WARNING, NULL, false, "New jobs are taken again.",
		AUDIT_BY_SERVICE, NULL, NULL},

	/* --- Overwriting on request --- */

	{"sweep", AUDIT_NOTICE, AUDIT_ERROR, MANAGEMENT, false,
		"Free space and journal of a volume were emptied, and what was owed was paid.",
		AUDIT_BY_CALLER, "volume", "name, owed_blocks"},
	{"wipe", AUDIT_NOTICE, AUDIT_ALERT, MANAGEMENT, false,
		"On-demand overwrite of a volume: begun, progress, ended.", AUDIT_BY_CALLER,
		"volume",
		"name, mode, step, jobs, files, requested, written, durable, verified, freed, "
		"owed, resumed"},
	{"wipe-sheet", AUDIT_INFO, AUDIT_WARNING, NULL, false,
		"The confirmation sheet of an on-demand overwrite.", AUDIT_BY_CALLER, "volume",
		"name, job, state"},
	{"residue-check", AUDIT_NOTICE, AUDIT_ALERT, NULL, false,
		"A canary job was printed, retired and searched for.", AUDIT_BY_CALLER, "volume",
		"name, id, places, found"},
	{"decommission", AUDIT_NOTICE, AUDIT_ALERT, MANAGEMENT, false,
		"A step of the decommissioning of a drive: begun, progress, ended.",
		AUDIT_BY_CALLER, "volume, drive",
		"id, step, method, certificate, certificate_sha256, name, retired, not_retired"},
	{NULL, 0, 0, NULL, false, NULL, 0, NULL, NULL},
};

const struct audit_event_kind *audit_event_find(const char *name)
{
	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		if (strcmp(kind->name, name) == 0)
			return kind;
	}
	return NULL;
}

bool audit_event_has_member(const struct audit_event_kind *kind, const char *member)
{
	size_t bytes = strlen(member);

	if (bytes == 0 || member[strcspn(member, ", ")] != '\0')
		return false;
	for (const char *at = kind->data; at; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strncmp(at, member, bytes) == 0 && (at[bytes] == ',' || at[bytes] == '\0'))
			return true;
	}
	return false;
}

const char *audit_severity_text(enum audit_severity severity)
{
	static const char *const texts[] = {
		[AUDIT_ALERT] = "alert",
		[AUDIT_ERROR] = "error",
		[AUDIT_WARNING] = "warning",
		[AUDIT_NOTICE] = "notice",
		[AUDIT_INFO] = "info",
	};

	assert((size_t)severity < sizeof(texts) / sizeof(texts[0]) && texts[severity]);
	return texts[severity];
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_audit.c - is there a record of it, is it true, and who may read it?
 */
#include "compliance/judge.h"
#include <inttypes.h>
#include <string.h>

/* --- the log --- */

static void judge_log(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	struct json_object *findings;
	uint64_t records, signed_up_to, clock_steps;
	const char *trust;
	bool good;

	if (!judge_bool(values[0], "good", out, &good) ||
		!judge_u64(values[0], "records", out, &records) ||
		!judge_u64(values[0], "signed_up_to", out, &signed_up_to) ||
		!judge_u64(values[0], "clock_steps", out, &clock_steps) ||
		!judge_array(values[0], "findings", out, &findings) ||
		!judge_text(values[0], "trust", out, &trust))
		return;
	if (!good && json_object_array_length(findings) > 0)
		judged_not_met(out,
			"keep a copy, find who wrote there, then set it aside (docs/EVIDENCE.md)",
			"the audit log does not verify: %.300s", judge_peek_at(findings, 0));
	else if (!good)
		judged_not_met(out, "spoolguard audit verify", "the audit log does not verify");
	else
		judged_met(out,
			"%" PRIu64 " records verify, signed up to %" PRIu64
			"; the clock was set %" PRIu64 " times in them; trust: %s",
			records, signed_up_to, clock_steps, trust);
}

const struct part part_log = {"log", {"log"}, judge_log};

static void judge_log_open(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *error;
	bool open;

	if (!judge_bool(values[0], "open", out, &open) ||
		!judge_text(values[0], "error", out, &error))
		return;
	if (error[0] || !open)
		judged_not_met(out, "spoolguard status says why; see to it",
			"nothing is recorded now%s%.400s", error[0] ? ": " : "", error);
	else
		judged_met(out, "the audit log takes records");
}

const struct part part_log_open = {"log-open", {"log-files"}, judge_log_open};

static void judge_log_readers(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	bool readable, writable;

	if (!judge_bool(values[0], "others_read", out, &readable) ||
		!judge_bool(values[0], "others_write", out, &writable))
		return;
	if (readable || writable)
		judged_not_met(out, "chmod o-rwx,g-w the directory and its files",
			"the audit log can be %s by others than its readers",
			writable ? "changed" : "read");
	else
		judged_met(
			out, "only root writes the audit log, and only its readers' group reads");
}

const struct part part_log_readers = {"log-readers", {"log-files"}, judge_log_readers};

static void judge_log_bound(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	uint64_t bytes, size_bytes;
	const char *when_full;

	if (!judge_u64(values[0], "bytes", out, &bytes) ||
		!judge_u64(values[0], "size_bytes", out, &size_bytes) ||
		!judge_text(values[1], "log_when_full", out, &when_full))
		return;
	if (size_bytes == 0)
		judged_not_met(out, "set size in [audit]", "the audit log has no bound");
	else if (strcmp(when_full, "rotate") != 0 && strcmp(when_full, "stop") != 0)
		judged_cannot_tell(out, "set when_full in [audit]",
			"what happens when the log is full was not told (%s)", when_full);
	else
		judged_met(out, "%" PRIu64 " of %" PRIu64 " KiB are used; when it is full: %s",
			bytes / 1024, size_bytes / 1024, when_full);
}

const struct part part_log_bound = {"log-bound", {"log-files", "settings"}, judge_log_bound};

/* --- what is recorded --- */

static uint64_t count_of(struct json_object *kinds, const char *name)
{
	struct json_object *count = NULL;

	(void)json_object_object_get_ex(kinds, name, &count);
	return json_object_get_uint64(count);
}

static void judge_events(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	static const char *const always[] = {"audit-started", "service-started", "selftest"};
	struct json_object *kinds = NULL;
	uint64_t records;

	if (!judge_u64(values[0], "records", out, &records))
		return;
	if (!json_object_object_get_ex(values[0], "kinds", &kinds) ||
		!json_object_is_type(kinds, json_type_object)) {
		judged_cannot_tell(out, "read the log: spoolguard audit show",
			"which events were recorded was not told");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		if (count_of(kinds, always[i]) == 0)
			judged_cannot_tell(out, "start the service again, and look at its log",
				"\"%s\" is not among the records that are kept", always[i]);
	}
	judged_met(out,
		"%" PRIu64 " records of %d kinds; jobs ended: %" PRIu64 ", failed: %" PRIu64,
		records, json_object_object_length(kinds), count_of(kinds, "job-retired"),
		count_of(kinds, "job-failed"));
}

const struct part part_events = {"events", {"events"}, judge_events};

static void judge_host_events(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	uint64_t from_host;

	if (!judge_u64(values[0], "from_host", out, &from_host))
		return;
	if (from_host == 0)
		judged_cannot_tell(out,
			"let the host report logins and time changes (docs/EVENTS.md)",
			"the host has reported nothing yet: logins, limits of attempts, time "
			"changes");
	else
		judged_met(out, "%" PRIu64 " events came from the host", from_host);
}

const struct part part_host_events = {"host-events", {"events"}, judge_host_events};

/* --- export --- */

static void judge_export(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	bool configured, tls, verifies, queued;
	const char *text;

	if (!judge_bool(values[0], "configured", out, &configured) ||
		!judge_bool(values[0], "tls", out, &tls) ||
		!judge_bool(values[0], "verifies_peer", out, &verifies) ||
		!judge_bool(values[0], "queued", out, &queued) ||
		!judge_text(values[0], "text", out, &text))
		return;
	if (!configured)
		judged_not_met(out,
			"set it up as docs/EXPORTING.md shows, with the shipped rsyslog "
			"configuration",
			"the log is not sent to another machine: %s", text);
	else if (!tls || !verifies)
		judged_not_met(out, "use TLS, and check the receiver's certificate by its name",
			"the log is sent %s: %s", tls ? "to whoever answers" : "without TLS", text);
	else if (!queued)
		judged_not_met(out, "give the action a queue on disk",
			"what is sent is lost while the receiver is away: %s", text);
	else
		judged_met(out, "the log is sent over TLS to a receiver that is checked: %s", text);
}

const struct part part_export = {"export", {"export"}, judge_export};

/* --- time, roles --- */

static void judge_clock(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	bool synchronised;

	judge_tests(values[0], "host/clock", "the clock", out);
	if (!judge_bool(values[1], "synchronised", out, &synchronised))
		return;
	if (!synchronised)
		judged_not_met(out, "let it be kept: timedatectl set-ntp true",
			"the kernel says that nothing keeps its clock");
}

const struct part part_clock = {"clock", {"conditions", "clock"}, judge_clock};

/* In both lists. */
static const char *find_shared(struct json_object *a, struct json_object *b)
{
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		const char *name = judge_peek_at(a, i);

		for (size_t j = 0; j < json_object_array_length(b); j++) {
			if (strcmp(name, json_object_get_string(json_object_array_get_idx(b, j))) ==
				0)
				return name;
		}
	}
	return NULL;
}

static void judge_roles(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	struct json_object *roles = NULL, *administrator, *pipeline, *auditor;
	const char *shared;

	if (!json_object_object_get_ex(values[0], "roles", &roles) ||
		!json_object_is_type(roles, json_type_object)) {
		judged_cannot_tell(out, "name the service's configuration with --config",
			"roles were not told");
		return;
	}
	if (!judge_array(roles, "administrator", out, &administrator) ||
		!judge_array(roles, "pipeline", out, &pipeline) ||
		!judge_array(roles, "auditor", out, &auditor))
		return;
	shared = find_shared(administrator, pipeline);
	if (!shared)
		shared = find_shared(administrator, auditor);
	if (shared)
		judged_not_met(out, "give each role a group of its own ([roles])",
			"the group %s is administrator and something less at once", shared);
	else
		judged_met(out,
			"administrators (root, %zu groups), the pipeline (%zu) and auditors (%zu) "
			"are apart",
			json_object_array_length(administrator), json_object_array_length(pipeline),
			json_object_array_length(auditor));
}

const struct part part_roles = {"roles", {"settings"}, judge_roles};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_export.c - the exporters that the configuration asks for, and what is said when one
 * does not get on
 */
#include "base/clock.h"
#include "supervisor/exporter.h"
#include "supervisor/supervisor_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEHIND_MS 600000u /* then it is said */
#define END_MS	  2000u
#define LOOK_MS	  20u

static uint64_t newest(void *context)
{
	struct supervisor *supervisor = context;
	struct audit_position position;

	return events_position(supervisor->events, &position) < 0 ? 0 : position.sequence;
}

static void start(struct supervisor *supervisor, enum exporter_kind kind, const char *target)
{
	const struct config *config = supervisor->config;
	const struct exporter_options options = {
		.kind = kind,
		.state_directory = config->state_directory,
		.target = target,
		.enterprise = (uint32_t)config->audit_enterprise,
		.device_uuid = config->audit_device_uuid,
		.newest = newest,
		.context = supervisor,
	};
	int r = exporter_new(&options, &supervisor->impl->exporters[kind]);

	if (r < 0)
		events_note_fault(supervisor->events, "export", NULL, strerror(-r));
}

void supervisor_start_export(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;

	if (config->audit_journal)
		start(supervisor, EXPORTER_JOURNAL, config->audit_journal_socket);
	if (config->audit_syslog)
		start(supervisor, EXPORTER_SYSLOG, config->audit_syslog_socket);
	if (config->audit_sqlite[0])
		start(supervisor, EXPORTER_SQLITE, config->audit_sqlite);
}

static void judge(struct supervisor *supervisor, struct exporter *exporter)
{
	char key[32], time[CLOCK_DURATION_BYTES];
	struct exporter_status status;

	snprintf(key, sizeof(key), "export-%s", exporter_name(exporter));
	exporter_get_status(exporter, &status);
	if (status.behind_ms > BEHIND_MS)
		state_raise(supervisor->state, STATE_ATTENTION, key,
			"the audit log has not been handed on for %s (%s): %.300s; its records "
			"wait in the log",
			clock_duration(status.behind_ms / 1000, time), exporter_name(exporter),
			status.away.text[0] ? status.away.text : "the receiver does not read");
	else if (status.skipped > 0)
		state_raise(supervisor->state, STATE_ATTENTION, key,
			"the audit log made room before %llu records were handed on (%s): give "
			"[audit] a larger size, and see why the receiver was away",
			(unsigned long long)status.skipped, exporter_name(exporter));
	else
		state_clear(supervisor->state, key);
}

void supervisor_judge_export(struct supervisor *supervisor)
{
	for (size_t i = 0; i < ARRAY_SIZE(supervisor->impl->exporters); i++) {
		if (supervisor->impl->exporters[i])
			judge(supervisor, supervisor->impl->exporters[i]);
	}
}

/* The last record, that the service ends, too; but nobody is waited for who is away. */
static bool is_done(struct supervisor *supervisor, struct exporter *exporter)
{
	struct exporter_status status;

	exporter_wake(exporter);
	exporter_get_status(exporter, &status);
	return status.away.text[0] || status.confirmed >= newest(supervisor);
}

void supervisor_stop_export(struct supervisor *supervisor)
{
	uint64_t until_ns = clock_monotonic_ns() + END_MS * UINT64_C(1000000);

	for (size_t i = 0; i < ARRAY_SIZE(supervisor->impl->exporters); i++) {
		struct exporter *exporter = supervisor->impl->exporters[i];

		while (exporter && !is_done(supervisor, exporter) &&
			clock_monotonic_ns() < until_ns)
			(void)usleep(LOOK_MS * 1000);
		exporter_free(exporter);
		supervisor->impl->exporters[i] = NULL;
	}
}

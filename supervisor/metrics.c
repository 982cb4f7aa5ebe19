/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/metrics.h"
#include "base/io.h"
#include "base/metric_text.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".spoolguard-new"

/* --- one metric --- */

static void begin(FILE *out, const char *name, const char *type, const char *help)
{
	metric_text_begin(out, METRIC_PROMETHEUS, name, type, help);
}

static void add(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	metric_text_add(out, METRIC_PROMETHEUS, name, type, help, value);
}

/* --- groups of them --- */

static void add_state(FILE *out, const struct figures *figures)
{
	begin(out, "state", "gauge", "1 for the state that the service is in, 0 for the others.");
	for (enum state_name name = 0; name <= STATE_STOPPED; name++)
		metric_text_sample(out, "state", "state", state_text(name), figures->state == name);
	add(out, "claims_allowed", "gauge",
		"1 while the self-tests allow that receipts are written.", figures->may_claim);
	add(out, "intake_held", "gauge", "1 while new jobs are held.", figures->holding);
	add(out, "events_failed", "gauge", "1 while the audit log takes no records.",
		figures->events_failed);
	if (figures->tested_wall_s > 0)
		add(out, "last_selftest_timestamp_seconds", "gauge",
			"When the self-tests were run last.", (uint64_t)figures->tested_wall_s);
}

static void add_jobs(FILE *out, const struct figures *figures)
{
	if (!figures->has_ledger)
		return;
	add(out, "jobs_sanitized_total", "counter", "Jobs that were retired, ever.",
		figures->jobs.retired_ever);
	add(out, "backlog_jobs", "gauge", "Jobs that are known and not retired.",
		figures->open_jobs);
	add(out, "oldest_unsanitized_seconds", "gauge",
		"Age of the oldest job that is not retired.", figures->oldest_open_s);
	begin(out, "jobs", "gauge", "Jobs that are not retired, by where they stand.");
	for (enum ledger_state state = 0; state <= LEDGER_FAILED; state++) {
		if (state != LEDGER_RETIRED)
			metric_text_sample(out, "jobs", "state", ledger_state_text(state),
				figures->jobs.by_state[state]);
	}
}

struct volume_metric {
	const char *name, *type, *help;
	size_t offset; /* of a uint64_t in struct figures_volume */
};

static void add_volume_metric(
	FILE *out, const struct figures *figures, const struct volume_metric *metric)
{
	begin(out, metric->name, metric->type, metric->help);
	for (size_t i = 0; i < figures->volume_count; i++) {
		const struct figures_volume *volume = &figures->volumes[i];
		uint64_t value;

		if (!volume->answered)
			continue;
		memcpy(&value, (const char *)volume + metric->offset, sizeof(value));
		metric_text_sample(out, metric->name, "volume", volume->name, value);
	}
}

static void add_volumes(FILE *out, const struct figures *figures)
{
#define METRIC(name, type, member, help)                                                           \
	{                                                                                          \
		name, type, help, offsetof(struct figures_volume, member)                          \
	}
	static const struct volume_metric metrics[] = {
		METRIC("owed_bytes", "gauge", owed_bytes,
			"Freed and not yet overwritten, in bytes."),
		METRIC("oldest_owed_seconds", "gauge", oldest_owed_s,
			"For how long the oldest of it is owed."),
		METRIC("live_blocks", "gauge", live_blocks, "Blocks that hold data."),
		METRIC("unknown_blocks", "gauge", unknown_blocks,
			"Blocks that wait for a sweep to judge them."),
		METRIC("stuck_blocks", "gauge", stuck_blocks,
			"Blocks that the medium did not overwrite, replaced by spare ones."),
		METRIC("refused_blocks", "gauge", refused_blocks,
			"Blocks that the medium does not overwrite, without a spare."),
		METRIC("erased_blocks_total", "counter", erased_blocks,
			"Blocks overwritten since the volume was attached."),
	};
#undef METRIC

	begin(out, "volume_open", "gauge", "1 while the volume is open.");
	for (size_t i = 0; i < figures->volume_count; i++)
		metric_text_sample(out, "volume_open", "volume", figures->volumes[i].name,
			figures->volumes[i].state == KEEPER_OPEN);
	begin(out, "volume_restarts_total", "counter",
		"Times that the volume's process died and was started again.");
	for (size_t i = 0; i < figures->volume_count; i++)
		metric_text_sample(out, "volume_restarts_total", "volume", figures->volumes[i].name,
			figures->volumes[i].restarts);
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		add_volume_metric(out, figures, &metrics[i]);
}

char *metrics_format(const struct figures *figures)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool failed;

	if (!out)
		return NULL;
	add_state(out, figures);
	add_jobs(out, figures);
	if (figures->volume_count > 0)
		add_volumes(out, figures);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

/* --- the file --- */

static int write_file(const char *path, const char *text)
{
	/* Anybody may read it: the collector is not root. */
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return -errno;
	r = fchmod(fd, 0644) < 0 ? -errno : 0;
	return r < 0 ? r : io_write(fd, text, strlen(text));
}

int metrics_write(const char *path, const char *text)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof(temporary), "%s" SUFFIX, path);
	int r;

	if (n < 0 || n >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	r = write_file(temporary, text);
	if (r >= 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

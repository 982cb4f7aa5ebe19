/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/exporter_impl.h"
#include "audit/log_format.h"
#include "base/clock.h"
#include "base/durable.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND_MS 1000u /* at the latest it looks again */
#define AWAY_MS	 1000u

static const char *const names[] = {
	[EXPORTER_JOURNAL] = "journal",
	[EXPORTER_SYSLOG] = "syslog",
	[EXPORTER_SQLITE] = "sqlite",
};

const char *exporter_name(const struct exporter *exporter)
{
	return names[exporter->kind];
}

/* --- what others see --- */

void exporter_tell_away(struct exporter *exporter, const struct problem *problem)
{
	pthread_mutex_lock(&exporter->lock);
	exporter->status.away = *problem;
	pthread_mutex_unlock(&exporter->lock);
}

void exporter_get_status(struct exporter *exporter, struct exporter_status *ret_status)
{
	pthread_mutex_lock(&exporter->lock);
	*ret_status = exporter->status;
	ret_status->behind_ms =
		exporter->since_ns ? (clock_monotonic_ns() - exporter->since_ns) / 1000000 + 1 : 0;
	pthread_mutex_unlock(&exporter->lock);
}

/* --- opening and closing --- */

/* Which log is it?  Another one, begun after the old was set aside, is sent from its beginning. */
static int find_log(struct exporter *exporter)
{
	char path[PATH_MAX + sizeof(LOG_ROOT_NAME) + 1], text[LOG_HEAD_BYTES_MAX];
	struct log_root root;
	int r;

	snprintf(path, sizeof(path), "%s/%s", exporter->log_path, LOG_ROOT_NAME);
	r = durable_read(path, text, sizeof(text));
	if (r >= 0)
		r = log_root_decode(text, strlen(text), &root);
	if (r >= 0)
		strcpy(exporter->log, root.log);
	return r;
}

static void close_all(struct exporter *exporter)
{
	exporter_drop_record(exporter);
	log_reader_free(exporter->reader);
	exporter->reader = NULL;
	if (exporter->sink)
		exporter->sink->ops->close(exporter->sink);
	exporter->sink = NULL;
}

static int open_sink(struct exporter *exporter, struct problem *reterr_problem)
{
	switch (exporter->kind) {
	case EXPORTER_JOURNAL:
		return export_sink_journal(exporter->target, &exporter->sink, reterr_problem);
	case EXPORTER_SYSLOG:
		return export_sink_syslog(exporter->target, &exporter->sink, reterr_problem);
	default:
		return export_sink_mirror(
			exporter->target, exporter->log, &exporter->sink, reterr_problem);
	}
}

static int open_all(struct exporter *exporter, struct problem *reterr_problem)
{
	int r;

	r = find_log(exporter);
	if (r < 0)
		return problem_set(reterr_problem, r, "%.200s cannot be read: %s",
			exporter->log_path, strerror(-r));
	if (strcmp(exporter->log, exporter->place_log) != 0)
		exporter_read_place(exporter);
	r = open_sink(exporter, reterr_problem);
	if (r >= 0 && exporter->sink->ops->last)
		exporter->confirmed = exporter->sink->ops->last(exporter->sink);
	if (r >= 0)
		r = log_reader_open(exporter->log_path, exporter->confirmed + 1, &exporter->reader,
			reterr_problem);
	exporter->sent = exporter->confirmed;
	exporter->unconfirmed = 0;
	return r;
}

/* --- the thread --- */

/* True: to stop. */
static bool go_round(struct exporter *exporter)
{
	struct problem problem = {""};
	int r = 0;

	if (!exporter->sink) {
		r = open_all(exporter, &problem);
		if (r >= 0)
			exporter_tell_away(exporter, &problem);
	}
	if (r >= 0)
		r = exporter_send_all(exporter);
	exporter_tell_place(exporter);
	if (r >= 0)
		return exporter_pause(exporter, ROUND_MS, true);
	close_all(exporter);
	if (r == -ESTALE)
		problem_set(
			&problem, r, "whoever took records at %.200s has ended", exporter->target);
	else if (!problem.text[0])
		problem_set(&problem, r, "records cannot be handed on to %.200s: %s",
			exporter->target, strerror(-r));
	exporter_tell_away(exporter, &problem);
	return exporter_pause(exporter, AWAY_MS, false);
}

/* A log that was set aside, and begun anew, under our feet. */
static void look_for_another_log(struct exporter *exporter)
{
	char log[AUDIT_BOOT_BYTES];

	strcpy(log, exporter->log);
	if (exporter->sink && (find_log(exporter) < 0 || strcmp(log, exporter->log) != 0))
		close_all(exporter);
}

static void *follow(void *argument)
{
	struct exporter *exporter = argument;

	while (!go_round(exporter))
		look_for_another_log(exporter);
	close_all(exporter);
	return NULL;
}

static int set_paths(struct exporter *exporter, const struct exporter_options *options)
{
	int n = snprintf(exporter->log_path, PATH_MAX, "%s/audit", options->state_directory);
	int m = snprintf(exporter->place_path, PATH_MAX, "%s/export.%s", options->state_directory,
		names[options->kind]);

	if (n < 0 || m < 0 || n >= PATH_MAX || m >= PATH_MAX || strlen(options->target) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(exporter->target, options->target);
	return 0;
}

static void set_source(struct exporter *exporter, const struct exporter_options *options)
{
	if (gethostname(exporter->host, sizeof(exporter->host) - 1) < 0)
		exporter->host[0] = '\0';
	snprintf(exporter->device_uuid, sizeof(exporter->device_uuid), "%s",
		options->device_uuid ? options->device_uuid : "");
	exporter->source = (struct export_source){
		.host = exporter->host,
		.version = SPOOLGUARD_VERSION,
		.log = exporter->log,
		.device_uuid = exporter->device_uuid,
		.enterprise = options->enterprise,
	};
}

static void init_lock(struct exporter *exporter)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&exporter->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&exporter->news, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void done_lock(struct exporter *exporter)
{
	pthread_cond_destroy(&exporter->news);
	pthread_mutex_destroy(&exporter->lock);
}

int exporter_new(const struct exporter_options *options, struct exporter **ret_exporter)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int r;

	if (!exporter)
		return -ENOMEM;
	exporter->kind = options->kind;
	exporter->newest = options->newest;
	exporter->context = options->context;
	set_source(exporter, options);
	init_lock(exporter);
	r = set_paths(exporter, options);
	if (r >= 0)
		r = -pthread_create(&exporter->thread, NULL, follow, exporter);
	if (r < 0) {
		done_lock(exporter);
		free(exporter);
		return r;
	}
	*ret_exporter = exporter;
	return 0;
}

void exporter_wake(struct exporter *exporter)
{
	pthread_mutex_lock(&exporter->lock);
	exporter->woken = true;
	pthread_cond_broadcast(&exporter->news);
	pthread_mutex_unlock(&exporter->lock);
}

void exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return;
	pthread_mutex_lock(&exporter->lock);
	exporter->stop = true;
	exporter->stop_ns = clock_monotonic_ns();
	pthread_cond_broadcast(&exporter->news);
	pthread_mutex_unlock(&exporter->lock);
	pthread_join(exporter->thread, NULL);
	done_lock(exporter);
	free(exporter);
}

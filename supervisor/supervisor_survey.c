/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_survey.c - the surveyor: a thread that collects the figures every few seconds, and
 * what follows from them
 *
 *   figures -> policy (are new jobs to be held?) -> metrics file -> reasons: a disk that is full,
 *   jobs that wait for longer than they may
 */
#include "base/clock.h"
#include "supervisor/figures.h"
#include "supervisor/metrics.h"
#include "supervisor/policy.h"
#include "supervisor/service.h"
#include "supervisor/supervisor_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PULSE_MS 60000u

/* Held in the ledger: a person has to release them. */
static void judge_held(struct supervisor *supervisor)
{
	uint64_t limit_s = supervisor->config->retention_limit_s, number;
	char limit[CLOCK_DURATION_BYTES];
	int64_t now = clock_wall_s();
	struct ledger_job job;
	bool over = false;

	if (supervisor->ledger && limit_s > 0 &&
		ledger_list(supervisor->ledger, LEDGER_HELD, NULL, &number, 1) == 1 &&
		ledger_get(supervisor->ledger, number, &job) >= 0) {
		over = now > job.seen_wall_s && (uint64_t)(now - job.seen_wall_s) > limit_s;
		ledger_job_done(&job);
	}
	if (over)
		state_raise(supervisor->state, STATE_ATTENTION, "retention",
			"jobs are held for longer than %s; \"spoolguard job list\" shows them, "
			"\"spoolguard job release\" lets them go",
			clock_duration(limit_s, limit));
	else
		state_clear(supervisor->state, "retention");
}

static void write_metrics(struct supervisor *supervisor, const struct figures *figures)
{
	struct supervisor_impl *impl = supervisor->impl;
	char path[PATH_MAX], *text;
	int r = 0;

	pthread_mutex_lock(&impl->config_lock);
	strcpy(path, supervisor->config->metrics_file);
	pthread_mutex_unlock(&impl->config_lock);
	text = path[0] ? metrics_format(figures) : NULL;
	if (text && (!impl->metrics || strcmp(text, impl->metrics) != 0 ||
			    strcmp(path, impl->metrics_path) != 0))
		r = metrics_write(path, text);
	if (r < 0)
		state_raise(supervisor->state, STATE_ATTENTION, "metrics",
			"%.300s cannot be written: %s; make its directory, or set metrics_file",
			path, strerror(-r));
	else
		state_clear(supervisor->state, "metrics");
	free(impl->metrics);
	impl->metrics = r < 0 ? NULL : text;
	if (r < 0)
		free(text);
	strcpy(impl->metrics_path, path);
}

/* One round; returns how long to wait for the next. */
static int survey_once(struct supervisor *supervisor, struct figures *figures)
{
	int wait_ms;

	pulse_rest(&supervisor->impl->survey_pulse); /* a volume, or CUPS, may let us wait */
	figures_collect(supervisor, figures);
	wait_ms = policy_update(supervisor->policy, figures);
	figures->holding = policy_is_holding(supervisor->policy, NULL);
	pulse_beat(&supervisor->impl->survey_pulse, PULSE_MS);
	supervisor_take_again(supervisor);
	supervisor_judge_log(supervisor);
	supervisor_judge_export(supervisor);
	supervisor_tell_keys(supervisor);
	service_tell_host(supervisor->impl->service);
	judge_held(supervisor);
	write_metrics(supervisor, figures);
	return wait_ms;
}

static bool wait_for_round(struct supervisor_impl *impl, int wait_ms)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&impl->lock);
	while (!impl->survey_stop && !impl->survey_asked &&
		pthread_cond_timedwait(&impl->survey_news, &impl->lock, &until) == 0)
		;
	impl->survey_asked = false;
	stop = impl->survey_stop;
	pthread_mutex_unlock(&impl->lock);
	return stop;
}

static void *survey(void *argument)
{
	struct supervisor *supervisor = argument;
	struct figures *figures = malloc(sizeof(*figures));
	int wait_ms = 0;

	while (figures && !wait_for_round(supervisor->impl, wait_ms))
		wait_ms = survey_once(supervisor, figures);
	pulse_rest(&supervisor->impl->survey_pulse);
	free(figures);
	return NULL;
}

int supervisor_start_survey(struct supervisor *supervisor)
{
	int r = -pthread_create(&supervisor->impl->surveyor, NULL, survey, supervisor);

	supervisor->impl->survey_started = r == 0;
	return r;
}

void supervisor_ask_survey(struct supervisor *supervisor)
{
	pthread_mutex_lock(&supervisor->impl->lock);
	supervisor->impl->survey_asked = true;
	pthread_cond_broadcast(&supervisor->impl->survey_news);
	pthread_mutex_unlock(&supervisor->impl->lock);
}

void supervisor_stop_survey(struct supervisor *supervisor)
{
	if (!supervisor->impl->survey_started)
		return;
	pthread_mutex_lock(&supervisor->impl->lock);
	supervisor->impl->survey_stop = true;
	pthread_cond_broadcast(&supervisor->impl->survey_news);
	pthread_mutex_unlock(&supervisor->impl->lock);
	pthread_join(supervisor->impl->surveyor, NULL);
	supervisor->impl->survey_started = false;
}

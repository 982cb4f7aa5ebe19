/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_progress.c - a line for each drive, each with its rate and time left
 *
 * The lines stand one below the other; whoever reports draws them all anew.
 */
#include "base/clock.h"
#include "cli/decommission.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_NS 200000000u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct decommission_job *jobs;
	size_t count;
	bool is_terminal, is_drawn;
	uint64_t drawn_ns;
} display;
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

bool decommission_interrupted(void)
{
	return interrupted;
}

static void draw_one(const struct decommission_job *job, uint64_t now)
{
	const struct progress progress = {job->what, job->done_bytes, job->total_bytes};
	char line[128] = "waiting";

	if (job->what[0] && job->total_bytes == 0)
		snprintf(line, sizeof(line), "%s", cli_shown(job->what));
	else if (job->what[0])
		progress_line(&progress, now - job->started_ns, line, sizeof(line));
	fprintf(stderr, "\r\033[K%s%s%s\n", display.count > 1 ? cli_shown(job->device) : "",
		display.count > 1 ? "  " : "", line);
}

static void draw(uint64_t now)
{
	if (display.is_drawn)
		fprintf(stderr, "\033[%zuA", display.count);
	for (size_t i = 0; i < display.count; i++)
		draw_one(&display.jobs[i], now);
	fflush(stderr);
	display.is_drawn = true;
	display.drawn_ns = now;
}

static bool report(void *context, const struct progress *progress)
{
	struct decommission_job *job = context;
	uint64_t now = clock_monotonic_ns();
	bool is_new;

	(void)pthread_mutex_lock(&lock);
	is_new = strcmp(job->what, progress->what) != 0;
	if (is_new) {
		snprintf(job->what, sizeof(job->what), "%s", progress->what);
		job->started_ns = now;
	}
	job->done_bytes = progress->done_bytes;
	job->total_bytes = progress->total_bytes;
	if (display.is_terminal && (is_new || now - display.drawn_ns > REDRAW_NS ||
					   progress->done_bytes >= progress->total_bytes))
		draw(now);
	(void)pthread_mutex_unlock(&lock);
	return interrupted;
}

void decommission_progress_begin(struct decommission_job *jobs, size_t count)
{
	const struct sigaction action = {.sa_handler = on_interrupt};

	display.jobs = jobs;
	display.count = count;
	display.is_terminal = isatty(STDERR_FILENO);
	for (size_t i = 0; i < count; i++)
		jobs[i].sink = (struct progress_sink){report, &jobs[i]};
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

void decommission_progress_end(void)
{
	display.is_terminal = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_control.h"
#include "base/clock.h"
#include "cli/cups_process.h"
#include "cli/cups_run.h"
#include "pipeline/cups_server.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_US	    100000u
#define STEADY_NS   1000000000u /* it answers, and still does so long after */
#define PING_MS	    2000u
#define ADDRESS_MAX 512

/* --- does it answer? --- */

static bool answers_at(const char *address)
{
	_cleanup_(cups_server_freep) struct cups_server *server = NULL;
	int r = cups_server_new(address, PING_MS, &server, NULL);

	if (r >= 0)
		r = cups_server_ping(server, NULL);
	/* One that wants to know who asks is there, too. */
	return r >= 0 || r == -EACCES;
}

static bool answers(const struct cups_context *context)
{
	char address[ADDRESS_MAX];

	for (size_t i = 0; cups_context_address(context, i, address, sizeof(address)); i++) {
		if (answers_at(address))
			return true;
	}
	return false;
}

/* The socket in the file system: it is another one when cupsd has read its configuration anew. */
struct stamp {
	bool is_known;
	ino_t inode;
	struct timespec changed;
};

static struct stamp read_stamp(const struct cups_context *context)
{
	char address[ADDRESS_MAX];
	struct stat st;

	if (!cups_context_address(context, 0, address, sizeof(address)) || address[0] != '/' ||
		stat(address, &st) < 0)
		return (struct stamp){.is_known = false};
	return (struct stamp){true, st.st_ino, st.st_ctim};
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->is_known == b->is_known && a->inode == b->inode &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static uint64_t deadline_of(const struct cups_context *context)
{
	return clock_monotonic_ns() + context->options->wait_s * 1000000000ull;
}

/* O1 */
static int wait_steady(const struct cups_context *context, uint64_t deadline_ns)
{
	uint64_t since_ns = 0;

	while (clock_monotonic_ns() < deadline_ns) {
		if (!answers(context))
			since_ns = 0;
		else if (since_ns == 0)
			since_ns = clock_monotonic_ns();
		else if (clock_monotonic_ns() - since_ns >= STEADY_NS)
			return 0;
		usleep(POLL_US);
	}
	return -ETIMEDOUT;
}

static int fail_to_come_up(const struct cups_context *context, struct problem *reterr_problem)
{
	return problem_set(reterr_problem, -ETIMEDOUT,
		"cupsd does not answer within %u s; see its error_log", context->options->wait_s);
}

/* --- ways --- */

static int run(const char *command, const char *what, struct problem *reterr_problem)
{
	struct cups_run done;
	int r = cups_run_command(command, &done, reterr_problem);

	if (r < 0 || done.exit_code == 0)
		return r;
	done.output[strcspn(done.output, "\n")] = '\0';
	return problem_set(reterr_problem, -ECHILD, "the command that %s cupsd (%s) failed: %s",
		what, command, done.output[0] ? done.output : "it says nothing");
}

bool cups_is_systemds(const struct cups_context *context)
{
	char real[PATH_MAX];

	return context->options->root[0] == '\0' && access("/run/systemd/system", F_OK) == 0 &&
	       realpath(context->config, real) && strcmp(real, CUPS_CONFIG_SYSTEM) == 0;
}

int cups_reread_units(const struct cups_context *context, struct problem *reterr_problem)
{
	if (!cups_is_systemds(context))
		return 0;
	return run("systemctl daemon-reload", "tells systemd of units of", reterr_problem);
}

/* --- reload --- */

/* After SIGHUP: it lives, has opened its socket anew, and answers. */
static int wait_reread(const struct cups_context *context, const struct cups_process *process,
	const struct stamp *before, enum cups_outcome *ret_outcome, struct problem *reterr_problem)
{
	uint64_t deadline_ns = deadline_of(context);
	struct stamp now = read_stamp(context);

	while (before->is_known && (is_same(&now, before) || !now.is_known) &&
		clock_monotonic_ns() < deadline_ns && cups_process_is_alive(process)) {
		usleep(POLL_US);
		now = read_stamp(context);
	}
	if (!cups_process_is_alive(process))
		return problem_set(
			reterr_problem, -ESRCH, "cupsd ended when it read the new configuration");
	if (before->is_known && is_same(&now, before)) {
		*ret_outcome = CUPS_NOT_YET;
		return 0;
	}
	if (wait_steady(context, deadline_ns) < 0)
		return fail_to_come_up(context, reterr_problem);
	*ret_outcome = CUPS_CAME_UP;
	return 0;
}

static int reload_by_signal(const struct cups_context *context, enum cups_outcome *ret_outcome,
	struct problem *reterr_problem)
{
	struct stamp before = read_stamp(context);
	struct cups_process process;
	int r;

	r = cups_process_find(context->config, &process);
	if (r == -ESRCH) {
		*ret_outcome = CUPS_NOT_RUNNING;
		return 0;
	}
	if (r < 0)
		return r;
	if (kill(process.pid, SIGHUP) < 0)
		return problem_set(reterr_problem, -errno,
			"cupsd (process %d) cannot be told to read its configuration: %s",
			(int)process.pid, strerror(errno));
	return wait_reread(context, &process, &before, ret_outcome, reterr_problem);
}

int cups_reload(const struct cups_context *context, enum cups_outcome *ret_outcome,
	struct problem *reterr_problem)
{
	const char *command = context->options->reload_command;
	int r;

	if (!command && !cups_is_systemds(context))
		return reload_by_signal(context, ret_outcome, reterr_problem);
	r = run(command ? command : "systemctl try-restart cups.service", "restarts",
		reterr_problem);
	if (r >= 0 && wait_steady(context, deadline_of(context)) < 0)
		r = fail_to_come_up(context, reterr_problem);
	if (r >= 0)
		*ret_outcome = CUPS_CAME_UP;
	return r;
}

/* --- stop and start --- */

int cups_check_control(const struct cups_context *context, struct problem *reterr_problem)
{
	if (context->options->start_command || cups_is_systemds(context))
		return 0;
	return problem_set(reterr_problem, -EINVAL,
		"systemd does not run here, so nobody knows how cupsd is started again; say "
		"--start-command COMMAND (and --stop-command, if SIGTERM is not enough)");
}

static int stop_by_signal(const struct cups_context *context, struct problem *reterr_problem)
{
	struct cups_process process;

	if (cups_process_find(context->config, &process) < 0)
		return 0;
	if (kill(process.pid, SIGTERM) < 0 && errno != ESRCH)
		return problem_set(reterr_problem, -errno, "cupsd (process %d) cannot be ended: %s",
			(int)process.pid, strerror(errno));
	return 0;
}

int cups_stop(const struct cups_context *context, struct problem *reterr_problem)
{
	const char *command = context->options->stop_command;
	uint64_t deadline_ns = deadline_of(context);
	struct cups_process process;
	int r;

	if (!command && cups_is_systemds(context))
		command = "systemctl stop cups.path cups.socket cups.service cups-browsed.service "
			  "2>/dev/null || systemctl stop cups.path cups.socket cups.service";
	r = command ? run(command, "stops", reterr_problem)
		    : stop_by_signal(context, reterr_problem);
	while (r >= 0 && cups_process_find(context->config, &process) >= 0) {
		if (clock_monotonic_ns() > deadline_ns)
			return problem_set(reterr_problem, -EBUSY,
				"cupsd (process %d) does not stop within %u s; stop it, then run "
				"this again",
				(int)process.pid, context->options->wait_s);
		usleep(POLL_US);
	}
	return r;
}

int cups_start(const struct cups_context *context, struct problem *reterr_problem)
{
	const char *command = context->options->start_command;
	int r;

	if (!command)
		command = "systemctl start cups.socket cups.path cups.service && { ! systemctl -q "
			  "is-enabled cups-browsed.service || systemctl start "
			  "cups-browsed.service; }";
	r = run(command, "starts", reterr_problem);
	if (r >= 0 && wait_steady(context, deadline_of(context)) < 0)
		r = fail_to_come_up(context, reterr_problem);
	return r;
}

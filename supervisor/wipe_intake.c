/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_intake.c - while a spool is wiped nothing new is printed, and what was waiting dies
 *
 *   hold     the policy holds (and goes on holding), the retirer's batch comes to its end, queues
 *            are paused at once: what is printing is interrupted
 *   cancel   every job up to the last that was listed; waited for, because its filters have files
 *            open
 *   purge    cupsd forgets them, history included
 *   reopen   after a full wipe: cupsd has files open of a file system that is no more
 *
 * A cupsd that does not answer delays nothing for long and stops nothing (W2): what could not be
 * asked of it is noted.
 */
#include "base/problem.h"
#include "supervisor/policy.h"
#include "supervisor/retirer.h"
#include "supervisor/wipe_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOLD_KEY	"wipe"
#define HOLD_REASON	"the spool is being wiped; jobs are kept, and printed afterwards"
#define CANCEL_WAIT_MS	60000u
#define CANCEL_LOOK_MS	300u
#define REOPEN_WAIT_MS	20000u
#define RESTART_WAIT_MS 60000u
#define RELEASE_WAIT_MS 120000u
#define RELEASE_LOOK_MS 500u
#define PURGE_SAY_EVERY 50u
#define TICK_US		20000u

static const char *const state_names[] = {
	[CUPS_JOB_PENDING] = "pending",
	[CUPS_JOB_HELD] = "held",
	[CUPS_JOB_PROCESSING] = "printing",
	[CUPS_JOB_STOPPED] = "stopped",
	[CUPS_JOB_CANCELED] = "cancelled",
	[CUPS_JOB_ABORTED] = "aborted",
	[CUPS_JOB_COMPLETED] = "completed",
};

/* What stands still: over an interruption too, until the wipe has come to its end.  Of whoever has
 * the turn (wipe.c), as all here. */
static struct {
	bool retirer, intake;
} still;

/* --- before it begins --- */

int wipe_intake_connect(struct wipe *wipe, struct problem *reterr_problem)
{
	int r;

	if (wipe->cups)
		return 0;
	r = cups_server_new(
		wipe->config->cups_server, CUPS_SERVER_TIMEOUT_MS, &wipe->cups, reterr_problem);
	if (r >= 0)
		r = cups_server_ping(wipe->cups, reterr_problem);
	if (r < 0)
		wipe_intake_close(wipe);
	return r;
}

void wipe_intake_close(struct wipe *wipe)
{
	cups_server_free(wipe->cups);
	wipe->cups = NULL;
}

/* A sheet that cannot be printed is told before anything is touched. */
static int check_queue(struct wipe *wipe, struct problem *reterr_problem)
{
	const char *queue = wipe->queue;
	struct problem problem = {""};
	int r;

	if (!queue[0])
		return 0;
	r = wipe->config->cups ? wipe_intake_connect(wipe, &problem)
			       : problem_set(&problem, -ESRCH, "CUPS is not used ([cups] enabled)");
	if (r >= 0)
		r = cups_server_find_queue(wipe->cups, queue, &problem);
	wipe->sheet_owed = r >= 0;
	if (r >= 0)
		return 0;
	if (wipe->record.scheduled) {
		wipe_record_add_note(&wipe->record,
			"no confirmation sheet can be printed on %s: %.160s", queue,
			problem_text(&problem, r));
		return 0;
	}
	return problem_set(reterr_problem, -ENOENT,
		"the confirmation sheet cannot be printed on %s (%.300s); nothing was touched: "
		"correct confirmation_queue in the configuration, or leave it empty",
		queue, problem_text(&problem, r));
}

int wipe_intake_check(struct wipe *wipe, struct problem *reterr_problem)
{
	struct problem problem = {""};
	int r = 0;

	if (wipe->has_cups)
		r = wipe_intake_connect(wipe, &problem);
	if (r == -ECONNREFUSED) {
		wipe_record_add_note(&wipe->record,
			"CUPS is not running: its jobs are not listed, and die with their files");
		r = 0;
	}
	if (r < 0)
		return problem_set(reterr_problem, r,
			"CUPS cannot be asked for its jobs, and nothing was touched: %.500s",
			problem_text(&problem, r));
	return check_queue(wipe, reterr_problem);
}

/* --- which jobs --- */

static void add_job(
	struct wipe_record *record, const char *source, const char *id, const char *state)
{
	struct json_object *job;

	record->job_count++;
	if (json_object_array_length(record->jobs) >= WIPE_JOBS_MAX)
		return;
	job = json_object_new_object();
	fields_add_string(job, "source", source);
	fields_add_string(job, "id", id);
	fields_add_string(job, "state", state);
	json_object_array_add(record->jobs, job);
}

static int list_cups(struct wipe *wipe, struct problem *reterr_problem)
{
	struct wipe_record *record = &wipe->record;
	struct cups_job_list list;
	char id[16];
	int r;

	r = cups_server_list_jobs(wipe->cups, CUPS_JOBS_ALL, &list, reterr_problem);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++) {
		snprintf(id, sizeof(id), "%d", list.jobs[i].id);
		add_job(record, "cups", id, state_names[list.jobs[i].state]);
		if (list.jobs[i].id > record->last_cups_job)
			record->last_cups_job = list.jobs[i].id;
	}
	cups_job_list_done(&list);
	return 0;
}

/* What CUPS has, CUPS has named. */
static void list_ledger(struct wipe *wipe)
{
	struct wipe_record *record = &wipe->record;
	uint64_t *numbers = calloc(LEDGER_OPEN_MAX, sizeof(*numbers));

	for (int state = 0; numbers && state <= LEDGER_FAILED; state++) {
		size_t count =
			state == LEDGER_RETIRED
				? 0
				: ledger_list(wipe->supervisor->ledger, (enum ledger_state)state,
					  wipe->runtime.uuid, numbers, LEDGER_OPEN_MAX);

		for (size_t i = 0; i < count; i++) {
			struct ledger_job job;

			if (numbers[i] > record->last_ledger_job)
				record->last_ledger_job = numbers[i];
			if (ledger_get(wipe->supervisor->ledger, numbers[i], &job) < 0)
				continue;
			if (!wipe->cups || strcmp(job.source, "cups") != 0)
				add_job(record, job.source, job.id, ledger_state_text(job.state));
			ledger_job_done(&job);
		}
	}
	free(numbers);
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/*
 * The clock of files is behind ours by up to a tick: after that pause no file that comes later is
 * taken for an older one.
 */
int wipe_intake_list(struct wipe *wipe, struct problem *reterr_problem)
{
	struct wipe_record *record = &wipe->record;
	int r = 0;

	json_object_put(record->jobs);
	record->jobs = json_object_new_array();
	record->job_count = 0;
	record->held_wall_ns = wall_ns();
	usleep(TICK_US);
	if (wipe->has_cups && wipe->cups)
		r = list_cups(wipe, reterr_problem);
	if (wipe->supervisor->ledger)
		list_ledger(wipe);
	record->listed_wall_ns = wall_ns();
	return r;
}

/* --- hold and release --- */

void wipe_intake_stand_still(struct supervisor *supervisor, bool has_cups)
{
	if (!still.retirer && supervisor->retirer) {
		retirer_pause(supervisor->retirer);
		still.retirer = true;
	}
	if (!has_cups)
		return;
	still.intake = true;
	if (supervisor->policy && policy_hold(supervisor->policy, HOLD_KEY, HOLD_REASON) < 0)
		(void)0; /* as many hold it already as can */
}

void wipe_intake_hold(struct wipe *wipe)
{
	struct problem problem = {""};
	struct cups_hold hold;

	wipe_intake_stand_still(wipe->supervisor, wipe->has_cups);
	if (!wipe->has_cups || wipe_intake_connect(wipe, NULL) < 0)
		return; /* nobody prints; the policy holds when CUPS comes */
	/* At once, and not when what is printing is over: it dies. */
	if (cups_server_hold_new_jobs(wipe->cups, HOLD_REASON, true, &hold, &problem) < 0)
		wipe_record_add_note(
			&wipe->record, "queues of CUPS could not be held: %.180s", problem.text);
}

static void release_queues(struct wipe *wipe)
{
	struct problem problem = {""};
	struct cups_hold hold;

	if (wipe_intake_connect(wipe, NULL) >= 0 &&
		cups_server_release_new_jobs(wipe->cups, &hold, &problem) < 0)
		wipe_record_add_note(&wipe->record, "queues of CUPS could not be released: %.180s",
			problem.text);
}

void wipe_intake_release(struct wipe *wipe)
{
	struct supervisor *supervisor = wipe->supervisor;

	if (still.intake && supervisor->policy)
		policy_release(supervisor->policy, HOLD_KEY);
	else if (wipe->has_cups)
		release_queues(wipe);
	if (still.retirer)
		retirer_resume(supervisor->retirer);
	still.intake = still.retirer = false;
}

/*
 * Queues are let go in the policy's round, and one that is under way may still hold them.  The time
 * that the sheet has begins when they are: a round may last for long on a busy machine.
 */
void wipe_intake_wait(struct wipe *wipe)
{
	struct supervisor *supervisor = wipe->supervisor;
	uint64_t end_ns = clock_monotonic_ns() + RELEASE_WAIT_MS * UINT64_C(1000000);
	int r = -ETIMEDOUT;

	if (!supervisor->policy)
		return;
	while (r == -ETIMEDOUT && clock_monotonic_ns() < end_ns && !wipe_is_stopping(wipe))
		r = policy_settle(supervisor->policy, RELEASE_LOOK_MS);
}

/* --- cancel --- */

static bool is_to_die(const struct wipe *wipe, const struct cups_job *job)
{
	return job->id <= wipe->record.last_cups_job;
}

/* How many of those that die are not finished yet. */
static int cancel_all(struct wipe *wipe, size_t *ret_left, struct problem *reterr_problem)
{
	struct cups_job_list list;
	int r;

	r = cups_server_list_jobs(wipe->cups, CUPS_JOBS_WAITING, &list, reterr_problem);
	if (r < 0)
		return r;
	*ret_left = 0;
	for (size_t i = 0; i < list.count; i++) {
		if (!is_to_die(wipe, &list.jobs[i]))
			continue;
		(*ret_left)++;
		if (cups_server_cancel_job(wipe->cups, list.jobs[i].id, reterr_problem) < 0)
			(void)0; /* again, with the next look */
	}
	cups_job_list_done(&list);
	return 0;
}

int wipe_intake_cancel(struct wipe *wipe)
{
	uint64_t end_ns = clock_monotonic_ns() + CANCEL_WAIT_MS * UINT64_C(1000000);
	struct problem problem = {""};
	size_t left = 1;
	int r = 0;

	if (!wipe->has_cups || !wipe->cups)
		return 0;
	while (r >= 0 && left > 0 && clock_monotonic_ns() < end_ns) {
		if (cancel_all(wipe, &left, &problem) < 0)
			left = 1;
		r = wipe_progress(wipe, "jobs cancelled", 0, 0);
		if (left > 0)
			usleep(CANCEL_LOOK_MS * 1000);
	}
	if (r >= 0 && left > 0)
		wipe_record_add_note(&wipe->record, "not every job could be cancelled: %.180s",
			problem.text[0] ? problem.text : "some are still printing");
	return r;
}

/* --- purge --- */

void wipe_intake_purge(struct wipe *wipe)
{
	struct cups_job_list list;
	struct problem problem = {""};
	uint64_t failed = 0;

	if (!wipe->has_cups || !wipe->cups)
		return;
	if (cups_server_list_jobs(wipe->cups, CUPS_JOBS_ALL, &list, &problem) < 0) {
		wipe_record_add_note(&wipe->record,
			"CUPS could not be told to forget its jobs: "
			"%.180s",
			problem.text);
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		if (is_to_die(wipe, &list.jobs[i]))
			failed += cups_server_purge_job(wipe->cups, list.jobs[i].id, &problem) < 0;
		if (i % PURGE_SAY_EVERY == 0 && wipe_progress(wipe, "jobs forgotten", 0, 0) < 0)
			break; /* at the next start all of it is done again */
	}
	cups_job_list_done(&list);
	if (failed > 0)
		wipe_record_add_note(&wipe->record,
			"CUPS did not forget %llu of its jobs, whose files are gone: %.150s",
			(unsigned long long)failed, problem.text);
}

/* --- reopen --- */

/* The process that listens on cupsd's socket, if it is cupsd: a descriptor; -errno. */
static int find_cupsd(const char *address)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	char path[64], program[PATH_MAX];
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	int process_fd;
	ssize_t n;

	if (address[0] != '/' || strlen(address) >= sizeof(at.sun_path))
		return -EAFNOSUPPORT;
	strcpy(at.sun_path, address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return -errno;
	process_fd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (process_fd < 0)
		return -errno;
	/* Looked at after it is held: the number means this process until we let go. */
	snprintf(path, sizeof(path), "/proc/%d/exe", peer.pid);
	n = readlink(path, program, sizeof(program) - 1);
	if (n > 0)
		program[n] = '\0';
	if (n > 0 && strcmp(strrchr(program, '/') ? strrchr(program, '/') : "", "/cupsd") == 0)
		return process_fd;
	close(process_fd);
	return -ESRCH; /* systemd, say, which listens for it */
}

static int send_hangup(const char *address)
{
	_cleanup_close_ int process_fd = find_cupsd(address);

	if (process_fd < 0)
		return process_fd;
	return syscall(SYS_pidfd_send_signal, process_fd, SIGHUP, NULL, 0) < 0 ? -errno : 0;
}

static void become_shell(const char *command)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)close_range(3, ~0u, 0);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int run_command(const char *command)
{
	uint64_t end_ns = clock_monotonic_ns() + RESTART_WAIT_MS * UINT64_C(1000000);
	pid_t child = fork();
	int status;

	if (child == 0)
		become_shell(command);
	if (child < 0)
		return -errno;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (clock_monotonic_ns() > end_ns) {
			kill(child, SIGKILL);
			(void)waitpid(child, &status, 0);
			return -ETIMEDOUT;
		}
		usleep(20000);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EREMOTEIO;
}

static void wait_for_cups(struct wipe *wipe)
{
	uint64_t end_ns = clock_monotonic_ns() + REOPEN_WAIT_MS * UINT64_C(1000000);

	wipe_intake_close(wipe);
	do {
		usleep(200000);
	} while (wipe_intake_connect(wipe, NULL) < 0 && clock_monotonic_ns() < end_ns);
}

void wipe_intake_reopen(struct wipe *wipe)
{
	const char *command = wipe->config->cups_restart;
	int r;

	if (!wipe->has_cups || (!command[0] && wipe_intake_connect(wipe, NULL) == -ECONNREFUSED))
		return;
	r = command[0] ? run_command(command) : send_hangup(wipe->config->cups_server);
	if (r < 0)
		wipe_record_add_note(&wipe->record,
			command[0] ? "CUPS was not restarted (restart_command: %s); restart it, so "
				     "that it opens its files again"
				   : "CUPS could not be told to open its files again (%s); restart "
				     "it, or set restart_command in the configuration",
			strerror(-r));
	else
		wait_for_cups(wipe);
}

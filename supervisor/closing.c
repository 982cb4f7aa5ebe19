/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/closing.h"
#include "base/clock.h"
#include "ipc/fields.h"
#include "ipc/message.h"
#include "pipeline/cups_server.h"
#include "supervisor/ledger.h"
#include "supervisor/policy.h"
#include "supervisor/wipe.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLD_KEY   "closure"
#define LOOK_MS	   300u
#define LISTED_MAX 1000u /* jobs that are named; the others are a number */

struct closing {
	struct supervisor *supervisor;
	const struct closing_request *request;
	const struct config *config;
	const struct config_volume *volume;
	struct keeper *keeper;
	const struct progress_sink *sink;
	struct cups_server *cups; /* NULL: there is none, or it does not answer */
	bool has_cups;
	struct closure closure;
	uint64_t unlisted; /* of those that are not retired */
};

static const char *state_directory(const struct closing *closing)
{
	return closing->config->state_directory;
}

/* --- intake --- */

static bool has_spool(const struct supervisor *supervisor, const char *name)
{
	const struct config *config = supervisor->config;

	for (size_t i = 0; i < config->volume_count; i++) {
		if (strcmp(config->volumes[i].name, name) == 0)
			return config_has_cups_spool(config, &config->volumes[i]);
	}
	return false;
}

void closing_judge_intake(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	char reason[POLICY_REASON_BYTES];

	if (!supervisor->policy)
		return;
	for (size_t i = 0; i < config->volume_count; i++) {
		const char *name = config->volumes[i].name;

		if (closure_state(config->state_directory, name) == CLOSURE_NONE ||
			!has_spool(supervisor, name))
			continue;
		snprintf(reason, sizeof(reason),
			"volume %s, where jobs are kept, was decommissioned; jobs wait", name);
		if (policy_hold(supervisor->policy, HOLD_KEY, reason) < 0)
			(void)0; /* as many hold it already as can */
		return;
	}
	policy_release(supervisor->policy, HOLD_KEY);
}

bool closing_is_under_way(struct supervisor *supervisor, const char *uuid)
{
	struct keeper *keeper = supervisor_find_uuid(supervisor, uuid);

	return keeper && closure_state(supervisor->config->state_directory,
				 keeper_volume(keeper)->name) != CLOSURE_NONE;
}

/* --- events --- */

/* Durable before it goes on. */
static int note(struct closing *closing, const char *outcome, const char *detail)
{
	struct json_object *data =
		events_data("step", "intake", "name", closing->volume->name, NULL);
	char object[KEEPER_OBJECT_BYTES];
	const struct audit_event event = {
		.event = "decommission",
		.role = closing->request->role,
		.uid = closing->request->uid,
		.volume = closing->closure.uuid[0] ? closing->closure.uuid
						   : keeper_object(closing->keeper, object),
		.outcome = outcome,
		.detail = detail,
		.data = data,
	};
	int r;

	if (closing->closure.state == CLOSURE_CLOSED) {
		fields_add_u64(data, "retired", closing->closure.retired);
		fields_add_u64(data, "not_retired",
			json_object_array_length(closing->closure.not_retired));
	}
	r = events_add_committed(closing->supervisor->events, &event, 1, NULL);
	json_object_put(data);
	return r;
}

/* --- jobs under way --- */

static int save(struct closing *closing, struct problem *reterr_problem)
{
	int r = closure_save(state_directory(closing), closing->volume->name, &closing->closure);

	if (r < 0)
		return problem_set(reterr_problem, r,
			"that volume %s is closed cannot be recorded in %s (%s); see to it, then "
			"ask again",
			closing->volume->name, state_directory(closing), strerror(-r));
	return 0;
}

static void add_number(struct closing *closing, uint64_t number)
{
	char key[24];

	snprintf(key, sizeof(key), "%" PRIu64, number);
	json_object_object_add(closing->closure.jobs, key, json_object_new_boolean(true));
}

static size_t list(const struct closing *closing, enum ledger_state state, uint64_t *numbers)
{
	return ledger_list(closing->supervisor->ledger, state, closing->closure.uuid, numbers,
		LEDGER_OPEN_MAX);
}

/* A job may come and be retired between two looks; what was retired before the first is none of
 * ours. */
static void look_at_retired(struct closing *closing, uint64_t *numbers)
{
	size_t count = list(closing, LEDGER_RETIRED, numbers);

	for (size_t i = 0; i < count; i++) {
		if (closing->closure.looked && numbers[i] > closing->closure.newest)
			add_number(closing, numbers[i]);
		else if (!closing->closure.looked && numbers[i] > closing->closure.newest)
			closing->closure.newest = numbers[i];
	}
}

static int look_at_ledger(
	struct closing *closing, uint64_t *ret_busy, struct problem *reterr_problem)
{
	static const enum ledger_state open[] = {
		LEDGER_FAILED, LEDGER_HELD, LEDGER_BEGUN, LEDGER_SEEN, LEDGER_RETIRING};
	uint64_t *numbers = calloc(LEDGER_OPEN_MAX, sizeof(*numbers));
	int before = json_object_object_length(closing->closure.jobs);
	bool first = !closing->closure.looked;

	if (!numbers)
		return -ENOMEM;
	if (first)
		look_at_retired(closing, numbers);
	for (size_t k = 0; k < ARRAY_SIZE(open); k++) {
		size_t count = list(closing, open[k], numbers);

		*ret_busy += open[k] == LEDGER_HELD ? 0 : count;
		for (size_t i = 0; i < count; i++)
			add_number(closing, numbers[i]);
	}
	if (!first)
		look_at_retired(closing, numbers);
	free(numbers);
	closing->closure.looked = true;
	if (!first && json_object_object_length(closing->closure.jobs) == before)
		return 0;
	return save(closing, reterr_problem);
}

/* Why a finished job of CUPS is not retired, as its source says; NULL: it will be. */
static const char *why_kept(struct json_object *waiting, const char *id)
{
	const char *source, *other, *why;

	for (size_t i = 0; waiting && i < json_object_array_length(waiting); i++) {
		struct json_object *entry = json_object_array_get_idx(waiting, i);

		if (message_get_string(entry, "source", &source) && strcmp(source, "cups") == 0 &&
			message_get_string(entry, "id", &other) && strcmp(other, id) == 0 &&
			message_get_string(entry, "why", &why))
			return why;
	}
	return NULL;
}

static void add_job(struct closing *closing, const char *source, const char *id, const char *why)
{
	struct json_object *list = closing->closure.not_retired, *entry;

	if (json_object_array_length(list) >= LISTED_MAX) {
		closing->unlisted++;
		return;
	}
	entry = json_object_new_object();
	fields_add_string(entry, "source", source);
	fields_add_string(entry, "id", id);
	fields_add_string(entry, "why", why);
	json_object_array_add(list, entry);
}

static struct json_object *ask_waiting(const struct closing *closing)
{
	const struct closing_request *request = closing->request;

	return request->waiting ? request->waiting(request->context) : NULL;
}

/* list: what is left is listed; else those that are under way are counted. */
static void judge_cups_job(struct closing *closing, const struct cups_job *job,
	struct json_object *waiting, bool list, uint64_t *busy)
{
	bool finished = cups_job_is_finished(job);
	const char *why;
	char id[16];

	if (finished && !job->is_preserved)
		return;
	snprintf(id, sizeof(id), "%d", job->id);
	why = why_kept(waiting, id);
	if (!list) {
		*busy += job->state == CUPS_JOB_PROCESSING || (finished && !why);
		return;
	}
	if (!why)
		why = finished ? "it has ended, and its files were not retired in time"
		      : job->state == CUPS_JOB_PROCESSING ? "it was still being printed"
		      : job->state == CUPS_JOB_HELD	  ? "it is held, and was not printed"
							  : "it waits to be printed";
	add_job(closing, "cups", id, why);
}

static int look_at_cups(
	struct closing *closing, bool list, uint64_t *busy, struct problem *reterr_problem)
{
	struct json_object *waiting;
	struct cups_job_list jobs;
	int r = 0;

	if (!closing->cups)
		r = cups_server_new(closing->config->cups_server, CUPS_SERVER_TIMEOUT_MS,
			&closing->cups, reterr_problem);
	if (r >= 0)
		r = cups_server_list_jobs(closing->cups, CUPS_JOBS_ALL, &jobs, reterr_problem);
	if (r < 0)
		return r;
	waiting = ask_waiting(closing);
	for (size_t i = 0; i < jobs.count; i++)
		judge_cups_job(closing, &jobs.jobs[i], waiting, list, busy);
	json_object_put(waiting);
	cups_job_list_done(&jobs);
	return 0;
}

static bool is_stopping(const struct closing *closing)
{
	return state_get(closing->supervisor->state) == STATE_STOPPED;
}

static int tell(const struct closing *closing, uint64_t busy, struct problem *reterr_problem)
{
	char what[64];
	const struct progress progress = {what, 0, 0};

	snprintf(what, sizeof(what), "jobs to be retired: %" PRIu64, busy);
	if (!progress_report(closing->sink, &progress) && !is_stopping(closing))
		return 0;
	return problem_set(reterr_problem, -ECANCELED,
		"closing volume %s was interrupted; its intake stays held, and the same call goes "
		"on",
		closing->volume->name);
}

/* Nothing is retired while nothing may be claimed, and nothing comes of waiting then. */
static bool may_retire(const struct closing *closing)
{
	return closing->supervisor->ledger && keeper_state(closing->keeper) == KEEPER_OPEN &&
	       (state_may_claim(closing->supervisor->state) ||
		       closing->config->on_failure != CONFIG_HOLD);
}

static int wait_for_jobs(struct closing *closing, struct problem *reterr_problem)
{
	uint64_t end_ns = clock_monotonic_ns() + closing->request->wait_s * UINT64_C(1000000000);
	struct problem unsaid;
	bool settled = !closing->has_cups || !closing->supervisor->policy;
	uint64_t busy = 1;
	int r = 0;

	while (r >= 0 && busy > 0) {
		/* What is listed as idle is idle for good only once queues stand still. */
		if (!settled)
			settled = policy_settle(closing->supervisor->policy, LOOK_MS) == 0;
		busy = !settled;
		if (closing->has_cups && look_at_cups(closing, false, &busy, &unsaid) < 0)
			settled = true; /* nobody prints */
		if (closing->supervisor->ledger && closing->closure.uuid[0])
			r = look_at_ledger(closing, &busy, reterr_problem);
		if (r >= 0)
			r = tell(closing, busy, reterr_problem);
		if (!may_retire(closing) || clock_monotonic_ns() >= end_ns)
			break;
		if (r >= 0 && busy > 0)
			usleep(LOOK_MS * 1000);
	}
	return r;
}

/* --- the account --- */

static void judge_job(struct closing *closing, uint64_t number)
{
	struct ledger_job job;
	bool claims = true;

	/* The ledger forgets none but those that are retired. */
	if (ledger_get(closing->supervisor->ledger, number, &job) < 0) {
		closing->closure.retired++;
		return;
	}
	if (job.state == LEDGER_RETIRED && job.receipt) {
		(void)message_get_bool(job.receipt, "claims", &claims);
		if (claims)
			closing->closure.retired++;
		else
			add_job(closing, job.source, job.id, "it was retired without a claim");
	} else {
		add_job(closing, job.source, job.id,
			job.why[0]		      ? job.why
			: job.state == LEDGER_RETIRED ? "it was retired without a receipt"
						      : ledger_state_text(job.state));
	}
	ledger_job_done(&job);
}

static void take_account(struct closing *closing)
{
	struct json_object *jobs = closing->closure.jobs;
	struct problem problem = {""};
	char why[96];
	int r;

	json_object_put(closing->closure.not_retired);
	closing->closure.not_retired = json_object_new_array();
	closing->closure.retired = 0;
	json_object_object_foreach(jobs, number, unused)
	{
		(void)unused;
		if (closing->supervisor->ledger)
			judge_job(closing, strtoull(number, NULL, 10));
	}
	if (!closing->supervisor->ledger)
		add_job(closing, "ledger", "*", "the ledger cannot be read: which is not known");
	r = closing->has_cups ? look_at_cups(closing, true, NULL, &problem) : 0;
	if (r < 0)
		add_job(closing, "cups", "*", "CUPS did not list its jobs: which is not known");
	if (closing->unlisted > 0) {
		struct json_object *entry = json_object_new_object();

		snprintf(why, sizeof(why), "%" PRIu64 " more are not listed", closing->unlisted);
		fields_add_string(entry, "source", "*");
		fields_add_string(entry, "id", "*");
		fields_add_string(entry, "why", why);
		json_object_array_add(closing->closure.not_retired, entry);
	}
}

/* --- the steps --- */

static int check_confirmed(const struct closing_request *request, struct problem *reterr_problem)
{
	if (request->confirm &&
		(strcmp(request->confirm, request->volume) == 0 ||
			(request->uuid[0] && strcmp(request->confirm, request->uuid) == 0)))
		return 0;
	return problem_set(reterr_problem, -EINVAL,
		"nothing was touched: confirm with the volume's name or UUID (%s%s%s)",
		request->volume, request->uuid[0] ? ", " : "", request->uuid);
}

/* One that is there is gone on with; of another volume at the same name it is replaced. */
static int load(struct closing *closing, bool *ret_new, struct problem *reterr_problem)
{
	const struct closing_request *request = closing->request;
	int r = closure_load(state_directory(closing), closing->volume->name, &closing->closure);

	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return problem_set(reterr_problem, r, "%s/closure.%s cannot be read (%s)",
			state_directory(closing), closing->volume->name, strerror(-r));
	if (r >= 0 && request->uuid[0] && closing->closure.uuid[0] &&
		strcmp(request->uuid, closing->closure.uuid) != 0) {
		closure_done(&closing->closure);
		r = -ENOENT;
	}
	*ret_new = r < 0;
	if (r < 0) {
		closing->closure.state = CLOSURE_CLOSING;
		closing->closure.began_wall_s = clock_wall_s();
		closing->closure.jobs = json_object_new_object();
		closing->closure.not_retired = json_object_new_array();
		snprintf(closing->closure.medium, sizeof(closing->closure.medium), "%s",
			closing->volume->medium);
	}
	if (!closing->closure.uuid[0])
		snprintf(closing->closure.uuid, sizeof(closing->closure.uuid), "%s", request->uuid);
	return 0;
}

/* C1 */
static int begin(struct closing *closing, struct problem *reterr_problem)
{
	bool is_new = false;
	uint64_t unused = 0;
	int r;

	r = load(closing, &is_new, reterr_problem);
	if (r < 0 || closing->closure.state == CLOSURE_CLOSED)
		return r;
	/* With the jobs that there are now: what is retired from here on is counted. */
	if (!closing->closure.looked && closing->supervisor->ledger && closing->closure.uuid[0])
		r = look_at_ledger(closing, &unused, reterr_problem);
	else
		r = save(closing, reterr_problem);
	if (r < 0)
		return r;
	r = note(closing, "begun", is_new ? NULL : "it goes on where it was interrupted");
	if (r >= 0)
		return 0;
	if (is_new && closure_remove(state_directory(closing), closing->volume->name) < 0)
		(void)0; /* then its intake is held until it is asked for again */
	return problem_set(reterr_problem, r,
		"nothing was touched: the audit log does not take the record that volume %s is "
		"closed (%s); \"spoolguard status\" says what to do",
		closing->volume->name, strerror(-r));
}

static int retire_jobs(struct closing *closing, struct problem *reterr_problem)
{
	int r = wait_for_jobs(closing, reterr_problem);

	if (r < 0)
		return r;
	take_account(closing);
	closing->closure.state = CLOSURE_CLOSED;
	return save(closing, reterr_problem);
}

static int detach(struct closing *closing, struct problem *reterr_problem)
{
	struct problem problem = {""};
	int r;

	r = keeper_close_for_good(closing->keeper, closing->closure.uuid, &problem);
	if (r < 0) {
		if (note(closing, "failure", problem_text(&problem, r)) < 0)
			(void)0; /* who asked is told */
		return problem_set(reterr_problem, r,
			"volume %s takes no job any more, and cannot be detached yet: %.400s; ask "
			"again",
			closing->volume->name, problem_text(&problem, r));
	}
	supervisor_tell_keys(closing->supervisor);
	r = note(closing, "success", NULL);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"volume %s is closed, and the audit log does not take the record of it "
			"(%s); ask again",
			closing->volume->name, strerror(-r));
	return 0;
}

static int run(struct closing *closing, struct problem *reterr_problem)
{
	int r = begin(closing, reterr_problem);

	if (r < 0)
		return r;
	closing_judge_intake(closing->supervisor);
	if (closing->closure.state == CLOSURE_CLOSING)
		r = retire_jobs(closing, reterr_problem);
	if (r >= 0)
		r = detach(closing, reterr_problem);
	return r;
}

static struct json_object *result_of(const struct closing *closing)
{
	struct json_object *out = json_object_new_object();

	fields_add_string(out, "volume", closing->volume->name);
	fields_add_string(out, "uuid", closing->closure.uuid);
	fields_add_u64(out, "jobs_retired", closing->closure.retired);
	json_object_object_add(
		out, "jobs_not_retired", json_object_get(closing->closure.not_retired));
	fields_add_bool(out, "detached", true);
	return out;
}

int closing_run(struct supervisor *supervisor, const struct closing_request *request,
	const struct progress_sink *sink, struct json_object **ret_result,
	struct problem *reterr_problem)
{
	struct closing closing = {
		.supervisor = supervisor,
		.request = request,
		.config = supervisor->config,
		.keeper = supervisor_find_keeper(supervisor, request->volume),
		.sink = sink,
	};
	int r = check_confirmed(request, reterr_problem);

	if (r < 0)
		return r;
	if (!closing.keeper)
		return problem_set(
			reterr_problem, -EINVAL, "there is no volume \"%.60s\"", request->volume);
	closing.volume = keeper_volume(closing.keeper);
	closing.has_cups = has_spool(supervisor, request->volume);
	r = wipe_exclude(supervisor, reterr_problem);
	if (r < 0)
		return r;
	r = run(&closing, reterr_problem);
	wipe_allow();
	if (r >= 0)
		*ret_result = result_of(&closing);
	closure_done(&closing.closure);
	cups_server_free(closing.cups);
	return r;
}

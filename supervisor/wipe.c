/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/wipe.h"
#include "attached/sweep_volume.h"
#include "attached/volumes.h"
#include "blockdev/blockdev.h"
#include "overwrite/scheme.h"
#include "supervisor/closure.h"
#include "supervisor/wipe_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAVE_AGAIN_MS 1000u
#define REASON_KEY    "wipe"

/* One at a time: there is one record. */
static atomic_flag under_way = ATOMIC_FLAG_INIT;

/* --- what its parts ask --- */

bool wipe_is_stopping(const struct wipe *wipe)
{
	return state_get(wipe->supervisor->state) == STATE_STOPPED;
}

int wipe_progress(struct wipe *wipe, const char *what, uint64_t done_bytes, uint64_t total_bytes)
{
	const struct progress progress = {what, done_bytes, total_bytes};

	if (progress_report(wipe->sink, &progress))
		(void)0; /* W2 */
	return wipe_is_stopping(wipe) ? -ECANCELED : 0;
}

int wipe_save(struct wipe *wipe)
{
	int r;

	while ((r = wipe_record_save(wipe->config->state_directory, &wipe->record)) < 0) {
		if (wipe_is_stopping(wipe))
			return -ECANCELED;
		state_raise(wipe->supervisor->state, STATE_ATTENTION, REASON_KEY,
			"the wipe of volume %s waits: its record cannot be written to %s (%s)",
			wipe->record.volume, wipe->config->state_directory, strerror(-r));
		usleep(SAVE_AGAIN_MS * 1000);
	}
	state_clear(wipe->supervisor->state, REASON_KEY);
	return 0;
}

int wipe_look(struct wipe *wipe, struct problem *reterr_problem)
{
	struct stat device, mounted;

	if (keeper_runtime(wipe->keeper, &wipe->runtime) < 0)
		return problem_set(reterr_problem, -ENOTCONN,
			"volume %s is not open (it is %s); attach it first", wipe->volume->name,
			keeper_state_text(keeper_state(wipe->keeper)));
	if (wipe->runtime.read_only)
		return problem_set(reterr_problem, -EROFS,
			"volume %s is attached read-only; attach it for writing",
			wipe->volume->name);
	if (!wipe->runtime.mount[0] || stat(wipe->runtime.device, &device) < 0 ||
		stat(wipe->runtime.mount, &mounted) < 0 || device.st_rdev != mounted.st_dev)
		return problem_set(reterr_problem, -ENOTCONN,
			"volume %s is not what is mounted at its place (%s); detach it, and attach "
			"it again",
			wipe->volume->name,
			wipe->runtime.mount[0] ? wipe->runtime.mount : "nowhere");
	wipe->device = mounted.st_dev;
	return 0;
}

/* --- its life --- */

static struct wipe *wipe_new(struct supervisor *supervisor, const char *volume,
	const struct progress_sink *sink, struct problem *reterr_problem)
{
	struct keeper *keeper = supervisor_find_keeper(supervisor, volume);
	struct wipe *wipe = keeper ? calloc(1, sizeof(*wipe)) : NULL;

	if (!keeper)
		problem_set(reterr_problem, -EINVAL, "there is no volume \"%.60s\"", volume);
	if (!wipe)
		return NULL;
	wipe->supervisor = supervisor;
	wipe->config = supervisor->config;
	wipe->keeper = keeper;
	wipe->volume = keeper_volume(keeper);
	wipe->has_cups = config_has_cups_spool(wipe->config, wipe->volume);
	wipe->passphrase_fd = -1;
	wipe->sink = sink;
	/* Ours: a reload may change it meanwhile. */
	snprintf(wipe->queue, sizeof(wipe->queue), "%s", wipe->config->confirmation_queue);
	return wipe;
}

static void wipe_free(struct wipe *wipe)
{
	if (!wipe)
		return;
	wipe_intake_close(wipe);
	io_closep(&wipe->passphrase_fd);
	wipe_record_done(&wipe->record);
	json_object_put(wipe->directories);
	json_object_put(wipe->retained);
	free(wipe);
}
DEFINE_CLEANUP(struct wipe *, wipe_free)

/* --- what the audit log is told --- */

static struct json_object *event_data(const struct wipe *wipe)
{
	struct json_object *data = events_data(
		"name", wipe->volume->name, "mode", wipe->record.full ? "full" : "standard", NULL);

	if (wipe->record.resumed > 0)
		fields_add_u64(data, "resumed", wipe->record.resumed);
	return data;
}

static struct audit_event event_of(
	const struct wipe *wipe, const char *outcome, const char *detail, struct json_object *data)
{
	return (struct audit_event){
		.event = "wipe",
		.role = wipe->record.role[0] ? wipe->record.role : NULL,
		.uid = wipe->record.uid,
		.volume = wipe->runtime.uuid,
		.outcome = outcome,
		.detail = detail,
		.data = data,
	};
}

static void note_progress(struct wipe *wipe, const char *outcome, const char *detail)
{
	struct json_object *data = event_data(wipe);
	const struct audit_event event = event_of(wipe, outcome, detail, data);

	fields_add_string(data, "step", wipe_record_step_text(wipe->record.step));
	events_add(wipe->supervisor->events, &event);
	json_object_put(data);
}

/* Durable before anything dies. */
static int note_begun(struct wipe *wipe)
{
	struct json_object *data = event_data(wipe);
	const struct audit_event event =
		event_of(wipe, "begun", wipe->record.scheduled ? "on schedule" : NULL, data);
	int r;

	fields_add_u64(data, "jobs", wipe->record.job_count);
	fields_add_u64(data, "files", wipe->plan_files);
	r = events_add_committed(wipe->supervisor->events, &event, 1, NULL);
	json_object_put(data);
	return r;
}

/* Durable before anybody is told. */
static int note_ended(struct wipe *wipe)
{
	const struct wipe_record *record = &wipe->record;
	const struct wipe_numbers *numbers = &record->numbers;
	struct json_object *data = event_data(wipe);
	const struct audit_event event = event_of(wipe, record->fault_count ? "failure" : "success",
		record->fault_count ? record->faults[0] : NULL, data);
	int r;

	fields_add_u64(data, "jobs", record->job_count);
	fields_add_u64(data, "files", numbers->files);
	fields_add_u64(data, "requested", numbers->blocks.requested_blocks);
	fields_add_u64(data, "written", numbers->blocks.written_blocks);
	fields_add_u64(data, "durable", numbers->blocks.durable_blocks);
	fields_add_u64(data, "verified", numbers->blocks.verified_blocks);
	fields_add_u64(data, "freed", numbers->freed_blocks);
	fields_add_u64(data, "owed", numbers->owed_blocks);
	r = events_add_committed(wipe->supervisor->events, &event, 1, NULL);
	json_object_put(data);
	return r;
}

/* --- numbers of the volume --- */

static int take_status(struct wipe *wipe, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct json_object *status;
	int r;

	r = volumes_connect(&wipe->runtime, &client, reterr_problem);
	if (r >= 0)
		r = volumes_check_managed(&wipe->runtime, client, "a wipe", reterr_problem);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		return r;
	wipe->process = volumes_status_u64(status, "process");
	wipe->erased_before = volumes_status_u64(status, "erased_blocks");
	snprintf(wipe->scheme, sizeof(wipe->scheme), "%s", volumes_status_string(status, "scheme"));
	snprintf(wipe->verify, sizeof(wipe->verify), "%s", volumes_status_string(status, "verify"));
	volumes_assess_medium(&wipe->runtime, status, wipe->medium, NULL);
	json_object_put(status);
	return 0;
}

/* Of a medium that was made anew: what was owed, and what of it is left.  The map calls no block
 * clean that has not had every pass, durable, and been read back as the volume does that (M4). */
static void count_medium(struct wipe *wipe, uint64_t erased, uint64_t stuck)
{
	struct retirement *blocks = &wipe->record.numbers.blocks;
	const struct scheme *scheme = scheme_find(wipe->scheme);
	uint64_t left = wipe->record.numbers.owed_blocks + stuck;

	if (blocks->requested_blocks == 0) /* it was made before an interruption */
		blocks->requested_blocks = erased + left;
	blocks->refused_blocks = stuck;
	blocks->written_blocks =
		blocks->requested_blocks > left ? blocks->requested_blocks - left : 0;
	blocks->durable_blocks = blocks->written_blocks;
	blocks->verified_blocks = strcmp(wipe->verify, "full") == 0 ? blocks->written_blocks : 0;
	blocks->passes = scheme ? scheme->pass_count : 0;
	if (blocks->verified_blocks == 0)
		wipe_record_add_note(
			&wipe->record, "blocks were not all read back (verify = %s)", wipe->verify);
}

static void count(struct wipe *wipe, const struct sweep_report *report)
{
	struct wipe_numbers *numbers = &wipe->record.numbers;
	struct json_object *status = report->status;
	uint64_t erased = volumes_status_u64(status, "erased_blocks");

	if (volumes_status_u64(status, "process") == wipe->process && erased >= wipe->erased_before)
		erased -= wipe->erased_before;
	numbers->epoch = report->barrier.epoch;
	numbers->owed_blocks =
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect");
	if (wipe->record.full)
		count_medium(wipe, erased, volumes_status_u64(status, "stuck"));
	else
		numbers->freed_blocks = erased > numbers->blocks.written_blocks
						? erased - numbers->blocks.written_blocks
						: 0;
	if (report->fault)
		wipe_record_add_fault(&wipe->record, "%s", report->fault);
	if (report->barrier.led && report->barrier.free_space.unreached_blocks > 0)
		wipe_record_add_note(&wipe->record,
			"%" PRIu64 " free blocks are held back by the file system, and get their "
			"passes later",
			report->barrier.free_space.unreached_blocks);
}

static bool on_sweep(void *context, const struct progress *progress)
{
	return wipe_progress(context, "overwriting", progress->done_bytes, progress->total_bytes) <
	       0;
}

int wipe_settle(struct wipe *wipe, struct problem *reterr_problem)
{
	const struct progress_sink sink = {on_sweep, wipe};
	struct sweep_report report;
	int r;

	r = sweep_volume(&wipe->runtime, &sink, &report, reterr_problem);
	if (r < 0)
		return r;
	count(wipe, &report);
	sweep_report_done(&report);
	wipe->record.ended_wall_s = clock_wall_s();
	return 0;
}

/* --- the steps --- */

static int step_planned(struct wipe *wipe, struct problem *reterr_problem)
{
	(void)wipe, (void)reterr_problem;
	return 0;
}

static int step_intake(struct wipe *wipe, struct problem *reterr_problem)
{
	int r = 0;

	/* After an interruption the jobs stay those that were listed. */
	if (wipe->record.listed_wall_ns == 0) {
		r = wipe_intake_list(wipe, reterr_problem);
		if (r < 0)
			wipe_record_add_note(&wipe->record,
				"CUPS did not list its jobs (%s): they die with their files",
				strerror(-r));
		r = wipe_save(wipe);
	}
	if (r < 0)
		return r;
	wipe_account_begin(wipe);
	return wipe_intake_cancel(wipe);
}

static int erase_full(struct wipe *wipe, struct problem *reterr_problem)
{
	int r = 0;

	if (wipe->record.place_count == 0 && strcmp(wipe->runtime.uuid, wipe->record.uuid) == 0) {
		r = wipe_full_note_places(wipe, reterr_problem);
		if (r >= 0)
			r = wipe_save(wipe);
	}
	if (r < 0)
		return r;
	wipe_intake_purge(wipe);
	return wipe_full_renew(wipe, reterr_problem);
}

static int step_erase(struct wipe *wipe, struct problem *reterr_problem)
{
	if (wipe->record.full)
		return erase_full(wipe, reterr_problem);
	return wipe_standard(wipe, reterr_problem);
}

static int step_settle(struct wipe *wipe, struct problem *reterr_problem)
{
	int r;

	if (wipe->record.full) {
		r = wipe_full_make_places(wipe, reterr_problem);
		if (r < 0)
			return r;
		wipe_intake_reopen(wipe);
		wipe_intake_hold(wipe);
		wipe->erased_before = 0; /* another process serves what is new */
		r = take_status(wipe, reterr_problem);
		if (r < 0)
			return r;
		wipe->erased_before = 0;
	}
	return wipe_settle(wipe, reterr_problem);
}

static int step_account(struct wipe *wipe, struct problem *reterr_problem)
{
	(void)reterr_problem;
	wipe_account_end(wipe);
	return 0;
}

static int step_sheet(struct wipe *wipe, struct problem *reterr_problem)
{
	(void)reterr_problem;
	wipe_intake_release(wipe);
	state_set_wiping(wipe->supervisor->state, false);
	if (wipe->sheet_owed)
		wipe_intake_wait(wipe);
	wipe_sheet(wipe);
	return wipe_is_stopping(wipe) && !wipe->sheet_state[0] && wipe->sheet_owed ? -ECANCELED : 0;
}

static int (*const steps[WIPE_STEPS])(struct wipe *wipe, struct problem *reterr_problem) = {
	[WIPE_PLANNED] = step_planned,
	[WIPE_INTAKE] = step_intake,
	[WIPE_ERASE] = step_erase,
	[WIPE_SETTLE] = step_settle,
	[WIPE_ACCOUNT] = step_account,
	[WIPE_SHEET] = step_sheet,
};

/* W1 */
static int run_steps(struct wipe *wipe, struct problem *reterr_problem)
{
	int r = 0;

	if (wipe->record.step < WIPE_SHEET) {
		state_set_wiping(wipe->supervisor->state, true);
		wipe_intake_hold(wipe);
	}
	for (int step = (int)wipe->record.step; step < WIPE_STEPS && r >= 0; step++) {
		const char *text = wipe_record_step_text((enum wipe_step)step);

		wipe->record.step = (enum wipe_step)step;
		r = wipe_save(wipe);
		if (r >= 0)
			r = wipe_progress(wipe, text, 0, 0);
		if (r < 0)
			break;
		note_progress(wipe, "progress", NULL);
		r = steps[step](wipe, reterr_problem);
	}
	return r;
}

/* --- its end --- */

static void say_result(struct wipe *wipe)
{
	const struct wipe_record *record = &wipe->record;
	const char *name = wipe->volume->name;
	char key[64];

	snprintf(key, sizeof(key), "wiped:%s", name);
	if (record->fault_count == 0)
		state_clear(wipe->supervisor->state, key);
	else
		state_raise(wipe->supervisor->state, STATE_ATTENTION, key,
			"the last wipe of volume %s failed: %s; wipe it again", name,
			record->faults[0]);
}

/* A record that cannot be removed says that only the sheet was left: nothing is wiped by it. */
static void end(struct wipe *wipe)
{
	const char *directory = wipe->config->state_directory;
	struct json_object *report;

	if (note_ended(wipe) < 0)
		wipe_record_add_note(
			&wipe->record, "the audit log could not take the record of its end");
	report = wipe_report_for_disk(wipe);
	if (wipe_record_save_last(
		    directory, wipe->volume->name, wipe->record.began_wall_s, report) < 0)
		events_note_fault(wipe->supervisor->events, "wipe", wipe->runtime.uuid,
			"when it was last wiped could not be recorded");
	json_object_put(report);
	if (wipe_record_remove(directory) < 0)
		events_note_fault(wipe->supervisor->events, "wipe", wipe->runtime.uuid,
			"the record of the wipe could not be removed");
	say_result(wipe);
}

/* It is not over: nothing of the spool is given back before it is. */
static int say_interrupted(
	struct wipe *wipe, int error, struct problem *problem, struct problem *reterr_problem)
{
	bool stopping = wipe_is_stopping(wipe);
	const char *why = stopping ? "the service is stopping" : problem_text(problem, error);
	char detail[600];

	snprintf(detail, sizeof(detail), "interrupted: %.500s; it goes on by itself", why);
	note_progress(wipe, stopping ? "progress" : "failure", detail);
	if (!stopping)
		state_raise(wipe->supervisor->state, STATE_ATTENTION, REASON_KEY,
			"the wipe of volume %s is not finished: %s", wipe->volume->name, why);
	return problem_set(reterr_problem, stopping ? -ECANCELED : error,
		"the wipe of volume %s was interrupted: %.500s; it goes on by itself",
		wipe->volume->name, why);
}

static int go_on(struct wipe *wipe, struct problem *reterr_problem)
{
	struct problem problem = {""};
	int r = take_status(wipe, &problem);

	if (r >= 0)
		r = run_steps(wipe, &problem);
	if (r < 0)
		return say_interrupted(wipe, r, &problem, reterr_problem);
	state_clear(wipe->supervisor->state, REASON_KEY);
	end(wipe);
	return 0;
}

/* --- may it begin? --- */

static int check_state(struct wipe *wipe, struct problem *reterr_problem)
{
	struct state *state = wipe->supervisor->state;
	char why[80];

	if (state_get(state) == STATE_STOPPED)
		return problem_set(reterr_problem, -EAGAIN, "the service is stopping");
	if (!state_may_claim(state))
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"nothing was touched: %s, so that what a wipe says could not be relied on "
			"(\"spoolguard status\")",
			state_get(state) == STATE_SELF_TEST
				? "the self-tests have not run yet"
				: state_why_no_claim(state, why, sizeof(why)));
	return 0;
}

static int check_key(const struct wipe *wipe, struct problem *reterr_problem)
{
	const struct config_volume *volume = wipe->volume;

	if (!wipe->record.full || wipe->passphrase_fd >= 0)
		return 0;
	if (volume->unlock == CONFIG_UNLOCK_ASK)
		return problem_set(reterr_problem, -ENOKEY,
			"volume %s is opened by an administrator alone (unlock = ask), and a full "
			"wipe opens it anew: an administrator gives its passphrase "
			"(--passphrase-file)",
			volume->name);
	if (volume->unlock == CONFIG_UNLOCK_KEY_FILE && access(volume->key_file, R_OK) < 0)
		return problem_set(reterr_problem, -ENOKEY,
			"the key file of volume %s, %s, cannot be read (%s), and a full wipe opens "
			"the volume anew",
			volume->name, volume->key_file, strerror(errno));
	return 0;
}

static int check_confirmed(const struct wipe_request *request, struct problem *reterr_problem)
{
	if (request->dry_run ||
		(request->confirm && strcmp(request->confirm, request->volume) == 0))
		return 0;
	return problem_set(reterr_problem, -EINVAL,
		"nothing was touched: confirm with the volume's name (--confirm %.60s); --dry-run "
		"shows what would die",
		request->volume);
}

/* An interrupted full wipe that lacks its passphrase, and here it comes. */
static bool takes_over(const struct wipe *wipe, const struct wipe_record *record)
{
	return wipe->passphrase_fd >= 0 && wipe->record.full && record->full &&
	       record->step <= WIPE_ERASE && strcmp(record->volume, wipe->record.volume) == 0;
}

/* ret_taken: the record is that of an earlier one, to be finished. */
static int check_alone(struct wipe *wipe, bool *ret_taken, struct problem *reterr_problem)
{
	_cleanup_free_ struct wipe_record *record = calloc(1, sizeof(*record));
	int r = record ? wipe_record_load(wipe->config->state_directory, record) : -ENOMEM;

	if (r == -ENOMEM)
		return r;
	if (r < 0) /* one that cannot be read is replaced by ours */
		return 0;
	*ret_taken = takes_over(wipe, record);
	if (*ret_taken) {
		wipe->record = *record;
		return 0;
	}
	r = problem_set(reterr_problem, -EBUSY,
		"a wipe of volume %s is under way, or was interrupted and goes on when the volume "
		"is open",
		record->volume);
	wipe_record_done(record);
	return r;
}

/* closure.h */
static int check_closure(const struct wipe *wipe, struct problem *reterr_problem)
{
	enum closure_state state = closure_state(wipe->config->state_directory, wipe->volume->name);

	if (state == CLOSURE_NONE)
		return 0;
	return problem_set(reterr_problem, -EOPNOTSUPP, "nothing was touched: volume %s %s",
		wipe->volume->name,
		state == CLOSURE_CLOSING ? "is being decommissioned" : "was decommissioned");
}

static int prepare(struct wipe *wipe, struct problem *reterr_problem)
{
	int r;

	r = check_closure(wipe, reterr_problem);
	if (r >= 0)
		r = check_state(wipe, reterr_problem);
	if (r >= 0)
		r = wipe_look(wipe, reterr_problem);
	if (r >= 0)
		r = take_status(wipe, reterr_problem);
	if (r >= 0)
		r = check_key(wipe, reterr_problem);
	if (r >= 0)
		r = wipe_intake_check(wipe, reterr_problem);
	if (r >= 0)
		r = wipe_intake_list(wipe, reterr_problem);
	if (r >= 0)
		r = wipe_plan(wipe, reterr_problem);
	return r;
}

static int begin(struct wipe *wipe, struct problem *reterr_problem)
{
	const char *directory = wipe->config->state_directory;
	int r;

	wipe->record.listed_wall_ns = 0; /* listed anew when intake stands still */
	r = wipe_record_save(directory, &wipe->record);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"nothing was touched: what is done cannot be recorded in %s (%s)",
			directory, strerror(-r));
	r = note_begun(wipe);
	if (r >= 0)
		return 0;
	if (wipe_record_remove(directory) < 0)
		(void)0; /* then it goes on once the log does */
	return problem_set(reterr_problem, r,
		"nothing was touched: the audit log does not take the record that it begins (%s); "
		"\"spoolguard status\" says what to do",
		strerror(-r));
}

static void take_request(struct wipe *wipe, const struct wipe_request *request)
{
	struct wipe_record *record = &wipe->record;

	snprintf(record->volume, sizeof(record->volume), "%s", wipe->volume->name);
	snprintf(record->role, sizeof(record->role), "%s", request->role ? request->role : "");
	record->full = request->full;
	record->scheduled = request->scheduled;
	record->uid = request->uid;
	record->began_wall_s = clock_wall_s();
	wipe->passphrase_fd = request->passphrase_fd;
}

/* With the record of one that was interrupted. */
static int go_again(struct wipe *wipe, struct problem *reterr_problem)
{
	int r;

	r = check_state(wipe, reterr_problem);
	if (r >= 0)
		r = wipe_look(wipe, reterr_problem);
	if (r < 0)
		return r;
	wipe->record.resumed++;
	wipe_record_add_note(&wipe->record,
		"it was interrupted: the numbers are those of steps that "
		"came to their end, and of what was done since");
	wipe->sheet_owed = wipe->queue[0] != '\0';
	note_progress(wipe, "progress", "it goes on where it was interrupted");
	return go_on(wipe, reterr_problem);
}

static int run(struct wipe *wipe, bool dry_run, struct problem *reterr_problem)
{
	bool taken = false;
	int r;

	r = dry_run ? 0 : check_alone(wipe, &taken, reterr_problem);
	if (r >= 0 && taken)
		return go_again(wipe, reterr_problem);
	if (r >= 0)
		r = prepare(wipe, reterr_problem);
	if (r < 0)
		return r;
	strcpy(wipe->record.uuid, wipe->runtime.uuid);
	if (dry_run)
		return 0;
	r = begin(wipe, reterr_problem);
	return r < 0 ? r : go_on(wipe, reterr_problem);
}

int wipe_run(struct supervisor *supervisor, const struct wipe_request *request,
	const struct progress_sink *progress, struct json_object **ret_report,
	struct problem *reterr_problem)
{
	_cleanup_(wipe_freep) struct wipe *wipe = NULL;
	_cleanup_close_ int passphrase_fd = request->passphrase_fd;
	int r;

	wipe = wipe_new(supervisor, request->volume, progress, reterr_problem);
	if (!wipe)
		return supervisor_find_keeper(supervisor, request->volume) ? -ENOMEM : -EINVAL;
	take_request(wipe, request);
	passphrase_fd = -1; /* the wipe's now */
	r = check_confirmed(request, reterr_problem);
	if (r < 0)
		return r;
	if (!request->dry_run && atomic_flag_test_and_set(&under_way))
		return problem_set(reterr_problem, -EBUSY,
			"another wipe is under way, or a volume is being "
			"decommissioned");
	r = run(wipe, request->dry_run, reterr_problem);
	if (!request->dry_run)
		atomic_flag_clear(&under_way);
	if (r < 0)
		return r;
	*ret_report = wipe_report(wipe, request->dry_run);
	return 0;
}

/* --- after an interruption --- */

int wipe_exclude(struct supervisor *supervisor, struct problem *reterr_problem)
{
	if (atomic_flag_test_and_set(&under_way))
		return problem_set(reterr_problem, -EBUSY,
			"a wipe is under way, or another volume is being decommissioned");
	if (!wipe_is_pending(supervisor, NULL))
		return 0;
	atomic_flag_clear(&under_way);
	return problem_set(reterr_problem, -EBUSY,
		"a wipe was interrupted, and has to come to its end first; \"spoolguard status\" "
		"says what it waits for");
}

void wipe_allow(void)
{
	atomic_flag_clear(&under_way);
}

bool wipe_is_pending(struct supervisor *supervisor, char *ret_volume)
{
	struct wipe_record record;
	int r = wipe_record_load(supervisor->config->state_directory, &record);

	if (r >= 0)
		wipe_record_done(&record);
	if (ret_volume)
		strcpy(ret_volume, r < 0 ? "" : record.volume);
	return r >= 0 || r == -EBADMSG;
}

void wipe_stand_still(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	char volume[CONFIG_NAME_BYTES];
	bool has_cups = false;

	if (!wipe_is_pending(supervisor, volume) || volume[0] == '\0')
		return;
	for (size_t i = 0; i < config->volume_count; i++)
		has_cups = has_cups || (strcmp(config->volumes[i].name, volume) == 0 &&
					       config_has_cups_spool(config, &config->volumes[i]));
	state_set_wiping(supervisor->state, true);
	wipe_intake_stand_still(supervisor, has_cups);
}

static int resume(struct supervisor *supervisor, const struct progress_sink *progress,
	struct problem *problem)
{
	_cleanup_(wipe_freep) struct wipe *wipe = NULL;
	struct wipe_record *record = calloc(1, sizeof(*record));
	int r = record ? wipe_record_load(supervisor->config->state_directory, record) : -ENOMEM;

	if (r == -EBADMSG)
		state_raise(supervisor->state, STATE_ATTENTION, REASON_KEY,
			"%s/wipe cannot be read: a wipe was under way, of which volume is not "
			"known; wipe each of them again",
			supervisor->config->state_directory);
	if (r >= 0) {
		wipe = wipe_new(supervisor, record->volume, progress, problem);
		r = wipe ? 0 : -EINVAL;
		if (!wipe)
			wipe_record_done(record);
		else
			wipe->record = *record;
	}
	free(record);
	if (r < 0)
		return r;
	return go_again(wipe, problem);
}

int wipe_resume(struct supervisor *supervisor, const struct progress_sink *progress,
	struct problem *reterr_problem)
{
	int r;

	if (atomic_flag_test_and_set(&under_way))
		return problem_set(reterr_problem, -EBUSY, "a wipe is under way");
	r = resume(supervisor, progress, reterr_problem);
	atomic_flag_clear(&under_way);
	return r;
}

/* --- on schedule --- */

/* A volume that was never wiped is counted from now: switching a schedule on wipes nothing. */
static bool is_due(struct supervisor *supervisor, const char *volume)
{
	const char *directory = supervisor->config->state_directory;
	int64_t last, now = clock_wall_s();
	int r = wipe_record_load_last(directory, volume, &last, NULL);

	if (r >= 0)
		return schedule_is_due(&supervisor->config->wipe, last, now);
	if ((r == -ENOENT || r == -EBADMSG) &&
		wipe_record_save_last(directory, volume, now, NULL) < 0)
		(void)0; /* the next time */
	return false;
}

static int run_scheduled(
	struct supervisor *supervisor, const char *volume, struct problem *reterr_problem)
{
	const struct wipe_request request = {
		.volume = volume,
		.full = supervisor->config->wipe_full,
		.confirm = volume,
		.scheduled = true,
		.uid = geteuid(),
		.passphrase_fd = -1,
	};
	struct json_object *report = NULL;
	int r = wipe_run(supervisor, &request, NULL, &report, reterr_problem);

	json_object_put(report);
	return r;
}

int wipe_tick(struct supervisor *supervisor, struct problem *reterr_problem)
{
	struct config *config = supervisor->config;
	int first = 0;

	if (config->wipe.kind == SCHEDULE_OFF || wipe_is_pending(supervisor, NULL))
		return 0;
	for (size_t i = 0; i < config->volume_count; i++) {
		const char *name = config->volumes[i].name;
		int r;

		if (closure_state(config->state_directory, name) != CLOSURE_NONE ||
			!is_due(supervisor, name))
			continue;
		r = run_scheduled(supervisor, name, first < 0 ? NULL : reterr_problem);
		first = first < 0 ? first : r;
		if (wipe_is_pending(supervisor, NULL)) /* that one first */
			break;
	}
	return first;
}

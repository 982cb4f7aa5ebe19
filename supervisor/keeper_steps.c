/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_steps.c - what a keeper's thread does: open, look after, notice, open again
 */
#include "attached/volume_status.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "ipc/fields.h"
#include "ipc/message.h"
#include "supervisor/closure.h"
#include "supervisor/keeper_impl.h"
#include "supervisor/unlock.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS	     2000  /* for what is not there yet, or was attached by hand */
#define STATUS_MS    10000 /* of an open volume */
#define RETRY_MS     2000  /* after the first failure; doubled with each */
#define RETRY_MS_MAX 60000

static const struct config_volume *volume_of(const struct keeper *keeper)
{
	return keeper->options.volume;
}

static void look_again(struct keeper *keeper, int ms)
{
	keeper->next_ns = clock_monotonic_ns() + (uint64_t)ms * 1000000u;
}

/* --- closed on purpose --- */

static int closed_path(const struct keeper *keeper, char path[static PATH_MAX])
{
	int n = snprintf(
		path, PATH_MAX, "%s/closed.%s", runtime_directory(), volume_of(keeper)->name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* A note that cannot be written is no loss but this: a restart of the service opens it again. */
static void remember_closed(const struct keeper *keeper, bool closed)
{
	char path[PATH_MAX];
	int fd;

	if (closed_path(keeper, path) < 0)
		return;
	if (!closed) {
		unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	io_closep(&fd);
}

static bool was_closed(const struct keeper *keeper)
{
	char path[PATH_MAX];

	return closed_path(keeper, path) >= 0 && access(path, F_OK) == 0;
}

static void note_key(
	struct keeper *keeper, const char *uuid, enum device_key_state state, const char *reason)
{
	if (keeper->options.key && uuid[0])
		keeper->options.key(keeper->options.context, uuid, state, reason);
}

/* A key that is to be used again is suspended, and not deactivated (SP 800-57 part 1, 7.3). */
static void close_on_purpose(struct keeper *keeper)
{
	note_key(keeper, keeper->runtime.uuid, DEVICE_KEY_SUSPENDED, "the volume is detached");
	remember_closed(keeper, true);
	keeper_set(keeper, KEEPER_CLOSED,
		"it was detached on purpose; \"spoolguard attach %s\" opens it again",
		volume_of(keeper)->name);
	look_again(keeper, LOOK_MS);
}

/* --- what changed since something failed? --- */

static struct keeper_mark mark(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct keeper_mark){.there = false};
	return (struct keeper_mark){true, st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool differs(const struct keeper_mark *before, const char *path)
{
	struct keeper_mark now = mark(path);

	return now.there != before->there || now.device != before->device ||
	       now.inode != before->inode || now.bytes != before->bytes ||
	       now.changed.tv_sec != before->changed.tv_sec ||
	       now.changed.tv_nsec != before->changed.tv_nsec;
}

static void set_marks(struct keeper *keeper)
{
	keeper->medium_mark = mark(volume_of(keeper)->medium);
	keeper->key_mark = mark(volume_of(keeper)->key_file);
}

static bool something_changed(const struct keeper *keeper)
{
	return differs(&keeper->medium_mark, volume_of(keeper)->medium) ||
	       differs(&keeper->key_mark, volume_of(keeper)->key_file);
}

/* --- open --- */

static int open_process(const char *uuid)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct json_object *status;
	uint64_t process;
	int r;

	r = client_connect(uuid, &client);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		return r;
	process = volumes_status_u64(status, "process");
	json_object_put(status);
	r = (int)syscall(SYS_pidfd_open, (pid_t)process, 0);
	return r < 0 ? -errno : r; /* closed on exec */
}

static void judge_key(struct keeper *keeper)
{
	struct problem line = {""};

	if (unlock_is_beside(volume_of(keeper), &line))
		state_raise(
			keeper->options.state, STATE_ATTENTION, keeper->key_key, "%s", line.text);
	else
		state_clear(keeper->options.state, keeper->key_key);
}

static bool is_mounted(const struct runtime_state *runtime)
{
	struct stat device, mount;

	return stat(runtime->device, &device) == 0 && stat(runtime->mount, &mount) == 0 &&
	       device.st_rdev == mount.st_dev;
}

static void add_fault(char *text, size_t bytes, unsigned int *count, const char *fault)
{
	if ((*count)++ == 0)
		snprintf(text, bytes, "%s", fault);
}

/* Since it was opened: how many blocks are given up for good. */
static void judge_stuck(struct keeper *keeper, struct json_object *status)
{
	uint64_t stuck = volumes_status_u64(status, "stuck");
	struct json_object *data;

	if ((keeper->stuck_known && stuck > keeper->stuck_blocks) ||
		(!keeper->stuck_known && stuck > 0)) {
		data = json_object_new_object();
		fields_add_u64(data, "blocks", stuck);
		fields_add_u64(
			data, "more", stuck - (keeper->stuck_known ? keeper->stuck_blocks : 0));
		keeper_note(keeper, "block-stuck", "failure",
			"the medium refused the passes; what lies there may be read from it", data);
	}
	keeper->stuck_known = true;
	keeper->stuck_blocks = stuck;
}

/* What is wrong with it while it is open; -ESRCH: it is not. */
static int judge_volume(struct keeper *keeper)
{
	struct runtime_state runtime = keeper->runtime;
	struct json_object *status, *faults;
	char text[KEEPER_WHY_BYTES] = "";
	unsigned int count = 0;
	int r;

	r = volume_status_get(&runtime, &status, NULL);
	if (r < 0)
		return r;
	judge_stuck(keeper, status);
	faults = json_object_object_get(status, "faults");
	for (size_t i = 0; i < json_object_array_length(faults); i++)
		add_fault(text, sizeof(text), &count,
			json_object_get_string(json_object_array_get_idx(faults, i)));
	if (runtime.mount[0] == '\0')
		add_fault(text, sizeof(text), &count,
			"it was attached by hand without a mount: detach it there");
	else if (!is_mounted(&runtime))
		add_fault(text, sizeof(text), &count,
			"its file system is not mounted any more: detach it, and attach it again");
	else if (strcmp(runtime.mount, volume_of(keeper)->mount) != 0)
		add_fault(text, sizeof(text), &count,
			"it was attached by hand and is mounted elsewhere than configured: detach "
			"it there");
	if (strcmp(volumes_status_string(status, "medium_promise"),
		    medium_promise_name(MEDIUM_NOT_IN_PLACE)) == 0)
		add_fault(text, sizeof(text), &count, volumes_status_string(status, "medium"));
	if (keeper->mounter_owed)
		add_fault(text, sizeof(text), &count,
			"the mounter is not running: nobody brings it back if its process dies");
	if (count == 0)
		state_clear(keeper->options.state, keeper->key_medium);
	else if (count == 1)
		state_raise(keeper->options.state, STATE_ATTENTION, keeper->key_medium,
			"volume %s: %s", volume_of(keeper)->name, text);
	else
		state_raise(keeper->options.state, STATE_ATTENTION, keeper->key_medium,
			"volume %s: %s (+%u more)", volume_of(keeper)->name, text, count - 1);
	json_object_put(status);
	return 0;
}

static void keep_warnings(struct keeper *keeper, struct json_object *report)
{
	struct json_object *list, *before;

	if (!json_object_object_get_ex(report, "warnings", &list))
		return;
	pthread_mutex_lock(&keeper->lock);
	before = keeper->warnings;
	keeper->warnings = json_object_get(list);
	pthread_mutex_unlock(&keeper->lock);
	json_object_put(before);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		keeper_note(keeper, "volume-warning", "success",
			json_object_get_string(json_object_array_get_idx(list, i)),
			json_object_new_object());
}

/* What an attach was, in a few words for the event. */
static const char *describe(struct json_object *report)
{
	if (!report || volumes_status_bool(report, "adopted"))
		return "it was attached already, and is kept as it is";
	if (volumes_status_bool(report, "renewal_resumed"))
		return "a renewal that had been interrupted was finished: it is new and empty";
	if (volumes_status_bool(report, "made"))
		return "its key and its file system are new: what was on it before is gone";
	if (volumes_status_bool(report, "foreign_writes") &&
		volumes_status_bool(report, "was_unclean"))
		return "it was not detached in order, and whether something else wrote to it since "
		       "cannot be told: every block was judged anew";
	if (volumes_status_bool(report, "foreign_writes"))
		return "something else wrote to it since: every block was judged anew";
	if (volumes_status_bool(report, "was_unclean"))
		return "it was not detached in order: what is owed was recorded before it opened";
	return "";
}

/* A volume that was made anew has another key; that of before has no slot that opens it. */
static void note_open_key(struct keeper *keeper, struct json_object *report)
{
	const char *replaced = "";

	if (!report || !message_get_string(report, "replaced", &replaced))
		replaced = "";
	if (volumes_status_u64(report, "header_backups") > 0)
		note_key(keeper, replaced, DEVICE_KEY_DEACTIVATED,
			"its slots were destroyed; header backups that have it were made before");
	else if (volumes_status_u64(report, "slots_destroyed") > 0)
		note_key(keeper, replaced, DEVICE_KEY_DESTROYED,
			"its slots were destroyed and read back");
	else
		note_key(keeper, replaced, DEVICE_KEY_DESTROYED,
			"its passphrase was of an earlier boot; its header was made anew");
	note_key(keeper, keeper->runtime.uuid, DEVICE_KEY_ACTIVE, "the volume is attached");
}

/* It is attached: as what?  report may be NULL. */
static int become_open(struct keeper *keeper, const char *uuid, struct json_object *report)
{
	struct runtime_state *runtime = malloc(sizeof(*runtime));
	int process_fd, r;

	if (!runtime)
		return -ENOMEM;
	r = runtime_load(uuid, runtime);
	process_fd = r < 0 ? r : open_process(uuid);
	if (process_fd >= 0) {
		io_closep(&keeper->process_fd);
		keeper->process_fd = process_fd;
		pthread_mutex_lock(&keeper->lock);
		keeper->runtime = *runtime;
		pthread_mutex_unlock(&keeper->lock);
		keep_warnings(keeper, report);
		keeper->stuck_known = false;
		note_open_key(keeper, report);
		keeper->failures = 0;
		keeper->given_up = false;
		keeper->mounter_owed = report == NULL;
		remember_closed(keeper, false);
		judge_key(keeper);
		keeper_set(keeper, KEEPER_OPEN, "%s", describe(report));
		if (judge_volume(keeper) < 0)
			(void)0; /* gone again: the next turn notices */
		look_again(keeper, STATUS_MS);
	}
	free(runtime);
	return process_fd < 0 ? process_fd : 0;
}

static void stay_closed(struct keeper *keeper)
{
	io_closep(&keeper->process_fd);
	keeper_set(keeper, KEEPER_DECOMMISSIONED,
		"it was decommissioned: take it out of the configuration, or format its medium "
		"anew and attach it (\"spoolguard attach %s\")",
		volume_of(keeper)->name);
	look_again(keeper, LOOK_MS);
}

static bool is_closed_for_good(const struct keeper *keeper)
{
	return closure_state(keeper->options.state_directory, volume_of(keeper)->name) ==
	       CLOSURE_CLOSED;
}

static void failed(struct keeper *keeper, int error, const struct problem *problem)
{
	int ms = RETRY_MS << (keeper->failures < 5 ? keeper->failures : 5);
	bool locked = error == -ENOKEY || error == -EPERM || error == -EKEYREJECTED;

	if (error == -EKEYREVOKED) {
		stay_closed(keeper);
		return;
	}
	keeper->failures++;
	set_marks(keeper);
	keeper_set(
		keeper, locked ? KEEPER_LOCKED : KEEPER_FAILED, "%s", problem_text(problem, error));
	look_again(keeper, ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX);
}

/* Takes fd.  The mounter attaches it, or says that it is attached. */
static int attach(struct keeper *keeper, int fd, struct problem *reterr_problem)
{
	struct json_object *report = NULL, *state;
	const char *uuid;
	int r;

	pulse_rest(&keeper->pulse);
	r = mounter_client_attach(
		keeper->mounter, volume_of(keeper)->name, fd, &report, reterr_problem);
	if (r >= 0 && (!json_object_object_get_ex(report, "state", &state) ||
			      !message_get_string(state, "uuid", &uuid)))
		r = -EPROTO;
	if (r >= 0) {
		r = become_open(keeper, uuid, report);
		if (r < 0)
			problem_set(reterr_problem, r,
				"its process ended as soon as it was attached; see the kernel's "
				"log");
	}
	json_object_put(report);
	return r;
}

/* Attached by hand, or before we were started: it is so whether the mounter answers or not. */
static bool adopt(struct keeper *keeper)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct runtime_state *found = malloc(sizeof(*found));
	struct problem problem = {""};
	bool adopted = false;

	if (found && runtime_find(volume_of(keeper)->medium, found) >= 0 && found->ready &&
		client_connect(found->uuid, &client) >= 0) {
		client_free(client);
		client = NULL;
		if (attach(keeper, -1, &problem) >= 0 ||
			become_open(keeper, found->uuid, NULL) >= 0)
			adopted = true;
	}
	free(found);
	return adopted;
}

/* --- is there what is needed? --- */

/* An image of a boot-key volume may have to be made. */
static bool is_medium_there(const struct config_volume *volume)
{
	return access(volume->medium, F_OK) == 0 ||
	       (volume->unlock == CONFIG_UNLOCK_BOOT_KEY && volume->size_bytes > 0);
}

static bool is_ready_to_open(struct keeper *keeper)
{
	const struct config_volume *volume = volume_of(keeper);

	if (!is_medium_there(volume)) {
		keeper_set(keeper, KEEPER_ABSENT,
			"its medium %.300s is not there; it is opened when it appears",
			volume->medium);
		return false;
	}
	if (volume->unlock == CONFIG_UNLOCK_KEY_FILE && access(volume->key_file, F_OK) < 0) {
		keeper_set(keeper, KEEPER_LOCKED,
			"its key file %.300s is not there; it is opened when it appears",
			volume->key_file);
		return false;
	}
	if (volume->unlock == CONFIG_UNLOCK_ASK) {
		keeper_set(keeper, KEEPER_LOCKED,
			"an administrator opens it: \"spoolguard attach %s\"", volume->name);
		return false;
	}
	return true;
}

static void try_open(struct keeper *keeper)
{
	struct problem problem = {""};
	int r;

	if (!is_ready_to_open(keeper)) {
		keeper->failures = 0;
		look_again(keeper, LOOK_MS);
		return;
	}
	if (keeper_state(keeper) != KEEPER_FAILED && keeper_state(keeper) != KEEPER_LOCKED)
		keeper_set(keeper, KEEPER_OPENING, "%s", "");
	r = attach(keeper, -1, &problem);
	if (r < 0 && r != -ECANCELED)
		failed(keeper, r, &problem);
}

/* --- death --- */

/* False if there were too many of them lately. */
static bool may_restart(struct keeper *keeper)
{
	uint64_t now = clock_monotonic_ns();
	const uint64_t since = UINT64_C(1000000000) * KEEPER_RESTARTS_S;
	size_t slot = keeper->deaths % KEEPER_RESTARTS_MAX;
	bool may = keeper->deaths < KEEPER_RESTARTS_MAX || now - keeper->deaths_ns[slot] > since;

	keeper->deaths_ns[slot] = now;
	keeper->deaths++;
	return may;
}

static void count_restart(struct keeper *keeper)
{
	pthread_mutex_lock(&keeper->lock);
	keeper->restarts++;
	pthread_mutex_unlock(&keeper->lock);
}

/*
 * Its process has ended.  Whoever detached it holds its lock until all is recorded: so after a
 * wait for the lock, what is still recorded was left by a death.
 */
static void on_end(struct keeper *keeper)
{
	struct runtime_state *found = malloc(sizeof(*found));
	char uuid[RUNTIME_UUID_BYTES];
	int lock = -1, r;

	strcpy(uuid, keeper->runtime.uuid);
	io_closep(&keeper->process_fd);
	pulse_rest(&keeper->pulse);
	r = runtime_lock(uuid, &lock, NULL);
	if (r >= 0)
		r = found ? runtime_load(uuid, found) : -ENOMEM;
	io_closep(&lock);
	free(found);
	if (r == -ENOENT) {
		close_on_purpose(keeper);
		return;
	}
	note_key(keeper, uuid, DEVICE_KEY_SUSPENDED, "the volume's process ended");
	keeper_set(keeper, KEEPER_LOST, "%s",
		"its process ended; what was flushed is safe, and it is started again");
	if (may_restart(keeper)) {
		count_restart(keeper);
		keeper->next_ns = 0;
		return;
	}
	keeper->given_up = true;
	keeper_set(keeper, KEEPER_FAILED,
		"its process ended %u times within %u minutes; see the kernel's log, then "
		"\"spoolguard attach %s\"",
		KEEPER_RESTARTS_MAX + 1, KEEPER_RESTARTS_S / 60, volume_of(keeper)->name);
	look_again(keeper, LOOK_MS);
}

static bool has_ended(const struct keeper *keeper)
{
	struct pollfd poll_fd = {.fd = keeper->process_fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}

/* --- a turn --- */

static void look_after(struct keeper *keeper)
{
	struct problem unsaid;

	if (clock_monotonic_ns() < keeper->next_ns)
		return;
	if (keeper->mounter_owed && attach(keeper, -1, &unsaid) >= 0)
		return;
	judge_key(keeper);
	if (judge_volume(keeper) < 0)
		(void)0; /* it ends, or is being detached: its descriptor tells */
	look_again(keeper, STATUS_MS);
}

static bool is_due(const struct keeper *keeper)
{
	return clock_monotonic_ns() >= keeper->next_ns || something_changed(keeper);
}

static void take_turn(struct keeper *keeper)
{
	enum keeper_state state = keeper_state(keeper);

	if (state == KEEPER_OPEN && has_ended(keeper))
		on_end(keeper);
	else if (state == KEEPER_OPEN)
		look_after(keeper);
	else if (state == KEEPER_DECOMMISSIONED)
		return;
	else if (adopt(keeper) || state == KEEPER_CLOSED || keeper->given_up)
		return;
	else if ((state != KEEPER_FAILED && state != KEEPER_LOCKED) || is_due(keeper))
		try_open(keeper);
}

int keeper_step(struct keeper *keeper)
{
	enum keeper_state state;

	take_turn(keeper);
	state = keeper_state(keeper);
	if (state == KEEPER_LOST)
		return 0;
	return state == KEEPER_OPEN ? STATUS_MS : LOOK_MS;
}

/* Closed for good and attached: the service was ended before it could detach it. */
void keeper_begin(struct keeper *keeper)
{
	if (is_closed_for_good(keeper) && !adopt(keeper))
		stay_closed(keeper);
	else if (was_closed(keeper) && !adopt(keeper))
		close_on_purpose(keeper);
}

/* --- on request --- */

int keeper_do_attach(struct keeper *keeper, int passphrase_fd, struct problem *reterr_problem)
{
	int r;

	if (keeper_state(keeper) == KEEPER_OPEN) {
		io_closep(&passphrase_fd);
		return problem_set(reterr_problem, -EBUSY, "volume %s is open already",
			volume_of(keeper)->name);
	}
	keeper->given_up = false;
	keeper->deaths = 0;
	keeper->failures = 0;
	remember_closed(keeper, false);
	keeper_set(keeper, KEEPER_OPENING, "%s", "");
	r = attach(keeper, passphrase_fd, reterr_problem);
	if (r < 0)
		failed(keeper, r, reterr_problem);
	return r;
}

static int check_open(struct keeper *keeper, struct problem *reterr_problem)
{
	if (keeper_state(keeper) == KEEPER_OPEN)
		return 0;
	return problem_set(
		reterr_problem, -ENOTCONN, "volume %s is not open", volume_of(keeper)->name);
}

/* Nothing was changed: it is as open as it was. */
static void back_to_open(struct keeper *keeper)
{
	keeper_set(keeper, KEEPER_OPEN, "%s", "it could not be detached, and stays as it was");
	if (judge_volume(keeper) < 0)
		(void)0; /* the next turn notices */
}

int keeper_do_detach(struct keeper *keeper, struct problem *reterr_problem)
{
	int r;

	r = check_open(keeper, reterr_problem);
	if (r < 0)
		return r;
	/* Those who have something open there let go first. */
	keeper->detaching = true;
	keeper_set(keeper, KEEPER_CLOSED, "%s", "it is being detached");
	keeper->detaching = false;
	pulse_rest(&keeper->pulse);
	r = mounter_client_detach(keeper->mounter, volume_of(keeper)->name, reterr_problem);
	if (r < 0 && r != -ESRCH && r != -ENODEV) {
		back_to_open(keeper);
		return r;
	}
	io_closep(&keeper->process_fd);
	close_on_purpose(keeper);
	return 0;
}

/* A key that is not to be used again is deactivated until its slots are destroyed (SP 800-57). */
int keeper_do_close(struct keeper *keeper, const char *uuid, struct problem *reterr_problem)
{
	int r = 0;

	if (keeper_state(keeper) == KEEPER_OPEN) {
		keeper->detaching = true;
		keeper_set(keeper, KEEPER_DECOMMISSIONED, "%s", "it is being detached for good");
		keeper->detaching = false;
	}
	pulse_rest(&keeper->pulse);
	r = mounter_client_detach(keeper->mounter, volume_of(keeper)->name, reterr_problem);
	if (r < 0 && r != -ESRCH && r != -ENODEV) {
		if (keeper->process_fd >= 0)
			back_to_open(keeper);
		return r;
	}
	note_key(keeper, uuid, DEVICE_KEY_DEACTIVATED, "the volume is decommissioned");
	remember_closed(keeper, false);
	stay_closed(keeper);
	return 0;
}

int keeper_do_renew(struct keeper *keeper, const struct keeper_renewal *how,
	struct json_object **ret_report, struct problem *reterr_problem)
{
	int passphrase_fd = how->passphrase_fd;
	struct json_object *report = NULL, *state;
	char uuid[RUNTIME_UUID_BYTES];
	const char *new_uuid;
	int r;

	r = check_open(keeper, reterr_problem);
	if (r < 0) {
		io_closep(&passphrase_fd);
		return r;
	}
	strcpy(uuid, keeper->runtime.uuid);
	keeper_set(keeper, KEEPER_OPENING, "%s", "it is made anew: a new key, a new file system");
	pulse_rest(&keeper->pulse);
	r = mounter_client_renew(keeper->mounter, volume_of(keeper)->name, passphrase_fd,
		how->by_force, &report, reterr_problem);
	if (r >= 0 && json_object_object_get_ex(report, "state", &state) &&
		message_get_string(state, "uuid", &new_uuid))
		r = become_open(keeper, new_uuid, report);
	else if (r >= 0)
		r = -EPROTO;
	if (r >= 0)
		*ret_report = report;
	else
		json_object_put(report);
	if (r < 0 && !has_ended(keeper) && become_open(keeper, uuid, NULL) >= 0)
		return r; /* refused before anything was destroyed */
	if (r < 0) {
		io_closep(&keeper->process_fd);
		failed(keeper, r, reterr_problem);
	}
	return r;
}

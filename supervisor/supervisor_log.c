/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_log.c - the audit log and the device's keys: opened, watched, told of keys
 *
 * Neither keeps the service from starting.  Without them nothing is claimed (P7): a reason says
 * why, with what to do, and goes when the log takes records again.
 */
#include "audit/log.h"
#include "ipc/fields.h"
#include "supervisor/log_signer.h"
#include "supervisor/supervisor_impl.h"
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_FULL	"audit-full"
#define VOLUME_KEY	"volume "
#define CHANGES_AT_ONCE 64

/* --- opening --- */

/* Files of the log are for the auditors' first group; without one, for root. */
static gid_t find_readers(const struct config *config)
{
	struct group group, *found = NULL;
	char buffer[8192];

	if (config->group_counts[CONFIG_AUDITOR] == 0 ||
		getgrnam_r(config->groups[CONFIG_AUDITOR][0], &group, buffer, sizeof(buffer),
			&found) != 0 ||
		!found)
		return (gid_t)-1;
	return group.gr_gid;
}

static struct audit_log_options options_of(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	struct audit_log_options options;

	pthread_mutex_lock(&supervisor->impl->config_lock);
	options = (struct audit_log_options){
		.segment_bytes = config->audit_segment_bytes,
		.size_bytes = config->audit_size_bytes,
		.segment_age_s = config->audit_segment_age_s,
		.when_full = config->audit_when_full,
		.readers = find_readers(config),
	};
	pthread_mutex_unlock(&supervisor->impl->config_lock);
	return options;
}

struct device_keys *supervisor_keys(struct supervisor *supervisor)
{
	return atomic_load(&supervisor->keys);
}

/* Once in the device's life, for whoever looks at the journal of a first start. */
static void say_made(const struct device_keys *keys, const char *state_directory)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES];

	if (minisign_fingerprint(device_keys_public(keys), fingerprint) < 0)
		return;
	fprintf(stderr,
		"spoolguardd: this device has its keys now; enrol %s/keys/enrolment.pub "
		"(\"spoolguard key public\") where receipts and logs will be verified; the "
		"device's fingerprint is %s\n",
		state_directory, fingerprint);
}

/* From one thread at a time (events.h). */
static int open_keys(struct supervisor *supervisor, struct problem *reterr_problem)
{
	struct device_keys *keys;
	bool created = false;
	int r;

	if (supervisor_keys(supervisor))
		return 0;
	r = device_keys_open(
		supervisor->config->state_directory, true, &keys, &created, reterr_problem);
	if (r < 0)
		return r;
	if (created)
		say_made(keys, supervisor->config->state_directory);
	log_signer_init(keys, &supervisor->impl->signer);
	atomic_store(&supervisor->keys, keys);
	return 0;
}

static int open_log(void *context, struct audit_log **ret_log, struct problem *reterr_problem)
{
	struct supervisor *supervisor = context;
	struct audit_log_options options;
	int r;

	r = open_keys(supervisor, reterr_problem);
	if (r < 0)
		return r;
	options = options_of(supervisor);
	return audit_log_open(supervisor->config->state_directory, &supervisor->impl->signer,
		&options, ret_log, reterr_problem);
}

static int set_aside(void *context, struct problem *reterr_problem)
{
	struct supervisor *supervisor = context;

	return audit_log_set_aside(supervisor->config->state_directory, reterr_problem);
}

/* --- how it is --- */

/* NULL: nothing is to be added. */
static const char *remedy_of(int error)
{
	switch (-error) {
	case EUCLEAN:
		return NULL; /* what the log says of it has that already */
	case EDQUOT:
		return "copy it away, then \"spoolguard audit set-aside\" begins a new one; or "
		       "give [audit] a larger size, or when_full = rotate, and reload";
	case ENOSPC:
		return "make room there";
	case EROFS:
	case EACCES:
	case EPERM:
		return "make the directory writable";
	default:
		return "see to the disk";
	}
}

static void judge_room(struct supervisor *supervisor, const struct events_health *health)
{
	/* A log that rotates is full for most of its life. */
	if (health->is_open && health->log.nearly_full &&
		supervisor->config->audit_when_full == LOG_STOP)
		state_raise(supervisor->state, STATE_ATTENTION, KEY_FULL,
			"the audit log is nearly full (%llu of %llu bytes), and nothing is claimed "
			"once it is: copy it away, then \"spoolguard audit set-aside\" begins a "
			"new one",
			(unsigned long long)health->log.bytes,
			(unsigned long long)health->log.size_bytes);
	else
		state_clear(supervisor->state, KEY_FULL);
}

void supervisor_judge_log(struct supervisor *supervisor)
{
	struct events_health health;
	const char *remedy;

	events_get_health(supervisor->events, &health);
	remedy = remedy_of(health.error);
	if (health.error < 0)
		state_raise(supervisor->state, STATE_STOPS_CLAIMS, STATE_KEY_AUDIT,
			"nothing can be claimed, because the audit log in %.200s takes no records: "
			"%.400s%s%s",
			supervisor->config->state_directory, health.why, remedy ? "; " : "",
			remedy ? remedy : "");
	else
		state_clear(supervisor->state, STATE_KEY_AUDIT);
	judge_room(supervisor, &health);
}

static void on_change(void *context)
{
	supervisor_judge_log(context);
}

int supervisor_start_log(struct supervisor *supervisor)
{
	const struct events_source source = {
		.open = open_log,
		.set_aside = set_aside,
		.changed = on_change,
		.context = supervisor,
	};

	return events_start(supervisor->events, &source);
}

/* --- keys --- */

void supervisor_note_key(struct supervisor *supervisor, const char *uuid,
	enum device_key_state state, const char *reason)
{
	struct device_keys *keys = supervisor_keys(supervisor);
	char key[DEVICE_KEYS_NAME_BYTES];

	if (!keys)
		return;
	snprintf(key, sizeof(key), VOLUME_KEY "%s", uuid);
	if (device_keys_note_state(keys, key, NULL, state, reason) < 0)
		events_note_fault(supervisor->events, "keys", uuid,
			"the state of its key could not be recorded");
}

/* "volume UUID" is about that volume. */
static const char *volume_of(const char *key)
{
	size_t n = strlen(VOLUME_KEY);

	return strncmp(key, VOLUME_KEY, n) == 0 ? key + n : NULL;
}

static int tell_change(struct supervisor *supervisor, const struct device_key_change *change)
{
	char since[AUDIT_TIME_BYTES];
	struct json_object *data = events_data("key", change->key, "id",
		change->id[0] ? change->id : NULL, "to", device_key_state_name(change->state),
		"reason", change->reason[0] ? change->reason : NULL, "since",
		audit_time(change->wall_ms, since), NULL);
	const struct audit_event event = {
		.event = "key-state",
		.uid = geteuid(),
		.volume = volume_of(change->key),
		.outcome = "success",
		.data = data,
	};
	int r;

	fields_add_u64(data, "number", change->number);
	r = events_add_committed(supervisor->events, &event, 1, NULL);
	json_object_put(data);
	return r;
}

void supervisor_tell_keys(struct supervisor *supervisor)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	struct device_keys *keys = supervisor_keys(supervisor);
	struct device_key_change change;
	int r = keys ? 1 : 0;

	pthread_mutex_lock(&one_at_a_time);
	for (int i = 0; i < CHANGES_AT_ONCE && r > 0; i++) {
		r = device_keys_next_change(keys, &change);
		if (r <= 0)
			break;
		if (tell_change(supervisor, &change) < 0 ||
			device_keys_change_told(keys, change.number) < 0)
			break;
	}
	pthread_mutex_unlock(&one_at_a_time);
}

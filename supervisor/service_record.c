/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_record.c - RecordHostEvent: what the host reports; SetLogAside; that somebody reads the
 * log
 *
 * The host's login, clock and groups are no part of us, and its events belong in one log with ours
 * (HCD cPP v1.0e, FAU_GEN.1).  Who reports them is root.  What is reported may be caused by anybody
 * at a login prompt, so it must not rotate the log away: of each kind BURST at once have a record,
 * then one in REFILL_S, and the others are counted.
 */
#include "audit/event_table.h"
#include "base/clock.h"
#include "keystore/device_keys.h"
#include "supervisor/service_impl.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S	 UINT64_C(1000000000)
#define BURST		 30.0
#define REFILL_S	 120.0
#define TELL_S		 60u   /* what was counted is told so long after its first */
#define READING_S	 3600u /* one record of a reader in that time */
#define USER_BYTES_MAX	 256u
#define ORIGIN_BYTES_MAX 255u

/* --- how much there may be --- */

static size_t index_of(const struct audit_event_kind *kind)
{
	return (size_t)(kind - audit_event_kinds);
}

/* Under the lock.  False: it is counted.  *ret_before: others that were, and are told with it. */
static bool take_token(struct service_bucket *bucket, uint64_t *ret_before)
{
	uint64_t now = clock_monotonic_ns();

	if (bucket->filled_ns == 0)
		bucket->tokens = BURST;
	else
		bucket->tokens += (double)(now - bucket->filled_ns) / (double)NS_PER_S / REFILL_S;
	if (bucket->tokens > BURST)
		bucket->tokens = BURST;
	bucket->filled_ns = now;
	if (bucket->tokens < 1) {
		if (bucket->suppressed++ == 0)
			bucket->since_ns = now;
		return false;
	}
	bucket->tokens -= 1;
	*ret_before = bucket->suppressed;
	bucket->suppressed = 0;
	return true;
}

static bool may_record(
	struct service *service, const struct audit_event_kind *kind, uint64_t *ret_before)
{
	bool may;

	assert(index_of(kind) < SERVICE_KINDS_MAX);
	pthread_mutex_lock(&service->lock);
	may = take_token(&service->buckets[index_of(kind)], ret_before);
	pthread_mutex_unlock(&service->lock);
	return may;
}

static uint64_t take_suppressed(struct service *service, size_t index)
{
	struct service_bucket *bucket = &service->buckets[index];
	uint64_t count = 0;

	pthread_mutex_lock(&service->lock);
	if (bucket->suppressed > 0 && clock_monotonic_ns() - bucket->since_ns > TELL_S * NS_PER_S) {
		count = bucket->suppressed;
		bucket->suppressed = 0;
	}
	pthread_mutex_unlock(&service->lock);
	return count;
}

void service_tell_host(struct service *service)
{
	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		uint64_t count = kind->from_host ? take_suppressed(service, index_of(kind)) : 0;
		struct json_object *data;

		if (count == 0)
			continue;
		data = json_object_new_object();
		fields_add_u64(data, "suppressed", count);
		events_add(service->supervisor->events,
			&(struct audit_event){
				.event = kind->name,
				.outcome = "failure",
				.detail = "too many at once: so many more were reported",
				.data = data,
			});
		json_object_put(data);
	}
}

/* --- one report --- */

struct report {
	const char *event, *outcome, *user, *origin, *detail;
	const struct audit_event_kind *kind;
};

static const char *outcome_of(const char *event)
{
	if (strcmp(event, "login-limit") == 0)
		return "denied";
	return strcmp(event, "authentication-failed") == 0 || strcmp(event, "session-failed") == 0
		       ? "failure"
		       : "success";
}

static bool is_outcome(const char *text)
{
	return strcmp(text, "success") == 0 || strcmp(text, "failure") == 0 ||
	       strcmp(text, "denied") == 0;
}

static void refuse_kind(struct service_call *call, const char *event)
{
	char list[256] = "";

	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		size_t used = strlen(list);

		if (kind->from_host)
			snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
				kind->name);
	}
	service_error(call, "Refused", "the host cannot report \"%.40s\"; it can report: %s", event,
		list);
}

static bool read_report(struct service_call *call, struct report *report)
{
	if (!service_get_string(call, "event", &report->event) ||
		!service_may_get_string(call, "outcome", &report->outcome) ||
		!service_may_get_string(call, "user", &report->user) ||
		!service_may_get_string(call, "origin", &report->origin) ||
		!service_may_get_string(call, "detail", &report->detail))
		return false;
	report->kind = audit_event_find(report->event);
	if (!report->kind || !report->kind->from_host) {
		refuse_kind(call, report->event);
		return false;
	}
	if (!report->outcome)
		report->outcome = outcome_of(report->event);
	if (!is_outcome(report->outcome)) {
		service_bad_parameter(call, "outcome");
		return false;
	}
	if (report->user && strlen(report->user) > USER_BYTES_MAX) {
		service_bad_parameter(call, "user");
		return false;
	}
	if (report->origin && strlen(report->origin) > ORIGIN_BYTES_MAX) {
		service_bad_parameter(call, "origin");
		return false;
	}
	return true;
}

/* The name itself stays nowhere. */
static int hide_user(struct service_call *call, const char *user, struct json_object *data)
{
	struct device_keys *keys = supervisor_keys(call->service->supervisor);
	char digest[DEVICE_KEYS_DIGEST_BYTES];
	int r;

	if (!user || !user[0])
		return 0;
	r = keys ? device_keys_name_digest(keys, "user", user, digest) : -ENOTCONN;
	if (r >= 0)
		fields_add_string(data, "user", digest);
	return r;
}

static int record(struct service_call *call, const struct report *report, uint64_t before)
{
	struct json_object *data = json_object_new_object();
	int r = hide_user(call, report->user, data);

	if (before > 0)
		fields_add_u64(data, "suppressed", before);
	if (r >= 0)
		service_note(call, (struct audit_event){
					   .event = report->event,
					   .origin = report->origin,
					   .outcome = report->outcome,
					   .detail = report->detail,
					   .data = data,
				   });
	json_object_put(data);
	return r;
}

void service_record_host_event(struct service_call *call)
{
	struct report report = {.event = NULL};
	struct json_object *out;
	uint64_t before = 0;
	bool may;
	int r = 0;

	if (!read_report(call, &report))
		return;
	may = may_record(call->service, report.kind, &before);
	if (may)
		r = record(call, &report, before);
	if (r < 0) {
		service_error(call, "Refused",
			"the user's name cannot be hidden, so nothing was recorded: %s; "
			"\"spoolguard status\" says what is wrong with the device's keys",
			strerror(-r));
		return;
	}
	out = json_object_new_object();
	fields_add_bool(out, "suppressed", !may);
	service_reply(call, out);
}

/* --- a header's keys --- */

/* False, and the call was answered: whose key is in memory has a key. */
static bool may_be_destroyed(struct service_call *call, const char *volume)
{
	if (!service_is_uuid(volume)) {
		service_bad_parameter(call, "volume");
		return false;
	}
	if (!supervisor_find_uuid(call->service->supervisor, volume))
		return true;
	service_error(call, "Refused",
		"volume %s is open, so its key is not destroyed; detach it first", volume);
	return false;
}

static void note_destroyed(struct service_call *call, const char *volume, uint64_t backups)
{
	struct supervisor *supervisor = call->service->supervisor;

	if (backups > 0)
		supervisor_note_key(supervisor, volume, DEVICE_KEY_DEACTIVATED,
			"its slots were destroyed; header backups that have it were made before");
	else
		supervisor_note_key(supervisor, volume, DEVICE_KEY_DESTROYED,
			"its slots were destroyed and read back");
	supervisor_tell_keys(supervisor);
	if (supervisor->ledger && ledger_forget_volume(supervisor->ledger, volume,
					  "its volume's key was destroyed (decommissioned)") < 0)
		events_note_fault(supervisor->events, "ledger", volume,
			"that jobs died with their volume's key could not be recorded");
}

/* Changed by root's command, on the medium itself: it is root's word. */
void service_record_key_change(struct service_call *call)
{
	static const char *const acts[] = {
		"add", "change", "remove", "backup", "restore", "destroy"};
	const char *volume, *act;
	uint64_t slot = UINT64_MAX, backups = 0;
	struct json_object *data;
	size_t i = 0;

	if (!service_get_string(call, "volume", &volume) ||
		!service_get_string(call, "act", &act) ||
		!service_may_get_u64(call, "slot", &slot) ||
		!service_may_get_u64(call, "header_backups", &backups))
		return;
	while (i < ARRAY_SIZE(acts) && strcmp(acts[i], act) != 0)
		i++;
	if (i == ARRAY_SIZE(acts) || strlen(volume) >= KEEPER_OBJECT_BYTES) {
		service_bad_parameter(call, i == ARRAY_SIZE(acts) ? "act" : "volume");
		return;
	}
	if (strcmp(act, "destroy") == 0 && !may_be_destroyed(call, volume))
		return;
	data = events_data("act", act, NULL);
	if (slot != UINT64_MAX)
		fields_add_u64(data, "slot", slot);
	fields_add_u64(data, "header_backups", backups);
	service_note(call, (struct audit_event){
				   .event = "key-changed",
				   .volume = volume,
				   .outcome = "success",
				   .data = data,
			   });
	json_object_put(data);
	if (strcmp(act, "destroy") == 0)
		note_destroyed(call, volume, backups);
	service_reply(call, json_object_new_object());
}

/* --- the log is set aside --- */

void service_set_log_aside(struct service_call *call)
{
	struct problem problem = {""};
	int r = events_set_aside(call->service->supervisor->events, &problem);

	/* In the new log; its first record has the digest of the old one. */
	service_note_management(call, NULL, r, r < 0 ? problem_text(&problem, r) : NULL);
	service_changed(call->service);
	if (r < 0)
		service_fail(call, r, &problem);
	else
		service_reply(call, json_object_new_object());
}

/* --- reading --- */

/* How often that uid has read, if it is to be noted now; else 0. */
static uint64_t count_reading(struct service *service, uid_t uid)
{
	struct service_reader *place = &service->readers[0];
	uint64_t now = clock_monotonic_ns(), count = 0;

	pthread_mutex_lock(&service->lock);
	for (size_t i = 0; i < SERVICE_READERS; i++) {
		struct service_reader *reader = &service->readers[i];

		if (reader->noted_ns != 0 && reader->uid == uid) {
			place = reader;
			break;
		}
		if (reader->noted_ns < place->noted_ns)
			place = reader;
	}
	if (place->noted_ns == 0 || place->uid != uid)
		*place = (struct service_reader){.uid = uid};
	place->count++;
	if (place->noted_ns == 0 || now - place->noted_ns > READING_S * NS_PER_S) {
		count = place->count;
		*place = (struct service_reader){uid, now, 0};
	}
	pthread_mutex_unlock(&service->lock);
	return count;
}

void service_note_reading(struct service_call *call, uint64_t since)
{
	uint64_t count = count_reading(call->service, service_uid(call));
	struct json_object *data;

	if (count == 0)
		return;
	data = json_object_new_object();
	fields_add_u64(data, "since", since);
	fields_add_u64(data, "count", count);
	service_note(call,
		(struct audit_event){.event = "audit-read", .outcome = "success", .data = data});
	json_object_put(data);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_decommission.c - RecordDecommission: what is done to a drive on its last day stands in
 * the audit log, and its certificate says where
 *
 * Who reports it is an administrator, whose word it is.  It is durable before it is answered; a
 * loop that reports for ever must not push out what stood there before, so that after BURST at
 * once there is one in REFILL_S, and the caller is told to come again.
 */
#include "base/clock.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <string.h>

#define BURST	 512.0 /* a batch of drives, each with its steps and methods */
#define REFILL_S 2.0

#define DRIVE_BYTES_MAX 255u /* audit/record.h has room for as many */
#define ID_BYTES	32u  /* decommission/record.h */
#define NAME_BYTES_MAX	31u
#define PATH_BYTES_MAX	1024u
#define DIGEST_BYTES	64u
#define LOWER_CASE	"abcdefghijklmnopqrstuvwxyz0123456789-"
#define HEXADECIMAL	"0123456789abcdef"

bool service_is_uuid(const char *text)
{
	size_t length = strlen(text);

	if (length != 36 || strspn(text, HEXADECIMAL "-") != length)
		return false;
	for (size_t i = 0; i < length; i++) {
		if ((text[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23))
			return false;
	}
	return true;
}

/* --- one report --- */

struct report {
	const char *drive, *id, *step, *outcome;
	const char *method, *detail, *certificate, *sha256, *volume; /* each may be NULL */
};

static bool is_of(const char *text, const char *characters, size_t least, size_t most)
{
	size_t length = strlen(text);

	return length >= least && length <= most && strspn(text, characters) == length;
}

static bool is_printable(const char *text, size_t most)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return length > 0 && length <= most;
}

static bool is_outcome(const char *text)
{
	static const char *const known[] = {"begun", "progress", "success", "failure", "denied"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i], text) == 0)
			return true;
	}
	return false;
}

/* The name of the first that cannot be; NULL: all can. */
static const char *find_bad(const struct report *report)
{
	if (!is_printable(report->drive, DRIVE_BYTES_MAX))
		return "drive";
	if (!is_of(report->id, HEXADECIMAL, ID_BYTES, ID_BYTES))
		return "id";
	if (!is_of(report->step, LOWER_CASE, 1, NAME_BYTES_MAX))
		return "step";
	if (!is_outcome(report->outcome))
		return "outcome";
	if (report->method && !is_of(report->method, LOWER_CASE, 1, NAME_BYTES_MAX))
		return "method";
	if (report->certificate &&
		(!report->certificate[0] || strlen(report->certificate) > PATH_BYTES_MAX))
		return "certificate";
	if (report->sha256 && !is_of(report->sha256, HEXADECIMAL, DIGEST_BYTES, DIGEST_BYTES))
		return "certificate_sha256";
	if (report->volume && !service_is_uuid(report->volume))
		return "volume";
	return NULL;
}

static bool read_report(struct service_call *call, struct report *report)
{
	const char *bad;

	if (!service_get_string(call, "drive", &report->drive) ||
		!service_get_string(call, "id", &report->id) ||
		!service_get_string(call, "step", &report->step) ||
		!service_get_string(call, "outcome", &report->outcome) ||
		!service_may_get_string(call, "method", &report->method) ||
		!service_may_get_string(call, "detail", &report->detail) ||
		!service_may_get_string(call, "certificate", &report->certificate) ||
		!service_may_get_string(call, "certificate_sha256", &report->sha256) ||
		!service_may_get_string(call, "volume", &report->volume))
		return false;
	bad = find_bad(report);
	if (bad)
		service_bad_parameter(call, bad);
	return !bad;
}

static bool may_record(struct service *service)
{
	struct service_bucket *bucket = &service->decommissions;
	uint64_t now = clock_monotonic_ns();
	bool may;

	pthread_mutex_lock(&service->lock);
	if (bucket->filled_ns == 0)
		bucket->tokens = BURST;
	else
		bucket->tokens += (double)(now - bucket->filled_ns) / 1e9 / REFILL_S;
	if (bucket->tokens > BURST)
		bucket->tokens = BURST;
	bucket->filled_ns = now;
	may = bucket->tokens >= 1;
	if (may)
		bucket->tokens -= 1;
	pthread_mutex_unlock(&service->lock);
	return may;
}

static int record(
	struct service_call *call, const struct report *report, struct audit_position *ret_position)
{
	struct json_object *data = events_data("id", report->id, "step", report->step, "method",
		report->method, "certificate", report->certificate, "certificate_sha256",
		report->sha256, NULL);
	const struct audit_event event = {
		.event = "decommission",
		.role = config_role_name(call->verdict.role),
		.uid = service_uid(call),
		.drive = report->drive,
		.volume = report->volume,
		.outcome = report->outcome,
		.detail = report->detail,
		.data = data,
	};
	int r = events_add_committed(call->service->supervisor->events, &event, 1, ret_position);

	json_object_put(data);
	return r;
}

void service_record_decommission(struct service_call *call)
{
	struct report report = {.drive = NULL};
	struct audit_position position;
	struct json_object *out;
	int r;

	if (!read_report(call, &report))
		return;
	if (!may_record(call->service)) {
		service_error(call, "Busy",
			"too many steps of decommissionings were recorded at once; nothing was "
			"recorded now: try again in a few seconds");
		return;
	}
	r = record(call, &report, &position);
	if (r < 0) {
		service_error(call, "Refused",
			"the audit log does not take the record (%s); \"spoolguard status\" says "
			"what to do",
			strerror(-r));
		return;
	}
	out = json_object_new_object();
	fields_add_string(out, "id", position.log);
	fields_add_u64(out, "sequence", position.sequence);
	fields_add_string(out, "sha256", position.sha256);
	service_reply(call, out);
}

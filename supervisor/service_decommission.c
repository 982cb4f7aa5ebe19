/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_decommission.c - CloseForDecommission: a volume's last call; RecordDecommission: what is
 * done to a drive on its last day stands in the audit log, and its certificate says where
 *
 * Who reports it is an administrator, whose word it is.  It is durable before it is answered; a
 * loop that reports for ever must not push out what stood there before, so that after BURST at
 * once there is one in REFILL_S, and the caller is told to come again.
 */
#include "base/clock.h"
#include "keystore/keystore.h"
#include "supervisor/closing.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <string.h>

#define BURST	 512.0 /* a batch of drives, each with its steps and methods */
#define REFILL_S 2.0

#define WAIT_S_MAX 86400u

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

/* --- a volume is closed for good --- */

/* Of its header; without a volume that is open the medium is asked.  "": not known. */
static void find_uuid(struct keeper *keeper, char uuid[static RUNTIME_UUID_BYTES])
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	char object[KEEPER_OBJECT_BYTES];

	uuid[0] = '\0';
	if (service_is_uuid(keeper_object(keeper, object)))
		snprintf(uuid, RUNTIME_UUID_BYTES, "%.36s", object);
	else if (keystore_open(keeper_volume(keeper)->medium, true, &keystore, NULL) >= 0)
		snprintf(uuid, RUNTIME_UUID_BYTES, "%s", keystore_uuid(keystore));
}

/* By name, medium or UUID (also of one that was closed before). */
static struct keeper *find_volume(
	struct service_call *call, const char *asked, char uuid[static RUNTIME_UUID_BYTES])
{
	struct supervisor *supervisor = call->service->supervisor;
	struct keeper *keeper;

	for (size_t i = 0; service_is_uuid(asked) && i < supervisor->keeper_count; i++) {
		struct closure closure = {.state = CLOSURE_NONE};
		bool is_it;

		find_uuid(supervisor->keepers[i], uuid);
		is_it = strcmp(uuid, asked) == 0;
		if (!is_it && closure_load(supervisor->config->state_directory,
				      keeper_volume(supervisor->keepers[i])->name, &closure) >= 0)
			is_it = strcmp(closure.uuid, asked) == 0;
		closure_done(&closure);
		if (!is_it)
			continue;
		strcpy(uuid, asked);
		return supervisor->keepers[i];
	}
	keeper = service_find_volume(call, asked);
	if (keeper)
		find_uuid(keeper, uuid);
	return keeper;
}

struct telling {
	struct service_call *call;
	uint64_t told_ns;
};

/* Whoever asked goes on with it later (L2). */
static bool tell(void *context, const struct progress *progress)
{
	struct telling *telling = context;

	return atomic_load(&telling->call->service->stops) ||
	       service_tell_progress(telling->call, &telling->told_ns, progress);
}

static void answer_closed(struct service_call *call, struct json_object *result)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "result", result);
	service_reply(call, out);
}

void service_close_for_decommission(struct service_call *call)
{
	struct closing_request request = {.wait_s = CLOSING_WAIT_S_DEFAULT};
	struct telling telling = {.call = call};
	const struct progress_sink sink = {tell, &telling};
	struct problem problem = {""};
	struct json_object *result = NULL;
	char uuid[RUNTIME_UUID_BYTES];
	struct keeper *keeper;
	const char *asked;
	int r;

	if (!service_get_string(call, "volume", &asked) ||
		!service_may_get_string(call, "confirm", &request.confirm) ||
		!service_may_get_u64(call, "wait_s", &request.wait_s))
		return;
	if (request.wait_s > WAIT_S_MAX) {
		service_bad_parameter(call, "wait_s");
		return;
	}
	keeper = find_volume(call, asked, uuid);
	if (!keeper)
		return;
	request.volume = keeper_volume(keeper)->name;
	request.uuid = uuid;
	request.uid = service_uid(call);
	request.role = config_role_name(call->verdict.role);
	request.waiting = call->service->options.waiting;
	request.context = call->service->options.context;
	r = closing_run(call->service->supervisor, &request, &sink, &result, &problem);
	service_note_management(call, keeper, r, r < 0 ? problem_text(&problem, r) : NULL);
	service_changed(call->service);
	if (r == -ECANCELED)
		service_error(call, "Busy", "%s", problem_text(&problem, r));
	else if (r < 0)
		service_fail(call, r, &problem);
	else
		answer_closed(call, result);
}

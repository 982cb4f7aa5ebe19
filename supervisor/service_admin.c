/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/selftest_report.h"
#include "audit/trust.h"
#include "base/io.h"
#include "keystore/device_keys.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <string.h>

#define EVENTS_AT_ONCE 200u /* in one answer; a record has at most AUDIT_LINE_MAX bytes */

/* --- SelfTest --- */

/* The run has its own record; this one says who asked, and has those with an injection too. */
static void note_selftest(struct service_call *call, const char *inject, int r, const char *why,
	const struct harness_report *report)
{
	struct json_object *data =
		events_data("id", report ? report->id : NULL, "injected", inject, NULL);

	service_note(call, (struct audit_event){
				   .event = "selftest",
				   .outcome = r >= 0 && report->claims ? "success" : "failure",
				   .detail = why,
				   .data = data,
			   });
	json_object_put(data);
}

void service_selftest(struct service_call *call)
{
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	struct problem problem = {""};
	const char *inject = NULL;
	int r;

	if (!service_may_get_string(call, "inject", &inject))
		return;
	r = supervisor_test(call->service->supervisor, HARNESS_ALL, inject, &report, &problem);
	note_selftest(call, inject, r, r < 0 ? problem_text(&problem, r) : NULL, report);
	service_changed(call->service);
	if (r == -EBUSY)
		service_error(call, "Busy", "%s", problem_text(&problem, r));
	else if (r == -EPERM || r == -EINVAL)
		service_error(call, "Refused", "%s", problem_text(&problem, r));
	else if (r < 0)
		service_fail(call, r, &problem);
	else
		service_reply(call, selftest_report_to_json(report, inject));
}

/* --- Events --- */

void service_events(struct service_call *call)
{
	struct json_object *out;
	uint64_t since = 0;
	bool more;

	if (!service_may_get_u64(call, "since", &since))
		return;
	service_note_reading(call, since);
	out = json_object_new_object();
	json_object_object_add(out, "events",
		events_since(call->service->supervisor->events, since, EVENTS_AT_ONCE, &more));
	fields_add_bool(out, "more", more);
	service_reply(call, out);
}

/* --- GetDeviceKey --- */

static int add_key(struct json_object *out, const char *name, const struct minisign_key *key)
{
	char line[MINISIGN_KEY_LINE_BYTES], fingerprint[MINISIGN_FINGERPRINT_BYTES], member[32];
	int r;

	r = minisign_fingerprint(key, fingerprint);
	if (r < 0)
		return r;
	minisign_key_line(key, line);
	fields_add_string(out, name, line);
	snprintf(member, sizeof(member), "%s%sfingerprint", strcmp(name, "key") == 0 ? "" : name,
		strcmp(name, "key") == 0 ? "" : "_");
	fields_add_string(out, member, fingerprint);
	return 0;
}

/* From the file, so that what is enrolled is what the next start finds. */
void service_device_key(struct service_call *call)
{
	const char *directory = call->service->supervisor->config->state_directory;
	_cleanup_(io_freep) char *text = NULL;
	struct problem problem = {""};
	struct json_object *out;
	struct trust trust;
	int r;

	r = device_keys_read_enrolment(directory, &text, &problem);
	if (r >= 0)
		r = trust_decode(text, strlen(text), &trust);
	if (r < 0) {
		service_fail(call, r, &problem);
		return;
	}
	out = json_object_new_object();
	fields_add_string(out, "enrolment", text);
	r = add_key(out, "key", &trust.device);
	if (r >= 0)
		r = add_key(out, "log_root", &trust.log_root);
	if (r < 0) {
		json_object_put(out);
		service_fail(call, r, &problem);
		return;
	}
	service_reply(call, out);
}

/* --- Reload --- */

static void note_reload(struct service_call *call, int r, const char *why, const char *kept)
{
	struct json_object *data = events_data("kept", kept[0] ? kept : NULL, NULL);

	service_note(call, (struct audit_event){
				   .event = "configuration-changed",
				   .outcome = r < 0 ? "failure" : "success",
				   .detail = why,
				   .data = data,
			   });
	json_object_put(data);
}

void service_reload_call(struct service_call *call)
{
	struct problem problem = {""};
	struct json_object *out;
	char kept[512] = "";
	int r = supervisor_reload(call->service->supervisor, kept, sizeof(kept), &problem);

	note_reload(call, r, r < 0 ? problem_text(&problem, r) : NULL, kept);
	if (r < 0) {
		service_error(call, "Refused", "%s", problem_text(&problem, r));
		return;
	}
	service_reload(call->service);
	service_changed(call->service);
	out = json_object_new_object();
	fields_add_string(out, "kept", kept);
	service_reply(call, out);
}

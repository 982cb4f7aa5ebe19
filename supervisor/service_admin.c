/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/selftest_report.h"
#include "audit/trust.h"
#include "base/io.h"
#include "keystore/device_keys.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <string.h>

#define EVENTS_AT_ONCE 200u /* in one answer; a line has at most 4 KiB */

/* --- SelfTest --- */

void service_selftest(struct service_call *call)
{
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	struct problem problem = {""};
	const char *inject = NULL;
	int r;

	if (!service_may_get_string(call, "inject", &inject))
		return;
	r = supervisor_test(call->service->supervisor, HARNESS_ALL, inject, &report, &problem);
	service_note(call, "selftest", inject, r, r < 0 ? problem_text(&problem, r) : report->id);
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
	struct json_object *out, *all, *events;
	uint64_t since = 0;
	size_t count;

	if (!service_may_get_u64(call, "since", &since))
		return;
	all = events_since(call->service->supervisor->events, since);
	count = json_object_array_length(all);
	out = json_object_new_object();
	events = json_object_new_array();
	for (size_t i = 0; i < count && i < EVENTS_AT_ONCE; i++)
		json_object_array_add(events, json_object_get(json_object_array_get_idx(all, i)));
	json_object_object_add(out, "events", events);
	fields_add_bool(out, "more", count > EVENTS_AT_ONCE);
	json_object_put(all);
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

void service_reload_call(struct service_call *call)
{
	struct problem problem = {""};
	struct json_object *out;
	char kept[512] = "";
	int r = supervisor_reload(call->service->supervisor, kept, sizeof(kept), &problem);

	service_note(call, "reload", NULL, r, r < 0 ? problem_text(&problem, r) : NULL);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/volume_status.h"
#include "attached/medium_report.h"
#include "attached/volumes.h"
#include "ipc/fields.h"
#include "volume/attach.h"
#include <string.h>

static void add_fault(struct json_object *faults, bool is_so, const char *text)
{
	if (is_so)
		json_object_array_add(faults, json_object_new_string(text));
}

static struct json_object *list_faults(
	const struct runtime_state *state, struct json_object *status)
{
	struct json_object *faults = json_object_new_array();

	add_fault(faults, state->ready && !state->device[0] && !state->nbd[0],
		"its block device is gone: detach it, and attach it again");
	add_fault(faults, !state->ready,
		"its attach or detach goes on, or was interrupted: wait, or detach it and attach "
		"it again");
	add_fault(faults, volumes_status_bool(status, "eraser_failed"),
		"the medium failed: nothing is paid any more; detach, see to the medium, attach");
	add_fault(faults, volumes_status_bool(status, "sweep_owed"),
		"a sweep is owed: attach with --mount");
	add_fault(faults, volumes_status_u64(status, "unknown") > 0,
		"blocks of unknown content: they are not erased before a sweep has judged them");
	add_fault(faults, volumes_status_u64(status, "refused") > 0,
		"the medium refuses to overwrite blocks that are owed, and no spare block is left: "
		"replace the medium");
	add_fault(faults, volumes_status_u64(status, "stuck") > 0,
		"the medium refuses to overwrite some blocks (STUCK)");
	return faults;
}

static void add_state(struct json_object *status, const struct runtime_state *state)
{
	struct json_object *ports = json_object_new_array(), *binds = json_object_new_array();

	fields_add_string(status, "path", state->path);
	fields_add_string(status, "device", state->device);
	fields_add_string(status, "nbd", state->nbd);
	fields_add_string(status, "mount", state->mount);
	for (size_t i = 0; i < state->bind_count; i++) {
		struct json_object *bind = json_object_new_object();

		fields_add_string(bind, "directory", state->binds[i].directory);
		fields_add_string(bind, "at", state->binds[i].at);
		json_object_array_add(binds, bind);
	}
	json_object_object_add(status, "binds", binds);
	fields_add_bool(status, "attached", true);
	json_object_array_add(ports, json_object_new_string(state->nbd[0] ? "nbd" : "fuse+loop"));
	json_object_object_add(status, "ports", ports);
}

static void add_report(
	struct json_object *status, const struct runtime_state *state, enum medium_promise promise)
{
	struct json_object *report;

	if (medium_report_get(state, promise, status, &report) >= 0)
		json_object_object_add(status, "medium_report", report);
}

int volume_status_get(struct runtime_state *state, struct json_object **ret_status,
	struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct json_object *status, *faults;
	char medium[MEDIUM_TEXT_BYTES];
	enum medium_promise promise;
	int r;

	r = volumes_connect(state, &client, reterr_problem);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		return r;
	attach_find_device(state); /* what was recorded may be somebody else's by now */
	faults = list_faults(state, status);
	add_state(status, state);
	fields_add_string(status, "medium", volumes_assess_medium(state, status, medium, &promise));
	fields_add_string(status, "medium_promise", medium_promise_name(promise));
	add_report(status, state, promise);
	json_object_object_add(status, "faults", faults);
	*ret_status = status;
	return 0;
}

bool volume_status_has_faults(struct json_object *status)
{
	return json_object_array_length(json_object_object_get(status, "faults")) > 0;
}

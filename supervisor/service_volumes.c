/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/sweep_volume.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "supervisor/closing.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS UINT64_C(200000000) /* between two lines of it */

struct keeper *service_find_volume(struct service_call *call, const char *name)
{
	struct supervisor *supervisor = call->service->supervisor;

	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		const struct config_volume *volume = keeper_volume(supervisor->keepers[i]);

		if (strcmp(volume->name, name) == 0 || strcmp(volume->medium, name) == 0)
			return supervisor->keepers[i];
	}
	service_error(call, "NotFound",
		"there is no volume \"%s\" in the configuration; \"spoolguard status\" lists them",
		name);
	return NULL;
}

static void reply_volume(struct service_call *call, struct keeper *keeper)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "volume", keeper_to_json(keeper));
	service_reply(call, out);
}

bool service_tell_progress(
	struct service_call *call, uint64_t *told_ns, const struct progress *progress)
{
	uint64_t now = clock_monotonic_ns();
	struct json_object *out, *object;

	if (server_call_is_gone(call->call))
		return true;
	if (now - *told_ns < PROGRESS_NS || !server_call_wants_more(call->call))
		return false;
	*told_ns = now;
	out = json_object_new_object();
	object = json_object_new_object();
	fields_add_string(object, "what", progress->what);
	fields_add_u64(object, "done_bytes", progress->done_bytes);
	fields_add_u64(object, "total_bytes", progress->total_bytes);
	json_object_object_add(out, "progress", object);
	return server_reply(call->call, out, true) < 0;
}

/* --- Sweep --- */

struct sweeping {
	struct service_call *call;
	uint64_t told_ns;
};

/* True: stop.  What is owed stays recorded, and goes on being paid. */
static bool tell(void *context, const struct progress *progress)
{
	struct sweeping *sweeping = context;

	return atomic_load(&sweeping->call->service->stops) ||
	       service_tell_progress(sweeping->call, &sweeping->told_ns, progress);
}

/* report: NULL before its end. */
static void note_sweep(struct service_call *call, struct keeper *keeper, const char *outcome,
	const char *detail, const struct sweep_report *report)
{
	struct json_object *data = events_data("name", keeper_volume(keeper)->name, NULL);
	char volume[KEEPER_OBJECT_BYTES];

	if (report)
		fields_add_u64(data, "owed_blocks",
			volumes_status_u64(report->status, "residue") +
				volumes_status_u64(report->status, "suspect"));
	service_note(call, (struct audit_event){
				   .event = "sweep",
				   .volume = keeper_object(keeper, volume),
				   .outcome = outcome,
				   .detail = detail,
				   .data = data,
			   });
	json_object_put(data);
}

static void sweep(struct service_call *call, struct keeper *keeper)
{
	struct sweeping sweeping = {.call = call};
	const struct progress_sink sink = {tell, &sweeping};
	struct sweep_report report;
	struct problem problem = {""};
	struct runtime_state runtime;
	struct json_object *out;
	int r;

	r = keeper_runtime(keeper, &runtime);
	if (r < 0) {
		service_error(call, "Refused",
			"volume %s is not open (%s); \"spoolguard status\" says why",
			keeper_volume(keeper)->name, keeper_state_text(keeper_state(keeper)));
		return;
	}
	note_sweep(call, keeper, "begun", NULL, NULL);
	r = sweep_volume(&runtime, &sink, &report, &problem);
	note_sweep(call, keeper, r < 0 ? "failure" : "success",
		r >= 0 ? report.fault : problem_text(&problem, r), r < 0 ? NULL : &report);
	if (r < 0) {
		service_fail(call, r, &problem);
		return;
	}
	out = json_object_new_object();
	json_object_object_add(out, "result", sweep_report_to_json(&runtime, &report));
	sweep_report_done(&report);
	service_changed(call->service);
	service_reply(call, out);
}

void service_sweep(struct service_call *call)
{
	struct keeper *keeper;
	const char *name;

	if (!service_get_string(call, "volume", &name))
		return;
	keeper = service_find_volume(call, name);
	if (keeper)
		sweep(call, keeper);
}

/* --- Attach, Detach --- */

void service_attach(struct service_call *call)
{
	int fd = server_call_take_fd(call->call), r;
	struct problem problem = {""};
	struct keeper *keeper;
	const char *name;

	if (!service_get_string(call, "volume", &name) ||
		!(keeper = service_find_volume(call, name))) {
		if (fd >= 0)
			close(fd);
		return;
	}
	r = keeper_attach(keeper, fd, &problem);
	if (r >= 0)
		closing_judge_intake(call->service->supervisor);
	service_note_management(call, keeper, r, r < 0 ? problem_text(&problem, r) : NULL);
	service_changed(call->service);
	if (r < 0)
		service_error(call, "Refused", "%s", problem_text(&problem, r));
	else
		reply_volume(call, keeper);
}

void service_detach(struct service_call *call)
{
	struct problem problem = {""};
	struct keeper *keeper;
	const char *name;
	int r;

	if (!service_get_string(call, "volume", &name))
		return;
	keeper = service_find_volume(call, name);
	if (!keeper)
		return;
	r = keeper_detach(keeper, &problem);
	service_note_management(call, keeper, r, r < 0 ? problem_text(&problem, r) : NULL);
	service_changed(call->service);
	if (r < 0)
		service_error(call, "Refused", "%s", problem_text(&problem, r));
	else
		reply_volume(call, keeper);
}

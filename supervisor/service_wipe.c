/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_wipe.c - WipeSpool: an on-demand overwrite on request
 *
 * The call may last for hours.  A caller that goes away, or does not read, ends nothing (W2).
 */
#include "base/io.h"
#include "supervisor/service_impl.h"
#include "supervisor/wipe.h"
#include <errno.h>
#include <string.h>

struct wiping {
	struct service_call *call;
	uint64_t told_ns;
};

static bool tell(void *context, const struct progress *progress)
{
	struct wiping *wiping = context;

	(void)service_tell_progress(wiping->call, &wiping->told_ns, progress);
	return false;
}

static bool read_mode(struct service_call *call, bool *ret_full)
{
	const char *mode;

	if (!service_get_string(call, "mode", &mode))
		return false;
	*ret_full = strcmp(mode, "full") == 0;
	if (*ret_full || strcmp(mode, "standard") == 0)
		return true;
	service_bad_parameter(call, "mode");
	return false;
}

static void answer(struct service_call *call, struct json_object *report)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "result", report);
	service_reply(call, out);
}

/* Takes fd. */
static void wipe(struct service_call *call, struct wipe_request *request, int fd)
{
	struct wiping wiping = {.call = call};
	const struct progress_sink sink = {tell, &wiping};
	struct problem problem = {""};
	struct json_object *report = NULL;
	int r;

	request->uid = service_uid(call);
	request->role = config_role_name(call->verdict.role);
	request->passphrase_fd = fd;
	r = wipe_run(call->service->supervisor, request, &sink, &report, &problem);
	service_changed(call->service);
	if (r == -EAGAIN || r == -ECANCELED)
		service_error(call, "Busy", "%s", problem_text(&problem, r));
	else if (r == -ELOOP)
		service_error(call, "Refused", "%s", problem_text(&problem, r));
	else if (r < 0)
		service_fail(call, r, &problem);
	else
		answer(call, report);
}

void service_wipe_spool(struct service_call *call)
{
	int fd = server_call_take_fd(call->call);
	struct wipe_request request = {.confirm = NULL};
	struct keeper *keeper = NULL;
	const char *name;

	if (service_get_string(call, "volume", &name) && read_mode(call, &request.full) &&
		service_may_get_bool(call, "dry_run", &request.dry_run) &&
		service_may_get_string(call, "confirm", &request.confirm))
		keeper = service_find_volume(call, name);
	if (!keeper) {
		io_closep(&fd);
		return;
	}
	request.volume = keeper_volume(keeper)->name;
	wipe(call, &request, fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/service_impl.h"
#include "base/clock.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINUTE_NS UINT64_C(60000000000)
/* Each connection has one call under way at most, so this is never reached by calls. */
#define SHORT_WAITING (SERVER_CONNECTIONS_MAX + SERVER_RESERVED_CONNECTIONS)

static const struct service_method methods[] = {
	{"GetStatus", SERVICE_STATUS, NULL},
	{"Monitor", SERVICE_STATUS, NULL},
	{"GetDeviceKey", SERVICE_SHORT, service_device_key},
	{"JobBegin", SERVICE_SHORT, service_job_begin},
	{"JobComplete", SERVICE_SHORT, service_job_complete},
	{"JobList", SERVICE_SHORT, service_job_list},
	{"JobShow", SERVICE_SHORT, service_job_show},
	{"JobHold", SERVICE_SHORT, service_job_hold},
	{"JobRelease", SERVICE_SHORT, service_job_release},
	{"Sweep", SERVICE_LONG, service_sweep},
	{"WipeSpool", SERVICE_LONG, service_wipe_spool},
	{"SelfTest", SERVICE_LONG, service_selftest},
	{"Attach", SERVICE_LONG, service_attach},
	{"Detach", SERVICE_LONG, service_detach},
	{"Events", SERVICE_SHORT, service_events},
	{"RecordResidueCheck", SERVICE_SHORT, service_record_residue_check},
	{"Reload", SERVICE_SHORT, service_reload_call},
	{"RecordHostEvent", SERVICE_SHORT, service_record_host_event},
	{"RecordKeyChange", SERVICE_SHORT, service_record_key_change},
	{"SetLogAside", SERVICE_LONG, service_set_log_aside},
	{"CloseForDecommission", SERVICE_LONG, service_close_for_decommission},
	{"RecordDecommission", SERVICE_SHORT, service_record_decommission},
};

/* --- answers --- */

uid_t service_uid(const struct service_call *call)
{
	return server_call_peer(call->call)->uid;
}

void service_reply(struct service_call *call, struct json_object *parameters)
{
	server_reply(call->call, parameters, false);
	call->call = NULL;
}

static void answer_error(struct server_call *call, const char *error, const char *text, int number)
{
	struct json_object *out = json_object_new_object();
	char name[96];

	snprintf(name, sizeof(name), SERVICE_INTERFACE ".%s", error);
	fields_add_string(out, "text", text);
	if (number != 0)
		json_object_object_add(out, "errno", json_object_new_int(number));
	server_error(call, name, out);
}

void service_error(struct service_call *call, const char *error, const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	answer_error(call->call, error, text, 0);
	call->call = NULL;
}

void service_fail(struct service_call *call, int r, const struct problem *problem)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{EACCES, "PermissionDenied"},
		{EPERM, "PermissionDenied"},
		{ENOENT, "NotFound"},
		{ENODEV, "Refused"},
		{ENOTCONN, "Refused"},
		{EXDEV, "Refused"},
		{EINVAL, "Refused"},
		{ENAMETOOLONG, "Refused"},
		{E2BIG, "Refused"},
		{EROFS, "Refused"},
		{EOPNOTSUPP, "Refused"},
		{ENOKEY, "Refused"},
		{EBUSY, "Busy"},
		{ENOBUFS, "Busy"},
	};
	const char *name = "Failed";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].error == -r)
			name = names[i].name;
	}
	answer_error(
		call->call, name, problem_text(problem, r), strcmp(name, "Failed") == 0 ? -r : 0);
	call->call = NULL;
}

void service_bad_parameter(struct service_call *call, const char *name)
{
	server_error_parameter(call->call, name);
	call->call = NULL;
}

bool service_has_ledger(struct service_call *call)
{
	if (call->service->supervisor->ledger)
		return true;
	service_error(call, "Refused",
		"the ledger of jobs cannot be used; \"spoolguard status\" says why");
	return false;
}

void service_note(struct service_call *call, struct audit_event what)
{
	what.role = config_role_name(call->verdict.role);
	what.uid = service_uid(call);
	events_add(call->service->supervisor->events, &what);
}

void service_note_management(
	struct service_call *call, struct keeper *keeper, int r, const char *detail)
{
	struct json_object *data = events_data("method", call->method->name, "name",
		keeper ? keeper_volume(keeper)->name : NULL, NULL);
	char volume[KEEPER_OBJECT_BYTES];

	service_note(call, (struct audit_event){
				   .event = "management",
				   .volume = keeper ? keeper_object(keeper, volume) : NULL,
				   .outcome = r < 0 ? "failure" : "success",
				   .detail = detail,
				   .data = data,
			   });
	json_object_put(data);
}

/* --- parameters --- */

static struct json_object *get(struct service_call *call, const char *name)
{
	return json_object_object_get(call->parameters, name); /* JSON's null is NULL too */
}

bool service_may_get_string(struct service_call *call, const char *name, const char **ret_value)
{
	if (!get(call, name) || message_get_string(call->parameters, name, ret_value))
		return true;
	service_bad_parameter(call, name);
	return false;
}

bool service_get_string(struct service_call *call, const char *name, const char **ret_value)
{
	*ret_value = NULL;
	if (!service_may_get_string(call, name, ret_value))
		return false;
	if (!*ret_value)
		service_bad_parameter(call, name);
	return *ret_value != NULL;
}

bool service_may_get_u64(struct service_call *call, const char *name, uint64_t *ret_value)
{
	if (!get(call, name) || message_get_u64(call->parameters, name, ret_value))
		return true;
	service_bad_parameter(call, name);
	return false;
}

bool service_may_get_bool(struct service_call *call, const char *name, bool *ret_value)
{
	if (!get(call, name) || message_get_bool(call->parameters, name, ret_value))
		return true;
	service_bad_parameter(call, name);
	return false;
}

/* --- refusals (Y2) --- */

/* How many of that uid's there were in its last minute, before this one; *ret_unshown: in the
 * minute before, without a line of their own. */
static uint64_t count_refusal(struct service *service, uid_t uid, uint64_t *ret_unshown)
{
	struct service_refuser *place = &service->refusers[0];
	uint64_t now = clock_monotonic_ns(), before;

	pthread_mutex_lock(&service->lock);
	for (size_t i = 0; i < SERVICE_REFUSERS; i++) {
		struct service_refuser *refuser = &service->refusers[i];

		if (refuser->since_ns != 0 && refuser->uid == uid) {
			place = refuser;
			break;
		}
		if (refuser->since_ns < place->since_ns)
			place = refuser;
	}
	*ret_unshown = 0;
	if (place->since_ns == 0 || place->uid != uid || now - place->since_ns > MINUTE_NS) {
		if (place->since_ns != 0 && place->count > SERVICE_REFUSALS_SHOWN)
			*ret_unshown = place->count - SERVICE_REFUSALS_SHOWN;
		*place = (struct service_refuser){.uid = uid, .since_ns = now};
	}
	before = place->count++;
	pthread_mutex_unlock(&service->lock);
	return before;
}

/* what: role, method, job and detail, where there are. */
static void note_refusal(
	struct service *service, uid_t uid, const char *method, struct audit_event what)
{
	struct json_object *data = events_data("method", method, NULL);
	uint64_t unshown;
	bool shown = count_refusal(service, uid, &unshown) < SERVICE_REFUSALS_SHOWN;

	what.event = "access-denied";
	what.uid = uid;
	what.outcome = "denied";
	what.data = data;
	if (unshown > 0)
		fields_add_u64(data, "more", unshown);
	if (shown)
		events_add(service->supervisor->events, &what);
	json_object_put(data);
}

void service_deny(struct service_call *call, const char *job, const char *detail, const char *text)
{
	note_refusal(call->service, service_uid(call), call->method->name,
		(struct audit_event){
			.role = config_role_name(call->verdict.role),
			.job = job,
			.detail = detail,
		});
	service_error(call, "PermissionDenied", "%s", text);
}

/* A call that no role of the caller's allows. */
struct refusal {
	struct service *service;
	struct server_call *call;
	const char *method;
	unsigned int set;
};

static void refuse(void *argument)
{
	struct refusal *refusal = argument;
	char has[ROLES_TEXT_BYTES], needed[ROLES_TEXT_BYTES], text[256];

	roles_text(refusal->set, has);
	roles_text(roles_allowed(refusal->method), needed);
	snprintf(text, sizeof(text), "%s needs one of the roles %s; you have %s", refusal->method,
		needed, has);
	note_refusal(refusal->service, server_call_peer(refusal->call)->uid, refusal->method,
		(struct audit_event){.role = has, .detail = "no role of the caller's allows it"});
	answer_error(refusal->call, "PermissionDenied", text, 0);
	free(refusal);
}

static void begin_refusal(
	struct service *service, struct server_call *call, const char *method, unsigned int set)
{
	struct refusal *refusal = malloc(sizeof(*refusal));

	if (refusal) {
		*refusal = (struct refusal){service, call, method, set};
		if (pool_add(service->short_pool, refuse, refusal) >= 0)
			return;
	}
	free(refusal);
	answer_error(call, "PermissionDenied", "you have no role that allows it", 0);
}

/* --- a call's way to its worker --- */

void service_call_free(struct service_call *call)
{
	if (!call)
		return;
	message_done(&call->message);
	free(call->text);
	free(call);
}

static void run_call(void *argument)
{
	struct service_call *call = argument;

	if (atomic_load(&call->service->stops)) {
		service_error(call, "Busy", "the service is stopping");
	} else if (message_decode(call->text, strlen(call->text), &call->message) < 0) {
		service_error(call, "Busy", "there is no memory for it");
	} else {
		call->parameters = call->message.parameters;
		call->method->run(call);
	}
	service_call_free(call);
}

/* The parameters go along as text: JSON in memory is many times larger, and is not to wait. */
static struct service_call *take_call(
	struct service *service, struct server_call *call, const struct service_method *method)
{
	struct service_call *taken = calloc(1, sizeof(*taken));

	if (!taken)
		return NULL;
	taken->service = service;
	taken->call = call;
	taken->method = method;
	if (message_encode_call(method->name, json_object_get(server_call_parameters(call)),
		    &taken->text) < 0) {
		service_call_free(taken);
		return NULL;
	}
	return taken;
}

static void give_to_worker(struct service *service, struct service_call *call)
{
	struct pool *pool =
		call->method->queue == SERVICE_LONG ? service->long_pool : service->short_pool;
	int r;

	if (call->method->queue == SERVICE_STATUS) {
		service_board_ask(service->board, call);
		return;
	}
	r = pool_add(pool, run_call, call);
	if (r >= 0)
		return;
	service_error(call, "Busy", "%s: %s", call->method->name,
		r == -EBUSY ? "others wait for the same already; try again later" : strerror(-r));
	service_call_free(call);
}

static unsigned int roles_of_peer(struct service *service, const struct server_peer *peer)
{
	unsigned int set;

	pthread_mutex_lock(&service->lock);
	set = roles_of(&service->roles, peer->uid, peer->gid, peer->groups, peer->group_count);
	pthread_mutex_unlock(&service->lock);
	return set;
}

/* Every method of the interface comes here. */
static void dispatch(void *context, struct server_call *call)
{
	struct service *service = context;
	const struct service_method *method = methods;
	unsigned int set = roles_of_peer(service, server_call_peer(call));
	struct service_call *taken;
	struct roles_verdict verdict;

	while (strcmp(method->name, server_call_method(call)) != 0)
		method++;
	if (roles_check(set, method->name, &verdict) < 0) {
		begin_refusal(service, call, method->name, set);
		return;
	}
	taken = take_call(service, call, method);
	if (!taken) {
		answer_error(call, "Busy", "there is no memory for it", 0);
		return;
	}
	taken->verdict = verdict;
	taken->administrator = (set & ROLES_BIT(CONFIG_ADMINISTRATOR)) != 0;
	give_to_worker(service, taken);
}

/* Passphrases come from those who may attach, descriptors of others are not looked at. */
static bool takes_descriptor(void *context, const struct server_peer *peer)
{
	return (roles_of_peer(context, peer) & roles_allowed("Attach")) != 0;
}

static void gone(void *context, const struct server_peer *peer)
{
	struct service *service = context;

	service_desk_gone(service->desk, peer->connection);
}

/* --- its life --- */

static void complain(void *context, enum config_role role, const char *group)
{
	struct service *service = context;

	struct json_object *data =
		events_data("role", config_role_name(role), "groups", group, NULL);
	const struct audit_event event = {
		.event = "role-changed",
		.uid = geteuid(),
		.outcome = "failure",
		.detail = "there is no such group: nobody has the role by it",
		.data = data,
	};

	events_add(service->supervisor->events, &event);
	json_object_put(data);
}

void service_reload(struct service *service)
{
	struct roles roles;

	roles_read(service->supervisor->config, complain, service, &roles);
	pthread_mutex_lock(&service->lock);
	service->roles = roles;
	service->job_abandoned_s = service->supervisor->config->job_abandoned_s;
	pthread_mutex_unlock(&service->lock);
}

static int new_server(struct service *service)
{
	static struct server_method served[ARRAY_SIZE(methods)];
	const struct server_options options = {
		.listen_fd = service->options.listen_fd,
		.product = "spoolguard",
		.version = SPOOLGUARD_VERSION,
		.url = "man:spoolguardd(8)",
		.interface = SERVICE_INTERFACE,
		.description = service_interface,
		.methods = served,
		.method_count = ARRAY_SIZE(served),
		.context = service,
		.takes_descriptor = takes_descriptor,
		.gone = gone,
	};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		served[i] = (struct server_method){methods[i].name, dispatch};
	service->options.listen_fd = -1;
	return server_new(&options, &service->server);
}

int service_new(const struct service_options *options, struct service **ret_service)
{
	struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service) {
		close(options->listen_fd);
		return -ENOMEM;
	}
	service->options = *options;
	service->supervisor = options->supervisor;
	pthread_mutex_init(&service->lock, NULL);
	r = new_server(service);
	if (r >= 0)
		r = service_board_new(service, &service->board);
	if (r >= 0)
		r = service_desk_new(service, &service->desk);
	if (r >= 0)
		r = pool_new(SERVICE_SHORT_THREADS, SHORT_WAITING, &service->short_pool);
	if (r >= 0)
		r = pool_new(SERVICE_LONG_THREADS, SERVICE_LONG_WAITING, &service->long_pool);
	if (r < 0) {
		service_free(service);
		return r;
	}
	service_reload(service);
	*ret_service = service;
	return 0;
}

static void *run_server(void *argument)
{
	struct service *service = argument;
	int r = server_run(service->server);

	if (r < 0)
		events_note_fault(service->supervisor->events, "server", NULL,
			"callers cannot be served any more");
	return NULL;
}

int service_start(struct service *service)
{
	service_desk_find_begun(service->desk);
	return pool_thread_start(run_server, service, &service->loop);
}

/* First nothing comes in any more, then what is under way ends and who waits is answered;
 * server_free() sends it. */
void service_stop(struct service *service)
{
	if (atomic_exchange(&service->stops, true))
		return;
	server_stop(service->server);
	pool_thread_join(service->loop);
	service->loop = NULL;
	pool_free(service->long_pool);
	pool_free(service->short_pool);
	service->long_pool = service->short_pool = NULL;
	service_desk_stop(service->desk);
	service_board_stop(service->board);
}

void service_free(struct service *service)
{
	if (!service)
		return;
	if (service->server)
		service_stop(service);
	server_free(service->server);
	service_desk_free(service->desk);
	service_board_free(service->board);
	pthread_mutex_destroy(&service->lock);
	free(service);
}

void service_changed(struct service *service)
{
	service_board_changed(service->board);
}

struct json_object *service_status(struct service *service)
{
	return service_board_get(service->board);
}

bool service_is_alive(struct service *service)
{
	return server_is_alive(service->server);
}

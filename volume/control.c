/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/control_impl.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREAD_STACK_BYTES (256u << 10)
#define PREFIX		   "io.spoolguard.volume."

/* The engine may be used until leave_engine(); false once Detach was asked for. */
static bool enter_engine(struct control *control)
{
	bool open;

	pthread_mutex_lock(&control->lock);
	open = !control->detach_asked;
	control->calls += open;
	pthread_mutex_unlock(&control->lock);
	return open;
}

static void leave_engine(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	control->calls--;
	pthread_cond_broadcast(&control->changed);
	pthread_mutex_unlock(&control->lock);
}

void control_add_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void control_add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

void control_add_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

static int method_detach(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct control *control = connection->control;
	bool disconnect = false;
	int r;

	(void)out;
	(void)message_get_bool(in, "disconnect", &disconnect);
	r = control->nbd ? nbd_port_shut(control->nbd, disconnect) : 0;
	if (r < 0)
		return r;
	pthread_mutex_lock(&control->lock);
	control->detach_asked = true;
	control->detach_waiters++;
	connection->waited_for_detach = true;
	pthread_cond_broadcast(&control->changed);
	while (!control->detach_answered)
		pthread_cond_wait(&control->changed, &control->lock);
	r = control->detach_result;
	pthread_mutex_unlock(&control->lock);
	return r;
}

static const struct method {
	const char *name;
	bool managed_only;
	method_function *run;
} methods[] = {
	{"Status", false, method_status},
	{"Serve", false, method_serve},
	{"Watch", true, method_watch},
	{"Unwatch", true, method_unwatch},
	{"Condemn", true, method_condemn},
	{"BarrierEnter", true, method_barrier_enter},
	{"BarrierLeave", true, method_barrier_leave},
	{"Barrier", true, method_barrier},
	{"Trust", true, method_trust},
	{"Distrust", true, method_distrust},
	{"AllowUnknownDiscards", true, method_allow_unknown_discards},
	{"SettleUnknown", true, method_settle_unknown},
	{"GetFingerprint", true, method_get_fingerprint},
	{"SetFingerprint", true, method_set_fingerprint},
	{"SetSweepOwed", true, method_set_sweep_owed},
	{"SetFilesystemExpected", true, method_set_filesystem_expected},
	{"Grow", true, method_grow},
	{"SelfTestOverwrite", true, method_selftest_overwrite},
	{"SelfTestMap", true, method_selftest_map},
	{"Search", true, method_search},
	{"Detach", false, method_detach},
};

static const struct method *find_method(const char *name)
{
	if (!name || strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i].name, name + strlen(PREFIX)) == 0)
			return &methods[i];
	}
	return NULL;
}

static int answer_error(struct connection *connection, const char *error, int result)
{
	struct json_object *parameters = json_object_new_object();
	char *text = NULL;
	int r;

	json_object_object_add(
		parameters, "errno", json_object_new_int(result < 0 ? -result : result));
	control_add_string(parameters, "text", strerror(result < 0 ? -result : result));
	r = message_encode_error(error, parameters, &text);
	if (r >= 0)
		r = channel_send(connection->channel, text);
	free(text);
	return r;
}

/* Detach waits for the engine's end, and so is no user of the engine. */
static int run_method(struct connection *connection, const struct method *method,
	struct json_object *in, struct json_object *out)
{
	int r;

	if (method->run == method_detach)
		return method_detach(connection, in, out);
	if (!enter_engine(connection->control))
		return -ESHUTDOWN;
	r = method->managed_only && !engine_residue(connection->control->engine)
		    ? -EOPNOTSUPP
		    : method->run(connection, in, out);
	leave_engine(connection->control);
	return r;
}

static int answer(struct connection *connection, const struct message *call)
{
	const struct method *method = find_method(call->method);
	struct json_object *out;
	char *text = NULL;
	int r;

	if (!method)
		return answer_error(connection, "org.varlink.service.MethodNotFound", -ENOSYS);
	out = json_object_new_object();
	if (!out)
		return -ENOMEM;
	r = run_method(connection, method, call->parameters, out);
	if (r < 0) {
		json_object_put(out);
		return answer_error(connection,
			r == -EOPNOTSUPP ? PREFIX "EncryptionOnly" : PREFIX "Failed", r);
	}
	r = message_encode_reply(out, &text);
	if (r >= 0)
		r = channel_send(connection->channel, text);
	free(text);
	return r;
}

/* What the connection holds of the engine; after Detach the engine gives it up by itself. */
static void let_go(struct connection *connection)
{
	if (!enter_engine(connection->control))
		return;
	for (size_t i = 0; i < connection->watch_count; i++) {
		if (connection->watches[i].watch)
			control_drop_watch(connection, &connection->watches[i]);
	}
	if (connection->leads)
		engine_barrier_leave(connection->control->engine, false);
	leave_engine(connection->control);
}

static void end_connection(struct connection *connection, bool detached)
{
	struct control *control = connection->control;

	let_go(connection);
	free(connection->watches);
	channel_free(connection->channel);
	free(connection);
	random_thread_done();
	pthread_mutex_lock(&control->lock);
	control->connections--;
	control->detach_waiters -= detached;
	pthread_cond_broadcast(&control->changed);
	pthread_mutex_unlock(&control->lock);
}

static void *serve_connection(void *argument)
{
	struct connection *connection = argument;
	bool detached = false;
	struct message call;
	int r;

	while (!detached) {
		r = channel_receive(connection->channel, -1, &call);
		if (r < 0)
			break;
		r = answer(connection, &call);
		detached = connection->waited_for_detach;
		message_done(&call);
		if (r < 0)
			break;
	}
	end_connection(connection, detached);
	return NULL;
}

static void *accept_connections(void *argument)
{
	struct control *control = argument;
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		struct connection *connection;
		pthread_t thread;
		bool room;

		if (fd < 0) {
			usleep(10000); /* out of descriptors: others will give theirs back */
			continue;
		}
		pthread_mutex_lock(&control->lock);
		room = control->connections < CONTROL_CONNECTIONS_MAX && !control->detach_asked;
		control->connections += room;
		pthread_mutex_unlock(&control->lock);
		connection = room ? calloc(1, sizeof(*connection)) : NULL;
		if (!connection) {
			close(fd);
			if (!room)
				continue;
			pthread_mutex_lock(&control->lock);
			control->connections--;
			pthread_mutex_unlock(&control->lock);
			continue;
		}
		connection->control = control;
		if (channel_new(fd, &connection->channel) < 0 ||
			pthread_create(&thread, &attributes, serve_connection, connection) != 0) {
			if (connection->channel)
				channel_free(connection->channel);
			free(connection);
			pthread_mutex_lock(&control->lock);
			control->connections--;
			pthread_mutex_unlock(&control->lock);
		}
	}
	return NULL;
}

int control_new(
	int listen_fd, struct engine *engine, struct fuse_port *port, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		close(listen_fd);
		return -ENOMEM;
	}
	control->listen_fd = listen_fd;
	control->engine = engine;
	control->port = port;
	pthread_mutex_init(&control->lock, NULL);
	pthread_cond_init(&control->changed, NULL);
	*ret_control = control;
	return 0;
}

void control_use_nbd(struct control *control, struct nbd_port *port, bool foreign_writes)
{
	control->nbd = port;
	control->foreign_writes = foreign_writes;
}

int control_start(struct control *control)
{
	pthread_attr_t attributes;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	r = -pthread_create(&control->thread, &attributes, accept_connections, control);
	pthread_attr_destroy(&attributes);
	return r;
}

void control_wait_for_detach(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	while (!control->detach_asked)
		pthread_cond_wait(&control->changed, &control->lock);
	pthread_mutex_unlock(&control->lock);
}

void control_quiesce(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	while (control->calls > 0)
		pthread_cond_wait(&control->changed, &control->lock);
	pthread_mutex_unlock(&control->lock);
}

void control_answer_detach(struct control *control, int result)
{
	pthread_mutex_lock(&control->lock);
	control->detach_answered = true;
	control->detach_result = result;
	pthread_cond_broadcast(&control->changed);
	while (control->detach_waiters > 0)
		pthread_cond_wait(&control->changed, &control->lock);
	pthread_mutex_unlock(&control->lock);
}

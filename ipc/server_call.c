/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/io.h"
#include "ipc/server_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICE "org.varlink.service"

static const char service_description[] =
	"# What every Varlink service answers\n"
	"interface org.varlink.service\n\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

/* --- a call's life --- */

static void call_unref(struct server_call *call)
{
	struct server *server = call->server;
	bool last;

	pthread_mutex_lock(&server->lock);
	last = --call->references == 0;
	pthread_mutex_unlock(&server->lock);
	if (!last)
		return;
	io_closep(&call->fd);
	free(call);
	server_unref(server);
}

static struct server_call *call_new(
	struct connection *connection, const struct message *message, int fd)
{
	struct server *server = connection->server;
	struct server_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	*call = (struct server_call){
		.server = server,
		.connection = connection,
		.references = 2, /* this thread's, until run() has returned, and the answer's */
		.parameters = message->parameters,
		.peer = connection->peer,
		.fd = fd,
		.more = message->more,
		.oneway = message->oneway,
	};
	pthread_mutex_lock(&server->lock);
	connection->call = call;
	server->references++;
	pthread_mutex_unlock(&server->lock);
	return call;
}

void call_abandon(struct connection *connection)
{
	pthread_mutex_lock(&connection->server->lock);
	if (connection->call)
		connection->call->connection = NULL;
	connection->call = NULL;
	pthread_mutex_unlock(&connection->server->lock);
}

const char *server_call_method(const struct server_call *call)
{
	return call->method;
}

struct json_object *server_call_parameters(const struct server_call *call)
{
	return call->parameters;
}

const struct server_peer *server_call_peer(const struct server_call *call)
{
	return &call->peer;
}

bool server_call_wants_more(const struct server_call *call)
{
	return call->more && !call->oneway;
}

int server_call_take_fd(struct server_call *call)
{
	int fd = call->fd;

	call->fd = -1;
	return fd;
}

bool server_call_is_gone(const struct server_call *call)
{
	bool gone;

	pthread_mutex_lock(&call->server->lock);
	gone = !call->oneway && (!call->connection || call->connection->cut);
	pthread_mutex_unlock(&call->server->lock);
	return gone;
}

/* --- replies --- */

/* Takes text, if it can be queued. */
static int queue_locked(struct connection *connection, char *text)
{
	size_t bytes = strlen(text) + 1;
	struct reply *reply;

	if (connection->cut || bytes > SERVER_QUEUE_BYTES_MAX - connection->reply_bytes)
		return -ENOBUFS;
	reply = malloc(sizeof(*reply));
	if (!reply)
		return -ENOMEM;
	*reply = (struct reply){.text = text, .bytes = bytes};
	if (connection->last_reply) {
		connection->last_reply->next = reply;
	} else {
		connection->replies = reply;
		connection->unread_ns = clock_monotonic_ns();
	}
	connection->last_reply = reply;
	connection->reply_bytes += bytes;
	return 0;
}

/* Takes text; NULL: there was no memory for it.  A peer that misses a reply is cut off. */
static int answer(struct server_call *call, char *text, bool last)
{
	struct server *server = call->server;
	struct connection *connection;
	int r = 0;

	pthread_mutex_lock(&server->lock);
	connection = call->connection;
	if (connection && !call->oneway) {
		r = text ? queue_locked(connection, text) : -ENOMEM;
		if (r >= 0)
			text = NULL;
		else
			connection->cut = true;
	}
	if (connection && last) {
		connection->call = NULL;
		call->connection = NULL;
	}
	if (connection) {
		connection->changed = true;
		server_wake_locked(server);
	}
	pthread_mutex_unlock(&server->lock);
	free(text);
	if (last)
		call_unref(call);
	return r;
}

int server_reply(struct server_call *call, struct json_object *parameters, bool continues)
{
	char *text = NULL;

	if (continues && !server_call_wants_more(call)) {
		json_object_put(parameters);
		return 0;
	}
	if (continues)
		(void)!message_encode_reply_continues(parameters, &text);
	else
		(void)!message_encode_reply(parameters, &text);
	return answer(call, text, !continues);
}

void server_error(struct server_call *call, const char *error, struct json_object *parameters)
{
	char *text = NULL;

	(void)!message_encode_error(error, parameters, &text);
	(void)answer(call, text, true);
}

static void error_about(
	struct server_call *call, const char *error, const char *key, const char *value)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, key, json_object_new_string(value));
	server_error(call, error, parameters);
}

void server_error_parameter(struct server_call *call, const char *parameter)
{
	error_about(call, SERVICE ".InvalidParameter", "parameter", parameter);
}

/* --- methods --- */

static void add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static void get_info(void *context, struct server_call *call)
{
	const struct server_options *options = &call->server->options;
	struct json_object *out = json_object_new_object(), *names = json_object_new_array();

	(void)context;
	add_string(out, "vendor", options->product);
	add_string(out, "product", options->product);
	add_string(out, "version", options->version);
	add_string(out, "url", options->url);
	json_object_array_add(names, json_object_new_string(SERVICE));
	json_object_array_add(names, json_object_new_string(options->interface));
	json_object_object_add(out, "interfaces", names);
	server_reply(call, out, false);
}

static void get_interface_description(void *context, struct server_call *call)
{
	const struct server_options *options = &call->server->options;
	const char *name, *text;
	struct json_object *out;

	(void)context;
	if (!message_get_string(call->parameters, "interface", &name)) {
		server_error_parameter(call, "interface");
		return;
	}
	text = strcmp(name, SERVICE) == 0	       ? service_description
	       : strcmp(name, options->interface) == 0 ? options->description
						       : NULL;
	if (!text) {
		error_about(call, SERVICE ".InterfaceNotFound", "interface", name);
		return;
	}
	out = json_object_new_object();
	add_string(out, "description", text);
	server_reply(call, out, false);
}

static const struct server_method service_methods[] = {
	{"GetInfo", get_info},
	{"GetInterfaceDescription", get_interface_description},
};

static const struct server_method *find(
	const struct server_method *methods, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	}
	return NULL;
}

/* The interface is what stands before the last dot. */
static void dispatch(struct server_call *call, const char *name)
{
	const struct server_options *options = &call->server->options;
	const char *dot = strrchr(name, '.');
	size_t bytes = dot ? (size_t)(dot - name) : 0;
	const struct server_method *method = NULL;
	char interface[128];

	snprintf(interface, sizeof(interface), "%.*s", (int)(bytes < 127 ? bytes : 127), name);
	if (strcmp(interface, SERVICE) == 0) {
		method = find(service_methods, ARRAY_SIZE(service_methods), dot + 1);
	} else if (strcmp(interface, options->interface) == 0) {
		method = find(options->methods, options->method_count, dot + 1);
	} else {
		error_about(call, SERVICE ".InterfaceNotFound", "interface", interface);
		return;
	}
	if (!method) {
		error_about(call, SERVICE ".MethodNotFound", "method", name);
		return;
	}
	call->method = method->name;
	if (method >= service_methods && method < service_methods + ARRAY_SIZE(service_methods))
		method->run(NULL, call);
	else if (!options->allow || options->allow(options->context, call, method))
		method->run(options->context, call);
}

void call_start(struct connection *connection, const struct message *message, int fd)
{
	struct server_call *call = call_new(connection, message, fd);

	if (!call) {
		io_closep(&fd);
		connection->ended = true; /* it cannot be answered */
		return;
	}
	dispatch(call, message->method);
	call->parameters = NULL;
	call_unref(call);
}

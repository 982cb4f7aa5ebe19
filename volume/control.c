/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/control.h"
#include "blockdev/raw.h"
#include "crypto/profile.h"
#include "ipc/channel.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREAD_STACK_BYTES (256u << 10)
#define WATCHES_MAX	   4096 /* of one connection */
#define EXTENTS_MAX	   (1u << 17)
#define PREFIX		   "io.spoolguard.volume."

struct control {
	int listen_fd;
	struct engine *engine;
	struct fuse_port *port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int connections;
	unsigned int calls; /* in the engine now */
	bool detach_asked;  /* nobody enters the engine any more */
	bool detach_answered;
	int detach_result;
	unsigned int detach_waiters;
};

struct watched {
	uint64_t id;
	uint64_t blocks;
	struct residue_watch *watch; /* NULL: free */
};

struct connection {
	struct control *control;
	struct channel *channel;
	struct watched *watches; /* owned */
	size_t watch_count;
	uint64_t next_id;
	bool leads;
};

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

/* A method fills parameters of the reply (an object it is given) or returns -errno. */
typedef int method_function(
	struct connection *connection, struct json_object *in, struct json_object *out);

static void add_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static void add_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* --- status --- */

static const char *verify_name(enum verify_mode verify)
{
	return verify == VERIFY_FULL ? "full" : verify == VERIFY_SAMPLE ? "sample" : "none";
}

static void add_map(struct engine *engine, struct json_object *out)
{
	struct residue_stuck stuck[16];
	struct json_object *list = json_object_new_array();
	struct residue_counts counts;
	struct engine_debt debt;
	size_t count;

	residue_get_counts(engine_residue(engine), &counts);
	engine_get_debt(engine, &debt);
	add_u64(out, "clean", counts.clean);
	add_u64(out, "live", counts.live);
	add_u64(out, "residue", counts.residue);
	add_u64(out, "suspect", counts.suspect);
	add_u64(out, "unknown", counts.unknown);
	add_u64(out, "stuck", counts.stuck);
	add_u64(out, "owed_bytes", (counts.residue + counts.suspect) * BLOCK_BYTES);
	add_u64(out, "oldest_owed_seconds", debt.oldest_owed_s);
	add_bool(out, "owed_from_before", debt.from_before);
	add_u64(out, "refused", counts.dead);
	add_u64(out, "erased_blocks", debt.erased_blocks);
	add_u64(out, "parked_writes", debt.parked_writes);
	add_bool(out, "eraser_failed", debt.eraser_failed);
	add_bool(out, "trusted", residue_is_trusted(engine_residue(engine)));
	count = residue_get_stuck(engine_residue(engine), stuck, ARRAY_SIZE(stuck));
	for (size_t i = 0; i < count && i < ARRAY_SIZE(stuck); i++) {
		struct json_object *entry = json_object_new_object();

		add_u64(entry, "block", stuck[i].block);
		add_string(entry, "error", strerror(-stuck[i].error));
		json_object_array_add(list, entry);
	}
	json_object_object_add(out, "stuck_blocks", list);
}

static void add_caveats(struct json_object *out)
{
	struct json_object *list = json_object_new_array();

	for (const char *const *caveat = profile_caveats(); *caveat; caveat++)
		json_object_array_add(list, json_object_new_string(*caveat));
	json_object_object_add(out, "not_approved", list);
	add_bool(out, "fips_provider", profile_has_fips_provider());
}

static int method_status(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct engine *engine = connection->control->engine;
	struct engine_info info;

	(void)in;
	engine_get_info(engine, &info);
	add_bool(out, "managed", info.managed);
	add_bool(out, "read_only", info.read_only);
	add_bool(out, "direct", info.direct);
	add_string(out, "uuid", info.uuid);
	add_u64(out, "block_bytes", info.block_bytes);
	add_u64(out, "blocks", info.blocks);
	add_u64(out, "process", (uint64_t)getpid());
	add_caveats(out);
	if (!info.managed)
		return 0;
	add_u64(out, "medium_bytes_most", info.medium_bytes_most);
	add_string(out, "scheme", info.scheme->name);
	add_string(out, "verify", verify_name(info.verify));
	add_string(out, "profile", profile_name(info.token.profile));
	add_bool(out, "filled_before", info.token.filled_before);
	add_u64(out, "header_backups", info.token.backups);
	add_bool(out, "was_unclean", info.opened.was_unclean);
	add_u64(out, "damaged_pages", info.opened.damaged_pages);
	add_u64(out, "suspect_at_attach", info.opened.suspect_blocks);
	add_bool(out, "sweep_owed", residue_is_sweep_owed(engine_residue(engine)));
	add_bool(out, "filesystem_expected", info.opened.filesystem_expected);
	add_map(engine, out);
	return 0;
}

/* --- retirement --- */

static int get_extents(struct json_object *in, struct extent_list *list)
{
	struct json_object *array, *pair;
	size_t count;
	int r = 0;

	if (!json_object_object_get_ex(in, "extents", &array) ||
		!json_object_is_type(array, json_type_array))
		return -EBADMSG;
	count = json_object_array_length(array);
	if (count > EXTENTS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count && r >= 0; i++) {
		int64_t first, blocks;

		pair = json_object_array_get_idx(array, i);
		if (!json_object_is_type(pair, json_type_array) ||
			json_object_array_length(pair) != 2 ||
			!json_object_is_type(json_object_array_get_idx(pair, 0), json_type_int) ||
			!json_object_is_type(json_object_array_get_idx(pair, 1), json_type_int))
			return -EBADMSG;
		first = json_object_get_int64(json_object_array_get_idx(pair, 0));
		blocks = json_object_get_int64(json_object_array_get_idx(pair, 1));
		if (first < 0 || blocks <= 0)
			return -EBADMSG;
		r = extent_list_add(list, (struct extent){(uint64_t)first, (uint64_t)blocks});
	}
	return r;
}

/* A free place for a watch; the table grows up to WATCHES_MAX. */
static int find_place(struct connection *connection, size_t *ret_place)
{
	size_t count = connection->watch_count;
	struct watched *watches;

	for (size_t i = 0; i < count; i++) {
		if (!connection->watches[i].watch) {
			*ret_place = i;
			return 0;
		}
	}
	if (count >= WATCHES_MAX)
		return -EMFILE;
	watches = realloc(connection->watches, (count ? 2 * count : 16) * sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	memset(watches + count, 0, ((count ? 2 * count : 16) - count) * sizeof(*watches));
	connection->watches = watches;
	connection->watch_count = count ? 2 * count : 16;
	*ret_place = count;
	return 0;
}

static int method_watch(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct extent_list blocks = {0};
	struct watched *watched;
	size_t place;
	int r;

	r = find_place(connection, &place);
	if (r < 0)
		return r;
	watched = &connection->watches[place];
	r = get_extents(in, &blocks);
	if (r >= 0)
		r = residue_watch_new(
			engine_residue(connection->control->engine), &blocks, &watched->watch);
	if (r >= 0) {
		watched->id = ++connection->next_id;
		watched->blocks = extent_list_blocks(&blocks);
		add_u64(out, "watch", watched->id);
	}
	extent_list_done(&blocks);
	return r;
}

static struct watched *find_watch(struct connection *connection, int64_t id)
{
	for (size_t i = 0; i < connection->watch_count; i++) {
		if (connection->watches[i].watch && (int64_t)connection->watches[i].id == id)
			return &connection->watches[i];
	}
	return NULL;
}

static void drop_watch(struct connection *connection, struct watched *watched)
{
	residue_watch_free(engine_residue(connection->control->engine), watched->watch);
	watched->watch = NULL;
}

static int method_unwatch(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct watched *watched;
	uint64_t id;

	(void)out;
	if (!message_get_u64(in, "watch", &id))
		return -EBADMSG;
	watched = find_watch(connection, (int64_t)id);
	if (!watched)
		return -ENOENT;
	drop_watch(connection, watched);
	return 0;
}

static struct json_object *describe_retirement(const struct retirement *done)
{
	struct json_object *out = json_object_new_object();
	struct json_object *times = json_object_new_array();

	add_u64(out, "requested", done->requested_blocks);
	add_u64(out, "lost", done->lost_blocks);
	add_u64(out, "not_owed", done->not_owed_blocks);
	add_u64(out, "written", done->written_blocks);
	add_u64(out, "durable", done->durable_blocks);
	add_u64(out, "verified", done->verified_blocks);
	add_u64(out, "refused", done->refused_blocks);
	add_u64(out, "unjudged", done->unjudged_blocks);
	add_u64(out, "passes", done->passes);
	add_u64(out, "epoch", done->epoch);
	for (uint32_t i = 0; i < done->passes; i++)
		json_object_array_add(times, json_object_new_int64(done->pass_durable_wall_s[i]));
	json_object_object_add(out, "pass_times", times);
	return out;
}

/* The watches that the call names, each once; all of them end with the call. */
static int name_watches(struct connection *connection, struct json_object *in,
	struct watched **named, size_t *ret_count)
{
	struct json_object *array, *id;
	size_t count;

	if (!json_object_object_get_ex(in, "watches", &array) ||
		!json_object_is_type(array, json_type_array))
		return -EBADMSG;
	count = json_object_array_length(array);
	if (count > connection->watch_count)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		id = json_object_array_get_idx(array, i);
		if (!json_object_is_type(id, json_type_int))
			return -EBADMSG;
		named[i] = find_watch(connection, json_object_get_int64(id));
		if (!named[i])
			return -ENOENT;
		for (size_t j = 0; j < i; j++) {
			if (named[j] == named[i])
				return -EINVAL;
		}
	}
	*ret_count = count;
	return 0;
}

static int method_condemn(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	size_t most = connection->watch_count ? connection->watch_count : 1, count = 0;
	struct watched **named = calloc(most, sizeof(*named));
	struct residue_watch **watches = calloc(most, sizeof(struct residue_watch *));
	uint64_t *requested = calloc(most, sizeof(*requested));
	struct retirement *done = calloc(most, sizeof(*done));
	struct json_object *list;
	int r = named && watches && requested && done ? 0 : -ENOMEM;

	if (r >= 0)
		r = name_watches(connection, in, named, &count);
	for (size_t i = 0; i < count && r >= 0; i++) {
		watches[i] = named[i]->watch;
		requested[i] = named[i]->blocks;
	}
	if (r >= 0)
		r = engine_retire(connection->control->engine, watches, requested, count, done);
	if (r >= 0) {
		list = json_object_new_array();
		for (size_t i = 0; i < count; i++)
			json_object_array_add(list, describe_retirement(&done[i]));
		json_object_object_add(out, "retirements", list);
	}
	for (size_t i = 0; i < count; i++)
		drop_watch(connection, named[i]);
	free(named);
	free(watches);
	free(requested);
	free(done);
	return r;
}

/* --- barriers --- */

static int method_barrier_enter(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	if (connection->leads)
		return -EALREADY;
	connection->leads = engine_barrier_enter(connection->control->engine);
	add_bool(out, "lead", connection->leads);
	return 0;
}

static int method_barrier_leave(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	bool done = false;

	(void)out;
	if (!connection->leads)
		return -ENOENT;
	(void)message_get_bool(in, "done", &done);
	connection->leads = false;
	engine_barrier_leave(connection->control->engine, done);
	return 0;
}

static int method_barrier(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct engine *engine = connection->control->engine;
	uint64_t epoch = 0;
	bool all = false;
	int r;

	(void)message_get_bool(in, "all", &all);
	r = all ? engine_barrier_all(engine, &epoch) : engine_barrier(engine, &epoch);
	add_u64(out, "epoch", epoch);
	return r;
}

/* --- sweep --- */

static int method_serve(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	if (connection->control->port)
		fuse_port_serve(connection->control->port);
	return 0;
}

static int method_trust(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	engine_trust(connection->control->engine);
	return 0;
}

static int method_distrust(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	return residue_distrust(engine_residue(connection->control->engine));
}

static int method_allow_unknown_discards(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	residue_allow_unknown_discards(engine_residue(connection->control->engine));
	return 0;
}

static int method_settle_unknown(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	(void)in;
	(void)out;
	return residue_settle_unknown(engine_residue(connection->control->engine));
}

static int method_get_fingerprint(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	uint8_t bytes[RESIDUE_FINGERPRINT_BYTES];
	char text[2 * RESIDUE_FINGERPRINT_BYTES + 1];

	(void)in;
	residue_get_fingerprint(engine_residue(connection->control->engine), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	add_string(out, "fingerprint", text);
	return 0;
}

static int method_set_fingerprint(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	uint8_t bytes[RESIDUE_FINGERPRINT_BYTES];
	const char *text;

	(void)out;
	if (!message_get_string(in, "fingerprint", &text) || strlen(text) != 2 * sizeof(bytes) ||
		strspn(text, "0123456789abcdef") != strlen(text))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		unsigned int byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EBADMSG;
		bytes[i] = (uint8_t)byte;
	}
	residue_set_fingerprint(engine_residue(connection->control->engine), bytes);
	return 0;
}

static int method_set_sweep_owed(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	bool owed;

	(void)out;
	if (!message_get_bool(in, "owed", &owed))
		return -EBADMSG;
	return residue_set_sweep_owed(engine_residue(connection->control->engine), owed);
}

static int method_set_filesystem_expected(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	bool expected;

	(void)out;
	if (!message_get_bool(in, "expected", &expected))
		return -EBADMSG;
	return residue_set_filesystem_expected(
		engine_residue(connection->control->engine), expected);
}

static int method_grow(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	uint64_t blocks = 0;
	int r;

	(void)in;
	r = engine_grow(connection->control->engine, &blocks);
	add_u64(out, "blocks", blocks);
	return r;
}

static int method_detach(
	struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct control *control = connection->control;
	int r;

	(void)in;
	(void)out;
	pthread_mutex_lock(&control->lock);
	control->detach_asked = true;
	control->detach_waiters++;
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
	add_string(parameters, "text", strerror(result < 0 ? -result : result));
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
			drop_watch(connection, &connection->watches[i]);
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
		detached = call.method && strcmp(call.method, PREFIX "Detach") == 0;
		r = answer(connection, &call);
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

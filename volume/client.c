/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/client.h"
#include "base/hex.h"
#include "base/io.h"
#include "ipc/channel.h"
#include "volume/runtime.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PREFIX "io.spoolguard.volume."

struct client {
	struct channel *channel;
	bool out_of_step; /* an answer was not waited for */
};

int client_connect(const char *uuid, struct client **ret_client)
{
	char path[RUNTIME_PATH_BYTES];
	struct client *client;
	int r;

	r = runtime_path(uuid, "control", path);
	if (r < 0)
		return r;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	r = channel_connect(path, &client->channel);
	if (r < 0) {
		free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	channel_free(client->channel);
	free(client);
}

void client_cancel(struct client *client)
{
	(void)shutdown(channel_fd(client->channel), SHUT_RDWR);
}

static int exchange(struct client *client, const char *name, struct json_object *in, int timeout_ms,
	struct message *ret_answer)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = message_encode_call(name, in, &text);
	if (r >= 0)
		r = channel_send(client->channel, text);
	if (r >= 0)
		r = channel_receive(client->channel, timeout_ms, ret_answer);
	client->out_of_step = r == -ETIMEDOUT;
	if (r < 0)
		return r;
	return ret_answer->error ? -EREMOTEIO : 0;
}

/* Takes in.  On success *ret_answer is to be message_done(). */
static int call_within(struct client *client, const char *method, struct json_object *in,
	int timeout_ms, struct message *ret_answer)
{
	char name[64];
	uint64_t number = 0;
	int r;

	snprintf(name, sizeof(name), PREFIX "%s", method);
	*ret_answer = (struct message){.object = NULL};
	if (client->out_of_step) {
		json_object_put(in);
		return -ETIMEDOUT;
	}
	r = exchange(client, name, in, timeout_ms, ret_answer);
	if (r == -EREMOTEIO) {
		r = message_get_u64(ret_answer->parameters, "errno", &number) && number > 0 &&
				    number < 4096
			    ? -(int)number
			    : -EPROTO;
	}
	if (r < 0)
		message_done(ret_answer);
	return r;
}

static int call(struct client *client, const char *method, struct json_object *in,
	struct message *ret_answer)
{
	return call_within(client, method, in, -1, ret_answer);
}

static int call_plain(struct client *client, const char *method, struct json_object *in)
{
	struct message answer;
	int r = call(client, method, in, &answer);

	message_done(&answer);
	return r;
}

static struct json_object *with_u64(const char *key, uint64_t value)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, key, json_object_new_uint64(value));
	return object;
}

static struct json_object *with_bool(const char *key, bool value)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, key, json_object_new_boolean(value));
	return object;
}

int client_serve(struct client *client)
{
	return call_plain(client, "Serve", NULL);
}

int client_status(struct client *client, struct json_object **ret_status)
{
	struct message answer;
	int r = call(client, "Status", NULL, &answer);

	if (r >= 0)
		*ret_status = json_object_get(answer.parameters);
	message_done(&answer);
	return r;
}

int client_watch(struct client *client, const struct extent_list *extents, uint64_t *ret_watch)
{
	struct json_object *in = json_object_new_object(), *list = json_object_new_array();
	struct message answer;
	int r;

	for (size_t i = 0; i < extents->count; i++) {
		struct json_object *pair = json_object_new_array();

		json_object_array_add(pair, json_object_new_uint64(extents->items[i].first));
		json_object_array_add(pair, json_object_new_uint64(extents->items[i].count));
		json_object_array_add(list, pair);
	}
	json_object_object_add(in, "extents", list);
	r = call(client, "Watch", in, &answer);
	if (r >= 0 && !message_get_u64(answer.parameters, "watch", ret_watch))
		r = -EPROTO;
	message_done(&answer);
	return r;
}

int client_unwatch(struct client *client, uint64_t watch)
{
	return call_plain(client, "Unwatch", with_u64("watch", watch));
}

static void get_times(struct json_object *parameters, struct retirement *retirement)
{
	struct json_object *times;

	if (!json_object_object_get_ex(parameters, "pass_times", &times) ||
		!json_object_is_type(times, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(times) && i < SCHEME_PASSES_MAX; i++)
		retirement->pass_durable_wall_s[i] =
			json_object_get_int64(json_object_array_get_idx(times, i));
}

static int get_retirement(struct json_object *p, struct retirement *ret_retirement)
{
	struct retirement done = {.requested_blocks = 0};
	uint64_t passes = 0;

	if (!message_get_u64(p, "requested", &done.requested_blocks) ||
		!message_get_u64(p, "lost", &done.lost_blocks) ||
		!message_get_u64(p, "not_owed", &done.not_owed_blocks) ||
		!message_get_u64(p, "written", &done.written_blocks) ||
		!message_get_u64(p, "durable", &done.durable_blocks) ||
		!message_get_u64(p, "verified", &done.verified_blocks) ||
		!message_get_u64(p, "refused", &done.refused_blocks) ||
		!message_get_u64(p, "unjudged", &done.unjudged_blocks) ||
		!message_get_u64(p, "passes", &passes) || passes > SCHEME_PASSES_MAX ||
		!message_get_u64(p, "epoch", &done.epoch))
		return -EPROTO;
	done.passes = (uint32_t)passes;
	get_times(p, &done);
	*ret_retirement = done;
	return 0;
}

int client_condemn(struct client *client, const uint64_t *watches, size_t count,
	struct retirement *ret_retirements)
{
	struct json_object *in = json_object_new_object(), *list = json_object_new_array();
	struct message answer;
	int r;

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_uint64(watches[i]));
	json_object_object_add(in, "watches", list);
	r = call(client, "Condemn", in, &answer);
	if (r >= 0 && (!json_object_object_get_ex(answer.parameters, "retirements", &list) ||
			      !json_object_is_type(list, json_type_array) ||
			      json_object_array_length(list) != count))
		r = -EPROTO;
	for (size_t i = 0; i < count && r >= 0; i++)
		r = get_retirement(json_object_array_get_idx(list, i), &ret_retirements[i]);
	message_done(&answer);
	return r;
}

int client_barrier_enter(struct client *client, bool *ret_lead)
{
	struct message answer;
	int r = call(client, "BarrierEnter", NULL, &answer);

	if (r >= 0 && !message_get_bool(answer.parameters, "lead", ret_lead))
		r = -EPROTO;
	message_done(&answer);
	return r;
}

int client_barrier_leave(struct client *client, bool done)
{
	return call_plain(client, "BarrierLeave", with_bool("done", done));
}

int client_barrier(struct client *client, bool all, uint64_t *ret_epoch)
{
	struct message answer;
	int r = call(client, "Barrier", with_bool("all", all), &answer);

	if (r >= 0 && !message_get_u64(answer.parameters, "epoch", ret_epoch))
		r = -EPROTO;
	message_done(&answer);
	return r;
}

int client_trust(struct client *client)
{
	return call_plain(client, "Trust", NULL);
}

int client_distrust(struct client *client)
{
	return call_plain(client, "Distrust", NULL);
}

int client_allow_unknown_discards(struct client *client)
{
	return call_plain(client, "AllowUnknownDiscards", NULL);
}

int client_settle_unknown(struct client *client)
{
	return call_plain(client, "SettleUnknown", NULL);
}

int client_get_fingerprint(
	struct client *client, uint8_t ret_bytes[static RESIDUE_FINGERPRINT_BYTES])
{
	struct message answer;
	const char *text;
	int r = call(client, "GetFingerprint", NULL, &answer);

	if (r >= 0 && (!message_get_string(answer.parameters, "fingerprint", &text) ||
			      strlen(text) != 2 * RESIDUE_FINGERPRINT_BYTES))
		r = -EPROTO;
	for (size_t i = 0; r >= 0 && i < RESIDUE_FINGERPRINT_BYTES; i++) {
		unsigned int byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			r = -EPROTO;
		else
			ret_bytes[i] = (uint8_t)byte;
	}
	message_done(&answer);
	return r;
}

int client_set_fingerprint(
	struct client *client, const uint8_t bytes[static RESIDUE_FINGERPRINT_BYTES])
{
	struct json_object *in = json_object_new_object();
	char text[2 * RESIDUE_FINGERPRINT_BYTES + 1];

	for (size_t i = 0; i < RESIDUE_FINGERPRINT_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	json_object_object_add(in, "fingerprint", json_object_new_string(text));
	return call_plain(client, "SetFingerprint", in);
}

int client_set_sweep_owed(struct client *client, bool owed)
{
	return call_plain(client, "SetSweepOwed", with_bool("owed", owed));
}

int client_set_filesystem_expected(struct client *client, bool expected)
{
	return call_plain(client, "SetFilesystemExpected", with_bool("expected", expected));
}

int client_grow(struct client *client, uint64_t *ret_blocks)
{
	struct message answer;
	int r = call(client, "Grow", NULL, &answer);

	if (r >= 0 && !message_get_u64(answer.parameters, "blocks", ret_blocks))
		r = -EPROTO;
	message_done(&answer);
	return r;
}

int client_selftest_overwrite(
	struct client *client, int timeout_ms, struct scratch_report *ret_report)
{
	struct scratch_report report = {.blocks = 0};
	struct message answer;
	uint64_t passes = 0;
	int r = call_within(client, "SelfTestOverwrite", NULL, timeout_ms, &answer);

	if (r >= 0 && (!message_get_u64(answer.parameters, "blocks", &report.blocks) ||
			      !message_get_u64(answer.parameters, "passes", &passes) ||
			      !message_get_u64(answer.parameters, "different", &report.different) ||
			      !message_get_u64(answer.parameters, "refused", &report.refused) ||
			      passes > SCHEME_PASSES_MAX + 1))
		r = -EPROTO;
	message_done(&answer);
	if (r < 0)
		return r;
	report.passes = (uint32_t)passes;
	*ret_report = report;
	return 0;
}

int client_selftest_map(struct client *client, int timeout_ms, struct residue_check *ret_check)
{
	struct residue_check check = {.pages = 0};
	struct message answer;
	uint64_t whole = 0;
	int r = call_within(client, "SelfTestMap", NULL, timeout_ms, &answer);

	if (r >= 0 && (!message_get_u64(answer.parameters, "pages", &check.pages) ||
			      !message_get_u64(
				      answer.parameters, "damaged_pages", &check.damaged_pages) ||
			      !message_get_u64(answer.parameters, "whole_superblocks", &whole) ||
			      whole > 2))
		r = -EPROTO;
	message_done(&answer);
	if (r < 0)
		return r;
	check.whole_superblocks = (uint32_t)whole;
	*ret_check = check;
	return 0;
}

/* --- search --- */

static struct json_object *search_to_json(const struct client_search *what)
{
	char text[2 * CLIENT_SEARCH_BYTES_MAX + 1];
	struct json_object *in = json_object_new_object(), *strings = json_object_new_array();

	json_object_object_add(in, "area",
		json_object_new_string(what->area == ENGINE_AREA_DATA ? "data" : "spare"));
	json_object_object_add(in, "first", json_object_new_uint64(what->at.first));
	json_object_object_add(in, "count", json_object_new_uint64(what->at.count));
	hex_encode(what->mask, sizeof(what->mask), text);
	json_object_object_add(in, "mask", json_object_new_string(text));
	for (size_t i = 0; i < what->count; i++) {
		hex_encode(what->strings[i].masked, what->strings[i].bytes, text);
		json_object_array_add(strings, json_object_new_string(text));
	}
	json_object_object_add(in, "strings", strings);
	return in;
}

static bool get_found(
	struct json_object *item, const struct client_search *what, struct engine_found *ret_found)
{
	uint64_t string, form, class, bytes;

	if (!message_get_u64(item, "string", &string) || !message_get_u64(item, "form", &form) ||
		!message_get_u64(item, "class", &class) ||
		!message_get_u64(item, "bytes", &bytes) ||
		!message_get_u64(item, "offset", &ret_found->hit.offset) || string >= what->count ||
		form >= SEARCH_FORM_COUNT || class > RESIDUE_CLASS_UNKNOWN)
		return false;
	ret_found->hit.index = (size_t)string;
	ret_found->hit.form = (enum search_form)form;
	ret_found->hit.bytes = (size_t)bytes;
	ret_found->class = (enum residue_class) class;
	return true;
}

static int get_search_report(struct json_object *out, const struct client_search *what,
	struct engine_search_report *ret_report)
{
	struct engine_search_report *report = ret_report;
	struct json_object *found, *counts;

	*report = (struct engine_search_report){.hits = 0};
	if (!message_get_u64(out, "blocks", &report->area_blocks) ||
		!message_get_u64(out, "unreadable_blocks", &report->unreadable_blocks) ||
		!message_get_u64(out, "hits", &report->hits) ||
		!json_object_object_get_ex(out, "hits_of", &counts) ||
		!json_object_is_type(counts, json_type_array) ||
		json_object_array_length(counts) != what->count ||
		!json_object_object_get_ex(out, "found", &found) ||
		!json_object_is_type(found, json_type_array) ||
		json_object_array_length(found) > ENGINE_FOUND_MAX)
		return -EPROTO;
	for (size_t i = 0; i < what->count; i++)
		report->hits_of[i] = json_object_get_uint64(json_object_array_get_idx(counts, i));
	for (size_t i = 0; i < json_object_array_length(found); i++) {
		if (!get_found(json_object_array_get_idx(found, i), what,
			    &report->found[report->found_count++]))
			return -EPROTO;
	}
	return 0;
}

int client_search(struct client *client, const struct client_search *what,
	struct engine_search_report *ret_report)
{
	struct message answer;
	int r = call(client, "Search", search_to_json(what), &answer);

	if (r >= 0)
		r = get_search_report(answer.parameters, what, ret_report);
	message_done(&answer);
	return r;
}

int client_detach(struct client *client, bool disconnect)
{
	return call_plain(client, "Detach", with_bool("disconnect", disconnect));
}

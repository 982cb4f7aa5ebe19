/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/control_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WATCHES_MAX 4096 /* of one connection */
#define EXTENTS_MAX (1u << 17)

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

int method_watch(struct connection *connection, struct json_object *in, struct json_object *out)
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
		control_add_u64(out, "watch", watched->id);
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

void control_drop_watch(struct connection *connection, struct watched *watched)
{
	residue_watch_free(engine_residue(connection->control->engine), watched->watch);
	watched->watch = NULL;
}

int method_unwatch(struct connection *connection, struct json_object *in, struct json_object *out)
{
	struct watched *watched;
	uint64_t id;

	(void)out;
	if (!message_get_u64(in, "watch", &id))
		return -EBADMSG;
	watched = find_watch(connection, (int64_t)id);
	if (!watched)
		return -ENOENT;
	control_drop_watch(connection, watched);
	return 0;
}

static struct json_object *describe_retirement(const struct retirement *done)
{
	struct json_object *out = json_object_new_object();
	struct json_object *times = json_object_new_array();

	control_add_u64(out, "requested", done->requested_blocks);
	control_add_u64(out, "lost", done->lost_blocks);
	control_add_u64(out, "not_owed", done->not_owed_blocks);
	control_add_u64(out, "written", done->written_blocks);
	control_add_u64(out, "durable", done->durable_blocks);
	control_add_u64(out, "verified", done->verified_blocks);
	control_add_u64(out, "refused", done->refused_blocks);
	control_add_u64(out, "unjudged", done->unjudged_blocks);
	control_add_u64(out, "passes", done->passes);
	control_add_u64(out, "epoch", done->epoch);
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

int method_condemn(struct connection *connection, struct json_object *in, struct json_object *out)
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
		control_drop_watch(connection, named[i]);
	free(named);
	free(watches);
	free(requested);
	free(done);
	return r;
}

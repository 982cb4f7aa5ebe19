/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/closure.h"
#include "base/durable.h"
#include "base/io.h"
#include "ipc/fields.h"
#include "ipc/message.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES_MAX (4u << 20)

static int make_path(const char *directory, const char *name, char path[static PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/closure.%s", directory, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

void closure_done(struct closure *closure)
{
	json_object_put(closure->jobs);
	json_object_put(closure->not_retired);
	*closure = (struct closure){.state = CLOSURE_NONE};
}

/* --- text --- */

static struct json_object *array_of(struct json_object *array)
{
	return array ? json_object_get(array) : json_object_new_array();
}

static struct json_object *encode(const struct closure *closure)
{
	struct json_object *object = json_object_new_object();

	fields_add_string(object, "state", closure->state == CLOSURE_CLOSED ? "closed" : "closing");
	fields_add_string(object, "uuid", closure->uuid);
	fields_add_string(object, "medium", closure->medium);
	fields_add_u64(object, "began", (uint64_t)closure->began_wall_s);
	json_object_object_add(object, "jobs",
		closure->jobs ? json_object_get(closure->jobs) : json_object_new_object());
	fields_add_bool(object, "looked", closure->looked);
	fields_add_u64(object, "newest", closure->newest);
	fields_add_u64(object, "retired", closure->retired);
	json_object_object_add(object, "not_retired", array_of(closure->not_retired));
	return object;
}

static bool get_string(struct json_object *object, const char *key, char *to, size_t bytes)
{
	const char *text;

	if (!message_get_string(object, key, &text) || strlen(text) >= bytes)
		return false;
	strcpy(to, text);
	return true;
}

static bool get_typed(struct json_object *object, const char *key, enum json_type type,
	struct json_object **ret_value)
{
	struct json_object *value = json_object_object_get(object, key);

	if (!json_object_is_type(value, type))
		return false;
	*ret_value = json_object_get(value);
	return true;
}

static bool decode(struct json_object *object, struct closure *closure)
{
	const char *state;
	uint64_t began;

	if (!json_object_is_type(object, json_type_object) ||
		!message_get_string(object, "state", &state) ||
		!get_string(object, "uuid", closure->uuid, sizeof(closure->uuid)) ||
		!get_string(object, "medium", closure->medium, sizeof(closure->medium)) ||
		!message_get_u64(object, "began", &began) ||
		!message_get_u64(object, "newest", &closure->newest) ||
		!message_get_u64(object, "retired", &closure->retired) ||
		!message_get_bool(object, "looked", &closure->looked) ||
		!get_typed(object, "jobs", json_type_object, &closure->jobs) ||
		!get_typed(object, "not_retired", json_type_array, &closure->not_retired))
		return false;
	closure->began_wall_s = (int64_t)began;
	closure->state = strcmp(state, "closing") == 0 ? CLOSURE_CLOSING : CLOSURE_CLOSED;
	return true;
}

/* --- file --- */

int closure_load(const char *directory, const char *name, struct closure *ret_closure)
{
	_cleanup_free_ char *text = malloc(RECORD_BYTES_MAX);
	struct closure closure = {.state = CLOSURE_NONE};
	struct json_object *object;
	char path[PATH_MAX];
	bool whole;
	int r;

	if (!text)
		return -ENOMEM;
	r = make_path(directory, name, path);
	if (r >= 0)
		r = durable_read(path, text, RECORD_BYTES_MAX);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	object = json_tokener_parse(text);
	whole = decode(object, &closure);
	json_object_put(object);
	if (!whole) {
		closure_done(&closure);
		return -EBADMSG;
	}
	*ret_closure = closure;
	return 0;
}

int closure_save(const char *directory, const char *name, const struct closure *closure)
{
	struct json_object *object = encode(closure);
	char path[PATH_MAX];
	int r;

	r = make_path(directory, name, path);
	if (r >= 0)
		r = durable_write(
			path, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	return r;
}

int closure_remove(const char *directory, const char *name)
{
	char path[PATH_MAX];
	int r = make_path(directory, name, path);

	return r < 0 ? r : durable_remove(path);
}

enum closure_state closure_state(const char *directory, const char *name)
{
	struct closure closure;
	enum closure_state state;
	int r = closure_load(directory, name, &closure);

	if (r < 0)
		return r == -ENOENT ? CLOSURE_NONE : CLOSURE_CLOSED;
	state = closure.state;
	closure_done(&closure);
	return state;
}

/* --- may it be attached? --- */

/* Formatted anew it has another UUID; another medium is not the one that was closed. */
static bool is_another(const struct closure *closure, const char *medium, const char *medium_uuid)
{
	if (medium_uuid && closure->uuid[0])
		return strcmp(closure->uuid, medium_uuid) != 0;
	return strcmp(closure->medium, medium) != 0;
}

int closure_check(const char *directory, const char *name, const char *medium,
	const char *medium_uuid, struct problem *reterr_problem)
{
	struct closure closure = {.state = CLOSURE_CLOSED};
	int r = closure_load(directory, name, &closure);
	bool known = r >= 0, another;

	if (r == -ENOENT || (known && closure.state == CLOSURE_CLOSING)) {
		closure_done(&closure);
		return 0;
	}
	another = known && is_another(&closure, medium, medium_uuid);
	closure_done(&closure);
	if (another)
		return closure_remove(directory, name);
	if (!known || !medium_uuid)
		return problem_set(reterr_problem, -EKEYREVOKED,
			"volume %s was decommissioned, and no other is on its medium: format it, "
			"then attach it%s",
			name,
			known ? ""
			      : " (what closed it cannot be read: remove closure.NAME from the "
				"state directory then)");
	return problem_set(reterr_problem, -EKEYREVOKED,
		"volume %s was decommissioned and stays closed: format its medium anew, or take it "
		"out of the configuration",
		name);
}

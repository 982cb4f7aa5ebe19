/* SPDX-License-Identifier: Apache-2.0 */
#include "compliance/judge.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN "run \"spoolguard check\" as root while spoolguardd runs"

/* --- what is said --- */

/* From the best to the worst (F3). */
static unsigned int badness(enum control_state state)
{
	return state == CONTROL_MET ? 0 : state == CONTROL_CANNOT_TELL ? 1 : 2;
}

static void format_printf(4, 0) say(struct judged *out, enum control_state state,
	const char *remedy, const char *format, va_list arguments)
{
	if (out->evidence[0] && badness(state) <= badness(out->state))
		return;
	out->state = state;
	vsnprintf(out->evidence, sizeof(out->evidence), format, arguments);
	snprintf(out->remedy, sizeof(out->remedy), "%s", remedy ? remedy : "");
}

void judged_met(struct judged *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(out, CONTROL_MET, NULL, format, arguments);
	va_end(arguments);
}

void judged_not_met(struct judged *out, const char *remedy, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(out, CONTROL_NOT_MET, remedy, format, arguments);
	va_end(arguments);
}

void judged_cannot_tell(struct judged *out, const char *remedy, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(out, CONTROL_CANNOT_TELL, remedy, format, arguments);
	va_end(arguments);
}

/* --- members --- */

static struct json_object *member(
	struct json_object *value, const char *key, enum json_type type, struct judged *out)
{
	struct json_object *found = NULL;

	if (json_object_is_type(value, json_type_object) &&
		json_object_object_get_ex(value, key, &found) && json_object_is_type(found, type))
		return found;
	judged_cannot_tell(out, LOOK_AGAIN, "\"%s\" was not told", key);
	return NULL;
}

bool judge_bool(struct json_object *value, const char *key, struct judged *out, bool *ret_value)
{
	struct json_object *found = member(value, key, json_type_boolean, out);

	if (found)
		*ret_value = json_object_get_boolean(found);
	return found != NULL;
}

bool judge_u64(struct json_object *value, const char *key, struct judged *out, uint64_t *ret_value)
{
	struct json_object *found = member(value, key, json_type_int, out);

	if (found)
		*ret_value = json_object_get_uint64(found);
	return found != NULL;
}

bool judge_text(
	struct json_object *value, const char *key, struct judged *out, const char **ret_value)
{
	struct json_object *found = member(value, key, json_type_string, out);

	if (found)
		*ret_value = json_object_get_string(found);
	return found != NULL;
}

bool judge_array(struct json_object *value, const char *key, struct judged *out,
	struct json_object **ret_value)
{
	struct json_object *found = member(value, key, json_type_array, out);

	if (found)
		*ret_value = found;
	return found != NULL;
}

static const char *text_of(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

const char *judge_peek(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		(void)json_object_object_get_ex(object, key, &value);
	return text_of(value);
}

const char *judge_peek_at(struct json_object *list, size_t index)
{
	return text_of(json_object_array_get_idx(list, index));
}

bool judge_items(struct json_object *value, const char *empty, const char *remedy,
	struct judged *out, size_t *ret_count)
{
	if (!json_object_is_type(value, json_type_array)) {
		judged_cannot_tell(out, LOOK_AGAIN, "it was not told");
		return false;
	}
	*ret_count = json_object_array_length(value);
	if (*ret_count == 0)
		judged_cannot_tell(out, remedy, "%s", empty);
	return *ret_count > 0;
}

bool judge_open(struct json_object *volume, struct judged *out, const char **ret_name)
{
	const char *name;
	bool open;

	if (!judge_text(volume, "name", out, &name) || !judge_bool(volume, "open", out, &open))
		return false;
	if (!open)
		judged_cannot_tell(
			out, "attach it", "volume %s is not open, or does not answer", name);
	else
		*ret_name = name;
	return open;
}

/* --- facts --- */

static struct json_object *find_fact(struct json_object *facts, const char *name)
{
	struct json_object *all = NULL, *fact = NULL;

	if (json_object_object_get_ex(facts, "facts", &all))
		(void)json_object_object_get_ex(all, name, &fact);
	return fact;
}

struct json_object *judge_fact(struct json_object *facts, const char *name)
{
	struct json_object *fact = find_fact(facts, name), *value = NULL;

	if (fact)
		(void)json_object_object_get_ex(fact, "value", &value);
	return value;
}

static const char *fact_text(struct json_object *facts, const char *name, const char *key)
{
	return judge_peek(find_fact(facts, name), key);
}

static void tell_unseen(struct json_object *facts, const char *name, struct judged *out)
{
	const char *why = fact_text(facts, name, "why"), *mend = fact_text(facts, name, "mend");

	judged_cannot_tell(out, mend[0] ? mend : LOOK_AGAIN, "%s: %s", name,
		why[0] ? why : "it was not looked at");
}

/* True: all facts of the part are there, with their times. */
static bool take_facts(struct json_object *facts, const struct part *part,
	struct json_object *values[static JUDGE_FACTS_MAX], struct judged *out)
{
	bool all = true;

	for (size_t i = 0; i < JUDGE_FACTS_MAX && part->facts[i]; i++) {
		values[i] = judge_fact(facts, part->facts[i]);
		if (!values[i]) {
			tell_unseen(facts, part->facts[i], out);
			all = false;
		} else if (!fact_text(facts, part->facts[i], "seen")[0]) {
			judged_cannot_tell(out, LOOK_AGAIN, "%s: when it was seen was not told",
				part->facts[i]);
			all = false;
		}
	}
	return all;
}

int judge_part(struct json_object *facts, const struct part *part, struct control_part *ret_part)
{
	struct json_object *values[JUDGE_FACTS_MAX] = {NULL};
	struct judged judged = {.state = CONTROL_MET};
	bool seen = take_facts(facts, part, values, &judged);
	struct control_part made = {.id = part->id};

	if (seen)
		part->judge(values, &judged);
	if (!judged.evidence[0])
		judged_cannot_tell(&judged, LOOK_AGAIN, "nothing was found to judge by");
	made.state = judged.state;
	made.evidence = strdup(judged.evidence);
	made.remedy = judged.state == CONTROL_MET ? NULL : strdup(judged.remedy);
	made.seen = strdup(seen ? fact_text(facts, part->facts[0], "seen") : "");
	made.how = strdup(fact_text(facts, part->facts[0], "how"));
	if (!made.evidence || !made.seen || !made.how ||
		(judged.state != CONTROL_MET && !made.remedy)) {
		free(made.evidence);
		free(made.remedy);
		free(made.seen);
		free(made.how);
		return -ENOMEM;
	}
	*ret_part = made;
	return 0;
}

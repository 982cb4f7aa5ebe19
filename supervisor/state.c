/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/state.h"
#include "base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASONS_MAX 128
#define KEY_BYTES   160
#define TEXT_BYTES  512

struct reason {
	char key[KEY_BYTES];
	char text[TEXT_BYTES];
	enum state_weight weight;
};

struct state {
	pthread_mutex_t lock;
	void (*changed)(void *context);
	void *context;
	bool testing, wiping, stopped;
	/* In the order in which they came.  One that found no room counts for ever (fail closed).
	 */
	struct reason reasons[REASONS_MAX];
	size_t count;
};

static const char lost_key[] = "lost";

int state_new(void (*changed)(void *context), void *context, struct state **ret_state)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	pthread_mutex_init(&state->lock, NULL);
	state->changed = changed;
	state->context = context;
	state->testing = true; /* E1: nothing has been tested yet */
	*ret_state = state;
	return 0;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	pthread_mutex_destroy(&state->lock);
	free(state);
}

static void tell(struct state *state, bool differs)
{
	if (differs && state->changed)
		state->changed(state->context);
}

static void set_flag(struct state *state, bool *flag, bool value)
{
	bool differs;

	pthread_mutex_lock(&state->lock);
	differs = *flag != value;
	*flag = value;
	pthread_mutex_unlock(&state->lock);
	tell(state, differs);
}

void state_set_testing(struct state *state, bool testing)
{
	set_flag(state, &state->testing, testing);
}

void state_set_wiping(struct state *state, bool wiping)
{
	set_flag(state, &state->wiping, wiping);
}

void state_set_stopped(struct state *state)
{
	set_flag(state, &state->stopped, true);
}

/* --- reasons --- */

static struct reason *find(struct state *state, const char *key)
{
	for (size_t i = 0; i < state->count; i++) {
		if (strcmp(state->reasons[i].key, key) == 0)
			return &state->reasons[i];
	}
	return NULL;
}

/* The last place is for the reason that there is no place. */
static bool add(struct state *state, const struct reason *reason)
{
	struct reason *last = &state->reasons[REASONS_MAX - 1];

	if (state->count < REASONS_MAX - 1) {
		state->reasons[state->count++] = *reason;
		return true;
	}
	if (state->count == REASONS_MAX && last->weight >= reason->weight)
		return false;
	*last = (struct reason){.weight = reason->weight};
	strcpy(last->key, lost_key);
	strcpy(last->text, "there are more reasons than can be kept; see to these, then restart "
			   "the service");
	state->count = REASONS_MAX;
	return true;
}

void state_raise(
	struct state *state, enum state_weight weight, const char *key, const char *format, ...)
{
	struct reason reason = {.weight = weight};
	char text[TEXT_BYTES];
	struct reason *present;
	va_list arguments;
	bool differs = true;

	assert(strlen(key) < sizeof(reason.key));
	strcpy(reason.key, key);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	utf8_printable(text, strlen(text), reason.text, sizeof(reason.text));

	pthread_mutex_lock(&state->lock);
	present = find(state, key);
	if (!present) {
		differs = add(state, &reason);
	} else {
		differs = present->weight != weight || strcmp(present->text, reason.text) != 0;
		*present = reason;
	}
	pthread_mutex_unlock(&state->lock);
	tell(state, differs);
}

static bool remove_if(struct state *state, const char *key, bool prefix)
{
	size_t kept = 0, before = state->count, length = strlen(key);

	for (size_t i = 0; i < before; i++) {
		const char *mine = state->reasons[i].key;
		bool goes = prefix ? strncmp(mine, key, length) == 0 : strcmp(mine, key) == 0;

		if (goes && strcmp(mine, lost_key) != 0)
			continue;
		if (kept != i)
			state->reasons[kept] = state->reasons[i];
		kept++;
	}
	state->count = kept;
	return kept != before;
}

static void clear(struct state *state, const char *key, bool prefix)
{
	bool differs;

	pthread_mutex_lock(&state->lock);
	differs = remove_if(state, key, prefix);
	pthread_mutex_unlock(&state->lock);
	tell(state, differs);
}

void state_clear(struct state *state, const char *key)
{
	clear(state, key, false);
}

void state_clear_all(struct state *state, const char *prefix)
{
	clear(state, prefix, true);
}

/* --- what follows from them --- */

static bool has(const struct state *state, enum state_weight weight)
{
	for (size_t i = 0; i < state->count; i++) {
		if (state->reasons[i].weight == weight)
			return true;
	}
	return false;
}

static enum state_name judge(const struct state *state)
{
	if (state->stopped)
		return STATE_STOPPED;
	if (state->testing)
		return STATE_SELF_TEST;
	if (state->wiping)
		return STATE_WIPING;
	if (has(state, STATE_LOCKS))
		return STATE_LOCKED;
	return state->count > 0 ? STATE_DEGRADED : STATE_READY;
}

enum state_name state_get(struct state *state)
{
	enum state_name name;

	pthread_mutex_lock(&state->lock);
	name = judge(state);
	pthread_mutex_unlock(&state->lock);
	return name;
}

const char *state_text(enum state_name name)
{
	static const char *const texts[] = {
		[STATE_SELF_TEST] = "SELF-TEST",
		[STATE_LOCKED] = "LOCKED",
		[STATE_READY] = "READY",
		[STATE_DEGRADED] = "DEGRADED",
		[STATE_WIPING] = "WIPING",
		[STATE_STOPPED] = "STOPPED",
	};

	assert((size_t)name < ARRAY_SIZE(texts));
	return texts[name];
}

static const char *weight_text(enum state_weight weight)
{
	static const char *const texts[] = {
		[STATE_ATTENTION] = "attention",
		[STATE_LOCKS] = "locked",
		[STATE_STOPS_CLAIMS] = "stops-claims",
	};

	return texts[weight];
}

bool state_may_claim(struct state *state)
{
	bool may;

	pthread_mutex_lock(&state->lock);
	may = !state->testing && !has(state, STATE_STOPS_CLAIMS);
	pthread_mutex_unlock(&state->lock);
	return may;
}

/* The text of a reason is for an administrator, and too long for a printer's display. */
const char *state_why_no_claim(struct state *state, char *buf, size_t bytes)
{
	const char *why = "a self-test failed";
	const struct reason *audit;

	pthread_mutex_lock(&state->lock);
	audit = find(state, STATE_KEY_AUDIT);
	if (audit && audit->weight == STATE_STOPS_CLAIMS)
		why = "the audit log cannot be written";
	else if (find(state, "ledger"))
		why = "the ledger of jobs cannot be used";
	pthread_mutex_unlock(&state->lock);
	snprintf(buf, bytes, "%s", why);
	return buf;
}

struct json_object *state_to_json(struct state *state)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();

	pthread_mutex_lock(&state->lock);
	json_object_object_add(object, "state", json_object_new_string(state_text(judge(state))));
	for (size_t i = 0; i < state->count; i++) {
		const struct reason *reason = &state->reasons[i];
		struct json_object *item = json_object_new_object();

		json_object_object_add(item, "key", json_object_new_string(reason->key));
		json_object_object_add(
			item, "weight", json_object_new_string(weight_text(reason->weight)));
		json_object_object_add(item, "text", json_object_new_string(reason->text));
		json_object_array_add(list, item);
	}
	pthread_mutex_unlock(&state->lock);
	json_object_object_add(object, "reasons", list);
	return object;
}

/* The first of those that weigh most. */
static const struct reason *heaviest(const struct state *state)
{
	const struct reason *found = NULL;

	for (size_t i = 0; i < state->count; i++) {
		if (!found || state->reasons[i].weight > found->weight)
			found = &state->reasons[i];
	}
	return found;
}

const char *state_line(struct state *state, char *buf, size_t bytes)
{
	const struct reason *reason;
	enum state_name name;

	pthread_mutex_lock(&state->lock);
	name = judge(state);
	reason = heaviest(state);
	if (!reason || name == STATE_STOPPED)
		snprintf(buf, bytes, "%s", state_text(name));
	else if (state->count == 1)
		snprintf(buf, bytes, "%s: %s", state_text(name), reason->text);
	else
		snprintf(buf, bytes, "%s: %s (+%zu more)", state_text(name), reason->text,
			state->count - 1);
	pthread_mutex_unlock(&state->lock);
	return buf;
}

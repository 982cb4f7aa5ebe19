/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/events_rig.h"
#include "supervisor/log_signer.h"
#include "supervisor/supervisor_impl.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct device_keys *keys;
static struct log_signer signer;
static const char *where;

static int open_log(void *context, struct audit_log **ret_log, struct problem *reterr_problem)
{
	const struct audit_log_options options = {.readers = (gid_t)-1};

	(void)context;
	return audit_log_open(where, &signer, &options, ret_log, reterr_problem);
}

struct events *events_rig_open(const char *directory)
{
	const struct events_source source = {.open = open_log};
	struct problem problem = {""};
	struct events_health health;
	struct events *events;

	where = directory;
	ck_assert_msg(
		device_keys_open(directory, true, &keys, NULL, &problem) == 0, "%s", problem.text);
	log_signer_init(keys, &signer);
	ck_assert_int_eq(events_new(directory, &events), 0);
	ck_assert_int_eq(events_start(events, &source), 0);
	events_get_health(events, &health);
	ck_assert_msg(health.error == 0, "%s", health.why);
	return events;
}

void events_rig_close(struct events *events)
{
	events_free(events);
	device_keys_free(keys);
	keys = NULL;
}

struct device_keys *events_rig_keys(void)
{
	return keys;
}

size_t events_rig_count(struct events *events, const char *kind)
{
	struct json_object *all = events_since(events, 0, SIZE_MAX, NULL);
	size_t count = 0;

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *record = json_object_array_get_idx(all, i);

		count += strcmp(json_object_get_string(json_object_object_get(record, "event")),
				 kind) == 0;
	}
	json_object_put(all);
	return count;
}

char *events_rig_text(struct events *events)
{
	struct json_object *all = events_since(events, 0, SIZE_MAX, NULL);
	char *text = strdup(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));

	json_object_put(all);
	return text;
}

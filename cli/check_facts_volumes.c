/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_volumes.c - each volume's header, and what it owes
 */
#include "attached/volume_status.h"
#include "attached/volumes.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "keystore/keystore.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AS_ROOT	    "run as root"
#define CIPHER	    "aes-xts-plain64" /* K2 of keystore.h: nothing else is opened */
#define CIPHER_BITS 512u
#define VOLUMES_MAX (CONFIG_VOLUMES_MAX + 16u)

/* A volume that is configured, or attached. */
struct subject {
	char name[PATH_MAX]; /* of the configuration; else its medium */
	char medium[PATH_MAX];
	bool attached;
	struct runtime_state state; /* attached, and for us to see */
	struct json_object *status; /* owned; NULL: it is not open, or does not answer */
};

struct subjects {
	struct subject items[VOLUMES_MAX];
	size_t count;
};

/* --- which --- */

static struct subject *add_subject(struct subjects *subjects, const char *name, const char *medium)
{
	struct subject *subject;

	if (subjects->count == VOLUMES_MAX)
		return NULL;
	subject = &subjects->items[subjects->count++];
	memset(subject, 0, sizeof(*subject));
	snprintf(subject->name, sizeof(subject->name), "%s", name);
	snprintf(subject->medium, sizeof(subject->medium), "%s", medium);
	return subject;
}

static void add_of_service(struct check *check, struct subjects *subjects)
{
	struct json_object *volumes = json_object_object_get(check->status, "volumes");

	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
		struct json_object *volume = json_object_array_get_idx(volumes, i);
		struct subject *subject = add_subject(subjects, service_client_text(volume, "name"),
			service_client_text(volume, "medium"));

		if (subject)
			subject->status = json_object_get(json_object_object_get(volume, "volume"));
	}
}

static void add_of_config(struct check *check, struct subjects *subjects)
{
	for (size_t i = 0; !check->status && check->has_config && i < check->config.volume_count;
		i++)
		(void)add_subject(
			subjects, check->config.volumes[i].name, check->config.volumes[i].medium);
}

static struct subject *find_by_medium(struct subjects *subjects, const char *path)
{
	char real[PATH_MAX];

	for (size_t i = 0; i < subjects->count; i++) {
		if (strcmp(subjects->items[i].medium, path) == 0 ||
			(realpath(subjects->items[i].medium, real) && strcmp(real, path) == 0))
			return &subjects->items[i];
	}
	return NULL;
}

/* False: it is not for us to see what is attached. */
static bool add_attached(struct subjects *subjects)
{
	struct runtime_state state;
	int r = 0;

	for (size_t i = 0; (r = runtime_at(i, &state)) >= 0; i++) {
		struct subject *subject = find_by_medium(subjects, state.path);

		if (!subject)
			subject = add_subject(subjects, state.path, state.path);
		if (!subject)
			break;
		subject->attached = true;
		subject->state = state;
		if (!subject->status &&
			volume_status_get(&subject->state, &subject->status, NULL) < 0)
			subject->status = NULL;
	}
	return r != -EACCES;
}

/* --- headers --- */

static void add_slots(struct json_object *volume, const struct keystore *keystore)
{
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	struct json_object *list;
	size_t count;

	if (keystore_list(keystore, slots, &count) < 0)
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < count; i++) {
		struct json_object *slot = json_object_new_object();

		if (!slots[i].bound) {
			json_object_put(slot);
			continue;
		}
		cli_add_string(slot, "kdf", slots[i].kdf);
		cli_add_u64(slot, "iterations", slots[i].iterations);
		cli_add_u64(slot, "memory_kib", slots[i].memory_kib);
		json_object_array_add(list, slot);
	}
	json_object_object_add(volume, "slots", list);
}

/* NULL: it could not be read; the problem says why. */
static struct json_object *header_to_json(const struct subject *subject, struct problem *problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct keystore_token token;
	struct json_object *volume;
	int r = keystore_open(subject->medium, true, &keystore, problem);

	if (r < 0 && r != -EOPNOTSUPP) {
		(void)problem_text(problem, r);
		return NULL;
	}
	volume = json_object_new_object();
	cli_add_string(volume, "name", subject->name);
	cli_add_string(volume, "cipher", r < 0 ? "of another kind" : CIPHER);
	cli_add_u64(volume, "key_bits", r < 0 ? 0 : CIPHER_BITS);
	cli_add_bool(volume, "lost_token", r >= 0 && keystore_has_lost_token(keystore));
	if (r < 0)
		return volume;
	add_slots(volume, keystore);
	keystore_get_token(keystore, &token);
	if (!token.present) /* another program made it: nobody knows */
		return volume;
	cli_add_u64(volume, "backups", token.backups);
	cli_add_bool(volume, "filled_before", token.filled_before);
	return volume;
}

static void add_headers(struct check *check, const struct subjects *subjects)
{
	struct json_object *value = json_object_new_array();

	for (size_t i = 0; i < subjects->count; i++) {
		struct problem problem = {""};
		struct json_object *volume = header_to_json(&subjects->items[i], &problem);

		if (!volume) {
			check_no_fact(check, "headers", AS_ROOT, "volume %s: %s",
				subjects->items[i].name, problem_text(&problem, -EIO));
			json_object_put(value);
			return;
		}
		json_object_array_add(value, volume);
	}
	check_fact(check, "headers", "the header of each medium", value);
}

/* --- debts --- */

static void add_name(struct json_object *volume, const struct subject *subject)
{
	cli_add_string(volume, "name", subject->name);
	cli_add_bool(volume, "open", subject->status != NULL);
}

static void copy_member(
	struct json_object *to, const char *name, struct json_object *from, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_object_get_ex(from, key, &value))
		json_object_object_add(to, name, json_object_get(value));
}

static struct json_object *debt_to_json(const struct subject *subject)
{
	static const struct {
		const char *name, *key;
	} members[] = {
		{"managed", "managed"},
		{"verify", "verify"},
		{"owed_bytes", "owed_bytes"},
		{"oldest_owed_seconds", "oldest_owed_seconds"},
		{"unknown_blocks", "unknown"},
		{"stuck_blocks", "stuck"},
		{"refused_blocks", "refused"},
		{"eraser_failed", "eraser_failed"},
		{"sweep_owed", "sweep_owed"},
	};
	struct json_object *volume = json_object_new_object();

	add_name(volume, subject);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		copy_member(volume, members[i].name, subject->status, members[i].key);
	return volume;
}

/* --- media --- */

/* Of medium_report.h. */
static struct json_object *medium_to_json(const struct subject *subject)
{
	struct json_object *volume = json_object_new_object(), *report;

	report = json_object_object_get(subject->status, "medium_report");
	add_name(volume, subject);
	copy_member(volume, "overwrite", report, "overwrite");
	copy_member(volume, "reason", report, "reason");
	copy_member(volume, "clause", report, "clause");
	copy_member(volume, "drives", report, "drives");
	return volume;
}

static void add_open(struct check *check, const char *fact, const struct subjects *subjects,
	bool allowed, struct json_object *(*to_json)(const struct subject *subject))
{
	struct json_object *value;

	if (!check->status && !allowed) {
		check_no_fact(
			check, fact, "start spoolguardd, or run as root", "%s", check->no_service);
		return;
	}
	if (json_object_object_get_ex(check->status, "stale_seconds", NULL)) {
		check_no_fact(check, fact, "spoolguard status says which",
			"a volume does not answer the service");
		return;
	}
	value = json_object_new_array();
	for (size_t i = 0; i < subjects->count; i++)
		json_object_array_add(value, to_json(&subjects->items[i]));
	check_fact(check, fact,
		check->status ? "GetStatus of the service" : "the volumes' processes", value);
}

void check_facts_volumes(struct check *check)
{
	static struct subjects subjects;
	bool allowed;

	subjects.count = 0;
	add_of_service(check, &subjects);
	add_of_config(check, &subjects);
	allowed = add_attached(&subjects);
	add_headers(check, &subjects);
	add_open(check, "debts", &subjects, allowed, debt_to_json);
	add_open(check, "media", &subjects, allowed, medium_to_json);
	for (size_t i = 0; i < subjects.count; i++)
		json_object_put(subjects.items[i].status);
}

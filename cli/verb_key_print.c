/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_key_print.c - what "spoolguard key" prints
 */
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/verb_key.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct json_object *begin_json(const struct key_arguments *arguments, const char *action)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "schema", "spoolguard.key/1");
	cli_add_string(object, "action", action);
	cli_add_string(object, "path", arguments->path);
	return object;
}

/* null: there is none. */
static void add_token(struct json_object *object, const struct keystore *keystore)
{
	struct json_object *described = NULL;
	struct keystore_token token;

	keystore_get_token(keystore, &token);
	if (token.present) {
		described = json_object_new_object();
		cli_add_string(described, "type", "spoolguard");
		cli_add_u64(described, "version", (uint64_t)token.version);
		cli_add_string(described, "scheme", token.scheme);
		cli_add_string(described, "profile", profile_name(token.profile));
		json_object_object_add(
			described, "filled_before", json_object_new_boolean(token.filled_before));
		cli_add_u64(described, "backups", token.backups);
		cli_add_u64(described, "key_generation", token.key_generation);
	}
	json_object_object_add(object, "token", described);
	json_object_object_add(object, "token_removed",
		json_object_new_boolean(keystore_has_lost_token(keystore)));
}

/* --- list --- */

static struct json_object *describe_slot(const struct keystore_slot *slot)
{
	struct json_object *object = json_object_new_object();

	cli_add_u64(object, "slot", (uint64_t)slot->number);
	json_object_object_add(object, "opens_volume", json_object_new_boolean(slot->bound));
	cli_add_string(object, "kdf", slot->kdf);
	cli_add_u64(object, "iterations", slot->iterations);
	cli_add_u64(object, "memory_kib", slot->memory_kib);
	cli_add_u64(object, "parallel", slot->parallel);
	json_object_object_add(
		object, "token", slot->token[0] ? json_object_new_string(slot->token) : NULL);
	return object;
}

static int print_list_json(const struct key_arguments *arguments, const struct keystore *keystore,
	const struct keystore_slot *slots, size_t count)
{
	struct json_object *object = begin_json(arguments, "list");
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, describe_slot(&slots[i]));
	cli_add_string(object, "uuid", keystore_uuid(keystore));
	json_object_object_add(object, "slots", list);
	add_token(object, keystore);
	cli_print_json(object);
	return CLI_YES;
}

static void print_slot(const struct keystore_slot *slot)
{
	char memory[32], cost[96];

	if (slot->memory_kib > 0)
		snprintf(cost, sizeof(cost), "%" PRIu32 " passes over %s, %" PRIu32 " thread%s",
			slot->iterations,
			bytes_format_size((uint64_t)slot->memory_kib << 10, memory, sizeof(memory)),
			slot->parallel, slot->parallel == 1 ? "" : "s");
	else
		snprintf(cost, sizeof(cost), "%" PRIu32 " iterations", slot->iterations);
	printf("%4d  %-9s %s%s%s%s\n", slot->number, slot->kdf, cost,
		slot->bound ? "" : "  (opens nothing: not bound to the volume)",
		slot->token[0] ? "  used by token " : "", slot->token);
}

static void print_token(const struct keystore *keystore)
{
	struct keystore_token token;

	keystore_get_token(keystore, &token);
	if (token.present)
		printf("token spoolguard: profile %s, scheme %s, header backups taken: %" PRIu32
		       ", key generation %" PRIu64 "\n",
			profile_name(token.profile), token.scheme, token.backups,
			token.key_generation);
	else if (keystore_has_lost_token(keystore))
		printf("token spoolguard: removed by another program; attach once with "
		       "--repair-token to put it back\n");
	else
		printf("token spoolguard: none (not a volume of spoolguard's; encryption only)\n");
}

int key_print_list(const struct key_arguments *arguments, const struct keystore *keystore)
{
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	struct problem problem = {""};
	size_t count;
	int r;

	r = keystore_list(keystore, slots, &count);
	if (r < 0) {
		(void)problem_set(&problem, r, "%s: its key slots cannot be listed: %s",
			arguments->path, strerror(-r));
		return cli_fail(&problem, r);
	}
	if (arguments->json)
		return print_list_json(arguments, keystore, slots, count);
	printf("slot  kdf       cost\n");
	for (size_t i = 0; i < count; i++)
		print_slot(&slots[i]);
	if (count == 0)
		printf("none: nobody can open this volume\n");
	print_token(keystore);
	return CLI_YES;
}

/* --- what was done --- */

int key_print_slot(const struct key_arguments *arguments, const struct keystore *keystore,
	const char *action, int slot)
{
	struct json_object *object;

	if (arguments->json) {
		object = begin_json(arguments, action);
		cli_add_u64(object, "slot", (uint64_t)slot);
		add_token(object, keystore);
		cli_print_json(object);
	} else if (strcmp(action, "remove") == 0) {
		printf("key slot %d removed\n", slot);
	} else if (strcmp(action, "change") == 0) {
		printf("the changed key is in slot %d; the old one opens nothing any more\n", slot);
	} else {
		printf("key added in slot %d\n", slot);
	}
	return CLI_YES;
}

int key_print_backup(const struct key_arguments *arguments, const struct keystore *keystore)
{
	struct keystore_token token;
	struct json_object *object;

	keystore_get_token(keystore, &token);
	if (arguments->json) {
		object = begin_json(arguments, "backup");
		cli_add_string(object, "file", arguments->backup_file);
		add_token(object, keystore);
		cli_print_json(object);
	} else if (token.present) {
		printf("header backed up to %s (backup %" PRIu32 " of this volume, and recorded in "
		       "it)\n",
			cli_shown(arguments->backup_file), token.backups);
	} else {
		printf("header backed up to %s\n", cli_shown(arguments->backup_file));
	}
	if (!token.present)
		cli_warn("%s has no spoolguard token: this backup is recorded nowhere",
			arguments->path);
	return CLI_YES;
}

int key_print_restore(const struct key_arguments *arguments)
{
	struct json_object *object;

	if (arguments->json) {
		object = begin_json(arguments, "restore");
		cli_add_string(object, "file", arguments->backup_file);
		cli_print_json(object);
	} else {
		printf("header of %s restored from %s\n", cli_shown(arguments->path),
			cli_shown(arguments->backup_file));
	}
	return CLI_YES;
}

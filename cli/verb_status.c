/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_status.c - "spoolguard status": what is attached, what it owes, what is not as it should be
 */
#include "attached/volume_status.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "blockdev/blockdev.h"
#include "cli/cli.h"
#include "crypto/profile.h"
#include "keystore/keystore.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_blocks(const char *what, uint64_t blocks)
{
	char size[32];

	printf("  %-9s %12" PRIu64 " blocks  %s\n", what, blocks,
		bytes_format_size(blocks * BLOCK_BYTES, size, sizeof(size)));
}

static void print_map(struct json_object *status)
{
	uint64_t parked = volumes_status_u64(status, "parked_writes");
	char size[32];

	print_blocks("clean", volumes_status_u64(status, "clean"));
	print_blocks("live", volumes_status_u64(status, "live"));
	print_blocks("residue",
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect"));
	print_blocks("unknown", volumes_status_u64(status, "unknown"));
	print_blocks("stuck", volumes_status_u64(status, "stuck"));
	printf("  owed: %s, oldest %" PRIu64 " s%s; scheme %s, read-back %s; profile %s\n",
		bytes_format_size(volumes_status_u64(status, "owed_bytes"), size, sizeof(size)),
		volumes_status_u64(status, "oldest_owed_seconds"),
		json_object_get_boolean(json_object_object_get(status, "owed_from_before"))
			? " and more (from before it was attached)"
			: "",
		volumes_status_string(status, "scheme"), volumes_status_string(status, "verify"),
		volumes_status_string(status, "profile"));
	if (parked > 0)
		printf("  %" PRIu64 " writes wait for the eraser\n", parked);
}

static void print_text(struct json_object *status)
{
	struct json_object *caveats = json_object_object_get(status, "not_approved");
	struct json_object *faults = json_object_object_get(status, "faults");
	struct json_object *binds = json_object_object_get(status, "binds");
	const char *device = volumes_status_string(status, "device");
	const char *mount = volumes_status_string(status, "mount");

	printf("%s: attached as %s (FUSE and loop)%s%s%s\n",
		cli_shown(volumes_status_string(status, "path")), device[0] ? device : "no device",
		mount[0] ? ", mounted at " : "", cli_shown(mount),
		volumes_status_bool(status, "read_only") ? ", read-only" : "");
	for (size_t i = 0; i < json_object_array_length(binds); i++) {
		struct json_object *bind = json_object_array_get_idx(binds, i);

		printf("  %s of it at %s\n", cli_shown(volumes_status_string(bind, "directory")),
			cli_shown(volumes_status_string(bind, "at")));
	}
	if (volumes_status_bool(status, "managed"))
		print_map(status);
	else
		printf("  encryption only: it has no residue map, nothing that is freed is "
		       "overwritten\n");
	printf("  medium: %s\n", volumes_status_string(status, "medium"));
	for (size_t i = 0; caveats && i < json_object_array_length(caveats); i++)
		printf("  not approved or not validated: %s\n",
			json_object_get_string(json_object_array_get_idx(caveats, i)));
	for (size_t i = 0; i < json_object_array_length(faults); i++)
		printf("  ATTENTION: %s\n",
			json_object_get_string(json_object_array_get_idx(faults, i)));
}

/* One attached volume: into the list, or as text.  Returns an exit code. */
static int show(struct runtime_state *state, struct json_object *list)
{
	struct problem problem = {""};
	struct json_object *status;
	int code, r;

	r = volume_status_get(state, &status, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	code = volume_status_has_faults(status) ? CLI_NO : CLI_YES;
	if (list) {
		json_object_array_add(list, status);
		return code;
	}
	print_text(status);
	json_object_put(status);
	return code;
}

/* Without its key nothing of the map can be read: what the header says. */
static int show_detached(const char *path, bool json)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct problem problem = {""};
	struct keystore_token token;
	int r;

	r = keystore_open(path, true, &keystore, &problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	keystore_get_token(keystore, &token);
	if (json) {
		struct json_object *object = cli_json("status");

		cli_add_string(object, "path", path);
		cli_add_bool(object, "attached", false);
		cli_add_string(object, "uuid", keystore_uuid(keystore));
		cli_add_bool(object, "managed", token.present);
		if (token.present) {
			cli_add_string(object, "scheme", token.scheme);
			cli_add_string(object, "profile", profile_name(token.profile));
			cli_add_u64(object, "header_backups", token.backups);
		}
		cli_print_json(object);
		return CLI_CANNOT_TELL;
	}
	printf("%s: not attached (LUKS2 %s)\n", cli_shown(path), keystore_uuid(keystore));
	if (token.present)
		printf("  scheme %s, profile %s; what it owes is known when it is attached\n",
			token.scheme, profile_name(token.profile));
	else
		printf("  encryption only: its header names no residue map\n");
	return CLI_CANNOT_TELL;
}

static int show_all(bool json)
{
	struct json_object *list = json ? json_object_new_array() : NULL;
	struct runtime_state state;
	int code = CLI_YES;
	size_t i;

	for (i = 0; runtime_at(i, &state) >= 0; i++) {
		if (show(&state, list) != CLI_YES)
			code = CLI_NO;
	}
	if (json) {
		struct json_object *object = cli_json("status");

		json_object_object_add(object, "volumes", list);
		cli_print_json(object);
	} else if (i == 0) {
		printf("No volume is attached.\n");
	}
	return code;
}

static int show_one(const char *path, bool json)
{
	struct json_object *list, *object;
	struct runtime_state state;
	int code;

	if (runtime_find(path, &state) < 0)
		return show_detached(path, json);
	list = json ? json_object_new_array() : NULL;
	code = show(&state, list);
	if (list && json_object_array_length(list) == 1) {
		object = json_object_get(json_object_array_get_idx(list, 0));
		cli_add_string(object, "schema", "spoolguard.status/1");
		cli_print_json(object);
	}
	json_object_put(list);
	return code;
}

static int run(int argc, char **argv)
{
	struct problem problem = {""};
	const char *path = NULL;
	bool json = false;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-' || path)
			return cli_usage_error(
				&cli_verb_status, "name one volume, or none for all attached ones");
		else
			path = argv[i];
	}
	r = volumes_check_allowed(&problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	return path ? show_one(path, json) : show_all(json);
}

const struct cli_verb cli_verb_status = {
	.name = "status",
	.summary = "what is attached, what it owes, what is not as it should be",
	.usage = "usage: spoolguard status [--json] [PATH]\n\n"
		 "Blocks by what they are (clean, live, residue: owed every pass, unknown,\n"
		 "stuck), bytes owed and since when, scheme, medium, ports.\n\n"
		 "Exit code: 0 as it should be, 1 something needs attention, 3 not attached: what\n"
		 "it owes cannot be told without its key.\n",
	.run = run,
};

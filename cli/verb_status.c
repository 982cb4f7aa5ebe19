/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_status.c - "spoolguard status": what is attached, what it owes, what is not as it should be
 */
#include "attached/medium_report.h"
#include "attached/volume_status.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/status_print.h"
#include "crypto/profile.h"
#include "keystore/keystore.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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
	status_print_volume(status);
	json_object_put(status);
	return code;
}

/* What it lies on is looked at now; NULL: it cannot be. */
static struct json_object *look_at_medium(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct json_object *report;

	return fd >= 0 && medium_report_look(fd, NULL, &report) >= 0 ? report : NULL;
}

/* Without its key nothing of the map can be read: what the header says. */
static int show_detached(const char *path, bool json)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct problem problem = {""};
	struct json_object *report;
	struct keystore_token token;
	int r;

	r = keystore_open(path, true, &keystore, &problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	keystore_get_token(keystore, &token);
	report = look_at_medium(path);
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
		if (report)
			json_object_object_add(object, "medium_report", report);
		cli_print_json(object);
		return CLI_CANNOT_TELL;
	}
	printf("%s: not attached (LUKS2 %s)\n", cli_shown(path), keystore_uuid(keystore));
	if (token.present)
		printf("  scheme %s, profile %s; what it owes is known when it is attached\n",
			token.scheme, profile_name(token.profile));
	else
		printf("  encryption only: its header names no residue map\n");
	status_print_medium(report);
	json_object_put(report);
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

/* Through the service; -ENODEV: it runs, and has nothing to do with that volume. */
static int show_service(struct service_client *client, const char *path, bool json)
{
	struct problem problem = {""};
	struct json_object *volume;
	int r;

	if (!path)
		return status_print_service(client, json);
	r = service_client_find_volume(client, path, &volume, &problem);
	if (r >= 0)
		return status_print_kept(volume, json);
	if (r == -ENODEV)
		return r;
	cli_fail(&problem, r);
	return CLI_CANNOT_TELL;
}

static int show_alone(const char *path, bool json)
{
	struct problem problem = {""};
	int r = volumes_check_allowed(&problem);

	if (r >= 0)
		return path ? show_one(path, json) : show_all(json);
	cli_fail(&problem, r);
	return CLI_CANNOT_TELL;
}

static int run(int argc, char **argv)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	bool json = false, alone = false;
	struct problem problem = {""};
	const char *path = NULL;
	int code = -ENODEV, r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--no-service") == 0)
			alone = true;
		else if (argv[i][0] == '-' || path)
			return cli_usage_error(
				&cli_verb_status, "name one volume, or none for all attached ones");
		else
			path = argv[i];
	}
	r = alone ? -ESRCH : service_client_open(&client, &problem);
	if (r < 0 && r != -ESRCH) {
		cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	if (r >= 0)
		code = show_service(client, path, json);
	return code < 0 ? show_alone(path, json) : code;
}

const struct cli_verb cli_verb_status = {
	.name = "status",
	.summary = "what is attached, what it owes, what is not as it should be",
	.usage =
		"usage: spoolguard status [--json] [--no-service] [PATH|NAME]\n\n"
		"When the service runs: its state and what keeps it from READY, what is owed, the\n"
		"jobs that are not yet overwritten and why, and each volume of its configuration\n"
		"(NAME: one of them).  Of each attached volume: blocks by what they are (clean,\n"
		"live, residue: owed every pass, unknown, stuck), bytes owed and since when,\n"
		"scheme, medium, ports; on which drives it lies, and what overwriting can promise\n"
		"there in the terms of NIST SP 800-88r2 (\"Clear\" or \"neither\"), and why.\n\n"
		"  --no-service   asks the volumes alone, which only root can\n\n"
		"Exit code: 0 as it should be, 1 something needs attention, 3 it cannot be told\n"
		"(not attached, or the first self-tests are not over).\n",
	.run = run,
};

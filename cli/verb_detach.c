/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_detach.c - "spoolguard detach": what is owed is finished or recorded, then all is let go
 */
#include "attached/detach_volume.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <errno.h>
#include <string.h>

static int detach_one(struct runtime_state *state, bool disconnect)
{
	struct problem warning = {""}, problem = {""};
	int r = detach_volume(state, disconnect, &warning, &problem);

	if (warning.text[0])
		cli_warn("%s", warning.text);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

static int detach_all_alone(bool disconnect)
{
	struct runtime_state state;
	size_t index = 0;
	int code = CLI_YES;

	while (runtime_at(index, &state) >= 0) {
		if (detach_one(&state, disconnect) == CLI_YES)
			continue; /* the next one has this index now */
		code = CLI_NO;
		if (runtime_load(state.uuid, &state) >= 0)
			index++;
	}
	return code;
}

static int detach_alone(const char *path, bool disconnect)
{
	struct problem problem = {""};
	struct runtime_state state;
	int r = volumes_check_allowed(&problem);

	if (r < 0)
		return cli_fail(&problem, r);
	if (!path)
		return detach_all_alone(disconnect);
	r = runtime_find(path, &state);
	if (r >= 0)
		return detach_one(&state, disconnect);
	problem_set(&problem, r, "%s is not attached; \"spoolguard status\" lists what is", path);
	return cli_fail(&problem, r);
}

/* What the service keeps open it must be told of, or it would open it again. */
static int detach_kept(struct service_client *client, struct json_object *volume)
{
	struct json_object *parameters = json_object_new_object(), *answer;
	struct problem problem = {""};
	int r;

	cli_add_string(parameters, "volume", service_client_text(volume, "name"));
	r = service_client_call_long(client, "Detach", parameters, -1, &answer, &problem);
	if (r == -ECANCELED)
		return CLI_NO;
	if (r < 0)
		return cli_fail(&problem, r);
	json_object_put(answer);
	return CLI_YES;
}

static int detach_all_kept(struct service_client *client)
{
	struct json_object *answer, *volumes;
	struct problem problem = {""};
	int code = CLI_YES, r;

	r = service_client_call(client, "GetStatus", NULL, &answer, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	volumes = json_object_object_get(answer, "volumes");
	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
		struct json_object *volume = json_object_array_get_idx(volumes, i);

		if (json_object_object_get(volume, "volume") &&
			detach_kept(client, volume) != CLI_YES)
			code = CLI_NO;
	}
	json_object_put(answer);
	return code;
}

/* path NULL: all. */
static int detach(const char *path, bool alone, bool disconnect)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *volume;
	struct problem problem = {""};
	int code = CLI_YES, r;

	r = alone ? -ESRCH : service_client_open(&client, &problem);
	if (r >= 0 && path) {
		r = service_client_find_volume(client, path, &volume, &problem);
		if (r >= 0)
			return detach_kept(client, volume);
	} else if (r >= 0) {
		code = detach_all_kept(client);
	}
	if (r < 0 && r != -ESRCH && r != -ENODEV)
		return cli_fail(&problem, r);
	/* After the service's own, those that only root may let go of. */
	if (code != CLI_YES || (!path && r >= 0 && volumes_check_allowed(&problem) < 0))
		return code;
	return detach_alone(path, disconnect);
}

static int run(int argc, char **argv)
{
	const char *path = NULL;
	bool alone = false, all = false, disconnect = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--no-service") == 0)
			alone = true;
		else if (strcmp(argv[i], "--disconnect") == 0)
			disconnect = true;
		else if (strcmp(argv[i], "--all") == 0)
			all = true;
		else if (argv[i][0] == '-' || path)
			return cli_usage_error(&cli_verb_detach, "name one volume, or --all");
		else
			path = argv[i];
	}
	if (!path != all)
		return cli_usage_error(&cli_verb_detach, "name one volume, or --all");
	return detach(path, alone, disconnect);
}

const struct cli_verb cli_verb_detach = {
	.name = "detach",
	.summary = "close a volume in order",
	.usage =
		"usage: spoolguard detach [--no-service] [--disconnect] PATH|NAME | --all\n\n"
		"Unmounts the spool, records what is still owed (it is paid after the next\n"
		"attach), and lets the volume go.  A spool in use is refused, and stays as it "
		"is.\n"
		"A volume of the service's configuration (NAME, or the PATH of its medium) is let\n"
		"go by the service, and stays so until it is attached again.\n\n"
		"  --disconnect   cuts off NBD clients; without it, one that is connected is a "
		"use\n"
		"  --no-service   does it itself, which only root can; the service, if it runs,\n"
		"                 takes that for an accident and opens the volume again\n",
	.run = run,
};

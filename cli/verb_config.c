/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_config.c - "spoolguard config check": is the service's configuration one?
 */
#include "cli/cli.h"
#include "cli/service_client.h"
#include "supervisor/config.h"
#include "supervisor/roles.h"
#include "supervisor/unlock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct checking {
	const char *file;
	struct json_object *list; /* NULL: printed */
	size_t warnings;
};

/* FILE:LINE: KEY: REASON, as compilers say it. */
static void complain(void *context, const struct config_complaint *complaint)
{
	struct checking *checking = context;
	const char *key = complaint->key ? complaint->key : "";
	struct json_object *object;

	if (checking->list) {
		object = json_object_new_object();
		cli_add_u64(object, "line", (uint64_t)complaint->line);
		cli_add_string(object, "key", key);
		cli_add_string(object, "reason", complaint->reason);
		json_object_array_add(checking->list, object);
		return;
	}
	fprintf(stderr, "%s:", cli_shown(checking->file));
	if (complaint->line > 0)
		fprintf(stderr, "%d:", complaint->line);
	fprintf(stderr, " %s%s%s\n", cli_shown(key), key[0] ? ": " : "",
		cli_shown(complaint->reason));
}

/* No error: a group may be made later. */
static void warn_group(void *context, enum config_role role, const char *group)
{
	struct checking *checking = context;

	checking->warnings++;
	cli_warn("%s: there is no group \"%s\": nobody has the role %s by it", checking->file,
		group, config_role_name(role));
}

/* What status says of them too. */
static void warn_volumes(const struct config *config)
{
	struct problem line = {""};

	for (size_t i = 0; i < config->volume_count; i++) {
		const struct config_volume *volume = &config->volumes[i];

		if (volume->unlock == CONFIG_UNLOCK_BOOT_KEY)
			cli_warn("volume %s has a key of its boot alone: what is on it is lost at "
				 "power-off",
				volume->name);
		if (unlock_is_beside(volume, &line))
			cli_warn("volume %s: %s", volume->name, problem_text(&line, 0));
	}
}

static void warn(struct checking *checking)
{
	static struct config config;
	static struct roles roles;

	if (config_read(checking->file, &config, NULL) < 0)
		return;
	roles_read(&config, warn_group, checking, &roles);
	warn_volumes(&config);
}

static int check(const char *file, bool json)
{
	struct checking checking = {.file = file};
	struct problem problem = {""};
	struct json_object *object;
	int count;

	checking.list = json ? json_object_new_array() : NULL;
	count = config_check(file, complain, &checking, &problem);
	if (count < 0) {
		json_object_put(checking.list);
		cli_fail(&problem, count);
		return CLI_CANNOT_TELL;
	}
	if (count == 0)
		warn(&checking);
	if (json) {
		object = cli_json("config-check");
		cli_add_string(object, "file", file);
		cli_add_bool(object, "ok", count == 0);
		json_object_object_add(object, "errors", checking.list);
		cli_print_json(object);
	} else if (count == 0) {
		printf("%s: %s\n", cli_shown(file),
			access(file, F_OK) == 0 ? "nothing is wrong with it"
						: "is not there: the defaults hold");
	} else {
		fprintf(stderr, "spoolguard: %s: %d error%s; the service does not take it\n",
			cli_shown(file), count, count == 1 ? "" : "s");
	}
	return count == 0 ? CLI_YES : CLI_NO;
}

static int reload(void)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct problem problem = {""};
	struct json_object *answer;
	int r = service_client_open(&client, &problem);

	if (r == -ESRCH)
		problem_set(&problem, r, "no service answers; it reads its configuration at start");
	if (r >= 0)
		r = service_client_call(client, "Reload", NULL, &answer, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	printf("read again%s%s\n",
		service_client_text(answer, "kept")[0] ? "; taken at the next start only: " : "",
		cli_shown(service_client_text(answer, "kept")));
	json_object_put(answer);
	return CLI_YES;
}

static int run(int argc, char **argv)
{
	const char *file = NULL;
	bool json = false;

	if (argc == 2 && strcmp(argv[1], "reload") == 0)
		return reload();
	if (argc < 2 || strcmp(argv[1], "check") != 0)
		return cli_usage_error(
			&cli_verb_config, "the actions are \"check\" and \"reload\"");
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-' || file)
			return cli_usage_error(&cli_verb_config, "name one file, or none");
		else
			file = argv[i];
	}
	return check(file ? file : CONFIG_PATH_DEFAULT, json);
}

const struct cli_verb cli_verb_config = {
	.name = "config",
	.summary = "is the service's configuration right?  have it read again",
	.usage =
		"usage: spoolguard config check [--json] [FILE]\n"
		"       spoolguard config reload\n\n"
		"check: reads FILE (default " CONFIG_PATH_DEFAULT ") as the service does, and\n"
		"names each error by file, line, key and reason.  What is no error and may not be\n"
		"meant is a warning.\n"
		"reload: the service reads its own file again; what it takes at its next start "
		"only\n"
		"is named.\n\n"
		"Exit code: 0 right, 1 not, 3 it cannot be read.\n",
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_detach.c - "spoolguard detach": what is owed is finished or recorded, then all is let go
 */
#include "attached/detach_volume.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include <string.h>

static int detach_one(struct runtime_state *state)
{
	struct problem warning = {""}, problem = {""};
	int r = detach_volume(state, &warning, &problem);

	if (warning.text[0])
		cli_warn("%s", warning.text);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

static int detach_all(void)
{
	struct runtime_state state;
	size_t index = 0;
	int code = CLI_YES;

	while (runtime_at(index, &state) >= 0) {
		if (detach_one(&state) == CLI_YES)
			continue; /* the next one has this index now */
		code = CLI_NO;
		if (runtime_load(state.uuid, &state) >= 0)
			index++;
	}
	return code;
}

static int run(int argc, char **argv)
{
	struct problem problem = {""};
	struct runtime_state state;
	int r;

	if (argc != 2 || (argv[1][0] == '-' && strcmp(argv[1], "--all") != 0))
		return cli_usage_error(&cli_verb_detach, "name one volume, or --all");
	r = volumes_check_allowed(&problem);
	if (r < 0)
		return cli_fail(&problem, r);
	if (strcmp(argv[1], "--all") == 0)
		return detach_all();
	r = runtime_find(argv[1], &state);
	if (r < 0) {
		problem_set(&problem, r, "%s is not attached; \"spoolguard status\" lists what is",
			argv[1]);
		return cli_fail(&problem, r);
	}
	return detach_one(&state);
}

const struct cli_verb cli_verb_detach = {
	.name = "detach",
	.summary = "close a volume in order",
	.usage = "usage: spoolguard detach PATH | --all\n\n"
		 "Unmounts the spool, records what is still owed (it is paid after the next\n"
		 "attach), and lets the volume go.  A spool in use is refused, and stays as it "
		 "is.\n",
	.run = run,
};

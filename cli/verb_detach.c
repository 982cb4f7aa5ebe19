/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_detach.c - "spoolguard detach": what is owed is finished or recorded, then all is let go
 */
#include "base/io.h"
#include "cli/cli.h"
#include "cli/volumes.h"
#include "spool/free_space.h"
#include "spool/mount.h"
#include "volume/attach.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Everything freed is handed back before the mount ends, so that it is recorded as owed. */
static int end_mount(
	struct runtime_state *state, struct client *client, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct free_space_report ignored;
	int r;

	if (fd >= 0 && !state->read_only && volumes_is_managed(client) &&
		free_space_hand_back(fd, &ignored, NULL) < 0)
		cli_warn("%s: not everything that is free could be handed back; the next attach "
			 "sweeps it",
			state->mount);
	io_closep(&fd);
	r = mount_end(state->mount, reterr_problem);
	if (r < 0)
		return r;
	state->mount[0] = '\0';
	return runtime_save(state);
}

static int detach_one(struct runtime_state *state)
{
	struct client *client = NULL;
	struct problem problem = {""};
	int lock = -1, r;

	r = runtime_lock(state->uuid, &lock, &problem);
	if (r >= 0)
		r = runtime_load(state->uuid, state);
	if (r < 0) {
		close(lock);
		return cli_fail(&problem, r);
	}
	/* A volume process that is gone answers no file system: its mount is only cleared. */
	if (state->mount[0] && client_connect(state->uuid, &client) >= 0)
		r = end_mount(state, client, &problem);
	client_free(client);
	if (r >= 0)
		r = attach_undo(state, &problem);
	close(lock);
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
	struct runtime_state state;

	if (argc != 2 || (argv[1][0] == '-' && strcmp(argv[1], "--all") != 0))
		return cli_usage_error(&cli_verb_detach, "name one volume, or --all");
	if (strcmp(argv[1], "--all") == 0)
		return detach_all();
	if (runtime_find(argv[1], &state) < 0) {
		fprintf(stderr,
			"spoolguard: %s is not attached; \"spoolguard status\" lists what is\n",
			argv[1]);
		return CLI_NO;
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

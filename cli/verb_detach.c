/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_detach.c - "spoolguard detach": what is owed is finished or recorded, then all is let go
 */
#include "attached/volumes.h"
#include "base/io.h"
#include "blockdev/holder.h"
#include "blockdev/mount_table.h"
#include "cli/cli.h"
#include "spool/free_space.h"
#include "spool/mount.h"
#include "volume/attach.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_TRIES   10
#define OPEN_WAIT_US 50000

/* Everything freed is handed back before the mount ends, so that it is recorded as owed. */
static void hand_back(const struct runtime_state *state, struct client *client)
{
	_cleanup_close_ int fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct free_space_report ignored;

	if (fd >= 0 && !state->read_only && volumes_is_managed(client) &&
		free_space_hand_back(fd, &ignored, NULL) < 0)
		cli_warn("%s: not everything that is free could be handed back; the next attach "
			 "sweeps it",
			state->mount);
}

/* Where we mounted it, or were about to when we were interrupted; a stranger's mount is not ours
 * to end. */
static int check_place(const struct runtime_state *state, const char *private_point,
	const char *where, dev_t device, struct problem *reterr_problem)
{
	struct stat st;

	if (strcmp(where, state->mount) != 0 && strcmp(where, private_point) != 0)
		return problem_set(reterr_problem, -EBUSY,
			"the spool of %s is mounted at %s too; unmount it there, then detach again "
			"(nothing was detached)",
			state->path, where);
	if (stat(where, &st) == 0 && st.st_dev != device)
		return problem_set(reterr_problem, -EBUSY,
			"something else is mounted over %s; unmount it, then detach again (nothing "
			"was detached)",
			where);
	return 0;
}

/* Somebody who has it open would keep the loop device, and the volume half detached; udev looks at
 * it for a moment only. */
static int check_open(const struct runtime_state *state, const struct stat *device,
	struct problem *reterr_problem)
{
	char holder[HOLDER_BYTES];

	for (int i = 0; holder_find(device, false, holder); i++) {
		if (i == OPEN_TRIES)
			return problem_set(reterr_problem, -EBUSY,
				"%s is open in %s; end it, then detach again (nothing was "
				"detached)",
				state->device, holder);
		usleep(OPEN_WAIT_US);
	}
	return 0;
}

/* Every mount of the device is looked at before the first one ends. */
static int end_mounts(
	struct runtime_state *state, struct client *client, struct problem *reterr_problem)
{
	char private_point[RUNTIME_PATH_BYTES], resolved[PATH_MAX], where[PATH_MAX];
	struct stat device;
	int r;

	if (state->device[0] == '\0')
		return 0;
	if (stat(state->device, &device) < 0)
		return problem_set(
			reterr_problem, -errno, "%s: %s", state->device, strerror(errno));
	r = runtime_path(state->uuid, "private", private_point);
	if (r < 0)
		return r;
	if (!realpath(private_point, resolved))
		snprintf(resolved, sizeof(resolved), "%s", private_point);
	for (size_t i = 0; mount_table_place(device.st_rdev, i, where, sizeof(where)) >= 0; i++) {
		r = check_place(state, resolved, where, device.st_rdev, reterr_problem);
		if (r < 0)
			return r;
	}
	r = check_open(state, &device, reterr_problem);
	if (r < 0)
		return r;
	if (state->mount[0])
		hand_back(state, client);
	while (mount_table_place(device.st_rdev, 0, where, sizeof(where)) >= 0) {
		r = mount_end(where, reterr_problem);
		if (r < 0)
			return r;
	}
	state->mount[0] = '\0';
	return runtime_save(state, reterr_problem);
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
	attach_find_device(state);
	/* A volume process that is gone answers no file system: its mount is only cleared. */
	if (client_connect(state->uuid, &client) >= 0)
		r = end_mounts(state, client, &problem);
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

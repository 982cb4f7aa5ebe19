/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/detach_volume.h"
#include "attached/bind.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "blockdev/holder.h"
#include "blockdev/mount_table.h"
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
static void hand_back(
	const struct runtime_state *state, struct client *client, struct problem *reterr_warning)
{
	_cleanup_close_ int fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct free_space_report ignored;

	if (fd >= 0 && !state->read_only && volumes_is_managed(client) &&
		free_space_hand_back(fd, &ignored, NULL) < 0)
		problem_set(reterr_warning, 0,
			"%s: not everything that is free could be handed back; the next attach "
			"sweeps it",
			state->mount);
}

/* Where we mounted it, or were about to when we were interrupted; a stranger's mount is not ours
 * to end. */
static int check_place(const struct runtime_state *state, const char *private_point,
	const char *where, dev_t device, struct problem *reterr_problem)
{
	struct stat st;

	if (strcmp(where, state->mount) != 0 && strcmp(where, private_point) != 0 &&
		!bind_is_recorded(state, where))
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

/* D1 */
static int check_mounts(const struct runtime_state *state, const struct stat *device,
	struct problem *reterr_problem)
{
	char private_point[RUNTIME_PATH_BYTES], resolved[PATH_MAX], where[PATH_MAX];
	int r;

	r = runtime_path(state->uuid, "private", private_point);
	if (r < 0)
		return r;
	if (!realpath(private_point, resolved))
		snprintf(resolved, sizeof(resolved), "%s", private_point);
	for (size_t i = 0; mount_table_place(device->st_rdev, i, where, sizeof(where)) >= 0; i++) {
		r = check_place(state, resolved, where, device->st_rdev, reterr_problem);
		if (r < 0)
			return r;
	}
	return check_open(state, device, reterr_problem);
}

/* D2 */
static int end_all(struct runtime_state *state, dev_t device, struct problem *reterr_warning,
	struct problem *reterr_problem)
{
	struct problem problem = {""};
	char where[PATH_MAX];
	int r, r2;

	r = bind_end_all(state, device, reterr_problem);
	while (r >= 0 && mount_table_place(device, 0, where, sizeof(where)) >= 0)
		r = mount_end(where, reterr_problem);
	if (r >= 0 || state->bind_count == 0)
		return r;
	r2 = bind_restore(state, &problem);
	if (r2 < 0)
		problem_set(reterr_warning, 0, "not all that was bound is so again: %.600s",
			problem_text(&problem, r2));
	return r;
}

static int end_mounts(struct runtime_state *state, struct client *client,
	struct problem *reterr_warning, struct problem *reterr_problem)
{
	struct stat device;
	int r;

	if (state->device[0] == '\0')
		return 0;
	if (stat(state->device, &device) < 0)
		return problem_set(
			reterr_problem, -errno, "%s: %s", state->device, strerror(errno));
	r = check_mounts(state, &device, reterr_problem);
	if (r < 0)
		return r;
	if (state->mount[0])
		hand_back(state, client, reterr_warning);
	r = end_all(state, device.st_rdev, reterr_warning, reterr_problem);
	if (r < 0)
		return r;
	/* Not whole any more: if we are killed, who opens it next finishes this, and adopts
	 * nothing. */
	state->ready = false;
	state->mount[0] = '\0';
	state->bind_count = 0;
	return runtime_save(state, reterr_problem);
}

int detach_volume(struct runtime_state *state, bool disconnect, struct problem *reterr_warning,
	struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_close_ int lock = -1;
	int r;

	r = runtime_lock(state->uuid, &lock, reterr_problem);
	if (r >= 0)
		r = runtime_load(state->uuid, state);
	if (r < 0)
		return r;
	attach_find_device(state);
	/* A volume process that is gone answers no file system: its mount is only cleared. */
	if (client_connect(state->uuid, &client) >= 0)
		r = end_mounts(state, client, reterr_warning, reterr_problem);
	client_free(client);
	client = NULL;
	if (r >= 0)
		r = attach_undo(state, disconnect, reterr_problem);
	return r;
}

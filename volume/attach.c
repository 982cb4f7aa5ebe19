/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/attach.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "blockdev/mount_table.h"
#include "keystore/keystore.h"
#include "volume/fuse_port.h"
#include "volume/launch.h"
#include "volume/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISCARD_BYTES_MAX (128ull << 20)
#define WRITES_MAX	  10 /* more than there are workers; 6 MiB if all of them are parked */

/* --- what a killed process left --- */

void attach_find_device(struct runtime_state *state)
{
	char end[RUNTIME_UUID_BYTES + 16];

	snprintf(end, sizeof(end), "/%s/medium", state->uuid);
	if (state->device[0] && loop_is_over(state->device, end))
		return;
	if (loop_find(end, state->device) < 0)
		state->device[0] = '\0';
}

/* The dead device answers nothing: whatever is mounted of it goes, lazily. */
static void unmount_dead(const char *device)
{
	char where[PATH_MAX];
	struct stat st;

	if (stat(device, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	while (mount_table_place(st.st_rdev, 0, where, sizeof(where)) >= 0) {
		if (umount2(where, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return;
	}
}

void attach_clear_dead(const struct runtime_state *state)
{
	struct runtime_state now = *state;
	char medium[RUNTIME_PATH_BYTES];

	attach_find_device(&now);
	if (now.device[0]) {
		unmount_dead(now.device);
		if (loop_detach(now.device) < 0)
			(void)0; /* it is gone already */
	}
	if (runtime_path(now.uuid, "medium", medium) >= 0)
		(void)umount2(medium, MNT_DETACH);
	if (now.nbd[0])
		nbd_socket_remove(now.nbd, false);
	runtime_remove(now.uuid);
}

/* -EBUSY if a process serves the volume; otherwise the way is clear. */
static int check_free(const char *uuid, struct problem *reterr_problem)
{
	struct runtime_state state = {.read_only = false};
	struct client *client = NULL;
	int loaded = runtime_load(uuid, &state);

	if (client_connect(uuid, &client) >= 0) {
		client_free(client);
		return problem_set(reterr_problem, -EBUSY,
			"%s is attached already (%s%s%s); detach it first",
			loaded < 0 ? uuid : state.path, state.nbd[0] ? state.nbd : state.device,
			state.mount[0] ? ", mounted at " : "", state.mount);
	}
	snprintf(state.uuid, sizeof(state.uuid), "%s", uuid);
	attach_clear_dead(&state);
	return 0;
}

/* --- FUSE --- */

static int mount_fuse(const char *medium, int *ret_fd, struct problem *reterr_problem)
{
	_cleanup_close_ int file = -1, fd = -1;
	char options[128];

	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return problem_set(reterr_problem, -errno,
			"/dev/fuse cannot be opened (%s); load the fuse module, or work without a "
			"mount (put, get, ls)",
			strerror(errno));
	file = open(medium, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", medium, strerror(errno));
	snprintf(options, sizeof(options),
		"fd=%d,rootmode=100600,user_id=%u,group_id=%u,max_read=%u", fd,
		(unsigned int)geteuid(), (unsigned int)getegid(), FUSE_PORT_TRANSFER_BYTES);
	if (mount("spoolguard", medium, "fuse.spoolguard", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    options) < 0)
		return problem_set(reterr_problem, -errno,
			"FUSE cannot be mounted at %s (%s); run as root, or work without a mount "
			"(put, get, ls)",
			medium, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* --- attach --- */

static int make_device(const char *medium, uint32_t block_bytes, bool managed,
	struct runtime_state *state, struct client *client, struct problem *reterr_problem)
{
	int r;

	r = loop_attach(medium, block_bytes, state->read_only, state->device, reterr_problem);
	if (r < 0) {
		state->device[0] = '\0';
		return r;
	}
	if (managed && !state->read_only) {
		r = loop_refuse_zeroing(state->device, reterr_problem);
		if (r < 0)
			return r;
		loop_limit_discards(state->device, DISCARD_BYTES_MAX);
		loop_limit_transfers(state->device, FUSE_PORT_TRANSFER_BYTES);
		loop_limit_writes(state->device, WRITES_MAX);
	}
	r = client_serve(client);
	if (r >= 0)
		r = runtime_save(state, reterr_problem);
	return r;
}

static int start_volume(const char *uuid, const struct attach_options *options,
	const struct secret *passphrase, const char *profile, struct runtime_state *state,
	struct client **ret_client, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_close_ int fuse_fd = -1;
	char medium[RUNTIME_PATH_BYTES];
	struct json_object *status = NULL;
	bool managed = false;
	uint64_t block_bytes = 0;
	int r;

	/* Recorded before anything is there, so that "detach" finds whatever this leaves if it is
	 * killed. */
	r = runtime_path(uuid, "medium", medium);
	if (r >= 0)
		r = runtime_save(state, reterr_problem);
	if (r >= 0)
		r = mount_fuse(medium, &fuse_fd, reterr_problem);
	if (r < 0) {
		runtime_remove(uuid);
		return r;
	}
	r = launch_volume(state->path, uuid, options, profile, passphrase, fuse_fd, reterr_problem);
	if (r < 0)
		goto fail;
	io_closep(&fuse_fd); /* only the process holds it: its end ends the mount */
	r = client_connect(uuid, &client);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		goto fail;
	managed = json_object_get_boolean(json_object_object_get(status, "managed"));
	block_bytes = json_object_get_uint64(json_object_object_get(status, "block_bytes"));
	json_object_put(status);
	r = make_device(medium, (uint32_t)block_bytes, managed, state, client, reterr_problem);
	if (r < 0)
		goto fail_running;
	*ret_client = client;
	client = NULL;
	return 0;

fail_running:
	if (state->device[0] && loop_detach(state->device) < 0)
		(void)0;
	(void)umount2(medium, MNT_DETACH);
	if (client_detach(client, true) < 0)
		(void)0; /* it ends as after a crash */
	runtime_remove(uuid);
	return r;
fail:
	(void)umount2(medium, MNT_DETACH);
	if (client && client_detach(client, true) < 0)
		(void)0;
	runtime_remove(uuid);
	return r;
}

/* No device, no mount: who connects to the socket has the volume. */
static int start_nbd(const char *uuid, const struct attach_options *options,
	const struct secret *passphrase, const char *profile, struct runtime_state *state,
	struct client **ret_client, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = nbd_socket_resolve(options->nbd, state->nbd, reterr_problem);
	if (r >= 0) /* before it is there: who finds it later knows it for ours (T1) */
		r = runtime_save(state, reterr_problem);
	if (r < 0)
		return r;
	r = nbd_socket_listen(state->nbd, &fd, reterr_problem);
	if (r < 0) {
		runtime_remove(uuid);
		return r;
	}
	r = launch_volume(state->path, uuid, options, profile, passphrase, fd, reterr_problem);
	if (r >= 0)
		r = client_connect(uuid, ret_client);
	if (r < 0) {
		io_closep(&fd);
		fd = -1;
		nbd_socket_remove(state->nbd, true);
		runtime_remove(uuid);
	}
	return r;
}

int attach_volume(const char *path, const struct attach_options *options,
	const struct secret *passphrase, struct runtime_state *ret_state,
	struct client **ret_client, int *ret_lock, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct runtime_state state = {.read_only = options->read_only};
	const struct guard_options guard = {.read_only = options->read_only};
	struct guard_report checked;
	_cleanup_close_ int lock = -1;
	struct keystore_token token;
	const char *profile;
	int r;

	/* Looked at first without a key: most mistakes show here, before anything is set up. */
	r = guard_check(path, &guard, &checked, reterr_problem);
	if (r < 0)
		return r;
	r = keystore_open(path, true, &keystore, reterr_problem);
	if (r < 0)
		return r;
	snprintf(state.uuid, sizeof(state.uuid), "%s", keystore_uuid(keystore));
	keystore_get_token(keystore, &token);
	profile = options->profile ? options->profile : profile_name(token.profile);
	if (!realpath(path, state.path))
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));

	r = runtime_lock(state.uuid, &lock, reterr_problem);
	if (r >= 0)
		r = check_free(state.uuid, reterr_problem);
	if (r >= 0 && options->nbd)
		r = start_nbd(state.uuid, options, passphrase, profile, &state, ret_client,
			reterr_problem);
	else if (r >= 0)
		r = start_volume(state.uuid, options, passphrase, profile, &state, ret_client,
			reterr_problem);
	if (r < 0)
		return r;
	*ret_state = state;
	*ret_lock = lock;
	lock = -1;
	return 0;
}

/* The last step: what is owed is recorded, and nothing of the volume is left. */
static int end_process(const struct runtime_state *state, struct client *client, bool disconnect,
	struct problem *reterr_problem)
{
	int r = client_detach(client, disconnect);

	if (r == -EBUSY)
		return problem_set(reterr_problem, r,
			"a client is connected at %s; end it (umount, nbd-client -d), then detach "
			"again, or give --disconnect (nothing was detached)",
			state->nbd);
	if (state->nbd[0])
		nbd_socket_remove(state->nbd, true);
	runtime_remove(state->uuid);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s was detached, but its last records could not be written (%s); the next "
			"attach recovers it",
			state->path, strerror(-r));
	return 0;
}

int attach_undo(const struct runtime_state *state, bool disconnect, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct runtime_state now = *state;
	char medium[RUNTIME_PATH_BYTES];
	int r;

	r = client_connect(state->uuid, &client);
	if (r < 0) { /* killed: nothing is lost, the next attach recovers */
		attach_clear_dead(state);
		return problem_set(reterr_problem, -ESRCH,
			"the process of %s was gone; what it left mounted was cleared, and the "
			"next attach recovers the volume",
			state->path);
	}
	if (state->nbd[0])
		return end_process(state, client, disconnect, reterr_problem);
	attach_find_device(&now);
	r = now.device[0] ? loop_detach(now.device) : 0;
	if (r < 0 && r != -ENXIO)
		return problem_set(
			reterr_problem, r, "%s cannot be released: %s", now.device, strerror(-r));
	r = runtime_path(state->uuid, "medium", medium);
	if (r < 0)
		return r;
	for (int i = 0; i < 50 && (r = umount2(medium, 0) < 0 ? -errno : 0) == -EBUSY; i++)
		usleep(20000); /* the loop device lets go of its file a moment later */
	if (r < 0 && r != -EINVAL)
		return problem_set(reterr_problem, r,
			"%s is still in use (by a program that has it open, or a mount in another "
			"namespace?), so %s stays attached; end that, then detach again",
			now.device[0] ? now.device : medium, state->path);
	return end_process(state, client, false, reterr_problem);
}

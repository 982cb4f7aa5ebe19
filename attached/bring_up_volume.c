/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/bring_up_volume.h"
#include "attached/volume_port.h"
#include "attached/volumes.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the volume process says of how it found the volume, as the spool wants to know it. */
static int get_options(struct client *client, const struct runtime_state *state,
	const char *private_point, const char *mount_point, struct bring_up_options *ret_options)
{
	struct json_object *status;
	int r;

	r = client_status(client, &status);
	if (r < 0)
		return r;
#define FLAG(key) json_object_get_boolean(json_object_object_get(status, key))
	*ret_options = (struct bring_up_options){
		.device = state->device,
		.mount_point = mount_point,
		.private_point = private_point,
		.blocks = volumes_status_u64(status, "blocks") *
			  volumes_status_u64(status, "block_bytes") / BLOCK_BYTES,
		.read_only = state->read_only,
		.managed = FLAG("managed"),
		.was_unclean = FLAG("was_unclean"),
		.sweep_owed = FLAG("sweep_owed"),
		.filesystem_expected = FLAG("filesystem_expected"),
		.damaged_pages =
			json_object_get_uint64(json_object_object_get(status, "damaged_pages")),
	};
#undef FLAG
	json_object_put(status);
	return 0;
}

static int make_private_point(const char *uuid, char path[static RUNTIME_PATH_BYTES])
{
	int r = runtime_path(uuid, "private", path);

	if (r >= 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		r = -errno;
	return r;
}

/* Made first: only then has the mount point a path without links and dots. */
static int prepare_mount_point(const char *mount, struct mount_seal *ret_seal,
	char mount_point[static PATH_MAX], struct problem *reterr_problem)
{
	int r = mount_point_seal(mount, MOUNT_POINT_CLOSED, ret_seal, reterr_problem);

	if (r >= 0 && !realpath(mount, mount_point))
		r = problem_set(
			reterr_problem, -errno, "mount point %s: %s", mount, strerror(errno));
	return r;
}

static int record(struct runtime_state *state, const char *mount_point, bool ready,
	struct problem *reterr_problem)
{
	state->ready = ready;
	snprintf(state->mount, sizeof(state->mount), "%s", mount_point);
	return runtime_save(state, reterr_problem);
}

/* Its file system is mounted by somebody else, or not at all: the process has compared, and what
 * only a mount can judge stays owed. */
static int bring_up_nbd(struct client *client, struct runtime_state *state,
	struct bring_up_options *ret_options, struct bring_up_report *ret_report,
	struct mount_seal *ret_seal, struct problem *reterr_problem)
{
	struct bring_up_options options;
	struct json_object *status;
	int r;

	r = get_options(client, state, NULL, NULL, &options);
	if (r >= 0)
		r = record(state, "", true, reterr_problem);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		return r;
	*ret_report = (struct bring_up_report){
		.has_filesystem = options.filesystem_expected,
		.foreign_writes = volumes_status_bool(status, "foreign_writes"),
		.sweep_owed = options.managed && !options.read_only &&
			      (options.sweep_owed ||
				      (options.filesystem_expected &&
					      (options.was_unclean || options.damaged_pages > 0))),
	};
	json_object_put(status);
	*ret_options = options;
	*ret_seal = (struct mount_seal){.sealed = false};
	return 0;
}

int bring_up_volume(struct client *client, const char *mount, struct runtime_state *state,
	struct bring_up_options *ret_options, struct bring_up_report *ret_report,
	struct mount_seal *ret_seal, struct problem *reterr_problem)
{
	struct spool_port port = volume_port(client);
	struct mount_seal seal = {.sealed = false};
	char private_point[RUNTIME_PATH_BYTES];
	char mount_point[PATH_MAX] = "";
	int r;

	if (state->nbd[0])
		return bring_up_nbd(
			client, state, ret_options, ret_report, ret_seal, reterr_problem);
	r = make_private_point(state->uuid, private_point);
	if (r >= 0 && mount)
		r = prepare_mount_point(mount, &seal, mount_point, reterr_problem);
	if (r >= 0)
		r = get_options(
			client, state, private_point, mount ? mount_point : NULL, ret_options);
	if (r >= 0) /* before it is there: "detach" must know it for ours if we are killed */
		r = record(state, mount_point, false, reterr_problem);
	if (r >= 0)
		r = bring_up(&port, ret_options, ret_report, reterr_problem);
	if (r >= 0) {
		r = record(state, mount_point, true, reterr_problem);
		if (r < 0 && mount && mount_end(mount_point, NULL) < 0)
			return problem_set(reterr_problem, r,
				"%s is mounted, but that could not be recorded (%s); make room in "
				"the runtime directory, then detach and attach it",
				mount_point, strerror(-r));
	}
	if (r < 0 && mount_point[0])
		mount_point_unseal(mount_point, &seal);
	if (r < 0 && reterr_problem && reterr_problem->text[0] == '\0')
		problem_set(reterr_problem, r, "%s cannot be brought up: %s", state->path,
			r == -ENOTRECOVERABLE ? "the medium failed; see to it, then attach again"
					      : strerror(-r));
	ret_options->mount_point = ret_options->private_point = NULL; /* ours, and gone */
	*ret_seal = seal;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bring_up_volume.h"
#include "cli/volume_port.h"
#include "cli/volumes.h"
#include "spool/mount.h"
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

int bring_up_volume(struct client *client, const char *mount, struct runtime_state *state,
	struct bring_up_options *ret_options, struct bring_up_report *ret_report,
	struct problem *reterr_problem)
{
	struct spool_port port = volume_port(client);
	char private_point[RUNTIME_PATH_BYTES];
	char mount_point[PATH_MAX] = "";
	bool sealed;
	int r;

	r = make_private_point(state->uuid, private_point);
	if (r >= 0 && mount) {
		/* Made first: only then has it a path without links and dots. */
		r = mount_point_seal(mount, &sealed, reterr_problem);
		if (r >= 0 && !realpath(mount, mount_point))
			r = problem_set(reterr_problem, -errno, "mount point %s: %s", mount,
				strerror(errno));
	}
	if (r >= 0)
		r = get_options(
			client, state, private_point, mount ? mount_point : NULL, ret_options);
	if (r >= 0)
		r = bring_up(&port, ret_options, ret_report, reterr_problem);
	if (r >= 0) {
		state->ready = true;
		snprintf(state->mount, sizeof(state->mount), "%s", mount_point);
		r = runtime_save(state, reterr_problem);
		if (r < 0 && mount && mount_end(mount_point, NULL) < 0)
			r = problem_set(reterr_problem, r,
				"%s is mounted, but that could not be recorded (%s); make room in "
				"the runtime directory, then detach and attach it",
				mount_point, strerror(-r));
	}
	if (r < 0 && reterr_problem && reterr_problem->text[0] == '\0')
		problem_set(reterr_problem, r, "%s cannot be brought up: %s", state->path,
			r == -ENOTRECOVERABLE ? "the medium failed; see to it, then attach again"
					      : strerror(-r));
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/open_volume.h"
#include "attached/detach_volume.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "keystore/keystore.h"
#include "supervisor/closure.h"
#include "supervisor/open_volume_impl.h"
#include "supervisor/unlock.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void open_volume_key_done(struct open_volume_key *key)
{
	secret_free(key->secret);
	*key = (struct open_volume_key){.secret = NULL};
}

/* --- what is there already --- */

static size_t list_binds(
	const struct config_volume *volume, struct bind_wanted wanted[static CONFIG_BINDS_MAX])
{
	for (size_t i = 0; i < volume->bind_count; i++)
		wanted[i] = (struct bind_wanted){
			.directory = volume->binds[i].directory,
			.at = volume->binds[i].at,
		};
	return volume->bind_count;
}

enum found { FOUND_NOTHING, FOUND_WHOLE, FOUND_HALF, FOUND_DEAD };

/* Its file system is mounted where it should be, if it should: a detach that was interrupted has
 * unmounted it, and all else is there. */
static bool is_mounted(struct runtime_state *state)
{
	struct stat device, mount;

	attach_find_device(state);
	return !state->mount[0] ||
	       (stat(state->device, &device) == 0 && stat(state->mount, &mount) == 0 &&
		       device.st_rdev == mount.st_dev);
}

/* Under the volume's lock; whoever else works on it has come to his end by then. */
static int look(struct runtime_state *state, enum found *ret_found)
{
	struct client *client = NULL;
	int r;

	r = runtime_load(state->uuid, state);
	if (r == -ENOENT) {
		*ret_found = FOUND_NOTHING;
		return 0;
	}
	if (r < 0)
		return r;
	*ret_found = FOUND_DEAD;
	if (client_connect(state->uuid, &client) >= 0)
		*ret_found = state->ready && is_mounted(state) ? FOUND_WHOLE : FOUND_HALF;
	client_free(client);
	return 0;
}

/*
 * Somebody made a whole volume of what a renewal had left, and uses it: that renewal is nobody's
 * any more.
 */
static int forget_renewal(const struct open_volume_request *request, struct problem *reterr_problem)
{
	const char *directory = request->config->state_directory, *name = request->volume->name;
	struct volume_record record;

	if (volume_record_load(directory, name, &record) < 0 || !record.making)
		return 0;
	return volume_record_remove(directory, name, reterr_problem);
}

static int adopt(const struct open_volume_request *request, struct runtime_state *state,
	struct problem *reterr_problem)
{
	struct bind_wanted wanted[CONFIG_BINDS_MAX];
	int r = forget_renewal(request, reterr_problem);

	if (r >= 0 && state->mount[0])
		r = bind_volume(
			state, wanted, list_binds(request->volume, wanted), NULL, reterr_problem);
	return r;
}

/* Adopts it, or clears it away. */
static int settle(const struct open_volume_request *request, struct runtime_state *state,
	bool *ret_adopted, struct problem *reterr_problem)
{
	_cleanup_close_ int lock = -1;
	enum found found = FOUND_NOTHING;
	int r;

	r = runtime_lock(state->uuid, &lock, reterr_problem);
	if (r >= 0)
		r = look(state, &found);
	if (r < 0)
		return r;
	if (found == FOUND_DEAD)
		attach_clear_dead(state);
	if (found == FOUND_WHOLE)
		r = adopt(request, state, reterr_problem);
	*ret_adopted = found == FOUND_WHOLE;
	if (found != FOUND_HALF)
		return r;
	io_closep(&lock);
	r = detach_volume(state, false, NULL, reterr_problem);
	return r == -ESRCH || r == -ENOENT ? 0 : r;
}

/* --- attaching --- */

int open_volume_attach(const struct config_volume *volume, const struct secret *passphrase,
	struct open_volume_report *report, struct problem *reterr_problem)
{
	struct bind_wanted wanted[CONFIG_BINDS_MAX];
	const struct attach_spool_options options = {
		.path = volume->medium,
		.mount = volume->mount,
		.binds = wanted,
		.bind_count = list_binds(volume, wanted),
		.attach =
			{
				.scheme = volume->scheme[0] ? volume->scheme : NULL,
				.verify = volume->verify[0] ? volume->verify : NULL,
				.profile = volume->profile[0] ? volume->profile : NULL,
			},
	};
	int r;

	r = attach_spool(&options, passphrase, &report->attached, reterr_problem);
	if (r < 0)
		return r;
	report->attached_now = true;
	report->state = report->attached.state;
	return 0;
}

bool open_volume_get_uuid(const char *medium, char ret_uuid[static RUNTIME_UUID_BYTES])
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;

	if (keystore_open(medium, true, &keystore, NULL) < 0)
		return false;
	snprintf(ret_uuid, RUNTIME_UUID_BYTES, "%s", keystore_uuid(keystore));
	return true;
}

/* The key in memory is this medium's. */
static bool has_key(const struct open_volume_request *request)
{
	char uuid[RUNTIME_UUID_BYTES];

	return request->key->secret && open_volume_get_uuid(request->volume->medium, uuid) &&
	       strcmp(uuid, request->key->uuid) == 0;
}

int open_volume_get_passphrase(const struct open_volume_request *request, struct secret **ret_read,
	const struct secret **ret_passphrase, struct problem *reterr_problem)
{
	int r = 0;

	if (!request->passphrase)
		r = unlock_read(request->volume, ret_read, reterr_problem);
	if (r >= 0)
		*ret_passphrase = request->passphrase ? request->passphrase : *ret_read;
	return r;
}

static int open_closed(const struct open_volume_request *request, struct open_volume_report *report,
	struct problem *reterr_problem)
{
	const struct config_volume *volume = request->volume;
	_cleanup_secret_ struct secret *read = NULL;
	const struct secret *passphrase = NULL;
	struct volume_record record;
	bool recorded, boot_key = volume->unlock == CONFIG_UNLOCK_BOOT_KEY;
	int r;

	r = volume_record_load(request->config->state_directory, volume->name, &record);
	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return problem_set(reterr_problem, r, "%s/volume.%s cannot be read: %s",
			request->config->state_directory, volume->name, strerror(-r));
	recorded = r >= 0 && strcmp(record.medium, volume->medium) == 0;
	report->renewal_resumed = recorded && record.making && !boot_key;
	if (boot_key && request->passphrase)
		return problem_set(reterr_problem, -EINVAL,
			"volume %s has a key that is made at boot (unlock = boot-key): it takes no "
			"passphrase",
			volume->name);
	if (boot_key && !(recorded && record.making) && has_key(request))
		return open_volume_attach(volume, request->key->secret, report, reterr_problem);
	if (boot_key)
		return open_volume_make_boot(
			request, recorded ? &record : NULL, report, reterr_problem);
	r = open_volume_get_passphrase(request, &read, &passphrase, reterr_problem);
	if (r >= 0 && report->renewal_resumed)
		r = open_volume_finish(request, &record, passphrase, report, reterr_problem);
	if (r >= 0)
		r = open_volume_attach(volume, passphrase, report, reterr_problem);
	return r;
}

/* A decommissioned one stays closed, whoever asks. */
static int check_closure(const struct open_volume_request *request, struct problem *reterr_problem)
{
	const struct config_volume *volume = request->volume;
	const char *directory = request->config->state_directory;
	char uuid[RUNTIME_UUID_BYTES];
	bool readable;

	if (closure_state(directory, volume->name) != CLOSURE_CLOSED)
		return 0;
	readable = open_volume_get_uuid(volume->medium, uuid);
	return closure_check(
		directory, volume->name, volume->medium, readable ? uuid : NULL, reterr_problem);
}

int open_volume(const struct open_volume_request *request, struct open_volume_report *ret_report,
	struct problem *reterr_problem)
{
	struct open_volume_report *report = calloc(1, sizeof(*report));
	int r;

	if (!report)
		return -ENOMEM;
	r = runtime_find(request->volume->medium, &report->state);
	if (r >= 0)
		r = settle(request, &report->state, &report->adopted, reterr_problem);
	else if (r == -EACCES)
		r = problem_set(reterr_problem, r, "what is attached is for root to see");
	else
		r = 0;
	if (r >= 0 && !report->adopted)
		r = check_closure(request, reterr_problem);
	if (r >= 0 && !report->adopted)
		r = open_closed(request, report, reterr_problem);
	if (r >= 0)
		*ret_report = *report;
	free(report);
	return r;
}

int open_volume_close(const struct config_volume *volume, struct problem *reterr_warning,
	struct problem *reterr_problem)
{
	struct runtime_state state;
	int r;

	r = runtime_find(volume->medium, &state);
	if (r < 0)
		return problem_set(
			reterr_problem, -ENODEV, "volume %s is not attached", volume->name);
	return detach_volume(&state, false, reterr_warning, reterr_problem);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open_volume_make.c - a volume is made where one was (Renew), or at each boot
 */
#include "attached/detach_volume.h"
#include "attached/make_spool.h"
#include "attached/volumes.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "keystore/keystore.h"
#include "supervisor/open_volume_impl.h"
#include "supervisor/unlock.h"
#include "volume/attach.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 512 random bits need no stretching. */
#define BOOT_KDF_MEMORY_KIB   1024u
#define BOOT_KDF_ITERATION_MS 1u

#define KILL_WAIT_MS 10000

/* --- the parts of it --- */

/* The keys die first (P6).  A header that cannot be read any more holds none that could be used. */
static int destroy_keys(
	const char *medium, struct open_volume_report *report, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct keystore_token token;
	int r;

	r = keystore_open(medium, false, &keystore, NULL);
	if (r == -ENODATA || r == -EBADMSG || r == -ENXIO)
		return 0;
	if (r < 0) {
		r = keystore_open(medium, false, &keystore, reterr_problem);
		if (r < 0)
			return r;
	}
	keystore_get_token(keystore, &token);
	report->header_backups = token.backups;
	snprintf(report->replaced, sizeof(report->replaced), "%s", keystore_uuid(keystore));
	return keystore_destroy(keystore, &report->slots_destroyed, reterr_problem);
}

/* What the configuration says now, else what the volume had, else the defaults. */
static int set_options(const struct config_volume *volume, const struct volume_record *record,
	struct volume_format_options *options, struct problem *reterr_problem)
{
	const char *scheme = volume->scheme[0] ? volume->scheme : record->scheme;
	const char *profile = volume->profile[0] ? volume->profile : record->profile;

	options->scheme = scheme[0] ? scheme_find(scheme) : scheme_default();
	if (!options->scheme)
		return problem_set(reterr_problem, -EINVAL,
			"volume %s: there is no scheme \"%s\"; set scheme in the configuration",
			volume->name, scheme);
	options->profile = PROFILE_STANDARD;
	if (profile[0] && profile_from_name(profile, &options->profile) < 0)
		return problem_set(reterr_problem, -EINVAL,
			"volume %s: there is no profile \"%s\"; set profile in the configuration",
			volume->name, profile);
	options->max_bytes = record->max_bytes;
	return profile_set(options->profile, reterr_problem);
}

/* R1 to R1: the record is there before, and says afterwards what came of it. */
static int make(const struct open_volume_request *request, const struct volume_record *record,
	const struct secret *passphrase, struct volume_format_options options,
	struct open_volume_report *report, struct problem *reterr_problem)
{
	const char *medium = request->volume->medium;
	const struct guard_options guard = {.destroy = true, .may_create = true};
	struct volume_format_report made;
	struct guard_report checked;
	int r;

	r = set_options(request->volume, record, &options, reterr_problem);
	if (r >= 0)
		r = guard_check(medium, &guard, &checked, reterr_problem);
	if (r < 0)
		return r;
	options.checked = &checked;
	if (checked.kind != GUARD_MISSING)
		options.size_bytes = 0;
	r = make_spool(medium, &options, true, passphrase, &made, reterr_problem);
	if (r < 0)
		return r;
	report->made = true;
	report->owed_bytes = made.owed_bytes;
	return 0;
}

int open_volume_finish(const struct open_volume_request *request,
	const struct volume_record *record, const struct secret *passphrase,
	struct open_volume_report *report, struct problem *reterr_problem)
{
	struct volume_format_options options = {
		.kdf_memory_kib = (uint32_t)record->kdf_memory_kib,
		.kdf_iterations = (uint32_t)record->kdf_iterations,
	};
	int r;

	r = destroy_keys(request->volume->medium, report, reterr_problem);
	if (r >= 0)
		r = make(request, record, passphrase, options, report, reterr_problem);
	if (r >= 0)
		r = volume_record_remove(
			request->config->state_directory, request->volume->name, reterr_problem);
	return r;
}

/* --- at boot --- */

/* O1: is what the medium holds ours to destroy? */
static int check_ours(const struct open_volume_request *request, const struct volume_record *record,
	struct problem *reterr_problem)
{
	const struct config_volume *volume = request->volume;
	const struct guard_options guard = {.destroy = true, .may_create = true};
	char uuid[RUNTIME_UUID_BYTES];
	struct guard_report report;
	int r;

	r = guard_check(volume->medium, &guard, &report, reterr_problem);
	if (r < 0)
		return r;
	if (report.kind == GUARD_MISSING && volume->size_bytes == 0)
		return problem_set(reterr_problem, -ENOENT,
			"%s does not exist; set size in [volume %s] to have it made",
			volume->medium, volume->name);
	if (report.holds[0] == '\0' || (record && record->making))
		return 0;
	if (record && open_volume_get_uuid(volume->medium, uuid) && strcmp(uuid, record->uuid) == 0)
		return 0;
	return problem_set(reterr_problem, -EEXIST,
		"%s holds %s, which was not made for volume %s and its keys of one boot: it is "
		"left "
		"alone; overwrite it (\"spoolguard overwrite %s\") if it may go",
		volume->medium, report.holds, volume->name, volume->medium);
}

static int record_made(const struct open_volume_request *request, struct volume_record *record,
	struct secret **key, struct problem *reterr_problem)
{
	record->making = false;
	if (!open_volume_get_uuid(request->volume->medium, record->uuid))
		return problem_set(reterr_problem, -EIO,
			"%s: the new header does not read back; the medium is faulty",
			request->volume->medium);
	open_volume_key_done(request->key);
	request->key->secret = *key;
	*key = NULL;
	strcpy(request->key->uuid, record->uuid);
	return volume_record_save(
		request->config->state_directory, request->volume->name, record, reterr_problem);
}

int open_volume_make_boot(const struct open_volume_request *request,
	const struct volume_record *record, struct open_volume_report *report,
	struct problem *reterr_problem)
{
	const struct config_volume *volume = request->volume;
	struct volume_format_options options = {
		.size_bytes = volume->size_bytes,
		.kdf_memory_kib = BOOT_KDF_MEMORY_KIB,
		.kdf_iteration_ms = BOOT_KDF_ITERATION_MS,
	};
	struct volume_record now = {.making = true};
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = check_ours(request, record, reterr_problem);
	if (r < 0)
		return r;
	if (record)
		now = *record;
	now.making = true;
	strcpy(now.medium, volume->medium);
	if (!report->replaced[0])
		snprintf(report->replaced, sizeof(report->replaced), "%s", now.uuid);
	r = volume_record_save(
		request->config->state_directory, volume->name, &now, reterr_problem);
	if (r >= 0)
		r = secret_new_random(UNLOCK_BOOT_KEY_BYTES, &key);
	if (r >= 0)
		r = make(request, &now, key, options, report, reterr_problem);
	if (r >= 0)
		r = record_made(request, &now, &key, reterr_problem);
	if (r >= 0)
		r = open_volume_attach(volume, request->key->secret, report, reterr_problem);
	return r;
}

/* --- on request --- */

/* What it costs to try a passphrase on that slot; of PBKDF2 nothing: its default is chosen anew. */
static void note_cost(const struct keystore *keystore, int slot, struct volume_record *record)
{
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	size_t count = 0;

	if (keystore_list(keystore, slots, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (slots[i].number != slot || strcmp(slots[i].kdf, "argon2id") != 0)
			continue;
		record->kdf_memory_kib = slots[i].memory_kib;
		record->kdf_iterations = slots[i].iterations;
	}
}

/*
 * A typing error, or a key file that was exchanged, must not become the new volume's passphrase.
 * What it costs to try one on the new volume is what it costs on the old one, to the pass: what is
 * measured on a busy machine would grow with each renewal.
 */
static int check_passphrase(struct keystore *keystore, const struct secret *passphrase,
	struct volume_record *record, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *ignored = NULL;
	int slot, r;

	r = keystore_unlock(keystore, passphrase, -1, &ignored, &slot, reterr_problem);
	if (r >= 0)
		note_cost(keystore, slot, record);
	return r;
}

/* What the new volume shall have of the old one. */
static int remember(const struct open_volume_request *request, const struct secret *passphrase,
	struct volume_record *record, struct problem *reterr_problem)
{
	const char *medium = request->volume->medium;
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_(client_freep) struct client *client = NULL;
	struct keystore_segment segment;
	struct keystore_token token;
	struct json_object *status;
	struct runtime_state state;
	uint64_t most = 0;
	int r;

	r = keystore_open(medium, true, &keystore, reterr_problem);
	if (r < 0)
		return r;
	keystore_get_token(keystore, &token);
	if (!token.present)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s has no residue map (it is served as encryption only): it is not "
			"renewed; "
			"\"spoolguard format\" makes it a volume",
			medium);
	*record = (struct volume_record){.making = true};
	if (passphrase)
		r = check_passphrase(keystore, passphrase, record, reterr_problem);
	if (r < 0)
		return r;
	snprintf(record->medium, sizeof(record->medium), "%s", medium);
	snprintf(record->scheme, sizeof(record->scheme), "%s", token.scheme);
	snprintf(record->profile, sizeof(record->profile), "%s", profile_name(token.profile));
	if (runtime_find(medium, &state) < 0 || client_connect(state.uuid, &client) < 0 ||
		client_status(client, &status) < 0)
		return 0; /* it is not open: room to grow as for a new one */
	keystore_get_segment(keystore, &segment);
	most = volumes_status_u64(status, "medium_bytes_most");
	if (most > segment.data_offset_bytes)
		record->max_bytes = most - segment.data_offset_bytes;
	json_object_put(status);
	return 0;
}

/* A descriptor of the process that serves the volume. */
static int open_process(const char *uuid, int *ret_fd)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct json_object *status;
	uint64_t process;
	int fd, r;

	r = client_connect(uuid, &client);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		return r;
	process = volumes_status_u64(status, "process");
	json_object_put(status);
	fd = (int)syscall(SYS_pidfd_open, (pid_t)process, 0);
	if (fd < 0)
		return -errno;
	/* It still answers: the number had not been given to another. */
	r = client_status(client, &status);
	if (r < 0) {
		close(fd);
		return r;
	}
	json_object_put(status);
	*ret_fd = fd;
	return 0;
}

static int kill_process(const char *uuid)
{
	_cleanup_close_ int fd = -1;
	struct pollfd ended;
	int r;

	r = open_process(uuid, &fd);
	if (r < 0)
		return r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET ? 0 : r;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return -errno;
	ended = (struct pollfd){.fd = fd, .events = POLLIN};
	return poll(&ended, 1, KILL_WAIT_MS) == 1 ? 0 : -ETIMEDOUT;
}

/*
 * In use, and everything on it is to die: its process goes first, and with it the key in memory.
 * Whoever has files open there meets errors; what is mounted is cleared as after a crash.
 */
static int end_by_force(struct runtime_state *state, struct problem *reterr_problem)
{
	_cleanup_close_ int lock = -1;
	int r;

	r = runtime_lock(state->uuid, &lock, reterr_problem);
	if (r >= 0)
		r = runtime_load(state->uuid, state);
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = kill_process(state->uuid);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s is in use, and its process could not be ended: %s", state->path,
			strerror(-r));
	attach_clear_dead(state);
	return 0;
}

static int detach_if_attached(
	const struct open_volume_request *request, struct problem *reterr_problem)
{
	struct runtime_state state;
	int r;

	if (runtime_find(request->volume->medium, &state) < 0)
		return 0;
	r = detach_volume(&state, false, NULL, reterr_problem);
	if (r == -EBUSY && request->by_force)
		r = end_by_force(&state, reterr_problem);
	return r == -ESRCH || r == -ENOENT ? 0 : r; /* its process was gone: cleared */
}

int open_volume_renew(const struct open_volume_request *request,
	struct open_volume_report *ret_report, struct problem *reterr_problem)
{
	const struct config_volume *volume = request->volume;
	bool boot_key = volume->unlock == CONFIG_UNLOCK_BOOT_KEY;
	_cleanup_secret_ struct secret *read = NULL;
	struct open_volume_report report = {.adopted = false};
	const struct secret *passphrase = NULL;
	struct volume_record record;
	int r = 0;

	if (!boot_key) /* before anything is destroyed */
		r = open_volume_get_passphrase(request, &read, &passphrase, reterr_problem);
	if (r >= 0)
		r = remember(request, passphrase, &record, reterr_problem);
	if (r >= 0)
		r = detach_if_attached(request, reterr_problem);
	if (r >= 0)
		r = volume_record_save(
			request->config->state_directory, volume->name, &record, reterr_problem);
	if (r >= 0 && boot_key) {
		r = destroy_keys(volume->medium, &report, reterr_problem);
		if (r >= 0)
			r = open_volume_make_boot(request, &record, &report, reterr_problem);
	} else if (r >= 0) {
		r = open_volume_finish(request, &record, passphrase, &report, reterr_problem);
		if (r >= 0)
			r = open_volume_attach(volume, passphrase, &report, reterr_problem);
	}
	if (r >= 0)
		*ret_report = report;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_world.c - the real world of decommission/run.h: the drive, its medium, its volumes,
 * the state directory, the audit log
 *
 * Before the drive or its medium is opened for writing it is looked at once more, and has to be the
 * one that was confirmed (J2); one that left is looked for under every name.  libcryptsetup is used
 * by one thread at a time.
 */
#include "attached/detach_volume.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "blockdev/raw.h"
#include "cli/decommission.h"
#include "cli/decommission_keys.h"
#include "drives/linux_port.h"
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t keystore_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- which drive it is --- */

static int look_everywhere(
	const struct record *record, struct target **ret_target, struct problem *reterr_problem)
{
	struct target **targets = NULL, *found = NULL;
	struct problem unsaid;
	size_t count = 0, left_out;
	int r = target_list(NULL, &targets, &count, &left_out);

	for (size_t i = 0; r >= 0 && i < count; i++) {
		if (!found && record_compare_drive(record, targets[i], &unsaid) >= 0)
			found = targets[i];
		else
			target_free(targets[i]);
	}
	free(targets);
	if (!found)
		return problem_set(reterr_problem, -ENODEV,
			"the drive %s is not connected (any more): connect it, and give the same "
			"command again",
			record->identity.serial);
	*ret_target = found;
	return 0;
}

/* job->target is the drive as it is now. */
static int find_drive(
	struct decommission_job *job, const struct record *record, struct problem *reterr_problem)
{
	struct target *now = NULL;
	struct problem first = {""};
	int r = target_look(job->target->path, NULL, &now, &first);

	if (r >= 0) {
		r = record_compare_drive(record, now, &first);
		if (r < 0) {
			target_free(now);
			now = NULL;
		}
	}
	if (r < 0 && look_everywhere(record, &now, reterr_problem) < 0)
		return r == -ESTALE ? problem_set(reterr_problem, r, "%s", first.text) : -ENODEV;
	target_free(job->target);
	job->target = now;
	job->plan.target = now;
	return 0;
}

/* --- the drive and its medium --- */

static int open_drive(void *context, const struct record *record, struct command_port **ret_port,
	struct problem *reterr_problem)
{
	const struct linux_port_options options = {.only_ask = false};
	struct decommission_job *job = context;
	struct linux_port *port = NULL;
	struct command_port *commands;
	int r = find_drive(job, record, reterr_problem);

	if (r >= 0)
		r = linux_port_open(job->target->path, &options, &port, reterr_problem);
	if (r < 0)
		return r;
	commands = malloc(sizeof(*commands));
	if (!commands) {
		linux_port_close(port);
		return -ENOMEM;
	}
	*commands = *linux_port_commands(port);
	job->port = port;
	*ret_port = commands;
	return 0;
}

static void close_drive(void *context, struct command_port *port)
{
	struct decommission_job *job = context;

	linux_port_close(job->port);
	job->port = NULL;
	free(port);
}

static int open_medium(void *context, const struct record *record, uint32_t block_bytes,
	struct blockdev **ret_medium, struct problem *reterr_problem)
{
	const struct guard_options guard = {.destroy = true};
	const struct raw_options options = {.block_bytes = block_bytes};
	struct decommission_job *job = context;
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	struct guard_report checked;
	int r = find_drive(job, record, reterr_problem);

	if (r >= 0)
		r = guard_check(job->target->path, &guard, &checked, reterr_problem);
	if (r >= 0)
		r = raw_open(job->target->path, &options, &medium, reterr_problem);
	if (r >= 0)
		r = guard_verify(&checked, job->target->path, raw_fd(medium), reterr_problem);
	if (r < 0)
		return r;
	*ret_medium = medium;
	medium = NULL;
	return 0;
}

/* --- volumes: let go --- */

/* Files on the volume, but for spoolguard's own. */
static uint64_t count_files(const char *mount)
{
	char path[PATH_MAX];
	char *const paths[] = {path, NULL};
	uint64_t files = 0;
	FTSENT *entry;
	FTS *tree;

	snprintf(path, sizeof(path), "%s", mount);
	tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	while (tree && (entry = fts_read(tree))) {
		if (entry->fts_info == FTS_D && entry->fts_level == 1 &&
			strcmp(entry->fts_name, ".spoolguard") == 0)
			(void)fts_set(tree, entry, FTS_SKIP);
		files += entry->fts_info == FTS_F;
	}
	if (tree)
		fts_close(tree);
	return files;
}

/* Without the service. */
static int detach_alone(
	struct record *record, struct record_volume *volume, struct problem *reterr_problem)
{
	_cleanup_free_ struct runtime_state *state = calloc(1, sizeof(*state));
	struct problem warning = {""};
	uint64_t files = 0;
	int r;

	if (!state)
		return -ENOMEM;
	if (runtime_load(volume->uuid, state) < 0)
		return 0;
	if (state->mount[0])
		files = count_files(state->mount);
	r = detach_volume(state, false, &warning, reterr_problem);
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		return r;
	volume->detached = true;
	record->jobs_not_retired += files;
	if (files)
		snprintf(record->jobs_detail, sizeof(record->jobs_detail),
			"%" PRIu64 " files were on the volumes when they were detached; they die "
			"with the keys and the medium, without receipts of their own",
			record->jobs_not_retired);
	return 0;
}

static bool is_attached(const char *uuid)
{
	_cleanup_free_ struct runtime_state *state = calloc(1, sizeof(*state));

	return state && runtime_load(uuid, state) >= 0;
}

static int close_one(struct decommission_job *job, struct record *record,
	struct record_volume *volume, struct decommission_jobs_count *count,
	struct problem *reterr_problem)
{
	bool attached = is_attached(volume->uuid);
	int r = -ENOENT;

	/* Also one that is not open: it is not to be opened again. */
	if (job->with_service)
		r = decommission_service_close(job, record, volume->uuid, count, reterr_problem);
	if (r == -ENOENT)
		return detach_alone(record, volume, reterr_problem);
	if (r >= 0 && attached)
		volume->detached = true;
	return r;
}

/* What the service counted is taken when all are closed: asked again it answers the same. */
static int close_volumes(void *context, struct record *record, struct problem *reterr_problem)
{
	struct decommission_job *job = context;
	struct decommission_jobs_count count = {0, 0};
	int r = 0;

	for (uint32_t i = 0; i < record->volume_count && r >= 0; i++)
		r = close_one(job, record, &record->volumes[i], &count, reterr_problem);
	if (r < 0)
		return r;
	record->jobs_retired += count.retired;
	record->jobs_not_retired += count.not_retired;
	return 0;
}

/* --- volumes: their keys --- */

static const char *device_of_volume(const struct target *target, const char *uuid)
{
	for (size_t i = 0; i < target->volume_count; i++) {
		if (strcmp(target->volumes[i].uuid, uuid) == 0)
			return target->volumes[i].device;
	}
	return NULL;
}

static int destroy_keys(void *context, struct record_volume *volume, struct problem *reterr_problem)
{
	struct decommission_job *job = context;
	const char *device;
	int r;

	/* Its names may have changed since it was recorded. */
	r = find_drive(job, job->record, reterr_problem);
	if (r < 0)
		return r;
	device = device_of_volume(job->target, volume->uuid);
	if (!device)
		return problem_set(reterr_problem, -ENOENT,
			"the header of volume %s cannot be found on %s any more", volume->uuid,
			job->target->path);
	(void)pthread_mutex_lock(&keystore_lock);
	r = decommission_keys_destroy(device, volume, reterr_problem);
	for (size_t i = 0; i < job->options->backup_count && r >= 0; i++)
		r = decommission_keys_destroy_backup(
			job->options->backups[i], volume, reterr_problem);
	(void)pthread_mutex_unlock(&keystore_lock);
	decommission_service_destroyed(job, volume);
	return r;
}

/* --- the state directory and the log --- */

static int save(void *context, const struct record *record, struct problem *reterr_problem)
{
	struct decommission_job *job = context;

	return record_save(job->options->state_directory, record, reterr_problem);
}

static int save_witness(void *context, const struct record *record, const uint8_t *bytes,
	size_t count, struct problem *reterr_problem)
{
	struct decommission_job *job = context;

	return record_save_witness(
		job->options->state_directory, record, bytes, count, reterr_problem);
}

static int load_witness(void *context, const struct record *record, uint8_t *ret_bytes,
	size_t *ret_count, struct problem *reterr_problem)
{
	struct decommission_job *job = context;

	return record_load_witness(
		job->options->state_directory, record, ret_bytes, ret_count, reterr_problem);
}

static void tell(void *context, const struct record *record, enum record_step step,
	const char *outcome, const char *detail)
{
	(void)record; /* the job's */
	decommission_service_tell(context, step, outcome, detail);
}

struct run_world decommission_world(struct decommission_job *job)
{
	return (struct run_world){
		.open_drive = open_drive,
		.close_drive = close_drive,
		.open_medium = open_medium,
		.close_volumes = close_volumes,
		.destroy_keys = destroy_keys,
		.save = save,
		.save_witness = save_witness,
		.load_witness = load_witness,
		.tell = tell,
		.context = job,
	};
}

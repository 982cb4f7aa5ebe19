/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_job.c - one drive, from the first look until it may be begun
 */
#include "base/build_id.h"
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/raw.h"
#include "cli/decommission.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define RATE_NS	     200000000u
#define RATE_BYTES   (1u << 20)
#define SECTOR_BYTES 512u

/* --- places --- */

static int make_directory(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int decommission_path(const struct decommission_options *options, const char *id,
	const char *suffix, char ret_path[static TARGET_PATH_BYTES])
{
	int n = snprintf(ret_path, TARGET_PATH_BYTES, "%s/decommission/%s.%s",
		options->state_directory, id, suffix);

	return n < TARGET_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* On which device: of the path, or of the nearest directory above it that exists. */
static bool lies_on(const struct device_set *above, const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	snprintf(copy, sizeof(copy), "%s", path);
	while (stat(copy, &st) < 0) {
		char *up = dirname(copy);

		if (up != copy)
			memmove(copy, up, strlen(up) + 1);
		if (strcmp(copy, "/") == 0 || strcmp(copy, ".") == 0)
			break;
	}
	return stat(copy, &st) == 0 &&
	       device_set_has(above, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
}

static int look_at_places(struct decommission_job *job, struct plan_request *request)
{
	_cleanup_(usage_scene_freep) struct usage_scene *scene = NULL;
	_cleanup_free_ struct device_set *above = calloc(1, sizeof(*above));
	char log[PATH_MAX];
	int r;

	if (!above)
		return -ENOMEM;
	r = usage_scene_take(NULL, &scene);
	if (r >= 0)
		r = usage_above(scene, job->target->device, above);
	if (r < 0)
		return r;
	snprintf(log, sizeof(log), "%s/audit", request->state_directory);
	request->state_on_target = lies_on(above, request->state_directory);
	request->log_on_target = !request->state_on_target && lies_on(above, log);
	request->certificate_on_target =
		request->certificate && lies_on(above, request->certificate);
	return 0;
}

/* --- look --- */

/* What reading gives now; writing is not tried. */
static uint64_t measure(const char *path)
{
	const struct raw_options options = {
		.read_only = true, .unlocked = true, .block_bytes = SECTOR_BYTES};
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	_cleanup_free_ void *buf = NULL;
	uint64_t began, now, done = 0, blocks = RATE_BYTES / SECTOR_BYTES;

	if (raw_open(path, &options, &bd, NULL) < 0 || io_alloc(RATE_BYTES, &buf) < 0)
		return 0;
	began = now = clock_monotonic_ns();
	while (now - began < RATE_NS && (done + 1) * blocks <= blockdev_blocks(bd)) {
		if (blockdev_read(bd, (struct extent){done * blocks, blocks}, buf, RATE_BYTES) < 0)
			break;
		done++;
		now = clock_monotonic_ns();
	}
	return now > began ? (uint64_t)((double)(done * RATE_BYTES) / ((double)(now - began) / 1e9))
			   : 0;
}

int decommission_look(struct decommission_job *job, const char *const *named, size_t named_count,
	struct problem *reterr_problem)
{
	const struct decommission_options *options = job->options;
	struct plan_request request = {
		.scheme = options->scheme,
		.verify = options->verify,
		.own_methods = options->own_methods,
		.searches = job->texts && job->texts->count > 0,
		.this_machine = options->this_machine,
		.batch = options->batch != NULL,
		.typed = isatty(STDIN_FILENO) && options->confirm_count == 0,
		.named = named,
		.named_count = named_count,
		.state_directory = options->state_directory,
		.certificate = job->certificate[0] ? job->certificate : NULL,
	};
	int r;

	if (!job->target)
		r = target_look(job->device, NULL, &job->target, reterr_problem);
	else
		r = 0;
	if (r < 0)
		return r;
	if (!job->target->opened)
		return problem_set(reterr_problem, -EACCES, "%s",
			job->target->unasked[0] ? job->target->unasked
						: "the drive cannot be opened; run as root");
	r = look_at_places(job, &request);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: what stands on it cannot be told: %s",
			job->device, strerror(-r));
	request.read_bytes_per_s = measure(job->target->path);
	plan_make(job->target, &request, &job->plan);
	return 0;
}

/* --- confirmed --- */

static int ask_serial(struct decommission_job *job, struct problem *reterr_problem)
{
	char line[IDENTITY_SERIAL_BYTES + 2] = "";
	const char *typed = line;

	fprintf(stderr,
		"%s: everything on it dies.  Type its %s (%s) to go on: ", cli_shown(job->device),
		job->target->identity.is_stand_in ? "stand-in for a serial" : "serial",
		cli_shown(job->target->identity.serial));
	fflush(stderr);
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return plan_check_confirmed(job->target, &typed, 1, reterr_problem);
}

static int check_confirmed(struct decommission_job *job, struct problem *reterr_problem)
{
	const struct decommission_options *options = job->options;
	const char *of_batch = job->confirm;

	if (job->confirm[0])
		return plan_check_confirmed(job->target, &of_batch, 1, reterr_problem);
	if (options->confirm_count == 0 && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		return ask_serial(job, reterr_problem);
	return plan_check_confirmed(
		job->target, options->confirms, options->confirm_count, reterr_problem);
}

/* --- the record --- */

static uint64_t first_byte_of(const char *device)
{
	char path[PATH_MAX], text[32] = "";
	const char *name = strrchr(device, '/');
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/block/%.64s/start", name ? name + 1 : device);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return strtoull(text, NULL, 10) * SECTOR_BYTES;
}

#define COPY(to, from) snprintf((to), sizeof(to), "%.*s", (int)sizeof(to) - 1, (from))

static int fill_volumes(
	struct record *record, const struct target *target, struct problem *reterr_problem)
{
	if (target->volume_count > RECORD_VOLUMES_MAX)
		return problem_set(reterr_problem, -E2BIG,
			"%s has more than %d volumes: their keys cannot all be accounted for",
			target->path, RECORD_VOLUMES_MAX);
	for (size_t i = 0; i < target->volume_count; i++) {
		const struct target_volume *from = &target->volumes[i];
		struct record_volume *to = &record->volumes[record->volume_count++];
		const char *name = strrchr(from->device, '/');

		COPY(to->uuid, from->uuid);
		COPY(to->device, name ? name + 1 : from->device);
		to->first_byte = first_byte_of(from->device);
		to->is_spoolguard = from->is_spoolguard;
		to->slots_before = from->key_slots;
		to->backups = from->backups;
		to->filled_before = from->filled_before;
	}
	return 0;
}

static void skip(struct record *record, enum record_step step, const char *why)
{
	record->steps[step].state = RECORD_SKIPPED;
	COPY(record->steps[step].detail, why);
}

static int fill(struct decommission_job *job, struct problem *reterr_problem)
{
	const struct decommission_options *options = job->options;
	struct record *record = job->record;
	char build[BUILD_ID_BYTES], host[RECORD_TEXT_BYTES] = "";
	const char *sudo = getenv("SUDO_UID");

	record_fill_drive(record, job->target);
	record->standalone = !job->with_service;
	record->this_machine = job->target->is_system;
	COPY(record->version, SPOOLGUARD_VERSION);
	COPY(record->build, build_id(build));
	(void)gethostname(host, sizeof(host) - 1);
	COPY(record->host, host);
	record->operator_ = options->operator_;
	record->operator_.uid = sudo ? (uid_t)strtoul(sudo, NULL, 10) : getuid();
	record->media = options->media;
	if (job->asset[0])
		COPY(record->media.asset_number, job->asset);
	COPY(record->overwrite.scheme, options->scheme->name);
	record->overwrite.verify = options->verify;
	record->approvals_required = options->approvals;
	COPY(record->certificate_path, job->certificate);
	if (job->plan.keys_only) {
		skip(record, RECORD_SANITIZE, "the system runs from this disk");
		skip(record, RECORD_OVERWRITE, "the system runs from this disk");
		skip(record, RECORD_SEARCH, "the system runs from this disk");
	}
	return fill_volumes(record, job->target, reterr_problem);
}

/* --certificate, or STATE/certificates/SERIAL-ID.json. */
static int place_certificate(struct decommission_job *job, struct problem *reterr_problem)
{
	char serial[64] = "", directory[PATH_MAX];
	int r;

	if (!job->certificate[0]) {
		snprintf(directory, sizeof(directory), "%s/certificates",
			job->options->state_directory);
		r = make_directory(directory);
		if (r < 0)
			return problem_set(reterr_problem, r, "%s cannot be made: %s", directory,
				strerror(-r));
		snprintf(serial, sizeof(serial), "%.63s", job->record->identity.serial);
		for (char *at = serial; *at; at++) {
			if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
				*at = '_';
		}
		r = snprintf(job->certificate, sizeof(job->certificate), "%.400s/%s-%.8s.json",
			directory, serial, job->record->id);
		if (r >= (int)sizeof(job->certificate))
			return problem_set(reterr_problem, -ENAMETOOLONG,
				"%s is too long a name: name a shorter --state DIR", directory);
	}
	snprintf(directory, sizeof(directory), "%s", job->certificate);
	if (access(dirname(directory), W_OK | X_OK) < 0)
		return problem_set(reterr_problem, -errno,
			"the certificate %s could not be written (%s); nothing was done: name "
			"another "
			"file with --certificate",
			job->certificate, strerror(errno));
	COPY(job->record->certificate_path, job->certificate);
	return 0;
}

static int lock(struct decommission_job *job, struct problem *reterr_problem)
{
	char path[TARGET_PATH_BYTES];
	int r = decommission_path(job->options,
		job->target->identity.key[0] ? job->target->identity.key : "none", "lock", path);

	if (r >= 0)
		job->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r < 0 || job->lock < 0)
		return problem_set(reterr_problem, r < 0 ? r : -errno,
			"the state directory %s takes no file: %s; nothing was done",
			job->options->state_directory, strerror(r < 0 ? -r : errno));
	if (flock(job->lock, LOCK_EX | LOCK_NB) < 0)
		return problem_set(reterr_problem, -EBUSY,
			"%s is being decommissioned by another process; let it come to its end",
			job->device);
	return 0;
}

/* A run that was begun keeps its plan. */
static int take_up(struct decommission_job *job, struct problem *reterr_problem)
{
	const struct decommission_options *options = job->options;
	struct record *record = job->record;

	job->resumes = true;
	if (strcmp(record->overwrite.scheme, options->scheme->name) != 0 ||
		record->overwrite.verify != options->verify)
		return problem_set(reterr_problem, -EINVAL,
			"%s was begun with --scheme %s --verify %s, and goes on so: say the same",
			job->device, record->overwrite.scheme,
			record_verify_name(record->overwrite.verify));
	if (!job->certificate[0])
		COPY(job->certificate, record->certificate_path);
	return 0;
}

static int open_record(struct decommission_job *job, struct problem *reterr_problem)
{
	char directory[PATH_MAX];
	int r;

	snprintf(directory, sizeof(directory), "%s/decommission", job->options->state_directory);
	r = make_directory(directory);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be made: %s; name another directory with --state DIR", directory,
			strerror(-r));
	r = lock(job, reterr_problem);
	if (r < 0)
		return r;
	r = record_load(job->options->state_directory, job->target->identity.key, &job->record,
		reterr_problem);
	if (r >= 0)
		return take_up(job, reterr_problem);
	if (r != -ENOENT)
		return r;
	r = record_new(&job->record);
	return r < 0 ? r : fill(job, reterr_problem);
}

int decommission_prepare(struct decommission_job *job, struct problem *reterr_problem)
{
	int r = check_confirmed(job, reterr_problem);

	if (r < 0)
		return r;
	if (!job->options->standalone) {
		r = service_client_open(&job->service, reterr_problem);
		if (r < 0 && r != -ESRCH)
			return r;
		job->with_service = r >= 0;
	}
	r = open_record(job, reterr_problem);
	if (r >= 0)
		r = place_certificate(job, reterr_problem);
	if (r < 0)
		return r;
	COPY(job->record->selftest_id, job->options->selftest_id);
	job->record->selftest_ok = job->options->selftest_ok;
	r = record_save(job->options->state_directory, job->record, reterr_problem);
	return r < 0 ? r : decommission_approvals(job, reterr_problem);
}

void decommission_job_done(struct decommission_job *job)
{
	target_free(job->target);
	record_free(job->record);
	service_client_free(job->service);
	free(job->verdict);
	if (job->lock >= 0)
		close(job->lock);
}

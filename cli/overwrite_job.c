/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/overwrite_job.h"
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/raw.h"
#include "cli/cli.h"
#include "cli/overwrite_state.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Enough to keep a fast drive busy while patterns are made; more only waits. */
#define LANES 4

static bool is_device(const struct overwrite_job *job)
{
	return job->checked.kind == GUARD_DEVICE;
}

/* --- look --- */

/* O_DIRECT is not tried on a device for this: every block device has it. */
static bool file_is_direct(const char *path)
{
	const struct raw_options options = {
		.read_only = true, .unlocked = true, .block_bytes = 4096};
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;

	return raw_open(path, &options, &bd, NULL) >= 0 && raw_is_direct(bd);
}

static int look_at_device(struct overwrite_job *job, int fd, struct problem *reterr_problem)
{
	const char *path = job->request.path;
	int r;

	r = identity_read(fd, &job->identity);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: which device this is cannot be told (%s); check it", path,
			strerror(-r));
	job->block_bytes = job->checked.bytes % 4096 == 0 ? 4096 : 512;
	job->area_bytes = bytes_align_down(job->checked.bytes, job->block_bytes);
	if (job->request.remove)
		return problem_set(
			reterr_problem, -EINVAL, "%s is a device: --remove is for files", path);
	return 0;
}

static int look_at_file(struct overwrite_job *job, int fd, struct problem *reterr_problem)
{
	const char *path = job->request.path;
	struct stat st;
	int r;

	r = file_area_plan(fd, &job->area);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: where it lies cannot be told: %s; check the file system", path,
			strerror(-r));
	if (fstat(fd, &st) < 0)
		return -errno;
	job->links = st.st_nlink;
	job->block_bytes = job->area.block_bytes;
	job->area_bytes = job->area.area_bytes;
	return 0;
}

int overwrite_job_look(struct overwrite_job *job, struct problem *reterr_problem)
{
	const struct guard_options options = {.destroy = true};
	const char *path = job->request.path;
	_cleanup_close_ int fd = -1;
	bool direct;
	int r;

	r = guard_check(path, &options, &job->checked, reterr_problem);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return problem_set(
			reterr_problem, -errno, "%s cannot be opened: %s", path, strerror(errno));
	r = guard_verify(&job->checked, path, fd, reterr_problem);
	if (r >= 0)
		r = is_device(job) ? look_at_device(job, fd, reterr_problem)
				   : look_at_file(job, fd, reterr_problem);
	if (r < 0)
		return r;
	direct = is_device(job) || file_is_direct(path);
	r = medium_assess(fd, direct, &job->medium);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: what lies below cannot be told: %s; check the file system", path,
			strerror(-r));
	return 0;
}

/* --- run --- */

static int keep_state(void *context, const struct sanitize_report *report)
{
	return overwrite_state_save(context, report);
}

/* A device is taken up where the run before was durable, if it still shows what that left. */
static void take_up(struct overwrite_job *job, struct blockdev *bd,
	const struct overwrite_state *state, struct sanitize_plan *plan)
{
	if (overwrite_state_load(state, &plan->start, &job->report) < 0)
		return;
	if (plan->start.pass == 0 && plan->start.done_blocks == 0)
		return;
	if (sanitize_check_left(bd, plan, &job->report.refused) >= 0) {
		job->resumed = true;
		job->resumed_at = plan->start;
		return;
	}
	cli_warn("%s was written to since it was interrupted: every pass begins anew",
		job->request.path);
	extent_list_clear(&job->report.refused);
	plan->start = (struct sanitize_position){0, 0};
}

static int explain(const struct overwrite_job *job, int error, struct problem *reterr_problem)
{
	const char *path = job->request.path;

	if (error == -ECANCELED)
		return problem_set(reterr_problem, error,
			is_device(job) && job->identity.key[0]
				? "%s: interrupted, it is not overwritten; the same command takes "
				  "it up where it was"
				: "%s: interrupted, it is not overwritten; run it again",
			path);
	return problem_set(reterr_problem, error,
		"%s is not overwritten: the medium failed (%s) in pass %u of %u; see the kernel's "
		"log, and destroy the medium if it stays so",
		path, strerror(-error), job->report.reached.pass + 1,
		job->request.scheme->pass_count);
}

static int run_passes(struct overwrite_job *job, struct blockdev *bd,
	const struct extent_list *runs, const struct progress_sink *sink,
	struct problem *reterr_problem)
{
	struct sanitize_plan plan = {
		.scheme = job->request.scheme,
		.verify = job->request.verify,
		.runs = runs,
		.lanes = LANES,
		.sink = sink,
	};
	struct overwrite_state state;
	struct problem why = {{0}};
	bool is_kept = false;
	int r;

	if (is_device(job) && job->identity.key[0]) {
		is_kept = overwrite_state_init(&state, job->identity.key, plan.scheme,
				  job->block_bytes, blockdev_blocks(bd), &why) >= 0;
		if (!is_kept)
			cli_warn("%s", why.text);
	}
	if (is_kept) {
		take_up(job, bd, &state, &plan);
		plan.durable = keep_state;
		plan.context = &state;
	}
	r = sanitize_run(bd, &plan, &job->report);
	if (r < 0)
		return explain(job, r, reterr_problem);
	if (is_kept)
		overwrite_state_remove(&state);
	return 0;
}

static int open_medium(
	struct overwrite_job *job, struct blockdev **ret_bd, struct problem *reterr_problem)
{
	const struct raw_options options = {.block_bytes = job->block_bytes};
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	int r;

	r = raw_open(job->request.path, &options, &bd, reterr_problem);
	if (r >= 0)
		r = guard_verify(&job->checked, job->request.path, raw_fd(bd), reterr_problem);
	if (r < 0)
		return r;
	*ret_bd = bd;
	bd = NULL;
	return 0;
}

static int run_device(
	struct overwrite_job *job, const struct progress_sink *sink, struct problem *reterr_problem)
{
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	struct extent_list all = {0};
	int r;

	r = open_medium(job, &bd, reterr_problem);
	if (r >= 0)
		r = extent_list_add(&all, (struct extent){0, blockdev_blocks(bd)});
	if (r >= 0)
		r = run_passes(job, bd, &all, sink, reterr_problem);
	extent_list_done(&all);
	return r;
}

static int run_file(
	struct overwrite_job *job, const struct progress_sink *sink, struct problem *reterr_problem)
{
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	const char *path = job->request.path;
	_cleanup_close_ int fd = -1;
	int r, settled;

	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s cannot be opened for writing: %s",
			path, strerror(errno));
	r = guard_verify(&job->checked, path, fd, reterr_problem);
	if (r < 0)
		return r;
	r = file_area_grow(fd, &job->area);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be made longer by the rest of its last block (%s), which may "
			"hold more than the file shows; nothing was overwritten",
			path, strerror(-r));
	r = open_medium(job, &bd, reterr_problem);
	if (r >= 0)
		r = run_passes(job, bd, &job->area.runs, sink, reterr_problem);
	settled = file_area_settle(fd, &job->area, &job->moved);
	if (settled < 0 && r >= 0)
		return problem_set(reterr_problem, settled,
			"%s was overwritten, but cannot be given its size back: %s", path,
			strerror(-settled));
	return r;
}

static int remove_file(struct overwrite_job *job, struct problem *reterr_problem)
{
	const char *path = job->request.path;
	_cleanup_close_ int fd = -1, directory = -1;
	char copy[PATH_MAX];
	int r = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		r = -errno;
	else
		r = guard_verify(&job->checked, path, fd, NULL);
	snprintf(copy, sizeof(copy), "%s", path);
	directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r >= 0 && (directory < 0 || ftruncate(fd, 0) < 0 || fsync(fd) < 0 || unlink(path) < 0 ||
			      fsync(directory) < 0))
		r = -errno;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s was overwritten, but cannot be removed: %s", path, strerror(-r));
	job->removed = true;
	return 0;
}

enum overwrite_outcome overwrite_job_outcome(const struct overwrite_job *job, int error)
{
	if (error == -ECANCELED)
		return OVERWRITE_INTERRUPTED;
	if (error < 0)
		return OVERWRITE_FAILED;
	if (job->report.refused.count > 0 || job->report.mismatched.count > 0)
		return OVERWRITE_BAD_BLOCKS;
	if (job->moved || job->medium.promise == MEDIUM_NOT_IN_PLACE ||
		(job->medium.promise == MEDIUM_CACHE_ONLY && job->request.verify != VERIFY_NONE))
		return OVERWRITE_CANNOT_TELL;
	return OVERWRITE_DONE;
}

int overwrite_job_run(
	struct overwrite_job *job, const struct progress_sink *sink, struct problem *reterr_problem)
{
	enum overwrite_outcome outcome;
	int r;

	r = is_device(job) ? run_device(job, sink, reterr_problem)
			   : run_file(job, sink, reterr_problem);
	outcome = overwrite_job_outcome(job, r);
	if (job->request.remove && (outcome == OVERWRITE_DONE || outcome == OVERWRITE_CANNOT_TELL))
		r = remove_file(job, reterr_problem);
	return r;
}

void overwrite_job_done(struct overwrite_job *job)
{
	file_area_done(&job->area);
	sanitize_report_done(&job->report);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_follow.h"
#include "base/clock.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file that may be nobody's, as it was when it was first seen so. */
struct suspect {
	char *path;
	dev_t device;
	ino_t inode;
	uint64_t bytes;
	int64_t changed_s;
	uint64_t since_ns;
};

struct suspects {
	struct suspect *items; /* by path */
	size_t count;
};

struct cups_follow {
	struct cups_follow_options options;
	struct suspects suspects;
};

int cups_follow_new(const struct cups_follow_options *options, struct cups_follow **ret_follow)
{
	struct cups_follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return -ENOMEM;
	follow->options = *options;
	*ret_follow = follow;
	return 0;
}

static void suspects_done(struct suspects *suspects)
{
	for (size_t i = 0; i < suspects->count; i++)
		free(suspects->items[i].path);
	free(suspects->items);
	*suspects = (struct suspects){0};
}

void cups_follow_free(struct cups_follow *follow)
{
	if (!follow)
		return;
	suspects_done(&follow->suspects);
	free(follow);
}

void cups_follow_list_done(struct cups_follow_list *list)
{
	free(list->finished);
	free(list->waiting);
	free(list->loose);
	free(list->settle);
	cups_file_list_done(&list->files);
	cups_job_list_done(&list->jobs);
	*list = (struct cups_follow_list){0};
}

/* --- how long a file has been nobody's --- */

static int compare_suspects(const void *a, const void *b)
{
	return strcmp(((const struct suspect *)a)->path, ((const struct suspect *)b)->path);
}

static uint64_t since_when(const struct suspects *before, const struct suspect *now)
{
	const struct suspect *was = before->count == 0
					    ? NULL
					    : bsearch(now, before->items, before->count,
						      sizeof(*before->items), compare_suspects);

	if (!was || was->device != now->device || was->inode != now->inode ||
		was->bytes != now->bytes || was->changed_s != now->changed_s)
		return now->since_ns;
	return was->since_ns;
}

/* Room for all files of the list. */
static int add_suspect(struct suspects *suspects, const struct suspects *before,
	const struct cups_file *file, uint64_t now_ns)
{
	struct suspect *suspect = &suspects->items[suspects->count];

	*suspect = (struct suspect){.path = strdup(file->path),
		.device = file->device,
		.inode = file->inode,
		.bytes = file->bytes,
		.changed_s = file->changed_s,
		.since_ns = now_ns};
	if (!suspect->path)
		return -ENOMEM;
	suspect->since_ns = since_when(before, suspect);
	suspects->count++;
	return 0;
}

static bool is_old(const struct cups_follow *follow, const struct cups_file *file, uint64_t now_ns)
{
	const struct suspect key = {.path = file->path};
	const struct suspect *suspect =
		follow->suspects.count == 0
			? NULL
			: bsearch(&key, follow->suspects.items, follow->suspects.count, sizeof(key),
				  compare_suspects);

	return suspect && (now_ns - suspect->since_ns) / 1000000000u >= follow->options.orphan_s;
}

/* --- what cupsd knows --- */

static const struct cups_job *find_job(const struct cups_job_list *jobs, int id)
{
	size_t low = 0, high = jobs->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (jobs->jobs[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < jobs->count && jobs->jobs[low].id == id ? &jobs->jobs[low] : NULL;
}

/* Files come sorted by job: those with a document are first among them (cups_file_kind). */
static bool has_document(const struct cups_follow_list *list, int id)
{
	size_t count;
	const struct cups_file *files = cups_file_list_of_job(&list->files, id, &count);

	return count > 0 && files[0].kind == CUPS_FILE_DOCUMENT;
}

static bool should_have_documents(const struct cups_job *job)
{
	return cups_job_is_finished(job) ? job->is_preserved : job->document_count > 0;
}

/* F2 */
static bool is_anothers_directory(const struct cups_follow_list *list)
{
	size_t present = 0, missing = 0;

	for (size_t i = 0; i < list->jobs.count; i++) {
		if (!should_have_documents(&list->jobs.jobs[i]))
			continue;
		if (has_document(list, list->jobs.jobs[i].id))
			present++;
		else
			missing++;
	}
	return missing > 0 && present == 0;
}

static bool is_suspect(const struct cups_follow_list *list, const struct cups_file *file)
{
	if (file->job_id > 0)
		return find_job(&list->jobs, file->job_id) == NULL;
	return file->kind != CUPS_FILE_SETTLE && file->bytes > 0;
}

static int update_suspects(
	struct cups_follow *follow, const struct cups_follow_list *list, uint64_t now_ns)
{
	struct suspects suspects = {0};
	int r = 0;

	if (list->files.count > 0) {
		suspects.items = calloc(list->files.count, sizeof(*suspects.items));
		if (!suspects.items)
			return -ENOMEM;
	}
	for (size_t i = 0; i < list->files.count && r >= 0; i++) {
		if (is_suspect(list, &list->files.files[i]))
			r = add_suspect(
				&suspects, &follow->suspects, &list->files.files[i], now_ns);
	}
	if (r < 0) {
		suspects_done(&suspects);
		return r;
	}
	if (suspects.count > 0)
		qsort(suspects.items, suspects.count, sizeof(*suspects.items), compare_suspects);
	suspects_done(&follow->suspects);
	follow->suspects = suspects;
	return 0;
}

/* --- the lists --- */

/* What of a job's files is to be retired: they are sorted, control files behind documents. */
static void set_files(const struct cups_follow *follow, const struct cups_follow_list *list,
	struct cups_finished_job *finished)
{
	size_t count;
	const struct cups_file *files =
		cups_file_list_of_job(&list->files, finished->job.id, &count);

	if (follow->options.keep_history && !finished->is_orphan) {
		while (count > 0 && files[count - 1].kind != CUPS_FILE_DOCUMENT)
			count--;
	}
	finished->files = files;
	finished->file_count = count;
}

static void add_finished(
	const struct cups_follow *follow, struct cups_follow_list *list, const struct cups_job *job)
{
	struct cups_finished_job finished = {.job = *job};

	set_files(follow, list, &finished);
	finished.files_missing = job->is_preserved && !has_document(list, job->id);
	if (finished.file_count > 0 || !follow->options.keep_history)
		list->finished[list->finished_count++] = finished;
}

/* All its files have been nobody's for long enough. */
static void add_orphan(const struct cups_follow *follow, struct cups_follow_list *list,
	const struct cups_file *file, uint64_t now_ns)
{
	struct cups_finished_job orphan = {.job.id = file->job_id, .is_orphan = true};

	set_files(follow, list, &orphan);
	for (size_t i = 0; i < orphan.file_count; i++) {
		if (!is_old(follow, &orphan.files[i], now_ns))
			return;
	}
	list->finished[list->finished_count++] = orphan;
}

static bool is_loose(
	const struct cups_follow *follow, const struct cups_file *file, uint64_t now_ns)
{
	bool open = true;

	return (file->kind == CUPS_FILE_UPLOAD || file->kind == CUPS_FILE_TEMP) &&
	       is_old(follow, file, now_ns) && cups_spool_is_open(file->path, &open) >= 0 && !open;
}

static void sort_files(
	const struct cups_follow *follow, struct cups_follow_list *list, uint64_t now_ns)
{
	bool orphans = !list->jobs.is_cut && !is_anothers_directory(list);

	for (size_t i = 0; i < list->files.count; i++) {
		const struct cups_file *file = &list->files.files[i];
		bool is_first = i == 0 || list->files.files[i - 1].job_id != file->job_id;

		if (file->kind == CUPS_FILE_SETTLE)
			list->settle[list->settle_count++] = file;
		else if (is_loose(follow, file, now_ns))
			list->loose[list->loose_count++] = file;
		else if (file->job_id > 0 && is_first && orphans &&
			 !find_job(&list->jobs, file->job_id))
			add_orphan(follow, list, file, now_ns);
	}
}

static void sort_jobs(const struct cups_follow *follow, struct cups_follow_list *list)
{
	for (size_t i = 0; i < list->jobs.count; i++) {
		const struct cups_job *job = &list->jobs.jobs[i];

		if (cups_job_is_finished(job))
			add_finished(follow, list, job);
		else
			list->waiting[list->waiting_count++] = *job;
	}
}

static int compare_finished(const void *a, const void *b)
{
	const struct cups_finished_job *first = a, *second = b;

	return (first->job.id > second->job.id) - (first->job.id < second->job.id);
}

/* At most one entry for each job that cupsd knows, and one for each file. */
static int make_room(struct cups_follow_list *list)
{
	size_t most = list->jobs.count + list->files.count + 1;

	list->finished = calloc(most, sizeof(*list->finished));
	list->waiting = calloc(most, sizeof(*list->waiting));
	list->loose = calloc(most, sizeof(*list->loose));
	list->settle = calloc(most, sizeof(*list->settle));
	return list->finished && list->waiting && list->loose && list->settle ? 0 : -ENOMEM;
}

/* Why those wait that are held: what Get-Jobs gives of waiting jobs only. */
static int add_holds(
	struct cups_server *server, struct cups_follow_list *list, struct problem *reterr_problem)
{
	struct cups_job_list waiting = {0};
	bool held = false;
	int r;

	for (size_t i = 0; i < list->waiting_count; i++)
		held = held || list->waiting[i].state == CUPS_JOB_HELD;
	if (!held)
		return 0;
	r = cups_server_list_jobs(server, CUPS_JOBS_WAITING, &waiting, reterr_problem);
	for (size_t i = 0; i < list->waiting_count && r >= 0; i++) {
		const struct cups_job *job = find_job(&waiting, list->waiting[i].id);

		if (job)
			memcpy(list->waiting[i].hold_until, job->hold_until,
				sizeof(job->hold_until));
	}
	cups_job_list_done(&waiting);
	return r;
}

static int fill(
	struct cups_follow *follow, struct cups_follow_list *list, struct problem *reterr_problem)
{
	uint64_t now_ns;
	int r;

	/* F1: the files first. */
	r = cups_spool_scan(&follow->options.spool, &list->files, reterr_problem);
	if (r >= 0)
		r = cups_server_list_jobs(
			follow->options.server, CUPS_JOBS_ALL, &list->jobs, reterr_problem);
	if (r < 0)
		return r;
	list->is_cut = list->files.is_cut || list->jobs.is_cut;
	now_ns = clock_monotonic_ns();
	r = make_room(list);
	if (r >= 0)
		r = update_suspects(follow, list, now_ns);
	if (r < 0)
		return problem_set(reterr_problem, r, "out of memory");
	sort_jobs(follow, list);
	sort_files(follow, list, now_ns);
	if (list->finished_count > 0)
		qsort(list->finished, list->finished_count, sizeof(*list->finished),
			compare_finished);
	return add_holds(follow->options.server, list, reterr_problem);
}

int cups_follow_round(struct cups_follow *follow, struct cups_follow_list *ret_list,
	struct problem *reterr_problem)
{
	struct cups_follow_list list = {0};
	int r = fill(follow, &list, reterr_problem);

	if (r < 0) {
		cups_follow_list_done(&list);
		return r;
	}
	*ret_list = list;
	return 0;
}

int cups_follow_is_finished(
	struct cups_server *server, int id, bool *ret_finished, struct problem *reterr_problem)
{
	struct cups_job job;
	int r = cups_server_get_job(server, id, &job, reterr_problem);

	if (r < 0 && r != -ESRCH)
		return r;
	*ret_finished = r == -ESRCH || cups_job_is_finished(&job);
	return 0;
}

/* --- words --- */

static const char *why_held(const struct cups_job *job, char buf[static CUPS_WHY_BYTES])
{
	const char *until = job->hold_until;

	if (strcmp(job->reason, "job-incoming") == 0 || strcmp(until, "no-hold") == 0)
		snprintf(buf, CUPS_WHY_BYTES, "its documents are still arriving");
	else if (strcmp(until, "") == 0 || strcmp(until, "indefinite") == 0)
		snprintf(buf, CUPS_WHY_BYTES, "it is held until somebody releases it");
	else if (strchr(until, ':'))
		snprintf(buf, CUPS_WHY_BYTES, "it is held until %s UTC", until);
	else
		snprintf(buf, CUPS_WHY_BYTES, "it is held for printing at \"%s\"", until);
	return buf;
}

const char *cups_follow_why(const struct cups_job *job, char buf[static CUPS_WHY_BYTES])
{
	switch (job->state) {
	case CUPS_JOB_HELD:
		return why_held(job, buf);
	case CUPS_JOB_PENDING:
		if (strcmp(job->reason, "printer-stopped") == 0)
			snprintf(buf, CUPS_WHY_BYTES, "its printer is stopped");
		else
			snprintf(buf, CUPS_WHY_BYTES, "it waits for its printer");
		return buf;
	case CUPS_JOB_PROCESSING:
		snprintf(buf, CUPS_WHY_BYTES, "it is being printed");
		return buf;
	case CUPS_JOB_STOPPED:
		snprintf(buf, CUPS_WHY_BYTES, "its printing was stopped and can be continued");
		return buf;
	default:
		snprintf(buf, CUPS_WHY_BYTES, "it has only just finished");
		return buf;
	}
}

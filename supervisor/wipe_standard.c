/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_standard.c - every file that was there when the jobs were listed, but the retained ones
 *
 *   round 0      all that is there, but the control files of CUPS, which cupsd still reads
 *   purge        cupsd forgets the jobs, and removes their control files
 *   round 1 ...  what was open before, or was written since: until nothing is left to do
 *   from round CUT_FROM on what is still open elsewhere is cut to nothing
 *   at last      files without a name
 *
 * Jobs that came after the listing stay (W3): CUPS accepts and holds, so that a job with a higher
 * number, in files that are younger, is not this wipe's.  Nor are files of others that were made
 * after it, but in the first round: what is there then is taken, whatever its times say.
 */
#include "base/problem.h"
#include "attached/job_receipt.h"
#include "attached/volume_port.h"
#include "attached/volumes.h"
#include "pipeline/cups_spool.h"
#include "supervisor/wipe_files.h"
#include "supervisor/mounter.h"
#include "supervisor/mounter_client.h"
#include "supervisor/wipe_impl.h"
#include "supervisor/wipe_unnamed.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS_MAX 10u
#define CUT_FROM   3u
#define WAIT_MS	   400u

struct round {
	struct wipe *wipe;
	struct wipe_files *files;
	unsigned int number;
	bool spares_control; /* of CUPS, until the purge */
	ino_t cups_root, cups_temp, cups_cache;
	uint64_t later_files;
	struct wipe_walk_report walked;
	struct problem *problem;
};

/* --- which files die --- */

static ino_t inode_of(const struct wipe *wipe, const char *directory)
{
	struct stat st;

	if (!wipe->has_cups || lstat(directory, &st) < 0 || st.st_dev != wipe->device)
		return 0;
	return st.st_ino;
}

static uint64_t ns_of(const struct statx_timestamp *at)
{
	return at->tv_sec < 0 ? 0 : (uint64_t)at->tv_sec * UINT64_C(1000000000) + at->tv_nsec;
}

static bool was_born_later(const struct round *round, const struct wipe_entry *entry)
{
	return (entry->st.stx_mask & STATX_BTIME) &&
	       ns_of(&entry->st.stx_btime) > round->wipe->record.listed_wall_ns;
}

/* A document on its way in may have been begun earlier: it becomes a job when it is renamed. */
static bool changed_later(const struct round *round, const struct wipe_entry *entry)
{
	return ns_of(&entry->st.stx_ctime) > round->wipe->record.held_wall_ns;
}

enum fate { DIES, DIES_CLOSED, COMES_LATER, IS_LATER };

static enum fate judge_cups(
	const struct round *round, const struct wipe_entry *entry, bool *ret_known)
{
	enum cups_file_kind kind;
	int job, document;

	*ret_known = cups_spool_parse_name(entry->name, &kind, &job, &document);
	if (!*ret_known)
		return DIES;
	if (kind == CUPS_FILE_UPLOAD)
		return changed_later(round, entry) ? IS_LATER : DIES_CLOSED;
	if (job > round->wipe->record.last_cups_job && changed_later(round, entry))
		return IS_LATER;
	if (round->spares_control && kind != CUPS_FILE_DOCUMENT)
		return COMES_LATER;
	return DIES;
}

static enum fate judge(const struct round *round, const struct wipe_entry *entry)
{
	bool known;
	enum fate fate;

	if (round->cups_root != 0 && entry->directory_inode == round->cups_root) {
		fate = judge_cups(round, entry, &known);
		if (known)
			return fate;
	}
	/* What cupsd and its filters write anew, they write about jobs that die. */
	if (round->number == 0 || (entry->directory_inode != 0 &&
					  (entry->directory_inode == round->cups_temp ||
						  entry->directory_inode == round->cups_cache)))
		return DIES;
	return was_born_later(round, entry) ? IS_LATER : DIES;
}

static int on_entry(void *context, const struct wipe_entry *entry)
{
	struct round *round = context;
	enum fate fate = judge(round, entry);

	if (fate == IS_LATER && S_ISREG(entry->st.stx_mode))
		round->later_files++;
	if (fate == IS_LATER || fate == COMES_LATER)
		return 0;
	return wipe_files_add(round->files, entry, fate == DIES_CLOSED, round->problem);
}

/* --- a round --- */

static int on_batch(void *context, const struct wipe_files_report *so_far)
{
	struct round *round = context;
	struct wipe *wipe = round->wipe;

	return wipe_progress(wipe, "files overwritten", wipe->record.numbers.bytes + so_far->bytes,
		wipe->plan_bytes);
}

static int run_round(struct round *round, const struct spool_port *port)
{
	struct wipe *wipe = round->wipe;
	_cleanup_close_ int mount_fd =
		open(wipe->runtime.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const struct wipe_files_options files = {
		.port = port,
		.mount_fd = mount_fd,
		.cut_busy = round->number >= CUT_FROM,
		.progress = on_batch,
		.context = round,
	};
	const struct wipe_walk_options options = {
		.mount = wipe->runtime.mount,
		.device = wipe->device,
		.retain_of = wipe->volume,
		.entry = on_entry,
		.context = round,
	};
	int r;

	if (mount_fd < 0)
		return problem_set(
			round->problem, -errno, "%s: %s", wipe->runtime.mount, strerror(errno));
	r = wipe_files_new(&files, &round->files);
	if (r >= 0)
		r = wipe_walk(&options, &round->walked, round->problem);
	if (r >= 0)
		r = wipe_files_flush(round->files, round->problem);
	return r;
}

static void add_numbers(struct wipe_numbers *numbers, const struct wipe_files_report *report)
{
	struct job_receipt sum = {.total = numbers->blocks};

	numbers->files += report->files;
	numbers->bytes += report->bytes;
	numbers->cut_files += report->cut_files;
	numbers->cut_bytes += report->cut_bytes;
	numbers->links += report->links;
	job_receipt_add(&sum, &report->blocks);
	numbers->blocks = sum.total;
}

static bool is_last(const struct round *round, const struct wipe_files_report *report)
{
	uint64_t moved = report->files + report->links;

	if (round->spares_control)
		return false;
	if (report->busy_files > 0 && round->number < CUT_FROM)
		return false;
	if (moved == 0)
		return report->cut_files == 0 || round->number > CUT_FROM;
	return round->number + 1 >= ROUNDS_MAX;
}

/* Faults are those of the last round: what an earlier one could not do may be done by now. */
static void conclude(struct round *round, const struct wipe_files_report *report)
{
	struct wipe_record *record = &round->wipe->record;
	uint64_t busy = report->busy_files;

	record->numbers.left_files = report->left_files + busy;
	record->numbers.later_files = round->later_files + report->spared_files;
	for (size_t i = 0; i < report->fault_count; i++)
		wipe_record_add_fault(record, "%s", report->faults[i]);
	if (busy > 0)
		wipe_record_add_fault(record,
			"%llu files changed again and again while they were to be overwritten",
			(unsigned long long)busy);
	if (round->walked.covered > 0)
		wipe_record_add_fault(record,
			"something is mounted over %llu places of the spool, and what lies beneath "
			"was not seen; unmount it, and wipe again",
			(unsigned long long)round->walked.covered);
	if (round->walked.unreadable > 0)
		wipe_record_add_fault(record,
			"%llu directories could not be read, or are nested too deep",
			(unsigned long long)round->walked.unreadable);
	if (record->numbers.later_files > 0)
		wipe_record_add_note(record,
			"%llu files came after the wipe began, and stay: the jobs that they belong "
			"to wait",
			(unsigned long long)record->numbers.later_files);
}

static int run_rounds(
	struct wipe *wipe, const struct spool_port *port, struct problem *reterr_problem)
{
	/* After an interruption files may be there that came since: their age decides. */
	unsigned int number = wipe->record.resumed > 0 ? 1 : 0;
	bool purged = !wipe->cups;
	int r = 0;

	for (bool last = false; !last && r >= 0; number++) {
		struct round round = {
			.wipe = wipe,
			.number = number,
			.spares_control = !purged,
			.cups_root = inode_of(wipe, wipe->config->cups_spool),
			.cups_temp = inode_of(wipe, wipe->config->cups_temp),
			.cups_cache = inode_of(wipe, wipe->config->cups_cache),
			.problem = reterr_problem,
		};
		const struct wipe_files_report *report;

		if (number > 1)
			usleep(WAIT_MS * 1000);
		r = run_round(&round, port);
		if (r >= 0) {
			report = wipe_files_report(round.files);
			add_numbers(&wipe->record.numbers, report);
			last = is_last(&round, report);
			if (last)
				conclude(&round, report);
		}
		wipe_files_free(round.files);
		if (r >= 0 && !purged)
			wipe_intake_purge(wipe);
		purged = true;
	}
	return r;
}

/* The mounter may look into every process; where there is none we do, as far as we can. */
static void find_unnamed(struct wipe *wipe, struct wipe_unnamed *ret_found)
{
	struct mounter_client *mounter;
	char path[108];
	int r = mounter_socket(path);

	if (r >= 0)
		r = mounter_client_new(path, &mounter);
	if (r >= 0) {
		r = mounter_client_cut_unnamed(mounter, wipe->volume->name, ret_found, NULL);
		mounter_client_free(mounter);
	}
	if (r < 0)
		wipe_unnamed(wipe->device, ret_found);
}

static void cut_unnamed(struct wipe *wipe)
{
	struct wipe_numbers *numbers = &wipe->record.numbers;
	struct wipe_unnamed found;

	find_unnamed(wipe, &found);
	if (found.unseen > 0)
		wipe_record_add_note(&wipe->record,
			"%llu processes could not be looked into: a file without a name that one "
			"of them has open was not cut",
			(unsigned long long)found.unseen);
	numbers->cut_files += found.files;
	numbers->cut_bytes += found.bytes;
	numbers->left_files += found.left;
	if (found.left > 0)
		wipe_record_add_fault(&wipe->record,
			"%llu files without a name are open in programs, and could not be cut; "
			"end these programs, then \"spoolguard sweep\"",
			(unsigned long long)found.left);
}

int wipe_standard(struct wipe *wipe, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct spool_port port;
	int r;

	r = volumes_connect(&wipe->runtime, &client, reterr_problem);
	if (r >= 0)
		r = volumes_check_managed(&wipe->runtime, client, "a wipe", reterr_problem);
	if (r < 0)
		return r;
	port = volume_port(client);
	r = run_rounds(wipe, &port, reterr_problem);
	if (r >= 0)
		cut_unnamed(wipe);
	return r;
}

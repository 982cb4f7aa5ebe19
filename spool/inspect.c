/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/inspect_impl.h"
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/ext4_fingerprint.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is said --- */

void inspect_reason(struct inspect *inspect, const char *format, ...)
{
	struct inspect_report *report = inspect->report;
	va_list arguments;

	if (report->reason_count == INSPECT_REASONS_MAX) {
		report->reasons_cut++;
		return;
	}
	va_start(arguments, format);
	vsnprintf(report->reasons[report->reason_count++].text, PROBLEM_TEXT_BYTES, format,
		arguments);
	va_end(arguments);
}

/* Runs of blocks that follow one another are one finding. */
void inspect_find(struct inspect *inspect, enum inspect_finding_kind kind, struct extent extent)
{
	struct inspect_report *report = inspect->report;

	report->findings_by_kind[kind] += extent.count;
	for (size_t i = 0; i < report->finding_count; i++) {
		struct inspect_finding *finding = &report->findings[i];

		if (finding->kind == kind && extent_end(finding->extent) == extent.first) {
			finding->extent.count += extent.count;
			return;
		}
	}
	if (report->finding_count < INSPECT_FINDINGS_MAX)
		report->findings[report->finding_count++] = (struct inspect_finding){kind, extent};
}

enum inspect_verdict inspect_verdict_of(const struct inspect_report *report)
{
	for (size_t i = 0; i < INSPECT_FINDING_KINDS; i++) {
		if (report->findings_by_kind[i] > 0)
			return INSPECT_FOUND;
	}
	for (size_t i = 0; i < report->searched_count; i++) {
		if (report->searched[i].raw_hits + report->searched[i].decrypted_hits > 0)
			return INSPECT_FOUND;
	}
	return report->reason_count > 0 ? INSPECT_CANNOT_TELL : INSPECT_NOTHING_FOUND;
}

void inspect_report_free(struct inspect_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->searched_count; i++) {
		for (size_t e = 0; e < report->searched[i].example_count; e++)
			free(report->searched[i].examples[e].path);
		free(report->searched[i].examples);
	}
	free(report->searched);
	free(report);
}

/*
 * --- the volume as its file system sees it, for reading ---
 *
 * Without a map, blocks that show one byte repeated are taken for never written or
 * erased, and read as zeros: no ciphertext looks so.
 */

struct view {
	struct blockdev bd;
	struct inspect *inspect;
};

static int view_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct inspect *inspect = ((struct view *)bd)->inspect;
	struct extent lies = {inspect->data_first + at.first, at.count};
	int r;

	if (inspect->residue)
		return residue_read(inspect->residue, at, buf);
	r = blockdev_read(inspect->device, lies, buf, (size_t)at.count * BLOCK_BYTES);
	return r < 0 ? r : inspect_decrypt(inspect, inspect->report->segment.iv_offset, at, buf);
}

static int view_write(struct blockdev *bd, struct extent at, const void *buf)
{
	(void)bd, (void)at, (void)buf;
	return -EROFS;
}

static int view_flush(struct blockdev *bd)
{
	(void)bd;
	return 0;
}

static void view_close(struct blockdev *bd)
{
	free(bd);
}

static int open_view(struct inspect *inspect)
{
	static const struct blockdev_ops ops = {
		.read = view_read, .write = view_write, .flush = view_flush, .close = view_close};
	struct view *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	view->inspect = inspect;
	blockdev_init(&view->bd, &ops, BLOCK_BYTES, inspect->report->blocks);
	inspect->view = &view->bd;
	return 0;
}

/* --- the file system --- */

/* Did somebody write to the file system past the map? */
static int check_fingerprint(struct inspect *inspect)
{
	uint8_t recorded[RESIDUE_FINGERPRINT_BYTES], now[RESIDUE_FINGERPRINT_BYTES];
	_cleanup_free_ void *block = NULL;
	int r;

	residue_get_fingerprint(inspect->residue, recorded);
	if (bytes_are(recorded, sizeof(recorded), 0))
		return 0; /* none was recorded yet */
	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = blockdev_read(inspect->view, (struct extent){0, 1}, block, BLOCK_BYTES);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* what cannot be read is counted by the scan */
	if (!ext4_fingerprint(block, now) || memcmp(recorded, now, sizeof(now)) != 0)
		inspect_reason(inspect,
			"the file system was written since the map was (by another program, or "
			"before a crash): the map is not to be trusted; attach the volume, which "
			"sweeps it");
	return 0;
}

static int open_filesystem(struct inspect *inspect)
{
	struct inspect_report *report = inspect->report;
	struct problem why = {""};
	int r;

	r = ext4_check(inspect->view, &report->ext4, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		inspect_reason(inspect, "%s", problem_text(&why, r));
	if (inspect->residue && report->opened.filesystem_expected) {
		int checked = check_fingerprint(inspect);

		if (checked < 0)
			return checked;
		if (r >= 0 && !report->ext4.is_ext4)
			inspect_reason(inspect, "the map says that there is a file system, but its "
						"superblock is not there");
	}
	if (r < 0 || !report->ext4.is_ext4)
		return 0;

	r = ext4_open_read_only(inspect->view, &inspect->fs, &why);
	if (r >= 0)
		r = ext4_owners_new(inspect->fs, &inspect->owners);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		inspect_reason(
			inspect, "the file system cannot be compared: %s", problem_text(&why, r));
	else if (report->ext4.needs_recovery)
		inspect_reason(inspect,
			"the file system was not unmounted in order: its journal holds what is "
			"not in place yet, so that free blocks are not known; attach the volume "
			"and detach it");
	report->is_compared = r >= 0 && report->has_map && !report->ext4.needs_recovery &&
			      !report->is_redo_pending;
	return 0;
}

/* --- all of it --- */

static int prepare_search(struct inspect *inspect, const struct search *search)
{
	struct inspect_report *report = inspect->report;

	if (!search || search_count(search) == 0)
		return 0;
	report->searched = calloc(search_count(search), sizeof(*report->searched));
	if (!report->searched)
		return -ENOMEM;
	report->searched_count = search_count(search);
	report->chance_hits = search_chance_hits(search, 2 * report->medium_bytes);
	inspect->search = search;
	return 0;
}

/* What the counts alone say. */
static void add_reasons(struct inspect *inspect)
{
	struct inspect_report *report = inspect->report;

	if (report->counts.unknown > 0)
		inspect_reason(inspect,
			"%" PRIu64 " blocks are UNKNOWN: the map was damaged or not to be trusted "
			"there; attach the volume, which sweeps it",
			report->counts.unknown);
	if (report->unreadable_blocks > 0)
		inspect_reason(inspect,
			"%" PRIu64 " blocks of the medium cannot be read; what they hold is not "
			"known",
			report->unreadable_blocks);
}

static int run(struct inspect *inspect, const char *path, const struct secret *passphrase,
	const struct search *search, struct problem *reterr_problem)
{
	int r;

	r = inspect_open_header(inspect, path, passphrase, reterr_problem);
	if (r >= 0)
		r = inspect_open_layout(inspect);
	if (r >= 0)
		r = inspect_open_map(inspect);
	if (r >= 0)
		r = open_view(inspect);
	if (r >= 0)
		r = open_filesystem(inspect);
	if (r >= 0)
		r = prepare_search(inspect, search);
	if (r >= 0)
		r = inspect_scan(inspect);
	if (r >= 0 && inspect->search)
		r = inspect_search_seams(inspect);
	if (r >= 0 && inspect->search)
		r = inspect_resolve(inspect);
	if (r >= 0)
		r = inspect->error;
	if (r >= 0)
		add_reasons(inspect);
	return r;
}

static void release(struct inspect *inspect)
{
	ext4_owners_free(inspect->owners);
	if (inspect->fs)
		ext2fs_free(inspect->fs);
	inspect->view = blockdev_close(inspect->view);
	residue_free(inspect->residue);
	xts_free(inspect->xts);
	secret_free(inspect->volume_key);
	inspect->device = blockdev_close(inspect->device);
}

int inspect_volume(const char *path, const struct secret *passphrase, const struct search *search,
	const struct progress_sink *sink, struct inspect_report **ret_report,
	struct problem *reterr_problem)
{
	struct inspect inspect = {.report = calloc(1, sizeof(*inspect.report)), .sink = sink};
	struct problem why = {""};
	int r;

	if (!inspect.report)
		return -ENOMEM;
	r = run(&inspect, path, passphrase, search, &why);
	release(&inspect);
	if (r < 0) {
		inspect_report_free(inspect.report);
		if (why.text[0] == '\0')
			return problem_set(reterr_problem, r, "%s cannot be inspected: %s", path,
				strerror(-r));
		return problem_set(reterr_problem, r, "%s", why.text);
	}
	*ret_report = inspect.report;
	return 0;
}

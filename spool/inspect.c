/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/inspect_impl.h"
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/ext4_fingerprint.h"
#include "blockdev/map_store.h"
#include "blockdev/raw.h"
#include "blockdev/redo.h"
#include <assert.h>
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

/* --- header and superblock --- */

static int open_header(struct inspect *inspect, const char *path, const struct secret *passphrase,
	struct problem *reterr_problem)
{
	const struct raw_options options = {.read_only = true, .block_bytes = BLOCK_BYTES};
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct inspect_report *report = inspect->report;
	int slot, r;

	/* The lock comes before anything is believed. */
	r = raw_open(path, &options, &inspect->device, reterr_problem);
	if (r >= 0)
		r = keystore_open(path, true, &keystore, reterr_problem);
	if (r < 0)
		return r;
	keystore_get_segment(keystore, &report->segment);
	keystore_get_token(keystore, &report->token);
	snprintf(report->uuid, sizeof(report->uuid), "%s", keystore_uuid(keystore));
	report->medium_bytes = blockdev_bytes(inspect->device);
	if (report->segment.data_offset_bytes % BLOCK_BYTES != 0)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s: its data begins at byte %" PRIu64
			", which is no multiple of 4096; it cannot be inspected",
			path, report->segment.data_offset_bytes);
	inspect->data_first = report->segment.data_offset_bytes / BLOCK_BYTES;
	if (blockdev_blocks(inspect->device) <= inspect->data_first)
		return problem_set(reterr_problem, -ENXIO,
			"%s is %" PRIu64
			" bytes long, but its header says that data begins at byte %" PRIu64
			": it was cut short; restore the whole image",
			path, report->medium_bytes, report->segment.data_offset_bytes);
	r = keystore_list(keystore, report->slots, &report->slot_count);
	if (r >= 0)
		r = keystore_unlock(
			keystore, passphrase, -1, &inspect->volume_key, &slot, reterr_problem);
	if (r >= 0)
		r = xts_new(inspect->volume_key, &inspect->xts);
	return r;
}

static int check_copies(struct inspect *inspect)
{
	_cleanup_free_ void *block = NULL;
	struct layout layout;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	for (uint64_t copy = 0; copy < 2 && r >= 0; copy++) {
		struct extent at = {inspect->layout.superblock.first + copy, 1};
		int damage = blockdev_read(inspect->device, at, block, BLOCK_BYTES);

		if (damage >= 0)
			damage = layout_decode(block, inspect->volume_key, &layout);
		if (damage < 0)
			inspect_find(inspect, INSPECT_SUPERBLOCK_COPY, (struct extent){copy, 1});
	}
	return r;
}

static int open_layout(struct inspect *inspect)
{
	struct inspect_report *report = inspect->report;
	struct problem why = {""};
	int r;

	r = layout_read(inspect->device, inspect->volume_key, &inspect->layout, &why);
	if (r == -ENOMEM)
		return r;
	report->is_managed = r != -ENODATA || report->token.present;
	if (!report->is_managed)
		return 0;
	if (r < 0) {
		inspect_reason(inspect, "%s", why.text);
		return 0;
	}
	if (inspect->layout.data_first != inspect->data_first ||
		report->segment.sector_bytes != BLOCK_BYTES) {
		inspect_reason(inspect, "LUKS2 header and residue map do not agree on where data "
					"begins; restore the header from a backup");
		return 0;
	}
	report->has_layout = true;
	if (!report->token.present)
		inspect_find(inspect, INSPECT_TOKEN_MISSING, (struct extent){0, 1});
	else
		inspect->scheme = scheme_find(report->token.scheme);
	return check_copies(inspect);
}

/* --- the map --- */

static int check_page(struct inspect *inspect, struct map_store *store, struct map_page_id id,
	enum inspect_finding_kind kind)
{
	struct inspect_report *report = inspect->report;
	struct map_page_loaded page;
	struct map_slots slots;
	int r;

	r = map_store_load(store, id, &slots, &page);
	if (r == -EPROTONOSUPPORT) {
		inspect_reason(inspect, "a page of the map was written by a newer version of "
					"spoolguard; inspect with that version or a newer one");
		return 0;
	}
	if (r >= 0 && page.damaged) {
		report->damaged_pages++;
		report->damaged_slots += page.lost ? 2 : 1;
		inspect_find(inspect, kind, (struct extent){id.number, 1});
	}
	return r;
}

static int check_pages(struct inspect *inspect)
{
	const struct layout *layout = &inspect->layout;
	struct map_store *store = NULL;
	int r;

	inspect->report->map_pages =
		(inspect->report->blocks + layout->blocks_per_page - 1) / layout->blocks_per_page;
	r = map_store_new(inspect->device, layout, inspect->volume_key, &store);
	for (uint64_t p = 0; p < inspect->report->map_pages && r >= 0; p++)
		r = check_page(
			inspect, store, (struct map_page_id){MAP_PAGE_STATES, p}, INSPECT_MAP_SLOT);
	if (r >= 0)
		r = check_page(inspect, store, (struct map_page_id){MAP_PAGE_VOLUME, 0},
			INSPECT_VOLUME_PAGE_SLOT);
	if (r >= 0)
		r = check_page(inspect, store, (struct map_page_id){MAP_PAGE_STUCK, 0},
			INSPECT_STUCK_PAGE_SLOT);
	map_store_free(store);
	return r;
}

static uint64_t blocks_without_map(const struct inspect *inspect)
{
	uint64_t device = blockdev_blocks(inspect->device);
	uint64_t blocks = device - inspect->data_first;

	if (inspect->report->has_layout && inspect->layout.data_blocks_most < blocks)
		blocks = inspect->layout.data_blocks_most;
	return blocks;
}

static int check_redo(struct inspect *inspect)
{
	const struct redo_parts parts = {
		.residue = inspect->residue,
		.medium = inspect->device,
		.layout = &inspect->layout,
		.volume_key = inspect->volume_key,
	};
	int r;

	r = redo_is_pending(&parts, &inspect->report->is_redo_pending);
	if (r == -EPROTONOSUPPORT)
		inspect->report->is_redo_pending = true;
	if (inspect->report->is_redo_pending)
		inspect_reason(inspect,
			"a change to the volume was interrupted before it was in place; attach the "
			"volume, which completes it");
	return r == -ENOMEM ? r : 0; /* what cannot be read is counted by the scan */
}

static int open_map(struct inspect *inspect)
{
	const struct residue_parts parts = {
		.device = inspect->device,
		.layout = &inspect->layout,
		.volume_key = inspect->volume_key,
		.read_only = true,
	};
	struct inspect_report *report = inspect->report;
	struct problem why = {""};
	int r;

	report->blocks = blocks_without_map(inspect);
	if (!report->has_layout)
		return 0;
	r = residue_open(&parts, &inspect->residue, &report->opened, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		inspect_reason(inspect, "%s", problem_text(&why, r));
	} else {
		report->has_map = true;
		report->blocks = residue_blocks(inspect->residue);
		residue_get_counts(inspect->residue, &report->counts);
		report->stuck_count =
			residue_get_stuck(inspect->residue, report->stuck, INSPECT_STUCK_MAX);
	}
	r = check_redo(inspect);
	return r < 0 ? r : check_pages(inspect);
}

const struct residue_stuck *inspect_stuck_of(const struct inspect *inspect, uint64_t block)
{
	const struct inspect_report *report = inspect->report;

	for (size_t i = 0; i < report->stuck_count; i++) {
		if (report->stuck[i].block == block)
			return &report->stuck[i];
	}
	return NULL;
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

	r = open_header(inspect, path, passphrase, reterr_problem);
	if (r >= 0)
		r = open_layout(inspect);
	if (r >= 0)
		r = open_map(inspect);
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

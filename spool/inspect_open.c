/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_open.c - LUKS2 header, superblock and map, as they are found
 */
#include "base/io.h"
#include "blockdev/map_store.h"
#include "blockdev/raw.h"
#include "blockdev/redo.h"
#include "spool/inspect_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- header and superblock --- */

int inspect_open_header(struct inspect *inspect, const char *path, const struct secret *passphrase,
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

int inspect_open_layout(struct inspect *inspect)
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

int inspect_open_map(struct inspect *inspect)
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_search.c - the whole medium read once for what was known to be on it
 *
 * Kept are labels, digests and counts (J4).  A search that was interrupted goes on where it was
 * saved; it steps back far enough for a text that lies across that place, and counts it once.
 */
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "decommission/run_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 20, STEP_BACK_BYTES = 2 * SEARCH_BYTES_MAX };
#define SAVE_BYTES (4ull << 30)

struct reading {
	struct run *run;
	struct blockdev *medium;
	struct search_stream *stream;
	uint8_t *buf;
	uint64_t counted_from; /* matches that end before were counted by an earlier run */
};

static void found(void *context, const struct search_hit *hit)
{
	struct reading *reading = context;
	struct record_search *search = &reading->run->record->searches[hit->index];

	if (hit->offset + hit->bytes <= reading->counted_from)
		return;
	if (search->hits == 0 || hit->offset < search->first_hit)
		search->first_hit = hit->offset;
	search->hits++;
}

static uint64_t position(const struct record *record)
{
	return record->searched_bytes + record->unreadable_bytes;
}

/* --- reading --- */

static int read_singly(struct reading *reading, struct extent at, bool counts)
{
	const uint32_t block_bytes = blockdev_block_bytes(reading->medium);
	struct record *record = reading->run->record;

	for (uint64_t i = 0; i < at.count; i++) {
		struct extent one = {at.first + i, 1};
		int r = blockdev_read(reading->medium, one, reading->buf, block_bytes);

		if (r == -ENODEV)
			return r;
		if (r >= 0)
			search_stream_feed(reading->stream, one.first * block_bytes, reading->buf,
				block_bytes);
		if (counts && r >= 0)
			record->searched_bytes += block_bytes;
		else if (counts)
			record->unreadable_bytes += block_bytes;
	}
	return 0;
}

/* counts: false for what an earlier run has counted. */
static int read_piece(struct reading *reading, struct extent at, bool counts)
{
	const uint64_t bytes = at.count * blockdev_block_bytes(reading->medium);

	if (blockdev_read(reading->medium, at, reading->buf, bytes) < 0)
		return read_singly(reading, at, counts);
	search_stream_feed(reading->stream, at.first * blockdev_block_bytes(reading->medium),
		reading->buf, bytes);
	if (counts)
		reading->run->record->searched_bytes += bytes;
	return 0;
}

static int step_back(struct reading *reading, uint64_t from)
{
	const uint64_t block_bytes = blockdev_block_bytes(reading->medium);
	const uint64_t back = (STEP_BACK_BYTES + block_bytes - 1) / block_bytes;
	const uint64_t count = from < back ? from : back;

	return count > 0 ? read_piece(reading, (struct extent){from - count, count}, false) : 0;
}

static int read_on(struct reading *reading)
{
	const uint64_t block_bytes = blockdev_block_bytes(reading->medium);
	const uint64_t blocks = blockdev_blocks(reading->medium);
	struct run *run = reading->run;
	struct progress progress = {"search", position(run->record), blocks * block_bytes};
	uint64_t at = progress.done_bytes / block_bytes, saved = progress.done_bytes;
	int r = step_back(reading, at);

	while (r >= 0 && at < blocks) {
		const uint64_t most = PIECE_BYTES / block_bytes;
		struct extent piece = {at, blocks - at < most ? blocks - at : most};

		if (progress_report(run->request->sink, &progress))
			return -ECANCELED;
		r = read_piece(reading, piece, true);
		at += piece.count;
		progress.done_bytes = at * block_bytes;
		if (r >= 0 && progress.done_bytes - saved >= SAVE_BYTES) {
			saved = progress.done_bytes;
			r = run_save(run);
		}
	}
	return r;
}

/* -ENODEV within a piece: the position is where the last block that was asked ended. */
static int read_all(struct run *run)
{
	struct reading reading = {.run = run, .counted_from = position(run->record)};
	void *buf = NULL;
	int r;

	r = io_alloc(PIECE_BYTES, &buf);
	reading.buf = buf;
	if (r >= 0)
		r = search_stream_new(run->request->search, found, &reading, &reading.stream);
	if (r >= 0)
		r = run_open_medium(run, &reading.medium);
	if (r >= 0)
		r = read_on(&reading);
	blockdev_close(reading.medium);
	search_stream_free(reading.stream);
	if (buf)
		explicit_bzero(buf, PIECE_BYTES);
	free(buf);
	return r;
}

/* --- what is searched for --- */

static int digest(const struct search *search, size_t index, char ret_text[RECORD_DIGEST_BYTES])
{
	uint8_t sha256[SHA256_BYTES];
	size_t bytes;
	const uint8_t *text = search_text(search, index, &bytes);
	int r = hash_sha256(text, bytes, sha256);

	if (r >= 0)
		hex_encode(sha256, sizeof(sha256), ret_text);
	return r;
}

static int note_texts(struct run *run)
{
	const struct search *search = run->request->search;
	struct record *record = run->record;
	int r = 0;

	if (search_count(search) > RECORD_SEARCH_MAX)
		return problem_set(run->problem, -E2BIG,
			"%zu texts are to be searched for, and %u at most can be",
			search_count(search), RECORD_SEARCH_MAX);
	for (size_t i = 0; i < search_count(search) && r >= 0; i++) {
		struct record_search *one = &record->searches[i];

		*one = (struct record_search){.hits = 0};
		snprintf(one->label, sizeof(one->label), "%s", run->request->search_labels[i]);
		r = digest(search, i, one->sha256);
	}
	record->search_count = (uint32_t)search_count(search);
	record->searched_bytes = record->unreadable_bytes = 0;
	return r;
}

/* The texts are in no record, so whoever takes a search up brings them again. */
static int compare_texts(struct run *run)
{
	const struct search *search = run->request->search;
	const struct record *record = run->record;
	bool same = search && search_count(search) == record->search_count;
	char now[RECORD_DIGEST_BYTES];

	for (uint32_t i = 0; same && i < record->search_count; i++)
		same = digest(search, i, now) >= 0 && strcmp(now, record->searches[i].sha256) == 0;
	if (same)
		return 0;
	return problem_set(run->problem, -EINVAL,
		"the search was begun with other texts; give the same ones again (%u, the first is "
		"the %s)",
		record->search_count, record->search_count > 0 ? record->searches[0].label : "");
}

/* --- the step --- */

static int end_step(struct run *run)
{
	const struct record *record = run->record;
	uint64_t hits = 0;

	for (uint32_t i = 0; i < record->search_count; i++)
		hits += record->searches[i].hits;
	if (hits > 0)
		return run_end(run, RECORD_SEARCH, RECORD_FAILED,
			"found %" PRIu64 " times what was to be gone", hits);
	if (record->searched_bytes == 0)
		return run_end(run, RECORD_SEARCH, RECORD_FAILED, "nothing could be read");
	return run_end(run, RECORD_SEARCH, RECORD_DONE, "%s", "");
}

static int read_until_over(struct run *run)
{
	int r;

	while ((r = read_all(run)) == -ENODEV) {
		r = run_reopen_drive(run);
		if (r >= 0)
			r = run_lift_hidden(run);
		if (r < 0)
			return r;
	}
	if (r == -ECANCELED)
		return problem_set(run->problem, r,
			"interrupted in the search; run the same again and it goes on");
	return r;
}

int run_search(struct run *run)
{
	const bool is_new = run->record->steps[RECORD_SEARCH].state == RECORD_PENDING;
	int r;

	if (is_new && !run->request->search)
		return run_end(
			run, RECORD_SEARCH, RECORD_NOT_NEEDED, "nothing was given to search for");
	r = is_new ? note_texts(run) : compare_texts(run);
	if (r >= 0)
		r = run_begin(run, RECORD_SEARCH);
	if (r >= 0)
		r = run_open_drive(run);
	if (r >= 0)
		r = run_lift_hidden(run);
	if (r >= 0)
		r = read_until_over(run);
	return r < 0 ? r : end_step(run);
}

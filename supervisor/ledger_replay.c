/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES	(1u << 20)
#define BEGINNING_BYTES (sizeof(LEDGER_LINE_BEGINNING) - 1)
#define LOOSE_MAX	65536u
#define LOST_SOURCE	"lost"

/* Names whose job no line has told of yet: they are written right before it is. */
struct loose {
	uint64_t number;
	char volume[LEDGER_VOLUME_BYTES];
	struct ledger_span span;
};

struct replay {
	struct ledger *ledger;
	char *window; /* the file from window_at on */
	uint64_t window_at;
	size_t window_bytes;
	uint64_t highest; /* number that stands in any line */
	struct loose *loose;
	size_t loose_count;
};

/* --- lines that are whole --- */

static int add_loose(
	struct replay *replay, const struct ledger_sealed *sealed, struct ledger_span span)
{
	struct loose *loose;

	if (replay->loose_count >= LOOSE_MAX)
		return -EBADMSG;
	loose = realloc(replay->loose, (replay->loose_count + 1) * sizeof(*loose));
	if (!loose)
		return -ENOMEM;
	replay->loose = loose;
	loose += replay->loose_count++;
	*loose = (struct loose){.number = sealed->number, .span = span};
	strcpy(loose->volume, sealed->volume);
	return 0;
}

static int add_span(struct ledger_entry *entry, struct ledger_span span)
{
	int r = ledger_entry_reserve_spans(entry, 1);

	if (r >= 0)
		ledger_entry_add_span(entry, span);
	return r;
}

static int take_loose(struct replay *replay, struct ledger_entry *entry)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < replay->loose_count; i++) {
		if (r >= 0 && replay->loose[i].number == entry->number)
			r = add_span(entry, replay->loose[i].span);
		else
			replay->loose[kept++] = replay->loose[i];
	}
	replay->loose_count = kept;
	return r;
}

static int new_entry(struct replay *replay, const struct ledger_job *job, struct ledger_span span)
{
	struct ledger_entry *entry;
	int r;

	r = ledger_entry_new(job, &entry);
	if (r < 0)
		return r;
	entry->line = span;
	r = ledger_table_add(&replay->ledger->table, entry);
	if (r < 0) {
		ledger_entry_free(entry);
		return r;
	}
	return take_loose(replay, entry);
}

static int apply_job(struct replay *replay, const struct ledger_job *job, struct ledger_span span)
{
	struct ledger_table *table = &replay->ledger->table;
	struct ledger_entry *entry = ledger_table_get(table, job->number);

	if (job->state == LEDGER_RETIRED && (!entry || entry->state != LEDGER_RETIRED))
		replay->ledger->retired_ever++;
	if (!entry)
		return new_entry(replay, job, span);
	strcpy(entry->volume, job->volume);
	entry->uid = job->uid;
	entry->attempts = job->attempts;
	entry->changed_wall_s = job->changed_wall_s;
	entry->file_count = job->file_count;
	entry->has_receipt = job->receipt != NULL;
	entry->line = span;
	ledger_entry_set_why(entry, job->why);
	ledger_entry_set_digests(entry, &job->digests);
	ledger_table_set_state(table, entry, job->state);
	return take_loose(replay, entry);
}

static int apply_files(
	struct replay *replay, const struct ledger_sealed *sealed, struct ledger_span span)
{
	span.count = (uint32_t)sealed->count;
	return add_loose(replay, sealed, span);
}

static void note_number(struct replay *replay, uint64_t number)
{
	if (number > replay->highest)
		replay->highest = number;
}

static int apply(struct replay *replay, const struct ledger_record *record, struct ledger_span span)
{
	switch (record->kind) {
	case LEDGER_KIND_HEAD:
		note_number(replay, record->head.next - 1);
		replay->ledger->retired_ever += record->head.retired;
		return 0;
	case LEDGER_KIND_JOB:
		note_number(replay, record->job.number);
		return apply_job(replay, &record->job, span);
	case LEDGER_KIND_FILES:
	default:
		note_number(replay, record->sealed.number);
		return apply_files(replay, &record->sealed, span);
	}
}

/* --- the file, line by line --- */

/* A part of the window. */
struct piece {
	const char *text;
	size_t bytes;
	uint64_t at;	  /* in the file */
	bool has_newline; /* behind it */
};

static const char *find_beginning(const char *text, size_t bytes)
{
	return bytes > 0 ? memmem(text, bytes, LEDGER_LINE_BEGINNING, BEGINNING_BYTES) : NULL;
}

/* 1: applied; 0: it is none. */
static int apply_line(struct replay *replay, const struct piece *piece, size_t bytes)
{
	struct ledger_span span = {.at = piece->at, .bytes = (uint32_t)bytes};
	struct ledger_record record;
	int r = bytes > 0 && bytes < LEDGER_LINE_BYTES_MAX
			? ledger_record_decode(piece->text, bytes, &record)
			: -EBADMSG;

	if (r >= 0) {
		r = apply(replay, &record, span);
		ledger_record_done(&record);
	}
	return r == -EBADMSG ? 0 : r < 0 ? r : 1;
}

/* At most one line, its newline not counted; what became of the newline is seen here. */
static int take_line(struct replay *replay, const struct piece *piece, uint64_t *ret_torn_at)
{
	uint64_t *damaged = &replay->ledger->damaged_lines;
	int r;

	if (piece->has_newline) {
		r = apply_line(replay, piece, piece->bytes);
		*damaged += r == 0;
		return r;
	}
	/* Another byte stands where the newline stood: the line itself may be whole. */
	r = apply_line(replay, piece, piece->bytes - 1);
	if (r != 0) {
		*damaged += 1;
		return r;
	}
	if (ret_torn_at)
		*ret_torn_at = piece->at;
	else
		*damaged += 1;
	return r;
}

/*
 * What stands between two newlines, or behind the last.  Where a newline was lost it is more than
 * one line: the beginning of a line cannot stand inside of one, so that the next is found by it.
 * ret_torn_at: for what stands behind the last newline.
 */
static int take_piece(struct replay *replay, struct piece piece, uint64_t *ret_torn_at)
{
	const char *next;
	int r = 0;

	while (r >= 0 && (next = find_beginning(piece.text + 1, piece.bytes - 1))) {
		const struct piece first = {
			piece.text, (size_t)(next - piece.text), piece.at, false};

		r = take_line(replay, &first, NULL);
		piece.text = next;
		piece.bytes -= first.bytes;
		piece.at += first.bytes;
	}
	return r < 0 ? r : take_line(replay, &piece, ret_torn_at);
}

/* All lines of the window that have their newline; moves the rest to its beginning. */
static int take_window(struct replay *replay)
{
	size_t at = 0;
	int r = 0;

	while (r >= 0 && at < replay->window_bytes) {
		const char *text = replay->window + at;
		const char *end = memchr(text, '\n', replay->window_bytes - at);
		struct piece piece = {text, 0, replay->window_at + at, true};

		/* A window without a newline is no line: nothing of it is waited for. */
		if (!end && at == 0 && replay->window_bytes == WINDOW_BYTES) {
			replay->ledger->damaged_lines++;
			at = WINDOW_BYTES;
			break;
		}
		if (!end)
			break;
		piece.bytes = (size_t)(end - text);
		if (piece.bytes > 0)
			r = take_piece(replay, piece, NULL);
		else
			replay->ledger->damaged_lines++;
		at += piece.bytes + 1;
	}
	memmove(replay->window, replay->window + at, replay->window_bytes - at);
	replay->window_at += at;
	replay->window_bytes -= at;
	return r < 0 ? r : 0;
}

static int take_all(struct replay *replay, uint64_t *ret_torn_at)
{
	uint64_t end = ledger_file_end(replay->ledger->file);
	int r = 0;

	*ret_torn_at = end;
	for (uint64_t at = 0; at < end && r >= 0;) {
		size_t bytes = WINDOW_BYTES - replay->window_bytes;

		if (bytes > end - at)
			bytes = (size_t)(end - at);
		r = ledger_file_read(
			replay->ledger->file, at, replay->window + replay->window_bytes, bytes);
		if (r < 0)
			break;
		replay->window_bytes += bytes;
		at += bytes;
		r = take_window(replay);
	}
	if (r >= 0 && replay->window_bytes > 0) {
		const struct piece tail = {
			replay->window, replay->window_bytes, replay->window_at, false};

		r = take_piece(replay, tail, ret_torn_at);
	}
	return r < 0 ? r : 0;
}

/* --- what damage leaves behind --- */

/* Names of a job of which nothing else is known: it is not lost in silence. */
static int recover(struct replay *replay, const struct loose *loose)
{
	struct ledger_entry *entry = ledger_table_get(&replay->ledger->table, loose->number);
	struct ledger_job job = {.number = loose->number, .state = LEDGER_HELD};

	if (entry)
		return take_loose(replay, entry);
	strcpy(job.source, LOST_SOURCE);
	snprintf(job.id, sizeof(job.id), "%" PRIu64, loose->number);
	strcpy(job.volume, loose->volume);
	strcpy(job.why,
		"all lines of this job in the ledger but the names of its files were damaged; "
		"when it is over, release it");
	return new_entry(replay, &job, (struct ledger_span){.bytes = 0});
}

static void compare_names(struct ledger *ledger, struct ledger_entry *entry)
{
	size_t known = ledger_entry_names_known(entry);
	char why[LEDGER_WHY_BYTES];

	if (known > entry->file_count)
		entry->file_count = known;
	if (entry->state == LEDGER_RETIRED || known == entry->file_count)
		return;
	snprintf(why, sizeof(why),
		"the names of %zu of its %zu files were lost with a damaged line of the ledger; "
		"remove those files by hand, then release it",
		entry->file_count - known, entry->file_count);
	ledger_entry_set_why(entry, why);
	ledger_table_set_state(&ledger->table, entry, LEDGER_HELD);
}

static int settle(struct replay *replay, uint64_t torn_at)
{
	struct ledger *ledger = replay->ledger;
	int r = 0;

	while (replay->loose_count > 0 && r >= 0) {
		const struct loose first = replay->loose[0];

		if (ledger->damaged_lines == 0) {
			/* Of a call that did not come to its end: the last. */
			torn_at = first.span.at;
			break;
		}
		r = recover(replay, &first);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < ledger->table.count; i++)
		compare_names(ledger, ledger->table.entries[i]);
	/* A damaged line may have been that of a number that stands nowhere else. */
	ledger->next = replay->highest + 1 + ledger->damaged_lines;
	ledger_table_forget(&ledger->table, LEDGER_KEEP_DEFAULT);
	if (ledger->damaged_lines > 0) {
		(void)!ledger_file_keep_damaged(ledger->file);
		if (ledger_rewrite(ledger) >= 0)
			return 0;
	}
	if (torn_at < ledger_file_end(ledger->file))
		r = ledger_file_cut(ledger->file, torn_at);
	return r;
}

int ledger_replay(struct ledger *ledger, struct problem *reterr_problem)
{
	struct replay replay = {.ledger = ledger, .window = malloc(WINDOW_BYTES)};
	uint64_t torn_at;
	int r = replay.window ? take_all(&replay, &torn_at) : -ENOMEM;

	if (r >= 0)
		r = settle(&replay, torn_at);
	free(replay.window);
	free(replay.loose);
	if (r == -EPROTONOSUPPORT)
		return problem_set(reterr_problem, r,
			"the ledger was written by a newer version of spoolguard; install that "
			"one, or move the file \"ledger\" of the state directory away (its jobs "
			"are then unknown)");
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the ledger cannot be read: %s; see the disk that the state directory "
			"is on",
			strerror(-r));
	return 0;
}

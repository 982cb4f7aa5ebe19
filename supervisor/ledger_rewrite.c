/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where a job's lines will be; they are taken over only when the new file has its name. */
struct moved {
	struct ledger_span line;
	struct ledger_span *files; /* owned */
	size_t files_count;
	bool has_receipt;
};

static int write_record(
	struct ledger *ledger, const struct ledger_record *record, struct ledger_span *ret_span)
{
	struct ledger_span span = {.count = 0};
	char *line;
	int r;

	r = ledger_record_encode(record, &line);
	if (r < 0)
		return r;
	span.bytes = (uint32_t)strlen(line) - 1;
	r = ledger_file_rewrite_add(ledger->file, line, span.bytes + 1, &span.at);
	free(line);
	if (r >= 0)
		*ret_span = span;
	return r;
}

/* As it lies there, if it is whole.  -EBADMSG. */
static int copy_line(struct ledger *ledger, struct ledger_span from, struct ledger_span *ret_span)
{
	struct ledger_span span = from;
	char *line = malloc(from.bytes + 1);
	int r = line ? 0 : -ENOMEM;

	if (r >= 0)
		r = ledger_file_read(ledger->file, from.at, line, from.bytes);
	if (r >= 0 && !ledger_record_is_whole(line, from.bytes))
		r = -EBADMSG;
	if (r >= 0) {
		line[from.bytes] = '\n';
		r = ledger_file_rewrite_add(ledger->file, line, from.bytes + 1, &span.at);
	}
	free(line);
	if (r >= 0)
		*ret_span = span;
	return r;
}

/* A line that has rotted since: what it said of files is lost, what it said of the job is known. */
static bool is_lost(int error)
{
	return error == -EBADMSG || error == -EIO || error == -ENODATA;
}

static int move_files(struct ledger *ledger, const struct ledger_entry *entry, struct moved *moved)
{
	int r = 0;

	if (entry->files_count == 0)
		return 0;
	moved->files = calloc(entry->files_count, sizeof(*moved->files));
	if (!moved->files)
		return -ENOMEM;
	for (size_t i = 0; i < entry->files_count && r >= 0; i++) {
		r = copy_line(ledger, entry->files[i], &moved->files[moved->files_count]);
		if (r >= 0)
			moved->files_count++;
		else if (is_lost(r))
			r = 0;
	}
	return r;
}

static int move_job(struct ledger *ledger, const struct ledger_entry *entry, struct moved *moved)
{
	struct ledger_record record = {.kind = LEDGER_KIND_JOB};
	int r;

	if (entry->has_receipt) {
		r = copy_line(ledger, entry->line, &moved->line);
		moved->has_receipt = r >= 0;
		if (r >= 0 || !is_lost(r))
			return r;
	}
	ledger_entry_describe(entry, &record.job);
	return write_record(ledger, &record, &moved->line);
}

static int write_all(struct ledger *ledger, struct moved *moved)
{
	struct ledger_record head = {.kind = LEDGER_KIND_HEAD};
	struct ledger_span span;
	int r;

	head.head.next = ledger->next;
	head.head.retired = ledger->retired_ever - ledger->table.by_state[LEDGER_RETIRED];
	r = write_record(ledger, &head, &span);
	for (size_t i = 0; i < ledger->table.count && r >= 0; i++) {
		r = move_files(ledger, ledger->table.entries[i], &moved[i]);
		if (r >= 0)
			r = move_job(ledger, ledger->table.entries[i], &moved[i]);
	}
	return r;
}

static void take_over(struct ledger_entry *entry, struct moved *moved)
{
	entry->line = moved->line;
	entry->has_receipt = moved->has_receipt;
	free(entry->files);
	entry->files = moved->files;
	entry->files_count = moved->files_count;
	moved->files = NULL;
}

static void set_next_rewrite(struct ledger *ledger, uint64_t live_bytes)
{
	ledger->rewrite_at_bytes =
		2 * live_bytes > LEDGER_REWRITE_BYTES ? 2 * live_bytes : LEDGER_REWRITE_BYTES;
}

int ledger_rewrite(struct ledger *ledger)
{
	struct moved *moved = calloc(ledger->table.count + 1, sizeof(*moved));
	int r = moved ? ledger_file_rewrite(ledger->file) : -ENOMEM;

	if (r >= 0) {
		r = write_all(ledger, moved);
		if (r >= 0)
			r = ledger_file_rewrite_finish(
				ledger->file, ledger_reserve(ledger_open_jobs(ledger)));
		if (r < 0)
			ledger_file_rewrite_abandon(ledger->file);
	}
	for (size_t i = 0; moved && i < ledger->table.count; i++) {
		if (r >= 0)
			take_over(ledger->table.entries[i], &moved[i]);
		free(moved[i].files);
	}
	free(moved);
	if (r >= 0)
		set_next_rewrite(ledger, ledger_file_end(ledger->file));
	return r;
}

void ledger_rewrite_if_due(struct ledger *ledger)
{
	uint64_t live = 0;

	if (ledger_file_end(ledger->file) < ledger->rewrite_at_bytes)
		return;
	/* The limit may be as old as the last start. */
	for (size_t i = 0; i < ledger->table.count; i++)
		live += ledger_entry_bytes(ledger->table.entries[i]);
	set_next_rewrite(ledger, live);
	if (ledger_file_end(ledger->file) < ledger->rewrite_at_bytes)
		return;
	if (ledger_rewrite(ledger) < 0)
		ledger->rewrite_at_bytes = ledger_file_end(ledger->file) + LEDGER_REWRITE_BYTES;
}

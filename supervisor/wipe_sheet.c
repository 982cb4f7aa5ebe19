/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_sheet.c - the confirmation sheet: one page that says what was wiped, and how that went
 *
 * It is a job like any other: submitted when the spool is clean and open again, followed to its
 * end, and retired.  What became of it is told by cupsd's events, which outlive the job: the
 * retirer may have purged it before anybody looks.
 *
 *   successful  printed          failed      refused, aborted, or cupsd does not answer
 *   cancelled   by a person      timed-out   still waiting after confirmation_timeout: it stays
 *                                            in its queue
 *   unknown     cupsd forgot it, and its events too
 *
 * After a crash in this step a sheet may be printed twice (its number was not recorded yet).
 */
#include "base/problem.h"
#include "supervisor/wipe_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TITLE	   "Confirmation of an on-demand overwrite"
#define LOOK_MS	   300u
#define LINE_WIDTH 76
#define GONE_MAX   5u

/* --- the page --- */

static void print_line(FILE *out, const char *name, const char *format, ...) format_printf(3, 4);

static void print_line(FILE *out, const char *name, const char *format, ...)
{
	va_list arguments;

	fprintf(out, "  %-24s", name);
	va_start(arguments, format);
	vfprintf(out, format, arguments);
	va_end(arguments);
	fputc('\n', out);
}

/* A long line is broken between words. */
static void print_wrapped(FILE *out, const char *text)
{
	while (*text) {
		size_t length = strlen(text), take = length;

		if (length > LINE_WIDTH) {
			take = LINE_WIDTH;
			while (take > 0 && text[take] != ' ')
				take--;
			take = take ? take : LINE_WIDTH;
		}
		fprintf(out, "    %.*s\n", (int)take, text);
		text += take + strspn(text + take, " ");
	}
}

static void print_lines(FILE *out, const char *heading,
	const char lines[WIPE_FAULTS_MAX][WIPE_FAULT_BYTES], size_t count)
{
	size_t shown = count < 6 ? count : 6; /* one page */

	if (count == 0)
		return;
	fprintf(out, "\n  %s\n", heading);
	for (size_t i = 0; i < shown; i++)
		print_wrapped(out, lines[i]);
	if (shown < count)
		fprintf(out, "    ... and %zu more: see the events\n", count - shown);
}

static void print_page(
	FILE *out, const struct wipe_record *record, const char *scheme, const char *medium)
{
	const struct wipe_numbers *numbers = &record->numbers;
	const struct retirement *blocks = &numbers->blocks;
	char began[CLOCK_RFC3339_BYTES], ended[CLOCK_RFC3339_BYTES];

	fprintf(out, "\n\n  CONFIRMATION OF AN ON-DEMAND OVERWRITE\n\n");
	print_line(out, "Result", "%s", record->fault_count == 0 ? "SUCCESSFUL" : "FAILED");
	print_line(out, "Volume", "%s", record->volume);
	print_line(out, "Mode", "%s",
		record->full ? "full (a new key and a new file system)"
			     : "standard (all but the retained directories)");
	print_line(out, "Identity", "%s", record->uuid);
	if (record->new_uuid[0])
		print_line(out, "New identity", "%s", record->new_uuid);
	print_line(out, "Began", "%s", clock_rfc3339(record->began_wall_s, began));
	print_line(out, "Ended", "%s", clock_rfc3339(record->ended_wall_s, ended));
	print_line(out, "Asked for by", "%s",
		record->scheduled ? "the schedule"
		: record->role[0] ? record->role
				  : "root");
	if (record->resumed > 0)
		print_line(out, "Interruptions", "%" PRIu64, record->resumed);
	print_line(out, "Overwrite scheme", "%s, %u passes", scheme, blocks->passes);
	fputc('\n', out);
	print_line(out, "Jobs that died", "%" PRIu64, record->job_count);
	if (record->full)
		print_line(out, "Key slots destroyed", "%" PRIu64, numbers->slots_destroyed);
	else
		print_line(out, "Files overwritten", "%" PRIu64 " (and %" PRIu64 " cut while open)",
			numbers->files, numbers->cut_files);
	print_line(out, "Blocks requested", "%" PRIu64, blocks->requested_blocks);
	print_line(out, "Blocks written", "%" PRIu64, blocks->written_blocks);
	print_line(out, "Blocks durable", "%" PRIu64, blocks->durable_blocks);
	print_line(out, "Blocks read back", "%" PRIu64, blocks->verified_blocks);
	if (!record->full)
		print_line(out, "Free blocks written", "%" PRIu64, numbers->freed_blocks);
	print_line(out, "Blocks still owed", "%" PRIu64, numbers->owed_blocks);
	print_lines(out, "What failed:", record->faults, record->fault_count);
	print_lines(out, "To be known:", record->notes, record->note_count);
	if (medium[0]) {
		fputs("\n  Of the medium:\n", out);
		print_wrapped(out, medium);
	}
	fputs("\n  A block has 4096 bytes.  Requested: what was to be overwritten in place;\n"
	      "  written: got every pass; durable: the medium confirmed the last of them;\n"
	      "  read back: and showed it.\n\f",
		out);
}

char *wipe_sheet_text(const struct wipe_record *record, const char *scheme, const char *medium)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	print_page(out, record, scheme, medium);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- printing it --- */

static void note(struct wipe *wipe, const char *state)
{
	struct json_object *data = events_data("name", wipe->volume->name, "state", state, NULL);
	const struct audit_event event = {
		.event = "wipe-sheet",
		.role = wipe->record.role[0] ? wipe->record.role : NULL,
		.uid = wipe->record.uid,
		.volume = wipe->runtime.uuid,
		.outcome = strcmp(state, "successful") == 0 ? "success" : "failure",
		.data = data,
	};

	fields_add_u64(data, "job", (uint64_t)wipe->record.sheet_job);
	events_add(wipe->supervisor->events, &event);
	json_object_put(data);
}

static void conclude(struct wipe *wipe, const char *state)
{
	snprintf(wipe->sheet_state, sizeof(wipe->sheet_state), "%s", state);
	note(wipe, state);
}

static const char *state_of(enum cups_job_state state)
{
	switch (state) {
	case CUPS_JOB_COMPLETED:
		return "successful";
	case CUPS_JOB_ABORTED:
		return "failed";
	case CUPS_JOB_CANCELED:
		return "cancelled";
	case CUPS_JOB_PENDING:
	case CUPS_JOB_HELD:
	case CUPS_JOB_PROCESSING:
	case CUPS_JOB_STOPPED:
		break;
	}
	return NULL;
}

/* The events since the last look; NULL: it has not ended in them. */
static const char *look_at_events(struct wipe *wipe, struct cups_subscription *subscription)
{
	struct cups_event events[CUPS_EVENTS_MAX];
	const char *state = NULL;
	size_t count;
	bool missed;

	if (cups_server_poll_events(wipe->cups, subscription, events, &count, &missed, NULL) < 0)
		return NULL;
	/* A purge looks like an end, too: the first one counts. */
	for (size_t i = 0; i < count && !state; i++) {
		if (events[i].job_id == wipe->record.sheet_job)
			state = state_of(events[i].state);
	}
	return state;
}

/* ret_gone: how often in a row cupsd knew no such job. */
static const char *look_at_job(struct wipe *wipe, unsigned int *ret_gone)
{
	enum cups_job_state state;
	int r = cups_server_job_state(wipe->cups, wipe->record.sheet_job, &state, NULL);

	*ret_gone = r == -ESRCH ? *ret_gone + 1 : 0;
	return r < 0 ? NULL : state_of(state);
}

static void follow(struct wipe *wipe, struct cups_subscription *subscription)
{
	uint64_t end_ns =
		clock_monotonic_ns() + wipe->config->confirmation_timeout_s * UINT64_C(1000000000);
	unsigned int gone = 0;

	for (;;) {
		const char *state = look_at_job(wipe, &gone);

		if (!state)
			state = look_at_events(wipe, subscription);
		if (!state && gone > GONE_MAX)
			state = "unknown";
		if (!state && clock_monotonic_ns() > end_ns)
			state = "timed-out";
		if (state) {
			conclude(wipe, state);
			return;
		}
		if (wipe_progress(wipe, "confirmation sheet", 0, 0) < 0)
			return; /* followed on at the next start */
		usleep(LOOK_MS * 1000);
	}
}

static int print(struct wipe *wipe, struct problem *reterr_problem)
{
	char *text = wipe_sheet_text(&wipe->record, wipe->scheme, wipe->medium);
	int r = -ENOMEM;

	if (text)
		r = cups_server_print(wipe->cups, wipe->queue, TITLE, "text/plain", text,
			strlen(text), &wipe->record.sheet_job, reterr_problem);
	free(text);
	return r;
}

void wipe_sheet(struct wipe *wipe)
{
	struct cups_subscription subscription = {0};
	struct problem problem = {""};
	int r;

	if (!wipe->sheet_owed)
		return;
	r = wipe_intake_connect(wipe, &problem);
	if (r >= 0)
		r = cups_server_subscribe(wipe->cups, &subscription, &problem);
	if (r >= 0 && wipe->record.sheet_job == 0) {
		r = print(wipe, &problem);
		if (r >= 0)
			r = wipe_save(wipe);
	}
	if (r >= 0) {
		follow(wipe, &subscription);
		return;
	}
	if (wipe_is_stopping(wipe))
		return;
	wipe_record_add_note(&wipe->record, "the confirmation sheet was not printed: %.180s",
		problem_text(&problem, r));
	conclude(wipe, "failed");
}

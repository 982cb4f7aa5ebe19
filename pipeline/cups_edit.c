/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_edit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "#spoolguard["
#define WAS  "] was: "
#define CUT  "] was the last line, without an end: "
#define BEGIN                                                                                      \
	MARK "begin] set by \"spoolguard cups apply\", and taken out by \"spoolguard cups "        \
	     "revert\""
#define AFTER_CUT " (the line before had no end)"
#define END	  MARK "end]"

#define ID_BYTES_MAX 64

/* --- texts --- */

void cups_text_done(struct cups_text *text)
{
	free(text->bytes);
	*text = (struct cups_text){.bytes = NULL};
}

struct builder {
	FILE *stream;
	struct cups_text text;
};

static int builder_open(struct builder *builder)
{
	*builder = (struct builder){.stream = NULL};
	builder->stream = open_memstream(&builder->text.bytes, &builder->text.count);
	return builder->stream ? 0 : -ENOMEM;
}

static int builder_close(struct builder *builder, struct cups_text *ret_text)
{
	bool is_whole = !ferror(builder->stream);

	if (fclose(builder->stream) != 0 || !is_whole) {
		free(builder->text.bytes);
		return -ENOMEM;
	}
	*ret_text = builder->text;
	return 0;
}

static void put(struct builder *builder, const char *bytes, size_t count)
{
	(void)!fwrite(bytes, 1, count, builder->stream); /* ferror() remembers */
}

/* --- lines: they end with LF, CR LF or CR, as cupsd has it --- */

struct line {
	const char *bytes;
	size_t count; /* without its end */
	size_t end;   /* bytes of its end; 0: the last line, cut */
};

static bool next_line(const struct cups_text *text, size_t *at, struct line *ret_line)
{
	size_t from = *at, to = from, end = 0;

	if (from >= text->count)
		return false;
	while (to < text->count && text->bytes[to] != '\n' && text->bytes[to] != '\r')
		to++;
	if (to < text->count)
		end = text->bytes[to] == '\r' && to + 1 < text->count && text->bytes[to + 1] == '\n'
			      ? 2
			      : 1;
	*ret_line = (struct line){text->bytes + from, to - from, end};
	*at = to + end;
	return true;
}

const char *cups_text_line(
	const struct cups_text *text, unsigned int line, bool with_end, size_t *ret_bytes)
{
	struct line found;
	size_t at = 0;

	while (next_line(text, &at, &found)) {
		if (--line > 0)
			continue;
		*ret_bytes = found.count + (with_end ? found.end : 0);
		return found.bytes;
	}
	return NULL;
}

/* --- marks --- */

enum mark {
	MARK_NONE,
	MARK_FRAME,	/* begin or end */
	MARK_FRAME_CUT, /* ... and the newline before it is ours */
	MARK_WAS,
	MARK_WAS_CUT,
	MARK_ADDED,
};

static bool begins_with(const struct line *line, size_t from, const char *text)
{
	size_t bytes = strlen(text);

	return line->count >= from + bytes && memcmp(line->bytes + from, text, bytes) == 0;
}

/* The id of a mark that begins at "at".  Returns where its "]" is; 0: there is none. */
static size_t read_id(const struct line *line, size_t at, char ret_id[static ID_BYTES_MAX])
{
	size_t from = at + strlen(MARK), to = from;

	if (!begins_with(line, at, MARK))
		return 0;
	while (to < line->count && line->bytes[to] != ']')
		to++;
	if (to == line->count || to - from >= ID_BYTES_MAX || to == from)
		return 0;
	memcpy(ret_id, line->bytes + from, to - from);
	ret_id[to - from] = '\0';
	return to;
}

/* ret_from, ret_bytes: the part of the line that is the administrator's, or the line we added. */
static enum mark read_mark(const struct line *line, char ret_id[static ID_BYTES_MAX],
	size_t *ret_from, size_t *ret_bytes)
{
	size_t to = read_id(line, 0, ret_id), at;

	*ret_from = 0;
	*ret_bytes = line->count;
	if (to && (strcmp(ret_id, "begin") == 0 || strcmp(ret_id, "end") == 0))
		return line->count > strlen(BEGIN) && begins_with(line, strlen(BEGIN), AFTER_CUT)
			       ? MARK_FRAME_CUT
			       : MARK_FRAME;
	if (to && (begins_with(line, to, WAS) || begins_with(line, to, CUT))) {
		bool is_cut = begins_with(line, to, CUT);

		*ret_from = to + strlen(is_cut ? CUT : WAS);
		*ret_bytes = line->count - *ret_from;
		return is_cut ? MARK_WAS_CUT : MARK_WAS;
	}
	for (at = line->count; at-- > 1;) {
		to = read_id(line, at, ret_id);
		if (to && to + 1 == line->count && line->bytes[at - 1] == ' ') {
			*ret_bytes = at - 1;
			return MARK_ADDED;
		}
	}
	return MARK_NONE;
}

/* --- applying --- */

static void put_added(struct builder *builder, const struct cups_edit *edit)
{
	for (const char *const *line = edit->text; *line; line++)
		fprintf(builder->stream, "%s %s%s]\n", *line, MARK, edit->id);
}

static const struct cups_edit *find_edit(
	const struct cups_edit *edits, size_t count, unsigned int number, const struct line *line)
{
	for (size_t i = 0; i < count; i++) {
		if (edits[i].kind == CUPS_EDIT_APPEND || edits[i].line != number)
			continue;
		if (edits[i].kind == CUPS_EDIT_BEHIND && !line->end)
			return NULL; /* could not be taken out again */
		return &edits[i];
	}
	return NULL;
}

/* A line that has no end gets one, so that ours stand on lines of their own. */
static void put_line(struct builder *builder, const struct line *line, const struct cups_edit *edit)
{
	size_t from, bytes = line->count;
	char id[ID_BYTES_MAX];

	if (edit && edit->kind == CUPS_EDIT_REPLACE) {
		fprintf(builder->stream, "%s%s%s", MARK, edit->id, line->end ? WAS : CUT);
		/* A line of ours that was changed: what it says now is the administrator's. */
		if (read_mark(line, id, &from, &bytes) != MARK_ADDED)
			bytes = line->count;
	}
	put(builder, line->bytes, bytes);
	put(builder, line->bytes + line->count, line->end);
	if (edit && !line->end)
		put(builder, "\n", 1);
	if (edit)
		put_added(builder, edit);
}

static void put_block(
	struct builder *builder, const struct cups_edit *edits, size_t count, bool is_cut)
{
	bool has_begun = false;

	for (size_t i = 0; i < count; i++) {
		if (edits[i].kind != CUPS_EDIT_APPEND)
			continue;
		if (!has_begun)
			fprintf(builder->stream, "%s%s%s\n", is_cut ? "\n" : "", BEGIN,
				is_cut ? AFTER_CUT : "");
		has_begun = true;
		put_added(builder, &edits[i]);
	}
	if (has_begun)
		fprintf(builder->stream, "%s\n", END);
}

int cups_edit_apply(const struct cups_text *text, const struct cups_edit *edits, size_t count,
	struct cups_text *ret_text)
{
	struct builder builder;
	struct line line = {.end = 1};
	unsigned int number = 0;
	size_t at = 0, used = 0, wanted = 0;
	bool is_cut = false;
	int r;

	for (size_t i = 0; i < count; i++)
		wanted += edits[i].kind != CUPS_EDIT_APPEND;
	r = builder_open(&builder);
	if (r < 0)
		return r;
	while (next_line(text, &at, &line)) {
		const struct cups_edit *edit = find_edit(edits, count, ++number, &line);

		put_line(&builder, &line, edit);
		used += edit != NULL;
		is_cut = !line.end && !edit;
	}
	put_block(&builder, edits, count, is_cut);
	r = builder_close(&builder, ret_text);
	if (r >= 0 && used != wanted) {
		cups_text_done(ret_text);
		return -EINVAL;
	}
	return r;
}

/* --- taking out --- */

static int check_added(const char *file, unsigned int number, const struct line *line,
	const char *id, size_t bytes, cups_edit_known known, struct problem *reterr_problem)
{
	char *text = strndup(line->bytes, bytes);
	bool is_known;

	if (!text)
		return -ENOMEM;
	is_known = known(id, text);
	free(text);
	if (is_known)
		return 0;
	return problem_set(reterr_problem, -ESTALE,
		"%s:%u: \"%.*s\" carries the mark of \"spoolguard cups apply\", and was changed "
		"since; take the mark (all from \" #spoolguard\" on) away to keep the line as "
		"yours, or the whole line away, then revert again (nothing was changed)",
		file, number, (int)(bytes < 200 ? bytes : 200), line->bytes);
}

struct taking {
	struct builder builder;
	long drop_end_at; /* the newline that ends there is ours if the text ends there; -1: none */
	size_t marks;
};

static void take_line(struct taking *taking, enum mark mark, const struct line *line, size_t from,
	size_t bytes, long *end_of_last)
{
	FILE *stream = taking->builder.stream;

	if (mark == MARK_FRAME_CUT)
		taking->drop_end_at = *end_of_last;
	if (mark != MARK_NONE && mark != MARK_WAS && mark != MARK_WAS_CUT)
		return;
	put(&taking->builder, line->bytes + from, bytes + line->end);
	*end_of_last = ftell(stream);
	if (mark == MARK_WAS_CUT)
		taking->drop_end_at = *end_of_last;
}

int cups_edit_take_out(const char *file, const struct cups_text *text, cups_edit_known known,
	struct cups_text *ret_text, size_t *ret_marks, struct problem *reterr_problem)
{
	struct taking taking = {.drop_end_at = -1};
	struct cups_text taken = {.bytes = NULL};
	unsigned int number = 0;
	long end_of_last = 0;
	struct line line;
	size_t at = 0;
	int r, closed;

	r = builder_open(&taking.builder);
	if (r < 0)
		return r;
	while (r >= 0 && next_line(text, &at, &line)) {
		char id[ID_BYTES_MAX];
		size_t from, bytes;
		enum mark mark = read_mark(&line, id, &from, &bytes);

		number++;
		taking.marks += mark != MARK_NONE;
		if (mark == MARK_ADDED)
			r = check_added(file, number, &line, id, bytes, known, reterr_problem);
		if (r >= 0)
			take_line(&taking, mark, &line, from, bytes, &end_of_last);
	}
	closed = builder_close(&taking.builder, &taken);
	if (r >= 0)
		r = closed;
	else if (closed >= 0)
		cups_text_done(&taken);
	if (r < 0)
		return r;
	/* The newline that we gave to a last line without one; not if lines were added behind. */
	if (taking.drop_end_at >= 0 && (size_t)taking.drop_end_at == taken.count && taken.count > 0)
		taken.bytes[--taken.count] = '\0';
	*ret_text = taken;
	*ret_marks = taking.marks;
	return 0;
}

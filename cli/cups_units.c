/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_units.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "cli/cups_control.h"
#include "cli/cups_files.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_DIRECTORY "/etc/systemd/system"
#define TEMPLATE_SPOOL	 "/var/spool/cups"
#define TEMPLATE_UNIT	 "var-spool-cups.mount"
#define DROP_IN		 "cups.service.d/50-spoolguard.conf"
#define UNIT_NAME_BYTES	 256

int cups_unit_escape(const char *path, char *ret_name, size_t bytes)
{
	size_t used = 0;

	path += strspn(path, "/");
	for (const char *at = path; *at; at++) {
		bool is_plain = isalnum((unsigned char)*at) || *at == '_' || *at == ':' ||
				(*at == '.' && at != path);

		if (used + 5 > bytes)
			return -ENAMETOOLONG;
		if (*at == '/') {
			at += strspn(at, "/") - 1;
			if (at[1]) /* one at the end is none */
				ret_name[used++] = '-';
		} else if (is_plain) {
			ret_name[used++] = *at;
		} else {
			used += (size_t)sprintf(ret_name + used, "\\x%02x", (unsigned char)*at);
		}
	}
	if (used == 0)
		ret_name[used++] = '-';
	ret_name[used] = '\0';
	return 0;
}

/* --- templates --- */

/* The template with our spool's path and unit. */
static int substitute(const struct cups_text *from, const char *spool, const char *unit,
	struct cups_text *ret_text)
{
	struct cups_text text = {.bytes = NULL};
	FILE *stream = open_memstream(&text.bytes, &text.count);
	const char *at = from->bytes;

	if (!stream)
		return -ENOMEM;
	while (*at) {
		if (strncmp(at, TEMPLATE_UNIT, strlen(TEMPLATE_UNIT)) == 0) {
			fputs(unit, stream);
			at += strlen(TEMPLATE_UNIT);
		} else if (strncmp(at, TEMPLATE_SPOOL, strlen(TEMPLATE_SPOOL)) == 0) {
			fputs(spool, stream);
			at += strlen(TEMPLATE_SPOOL);
		} else {
			fputc(*at++, stream);
		}
	}
	if (fclose(stream) != 0) {
		free(text.bytes);
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}

static int find_templates(const struct cups_context *context, char ret_path[static PATH_MAX])
{
	static const char *const places[] = {
		"/usr/share/spoolguard", "/usr/local/share/spoolguard"};
	const char *given = context->options->templates;

	if (given)
		return snprintf(ret_path, PATH_MAX, "%s", given) < PATH_MAX ? 0 : -ENAMETOOLONG;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (cups_context_path(context, places[i], ret_path, NULL) >= 0 &&
			access(ret_path, F_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* --- whose lines are they? --- */

static bool has_line(const struct cups_text *text, const char *line, size_t bytes)
{
	const char *other;
	size_t other_bytes;

	for (unsigned int i = 1; (other = cups_text_line(text, i, false, &other_bytes)); i++) {
		if (other_bytes == bytes && memcmp(other, line, bytes) == 0)
			return true;
	}
	return false;
}

/* A heading, a comment or nothing: a file of such lines alone says nothing. */
static bool says_nothing(const char *line, size_t bytes)
{
	size_t at = 0;

	while (at < bytes && isspace((unsigned char)line[at]))
		at++;
	return at == bytes || line[at] == '[' || line[at] == '#' || line[at] == ';';
}

/* What of the text is not ours; headings stay.  ret_empty: that says nothing. */
static int without_ours(const struct cups_text *now, const struct cups_text *ours,
	struct cups_text *ret_text, bool *ret_empty)
{
	struct cups_text text = {.bytes = NULL};
	FILE *stream = open_memstream(&text.bytes, &text.count);
	const char *line;
	size_t bytes, whole;

	if (!stream)
		return -ENOMEM;
	*ret_empty = true;
	for (unsigned int i = 1; (line = cups_text_line(now, i, true, &whole)); i++) {
		line = cups_text_line(now, i, false, &bytes);
		if (has_line(ours, line, bytes) && (bytes == 0 || line[0] != '['))
			continue;
		*ret_empty &= says_nothing(line, bytes);
		fwrite(line, 1, whole, stream);
	}
	if (fclose(stream) != 0) {
		free(text.bytes);
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}

/* --- looking --- */

static int compare(struct cups_unit *unit, struct problem *reterr_problem)
{
	struct cups_text now, rest = {.bytes = NULL};
	bool is_empty;
	int r;

	if (access(unit->path, F_OK) < 0)
		return 0; /* CUPS_UNIT_MISSING */
	r = cups_read_text(unit->path, false, &now, reterr_problem);
	if (r < 0)
		return r;
	r = without_ours(&now, &unit->text, &rest, &is_empty);
	if (r >= 0) {
		unit->has_ours = rest.count != now.count;
		unit->state = now.count == unit->text.count &&
					      memcmp(now.bytes, unit->text.bytes, now.count) == 0
				      ? CUPS_UNIT_AS_WRITTEN
				      : CUPS_UNIT_CHANGED;
	}
	cups_text_done(&now);
	cups_text_done(&rest);
	return r;
}

/* name: of the template; target: of the file below the directory of units. */
static int look_at(const struct cups_context *context, const char *templates, const char *name,
	const char *target, const char *unit_name, struct cups_unit *unit,
	struct problem *reterr_problem)
{
	const char *spool = context->paths.items[CUPS_REQUEST_ROOT].path;
	char path[PATH_MAX], below[PATH_MAX];
	struct cups_text text;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", templates, name) >= (int)sizeof(path) ||
		snprintf(below, sizeof(below), "%s/%s", SYSTEM_DIRECTORY, target) >=
			(int)sizeof(below))
		return -ENAMETOOLONG;
	r = cups_context_path(context, below, unit->path, reterr_problem);
	if (r >= 0)
		r = cups_read_text(path, false, &text, reterr_problem);
	if (r < 0)
		return r;
	r = substitute(&text, spool, unit_name, &unit->text);
	cups_text_done(&text);
	if (r >= 0)
		r = compare(unit, reterr_problem);
	return r;
}

static const char *find_reason(
	const struct cups_context *context, bool wanted, const char *templates, int templates_error)
{
	char path[PATH_MAX];

	if (cups_is_without(context->options, "systemd"))
		return "left out";
	if (cups_context_path(context, SYSTEM_DIRECTORY, path, NULL) < 0 ||
		guard_check_confined(path, NULL) < 0 || access(path, F_OK) < 0)
		return "there is no systemd";
	if (templates_error < 0 || access(templates, F_OK) < 0)
		return "the templates of the package (/usr/share/spoolguard) are not installed";
	if (wanted && cups_context_place(NULL, context->paths.items[CUPS_REQUEST_ROOT].path) !=
			      CUPS_PLACE_VOLUME)
		return "the spool does not lie on a volume yet (\"spoolguard cups migrate\"), and "
		       "cups would not start";
	return NULL;
}

int cups_units_look(const struct cups_context *context, bool wanted, struct cups_units *ret_units,
	struct problem *reterr_problem)
{
	struct cups_units units = {.count = 0};
	char name[UNIT_NAME_BYTES], templates[PATH_MAX] = "";
	int r;

	units.why_not = find_reason(context, wanted, templates, find_templates(context, templates));
	if (units.why_not) {
		*ret_units = units;
		return 0;
	}
	r = cups_unit_escape(context->paths.items[CUPS_REQUEST_ROOT].path, name, sizeof(name) - 10);
	if (r < 0)
		return r;
	strcat(name, ".mount");
	r = look_at(context, templates, TEMPLATE_UNIT, name, name, &units.items[0], reterr_problem);
	if (r >= 0)
		r = look_at(context, templates, DROP_IN, DROP_IN, name, &units.items[1],
			reterr_problem);
	units.count = CUPS_UNITS;
	if (r < 0) {
		cups_units_done(&units);
		return r;
	}
	*ret_units = units;
	return 0;
}

void cups_units_done(struct cups_units *units)
{
	for (size_t i = 0; i < CUPS_UNITS; i++)
		cups_text_done(&units->items[i].text);
}

size_t cups_units_in_state(const struct cups_units *units, enum cups_unit_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < units->count; i++)
		count += units->items[i].state == state;
	return count;
}

size_t cups_units_with_ours(const struct cups_units *units)
{
	size_t count = 0;

	for (size_t i = 0; i < units->count; i++)
		count += units->items[i].state != CUPS_UNIT_MISSING && units->items[i].has_ours;
	return count;
}

/* --- installing --- */

static int make_parent(const char *path, struct problem *reterr_problem)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (guard_check_confined(parent, reterr_problem) < 0)
		return -EPERM;
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return problem_set(
			reterr_problem, -errno, "%s cannot be made: %s", parent, strerror(errno));
	return 0;
}

int cups_units_install(const struct cups_context *context, struct cups_units *units,
	struct problem *reterr_problem)
{
	bool has_changed = false;
	int r = 0;

	for (size_t i = 0; i < units->count && r >= 0; i++) {
		struct cups_unit *unit = &units->items[i];

		cups_files_tidy(unit->path);
		if (unit->state != CUPS_UNIT_MISSING)
			continue;
		r = make_parent(unit->path, reterr_problem);
		if (r >= 0)
			r = cups_file_create(unit->path, &unit->text, 0644, reterr_problem);
		if (r >= 0)
			unit->state = CUPS_UNIT_AS_WRITTEN;
		unit->has_ours = true;
		has_changed = true;
	}
	if (r >= 0 && has_changed)
		r = cups_reread_units(context, reterr_problem);
	return r;
}

/* --- taking out --- */

static int take_out_changed(struct cups_unit *unit, struct problem *reterr_problem)
{
	struct cups_text now, rest = {.bytes = NULL};
	bool is_empty = false;
	int r;

	r = cups_read_text(unit->path, false, &now, reterr_problem);
	if (r < 0)
		return r;
	r = without_ours(&now, &unit->text, &rest, &is_empty);
	cups_text_done(&now);
	if (r >= 0)
		r = is_empty ? cups_file_remove(unit->path, reterr_problem)
			     : cups_file_create(unit->path, &rest, 0644, reterr_problem);
	cups_text_done(&rest);
	return r;
}

int cups_units_take_out(const struct cups_context *context, struct cups_units *units,
	size_t *ret_removed, struct problem *reterr_problem)
{
	size_t removed = 0;
	int r = 0;

	for (size_t i = units->count; i-- > 0 && r >= 0;) {
		struct cups_unit *unit = &units->items[i];
		char parent[PATH_MAX];

		cups_files_tidy(unit->path);
		if (unit->state == CUPS_UNIT_MISSING || !unit->has_ours)
			continue;
		r = unit->state == CUPS_UNIT_AS_WRITTEN
			    ? cups_file_remove(unit->path, reterr_problem)
			    : take_out_changed(unit, reterr_problem);
		removed++;
		/* The drop-in's directory, if nobody else has one in it. */
		snprintf(parent, sizeof(parent), "%.*s",
			(int)(strrchr(unit->path, '/') - unit->path), unit->path);
		if (strcmp(strrchr(parent, '/'), "/cups.service.d") == 0)
			(void)rmdir(parent);
	}
	if (r >= 0 && removed > 0)
		r = cups_reread_units(context, reterr_problem);
	*ret_removed = removed;
	return r;
}

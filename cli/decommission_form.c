/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_form.c - who performs it, and what the owner says of the medium: from options, from
 * a form (INI or JSON), and the list of drives of --batch
 */
#include "base/utf8.h"
#include "cli/decommission.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORM_BYTES_MAX (64u << 10)

#define OPERATOR(f) offsetof(struct decommission_options, operator_.f), RECORD_TEXT_BYTES
#define MEDIA(f)    offsetof(struct decommission_options, media.f), RECORD_TEXT_BYTES

static const struct {
	const char *name;
	size_t offset, bytes;
} fields[] = {
	{"operator", OPERATOR(name)},
	{"title", OPERATOR(title)},
	{"organization", OPERATOR(organization)},
	{"location", OPERATOR(location)},
	{"contact", OPERATOR(contact)},
	{"asset", MEDIA(asset_number)},
	{"machine-serial", MEDIA(machine_serial)},
	{"source", MEDIA(source)},
	{"category-before", MEDIA(categorization_before)},
	{"category-after", MEDIA(categorization_after)},
	{"destination", MEDIA(destination)},
	{"backed-up", MEDIA(backed_up)},
	{"backup-location", MEDIA(backup_location)},
	{"notes", offsetof(struct decommission_options, media.notes), RECORD_LINE_BYTES},
};

static char *field_of(struct decommission_options *options, const char *name, size_t *ret_bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].name, name) == 0) {
			*ret_bytes = fields[i].bytes;
			return (char *)options + fields[i].offset;
		}
	}
	return NULL;
}

/* It is signed and printed: one line of UTF-8, and whole. */
static bool is_text(const char *value)
{
	for (const char *at = value; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	}
	return utf8_is_valid(value, strlen(value));
}

int decommission_form_set(struct decommission_options *options, const char *name, const char *value)
{
	size_t bytes;
	char *field = field_of(options, name, &bytes);

	if (!field)
		return -ENOENT;
	if (!is_text(value))
		return -EINVAL;
	if (strlen(value) >= bytes)
		return -E2BIG;
	memcpy(field, value, strlen(value) + 1);
	return 0;
}

/* --- the form --- */

static int take(struct decommission_options *options, const char *path, const char *name,
	const char *value, struct problem *reterr_problem)
{
	size_t bytes;
	const char *field = field_of(options, name, &bytes);
	int r = field && field[0] ? 0 : decommission_form_set(options, name, value);

	if (r == -ENOENT)
		return problem_set(reterr_problem, r,
			"%s: there is no field \"%s\"; the fields are called as the options are",
			path, name);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: \"%s\" is no line of text, or longer than a certificate has room for",
			path, name);
	return 0;
}

static int take_json(struct decommission_options *options, const char *path, const char *text,
	struct problem *reterr_problem)
{
	struct json_object *object = json_tokener_parse(text);
	int r = 0;

	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return problem_set(reterr_problem, -EBADMSG, "%s: it is no JSON object", path);
	}
	json_object_object_foreach(object, name, value)
	{
		if (r >= 0 && json_object_is_type(value, json_type_string))
			r = take(
				options, path, name, json_object_get_string(value), reterr_problem);
		else if (r >= 0)
			r = problem_set(
				reterr_problem, -EBADMSG, "%s: \"%s\" is no text", path, name);
	}
	json_object_put(object);
	return r;
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return text;
}

static int take_ini(struct decommission_options *options, const char *path, char *text,
	struct problem *reterr_problem)
{
	char *rest = text, *line;
	unsigned int number = 0;
	int r = 0;

	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		char *value;

		number++;
		line = trim(line);
		if (!*line || strchr("#;[", *line))
			continue;
		value = strchr(line, '=');
		if (!value)
			return problem_set(reterr_problem, -EBADMSG,
				"%s, line %u: it is no \"field = value\"", path, number);
		*value++ = '\0';
		r = take(options, path, trim(line), trim(value), reterr_problem);
	}
	return r;
}

static int read_text(const char *path, char **ret_text, struct problem *reterr_problem)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(FORM_BYTES_MAX + 1);
	size_t bytes = 0;
	int r = file ? 0 : -errno;

	if (r >= 0 && text)
		bytes = fread(text, 1, FORM_BYTES_MAX, file);
	if (r >= 0 && (!text || ferror(file)))
		r = text ? -EIO : -ENOMEM;
	if (r >= 0 && bytes == FORM_BYTES_MAX)
		r = -EFBIG;
	if (file)
		fclose(file);
	if (r < 0) {
		free(text);
		return problem_set(reterr_problem, r, "%s cannot be read: %s", path, strerror(-r));
	}
	text[bytes] = '\0';
	*ret_text = text;
	return 0;
}

int decommission_form_read(
	const char *path, struct decommission_options *options, struct problem *reterr_problem)
{
	char *text;
	int r = read_text(path, &text, reterr_problem);

	if (r < 0)
		return r;
	r = text[strspn(text, " \t\r\n")] == '{' ? take_json(options, path, text, reterr_problem)
						 : take_ini(options, path, text, reterr_problem);
	free(text);
	return r;
}

/* --- --batch --- */

/* A drive is named by its serial as well: found among those that are connected. */
static int find_by_serial(const char *serial, char *ret_path, struct problem *reterr_problem)
{
	struct target **targets = NULL;
	size_t count = 0, left_out, found = 0;
	int r = target_list(NULL, &targets, &count, &left_out);

	for (size_t i = 0; r >= 0 && i < count; i++) {
		if (strcmp(targets[i]->identity.serial, serial) == 0 && found++ == 0)
			snprintf(ret_path, TARGET_PATH_BYTES, "%s", targets[i]->path);
		target_free(targets[i]);
	}
	free(targets);
	if (found == 1)
		return 0;
	return problem_set(reterr_problem, found ? -ENOTUNIQ : -ENODEV,
		found ? "%s: more than one drive has this serial; name it by its path"
		      : "%s: no drive with this serial is connected; \"spoolguard devices\" lists "
			"them",
		serial);
}

static int take_line(struct decommission_job *job, char *line, const char *path,
	unsigned int number, struct problem *reterr_problem)
{
	char *words[4] = {NULL}, *rest = line, *word;
	size_t count = 0;

	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		if (count == ARRAY_SIZE(words))
			return problem_set(reterr_problem, -EBADMSG,
				"%s, line %u: more than DEVICE CONFIRM ASSET CERTIFICATE; nothing "
				"was done",
				path, number);
		words[count++] = word;
	}
	for (size_t i = 0; i < count; i++) {
		if (i < 3 && strlen(words[i]) >= IDENTITY_SERIAL_BYTES)
			return problem_set(reterr_problem, -EBADMSG,
				"%s, line %u: \"%.20s...\" is too "
				"long; nothing was done",
				path, number, words[i]);
		if (strcmp(words[i], "-") == 0)
			words[i] = NULL;
	}
	if (!words[0] || !words[1])
		return problem_set(reterr_problem, -EBADMSG,
			"%s, line %u: it wants a drive and its serial, to confirm it; nothing was "
			"done",
			path, number);
	snprintf(job->device, sizeof(job->device), "%s", words[0]);
	snprintf(job->confirm, sizeof(job->confirm), "%s", words[1]);
	snprintf(job->asset, sizeof(job->asset), "%s", words[2] ? words[2] : "");
	snprintf(job->certificate, sizeof(job->certificate), "%s", words[3] ? words[3] : "");
	/* A drive that is not there fails alone. */
	if (words[0][0] != '/')
		job->error = find_by_serial(words[0], job->device, &job->problem);
	return 0;
}

int decommission_batch_read(const char *path, struct decommission_job *jobs, size_t *count,
	struct problem *reterr_problem)
{
	unsigned int number = 0;
	char *text, *rest, *line;
	int r = read_text(path, &text, reterr_problem);

	if (r < 0)
		return r;
	rest = text;
	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		number++;
		line = trim(line);
		if (!*line || *line == '#')
			continue;
		r = *count == DECOMMISSION_DRIVES_MAX
			    ? problem_set(reterr_problem, -E2BIG,
				      "%s lists more than %d drives; split it", path,
				      DECOMMISSION_DRIVES_MAX)
			    : take_line(&jobs[*count], line, path, number, reterr_problem);
		*count += r >= 0;
	}
	free(text);
	if (r >= 0 && *count == 0)
		r = problem_set(reterr_problem, -ENODATA, "%s lists no drive", path);
	return r;
}

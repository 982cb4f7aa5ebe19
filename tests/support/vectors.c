/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/vectors.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 32
#define NAME_BYTES 32

struct field {
	char *name;
	char *value;
	uint8_t *bytes; /* of value, once it was asked for */
};

struct fields {
	struct field items[FIELDS_MAX];
	size_t count;
};

struct vectors {
	char *text; /* the whole file, cut up in place */
	char *at;
	char first[NAME_BYTES];
	const char *section;
	struct fields of_section;
	struct fields of_record;
	char *pending; /* the line that begins the next record */
};

static void broken(const char *what, const char *where)
{
	fprintf(stderr, "test vectors: %s: %s\n", what, where);
	abort();
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t capacity = 0;

	if (!file)
		return NULL;
	/* Until a zero byte, of which there is none: the whole file. */
	if (getdelim(&text, &capacity, '\0', file) < 0)
		broken("nothing to read", path);
	fclose(file);
	return text;
}

struct vectors *vectors_open(const char *path, const char *first)
{
	char *text = read_file(path);
	struct vectors *vectors;

	if (!text)
		return NULL;
	vectors = calloc(1, sizeof(*vectors));
	if (!vectors || strlen(first) >= NAME_BYTES)
		broken("cannot be opened", path);
	strcpy(vectors->first, first);
	vectors->text = vectors->at = text;
	vectors->section = "";
	return vectors;
}

static void clear(struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		free(fields->items[i].bytes);
	fields->count = 0;
}

void vectors_close(struct vectors *vectors)
{
	if (!vectors)
		return;
	clear(&vectors->of_section);
	clear(&vectors->of_record);
	free(vectors->text);
	free(vectors);
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

/* The next line that says something; NULL at the end. */
static char *next_line(struct vectors *vectors)
{
	char *line;

	if (vectors->pending) {
		line = vectors->pending;
		vectors->pending = NULL;
		return line;
	}
	do {
		if (*vectors->at == '\0')
			return NULL;
		line = vectors->at;
		vectors->at += strcspn(vectors->at, "\r\n");
		if (*vectors->at)
			*vectors->at++ = '\0';
		line = trim(line);
	} while (*line == '\0' || *line == '#');
	return line;
}

static struct field *find_in(const struct fields *fields, const char *name)
{
	for (size_t i = 0; i < fields->count; i++) {
		if (strcmp(fields->items[i].name, name) == 0)
			return (struct field *)(uintptr_t)&fields->items[i];
	}
	return NULL;
}

static void add_field(struct fields *fields, char *line)
{
	char *equals = strchr(line, '=');
	struct field *before;

	if (equals)
		*equals = '\0';
	before = find_in(fields, trim(line));
	if (before) { /* a section sets a field anew */
		before->value = equals ? trim(equals + 1) : line + strlen(line);
		return;
	}
	if (fields->count == FIELDS_MAX)
		broken("too many fields", line);
	fields->items[fields->count++] =
		(struct field){trim(line), equals ? trim(equals + 1) : line + strlen(line), NULL};
}

/* "[ENCRYPT]" names a section, "[Taglen = 128]" sets a field of its records. */
static void enter_section(struct vectors *vectors, char *line)
{
	char *end = strchr(line, ']');

	if (!end)
		broken("an open section", line);
	*end = '\0';
	line = trim(line + 1);
	if (!strchr(line, '=')) {
		vectors->section = line;
		return;
	}
	add_field(&vectors->of_section, line);
}

static bool begins_record(const struct vectors *vectors, const char *line)
{
	size_t bytes = strlen(vectors->first);

	return strncmp(line, vectors->first, bytes) == 0 &&
	       (line[bytes] == '=' || isspace((unsigned char)line[bytes]));
}

bool vectors_next(struct vectors *vectors)
{
	char *line;

	clear(&vectors->of_record);
	while ((line = next_line(vectors))) {
		bool begun = vectors->of_record.count > 0;

		if (begun && (*line == '[' || begins_record(vectors, line))) {
			vectors->pending = line;
			break;
		}
		if (*line == '[')
			enter_section(vectors, line);
		else if (begun || begins_record(vectors, line))
			add_field(&vectors->of_record, line);
	}
	return vectors->of_record.count > 0;
}

const char *vectors_section(const struct vectors *vectors)
{
	return vectors->section;
}

static struct field *find(const struct vectors *vectors, const char *name)
{
	struct field *field = find_in(&vectors->of_record, name);

	return field ? field : find_in(&vectors->of_section, name);
}

bool vectors_has(const struct vectors *vectors, const char *name)
{
	return find(vectors, name) != NULL;
}

static struct field *must_find(const struct vectors *vectors, const char *name)
{
	struct field *field = find(vectors, name);

	if (!field)
		broken("a field is missing", name);
	return field;
}

const char *vectors_text(const struct vectors *vectors, const char *name)
{
	return must_find(vectors, name)->value;
}

uint64_t vectors_number(const struct vectors *vectors, const char *name)
{
	const char *value = vectors_text(vectors, name);
	char *end;
	uint64_t number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || end == value || *end)
		broken("not a number", value);
	return number;
}

struct hex vectors_hex(struct vectors *vectors, const char *name)
{
	struct field *field = must_find(vectors, name);
	size_t bytes = strlen(field->value) / 2;

	free(field->bytes);
	field->bytes = malloc(bytes + 1);
	if (!field->bytes)
		broken("no memory", name);
	for (size_t i = 0; i < bytes; i++) {
		if (sscanf(field->value + 2 * i, "%2hhx", &field->bytes[i]) != 1)
			broken("not hexadecimal", field->value);
	}
	return (struct hex){field->bytes, bytes};
}

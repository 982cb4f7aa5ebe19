/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/job_why.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define STAND_IN "a file"

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_inside_a_word(const char *text, const char *at, size_t length)
{
	return (at > text && isalnum((unsigned char)at[-1])) || isalnum((unsigned char)at[length]);
}

/* How long the name is that stands at this place; 0: none. */
static size_t named_at(const char *text, const char *at, const char *const names[4])
{
	size_t longest = 0;

	for (size_t i = 0; i < 4; i++) {
		size_t length = strlen(names[i]);

		if (length <= longest || strncmp(at, names[i], length) != 0)
			continue;
		/* The last two are parts, and as short as "a". */
		if (i < 2 || !is_inside_a_word(text, at, length))
			longest = length;
	}
	return longest;
}

const char *job_why_without_names(
	const char *text, const char *name, const char *path, char *buf, size_t buf_bytes)
{
	const char *const names[4] = {name, path, last_part(name), last_part(path)};
	const char *at = text;
	size_t used = 0;

	while (*at && used + 1 < buf_bytes) {
		size_t skip = named_at(text, at, names);

		if (skip == 0) {
			buf[used++] = *at++;
			continue;
		}
		at += skip;
		for (const char *word = STAND_IN; *word && used + 1 < buf_bytes; word++)
			buf[used++] = *word;
	}
	buf[used] = '\0';
	return buf;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_conf.h"
#include "base/io.h"
#include <cups/file.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sections at the top level of the files that cupsd keeps; those of <Location> are not looked into.
 */
static const char *const sections[] = {
	"Location", "Policy", "Printer", "DefaultPrinter", "Class", "DefaultClass", "Subscription"};

bool cups_directive_is(const struct cups_directive *directive, const char *name)
{
	return strcasecmp(directive->name, name) == 0;
}

const char *cups_directive_value(const struct cups_directive *directive)
{
	return directive->value ? directive->value : "";
}

/* --- the text, before cupsd sees it --- */

/* As cupsd counts: a line ends with LF, CR LF or CR. */
static int check_text(const char *file, const char *text, size_t bytes, unsigned int *ret_lines,
	struct problem *reterr_problem)
{
	unsigned int line = 1;
	size_t length = 0;

	if (bytes > CUPS_CONF_BYTES_MAX)
		return problem_set(reterr_problem, -EFBIG,
			"%s is larger than any configuration is; check the path", file);
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\0')
			return problem_set(reterr_problem, -EINVAL,
				"%s:%u: holds a NUL; it is no text, check the path", file, line);
		if (text[i] == '\n' || text[i] == '\r') {
			if (text[i] == '\r' && i + 1 < bytes && text[i + 1] == '\n')
				i++;
			line++;
			length = 0;
		} else if (++length > CUPS_LINE_BYTES_MAX) {
			return problem_set(reterr_problem, -EINVAL,
				"%s:%u: is longer than %u bytes, and cupsd reads it in pieces; "
				"make it shorter",
				file, line, CUPS_LINE_BYTES_MAX);
		}
	}
	*ret_lines = length > 0 ? line : line - 1;
	return 0;
}

static int open_text(const char *text, size_t bytes, cups_file_t **ret_file)
{
	_cleanup_close_ int fd = memfd_create("cups-conf", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write(fd, text, bytes);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	*ret_file = cupsFileOpenFd(fd, "r");
	if (!*ret_file)
		return -ENOMEM;
	fd = -1;
	return 0;
}

/* --- where a directive stands --- */

struct position {
	const char *section_name; /* NULL: the top level */
	unsigned int section, limit;
};

static bool closes(const char *name, const char *section)
{
	size_t length = strlen(section);

	return strncmp(name, "</", 2) == 0 && strncasecmp(name + 2, section, length) == 0 &&
	       strcmp(name + 2 + length, ">") == 0;
}

static void enter(struct position *at, const struct cups_directive *directive)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (directive->name[0] == '<' && directive->value &&
			strcasecmp(directive->name + 1, sections[i]) == 0) {
			at->section_name = sections[i];
			at->section = directive->line;
			return;
		}
	}
}

/* Says where the directive stands, and where the next one does. */
static void place(struct position *at, struct cups_directive *directive)
{
	bool is_policy = at->section_name && strcmp(at->section_name, "Policy") == 0;

	if (at->section_name && closes(directive->name, at->section_name))
		*at = (struct position){NULL, 0, 0};
	else if (at->limit && closes(directive->name, "Limit"))
		at->limit = 0;
	directive->section = at->section;
	directive->limit = at->limit;
	directive->scope = at->limit ? CUPS_IN_LIMIT : at->section ? CUPS_IN_SECTION : CUPS_TOP;
	if (!at->section_name)
		enter(at, directive);
	else if (is_policy && !at->limit && directive->value &&
		 cups_directive_is(directive, "<Limit"))
		at->limit = directive->line;
}

/* --- parsing --- */

static int add(
	struct cups_conf *conf, struct position *at, int line, const char *name, const char *value)
{
	struct cups_directive *item;

	if (conf->count == conf->capacity) {
		size_t more = conf->capacity ? 2 * conf->capacity : 64;
		struct cups_directive *items = reallocarray(conf->items, more, sizeof(*items));

		if (!items)
			return -ENOMEM;
		conf->items = items;
		conf->capacity = more;
	}
	item = &conf->items[conf->count];
	*item = (struct cups_directive){.line = (unsigned int)line, .name = strdup(name)};
	if (value)
		item->value = strdup(value);
	conf->count++;
	if (!item->name || (value && !item->value))
		return -ENOMEM;
	place(at, item);
	return 0;
}

int cups_conf_parse(const char *file, const char *text, size_t bytes, struct cups_conf *ret_conf,
	struct problem *reterr_problem)
{
	struct cups_conf conf = {.items = NULL};
	struct position at = {NULL, 0, 0};
	char buffer[CUPS_LINE_BYTES_MAX + 2], *value;
	cups_file_t *reader = NULL;
	int line = 0, r;

	r = check_text(file, text, bytes, &conf.lines, reterr_problem);
	if (r >= 0)
		r = open_text(text, bytes, &reader);
	while (r >= 0 && cupsFileGetConf(reader, buffer, sizeof(buffer), &value, &line))
		r = add(&conf, &at, line, buffer, value);
	if (reader)
		cupsFileClose(reader);
	if (r >= 0 && at.section_name)
		r = problem_set(reterr_problem, -EINVAL,
			"%s:%u: <%s> is not closed before the file ends; mend that first", file,
			at.section, at.section_name);
	if (r < 0) {
		cups_conf_done(&conf);
		return r;
	}
	*ret_conf = conf;
	return 0;
}

void cups_conf_done(struct cups_conf *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		free(conf->items[i].name);
		free(conf->items[i].value);
	}
	free(conf->items);
	*conf = (struct cups_conf){.items = NULL};
}

const struct cups_directive *cups_conf_find(
	const struct cups_conf *conf, const char *name, bool (*accepts)(const char *value))
{
	for (size_t i = conf->count; i-- > 0;) {
		const struct cups_directive *item = &conf->items[i];

		if (item->scope == CUPS_TOP && cups_directive_is(item, name) &&
			(!accepts || accepts(cups_directive_value(item))))
			return item;
	}
	return NULL;
}

/* --- values --- */

static bool is_one_of(const char *value, const char *const *words)
{
	for (; *words; words++) {
		if (strcasecmp(value, *words) == 0)
			return true;
	}
	return false;
}

static const char *const yes_words[] = {"true", "on", "enabled", "yes", NULL};
static const char *const no_words[] = {"false", "off", "disabled", "no", NULL};

bool cups_value_time(const char *value, bool preserve, double *ret_seconds)
{
	double seconds;
	char *unit;

	if (preserve && is_one_of(value, yes_words)) {
		*ret_seconds = CUPS_TIME_FOREVER;
		return true;
	}
	if (is_one_of(value, no_words)) {
		*ret_seconds = 0;
		return true;
	}
	if (!isdigit((unsigned char)value[0]))
		return false;
	seconds = strtod(value, &unit);
	switch (tolower((unsigned char)*unit)) {
	case '\0':
		break;
	case 'w':
		seconds *= 7.0 * 24 * 60 * 60;
		break;
	case 'd':
		seconds *= 24.0 * 60 * 60;
		break;
	case 'h':
		seconds *= 60.0 * 60;
		break;
	case 'm':
		seconds *= 60.0;
		break;
	default:
		return false;
	}
	if (!(seconds <= CUPS_TIME_FOREVER))
		return false;
	*ret_seconds = (double)(long)seconds;
	return true;
}

bool cups_value_integer(const char *value, long *ret_number)
{
	long number, unit;
	char *end;

	if (!isdigit((unsigned char)value[0]))
		return false;
	number = strtol(value, &end, 0);
	switch (tolower((unsigned char)*end)) {
	case '\0':
		unit = 1;
		break;
	case 'k':
		unit = 1024;
		break;
	case 'm':
		unit = 1024L * 1024;
		break;
	case 'g':
		unit = 1024L * 1024 * 1024;
		break;
	case 't':
		unit = 262144;
		break;
	default:
		return false;
	}
	if (number > INT_MAX / unit)
		return false; /* cupsd lets it overflow: nobody means that */
	*ret_number = number * unit;
	return true;
}

bool cups_value_boolean(const char *value, bool *ret_truth)
{
	bool is_true = is_one_of(value, yes_words) || atoi(value) != 0;

	if (!is_true && !is_one_of(value, no_words) && strcmp(value, "0") != 0)
		return false;
	*ret_truth = is_true;
	return true;
}

bool cups_value_log_level(const char *value, int *ret_level)
{
	static const char *const levels[] = {"none", "emerg", "alert", "crit", "error", "warn",
		"notice", "info", "debug", "debug2"};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcasecmp(value, levels[i]) == 0) {
			*ret_level = (int)i;
			return true;
		}
	}
	return false;
}

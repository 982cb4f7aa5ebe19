/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - reading the file: inih splits its lines, the table (config_keys.c) judges them
 *
 * inih tells neither line numbers nor sections without keys, and takes an indented line for more
 * of the value before it.  So it is given its lines by us: each is counted and checked for what
 * it would cut off, loses its indentation, and a heading is followed by a line of ours (HEADING),
 * with which inih says how it reads that heading.  A line that has something on it and of which
 * inih says nothing was none.
 */
#include "base/io.h"
#include "base/path.h"
#include "base/utf8.h"
#include "supervisor/config_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADING		 "\001"
#define SECTIONS_MAX	 8 /* without those that have names */
#define LOG_SEGMENTS_MIN 8u

typedef void complain_function(void *context, const struct config_complaint *complaint);

struct reading {
	FILE *file;
	struct config *config;
	complain_function *complain;
	bool looks; /* at files that are named */
	void *context;
	int complaints;

	int line;	     /* the one that inih has now */
	bool pending;	     /* ... of which it has said nothing yet */
	bool give_heading;   /* the next line is ours */
	const char *section; /* as in the table; NULL: keys are passed over */
	void *at;	     /* its struct */
	char heading[64];    /* as it stands in the file */
	int heading_lines[SECTIONS_MAX];
	int volume_lines[CONFIG_VOLUMES_MAX];
	int watch_lines[CONFIG_WATCHES_MAX];
	bool seen[64]; /* keys of the section, by their rules' numbers */
};

static void complain(struct reading *reading, int line, const char *key, const char *format, ...)
	format_printf(4, 5);

static void complain(struct reading *reading, int line, const char *key, const char *format, ...)
{
	char reason[CONFIG_REASON_BYTES], shown[CONFIG_REASON_BYTES];
	const struct config_complaint complaint = {line, key, shown};
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	utf8_printable(reason, strlen(reason), shown, sizeof(shown));
	reading->complaints++;
	reading->complain(reading->context, &complaint);
}

/* --- sections --- */

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < CONFIG_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
		       length;
}

static bool begin_named(struct reading *reading, const char *kind, const char *name)
{
	struct config *config = reading->config;
	bool volume = strcmp(kind, "volume") == 0;
	size_t count = volume ? config->volume_count : config->watch_count;
	size_t most = volume ? CONFIG_VOLUMES_MAX : CONFIG_WATCHES_MAX;
	int *lines = volume ? reading->volume_lines : reading->watch_lines;

	if (!is_name(name)) {
		complain(reading, reading->line, reading->heading,
			"\"%.60s\" is no name for a %s: letters, digits, \"-\" and \"_\", at most "
			"32",
			name, kind);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(volume ? config->volumes[i].name : config->watches[i].name, name) == 0) {
			complain(reading, reading->line, reading->heading,
				"this %s is there already, in line %d", kind, lines[i]);
			return false;
		}
	}
	if (count == most) {
		complain(reading, reading->line, reading->heading,
			"there are at most %zu: one [%s ...] too many", most, kind);
		return false;
	}
	lines[count] = reading->line;
	if (volume) {
		reading->at = &config->volumes[config->volume_count++];
		strcpy(((struct config_volume *)reading->at)->name, name);
		reading->section = "volume NAME";
	} else {
		reading->at = &config->watches[config->watch_count++];
		strcpy(((struct config_watch *)reading->at)->name, name);
		reading->section = "watch NAME";
	}
	config_rule_set_defaults(reading->section, reading->at);
	return true;
}

/* The index-th section without a name, or NULL. */
static const char *plain_section(size_t index)
{
	static const char *const names[] = {
		"service", "roles", "cups", "wipe", "audit", "decommission"};

	return index < ARRAY_SIZE(names) ? names[index] : NULL;
}

static void begin_section(struct reading *reading, const char *text)
{
	size_t kind = strcspn(text, " \t");
	const char *name = text + kind + strspn(text + kind, " \t");

	reading->section = NULL;
	memset(reading->seen, 0, sizeof(reading->seen));
	snprintf(reading->heading, sizeof(reading->heading), "[%.60s]", text);
	if (strncmp(text, "volume", kind) == 0 && kind == 6) {
		begin_named(reading, "volume", name);
		return;
	}
	if (strncmp(text, "watch", kind) == 0 && kind == 5) {
		begin_named(reading, "watch", name);
		return;
	}
	for (size_t i = 0; plain_section(i); i++) {
		if (strcmp(text, plain_section(i)) != 0)
			continue;
		if (reading->heading_lines[i] > 0) {
			complain(reading, reading->line, reading->heading,
				"this section is there already, in line %d",
				reading->heading_lines[i]);
			return;
		}
		reading->heading_lines[i] = reading->line;
		reading->section = plain_section(i);
		reading->at = reading->config;
		return;
	}
	complain(reading, reading->line, reading->heading,
		"there is no such section; there are [service], [roles], [cups], [wipe], [audit], "
		"[decommission], [volume NAME] and [watch NAME]");
}

/* --- lines --- */

static size_t rule_number(const struct config_rule *rule)
{
	size_t i = 0;

	while (config_rule_at(i) != rule)
		i++;
	return i;
}

static void set_key(struct reading *reading, const char *key, const char *value)
{
	const struct config_rule *rule = config_rule_find(reading->section, key);
	char reason[CONFIG_REASON_BYTES];
	size_t number;

	if (!rule) {
		complain(reading, reading->line, key, "%s has no such key; see spoolguard.conf(5)",
			reading->heading);
		return;
	}
	number = rule_number(rule);
	if (reading->seen[number] && !rule->repeats)
		complain(
			reading, reading->line, key, "this key is in %s already", reading->heading);
	else if (!rule->set(reading->at, rule, value, reason))
		complain(reading, reading->line, key, "%s", reason);
	reading->seen[number] = true;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;

	reading->pending = false;
	if (strcmp(name, HEADING) == 0)
		begin_section(reading, section);
	else if (section[0] == '\0')
		complain(reading, reading->line, name,
			"it stands before the first section; put it below [service] or another");
	else if (reading->section)
		set_key(reading, name, value);
	return 1;
}

/* inih said nothing of the line before. */
static void judge_pending(struct reading *reading)
{
	if (reading->pending)
		complain(reading, reading->line, "",
			"this is neither \"[section]\" nor \"key = value\"");
	reading->pending = false;
}

/* What inih would cut short, or C would end early. */
static bool is_whole(struct reading *reading, const char *text, size_t length, int most)
{
	if (strlen(text) != length || !utf8_is_valid(text, length) || strstr(text, HEADING)) {
		complain(reading, reading->line, "", "this line is no text (UTF-8)");
		return false;
	}
	if (length + 3 > (size_t)most) {
		complain(reading, reading->line, "", "this line is longer than %d bytes", most - 3);
		return false;
	}
	return true;
}

/* A heading as inih will see one. */
static bool is_heading(const char *text)
{
	return text[0] == '[' && strcspn(text, "]") < strcspn(text, ";") && strchr(text, ']');
}

/* As fgets(): one line, without its indentation. */
static char *next_line(char *to, int most, void *stream)
{
	struct reading *reading = stream;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	const char *text;
	ssize_t n;

	if (reading->give_heading) {
		reading->give_heading = false;
		return strcpy(to, HEADING "=\n");
	}
	judge_pending(reading);
	n = getline(&line, &size, reading->file);
	if (n < 0)
		return NULL;
	reading->line++;
	if (n > 0 && line[n - 1] == '\n')
		line[--n] = '\0';
	text = line;
	if (reading->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	n -= text - line;
	if (!is_whole(reading, text, (size_t)n, most))
		return strcpy(to, "\n");
	text += strspn(text, " \t\r\f\v");
	reading->pending = text[0] != '\0' && text[0] != ';' && text[0] != '#';
	reading->give_heading = is_heading(text);
	strcpy(to, text);
	return strcat(to, "\n");
}

/* --- the whole --- */

static void check_volume(struct reading *reading, size_t index)
{
	const struct config_volume *volume = &reading->config->volumes[index];
	int line = reading->volume_lines[index];

	snprintf(reading->heading, sizeof(reading->heading), "[volume %s]", volume->name);
	if (!volume->medium[0])
		complain(reading, line, "medium", "%s lacks it", reading->heading);
	if (!volume->mount[0])
		complain(reading, line, "mount", "%s lacks it", reading->heading);
	if (volume->unlock == CONFIG_UNLOCK_KEY_FILE && !volume->key_file[0])
		complain(reading, line, "key_file", "%s lacks it, and says unlock = key-file",
			reading->heading);
	if (volume->unlock != CONFIG_UNLOCK_KEY_FILE && volume->key_file[0])
		complain(reading, line, "key_file", "it is used with unlock = key-file alone");
	if (volume->unlock != CONFIG_UNLOCK_BOOT_KEY && volume->size_bytes > 0)
		complain(reading, line, "size", "it is used with unlock = boot-key alone");
}

/* Every place that something is mounted on, in order: ret_volume is whose. */
static const char *place_at(
	const struct config *config, size_t index, size_t *ret_volume, const char **ret_key)
{
	for (size_t i = 0; i < config->volume_count; i++) {
		const struct config_volume *volume = &config->volumes[i];

		*ret_volume = i;
		*ret_key = index == 0 ? "mount" : "bind";
		if (index <= volume->bind_count)
			return index == 0 ? volume->mount : volume->binds[index - 1].at;
		index -= volume->bind_count + 1;
	}
	return NULL;
}

static void check_places(struct reading *reading)
{
	const struct config *config = reading->config;
	const char *a, *b, *key, *other_key;
	size_t mine, other;

	for (size_t i = 0; (a = place_at(config, i, &mine, &key)); i++) {
		for (size_t j = 0; j < i; j++) {
			b = place_at(config, j, &other, &other_key);
			if (a[0] && b && strcmp(a, b) == 0)
				complain(reading, reading->volume_lines[mine], key,
					"%s: [volume %s], in line %d, has something mounted there "
					"too",
					a, config->volumes[other].name,
					reading->volume_lines[other]);
		}
	}
}

static void check_media(struct reading *reading)
{
	const struct config_volume *volumes = reading->config->volumes;

	for (size_t i = 0; i < reading->config->volume_count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (volumes[i].medium[0] &&
				strcmp(volumes[i].medium, volumes[j].medium) == 0)
				complain(reading, reading->volume_lines[i], "medium",
					"%s: it is [volume %s]'s, in line %d, too",
					volumes[i].medium, volumes[j].name,
					reading->volume_lines[j]);
		}
	}
}

static void check_watches(struct reading *reading)
{
	const struct config_watch *watches = reading->config->watches;

	for (size_t i = 0; i < reading->config->watch_count; i++) {
		if (!watches[i].directory[0])
			complain(reading, reading->watch_lines[i], "directory",
				"[watch %s] lacks it", watches[i].name);
		for (size_t j = 0; j < i; j++) {
			if (watches[i].directory[0] &&
				strcmp(watches[i].directory, watches[j].directory) == 0 &&
				strcmp(watches[i].pattern, watches[j].pattern) == 0)
				complain(reading, reading->watch_lines[i], "directory",
					"%s: [watch %s], in line %d, watches it too, with the same "
					"pattern",
					watches[i].directory, watches[j].name,
					reading->watch_lines[j]);
		}
	}
}

/* 0: it has none. */
static int heading_line(const struct reading *reading, const char *section)
{
	size_t i = 0;

	while (strcmp(plain_section(i), section) != 0)
		i++;
	return reading->heading_lines[i];
}

static void check_approvals(struct reading *reading)
{
	const struct config_decommission *decommission = &reading->config->decommission;
	int line = heading_line(reading, "decommission");

	if (decommission->approvals == 0)
		return;
	if (!decommission->approvers[0])
		complain(reading, line, "approvers",
			"[decommission] lacks it, and approvals = %u: nobody could approve",
			(unsigned int)decommission->approvals);
	else if (reading->looks && access(decommission->approvers, R_OK) < 0)
		complain(reading, line, "approvers", "%s cannot be read (%s): nobody could approve",
			decommission->approvers, strerror(errno));
}

static void check_whole(struct reading *reading)
{
	struct config *config = reading->config;

	if (strlen(config->socket) > 107)
		complain(reading, reading->heading_lines[0], "socket",
			"a socket's path has at most 107 bytes");
	if (config->audit_size_bytes < LOG_SEGMENTS_MIN * config->audit_segment_bytes)
		complain(reading, heading_line(reading, "audit"), "size",
			"[audit] size has room for %u segments at least (segment_size)",
			LOG_SEGMENTS_MIN);
	check_approvals(reading);
	for (size_t i = 0; i < config->volume_count; i++)
		check_volume(reading, i);
	check_places(reading);
	check_media(reading);
	check_watches(reading);
}

static void set_all_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; plain_section(i); i++)
		config_rule_set_defaults(plain_section(i), config);
}

/* Whoever can write to the file decides what root mounts. */
static int check_file(const char *path, int fd, struct problem *reterr_problem)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return problem_set(reterr_problem, -EINVAL, "%s is no file", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
		return problem_set(reterr_problem, -EPERM,
			"%s can be changed by others than its owner, or is not root's; chown root "
			"and chmod go-w it",
			path);
	return 0;
}

static int read_file(
	const char *path, struct reading *reading, bool *ret_absent, struct problem *reterr_problem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	*ret_absent = fd < 0 && errno == ENOENT;
	set_all_defaults(reading->config);
	snprintf(reading->config->file, sizeof(reading->config->file), "%s", path);
	if (*ret_absent && strcmp(path, CONFIG_PATH_DEFAULT) == 0)
		return 0;
	if (fd < 0)
		return problem_set(
			reterr_problem, -errno, "%s cannot be read: %s", path, strerror(errno));
	r = check_file(path, fd, reterr_problem);
	reading->file = r < 0 ? NULL : fdopen(fd, "r");
	if (!reading->file) {
		close(fd);
		return r < 0 ? r : -ENOMEM;
	}
	if (ini_parse_stream(next_line, reading, on_value, reading) == -2)
		r = -ENOMEM;
	judge_pending(reading);
	if (r >= 0 && ferror(reading->file))
		r = problem_set(reterr_problem, -EIO, "%s cannot be read: %s", path, strerror(EIO));
	fclose(reading->file);
	if (r >= 0)
		check_whole(reading);
	return r;
}

int config_check(const char *path, complain_function *complain_, void *context,
	struct problem *reterr_problem)
{
	struct reading reading = {.complain = complain_, .context = context, .looks = true};
	bool absent;
	int r;

	reading.config = malloc(sizeof(*reading.config));
	if (!reading.config)
		return -ENOMEM;
	r = read_file(path, &reading, &absent, reterr_problem);
	free(reading.config);
	return r < 0 ? r : reading.complaints;
}

struct first {
	const char *path;
	struct problem *problem;
	bool said;
};

static void keep_first(void *context, const struct config_complaint *complaint)
{
	struct first *first = context;

	if (first->said)
		return;
	first->said = true;
	problem_set(first->problem, -EINVAL, "%.300s, line %d%s%s: %s", first->path,
		complaint->line, complaint->key[0] ? ", " : "", complaint->key, complaint->reason);
}

int config_read(const char *path, struct config *ret_config, struct problem *reterr_problem)
{
	struct first first = {path, reterr_problem, false};
	struct reading reading = {.complain = keep_first, .context = &first};
	bool absent;
	int r;

	reading.config = malloc(sizeof(*reading.config));
	if (!reading.config)
		return -ENOMEM;
	r = read_file(path, &reading, &absent, reterr_problem);
	if (r >= 0 && reading.complaints > 0)
		r = -EINVAL;
	if (r >= 0)
		*ret_config = *reading.config;
	free(reading.config);
	return r;
}

bool config_has_cups_spool(const struct config *config, const struct config_volume *volume)
{
	bool has = path_is_at_or_below(config->cups_spool, volume->mount);

	for (size_t i = 0; i < volume->bind_count; i++)
		has = has || path_is_at_or_below(config->cups_spool, volume->binds[i].at);
	return config->cups && has;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_logs.h"
#include "base/io.h"
#include <cups/file.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct counted {
	unsigned int lines; /* that name somebody or something */
	unsigned int first; /* the first of them */
	bool is_whole;
};

/* --- one line --- */

static bool error_line_names(const char *line)
{
	if (line[0] == '\0' || line[1] != ' ' || line[2] != '[')
		return false;
	return line[0] == 'D' || line[0] == 'd' || (line[0] == 'I' && strstr(line, "[Job "));
}

/* host - user [date] "request" ... */
static bool access_line_names(const char *line)
{
	for (int field = 0; field < 2; field++) {
		line = strchr(line, ' ');
		if (!line)
			return false;
		line++;
	}
	return line[0] != '-' && line[0] != '\0';
}

static bool line_names(enum cups_log log, const char *line)
{
	switch (log) {
	case CUPS_LOG_ERROR:
		return error_line_names(line);
	case CUPS_LOG_ACCESS:
		return access_line_names(line);
	default:
		return line[0] != '\0';
	}
}

/* --- one file --- */

static int count_lines(enum cups_log log, const char *path, struct counted *ret_counted)
{
	struct counted counted = {.is_whole = true};
	cups_file_t *file;
	char line[2048];
	unsigned int number = 0;

	file = cupsFileOpen(path, "r");
	if (!file)
		return errno > 0 ? -errno : -EIO;
	while (cupsFileGets(file, line, sizeof(line))) {
		if (number++ == CUPS_LOG_LINES_MAX) {
			counted.is_whole = false;
			break;
		}
		if (!line_names(log, line))
			continue;
		if (counted.lines++ == 0)
			counted.first = number;
	}
	cupsFileClose(file);
	*ret_counted = counted;
	return 0;
}

static const char *describe(enum cups_log log)
{
	switch (log) {
	case CUPS_LOG_ERROR:
		return "of debug or info level";
	case CUPS_LOG_ACCESS:
		return "with the name of a user";
	default:
		return "about a job each";
	}
}

static int judge_file(
	enum cups_log log, const char *id, const char *path, struct cups_findings *findings)
{
	struct cups_finding_source source = {path, 0, ""};
	struct counted counted;
	struct stat st;
	char value[64];
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : cups_findings_doubt(findings, id, &source, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return cups_findings_doubt(findings, id, &source, "it is no regular file");
	r = count_lines(log, path, &counted);
	if (r < 0)
		return cups_findings_doubt(findings, id, &source, "%s", strerror(-r));
	if (counted.lines == 0 && counted.is_whole)
		return 0;
	snprintf(value, sizeof(value), "%u line%s%s", counted.lines, counted.lines == 1 ? "" : "s",
		counted.is_whole ? "" : " or more");
	source.line = counted.first;
	source.value = value;
	if (counted.lines == 0)
		return cups_findings_doubt(findings, id, &source, "it was not read to its end");
	return cups_findings_add(findings, id, &source, "lines %s", describe(log));
}

/* --- its copies --- */

bool cups_log_is_copy(const char *log, const char *name)
{
	size_t length = strlen(log);
	const char *suffix = name + length;

	if (strncmp(name, log, length) != 0)
		return false;
	if (suffix[0] == '.')
		return strcmp(suffix, ".O") == 0 || isdigit((unsigned char)suffix[1]);
	return suffix[0] == '-' && isdigit((unsigned char)suffix[1]);
}

static int judge_copies(enum cups_log log, const char *path, struct cups_findings *findings)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX], copy[PATH_MAX];
	struct dirent **entries = NULL;
	int count, r = 0;

	snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	count = scandir(directory, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (r >= 0 && cups_log_is_copy(slash + 1, entries[i]->d_name) &&
			snprintf(copy, sizeof(copy), "%s%s", directory, entries[i]->d_name) <
				(int)sizeof(copy))
			r = judge_file(log, "log-copies", copy, findings);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int cups_judge_log(enum cups_log log, const char *path, struct cups_findings *findings)
{
	int r = judge_file(log, "log-content", path, findings);

	if (r >= 0 && strchr(path, '/') && strlen(path) < PATH_MAX)
		r = judge_copies(log, path, findings);
	return r;
}

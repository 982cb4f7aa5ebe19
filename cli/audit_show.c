/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_show.c - "spoolguard audit show": records as they stand in the log
 *
 * JSON: {"schema":"spoolguard.audit-show/1","records":[...],"bad_lines":N}; the records are the
 * log's own lines, byte for byte.
 */
#include "audit/event_table.h"
#include "audit/log_reader.h"
#include "base/io.h"
#include "cli/audit_since.h"
#include "cli/verb_audit.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FOLLOW_MS 200

struct arguments {
	struct audit_since since;
	const char *event, *job; /* NULL: all */
	const char *directory;
	bool follow, json;
};

struct shown {
	const struct arguments *arguments;
	uint64_t records, bad_lines;
};

/* --- the command line --- */

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"since", required_argument, NULL, 's'},
		{"event", required_argument, NULL, 'e'},
		{"job", required_argument, NULL, 'j'},
		{"follow", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's' && !audit_since_parse(optarg, &arguments->since))
			return audit_usage("--since %s: " AUDIT_SINCE_WANTED, optarg);
		if (option == 'e' && !audit_event_find(optarg))
			return audit_usage("--event %s: there is no such event", optarg);
		if (option == 'e')
			arguments->event = optarg;
		if (option == 'j')
			arguments->job = optarg;
		arguments->follow |= option == 'f';
		arguments->json |= option == 'o';
		if (option == '?')
			return audit_usage("an option is unknown or lacks its value");
	}
	if (optind < argc - 1)
		return audit_usage("name one directory");
	arguments->directory = optind < argc ? argv[optind] : NULL;
	return CLI_YES;
}

/* --- records --- */

/* "call 2" in the log: "call 2", "call/2" (as receipts name it) and "2" are it. */
static bool is_job(const char *job, const char *wanted)
{
	const char *blank = strchr(job, ' ');
	size_t source = blank ? (size_t)(blank - job) : 0;

	if (strcmp(job, wanted) == 0)
		return true;
	if (!blank)
		return false;
	return strcmp(blank + 1, wanted) == 0 ||
	       (strncmp(job, wanted, source) == 0 && wanted[source] == '/' &&
		       strcmp(blank + 1, wanted + source + 1) == 0);
}

static bool is_wanted(const struct arguments *arguments, const struct audit_record *record)
{
	const struct audit_event *event = &record->event;

	if (arguments->event && strcmp(arguments->event, event->event) != 0)
		return false;
	if (arguments->job && (!event->job || !is_job(event->job, arguments->job)))
		return false;
	return audit_since_has(&arguments->since, record);
}

static void print_text(const char *before, const char *text)
{
	if (text)
		printf("%s%s", before, cli_shown(text));
}

static void print_record(const struct audit_record *record)
{
	const struct audit_event *event = &record->event;
	char time[AUDIT_TIME_BYTES];

	printf("%" PRIu64 " %s %s", record->stamp.sequence, audit_time(record->stamp.wall_ms, time),
		event->event);
	print_text(" job ", event->job);
	print_text(" volume ", event->volume);
	print_text(" drive ", event->drive);
	print_text(": ", event->outcome);
	print_text(", ", event->detail);
	if (event->data)
		print_text(" ", json_object_to_json_string_ext(event->data,
					JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	printf(" (%s, uid %ju", cli_shown(event->role), (uintmax_t)event->uid);
	print_text(", from ", event->origin);
	printf(")\n");
}

static void print_line(struct shown *shown, const struct log_reader *reader)
{
	size_t bytes;
	const char *line = log_reader_line(reader, &bytes);

	if (!shown->arguments->follow && shown->records > 0)
		putchar(',');
	fwrite(line, 1, bytes, stdout);
	if (shown->arguments->follow)
		putchar('\n');
}

static void show_record(
	struct shown *shown, const struct log_reader *reader, const struct audit_record *record)
{
	if (!is_wanted(shown->arguments, record))
		return;
	if (shown->arguments->json)
		print_line(shown, reader);
	else
		print_record(record);
	shown->records++;
}

static void wait_for_more(void)
{
	const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000L};

	fflush(stdout);
	(void)nanosleep(&pause, NULL);
}

/* Whether a reader of our output still listens is known after a write alone. */
static int show_all(struct shown *shown, struct log_reader *reader)
{
	struct audit_record record;
	int r;

	for (;;) {
		r = log_reader_next(reader, &record);
		if (r == 0 && !shown->arguments->follow)
			return 0;
		if (r == 0)
			wait_for_more();
		else if (r == -EBADMSG)
			shown->bad_lines++;
		else if (r < 0)
			return r;
		if (ferror(stdout))
			return -EPIPE;
		if (r == -EBADMSG && !shown->arguments->json)
			printf("? a line that is no record; \"spoolguard audit verify\" says "
			       "where\n");
		if (r > 0) {
			show_record(shown, reader, &record);
			audit_record_done(&record);
		}
	}
}

static int show(const struct arguments *arguments, const char *directory)
{
	struct shown shown = {.arguments = arguments};
	struct problem problem = {""};
	struct log_reader *reader;
	bool is_object = arguments->json && !arguments->follow;
	int r;

	r = log_reader_open(directory, arguments->since.sequence, &reader, &problem);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	if (is_object)
		printf("{\"schema\":\"spoolguard.audit-show/1\",\"records\":[");
	r = show_all(&shown, reader);
	if (is_object)
		printf("],\"bad_lines\":%" PRIu64 "}\n", shown.bad_lines);
	log_reader_free(reader);
	if (r < 0) {
		problem_set(&problem, r, "%s: %s", directory, strerror(-r));
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	return shown.bad_lines > 0 ? CLI_NO : CLI_YES;
}

int audit_show(int argc, char **argv)
{
	struct arguments arguments = {.event = NULL};
	_cleanup_free_ char *directory = NULL;
	struct problem problem = {""};
	int r;

	r = parse(argc, argv, &arguments);
	if (r != CLI_YES)
		return r;
	r = audit_log_directory(arguments.directory, &directory, &problem);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	return show(&arguments, directory);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/export_csv.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_BYTES (4u * AUDIT_LINE_MAX) /* each byte as \xNN */

/* Numbers are kept for good: readers have filters by them. */
static const struct {
	const char *event;
	unsigned int id;
} ids[] = {
	{"service-started", 1},
	{"service-stopped", 2},
	{"wipe", 4}, /* and WIPE_BEGUN */
	{"job-retired", 5},
	{"job-failed", 5},
	{"authentication-failed", 48},
	{"audit-started", 901},
	{"audit-stopped", 902},
	{"audit-recovered", 903},
	{"log-segment-closed", 904},
	{"log-dropped", 905},
	{"log-nearly-full", 906},
	{"log-set-aside", 907},
	{"log-lost", 908},
	{"service-fault", 909},
	{"state-changed", 910},
	{"configuration-changed", 911},
	{"role-changed", 912},
	{"access-denied", 913},
	{"login-limit", 914},
	{"session-failed", 915},
	{"time-changed", 916},
	{"management", 917},
	{"selftest", 918},
	{"key-state", 919},
	{"key-changed", 920},
	{"volume-attached", 921},
	{"volume-detached", 922},
	{"volume-failed", 923},
	{"volume-warning", 924},
	{"block-stuck", 925},
	{"job-held", 926},
	{"job-released", 927},
	{"intake-held", 928},
	{"intake-released", 929},
	{"sweep", 930},
	{"residue-check", 931},
	{"decommission", 932},
	{"audit-read", 933},
	{"service-ready", 934},
	{"mounter-started", 935},
	{"selftest-failed", 936},
	{"authenticated", 937},
	{"volume-waits", 938},
	{"wipe-sheet", 939},
};
#define WIPE_BEGUN 3u

unsigned int export_csv_event_id(const char *event, const char *outcome)
{
	if (strcmp(event, "wipe") == 0 && strcmp(outcome, "begun") == 0)
		return WIPE_BEGUN;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (strcmp(ids[i].event, event) == 0)
			return ids[i].id;
	}
	return 0;
}

const char *export_csv_header(void)
{
	return "Index,Date,Time,Event ID,Event description,Object,Subject,Outcome,Detail,Data\r\n";
}

/* --- fields --- */

static void put_field(FILE *out, const char *text)
{
	bool is_formula = text[0] && strchr("=+-@\t\r", text[0]);
	bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;

	if (is_quoted)
		putc('"', out);
	if (is_formula) /* C2 */
		putc('\'', out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	if (is_quoted)
		putc('"', out);
}

/* From outside: control characters, also those of C1 and C2, become visible. */
static void put_text(FILE *out, const char *text)
{
	char shown[FIELD_BYTES];

	if (text)
		put_field(out, utf8_printable(text, strlen(text), shown, sizeof(shown)));
}

static void add_word(char *words, size_t bytes, const char *what, const char *text)
{
	size_t used = strlen(words);

	if (text)
		snprintf(words + used, bytes - used, "%s%s%s", used ? ", " : "", what, text);
}

static void put_object(FILE *out, const struct audit_event *event)
{
	char words[FIELD_BYTES] = "";

	add_word(words, sizeof(words), "job ", event->job);
	add_word(words, sizeof(words), "volume ", event->volume);
	add_word(words, sizeof(words), "drive ", event->drive);
	put_text(out, words);
}

static void put_subject(FILE *out, const struct audit_event *event)
{
	char words[FIELD_BYTES] = "", uid[32];

	add_word(words, sizeof(words), "", event->role);
	snprintf(uid, sizeof(uid), "uid %ju", (uintmax_t)event->uid);
	add_word(words, sizeof(words), "", uid);
	add_word(words, sizeof(words), "from ", event->origin);
	put_text(out, words);
}

static void put_row(FILE *out, const struct audit_record *record)
{
	const struct audit_event *event = &record->event;
	char time[AUDIT_TIME_BYTES];

	audit_time(record->stamp.wall_ms, time);
	fprintf(out, "%" PRIu64 ",%.10s,%.8s,%u,", record->stamp.sequence, time, time + 11,
		export_csv_event_id(event->event, event->outcome));
	put_text(out, event->event);
	putc(',', out);
	put_object(out, event);
	putc(',', out);
	put_subject(out, event);
	putc(',', out);
	put_text(out, event->outcome);
	putc(',', out);
	put_text(out, event->detail);
	putc(',', out);
	if (event->data)
		put_text(out, json_object_to_json_string_ext(event->data,
				      JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	fputs("\r\n", out);
}

char *export_csv(const struct audit_record *record)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool failed;

	if (!out)
		return NULL;
	put_row(out, record);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

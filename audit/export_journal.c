/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/export_journal.h"
#include "audit/export_words.h"
#include "base/hex.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES	 (4u * AUDIT_LINE_MAX) /* each byte as \xNN */
#define MESSAGE_ID_BYTES 16

static void put_text(FILE *out, const char *field, const char *text)
{
	char shown[VALUE_BYTES];

	if (text && text[0])
		fprintf(out, "%s=%s\n", field,
			utf8_printable(text, strlen(text), shown, sizeof(shown)));
}

static void put_message_id(FILE *out, const char *event)
{
	char name[64], id[2 * MESSAGE_ID_BYTES + 1];
	uint8_t digest[SHA256_BYTES];

	snprintf(name, sizeof(name), "spoolguard.event/%s", event);
	if (hash_sha256(name, strlen(name), digest) >= 0)
		put_text(out, "MESSAGE_ID", hex_encode(digest, MESSAGE_ID_BYTES, id));
}

static void put_message(FILE *out, const struct audit_event *event)
{
	char words[VALUE_BYTES];

	export_words(event, words, sizeof(words));
	fprintf(out, "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_FACILITY=%d\n", words,
		(int)export_severity(event), EXPORT_FACILITY);
	fputs("SYSLOG_IDENTIFIER=spoolguardd\n", out);
	put_message_id(out, event->event);
}

static void put_fields(
	FILE *out, const struct audit_record *record, const struct export_source *source)
{
	const struct audit_event *event = &record->event;
	char time[AUDIT_TIME_BYTES];

	put_text(out, "SPOOLGUARD_EVENT", event->event);
	fprintf(out, "SPOOLGUARD_SEQUENCE=%" PRIu64 "\n", record->stamp.sequence);
	put_text(out, "SPOOLGUARD_LOG", source->log);
	put_text(out, "SPOOLGUARD_TIME", audit_time(record->stamp.wall_ms, time));
	put_text(out, "SPOOLGUARD_OUTCOME", event->outcome);
	put_text(out, "SPOOLGUARD_ROLE", event->role);
	fprintf(out, "SPOOLGUARD_UID=%ju\n", (uintmax_t)event->uid);
	put_text(out, "SPOOLGUARD_ORIGIN", event->origin);
	put_text(out, "SPOOLGUARD_JOB", event->job);
	put_text(out, "SPOOLGUARD_VOLUME", event->volume);
	put_text(out, "SPOOLGUARD_DRIVE", event->drive);
	put_text(out, "SPOOLGUARD_DETAIL", event->detail);
}

char *export_journal(const struct audit_record *record, const struct export_source *source,
	const char *line, size_t line_bytes, size_t *ret_bytes)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_bytes);
	bool failed;

	if (!out)
		return NULL;
	put_message(out, &record->event);
	put_fields(out, record, source);
	fprintf(out, "SPOOLGUARD_RECORD=%.*s\n", (int)line_bytes, line);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

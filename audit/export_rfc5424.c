/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/export_rfc5424.h"
#include "audit/export_words.h"
#include "base/utf8.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX	 255u
#define EVENT_MAX	 32u
#define NAME_MAX_OCTETS	 32u /* of an SD-NAME */
#define VALUE_MAX	 128u
#define MESSAGE_RESERVED 320u /* data leaves so much for the end of the element and the message */
#define END_RESERVED	 32u  /* ' omitted="4294967295"]' */
#define SEQUENCE_ID_MAX	 2147483647u
#define DATA_PREFIX	 "d_"
#define CUT		 "..."
#define UTF8_BOM	 "\xef\xbb\xbf"

struct message {
	char *text;
	size_t used, limit; /* nothing is written at or beyond limit */
	uint32_t omitted;   /* parameters that found no room */
};

/* --- texts --- */

static void put(struct message *message, const char *format, ...) format_printf(2, 3);

/* Only for what is known to fit. */
static void put(struct message *message, const char *format, ...)
{
	size_t room = EXPORT_RFC5424_MAX + 1 - message->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(message->text + message->used, room, format, arguments);
	va_end(arguments);
	assert(n >= 0 && (size_t)n < room);
	message->used += (size_t)n;
}

/* A field of the header: PRINTUSASCII, or NILVALUE. */
static void put_word(struct message *message, const char *word, size_t max)
{
	size_t length = word ? strnlen(word, max) : 0;

	if (length == 0)
		put(message, " -");
	else
		put(message, " ");
	for (size_t i = 0; i < length; i++)
		put(message, "%c", word[i] > 0x20 && word[i] < 0x7f ? word[i] : '?');
}

static size_t character_octets(const char *at)
{
	uint32_t point;

	return utf8_decode((const uint8_t *)at, strlen(at), &point);
}

/* R1, R2; returns the octets. */
static size_t escape(const char *text, char *to, size_t max)
{
	char shown[4 * EXPORT_RFC5424_MAX];
	size_t used = 0, fits = 0;

	utf8_printable(text, strlen(text), shown, sizeof(shown));
	for (const char *at = shown; *at;) {
		bool special = *at == '"' || *at == '\\' || *at == ']';
		size_t octets = character_octets(at);

		if (used + octets + special > max) {
			memcpy(to + fits, CUT, strlen(CUT));
			return fits + strlen(CUT);
		}
		if (special)
			to[used++] = '\\';
		memcpy(to + used, at, octets);
		used += octets;
		at += octets;
		if (used + strlen(CUT) <= max)
			fits = used;
	}
	return used;
}

static void put_param(struct message *message, const char *name, const char *text)
{
	char value[VALUE_MAX];
	size_t octets, all;

	if (!text || !text[0])
		return;
	octets = escape(text, value, sizeof(value));
	all = strlen(" =\"\"") + strlen(name) + octets;
	if (message->used + all > message->limit)
		message->omitted++;
	else
		put(message, " %s=\"%.*s\"", name, (int)octets, value);
}

static void put_number(struct message *message, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put_param(message, name, text);
}

/* --- structured data --- */

static uint32_t enterprise_of(const struct export_source *source)
{
	return source->enterprise ? source->enterprise : EXPORT_ENTERPRISE;
}

static void put_standard_elements(
	struct message *message, uint64_t sequence, const struct export_source *source)
{
	put(message, "[timeQuality tzKnown=\"1\"");
	if (source->clock != EXPORT_CLOCK_UNKNOWN) /* R3 */
		put(message, " isSynced=\"%d\"", source->clock == EXPORT_CLOCK_SYNCED);
	put(message, "][origin");
	if (enterprise_of(source) != EXPORT_ENTERPRISE_DOC)
		put(message, " enterpriseId=\"%" PRIu32 "\"", enterprise_of(source));
	put(message, " software=\"spoolguard\"");
	if (source->version)
		put(message, " swVersion=\"%.32s\"", source->version); /* RFC 5424, 7.2.4 */
	/* It begins at 1 and, past its largest value, again (RFC 5424, 7.3.1). */
	put(message, "][meta sequenceId=\"%" PRIu64 "\"]",
		sequence == 0 ? 1 : (sequence - 1) % SEQUENCE_ID_MAX + 1);
}

static void put_job(struct message *message, const char *job)
{
	const char *number = job && strncmp(job, "cups ", 5) == 0 ? job + 5 : "";

	if (number[0] && number[strspn(number, "0123456789")] == '\0')
		put_param(message, "JID", number);
	put_param(message, "job", job);
}

static void put_member(struct message *message, const char *key, struct json_object *value)
{
	char name[NAME_MAX_OCTETS + 1];

	snprintf(name, sizeof(name), DATA_PREFIX "%s", key);
	for (char *at = name; *at; at++) {
		if (*at <= 0x20 || *at >= 0x7f || strchr("=]\"", *at))
			*at = '_';
	}
	put_param(message, name,
		json_object_is_type(value, json_type_string)
			? json_object_get_string(value)
			: json_object_to_json_string_ext(
				  value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void put_data(struct message *message, struct json_object *data)
{
	struct json_object_iterator at, end;

	if (!data)
		return;
	at = json_object_iter_begin(data);
	end = json_object_iter_end(data);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		put_member(
			message, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at));
}

static void put_own_element(struct message *message, const struct audit_record *record,
	const struct export_source *source)
{
	const struct audit_event *event = &record->event;

	put(message, "[spoolguard@%" PRIu32, enterprise_of(source));
	put_number(message, "sequence", record->stamp.sequence);
	put_param(message, "log", source->log);
	put_param(message, "boot", record->stamp.boot);
	put_number(message, "monotonic", record->stamp.monotonic_ms);
	put_param(message, "previous", record->stamp.previous);
	put_param(message, "E", event->event);
	put_param(message, "S", event->outcome);
	put_param(message, "role", event->role);
	put_number(message, "uid", event->uid);
	put_param(message, "UH", event->origin);
	put_job(message, event->job);
	put_param(message, "volume", event->volume);
	put_param(message, "drive", event->drive);
	put_param(message, "DUU", source->device_uuid);
	message->limit = EXPORT_RFC5424_MAX - MESSAGE_RESERVED;
	put_data(message, event->data);
	message->limit = EXPORT_RFC5424_MAX;
	if (message->omitted > 0)
		put_number(message, "omitted", message->omitted);
	put(message, "]");
}

/* --- the message --- */

static void put_words(struct message *message, const struct audit_event *event)
{
	char words[2 * EXPORT_RFC5424_MAX];
	size_t room, fits = 0, all;

	export_words(event, words, sizeof(words));
	put(message, " ");
	for (const char *at = words; *at; at++) {
		if ((unsigned char)*at >= 0x80) { /* MSG-UTF8 begins so (RFC 5424, 6.4) */
			put(message, UTF8_BOM);
			break;
		}
	}
	room = EXPORT_RFC5424_MAX - message->used;
	all = strlen(words);
	if (all <= room) {
		put(message, "%s", words);
		return;
	}
	while (fits + character_octets(words + fits) <= room - strlen(CUT))
		fits += character_octets(words + fits);
	put(message, "%.*s" CUT, (int)fits, words);
}

size_t export_rfc5424(const struct audit_record *record, const struct export_source *source,
	char ret[static EXPORT_RFC5424_MAX + 1])
{
	char time[AUDIT_TIME_BYTES];
	struct message message = {.text = ret, .limit = EXPORT_RFC5424_MAX - END_RESERVED};

	put(&message, "<%d>1", EXPORT_FACILITY * 8 + (int)export_severity(&record->event));
	put(&message, " %s", audit_time(record->stamp.wall_ms, time));
	put_word(&message, source->host, HOST_MAX);
	put(&message, " spoolguardd -");
	put_word(&message, record->event.event, EVENT_MAX);
	put(&message, " ");
	put_standard_elements(&message, record->stamp.sequence, source);
	put_own_element(&message, record, source);
	put_words(&message, &record->event);
	return message.used;
}

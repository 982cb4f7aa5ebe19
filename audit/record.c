/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/record.h"
#include "audit/event_table.h"
#include "base/utf8.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLAIN	       (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define DEPTH_MAX      (AUDIT_DATA_DEPTH_MAX + 2) /* the record, and what data's values are in */
#define NAME_BYTES_MAX 31			  /* of an event */
#define WALL_MS_END    INT64_C(253402300800000)	  /* the year 10000 */
#define CUT	       "..."

/* A line under construction: what does not fit is left out, and is known. */
struct line {
	char text[AUDIT_LINE_MAX + 1];
	size_t bytes;
	bool is_too_long;
};

/* --- text --- */

static void put(struct line *line, const char *text, size_t bytes)
{
	if (bytes > AUDIT_LINE_MAX - line->bytes) {
		line->is_too_long = true;
		return;
	}
	memcpy(line->text + line->bytes, text, bytes);
	line->bytes += bytes;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

static void put_number(struct line *line, uint64_t number)
{
	char digits[24];

	put(line, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number));
}

/* How a character stands in a line; returns its length. */
static size_t escape_point(uint32_t point, char ret_text[static 13])
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = point && point < 0x80 ? strchr(plain, (int)point) : NULL;

	if (at)
		return (size_t)snprintf(ret_text, 13, "\\%c", letters[at - plain]);
	if (point >= 0x20 && point < 0x7f) {
		ret_text[0] = (char)point;
		return 1;
	}
	if (point < 0x10000)
		return (size_t)snprintf(ret_text, 13, "\\u%04x", (unsigned int)point);
	point -= 0x10000;
	return (size_t)snprintf(ret_text, 13, "\\u%04x\\u%04x",
		0xd800 | (unsigned int)(point >> 10), 0xdc00 | (unsigned int)(point & 0x3ff));
}

/* The next character, as it stands in a line; what is no UTF-8 becomes U+FFFD. */
static size_t escape_next(const char **at, const char *end, char ret_text[static 13])
{
	uint32_t point;
	size_t n = utf8_decode((const uint8_t *)*at, (size_t)(end - *at), &point);

	if (n == 0)
		point = 0xfffd;
	*at += n ? n : 1;
	return escape_point(point, ret_text);
}

/* A text of at most "most" bytes, counted as they stand in the line: a longer one is cut, and ends
 * in dots. */
static void put_string(struct line *line, const char *text, size_t most)
{
	const char *end = text + strlen(text);
	size_t whole = line->bytes + 1, bytes = 0; /* whole: where dots still fit behind it */
	char piece[13];

	put(line, "\"", 1);
	while (text < end) {
		size_t n = escape_next(&text, end, piece);

		if (bytes + n > most) {
			line->bytes = line->is_too_long ? line->bytes : whole;
			put_text(line, CUT);
			break;
		}
		put(line, piece, n);
		bytes += n;
		if (bytes + strlen(CUT) <= most)
			whole = line->bytes;
	}
	put(line, "\"", 1);
}

/* What json-c wrote is JSON but for what is not ASCII, and that is in strings alone. */
static void put_json(struct line *line, const char *text)
{
	const char *end = text + strlen(text);
	char piece[13];

	while (text < end) {
		const char *from = text;

		while (text < end && (unsigned char)*text < 0x7f)
			text++;
		put(line, from, (size_t)(text - from));
		if (text < end)
			put(line, piece, escape_next(&text, end, piece));
	}
}

/* --- time --- */

const char *audit_time(int64_t wall_ms, char buf[static AUDIT_TIME_BYTES])
{
	time_t seconds;
	struct tm utc;
	size_t n;

	wall_ms = wall_ms < 0 ? 0 : wall_ms >= WALL_MS_END ? WALL_MS_END - 1 : wall_ms;
	seconds = (time_t)(wall_ms / 1000);
	(void)gmtime_r(&seconds, &utc);
	n = strftime(buf, AUDIT_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buf + n, AUDIT_TIME_BYTES - n, ".%03dZ", (int)(wall_ms % 1000));
	return buf;
}

/* Days from 1970-01-01 in the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int audit_time_decode(const char *text, int64_t *ret_wall_ms)
{
	int year, month, day, hour, minute, second, ms, n = 0;
	char again[AUDIT_TIME_BYTES];
	int64_t wall_ms;

	if (strlen(text) != strlen("1970-01-01T00:00:00.000Z") ||
		sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute,
			&second, &ms, &n) != 7 ||
		n == 0 || year < 1970 || month < 1 || month > 12)
		return -EBADMSG;
	wall_ms =
		(((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
	if (strcmp(audit_time(wall_ms, again), text) != 0)
		return -EBADMSG;
	*ret_wall_ms = wall_ms;
	return 0;
}

/* --- what may stand in a record --- */

static bool is_of(const char *text, const char *alphabet, size_t least, size_t most)
{
	size_t n = strlen(text);

	return n >= least && n <= most && strspn(text, alphabet) == n;
}

static bool is_digest(const char *text)
{
	return is_of(text, "0123456789abcdef", AUDIT_HEX_BYTES - 1, AUDIT_HEX_BYTES - 1);
}

static bool is_uuid(const char *text)
{
	if (!is_of(text, "0123456789abcdef-", AUDIT_BOOT_BYTES - 1, AUDIT_BOOT_BYTES - 1))
		return false;
	for (size_t i = 0; text[i]; i++) {
		if ((text[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23))
			return false;
	}
	return true;
}

static bool is_event_name(const char *text)
{
	return is_of(text, "abcdefghijklmnopqrstuvwxyz0123456789-", 1, NAME_BYTES_MAX);
}

static bool is_outcome(const char *text)
{
	static const char *const outcomes[] = {"success", "failure", "denied", "begun", "progress"};

	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
		if (strcmp(text, outcomes[i]) == 0)
			return true;
	}
	return false;
}

/* Data that every JSON parser reads as it was meant: not too deep, no NaN. */
static bool is_sound(struct json_object *value, unsigned int depth)
{
	if (json_object_is_type(value, json_type_double))
		return isfinite(json_object_get_double(value));
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			if (depth == 0 || !is_sound(json_object_array_get_idx(value, i), depth - 1))
				return false;
		}
	} else if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, member)
		{
			(void)key;
			if (depth == 0 || !is_sound(member, depth - 1))
				return false;
		}
	}
	return true;
}

static bool is_given(const char *text)
{
	return text && *text;
}

/* --- encode --- */

static void put_stamp(struct line *line, const struct audit_stamp *stamp)
{
	char time[AUDIT_TIME_BYTES];

	put_text(line, "{\"sequence\":");
	put_number(line, stamp->sequence);
	put_text(line, ",\"time\":\"");
	put_text(line, audit_time(stamp->wall_ms, time));
	put_text(line, "\",\"monotonic_ms\":");
	put_number(line, stamp->monotonic_ms);
	put_text(line, ",\"boot\":\"");
	put_text(line, stamp->boot);
	put_text(line, "\"");
}

static void put_subject(struct line *line, const struct audit_event *event)
{
	put_text(line, ",\"subject\":{\"role\":");
	put_string(line, is_given(event->role) ? event->role : "service", AUDIT_OBJECT_BYTES - 1);
	put_text(line, ",\"uid\":");
	put_number(line, event->uid);
	if (is_given(event->origin)) {
		put_text(line, ",\"origin\":");
		put_string(line, event->origin, AUDIT_OBJECT_BYTES - 1);
	}
	put_text(line, "}");
}

static void put_object(struct line *line, const struct audit_event *event)
{
	const char *const names[] = {"job", "volume", "drive"};
	const char *const values[] = {event->job, event->volume, event->drive};
	const char *before = ",\"object\":{\"";
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!is_given(values[i]))
			continue;
		put_text(line, before);
		put_text(line, names[i]);
		put_text(line, "\":");
		put_string(line, values[i], AUDIT_OBJECT_BYTES - 1);
		before = ",\"";
		any = true;
	}
	if (any)
		put_text(line, "}");
}

static void put_rest(struct line *line, const struct audit_event *event, const char *data)
{
	put_text(line, ",\"outcome\":\"");
	put_text(line, event->outcome);
	put_text(line, "\"");
	if (is_given(event->detail)) {
		put_text(line, ",\"detail\":");
		put_string(line, event->detail, AUDIT_DETAIL_MAX);
	}
	if (data) {
		put_text(line, ",\"data\":");
		put_json(line, data);
	}
}

/* All of encode but the table of events: who reads may be older than who wrote. */
static int encode_line(
	const struct audit_event *event, const struct audit_stamp *stamp, struct line *ret_line)
{
	const char *data = NULL;

	if (!event->event || !is_event_name(event->event) || !event->outcome ||
		!is_outcome(event->outcome) || !is_uuid(stamp->boot) || !is_digest(stamp->previous))
		return -EINVAL;
	if (event->data && (!json_object_is_type(event->data, json_type_object) ||
				   !is_sound(event->data, AUDIT_DATA_DEPTH_MAX)))
		return -EINVAL;
	if (event->data && json_object_object_length(event->data) > 0) {
		data = json_object_to_json_string_ext(event->data, PLAIN);
		if (!data)
			return -ENOMEM;
	}
	ret_line->bytes = 0;
	ret_line->is_too_long = false;
	put_stamp(ret_line, stamp);
	put_text(ret_line, ",\"event\":\"");
	put_text(ret_line, event->event);
	put_text(ret_line, "\"");
	put_subject(ret_line, event);
	put_object(ret_line, event);
	put_rest(ret_line, event, data);
	put_text(ret_line, ",\"previous\":\"");
	put_text(ret_line, stamp->previous);
	put_text(ret_line, "\"}\n");
	ret_line->text[ret_line->bytes] = '\0';
	return ret_line->is_too_long ? -E2BIG : 0;
}

int audit_record_encode(
	const struct audit_event *event, const struct audit_stamp *stamp, char **ret_line)
{
	struct line line;
	char *text;
	int r;

	if (!event->event || !audit_event_find(event->event))
		return -EINVAL;
	r = encode_line(event, stamp, &line);
	if (r < 0)
		return r;
	text = strdup(line.text);
	if (!text)
		return -ENOMEM;
	*ret_line = text;
	return 0;
}

/* --- decode --- */

static struct json_object *parse(const char *line, size_t bytes)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;

	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)bytes);
	if (!object || json_tokener_get_parse_end(tokener) != bytes ||
		!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

static struct json_object *member(struct json_object *object, const char *key, json_type type)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && json_object_is_type(value, type)
		       ? value
		       : NULL;
}

/* NULL: it is not there, is of another type, or has a NUL in it. */
static const char *string(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key, json_type_string);
	const char *text = value ? json_object_get_string(value) : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static bool number(struct json_object *object, const char *key, uint64_t *ret_number)
{
	struct json_object *value = member(object, key, json_type_int);

	if (value)
		*ret_number = json_object_get_uint64(value);
	return value != NULL;
}

static bool copy(char *to, size_t to_bytes, const char *text)
{
	if (!text || strlen(text) >= to_bytes)
		return false;
	strcpy(to, text);
	return true;
}

static int take_stamp(struct json_object *object, struct audit_stamp *stamp)
{
	const char *time = string(object, "time");

	if (!number(object, "sequence", &stamp->sequence) ||
		!number(object, "monotonic_ms", &stamp->monotonic_ms) || !time ||
		audit_time_decode(time, &stamp->wall_ms) < 0 ||
		!copy(stamp->boot, sizeof(stamp->boot), string(object, "boot")) ||
		!copy(stamp->previous, sizeof(stamp->previous), string(object, "previous")))
		return -EBADMSG;
	return 0;
}

static int take_event(struct json_object *object, struct audit_event *event)
{
	struct json_object *subject = member(object, "subject", json_type_object);
	struct json_object *target = member(object, "object", json_type_object);
	uint64_t uid;

	if (!subject || !number(subject, "uid", &uid) || uid > UINT32_MAX)
		return -EBADMSG;
	event->event = string(object, "event");
	event->role = string(subject, "role");
	event->uid = (uid_t)uid;
	event->origin = string(subject, "origin");
	if (target) {
		event->job = string(target, "job");
		event->volume = string(target, "volume");
		event->drive = string(target, "drive");
	}
	event->outcome = string(object, "outcome");
	event->detail = string(object, "detail");
	event->data = member(object, "data", json_type_object);
	return event->role ? 0 : -EBADMSG;
}

/* A2: what was taken, encoded again, is the line. */
static int check_line(const struct audit_record *record, const char *line, size_t bytes)
{
	struct line again;
	int r = encode_line(&record->event, &record->stamp, &again);

	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	return again.bytes == bytes + 1 && memcmp(again.text, line, bytes) == 0 ? 0 : -EBADMSG;
}

int audit_record_decode(const char *line, size_t bytes, struct audit_record *ret_record)
{
	struct audit_record record = {.object = NULL};
	int r;

	if (bytes >= AUDIT_LINE_MAX)
		return -EBADMSG;
	record.object = parse(line, bytes);
	if (!record.object)
		return -EBADMSG;
	r = take_stamp(record.object, &record.stamp);
	if (r >= 0)
		r = take_event(record.object, &record.event);
	if (r >= 0)
		r = check_line(&record, line, bytes);
	if (r < 0) {
		json_object_put(record.object);
		return r;
	}
	*ret_record = record;
	return 0;
}

void audit_record_done(struct audit_record *record)
{
	json_object_put(record->object);
	*record = (struct audit_record){.object = NULL};
}

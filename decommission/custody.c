/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/custody.h"
#include "audit/document.h"
#include "base/clock.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "decommission/certificate_fields.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, name, &value) ||
		!json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static int digest(const char *text, char ret_hex[static RECORD_DIGEST_BYTES])
{
	uint8_t sum[SHA256_BYTES];
	int r = hash_sha256(text, strlen(text), sum);

	if (r >= 0)
		(void)hex_encode(sum, sizeof(sum), ret_hex);
	return r;
}

/* --- made --- */

/* "" where the certificate's form was not filled in. */
static const char *first_holder(struct json_object *certificate)
{
	struct json_object *person = json_object_object_get(certificate, "person");
	const char *name = text_of(person, "name");

	return name[0] ? name : text_of(person, "organization");
}

static int add_all(struct json_object *object, const struct custody_drive *drive,
	const struct custody_report *after, const struct custody_handover *handover,
	const struct minisign_key *key)
{
	struct json_object *media = json_object_object_get(drive->certificate, "media");
	char time[CLOCK_RFC3339_BYTES], line[MINISIGN_KEY_LINE_BYTES];
	const struct {
		const char *name, *text;
	} texts[] = {
		{"certificate", text_of(drive->certificate, "certificate")},
		{"certificate_sha256", drive->sha256},
		{"previous_sha256", after->sha256},
		{"asset_number", text_of(media, "property_number")},
		{"serial", text_of(media, "serial")},
		{"from", after->count > 0 ? after->holder : first_holder(drive->certificate)},
		{"to", handover->to},
		{"organization", handover->organization},
		{"location", handover->location},
		{"note", handover->note},
		{"time", clock_rfc3339(handover->wall_s, time)},
		{"key", line},
	};
	int r = field_add_text(object, "schema", CUSTODY_SCHEMA "/1");

	minisign_key_line(key, line);
	if (r >= 0)
		r = field_add(object, "number", json_object_new_uint64(after->count + 1));
	for (size_t i = 0; i < ARRAY_SIZE(texts) && r >= 0; i++)
		r = field_add_text(object, texts[i].name, texts[i].text ? texts[i].text : "");
	return r;
}

int custody_statement(const struct custody_drive *drive, const struct custody_report *after,
	const struct custody_handover *handover, const struct minisign_key *key,
	char **ret_statement)
{
	struct json_object *object = json_object_new_object();
	int r = object ? add_all(object, drive, after, handover, key) : -ENOMEM;

	if (r >= 0)
		r = document_encode(object, ret_statement);
	json_object_put(object);
	return r;
}

int custody_line(const char *statement, const char *signature, char **ret_line)
{
	struct json_object *object = json_object_new_object();
	const char *text;
	int r = object ? field_add_text(object, "statement", statement) : -ENOMEM;

	if (r >= 0)
		r = field_add_text(object, "signature", signature);
	if (r >= 0) {
		text = json_object_to_json_string_ext(object, PLAIN);
		r = !text || asprintf(ret_line, "%s\n", text) < 0 ? -ENOMEM : 0;
	}
	json_object_put(object);
	return r;
}

/* --- verified --- */

struct link {
	const struct custody_drive *drive;
	const struct minisign_key *keys;
	size_t key_count;
	struct custody_report *report; /* of those before */
};

static int bad(const struct link *link, struct problem *reterr_problem, const char *why)
{
	return problem_set(
		reterr_problem, -EBADMSG, "hand-over record %u: %s", link->report->count + 1, why);
}

/* Each is said by the certificate, or by the record before. */
static int check_links(
	const struct link *link, struct json_object *statement, struct problem *reterr_problem)
{
	struct json_object *media = json_object_object_get(link->drive->certificate, "media");
	const struct custody_report *before = link->report;
	const struct {
		const char *name, *wanted, *why;
	} links[] = {
		{"certificate_sha256", link->drive->sha256, "it is of another certificate"},
		{"certificate", text_of(link->drive->certificate, "certificate"),
			"it is of another certificate"},
		{"previous_sha256", before->sha256,
			"it does not follow the one before it (left out, changed or exchanged)"},
		{"asset_number", text_of(media, "property_number"), "it has another asset number"},
		{"serial", text_of(media, "serial"), "it is of another drive"},
		{"from",
			before->count > 0 ? before->holder : first_holder(link->drive->certificate),
			"it is not handed over by the one who had it"},
	};
	struct json_object *number = json_object_object_get(statement, "number");

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (strcmp(text_of(statement, links[i].name), links[i].wanted) != 0)
			return bad(link, reterr_problem, links[i].why);
	}
	if (!json_object_is_type(number, json_type_int) ||
		json_object_get_uint64(number) != before->count + 1)
		return bad(link, reterr_problem, "it has another number");
	if (!text_of(statement, "to")[0] || strlen(text_of(statement, "to")) >= RECORD_TEXT_BYTES)
		return bad(link, reterr_problem, "it does not say to whom");
	return 0;
}

/* Under the key that it names, if the verifier knows that key. */
static int verify_signed(const struct link *link, const char *text, const char *signature,
	struct json_object **ret_statement, struct problem *reterr_problem)
{
	struct json_object *statement = json_tokener_parse(text);
	const char *named = text_of(statement, "key");
	struct minisign_key key = {.id = {0}};
	struct problem why = {""};
	size_t i = 0;
	int r;

	r = statement && minisign_key_decode(named, strlen(named), &key) >= 0 ? 0 : -EBADMSG;
	json_object_put(statement);
	if (r < 0)
		return bad(link, reterr_problem, "it is none");
	while (link->keys && i < link->key_count && !minisign_key_is_equal(&link->keys[i], &key))
		i++;
	if (link->keys && i == link->key_count)
		return problem_set(reterr_problem, -ENOKEY,
			"hand-over record %u: its key is not among the holders'",
			link->report->count + 1);
	r = document_verify(text, strlen(text), signature, strlen(signature), &key, CUSTODY_SCHEMA,
		ret_statement, &why);
	return r < 0 ? bad(link, reterr_problem, problem_text(&why, r)) : 0;
}

static int take_line(
	const struct link *link, struct json_object *object, struct problem *reterr_problem)
{
	const char *text = text_of(object, "statement");
	struct json_object *statement;
	int r = verify_signed(link, text, text_of(object, "signature"), &statement, reterr_problem);

	if (r < 0)
		return r;
	r = check_links(link, statement, reterr_problem);
	if (r >= 0)
		r = digest(text, link->report->sha256);
	if (r >= 0) {
		snprintf(link->report->holder, sizeof(link->report->holder), "%s",
			text_of(statement, "to"));
		link->report->count++;
	}
	json_object_put(statement);
	return r;
}

static struct json_object *parse_line(const char *line, size_t bytes)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *object;

	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)bytes);
	json_tokener_free(tokener);
	return object;
}

int custody_verify(const char *chain, size_t bytes, const struct custody_drive *drive,
	const struct minisign_key *keys, size_t key_count, struct custody_report *ret_report,
	struct problem *reterr_problem)
{
	struct custody_report report = {.count = 0};
	const struct link link = {drive, keys, key_count, &report};
	const char *line = chain, *end;
	struct json_object *object;
	int r = bytes > CUSTODY_BYTES_MAX ? -EBADMSG : 0;

	while (r >= 0 && line < chain + bytes) {
		end = memchr(line, '\n', (size_t)(chain + bytes - line));
		object = end ? parse_line(line, (size_t)(end - line)) : NULL;
		r = json_object_is_type(object, json_type_object)
			    ? take_line(&link, object, reterr_problem)
			    : bad(&link, reterr_problem, "its line is none, or was cut");
		json_object_put(object);
		line = end ? end + 1 : chain + bytes;
	}
	if (r < 0)
		return r;
	*ret_report = report;
	return 0;
}

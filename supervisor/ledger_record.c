/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_record.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "crypto/hash.h"
#include "ipc/message.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEGINNING_BYTES (sizeof(LEDGER_LINE_BEGINNING) - 1)
#define CHECK_BYTES	8u
#define CHECK_DIGITS	(2u * CHECK_BYTES)
/* {"check":"0123456789abcdef", */
#define BODY_AT	       (BEGINNING_BYTES + CHECK_DIGITS + 2)
#define DEPTH_MAX      8
#define RECEIPT_SCHEMA "spoolguard.job/1"
#define PLAIN	       (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static const char *const state_names[] = {
	[LEDGER_BEGUN] = "begun",
	[LEDGER_SEEN] = "seen",
	[LEDGER_HELD] = "held",
	[LEDGER_RETIRING] = "retiring",
	[LEDGER_RETIRED] = "retired",
	[LEDGER_FAILED] = "failed",
};

const char *ledger_state_text(enum ledger_state state)
{
	return state_names[state];
}

void ledger_job_done(struct ledger_job *job)
{
	json_object_put(job->receipt);
	free(job->document);
	free(job->signature);
	job->receipt = NULL;
	job->document = job->signature = NULL;
}

void ledger_record_done(struct ledger_record *record)
{
	ledger_job_done(&record->job);
	free(record->sealed.bytes);
	*record = (struct ledger_record){.kind = LEDGER_KIND_HEAD};
}

/* --- encode --- */

static void add_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_job(struct json_object *object, const struct ledger_job *job)
{
	add_text(object, "kind", "job");
	add_u64(object, "job", job->number);
	add_text(object, "source", job->source);
	add_text(object, "id", job->id);
	add_text(object, "volume", job->volume);
	add_u64(object, "uid", job->uid);
	add_text(object, "state", ledger_state_text(job->state));
	json_object_object_add(object, "seen", json_object_new_int64(job->seen_wall_s));
	json_object_object_add(object, "changed", json_object_new_int64(job->changed_wall_s));
	add_u64(object, "attempts", job->attempts);
	add_u64(object, "files", job->file_count);
	if (job->why[0])
		add_text(object, "why", job->why);
	if (job->digests.user[0])
		add_text(object, "user_digest", job->digests.user);
	if (job->digests.title[0])
		add_text(object, "title_digest", job->digests.title);
	if (job->document) {
		add_text(object, "document", job->document);
		add_text(object, "signature", job->signature);
	} else if (job->receipt) {
		json_object_object_add(object, "receipt", json_object_get(job->receipt));
	}
}

static int add_sealed(struct json_object *object, const struct ledger_sealed *sealed)
{
	char salt[2 * LEDGER_SALT_BYTES + 1], *text = malloc(2 * sealed->size + 1);

	if (!text)
		return -ENOMEM;
	add_text(object, "kind", "files");
	add_u64(object, "job", sealed->number);
	add_text(object, "volume", sealed->volume);
	add_u64(object, "count", sealed->count);
	add_text(object, "salt", hex_encode(sealed->salt, sizeof(sealed->salt), salt));
	add_u64(object, "nonce", sealed->nonce);
	add_text(object, "sealed", hex_encode(sealed->bytes, sealed->size, text));
	free(text);
	return 0;
}

static int check_of(const char *body, size_t bytes, char ret_digits[static CHECK_DIGITS + 1])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(body, bytes, digest);

	if (r < 0)
		return r;
	(void)hex_encode(digest, CHECK_BYTES, ret_digits);
	return 0;
}

/* text: the object without its check. */
static int finish_line(const char *text, char **ret_line)
{
	size_t body_bytes = strlen(text) - 1; /* without the brace that opens it */
	char *line, *at;
	int r;

	if (BODY_AT + body_bytes + 1 > LEDGER_LINE_BYTES_MAX)
		return -EMSGSIZE;
	line = malloc(BODY_AT + body_bytes + 2);
	if (!line)
		return -ENOMEM;
	at = stpcpy(line, LEDGER_LINE_BEGINNING);
	r = check_of(text + 1, body_bytes, at);
	if (r < 0) {
		free(line);
		return r;
	}
	at = stpcpy(at + CHECK_DIGITS, "\",");
	at = stpcpy(at, text + 1);
	strcpy(at, "\n");
	*ret_line = line;
	return 0;
}

static struct json_object *parse(const char *line, size_t bytes)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object = NULL;

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

static bool can_be_read(const char *line, const char *document)
{
	struct json_object *object = parse(line, strlen(line) - 1);
	struct json_object *inner =
		document && document[0] ? parse(document, strlen(document) - 1) : NULL;
	bool can = object && (inner || !document);

	json_object_put(object);
	json_object_put(inner);
	return can;
}

int ledger_record_encode(const struct ledger_record *record, char **ret_line)
{
	struct json_object *object = json_object_new_object();
	const char *text;
	int r = object ? 0 : -ENOMEM;

	if (r >= 0 && record->kind == LEDGER_KIND_HEAD) {
		add_text(object, "kind", "head");
		add_u64(object, "version", LEDGER_VERSION);
		add_u64(object, "next", record->head.next);
		add_u64(object, "retired", record->head.retired);
	} else if (r >= 0 && record->kind == LEDGER_KIND_JOB) {
		add_job(object, &record->job);
	} else if (r >= 0) {
		r = add_sealed(object, &record->sealed);
	}
	text = r >= 0 ? json_object_to_json_string_ext(object, PLAIN) : NULL;
	if (r >= 0)
		r = text ? finish_line(text, ret_line) : -ENOMEM;
	/* A receipt is the caller's: a line that cannot be read again would be a job that is lost.
	 */
	if (r >= 0 && record->kind == LEDGER_KIND_JOB &&
		!can_be_read(*ret_line, record->job.document)) {
		free(*ret_line);
		r = -EINVAL;
	}
	json_object_put(object);
	return r;
}

/* --- decode --- */

bool ledger_record_is_whole(const char *line, size_t bytes)
{
	char digits[CHECK_DIGITS + 1];

	return bytes > BODY_AT && bytes < LEDGER_LINE_BYTES_MAX &&
	       memcmp(line, LEDGER_LINE_BEGINNING, BEGINNING_BYTES) == 0 &&
	       memcmp(line + BODY_AT - 2, "\",", 2) == 0 &&
	       check_of(line + BODY_AT, bytes - BODY_AT, digits) >= 0 &&
	       memcmp(line + BEGINNING_BYTES, digits, CHECK_DIGITS) == 0;
}

static bool get_time(struct json_object *object, const char *key, int64_t *ret_wall_s)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_int))
		return false;
	*ret_wall_s = json_object_get_int64(value);
	return true;
}

/* A text that fits; NULs in it are no text. */
static bool get_text(struct json_object *object, const char *key, char *to, size_t to_bytes)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_string) ||
		(size_t)json_object_get_string_len(value) >= to_bytes ||
		strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
		return false;
	strcpy(to, json_object_get_string(value));
	return true;
}

static bool get_at_most(
	struct json_object *object, const char *key, uint64_t most, uint64_t *ret_value)
{
	return message_get_u64(object, key, ret_value) && *ret_value <= most;
}

static bool get_state(struct json_object *object, enum ledger_state *ret_state)
{
	const char *text;

	if (!message_get_string(object, "state", &text))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++) {
		if (strcmp(text, state_names[i]) == 0) {
			*ret_state = (enum ledger_state)i;
			return true;
		}
	}
	return false;
}

/* The text ends with a newline (audit/document.h). */
static int take_document(struct json_object *object, struct ledger_job *job)
{
	struct json_object *document, *signature;
	size_t bytes;

	if (!json_object_object_get_ex(object, "document", &document))
		return 0;
	if (!json_object_is_type(document, json_type_string) ||
		!json_object_object_get_ex(object, "signature", &signature) ||
		!json_object_is_type(signature, json_type_string) || job->receipt)
		return -EBADMSG;
	bytes = (size_t)json_object_get_string_len(document);
	if (bytes == 0 || strlen(json_object_get_string(document)) != bytes)
		return -EBADMSG;
	job->receipt = parse(json_object_get_string(document), bytes - 1);
	if (!job->receipt)
		return -EBADMSG;
	add_text(job->receipt, "schema", RECEIPT_SCHEMA);
	job->document = strdup(json_object_get_string(document));
	job->signature = strdup(json_object_get_string(signature));
	return job->document && job->signature ? 0 : -ENOMEM;
}

static int take_job(struct json_object *object, struct ledger_job *job)
{
	uint64_t uid, attempts, files;
	struct json_object *receipt;

	if (!message_get_u64(object, "job", &job->number) || job->number == 0 ||
		!get_text(object, "source", job->source, sizeof(job->source)) ||
		!get_text(object, "id", job->id, sizeof(job->id)) ||
		!get_text(object, "volume", job->volume, sizeof(job->volume)) ||
		!get_at_most(object, "uid", UINT32_MAX, &uid) || !get_state(object, &job->state) ||
		!get_time(object, "seen", &job->seen_wall_s) ||
		!get_time(object, "changed", &job->changed_wall_s) ||
		!get_at_most(object, "attempts", UINT32_MAX, &attempts) ||
		!get_at_most(object, "files", LEDGER_FILES_MAX, &files))
		return -EBADMSG;
	job->uid = (uid_t)uid;
	job->attempts = (uint32_t)attempts;
	job->file_count = (size_t)files;
	if (!get_text(object, "why", job->why, sizeof(job->why)) &&
		json_object_object_get_ex(object, "why", NULL))
		return -EBADMSG;
	/* What is no digest is none. */
	(void)get_text(object, "user_digest", job->digests.user, sizeof(job->digests.user));
	(void)get_text(object, "title_digest", job->digests.title, sizeof(job->digests.title));
	if (json_object_object_get_ex(object, "receipt", &receipt)) {
		if (!json_object_is_type(receipt, json_type_object))
			return -EBADMSG;
		job->receipt = json_object_get(receipt);
	}
	return take_document(object, job);
}

static int take_sealed(struct json_object *object, struct ledger_sealed *sealed)
{
	const char *salt, *text;
	uint64_t count;

	if (!message_get_u64(object, "job", &sealed->number) || sealed->number == 0 ||
		!get_text(object, "volume", sealed->volume, sizeof(sealed->volume)) ||
		!get_at_most(object, "count", LEDGER_FILES_MAX, &count) || count == 0 ||
		!message_get_u64(object, "nonce", &sealed->nonce) ||
		!message_get_string(object, "salt", &salt) ||
		!message_get_string(object, "sealed", &text) ||
		hex_decode(salt, strlen(salt), sealed->salt, sizeof(sealed->salt)) < 0)
		return -EBADMSG;
	sealed->count = (size_t)count;
	sealed->size = strlen(text) / 2;
	if (sealed->size <= AEAD_TAG_BYTES || sealed->size > LEDGER_SEALED_MAX)
		return -EBADMSG;
	sealed->bytes = malloc(sealed->size);
	if (!sealed->bytes)
		return -ENOMEM;
	return hex_decode(text, strlen(text), sealed->bytes, sealed->size) < 0 ? -EBADMSG : 0;
}

static int take_head(struct json_object *object, struct ledger_head *head)
{
	uint64_t version;

	if (!message_get_u64(object, "version", &version))
		return -EBADMSG;
	if (version > LEDGER_VERSION)
		return -EPROTONOSUPPORT;
	return message_get_u64(object, "next", &head->next) && head->next > 0 &&
			       message_get_u64(object, "retired", &head->retired)
		       ? 0
		       : -EBADMSG;
}

static int take(struct json_object *object, struct ledger_record *record)
{
	const char *kind;

	if (!message_get_string(object, "kind", &kind))
		return -EBADMSG;
	if (strcmp(kind, "head") == 0) {
		record->kind = LEDGER_KIND_HEAD;
		return take_head(object, &record->head);
	}
	if (strcmp(kind, "job") == 0) {
		record->kind = LEDGER_KIND_JOB;
		return take_job(object, &record->job);
	}
	if (strcmp(kind, "files") == 0) {
		record->kind = LEDGER_KIND_FILES;
		return take_sealed(object, &record->sealed);
	}
	return -EPROTONOSUPPORT;
}

int ledger_record_decode(const char *line, size_t bytes, struct ledger_record *ret_record)
{
	struct ledger_record record = {.kind = LEDGER_KIND_HEAD};
	struct json_object *object;
	int r;

	if (!ledger_record_is_whole(line, bytes))
		return -EBADMSG;
	object = parse(line, bytes);
	r = object ? take(object, &record) : -EBADMSG;
	json_object_put(object);
	if (r < 0) {
		ledger_record_done(&record);
		return r;
	}
	*ret_record = record;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/receipt.h"
#include "attached/medium_report.h"
#include "audit/document.h"
#include "base/build_id.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "ipc/fields.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void receipt_signed_done(struct receipt_signed *receipt)
{
	free(receipt->document);
	free(receipt->signature);
	*receipt = (struct receipt_signed){.document = NULL};
}

/* Not noted: it is open with it. */
static const char *key_state_of(struct device_keys *keys, const char *uuid)
{
	char name[DEVICE_KEYS_NAME_BYTES];
	enum device_key_state state = DEVICE_KEY_ACTIVE;
	struct device_key_change *all;
	size_t count;

	if (device_keys_states(keys, &all, &count) < 0)
		return NULL;
	snprintf(name, sizeof(name), "volume %s", uuid);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].key, name) == 0)
			state = all[i].state;
	}
	free(all);
	return device_key_state_name(state);
}

int receipt_frame_init(struct receipt_frame *frame, struct device_keys *keys, struct events *events,
	const struct runtime_state *volume)
{
	struct receipt_frame made = {.keys = keys};
	int r;

	if (!keys)
		return -ENOKEY;
	r = events_position(events, &made.position);
	if (r < 0)
		return r;
	made.key_state = key_state_of(keys, volume->uuid);
	if (medium_report_get(volume, MEDIUM_NOT_ASSESSED, NULL, &made.medium) < 0)
		made.medium = NULL;
	*frame = made;
	return 0;
}

void receipt_frame_done(struct receipt_frame *frame)
{
	json_object_put(frame->medium);
	frame->medium = NULL;
}

static void add_position(struct json_object *receipt, const struct audit_position *position)
{
	struct json_object *log = json_object_new_object();

	fields_add_string(log, "id", position->log);
	fields_add_u64(log, "segment", position->segment);
	fields_add_u64(log, "sequence", position->sequence);
	fields_add_string(log, "sha256", position->sha256);
	json_object_object_add(receipt, "log", log);
}

static void add_medium(struct json_object *receipt, struct json_object *report)
{
	static const char *const members[] = {"class", "overwrite", "reason", "clause"};
	struct json_object *verdict, *value;

	if (!report)
		return;
	verdict = json_object_new_object();
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (json_object_object_get_ex(report, members[i], &value))
			json_object_object_add(verdict, members[i], json_object_get(value));
	}
	json_object_object_add(receipt, "media_verdict", verdict);
	if (json_object_object_get_ex(report, "drive", &value))
		json_object_object_add(receipt, "drive", json_object_get(value));
}

static int add_frame(struct json_object *receipt, const struct receipt_frame *frame, const char *id)
{
	char device[MINISIGN_FINGERPRINT_BYTES], build[BUILD_ID_BYTES];
	int r;

	r = minisign_fingerprint(device_keys_public(frame->keys), device);
	if (r < 0)
		return r;
	/* What is there already keeps its place: the schema stays the first. */
	fields_add_string(receipt, "schema", RECEIPT_SCHEMA "/1");
	fields_add_string(receipt, "receipt", id);
	fields_add_string(receipt, "device", device);
	add_position(receipt, &frame->position);
	if (frame->key_state)
		fields_add_string(receipt, "key_state", frame->key_state);
	add_medium(receipt, frame->medium);
	fields_add_string(receipt, "version", SPOOLGUARD_VERSION);
	fields_add_string(receipt, "build", build_id(build));
	return 0;
}

/* R1: also what a fault of the machine would make of it. */
static int verify(const struct receipt_signed *receipt, const struct minisign_key *key)
{
	struct json_object *object;
	int r;

	r = document_verify(receipt->document, strlen(receipt->document), receipt->signature,
		strlen(receipt->signature), key, RECEIPT_SCHEMA, &object, NULL);
	if (r < 0)
		return r;
	json_object_put(object);
	return 0;
}

static int sign(struct json_object *receipt, struct device_keys *keys, struct receipt_signed *made)
{
	uint8_t digest[SHA256_BYTES];
	char comment[80];
	int r;

	r = document_encode(receipt, &made->document);
	if (r < 0)
		return r;
	snprintf(comment, sizeof(comment), "spoolguard " RECEIPT_SCHEMA "/1 %s", made->id);
	r = hash_sha256(made->document, strlen(made->document), digest);
	if (r >= 0)
		r = device_keys_sign(
			keys, made->document, strlen(made->document), comment, &made->signature);
	if (r < 0)
		return r;
	(void)hex_encode(digest, sizeof(digest), made->sha256);
	return verify(made, device_keys_public(keys));
}

int receipt_sign(struct json_object *receipt, const struct receipt_frame *frame,
	struct receipt_signed *ret_signed)
{
	struct receipt_signed made = {.document = NULL};
	uint8_t id[(RECEIPT_ID_BYTES - 1) / 2];
	int r;

	r = random_bytes(id, sizeof(id));
	if (r < 0)
		return r;
	(void)hex_encode(id, sizeof(id), made.id);
	r = add_frame(receipt, frame, made.id);
	if (r >= 0)
		r = sign(receipt, frame->keys, &made);
	if (r < 0) {
		receipt_signed_done(&made);
		return r;
	}
	*ret_signed = made;
	return 0;
}

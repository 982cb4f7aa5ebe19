/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_header.c - what libcryptsetup knows of a header and tells only as JSON
 *
 * libcryptsetup has validated the text; a field that is missing all the same
 * reads as NULL.
 */
#include "keystore/keystore_impl.h"
#include <stdio.h>

struct json_object *keystore_header_json(const struct keystore *keystore)
{
	const char *text = NULL;

	if (crypt_dump_json(keystore->cd, &text, 0) < 0 || !text)
		return NULL;
	return json_tokener_parse(text);
}

const char *keystore_header_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* A digest without segments belongs to a key that is bound to nothing. */
const char *keystore_header_digest(struct json_object *header)
{
	struct json_object *digests, *segments;

	if (!json_object_object_get_ex(header, "digests", &digests))
		return NULL;
	json_object_object_foreach(digests, number, digest)
	{
		(void)number;
		if (json_object_object_get_ex(digest, "segments", &segments) &&
			json_object_array_length(segments) > 0)
			return keystore_header_text(digest, "digest");
	}
	return NULL;
}

const char *keystore_header_slot_salt(struct json_object *header, int slot)
{
	struct json_object *slots, *entry, *kdf;
	char number[16];

	snprintf(number, sizeof(number), "%d", slot);
	if (!json_object_object_get_ex(header, "keyslots", &slots) ||
		!json_object_object_get_ex(slots, number, &entry) ||
		!json_object_object_get_ex(entry, "kdf", &kdf))
		return NULL;
	return keystore_header_text(kdf, "salt");
}

struct json_object *keystore_header_segment(struct json_object *header)
{
	struct json_object *segments, *first = NULL;

	if (!json_object_object_get_ex(header, "segments", &segments) ||
		json_object_object_length(segments) != 1)
		return NULL;
	json_object_object_foreach(segments, number, segment)
	{
		(void)number;
		first = segment;
	}
	return first;
}

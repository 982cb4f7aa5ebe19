/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/document.h"
#include "base/hex.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX     32
#define PLAIN	      (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define VERSION_KNOWN "/1"

/* "schema" comes first, so that whoever looks at the file's beginning knows what it is. */
static const char *schema_of(struct json_object *object)
{
	struct json_object_iterator at, end;

	if (!json_object_is_type(object, json_type_object))
		return NULL;
	at = json_object_iter_begin(object);
	end = json_object_iter_end(object);
	if (json_object_iter_equal(&at, &end) ||
		strcmp(json_object_iter_peek_name(&at), "schema") != 0 ||
		!json_object_is_type(json_object_iter_peek_value(&at), json_type_string))
		return NULL;
	return json_object_get_string(json_object_iter_peek_value(&at));
}

int document_encode(struct json_object *object, char **ret_text)
{
	const char *text;

	if (!schema_of(object))
		return -EINVAL;
	text = json_object_to_json_string_ext(object, PLAIN);
	if (!text)
		return -ENOMEM;
	if (strlen(text) + 1 > DOCUMENT_BYTES_MAX)
		return -EFBIG;
	return asprintf(ret_text, "%s\n", text) < 0 ? -ENOMEM : 0;
}

/* The bytes are the device's by now; what is parsed is all of them. */
static int parse(const char *text, size_t bytes, struct json_object **ret_object)
{
	struct json_tokener *tokener;
	struct json_object *object;
	bool whole;

	if (bytes == 0 || text[bytes - 1] != '\n' || memchr(text, '\0', bytes))
		return -EINVAL;
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)bytes - 1);
	whole = object && json_tokener_get_parse_end(tokener) == bytes - 1 && schema_of(object);
	json_tokener_free(tokener);
	if (!whole) {
		json_object_put(object);
		return -EINVAL;
	}
	*ret_object = object;
	return 0;
}

/* "spoolguard.receipt/1", and "/1.3": a minor version only adds members. */
static int check_schema(
	struct json_object *object, const char *wanted, struct problem *reterr_problem)
{
	const char *schema = schema_of(object);
	const size_t name = strlen(wanted), version = strlen(VERSION_KNOWN);

	if (strncmp(schema, wanted, name) != 0 || schema[name] != '/')
		return problem_set(reterr_problem, -EPROTONOSUPPORT,
			"it is a %.80s of the device, and no %s", schema, wanted);
	if (strncmp(schema + name, VERSION_KNOWN, version) != 0 ||
		(schema[name + version] != '\0' && schema[name + version] != '.'))
		return problem_set(reterr_problem, -EPROTONOSUPPORT,
			"it is of a newer version (%.80s); use a newer spoolguard", schema);
	return 0;
}

static int say_signature(int error, const char *signature, size_t signature_bytes,
	const struct minisign_key *trusted, struct problem *reterr_problem)
{
	char by[2 * MINISIGN_ID_BYTES + 1] = "?", wanted[2 * MINISIGN_ID_BYTES + 1];
	uint8_t id[MINISIGN_ID_BYTES];

	hex_encode(trusted->id, sizeof(trusted->id), wanted);
	if (minisign_signature_id(signature, signature_bytes, id) >= 0)
		hex_encode(id, sizeof(id), by);
	if (error == -ENOKEY)
		return problem_set(reterr_problem, error,
			"another device's: it is signed by key %s, trusted is %s", by, wanted);
	if (error == -EBADMSG)
		return problem_set(reterr_problem, error,
			"changed: the signature does not fit what it says, or is not by the "
			"trusted key");
	if (error == -EINVAL)
		return problem_set(reterr_problem, error, "its signature is none of minisign's");
	return problem_set(reterr_problem, error, "%s", strerror(-error));
}

int document_verify(const char *text, size_t bytes, const char *signature, size_t signature_bytes,
	const struct minisign_key *trusted, const char *schema, struct json_object **ret_object,
	struct problem *reterr_problem)
{
	struct json_object *object;
	int r;

	if (bytes > DOCUMENT_BYTES_MAX)
		return problem_set(
			reterr_problem, -EFBIG, "it is too long to be a document of spoolguard");
	r = minisign_verify(trusted, text, bytes, signature, signature_bytes, NULL, 0);
	if (r < 0)
		return say_signature(r, signature, signature_bytes, trusted, reterr_problem);
	r = parse(text, bytes, &object);
	if (r < 0)
		return problem_set(reterr_problem, r,
			r == -EINVAL ? "the device signed it, but it is no document of spoolguard"
				     : "not enough memory");
	r = check_schema(object, schema, reterr_problem);
	if (r < 0) {
		json_object_put(object);
		return r;
	}
	*ret_object = object;
	return 0;
}

static int read_all(const char *path, size_t max, char **ret_text, size_t *ret_bytes,
	struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	int r;

	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	text = malloc(max);
	if (!text)
		return problem_set(reterr_problem, -ENOMEM, "%s: not enough memory", path);
	r = io_read_to_end(fd, text, max, ret_bytes);
	if (r < 0) {
		free(text);
		return problem_set(reterr_problem, r, "%s: %s", path,
			r == -EFBIG ? "it is too long to be what it should be" : strerror(-r));
	}
	*ret_text = text;
	return 0;
}

void document_done(struct document *document)
{
	free(document->text);
	free(document->signature);
	*document = (struct document){.text = NULL};
}

int document_load(const char *path, const char *signature_path, struct document *ret_document,
	struct problem *reterr_problem)
{
	struct document document = {.text = NULL};
	char beside[PATH_MAX];
	int r;

	r = snprintf(beside, sizeof(beside), "%s.minisig", path);
	if (r < 0 || r >= (int)sizeof(beside))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%.200s...: %s", path,
			strerror(ENAMETOOLONG));
	r = read_all(path, DOCUMENT_BYTES_MAX, &document.text, &document.bytes, reterr_problem);
	if (r >= 0)
		r = read_all(signature_path ? signature_path : beside, MINISIGN_TEXT_MAX,
			&document.signature, &document.signature_bytes, reterr_problem);
	if (r < 0) {
		document_done(&document);
		return r;
	}
	*ret_document = document;
	return 0;
}

int document_read(const char *path, const char *signature_path, const struct minisign_key *trusted,
	const char *schema, struct json_object **ret_object, struct problem *reterr_problem)
{
	struct document document = {.text = NULL};
	struct problem problem = {""};
	int r;

	r = document_load(path, signature_path, &document, reterr_problem);
	if (r < 0)
		return r;
	r = document_verify(document.text, document.bytes, document.signature,
		document.signature_bytes, trusted, schema, ret_object, &problem);
	document_done(&document);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s: %.500s", path, problem_text(&problem, r));
	return 0;
}

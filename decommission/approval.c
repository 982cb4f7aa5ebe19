/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is signed is the request's bytes; that it is for this drive and this plan is found by making
 * the request anew from the record, with the times that it names: one byte that differs is another
 * plan (Q2).
 */
#include "decommission/approval.h"
#include "audit/document.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCHEMA		  "spoolguard.decommission-request/1"
#define LIST_BYTES_MAX	  (64u << 10)
#define APPROVERS_MAX	  64u
#define UNTRUSTED	  "untrusted comment: "
#define CLOCK_TOLERANCE_S 300 /* between two machines' clocks */
#define DEPTH_MAX	  8

/* --- the list of approvers --- */

struct list {
	struct minisign_key *keys; /* owned */
	char (*names)[RECORD_TEXT_BYTES];
	size_t count;
};

static int add_approver(struct list *list, const char *comment, const char *line)
{
	struct minisign_key key, *keys;
	char(*names)[RECORD_TEXT_BYTES];
	int r;

	r = minisign_key_decode(line, strlen(line), &key);
	if (r < 0)
		return r;
	if (list->count == APPROVERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < list->count; i++) {
		if (memcmp(list->keys[i].public_key, key.public_key, sizeof(key.public_key)) == 0)
			return -EEXIST;
	}
	keys = realloc(list->keys, (list->count + 1) * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	list->keys = keys;
	names = realloc(list->names, (list->count + 1) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	list->names = names;
	keys[list->count] = key;
	snprintf(names[list->count], RECORD_TEXT_BYTES, "%s", comment);
	list->count++;
	return 0;
}

static const char *why_no_approver(int error)
{
	switch (error) {
	case -EEXIST:
		return "it is in the list already, and one key is one person";
	case -E2BIG:
		return "there are too many";
	case -ENODATA:
		return "no \"untrusted comment: NAME\" stands before it, so that nobody knows "
		       "whose "
		       "it is";
	default:
		return "it is no minisign public key";
	}
}

/* text: changed. */
static int parse_list(char *text, const char *path, struct list *list, struct problem *problem)
{
	const char *comment = NULL;
	unsigned int number = 0;
	char *rest = text, *line;
	int r;

	while ((line = strsep(&rest, "\n"))) {
		number++;
		if (strncmp(line, UNTRUSTED, strlen(UNTRUSTED)) == 0) {
			comment = line + strlen(UNTRUSTED);
			continue;
		}
		if (!*line || *line == '#')
			continue;
		r = comment && *comment ? add_approver(list, comment, line) : -ENODATA;
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return problem_set(problem, r == -EINVAL ? -EBADMSG : r,
				"%s, line %u: %s; take that line out, or mend it", path, number,
				why_no_approver(r));
		comment = NULL;
	}
	if (list->count == 0)
		return problem_set(problem, -ENODATA,
			"%s lists no approver: put the minisign public keys of those who may "
			"approve "
			"there, each behind \"untrusted comment: NAME\"",
			path);
	return 0;
}

int approval_list_load(
	const char *path, struct approval_policy *ret_policy, struct problem *reterr_problem)
{
	_cleanup_free_ char *text = malloc(LIST_BYTES_MAX + 1);
	_cleanup_close_ int fd = -1;
	struct list list = {.count = 0};
	size_t bytes;
	int r;

	if (!text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	r = fd < 0 ? -errno : io_read_to_end(fd, text, LIST_BYTES_MAX, &bytes);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the list of approvers %s cannot be read: %s; nothing is approved without "
			"it",
			path, strerror(-r));
	text[bytes] = '\0';
	r = strlen(text) != bytes ? problem_set(reterr_problem, -EBADMSG,
					    "the list of approvers %s is no text", path)
				  : parse_list(text, path, &list, reterr_problem);
	if (r < 0) {
		free(list.keys);
		free(list.names);
		return r;
	}
	*ret_policy = (struct approval_policy){.required = 1,
		.window_s = APPROVAL_WINDOW_S,
		.approvers = list.keys,
		.approver_count = list.count,
		.names = (const char(*)[RECORD_TEXT_BYTES])list.names};
	return 0;
}

void approval_list_done(struct approval_policy *policy)
{
	void *keys, *names;

	memcpy(&keys, &policy->approvers, sizeof(keys));
	memcpy(&names, &policy->names, sizeof(names));
	free(keys);
	free(names);
	*policy = (struct approval_policy){.required = 0};
}

/* --- the request --- */

static int add(struct json_object *object, const char *key, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(object, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int add_text(struct json_object *object, const char *key, const char *text)
{
	return add(object, key, json_object_new_string(text));
}

static int add_number(struct json_object *object, const char *key, int64_t number)
{
	return add(object, key, json_object_new_int64(number));
}

static int add_drive(struct json_object *object, const struct record *record)
{
	struct json_object *drive = json_object_new_object();
	int r = add(object, "drive", drive);

	if (r >= 0)
		r = add_text(drive, "serial", record->identity.serial);
	if (r >= 0)
		r = add(drive, "serial_is_stand_in",
			json_object_new_boolean(record->identity.is_stand_in));
	if (r >= 0)
		r = add_text(drive, "wwn", record->wwn);
	if (r >= 0)
		r = add_text(drive, "model", record->model);
	return r < 0 ? r : add_number(drive, "bytes", (int64_t)record->identity.bytes);
}

static int add_volumes(struct json_object *object, const struct record *record)
{
	struct json_object *list = json_object_new_array();
	int r = add(object, "volumes", list);

	for (uint32_t i = 0; i < record->volume_count && r >= 0; i++) {
		struct json_object *uuid = json_object_new_string(record->volumes[i].uuid);

		r = uuid ? 0 : -ENOMEM;
		if (r >= 0)
			r = json_object_array_add(list, uuid) == 0 ? 0 : -ENOMEM;
	}
	return r;
}

/* A step that is not to be done is part of what is approved. */
static int add_steps(struct json_object *object, const struct record *record)
{
	struct json_object *steps = json_object_new_object();
	int r = add(object, "steps", steps);

	for (int i = 0; i < RECORD_STEPS && r >= 0; i++)
		r = add(steps, record_step_name((enum record_step)i),
			json_object_new_boolean(record->steps[i].state != RECORD_SKIPPED &&
						record->steps[i].state != RECORD_NOT_NEEDED));
	return r;
}

static int add_what(struct json_object *object, const struct record *record)
{
	int r = add_drive(object, record);

	if (r >= 0)
		r = add_volumes(object, record);
	if (r >= 0)
		r = add_steps(object, record);
	if (r >= 0)
		r = add_text(object, "scheme", record->overwrite.scheme);
	if (r >= 0)
		r = add_text(object, "verify", record_verify_name(record->overwrite.verify));
	return r < 0 ? r
		     : add(object, "this_machine", json_object_new_boolean(record->this_machine));
}

static int add_who(struct json_object *object, const struct record *record)
{
	struct json_object *who = json_object_new_object();
	int r = add(object, "requested_by", who);

	if (r >= 0)
		r = add_text(who, "name", record->operator_.name);
	if (r >= 0)
		r = add_text(who, "organization", record->operator_.organization);
	return r < 0 ? r : add_number(who, "uid", (int64_t)(int32_t)record->operator_.uid);
}

static int add_time(struct json_object *object, const char *key, const char *key_s, int64_t wall_s)
{
	char text[CLOCK_RFC3339_BYTES];
	int r = add_text(object, key, clock_rfc3339(wall_s, text));

	return r < 0 ? r : add_number(object, key_s, wall_s);
}

static int fill(struct json_object *object, const struct record *record, int64_t now_wall_s,
	uint32_t window_s)
{
	int r = add_text(object, "schema", SCHEMA);

	if (r >= 0)
		r = add_text(object, "id", record->id);
	if (r >= 0)
		r = add_what(object, record);
	if (r >= 0)
		r = add_who(object, record);
	if (r >= 0)
		r = add_text(object, "host", record->host);
	if (r >= 0)
		r = add_time(object, "requested", "requested_wall_s", now_wall_s);
	return r < 0 ? r : add_time(object, "expires", "expires_wall_s", now_wall_s + window_s);
}

int approval_request(
	const struct record *record, int64_t now_wall_s, uint32_t window_s, char **ret_text)
{
	struct json_object *object = json_object_new_object();
	int r;

	if (!object)
		return -ENOMEM;
	r = fill(object, record, now_wall_s, window_s);
	if (r >= 0)
		r = document_encode(object, ret_text);
	json_object_put(object);
	return r;
}

/* --- an approval --- */

/* Only its times are taken from it; all else is compared. */
static int read_times(const char *request, size_t bytes, int64_t *ret_asked, int64_t *ret_until)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object, *asked, *until;
	int r = -EBADMSG;

	if (!tokener)
		return -ENOMEM;
	object = bytes <= DOCUMENT_BYTES_MAX ? json_tokener_parse_ex(tokener, request, (int)bytes)
					     : NULL;
	if (json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, "requested_wall_s", &asked) &&
		json_object_is_type(asked, json_type_int) &&
		json_object_object_get_ex(object, "expires_wall_s", &until) &&
		json_object_is_type(until, json_type_int)) {
		*ret_asked = json_object_get_int64(asked);
		*ret_until = json_object_get_int64(until);
		r = *ret_asked > 0 && *ret_until >= *ret_asked &&
				    *ret_until - *ret_asked <= UINT32_MAX
			    ? 0
			    : -EBADMSG;
	}
	json_object_put(object);
	json_tokener_free(tokener);
	return r;
}

static int check_same(const struct record *record, const char *request, size_t bytes, int64_t asked,
	int64_t until, struct problem *reterr_problem)
{
	_cleanup_free_ char *again = NULL;
	int r;

	r = approval_request(record, asked, (uint32_t)(until - asked), &again);
	if (r < 0)
		return r;
	if (strlen(again) != bytes || memcmp(again, request, bytes) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"that request is not for this drive and this plan (id %s, serial %s): sign "
			"the "
			"request of this one",
			record->id, record->identity.serial);
	return 0;
}

static int check_window(int64_t now, int64_t asked, int64_t until, struct problem *reterr_problem)
{
	char text[CLOCK_RFC3339_BYTES];

	if (now > until)
		return problem_set(reterr_problem, -ETIME,
			"too late: the request could be approved until %s; run the decommissioning "
			"again, which makes a new one",
			clock_rfc3339(until, text));
	if (now < asked - CLOCK_TOLERANCE_S)
		return problem_set(reterr_problem, -ETIME,
			"the request is from %s, and this clock is before that: set the clock "
			"right",
			clock_rfc3339(asked, text));
	return 0;
}

/* Whose it is, of the list, by its signature and nothing else. */
static int find_signer(const char *request, size_t bytes, const char *signature,
	size_t signature_bytes, const struct approval_policy *policy, size_t *ret_who,
	char comment[static MINISIGN_COMMENT_BYTES], struct problem *reterr_problem)
{
	uint8_t id[MINISIGN_ID_BYTES];
	char text[2 * MINISIGN_ID_BYTES + 1];
	bool listed = false;

	if (minisign_signature_id(signature, signature_bytes, id) < 0)
		return problem_set(reterr_problem, -EKEYREJECTED,
			"that is no minisign signature: sign the request with \"minisign -S\"");
	for (size_t i = 0; i < policy->approver_count; i++) {
		if (memcmp(policy->approvers[i].id, id, sizeof(id)) != 0)
			continue;
		listed = true;
		if (minisign_verify(&policy->approvers[i], request, bytes, signature,
			    signature_bytes, comment, MINISIGN_COMMENT_BYTES) == 0) {
			*ret_who = i;
			return 0;
		}
	}
	hex_encode(id, sizeof(id), text);
	return problem_set(reterr_problem, -EKEYREJECTED,
		listed ? "the signature by key %s is not of this request: it was forged, or "
			 "another "
			 "request was signed"
		       : "the key %s is not in the list of approvers: its owner cannot approve",
		text);
}

/* When it was signed, as its signer says in the comment that the signature covers; 0: not said. */
static int64_t signed_at(const char *comment)
{
	const char *at = strstr(comment, "timestamp:");
	long long wall_s = 0;

	if (!at || sscanf(at, "timestamp:%18lld", &wall_s) != 1)
		return 0;
	return wall_s;
}

static bool is_requester(const struct record *record, const char *name)
{
	return record->operator_.name[0] && strcasecmp(record->operator_.name, name) == 0;
}

static int add_approval(struct record *record, const struct minisign_key *key, const char *name,
	int64_t wall_s, const char *request, size_t bytes, struct problem *reterr_problem)
{
	struct record_approval approval = {.person = {.uid = (uid_t)-1}, .signed_wall_s = wall_s};
	uint8_t digest[SHA256_BYTES];
	int r;

	r = minisign_fingerprint(key, approval.fingerprint);
	if (r >= 0)
		r = hash_sha256(request, bytes, digest);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < record->approval_count; i++) {
		if (strcmp(record->approvals[i].fingerprint, approval.fingerprint) == 0)
			return problem_set(reterr_problem, -EEXIST,
				"%s has approved this already, and one key counts once", name);
	}
	if (record->approval_count == RECORD_APPROVALS_MAX)
		return problem_set(reterr_problem, -E2BIG, "there are %u approvals already",
			RECORD_APPROVALS_MAX);
	snprintf(approval.person.name, sizeof(approval.person.name), "%s", name);
	hex_encode(key->id, sizeof(key->id), approval.key_id);
	hex_encode(digest, sizeof(digest), approval.statement_sha256);
	record->approvals[record->approval_count++] = approval;
	return 0;
}

int approval_accept(struct record *record, const char *request, size_t request_bytes,
	const char *signature, size_t signature_bytes, const struct approval_policy *policy,
	int64_t now_wall_s, struct problem *reterr_problem)
{
	char comment[MINISIGN_COMMENT_BYTES] = "";
	int64_t asked, until, wall_s;
	size_t who = 0;
	int r;

	r = read_times(request, request_bytes, &asked, &until);
	if (r == -EBADMSG)
		return problem_set(reterr_problem, r,
			"that is no request of a decommissioning, or it is damaged: run the "
			"decommissioning again, which makes a new one");
	if (r >= 0)
		r = check_same(record, request, request_bytes, asked, until, reterr_problem);
	if (r >= 0 && until - asked > policy->window_s)
		r = problem_set(reterr_problem, -EBADMSG,
			"the request gives itself longer than the policy's %u seconds: run the "
			"decommissioning again, which makes a new one",
			policy->window_s);
	if (r >= 0)
		r = check_window(now_wall_s, asked, until, reterr_problem);
	if (r >= 0)
		r = find_signer(request, request_bytes, signature, signature_bytes, policy, &who,
			comment, reterr_problem);
	if (r < 0)
		return r;
	if (is_requester(record, policy->names[who]))
		return problem_set(reterr_problem, -EKEYREJECTED,
			"%s asked for it, and nobody approves what he asked for: somebody else has "
			"to "
			"sign",
			policy->names[who]);
	wall_s = signed_at(comment);
	if (wall_s)
		r = check_window(wall_s, asked, until, reterr_problem);
	if (r < 0)
		return r;
	return add_approval(record, &policy->approvers[who], policy->names[who],
		wall_s ? wall_s : now_wall_s, request, request_bytes, reterr_problem);
}

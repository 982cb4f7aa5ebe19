/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_fields.h - members of a C structure as members of a JSON object, both ways by one
 * table
 *
 *   text    "" is null; what is no UTF-8 becomes \xNN
 *   time    seconds since 1970 as "2026-11-23T20:22:13Z"; 0 is null
 *   number  whole, never negative
 *   name    an enum, by the word that programs know it by
 *
 *   Y1  What is encoded decodes to the same structure.
 *   Y2  Nothing is left out for want of memory: the whole fails.
 *   Y3  A member that is missing, of another type, too long or unknown is an error that names it;
 *       a member that is not in the table is passed over (a later minor version added it).
 *
 * Errors: -ENOMEM; -EBADMSG with its line.  Pure.
 */
#ifndef SPOOLGUARD_DECOMMISSION_CERTIFICATE_FIELDS_H
#define SPOOLGUARD_DECOMMISSION_CERTIFICATE_FIELDS_H

#include "base/extent.h"
#include "base/problem.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

enum field_kind { FIELD_TEXT, FIELD_TIME, FIELD_U64, FIELD_U32, FIELD_FLAG, FIELD_NAME };

struct field {
	const char *key;
	enum field_kind kind;
	size_t offset, bytes;		     /* of the member */
	const char *(*name)(unsigned int i); /* FIELD_NAME: of value i; NULL past the last */
};

#define FIELD_AT(key, kind, type, member, name)                                                    \
	{                                                                                          \
		key, kind, offsetof(type, member), sizeof(((type *)0)->member), name               \
	}
#define TEXT_FIELD(key, type, member)	    FIELD_AT(key, FIELD_TEXT, type, member, NULL)
#define TIME_FIELD(key, type, member)	    FIELD_AT(key, FIELD_TIME, type, member, NULL)
#define U64_FIELD(key, type, member)	    FIELD_AT(key, FIELD_U64, type, member, NULL)
#define U32_FIELD(key, type, member)	    FIELD_AT(key, FIELD_U32, type, member, NULL)
#define FLAG_FIELD(key, type, member)	    FIELD_AT(key, FIELD_FLAG, type, member, NULL)
#define NAME_FIELD(key, type, member, name) FIELD_AT(key, FIELD_NAME, type, member, name)

/* Adds to object. */
must_check int fields_encode(
	const struct field *fields, size_t count, const void *from, struct json_object *object);
/* what: where the object stands ("overwrite"), for the problem. */
must_check int fields_decode(const struct field *fields, size_t count, struct json_object *object,
	const char *what, void *ret_to, struct problem *reterr_problem);

/* Takes value; NULL: there was no memory for it. */
must_check int field_add(struct json_object *object, const char *key, struct json_object *value);
must_check int field_add_text(struct json_object *object, const char *key, const char *text);
must_check int field_add_null(struct json_object *object, const char *key);
/* An object that is new, empty and in its place; borrowed. */
must_check int field_add_object(
	struct json_object *object, const char *key, struct json_object **ret_made);
must_check int field_add_array(
	struct json_object *object, const char *key, struct json_object **ret_made);
/* Takes value, as field_add(). */
must_check int field_append(struct json_object *array, struct json_object *value);

/* The member, borrowed; -EBADMSG if it is not there or is of another type. */
must_check int field_get(struct json_object *object, const char *key, enum json_type type,
	struct json_object **ret_value, struct problem *reterr_problem);

/*
 * {"extents":N,"blocks":M,"listed":[[first,count],...],"sha256":"..."}: up to
 * CERTIFICATE_EXTENTS_MAX of them are listed, the digest is of all: of the lines "FIRST COUNT\n".
 */
#define CERTIFICATE_EXTENTS_MAX 4096u
must_check int field_add_extents(
	struct json_object *object, const char *key, const struct extent_list *list);
/* ret_list gets what is listed; ret_blocks (may be NULL): how many there were in all. */
must_check int field_get_extents(struct json_object *object, const char *key,
	struct extent_list *ret_list, uint64_t *ret_blocks, struct problem *reterr_problem);

#endif

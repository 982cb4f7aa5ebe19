/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_fields.h - the record's members as a table, so that what is written and what is read
 * cannot differ
 *
 * For record_*.c.
 */
#ifndef SPOOLGUARD_DECOMMISSION_RECORD_FIELDS_H
#define SPOOLGUARD_DECOMMISSION_RECORD_FIELDS_H

#include "decommission/record.h"
#include <json-c/json.h>

enum field_type {
	FIELD_TEXT, /* char[bytes], NUL-terminated */
	FIELD_U64,
	FIELD_U32,
	FIELD_I64,
	FIELD_BOOL,
	FIELD_NAME,  /* an enum, by its name */
	FIELD_BYTES, /* uint8_t[most] in hexadecimal; the u32 at count_offset tells how many */
	FIELD_RUNS,  /* struct extent_list: [[first,count],...] */
	FIELD_OBJECT,
	FIELD_ARRAY, /* of objects, most; the u32 at count_offset tells how many, if there is one */
};

#define FIELD_ALL SIZE_MAX /* count_offset: always "most" of them */

struct field {
	const char *name;
	enum field_type type;
	size_t offset, bytes; /* of the member; of one element of an array */
	size_t most, count_offset;
	const char *(*name_of)(unsigned int value); /* FIELD_NAME: of value < most */
	const struct field *fields;		    /* of an object; ends with name NULL */
};

extern const struct field record_fields[];

/* Adds the members of *base to object.  -ENOMEM. */
must_check int field_put_all(
	struct json_object *object, const struct field *fields, const void *base);
/* -EBADMSG: a member is missing, superfluous, of another type, or too large; -ENOMEM. */
must_check int field_get_all(
	struct json_object *object, size_t others, const struct field *fields, void *base);

#endif

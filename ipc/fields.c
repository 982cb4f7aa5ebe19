/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/fields.h"
#include "base/io.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

void fields_add_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void fields_add_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

void fields_add_string(struct json_object *object, const char *key, const char *value)
{
	size_t length = strlen(value), shown_bytes = 4 * length + 1;
	_cleanup_free_ char *shown = NULL;

	if (!utf8_is_valid(value, length)) {
		shown = malloc(shown_bytes);
		if (!shown)
			return;
		value = utf8_printable(value, length, shown, shown_bytes);
	}
	json_object_object_add(object, key, json_object_new_string(value));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - fields of a JSON object, written so that they are always JSON
 *
 * Without memory a field is left out.
 */
#ifndef SPOOLGUARD_IPC_FIELDS_H
#define SPOOLGUARD_IPC_FIELDS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

void fields_add_u64(struct json_object *object, const char *key, uint64_t value);
void fields_add_bool(struct json_object *object, const char *key, bool value);
/* JSON is UTF-8: text that is not (a path, a job's id) is added with such bytes as \xNN. */
void fields_add_string(struct json_object *object, const char *key, const char *value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_print.h - what an inspection saw: for people, and as one JSON object
 */
#ifndef SPOOLGUARD_CLI_INSPECT_PRINT_H
#define SPOOLGUARD_CLI_INSPECT_PRINT_H

#include "spool/inspect.h"
#include <json-c/json.h>

/* To stdout. */
void inspect_print_text(
	const char *path, const struct inspect_report *report, const struct search *search);
/* Schema spoolguard.inspect/1; gives the object. */
struct json_object *inspect_to_json(
	const char *path, const struct inspect_report *report, const struct search *search);

#endif

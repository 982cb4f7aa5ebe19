/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices_print.h - drives as one JSON object ("spoolguard.devices/1"), or as text for people
 */
#ifndef SPOOLGUARD_CLI_DEVICES_PRINT_H
#define SPOOLGUARD_CLI_DEVICES_PRINT_H

#include "decommission/target.h"
#include <json-c/json.h>

/* What is not known is null.  Gives an object. */
struct json_object *devices_to_json(const struct target *target);
void devices_print_text(const struct target *target);

/* The better of what the drive says and what sysfs does. */
const char *devices_wwn(const struct target *target);
const char *devices_firmware(const struct target *target);
/* "ata-sanitize-block", or "overwrite" */
const char *devices_method(enum method_kind kind);

#endif

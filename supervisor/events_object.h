/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_object.h - an event in memory: a JSON object with the members of its record
 * (audit/record.h) but sequence, boot and previous
 */
#ifndef SPOOLGUARD_SUPERVISOR_EVENTS_OBJECT_H
#define SPOOLGUARD_SUPERVISOR_EVENTS_OBJECT_H

#include "audit/record.h"

/* Texts are made printable.  Gives; NULL without memory. */
struct json_object *events_object_new(const struct audit_event *event, int64_t wall_ms);
/* Back: strings and data are the object's. */
void events_object_get(struct json_object *object, struct audit_event *ret_event);
/* data gets "happened": the time at which the object was made. */
void events_object_set_happened(struct json_object *object);

#endif

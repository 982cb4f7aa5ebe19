/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_rig.h - the service's events over a real log with real keys, in a directory of the test
 *
 * One at a time in a process.  What fails is the test's failure.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_EVENTS_RIG_H
#define SPOOLGUARD_TESTS_SUPPORT_EVENTS_RIG_H

#include "keystore/device_keys.h"
#include "supervisor/events.h"

/* Gives; events_rig_close() it. */
struct events *events_rig_open(const char *directory);
void events_rig_close(struct events *events);
/* Of the one that is open. */
struct device_keys *events_rig_keys(void);

/* How many records of that kind there are, of all of them. */
size_t events_rig_count(struct events *events, const char *kind);
/* Every record as text, to search in; give it to free(). */
char *events_rig_text(struct events *events);

#endif

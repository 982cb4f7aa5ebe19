/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_key_states.h - the file of key states: one line a change, appended, bounded
 *
 *   {"number":7,"time":"2026-11-24T09:00:00.123Z","wall_ms":...,"key":"log","id":"16 digits",
 *    "state":"destroyed","reason":"its segment is closed"}
 *
 * A torn last line is written over by the next.  Past DEVICE_KEY_STATES_BYTES it is written anew:
 * keys that live, what was not told yet, and the newest DEVICE_KEY_STATES_KEPT changes stay.
 *
 * Errors: -errno of the files; -ENOMEM.  Threads: one caller at a time.
 */
#ifndef SPOOLGUARD_KEYSTORE_DEVICE_KEY_STATES_H
#define SPOOLGUARD_KEYSTORE_DEVICE_KEY_STATES_H

#include "keystore/device_keys.h"

#define DEVICE_KEY_STATES_BYTES (256u << 10)
#define DEVICE_KEY_STATES_KEPT	256u

struct device_key_states;

/* directory: of the file "states"; borrowed. */
must_check int device_key_states_open(int directory, struct device_key_states **ret_states);
void device_key_states_free(struct device_key_states *states);

/* Another process may have written to the file: read again, if so. */
must_check int device_key_states_refresh(struct device_key_states *states);
/* As device_keys_note_state(). */
must_check int device_key_states_note(struct device_key_states *states, const char *key,
	const char *id, enum device_key_state state, const char *reason);
/* All that the file holds, oldest first; borrowed until the next call. */
const struct device_key_change *device_key_states_all(
	const struct device_key_states *states, size_t *ret_count);
/* false: nothing is known of it. */
bool device_key_states_find(const struct device_key_states *states, const char *key, const char *id,
	enum device_key_state *ret_state);
/* Its newest change is the key's state. */
bool device_key_states_is_newest(const struct device_key_states *states, size_t index);

must_check int device_key_states_next(
	struct device_key_states *states, struct device_key_change *ret_change);
must_check int device_key_states_told(struct device_key_states *states, uint64_t number);

#endif

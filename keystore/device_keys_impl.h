/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_keys_impl.h - what device_keys.c (open, sign), device_keys_log.c (the log's keys),
 * device_keys_enrol.c (first start, enrolment.pub) and device_key_states.c share
 *
 * Which files there are says how far a change came; a crash is mended by the next open:
 *
 *   log_next     log.key               ->  log.key, log.next
 *   log_advance  log.key, log.next     ->  log.old, log.next  (log.old is overwritten)
 *                                      ->  log.next  ->  log.key
 *   log_restart  log.key [...]         ->  log.key [...], log.restart, then enrolment.pub,
 *                                      ->  log.restart  (the others destroyed)  ->  log.key
 *   first start  all in DIR/keys.new   ->  DIR/keys
 *
 *   D5  One change at a time: whoever makes one holds flock(2) on DIR/keys.
 */
#ifndef SPOOLGUARD_KEYSTORE_DEVICE_KEYS_IMPL_H
#define SPOOLGUARD_KEYSTORE_DEVICE_KEYS_IMPL_H

#include "keystore/device_key_file.h"
#include "keystore/device_key_states.h"
#include "keystore/device_keys.h"
#include <limits.h>
#include <pthread.h>

#define DEVICE_KEYS_DEVICE  "device.key"
#define DEVICE_KEYS_NAMES   "names.key"
#define DEVICE_KEYS_LOG	    "log.key"
#define DEVICE_KEYS_NEXT    "log.next"
#define DEVICE_KEYS_OLD	    "log.old"
#define DEVICE_KEYS_RESTART "log.restart"
#define DEVICE_KEYS_ENROL   "enrolment.pub"

struct device_keys {
	pthread_mutex_t lock;
	int fd; /* of DIR/keys */
	char path[PATH_MAX];
	struct secret *device_seed, *names_seed; /* as they were at open */
	struct minisign_key device, names;

	/* Under the lock. */
	struct secret *log_seed, *next_seed; /* next: NULL while there is none */
	struct minisign_key log, next, log_root;
	struct device_key_states *states;
};

/* What a crash left is mended, then the keys of the log are read. */
must_check int device_keys_log_load(struct device_keys *keys, struct problem *reterr_problem);
/* What the keys are, as states.  What cannot be written now is written another time. */
void device_keys_settle_states(struct device_keys *keys);
/* The log's present key signs no more. */
void device_keys_settle_old(struct device_keys *keys);

/* keys.new, complete, becomes keys. */
must_check int device_keys_enrol_make(const char *directory, struct problem *reterr_problem);
must_check int device_keys_enrol_write(
	int fd, const struct minisign_key *device, const struct minisign_key *log_root);
must_check int device_keys_enrol_read(
	int fd, struct minisign_key *ret_device, struct minisign_key *ret_log_root);

/* A key that is there and cannot be used, or is missing: in words. */
int device_keys_say(const struct device_keys *keys, const char *name, int error,
	struct problem *reterr_problem);

#endif

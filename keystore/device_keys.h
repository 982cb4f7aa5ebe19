/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_keys.h - the keys with which this device speaks: what it signs, and how it hides names
 *
 *   DIR/keys (0711)
 *     device.key     Ed25519 seed of the device: receipts and certificates
 *     log.key        Ed25519 seed of the log's open segment: replaced and destroyed with each
 *     log.next       the one that comes after, while a segment closes
 *     names.key      HMAC-SHA-256 key under which titles and users stand in log and receipts
 *     enrolment.pub  what is to be enrolled (0644): the device's public key and, below it, the
 *                    public key of the log's first segment, both in minisign's format
 *     states         key states and their times (SP 800-57 part 1, 7), one JSON line per change
 *     states.told    the number of the newest change that is in the audit log
 *
 * They lie there in clear, for root alone: the service signs before any volume is open and without
 * a person.  Who is root while a key lives can sign with it; so the log's keys are short-lived
 * (audit/log.h), and receipts are anchored in the log.  Overwriting a key file and reading it back
 * is what can be done here; on flash or a copy-on-write file system that is no proof that its
 * old bytes are gone.
 *
 * A key file: "SPOOLGUARD-KEY 1\n", 8 bytes of key id, 32 bytes of seed, SHA-256 of all that.
 *
 *   D1  A key file is durable (fsync, rename, directory fsync) before anything is signed by it.
 *   D2  Secret bytes live in struct secret only, and are read with read(2).
 *   D3  A key that is destroyed was overwritten in place, flushed, read back, and then unlinked.
 *   D4  A damaged or missing key is never replaced silently once there was one: -EUCLEAN, and the
 *       problem says that the device has to be enrolled anew (an administrator's act).
 *
 * Errors: -errno of the files.  Threads: calls on one object from any thread, each atomic.
 */
#ifndef SPOOLGUARD_KEYSTORE_DEVICE_KEYS_H
#define SPOOLGUARD_KEYSTORE_DEVICE_KEYS_H

#include "base/problem.h"
#include "crypto/minisign.h"
#include <stdbool.h>

#define DEVICE_KEYS_DIGEST_BYTES 65 /* 256 bits in hexadecimal, and the end */
#define DEVICE_KEYS_NAME_BYTES	 64 /* of a key, with its NUL */
#define DEVICE_KEYS_REASON_BYTES 96

struct device_keys;

/* directory: the state directory.  create: makes what a first start makes; without it -ENOENT.
 * ret_created (may be NULL): the device's key was made by this call. */
must_check int device_keys_open(const char *directory, bool create, struct device_keys **ret_keys,
	bool *ret_created, struct problem *reterr_problem);
void device_keys_free(struct device_keys *keys);

/* The text of enrolment.pub; gives ret_text to free().  Needs no right beyond reading that file. */
must_check int device_keys_read_enrolment(
	const char *directory, char **ret_text, struct problem *reterr_problem);

const struct minisign_key *device_keys_public(const struct device_keys *keys);
/* The public key of the log's first segment. */
const struct minisign_key *device_keys_log_root(const struct device_keys *keys);
/* A minisign signature by the device's key; gives ret_signature to free().  -EKEYREVOKED: it was
 * noted as suspended, deactivated, compromised or destroyed: it signs nothing. */
must_check int device_keys_sign(struct device_keys *keys, const void *message, size_t bytes,
	const char *trusted_comment, char **ret_signature);

/* --- the log's keys; audit/log.c alone calls these, through struct log_signer --- */

/* The open segment's key. */
must_check int device_keys_log_public(struct device_keys *keys, struct minisign_key *ret_key);
must_check int device_keys_log_sign(struct device_keys *keys, const void *message, size_t bytes,
	const char *trusted_comment, char **ret_signature);
/* The next one: made durable at the first call, the same one at every later call. */
must_check int device_keys_log_next(struct device_keys *keys, struct minisign_key *ret_key);
/* The next becomes the present one, and the present one is destroyed (D3). */
must_check int device_keys_log_advance(struct device_keys *keys);
/* A new log begins (the old one was set aside): a new root, and enrolment.pub with it. */
must_check int device_keys_log_restart(struct device_keys *keys);

/* --- names --- */

/*
 * HMAC-SHA-256(names.key, label | 0x00 | name) in hexadecimal.  label: "title", "user".  Equal
 * names of one device have equal digests: an auditor who is given a name asks
 * "spoolguard audit match"; without the key nobody can try names.
 */
must_check int device_keys_name_digest(struct device_keys *keys, const char *label,
	const char *name, char ret_hex[static DEVICE_KEYS_DIGEST_BYTES]);

/* --- states: NIST SP 800-57 part 1, section 7 --- */

enum device_key_state {
	DEVICE_KEY_PRE_ACTIVATION,
	DEVICE_KEY_ACTIVE,
	DEVICE_KEY_SUSPENDED,
	DEVICE_KEY_DEACTIVATED,
	DEVICE_KEY_COMPROMISED,
	DEVICE_KEY_DESTROYED,
};
const char *device_key_state_name(enum device_key_state state); /* "pre-activation", ... */

struct device_key_change {
	uint64_t number;		    /* 1, 2, 3, ... over the device's life */
	char key[DEVICE_KEYS_NAME_BYTES];   /* "device", "log", "names", "volume UUID" */
	char id[2 * MINISIGN_ID_BYTES + 1]; /* which of that name, in hexadecimal; "": none */
	enum device_key_state state;
	char reason[DEVICE_KEYS_REASON_BYTES]; /* one line; "": none */
	int64_t wall_ms;
};

/*
 * Records that a key which is kept elsewhere (a volume's) is in that state now; durable on return.
 * key: printable ASCII; id, reason: NULL: none.  The same state again is no change (0).  -EINVAL: a
 * destroyed key stays destroyed, a compromised one can only be destroyed; to go on under the same
 * name, give another id.
 */
must_check int device_keys_note_state(struct device_keys *keys, const char *key, const char *id,
	enum device_key_state state, const char *reason);

/* The newest state of every key that is not destroyed, and of the newest ones that are; gives
 * ret_changes to free(). */
must_check int device_keys_states(
	struct device_keys *keys, struct device_key_change **ret_changes, size_t *ret_count);

/*
 * For the audit log, one record "key-state" a change: the oldest that was not told (1; 0: none),
 * and that it was: to be called when its record is durable.  A crash in between tells it twice;
 * its number shows that.  Changes are made by calls of audit/log.c too, so ask now and then, and
 * not from within the log.
 */
must_check int device_keys_next_change(
	struct device_keys *keys, struct device_key_change *ret_change);
must_check int device_keys_change_told(struct device_keys *keys, uint64_t number);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_impl.h - what the files of the keystore share
 */
#ifndef SPOOLGUARD_KEYSTORE_KEYSTORE_IMPL_H
#define SPOOLGUARD_KEYSTORE_KEYSTORE_IMPL_H

#include "blockdev/blockdev.h"
#include "keystore/keystore.h"
#include <json-c/json.h>
#include <libcryptsetup.h>
#include <sys/types.h>

#define KEYSTORE_LOG_BYTES	  256
#define KEYSTORE_VOLUME_KEY_BYTES 64
#define KEYSTORE_SECTOR_BYTES	  512u

struct keystore {
	struct crypt_device *cd;
	char *path;
	bool read_only;
	struct blockdev *medium; /* owned; open before libcryptsetup writes (keystore_sync) */
	int copy_fd; /* owned: the private copy of the header that cd works on if read_only, or -1
		      */
	dev_t device;
	ino_t inode;
	uint64_t medium_bytes;
	struct keystore_segment segment;
	struct keystore_token token;
	int token_number; /* in the header, or CRYPT_ANY_TOKEN */
	bool token_lost;
	bool raced; /* libcryptsetup saw that another program changed the header under it */
	char last_error[KEYSTORE_LOG_BYTES]; /* what libcryptsetup said last: it does not print */
};

/* A libcryptsetup context for path, its log caught, nothing loaded.  The errors of raw_open. */
must_check int keystore_begin(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem);
/* keystore_open, also for a header without its data (a backup). */
must_check int keystore_load(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem);
/* K2, all of it; finds the token. */
must_check int keystore_check(struct keystore *keystore, struct problem *reterr_problem);
/* K2, of a header that was just made; fills keystore->segment. */
must_check int keystore_check_segment(struct keystore *keystore, struct problem *reterr_problem);
/* Sets the KDF that the next key slot gets. */
must_check int keystore_set_kdf(struct keystore *keystore, const struct keystore_kdf *kdf);
/* What libcryptsetup said last, or strerror. */
const char *keystore_detail(const struct keystore *keystore, int error);
/* "PATH: WHAT: detail"; returns error, or -ESTALE if another program came between. */
must_check int keystore_explain(
	struct keystore *keystore, int error, const char *what, struct problem *reterr_problem);
/* What libcryptsetup wrote is durable, or an error.  It passes over a failed flush itself. */
must_check int keystore_sync(struct keystore *keystore, struct problem *reterr_problem);
/* -ENOTUNIQ if the token was removed, so that nothing can be recorded in it. */
must_check int keystore_check_token(
	const struct keystore *keystore, struct problem *reterr_problem);

/*
 * keystore_header.c: what the API of libcryptsetup does not tell, from the header's JSON
 * that it hands out.  Gives an object to json_object_put(); NULL: no memory.
 */
struct json_object *keystore_header_json(const struct keystore *keystore);
/* The digest of the volume key; borrowed from header; NULL: there is none. */
const char *keystore_header_digest(struct json_object *header);
/* The salt of a key slot: another one with every passphrase set; NULL: the slot is not in use. */
const char *keystore_header_slot_salt(struct json_object *header, int slot);
/* The one data segment; NULL if there are none or several. */
struct json_object *keystore_header_segment(struct json_object *header);
/* A text field of an object, NULL if it is not there. */
const char *keystore_header_text(struct json_object *object, const char *key);

/* keystore_medium.c: what the bytes say where libcryptsetup says nothing. */
enum keystore_trace {
	KEYSTORE_TRACE_NONE,
	KEYSTORE_TRACE_LUKS1,
	KEYSTORE_TRACE_LUKS2, /* the magic of one of the copies */
};
enum keystore_trace keystore_medium_trace(int fd);
/* The superblock behind the key slots, not authenticated; the errors of layout_decode. */
must_check int keystore_medium_superblock(struct blockdev *medium, struct layout *ret_layout);
/* Copies bytes first to end of fd into copy_fd, holding the lock that libcryptsetup writes under.
 */
must_check int keystore_medium_copy(int fd, int copy_fd, uint64_t first, uint64_t end);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore.h - the LUKS2 header of a volume: its key slots, its volume key, its spoolguard token
 *
 * Through libcryptsetup only; nothing of LUKS2 is parsed here.  A volume is
 * aes-xts-plain64 with a 512-bit key; any other cipher is refused by name.
 * Stock cryptsetup may list, open and re-key the same header at any time.
 *
 *   K1  The volume key and passphrases live in struct secret only.
 *   K2  No cipher but aes-xts-plain64/512 is opened, whatever a header says.
 *   K3  What would leave a volume that nobody can open is done only when forced.
 *
 * Errors that a caller can act on: -EPERM wrong passphrase; -ENODATA no LUKS2
 * header; -EBADMSG header damaged beyond its second copy; -EOPNOTSUPP other
 * cipher, key size or sector size (the problem names it); -EINPROGRESS a
 * re-encryption is pending; -EBUSY would remove the last key; -EKEYREJECTED
 * another volume's key; -ESTALE a backup older than a key removal.
 * Threads: one caller at a time for each keystore.
 */
#ifndef SPOOLGUARD_KEYSTORE_KEYSTORE_H
#define SPOOLGUARD_KEYSTORE_KEYSTORE_H

#include "base/problem.h"
#include "blockdev/layout.h"
#include "crypto/profile.h"
#include "crypto/secret.h"
#include <stdbool.h>
#include <stdint.h>

#define KEYSTORE_SLOTS_MAX		32
#define KEYSTORE_PASSPHRASE_BYTES_MAX	512
#define KEYSTORE_KDF_MEMORY_KIB_DEFAULT 65536u /* fits a device of 256 MiB */

struct keystore;

struct keystore_format_options {
	enum profile profile;
	const char *scheme;	    /* recorded in the token */
	uint32_t kdf_memory_kib;    /* 0: default */
	uint32_t kdf_iteration_ms;  /* 0: default (2000); tests use less */
	uint64_t data_offset_bytes; /* where the data segment begins: from layout_plan */
	bool filled_before; /* the medium held something before encryption: recorded in the token */
};

/* Writes a new header (key slot area up to LAYOUT_SUPERBLOCK_BYTES) and opens it; key slot 0 opens
 * with passphrase. */
must_check int keystore_format(const char *path, const struct keystore_format_options *options,
	const struct secret *passphrase, struct keystore **ret_keystore,
	struct problem *reterr_problem);

/* Reads the header; no key is needed. */
must_check int keystore_open(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem);
void keystore_free(struct keystore *keystore);
DEFINE_CLEANUP(struct keystore *, keystore_free)

struct keystore_segment {
	uint64_t data_offset_bytes;
	uint64_t data_bytes; /* 0: to the end of the device */
	uint64_t iv_offset;
	uint32_t sector_bytes; /* 512 or 4096 */
};
void keystore_get_segment(const struct keystore *keystore, struct keystore_segment *ret_segment);
const char *keystore_uuid(const struct keystore *keystore);

/* What the spoolguard token says; present false: no token (a stock volume, or the token was
 * removed). */
struct keystore_token {
	bool present;
	int version; /* greater than 1: refused by keystore_open with -EPROTONOSUPPORT */
	uint64_t superblock_offset_bytes;
	char scheme[LAYOUT_SCHEME_BYTES];
	enum profile profile;
	bool filled_before;
	uint32_t backups;	 /* header backups ever taken through "key backup" */
	uint64_t key_generation; /* grows with every key removal or change */
};
void keystore_get_token(const struct keystore *keystore, struct keystore_token *ret_token);
/* Writes (or puts back) the token. */
must_check int keystore_set_token(struct keystore *keystore, const struct keystore_token *token,
	struct problem *reterr_problem);

/* Tries every slot (or only "slot" if >= 0).  A key file's content is a passphrase. */
must_check int keystore_unlock(struct keystore *keystore, const struct secret *passphrase, int slot,
	struct secret **ret_volume_key, int *ret_slot, struct problem *reterr_problem);

struct keystore_slot {
	int number;
	char kdf[16]; /* "argon2id", "pbkdf2" */
	uint32_t iterations;
	uint32_t memory_kib;
	uint32_t parallel;
};
must_check int keystore_list(const struct keystore *keystore,
	struct keystore_slot slots[static KEYSTORE_SLOTS_MAX], size_t *ret_count);

/* present: an existing passphrase; slot -1: the first free one. */
must_check int keystore_add(struct keystore *keystore, const struct secret *present,
	const struct secret *added, uint32_t kdf_memory_kib, int slot, int *ret_slot,
	struct problem *reterr_problem);
must_check int keystore_change(struct keystore *keystore, const struct secret *present,
	const struct secret *changed, uint32_t kdf_memory_kib, int *ret_slot,
	struct problem *reterr_problem);
/* -EBUSY for the last slot unless force. */
must_check int keystore_remove(
	struct keystore *keystore, int slot, bool force, struct problem *reterr_problem);
must_check int keystore_backup(
	struct keystore *keystore, const char *backup_path, struct problem *reterr_problem);
/* Refuses (-EKEYREJECTED, -ESTALE) unless force, naming what would be lost or revived. */
must_check int keystore_restore(
	const char *path, const char *backup_path, bool force, struct problem *reterr_problem);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore.h - the LUKS2 header of a volume: its key slots, its volume key, its spoolguard token
 *
 * Through libcryptsetup only; nothing of LUKS2 is parsed here.  A volume is
 * aes-xts-plain64 with a 512-bit key; any other cipher is refused by name.
 * Stock cryptsetup may list, open and re-key the same header at any time.
 *
 *   K1  The volume key and passphrases live in struct secret; libcryptsetup holds copies of
 *       its own while it works on them, and wipes them.  A caller keeps its process out of
 *       core dumps and, where it may, its memory out of swap.
 *   K2  No cipher but aes-xts-plain64/512 is opened, whatever a header says.
 *   K3  What would leave a volume that nobody can open is done only when forced: a new key
 *       is durable before an old one goes.
 *   K4  What is opened read-only is not changed: no damaged header copy is repaired in passing.
 *
 * Errors that a caller can act on: -EPERM wrong passphrase; -ENODATA no LUKS2
 * header; -EBADMSG header or token damaged beyond its second copy; -ENXIO the
 * medium is shorter than its header says; -EOPNOTSUPP LUKS1, other cipher, key
 * size, sector size, integrity tags (the problem names it); -EPROTONOSUPPORT a
 * newer version's token; -EINPROGRESS a re-encryption is pending; -EBUSY would
 * remove the last key, or the medium is in use; -EEXIST a key slot or file that
 * is there already; -ENOTUNIQ the token was removed; -ESTALE another program
 * changed the header at the same moment, or a backup would revive or lose keys;
 * -EKEYREJECTED another volume's key; -EUCLEAN the header to be replaced cannot
 * be read, so that nothing can be compared.
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
#define KEYSTORE_PASSPHRASE_BYTES_MAX	512	    /* typed; stock cryptsetup's limit */
#define KEYSTORE_KEY_FILE_BYTES_MAX	(32u << 10) /* in a file: goes through a pipe in one piece */
#define KEYSTORE_KDF_MEMORY_KIB_DEFAULT 65536u	    /* fits a device of 256 MiB */

struct keystore;

/*
 * What it costs to try a passphrase on the next key slot.  The profile hcd-cpp (of this process or
 * in the token) means PBKDF2-HMAC-SHA-256 with at least KEYSTORE_PBKDF2_ITERATIONS_MIN iterations;
 * otherwise Argon2id.
 */
struct keystore_kdf {
	uint32_t memory_kib;   /* Argon2id only; 0: default */
	uint32_t iteration_ms; /* 0: default (2000); 1: the least that is possible, for tests */
	uint32_t iterations;   /* Argon2id only: so many, whatever time they take; 0: by time */
};
#define KEYSTORE_PBKDF2_ITERATIONS_MIN 600000u

struct keystore_format_options {
	enum profile profile;
	const char *scheme;	    /* recorded in the token */
	uint32_t kdf_memory_kib;    /* 0: default */
	uint32_t kdf_iteration_ms;  /* 0: default (2000); tests use less */
	uint32_t kdf_iterations;    /* as in struct keystore_kdf */
	uint64_t data_offset_bytes; /* where the data segment begins: from layout_plan */
	bool filled_before; /* the medium held something before encryption: recorded in the token */
	struct secret **ret_volume_key; /* NULL: not wanted; else gives it, as keystore_unlock */
};

/* Writes a new header (key slot area up to LAYOUT_SUPERBLOCK_BYTES) and opens it; key slot 0 opens
 * with passphrase. */
must_check int keystore_format(const char *path, const struct keystore_format_options *options,
	const struct secret *passphrase, struct keystore **ret_keystore,
	struct problem *reterr_problem);

/*
 * Reads the header; no key is needed.  Not read_only: a damaged copy is repaired from the other
 * one. Also while the volume is attached.
 */
must_check int keystore_open(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem);
void keystore_free(struct keystore *keystore);
DEFINE_CLEANUP(struct keystore *, keystore_free)

/*
 * Whether each of the two header copies could be loaded if the other were gone; nothing is changed,
 * also while the volume is attached.  damage: a bit of the second is turned over first (in memory),
 * for a self-test.  The errors of keystore_open: -EBADMSG if both are damaged.
 */
must_check int keystore_check_copies(
	const char *path, bool damage, bool ret_whole[static 2], struct problem *reterr_problem);

struct keystore_segment {
	uint64_t data_offset_bytes;
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
	uint32_t backups;	 /* header backups ever taken through "key backup"; saturates */
	uint64_t key_generation; /* grows with every key removal or change */
};
void keystore_get_token(const struct keystore *keystore, struct keystore_token *ret_token);
/* The superblock says that there was a token, and the header has none. */
bool keystore_has_lost_token(const struct keystore *keystore);
/* Writes the token. */
must_check int keystore_set_token(struct keystore *keystore, const struct keystore_token *token,
	struct problem *reterr_problem);

/*
 * Puts back a token that was removed.  What it knew is not known any more and the worse is assumed:
 * filled before, a backup somewhere, and every backup older than a key removal.
 */
must_check int keystore_repair_token(
	struct keystore *keystore, const char *scheme, struct problem *reterr_problem);

/* Tries every slot (or only "slot" if >= 0).  A key file's content is a passphrase. */
must_check int keystore_unlock(struct keystore *keystore, const struct secret *passphrase, int slot,
	struct secret **ret_volume_key, int *ret_slot, struct problem *reterr_problem);

/* -EPERM: volume_key is not this volume's. */
must_check int keystore_check_key(
	struct keystore *keystore, const struct secret *volume_key, struct problem *reterr_problem);

struct keystore_slot {
	int number;
	bool bound;	/* its key is the volume's; an unbound one opens nothing */
	char kdf[16];	/* "argon2id", "pbkdf2" */
	char token[32]; /* type of a token that uses this slot ("systemd-tpm2"), or "" */
	uint32_t iterations;
	uint32_t memory_kib;
	uint32_t parallel;
};
must_check int keystore_list(const struct keystore *keystore,
	struct keystore_slot slots[static KEYSTORE_SLOTS_MAX], size_t *ret_count);

/* present: an existing passphrase; slot -1: the first free one.  kdf may be NULL: defaults. */
must_check int keystore_add(struct keystore *keystore, const struct secret *present,
	const struct secret *added, const struct keystore_kdf *kdf, int slot, int *ret_slot,
	struct problem *reterr_problem);
/* A new slot for "changed", then the slot that "present" opens is removed: the number changes.
 * slot: as in keystore_unlock. */
must_check int keystore_change(struct keystore *keystore, const struct secret *present,
	const struct secret *changed, const struct keystore_kdf *kdf, int slot, int *ret_slot,
	struct problem *reterr_problem);
/*
 * -EBUSY for the last slot that opens the volume unless force.  other: NULL, or a passphrase that
 * must open another slot than this one (-EPERM).
 */
must_check int keystore_remove(struct keystore *keystore, int slot, const struct secret *other,
	bool force, struct problem *reterr_problem);

/*
 * Keys die first: every key slot, of whatever kind, is destroyed, and its area read back from the
 * medium: -EIO if a sector of it still reads as before.  Nobody can open the volume again, but by
 * a header backup.  Again after a crash: the rest.
 */
must_check int keystore_destroy(
	struct keystore *keystore, unsigned int *ret_slots, struct problem *reterr_problem);

/*
 * A copy of the header in a new file, recorded in the token before it is made.  A file that is
 * there already is replaced only if force, and only if it is a header backup of this volume
 * (-EEXIST).
 */
must_check int keystore_backup(struct keystore *keystore, const char *backup_path, bool force,
	struct problem *reterr_problem);
/*
 * Refuses (-EKEYREJECTED, -ESTALE, -EUCLEAN) unless force, naming what would be lost or revived;
 * refuses always what is attached (-EBUSY), and what has no trace of a volume (-ENODATA).  The
 * record of backups and removals survives it.
 */
must_check int keystore_restore(
	const char *path, const char *backup_path, bool force, struct problem *reterr_problem);

#endif

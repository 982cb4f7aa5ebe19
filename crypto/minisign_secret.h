/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minisign_secret.h - secret keys as stock minisign(1) writes them, encrypted or not ("-W")
 *
 *   untrusted comment: TEXT
 *   base64("Ed" | "Sc" or two zeros | "B2" | salt, 32 bytes | operations, 8 | memory, 8 |
 *          (key id, 8 | seed, 32 | public key, 32 | checksum, 32) ^ scrypt(passphrase))
 *
 * The checksum is BLAKE2b-256 of ("Ed" | key id | seed | public key), and zeros in a key that is
 * not encrypted, whose id nothing protects; numbers are little-endian (minisign's own description,
 * "Secret key format").
 *
 *   B1  Key bytes live in struct secret only.
 *   B2  Its public key is the seed's, or it is refused.
 *
 * Errors: -EINVAL: no such text; -ENOKEY: it is encrypted, and there is no passphrase; -EPERM: the
 * passphrase is wrong, or the file damaged; -ENOMEM: also where scrypt asks for more memory than
 * MINISIGN_SECRET_MEMORY_MAX or than there is.  Threads: any.
 */
#ifndef SPOOLGUARD_CRYPTO_MINISIGN_SECRET_H
#define SPOOLGUARD_CRYPTO_MINISIGN_SECRET_H

#include "crypto/minisign.h"

#define MINISIGN_SECRET_MEMORY_MAX (2ull << 30) /* stock minisign asks for half of this */

bool minisign_secret_is_encrypted(const struct secret *text);
/* text: the file.  passphrase: NULL: none. */
must_check int minisign_secret_decode(const struct secret *text, const struct secret *passphrase,
	struct secret **ret_seed, struct minisign_key *ret_key);

#endif

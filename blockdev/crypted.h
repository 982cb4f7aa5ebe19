/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypted.h - AES-256-XTS between a medium and whoever reads and writes it
 *
 * The layout is dm-crypt's aes-xts-plain64: each sector_bytes-sized sector is
 * one XTS data unit, its tweak the little-endian number of its first 512-byte
 * unit from the start of the parent plus iv_offset (LUKS2 segment iv_tweak;
 * IEEE 1619, NIST SP 800-38E).  The parent is borrowed.
 *
 * write_consuming encrypts in the caller's buffer; write copies through
 * buffers of its own, at most 1 MiB at a time.
 */
#ifndef SPOOLGUARD_BLOCKDEV_CRYPTED_H
#define SPOOLGUARD_BLOCKDEV_CRYPTED_H

#include "blockdev/blockdev.h"
#include "crypto/secret.h"

/* key: 64 bytes, borrowed for the call.  sector_bytes 512 or 4096, a divisor of the parent's block.
 */
must_check int crypted_new(struct blockdev *parent, const struct secret *key, uint32_t sector_bytes,
	uint64_t iv_offset, struct blockdev **ret_bd);

/* After the parent grew. */
void crypted_refresh_size(struct blockdev *crypted);

#endif

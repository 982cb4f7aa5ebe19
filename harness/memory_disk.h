/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_disk.h - a small disk in memory, to try passes and maps on
 *
 * Threads: one.
 */
#ifndef SPOOLGUARD_HARNESS_MEMORY_DISK_H
#define SPOOLGUARD_HARNESS_MEMORY_DISK_H

#include "blockdev/blockdev.h"

/* Zeros, in blocks of BLOCK_BYTES. */
must_check int memory_disk_new(uint64_t blocks, struct blockdev **ret_disk);
uint8_t *memory_disk_bytes(struct blockdev *disk); /* borrowed */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse_port.h - a volume as one regular file, for a loop device to sit on
 *
 * The FUSE root is the file itself.  Reads and writes go past every cache (direct
 * I/O); PUNCH_HOLE is a discard; ZERO_RANGE is not supported, so that loop writes
 * zeros where its user asks for zeros (a write of zeros is a write).
 *
 * What was read is wiped once it was handed over, and what was written is encrypted in its place:
 * no job's text stays in this process.
 *
 * Threads: FUSE_PORT_WORKERS threads of its own; a write that waits for the eraser
 * holds none of them (engine.h G1).
 */
#ifndef SPOOLGUARD_VOLUME_FUSE_PORT_H
#define SPOOLGUARD_VOLUME_FUSE_PORT_H

#include "volume/engine.h"

#define FUSE_PORT_WORKERS 8

/* A loop device sends 128 segments at once: 512 KiB, and more where pages lie side by side. */
#define FUSE_PORT_TRANSFER_BYTES (640u << 10)

struct fuse_port;

/* fuse_fd: /dev/fuse, mounted already by whoever started us; taken. */
must_check int fuse_port_new(struct engine *engine, int fuse_fd, struct fuse_port **ret_port);
must_check int fuse_port_start(struct fuse_port *port);
/*
 * Until this is called every WRITE fails with EIO: the loop device is then being
 * asked to zero a block, so that it learns that ZERO_RANGE is not supported, and
 * the kernel's second try, writing zeros, must change nothing.
 */
void fuse_port_serve(struct fuse_port *port);
void fuse_port_free(struct fuse_port *port); /* ends the workers */

#endif

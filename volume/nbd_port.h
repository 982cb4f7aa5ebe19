/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbd_port.h - a volume as NBD knows a disk: bytes at any offset, trims, extents
 *
 * What nbdkit's plugin (nbdkit_plugin_main.c) asks of the engine; nothing here knows of nbdkit.
 *
 *   N1  Only a trim frees, and it frees whole blocks; zeros that are asked for are written.
 *   N2  A request that covers part of a block changes nothing else of that block, whatever other
 *       requests do at the same time: it has the block alone while it reads, changes and writes.
 *   N3  A flush covers every request that was answered before it began, on any connection.
 *   N4  Blocks that read as zeros because nothing is in them (clean, owed) are holes; all others
 * are data. N5  After nbd_port_shut() no request enters the engine.
 *
 * Units: bytes; requests lie within the volume.  The caller's thread waits where a write meets
 * owed blocks (nbdkit asks, and waits for the answer): whoever asks brings enough threads.
 * What was read is wiped here once it was handed over; what is to be written is encrypted in a
 * buffer of our own.
 * Errors, as NBD knows them and no others: -EIO, -EINVAL, -ENOMEM, -ENOSPC, -EPERM,
 * -EOPNOTSUPP, -ESHUTDOWN.
 * Threads: every function from any thread.
 */
#ifndef SPOOLGUARD_VOLUME_NBD_PORT_H
#define SPOOLGUARD_VOLUME_NBD_PORT_H

#include "volume/engine.h"

/* Longer requests are done piece by piece. */
#define NBD_PORT_TRANSFER_BYTES (512u << 10)

struct nbd_port;

struct byte_run {
	uint64_t offset;
	uint64_t bytes;
};

must_check int nbd_port_new(struct engine *engine, struct nbd_port **ret_port); /* borrowed */
void nbd_port_free(struct nbd_port *port); /* no request is in it any more */

uint64_t nbd_port_bytes(const struct nbd_port *port);
bool nbd_port_can_write(const struct nbd_port *port);
bool nbd_port_can_trim(const struct nbd_port *port);
bool nbd_port_can_tell_extents(const struct nbd_port *port);

must_check int nbd_port_read(struct nbd_port *port, struct byte_run at, void *buf);
must_check int nbd_port_write(struct nbd_port *port, struct byte_run at, const void *buf);
must_check int nbd_port_zero(struct nbd_port *port, struct byte_run at);
/* Blocks that are not covered whole stay as they are. */
must_check int nbd_port_trim(struct nbd_port *port, struct byte_run at);
must_check int nbd_port_flush(struct nbd_port *port);

/* What is at the first byte, and how far that reaches: at least a byte, at most all of it. */
must_check int nbd_port_extent(
	struct nbd_port *port, struct byte_run at, uint64_t *ret_bytes, bool *ret_hole);

/* --- who is connected --- */

must_check int nbd_port_connect(struct nbd_port *port); /* -ESHUTDOWN */
void nbd_port_disconnect(struct nbd_port *port);
unsigned int nbd_port_clients(struct nbd_port *port);
/* N5.  -EBUSY: somebody is connected, and it is not to be ended under him. */
must_check int nbd_port_shut(struct nbd_port *port, bool disconnect);
/* Returns when no request is in the engine: between engine_stop() and engine_close(). */
void nbd_port_quiesce(struct nbd_port *port);

#endif

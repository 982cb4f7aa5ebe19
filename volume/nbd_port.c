/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/nbd_port.h"
#include "base/io.h"
#include "base/mutant.h"
#include "blockdev/range_lock.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TRIM_BYTES	     (128u << 20)
#define EXTENT_LOOKUP_BLOCKS 65536u /* the map is locked meanwhile */
#define BUFFERS_KEPT	     16u    /* 8 MiB of locked memory, when nothing goes on */

/* While it is free, a buffer's first bytes are this. */
struct buffer {
	struct buffer *next;
};

struct nbd_port {
	struct engine *engine;
	struct engine_info info;
	struct range_lock ranges; /* N2: whole blocks share, a part of one has it alone */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* lock guards what follows */
	struct buffer *buffers;
	unsigned int buffer_count;
	unsigned int clients;
	unsigned int requests; /* in the engine */
	bool shut;
};

/* A write that waits for the eraser, and the thread that waits for it. */
struct waiting_write {
	struct engine_write write;
	struct nbd_port *port;
	bool is_done;
	int result;
};

/* N2: a piece of a request lies in one block, or covers whole ones. */
struct piece {
	struct extent blocks;
	size_t skipped_bytes; /* of the first block */
	size_t bytes;
	bool is_partial;
};

/* nbdkit takes what it does not know for EINVAL, the client's own mistake. */
static int as_nbd_knows(int r)
{
	static const int known[] = {EIO, EINVAL, ENOMEM, ENOSPC, EPERM, EOPNOTSUPP, ESHUTDOWN};

	if (r >= 0)
		return 0;
	if (r == -EROFS)
		return -EPERM;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (r == -known[i])
			return r;
	}
	return -EIO;
}

/* --- a request is in, or is refused --- */

static int enter(struct nbd_port *port, struct byte_run at)
{
	uint64_t size = nbd_port_bytes(port);
	int r = 0;

	if (at.offset > size || at.bytes > size - at.offset)
		return -EINVAL;
	pthread_mutex_lock(&port->lock);
	if (port->shut)
		r = -ESHUTDOWN;
	else
		port->requests++;
	pthread_mutex_unlock(&port->lock);
	return r;
}

static int leave(struct nbd_port *port, int r)
{
	pthread_mutex_lock(&port->lock);
	port->requests--;
	pthread_cond_broadcast(&port->changed);
	pthread_mutex_unlock(&port->lock);
	return as_nbd_knows(r);
}

/* --- buffers --- */

static int take_buffer(struct nbd_port *port, uint8_t **ret_buffer)
{
	struct buffer *buffer;
	void *fresh = NULL;
	int r;

	pthread_mutex_lock(&port->lock);
	buffer = port->buffers;
	if (buffer) {
		port->buffers = buffer->next;
		port->buffer_count--;
	}
	pthread_mutex_unlock(&port->lock);
	if (buffer) {
		*ret_buffer = (uint8_t *)buffer;
		return 0;
	}
	r = io_alloc(NBD_PORT_TRANSFER_BYTES, &fresh);
	if (r >= 0)
		*ret_buffer = fresh;
	return r;
}

static void give_buffer(struct nbd_port *port, uint8_t *bytes)
{
	struct buffer *buffer = (struct buffer *)(void *)bytes;
	bool is_kept;

	pthread_mutex_lock(&port->lock);
	is_kept = port->buffer_count < BUFFERS_KEPT;
	if (is_kept) {
		buffer->next = port->buffers;
		port->buffers = buffer;
		port->buffer_count++;
	}
	pthread_mutex_unlock(&port->lock);
	if (!is_kept)
		free(buffer);
}

/* --- pieces --- */

static struct piece first_piece(const struct nbd_port *port, struct byte_run at)
{
	uint32_t block = port->info.block_bytes;
	size_t skipped = at.offset % block;
	struct piece piece = {.blocks = {at.offset / block, 1}, .skipped_bytes = skipped};

	piece.is_partial = skipped > 0 || at.bytes < block;
	piece.bytes = block - skipped;
	if (!piece.is_partial) {
		piece.bytes = at.bytes < NBD_PORT_TRANSFER_BYTES ? (size_t)at.bytes
								 : NBD_PORT_TRANSFER_BYTES;
		piece.blocks.count = piece.bytes / block;
		piece.bytes = (size_t)piece.blocks.count * block;
	}
	if (piece.bytes > at.bytes)
		piece.bytes = (size_t)at.bytes;
	return piece;
}

static struct byte_run rest_after(struct byte_run at, const struct piece *piece)
{
	return (struct byte_run){at.offset + piece->bytes, at.bytes - piece->bytes};
}

/* --- read --- */

static int read_pieces(struct nbd_port *port, struct byte_run at, uint8_t *to, uint8_t *buffer)
{
	int r = 0;

	while (at.bytes > 0 && r >= 0) {
		struct piece piece = first_piece(port, at);
		size_t whole = (size_t)piece.blocks.count * port->info.block_bytes;

		r = engine_read(port->engine, piece.blocks, buffer);
		if (r >= 0)
			memcpy(to, buffer + piece.skipped_bytes, piece.bytes);
		secret_wipe(buffer, whole);
		to += piece.bytes;
		at = rest_after(at, &piece);
	}
	return r;
}

int nbd_port_read(struct nbd_port *port, struct byte_run at, void *buf)
{
	uint8_t *buffer;
	int r;

	r = enter(port, at);
	if (r < 0)
		return r;
	r = take_buffer(port, &buffer);
	if (r >= 0) {
		r = read_pieces(port, at, buf, buffer);
		give_buffer(port, buffer);
	}
	return leave(port, r);
}

/* --- write --- */

/* On the eraser's thread. */
static void complete(struct engine_write *write, int result)
{
	struct waiting_write *waiting = (struct waiting_write *)write;
	struct nbd_port *port = waiting->port;

	pthread_mutex_lock(&port->lock);
	waiting->result = result;
	waiting->is_done = true;
	pthread_cond_broadcast(&port->changed);
	pthread_mutex_unlock(&port->lock);
}

static int wait_for_eraser(struct nbd_port *port, struct extent blocks, uint8_t *buffer)
{
	struct waiting_write waiting = {
		.write = {.at = blocks, .buf = buffer, .complete = complete},
		.port = port,
	};
	int r;

	r = engine_park(port->engine, &waiting.write);
	if (r < 0)
		return r;
	pthread_mutex_lock(&port->lock);
	while (!waiting.is_done)
		pthread_cond_wait(&port->changed, &port->lock);
	pthread_mutex_unlock(&port->lock);
	return waiting.result;
}

static int write_blocks(struct nbd_port *port, struct extent blocks, uint8_t *buffer)
{
	int r;

	r = engine_write(port->engine, blocks, buffer);
	if (r == -EBUSY)
		r = wait_for_eraser(port, blocks, buffer);
	if (r < 0) /* it may not have been encrypted in its place */
		secret_wipe(buffer, (size_t)blocks.count * port->info.block_bytes);
	return r;
}

/* from NULL: zeros. */
static int write_piece(
	struct nbd_port *port, const struct piece *piece, const uint8_t *from, uint8_t *buffer)
{
	int r = piece->is_partial ? engine_read(port->engine, piece->blocks, buffer) : 0;

	if (r < 0)
		return r;
	if (from)
		memcpy(buffer + piece->skipped_bytes, from, piece->bytes);
	else
		memset(buffer + piece->skipped_bytes, 0, piece->bytes);
	return write_blocks(port, piece->blocks, buffer);
}

static int write_pieces(
	struct nbd_port *port, struct byte_run at, const uint8_t *from, uint8_t *buffer)
{
	struct range_holder holder;
	int r = 0;

	while (at.bytes > 0 && r >= 0) {
		struct piece piece = first_piece(port, at);

		if (piece.is_partial && !mutant_is(MUTANT_PARTIAL_WRITE_SHARES_ITS_BLOCK))
			range_lock_exclusive(&port->ranges, piece.blocks, &holder);
		else
			range_lock_shared(&port->ranges, piece.blocks, &holder);
		r = write_piece(port, &piece, from, buffer);
		range_lock_release(&port->ranges, &holder);
		from = from ? from + piece.bytes : NULL;
		at = rest_after(at, &piece);
	}
	return r;
}

static int write_run(struct nbd_port *port, struct byte_run at, const uint8_t *from)
{
	uint8_t *buffer;
	int r;

	if (port->info.read_only)
		return -EPERM;
	r = enter(port, at);
	if (r < 0)
		return r;
	r = take_buffer(port, &buffer);
	if (r >= 0) {
		r = write_pieces(port, at, from, buffer);
		give_buffer(port, buffer);
	}
	return leave(port, r);
}

int nbd_port_write(struct nbd_port *port, struct byte_run at, const void *buf)
{
	return write_run(port, at, buf);
}

/* N1 */
int nbd_port_zero(struct nbd_port *port, struct byte_run at)
{
	return write_run(port, at, NULL);
}

/* --- trim, flush, extents --- */

static int trim_blocks(struct nbd_port *port, struct extent blocks)
{
	uint64_t most = TRIM_BYTES / port->info.block_bytes;
	struct range_holder holder;
	int r = 0;

	while (blocks.count > 0 && r >= 0) {
		struct extent run = {blocks.first, blocks.count < most ? blocks.count : most};

		range_lock_shared(&port->ranges, run, &holder);
		r = engine_discard(port->engine, run);
		range_lock_release(&port->ranges, &holder);
		blocks = (struct extent){blocks.first + run.count, blocks.count - run.count};
	}
	return r;
}

int nbd_port_trim(struct nbd_port *port, struct byte_run at)
{
	uint32_t block = port->info.block_bytes;
	uint64_t first, end;
	int r;

	if (port->info.read_only)
		return -EPERM;
	r = enter(port, at);
	if (r < 0)
		return r;
	first = (at.offset + block - 1) / block;
	end = (at.offset + at.bytes) / block;
	if (end > first)
		r = trim_blocks(port, (struct extent){first, end - first});
	return leave(port, r);
}

int nbd_port_flush(struct nbd_port *port)
{
	int r = enter(port, (struct byte_run){0, 0});

	return r < 0 ? r : leave(port, engine_flush(port->engine));
}

static bool is_hole(enum residue_class class)
{
	return class == RESIDUE_CLASS_CLEAN || class == RESIDUE_CLASS_RESIDUE ||
	       class == RESIDUE_CLASS_SUSPECT;
}

int nbd_port_extent(struct nbd_port *port, struct byte_run at, uint64_t *ret_bytes, bool *ret_hole)
{
	uint32_t block = port->info.block_bytes;
	uint64_t blocks;
	int r;

	if (at.bytes == 0 || !port->info.managed)
		return -EINVAL;
	r = enter(port, at);
	if (r < 0)
		return r;
	*ret_hole = is_hole(residue_lookup(
		engine_residue(port->engine), at.offset / block, EXTENT_LOOKUP_BLOCKS, &blocks));
	*ret_bytes = blocks * block - at.offset % block;
	if (*ret_bytes > at.bytes)
		*ret_bytes = at.bytes;
	return leave(port, 0);
}

/* --- who is connected --- */

int nbd_port_connect(struct nbd_port *port)
{
	int r = 0;

	pthread_mutex_lock(&port->lock);
	if (port->shut)
		r = -ESHUTDOWN;
	else
		port->clients++;
	pthread_mutex_unlock(&port->lock);
	return r;
}

void nbd_port_disconnect(struct nbd_port *port)
{
	pthread_mutex_lock(&port->lock);
	port->clients--;
	pthread_mutex_unlock(&port->lock);
}

unsigned int nbd_port_clients(struct nbd_port *port)
{
	unsigned int clients;

	pthread_mutex_lock(&port->lock);
	clients = port->clients;
	pthread_mutex_unlock(&port->lock);
	return clients;
}

int nbd_port_shut(struct nbd_port *port, bool disconnect)
{
	int r = 0;

	pthread_mutex_lock(&port->lock);
	if (port->clients > 0 && !disconnect)
		r = -EBUSY;
	else
		port->shut = true;
	pthread_mutex_unlock(&port->lock);
	return r;
}

void nbd_port_quiesce(struct nbd_port *port)
{
	pthread_mutex_lock(&port->lock);
	while (port->requests > 0)
		pthread_cond_wait(&port->changed, &port->lock);
	pthread_mutex_unlock(&port->lock);
}

/* --- the port --- */

int nbd_port_new(struct engine *engine, struct nbd_port **ret_port)
{
	struct nbd_port *port = calloc(1, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->engine = engine;
	engine_get_info(engine, &port->info);
	range_lock_init(&port->ranges);
	pthread_mutex_init(&port->lock, NULL);
	pthread_cond_init(&port->changed, NULL);
	*ret_port = port;
	return 0;
}

void nbd_port_free(struct nbd_port *port)
{
	if (!port)
		return;
	while (port->buffers) {
		struct buffer *next = port->buffers->next;

		free(port->buffers);
		port->buffers = next;
	}
	range_lock_done(&port->ranges);
	pthread_cond_destroy(&port->changed);
	pthread_mutex_destroy(&port->lock);
	free(port);
}

uint64_t nbd_port_bytes(const struct nbd_port *port)
{
	struct engine_info info;

	engine_get_info(port->engine, &info);
	return info.blocks * info.block_bytes;
}

bool nbd_port_can_write(const struct nbd_port *port)
{
	return !port->info.read_only;
}

bool nbd_port_can_trim(const struct nbd_port *port)
{
	return port->info.managed && !port->info.read_only;
}

bool nbd_port_can_tell_extents(const struct nbd_port *port)
{
	return port->info.managed;
}

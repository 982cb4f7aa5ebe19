/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_transfer.c - what the ports ask: read, write, park, flush, discard
 */
#include "volume/engine_impl.h"
#include "base/clock.h"
#include "blockdev/ext4_fingerprint.h"
#include <errno.h>
#include <string.h>

static size_t bytes_of(const struct engine *engine, struct extent at)
{
	return (size_t)at.count * engine->info.block_bytes;
}

int engine_read(struct engine *engine, struct extent at, void *buf)
{
	atomic_store_explicit(&engine->last_io_ns, clock_monotonic_ns(), memory_order_relaxed);
	if (!engine->residue)
		return blockdev_read(engine->crypted, at, buf, bytes_of(engine, at));
	return residue_read(engine->residue, at, buf);
}

/* The file system's superblock passes through: what it looks like is remembered
 * (ext4_fingerprint.h). */
static void note_superblock(struct engine *engine, const uint8_t *block)
{
	uint8_t fingerprint[RESIDUE_FINGERPRINT_BYTES];

	if (ext4_fingerprint(block, fingerprint))
		residue_set_fingerprint(engine->residue, fingerprint);
}

int engine_write_managed(struct engine *engine, struct extent at, void *buf)
{
	struct extent owed;

	if (at.first == 0 && at.count > 0)
		note_superblock(engine, buf);
	return residue_write(engine->residue, at, buf, &owed);
}

void engine_note_freed(struct engine *engine)
{
	uint64_t now = clock_monotonic_ns();

	if (engine->fresh_since_ns == 0)
		engine->fresh_since_ns = now;
	if (engine->fresh_again_ns == 0)
		engine->fresh_again_ns = now;
	pthread_cond_signal(&engine->work);
}

static void note_freed(struct engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine_note_freed(engine);
	pthread_mutex_unlock(&engine->lock);
}

int engine_write(struct engine *engine, struct extent at, void *buf)
{
	int r;

	atomic_store_explicit(&engine->last_io_ns, clock_monotonic_ns(), memory_order_relaxed);
	if (!engine->residue)
		return blockdev_write_consuming(engine->crypted, at, buf, bytes_of(engine, at));
	r = engine_write_managed(engine, at, buf);
	if (r < 0 && r != -EBUSY)
		note_freed(engine); /* a failed first write is owed (M7) */
	return r;
}

/* Under lock: is there an eraser that will serve what is asked for now? */
int engine_check_serving(const struct engine *engine)
{
	if (engine->info.read_only)
		return -EROFS;
	return engine->running && !engine->stopping && !engine->failed ? 0 : -EIO;
}

int engine_park(struct engine *engine, struct engine_write *write)
{
	int r;

	pthread_mutex_lock(&engine->lock);
	r = engine_check_serving(engine);
	if (r >= 0) {
		write->next = NULL;
		*engine->parked_tail = write;
		engine->parked_tail = &write->next;
		engine->parked_count++;
		pthread_cond_signal(&engine->work);
	}
	pthread_mutex_unlock(&engine->lock);
	return r;
}

int engine_flush(struct engine *engine)
{
	if (engine->info.read_only)
		return 0;
	return engine->residue ? residue_flush(engine->residue) : blockdev_flush(engine->device);
}

int engine_discard(struct engine *engine, struct extent at)
{
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	r = residue_discard(engine->residue, at);
	if (r >= 0)
		note_freed(engine);
	return r;
}

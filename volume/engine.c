/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - one volume opened, started, stopped and closed
 */
#include "volume/engine_impl.h"
#include "base/clock.h"
#include "blockdev/crypted.h"
#include "blockdev/raw.h"
#include "blockdev/window.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_STACK_BYTES (256u << 10)

/* --- open --- */

static int check_length(struct engine *engine, const char *path,
	const struct keystore_segment *segment, struct problem *reterr_problem)
{
	uint64_t bytes = blockdev_bytes(engine->device);

	if (bytes > segment->data_offset_bytes)
		return 0;
	return problem_set(reterr_problem, -ENXIO,
		"%s is %" PRIu64
		" bytes long, but its header says that data begins at byte %" PRIu64
		": it was cut short; restore the whole image",
		path, bytes, segment->data_offset_bytes);
}

static int open_stock(struct engine *engine, const struct keystore_segment *segment)
{
	uint64_t first = segment->data_offset_bytes / segment->sector_bytes;
	struct extent run = {first, blockdev_blocks(engine->device) - first};
	int r;

	r = window_new(engine->device, run, &engine->window);
	if (r >= 0)
		r = crypted_new(engine->window, engine->volume_key, segment->sector_bytes,
			segment->iv_offset, &engine->crypted);
	if (r >= 0)
		engine->info.blocks = blockdev_blocks(engine->crypted);
	return r;
}

static int open_managed(
	struct engine *engine, const struct engine_options *options, struct problem *reterr_problem)
{
	const struct residue_parts parts = {
		.device = engine->device,
		.layout = &engine->layout,
		.volume_key = engine->volume_key,
		.read_only = options->read_only,
	};
	int r;

	engine->info.scheme =
		options->scheme ? options->scheme : scheme_find(engine->info.token.scheme);
	if (!engine->info.scheme)
		return problem_set(reterr_problem, -EINVAL,
			"the volume asks for the overwrite scheme \"%s\", which this version does "
			"not know; give --scheme",
			engine->info.token.scheme);
	r = residue_open(&parts, &engine->residue, &engine->info.opened, reterr_problem);
	if (r >= 0)
		r = eraser_new(
			engine->residue, engine->info.scheme, options->verify, &engine->eraser);
	if (r >= 0)
		r = engine_redo_open(engine, reterr_problem);
	if (r >= 0)
		engine->info.blocks = residue_blocks(engine->residue);
	engine->info.medium_bytes_most =
		(engine->layout.data_first + engine->layout.data_blocks_most) * BLOCK_BYTES;
	return r;
}

/* Token and magic must agree: magic without token is never served as plain encryption. */
static int find_map(struct engine *engine, const char *path, struct keystore *keystore,
	const struct engine_options *options, const struct keystore_segment *segment,
	bool *ret_managed, struct problem *reterr_problem)
{
	const struct raw_options raw_options = {
		.read_only = true, .unlocked = true, .block_bytes = BLOCK_BYTES};
	_cleanup_(blockdev_closep) struct blockdev *blocks = NULL;
	struct keystore_token token;
	struct problem why = {""};
	int r;

	keystore_get_token(keystore, &token);
	r = raw_open(path, &raw_options, &blocks, reterr_problem);
	if (r < 0)
		return r;
	r = layout_read(blocks, engine->volume_key, &engine->layout, &why);
	if (r == -ERANGE)
		r = -ENODATA;
	if (r == -ENODATA && !token.present) {
		*ret_managed = false;
		return 0;
	}
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s", path, why.text);
	if (engine->layout.data_first * BLOCK_BYTES != segment->data_offset_bytes ||
		segment->sector_bytes != BLOCK_BYTES)
		return problem_set(reterr_problem, -EBADMSG,
			"%s: LUKS2 header and residue map do not agree on where data begins; "
			"restore the header from a backup",
			path);
	if (!token.present) {
		if (!options->repair_token || options->read_only)
			return problem_set(reterr_problem, -ENOTUNIQ,
				"%s has a residue map, but the spoolguard token was removed from "
				"its LUKS2 header; attach once "
				"with --repair-token to put it back",
				path);
		r = keystore_repair_token(keystore, scheme_default()->name, reterr_problem);
		if (r < 0)
			return r;
	}
	keystore_get_token(keystore, &engine->info.token);
	*ret_managed = true;
	return 0;
}

static void release(struct engine *engine)
{
	engine->sanitizing = blockdev_close(engine->sanitizing);
	eraser_free(engine->eraser);
	residue_free(engine->residue);
	engine->crypted = blockdev_close(engine->crypted);
	engine->window = blockdev_close(engine->window);
	engine->device = blockdev_close(engine->device);
	secret_free(engine->volume_key);
	pthread_cond_destroy(&engine->work);
	pthread_cond_destroy(&engine->progress);
	pthread_mutex_destroy(&engine->lock);
	pthread_mutex_destroy(&engine->growing);
	pthread_mutex_destroy(&engine->testing);
	pthread_rwlock_destroy(&engine->condemning);
	free(engine);
}

static void init_locks(struct engine *engine)
{
	pthread_condattr_t attributes;

	pthread_rwlock_init(&engine->condemning, NULL);
	pthread_mutex_init(&engine->growing, NULL);
	pthread_mutex_init(&engine->testing, NULL);
	pthread_mutex_init(&engine->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&engine->work, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_cond_init(&engine->progress, NULL);
}

static int use_key(struct engine *engine, struct keystore *keystore,
	const struct secret *volume_key, struct problem *reterr_problem)
{
	int r = keystore_check_key(keystore, volume_key, reterr_problem);

	return r < 0 ? r
		     : secret_new_copy(secret_peek(volume_key), secret_size(volume_key),
			       &engine->volume_key);
}

static int open_all(struct engine *engine, const char *path, const struct engine_options *options,
	const struct secret *passphrase, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct raw_options raw_options = {.read_only = options->read_only};
	struct keystore_segment segment;
	int slot, r;

	r = keystore_open(path, options->read_only, &keystore, reterr_problem);
	if (r < 0)
		return r;
	keystore_get_segment(keystore, &segment);
	raw_options.block_bytes = engine->info.block_bytes = segment.sector_bytes;
	snprintf(engine->info.uuid, sizeof(engine->info.uuid), "%s", keystore_uuid(keystore));

	/* The lock comes before anything is believed or changed. */
	r = raw_open(path, &raw_options, &engine->device, reterr_problem);
	if (r >= 0)
		r = check_length(engine, path, &segment, reterr_problem);
	if (r >= 0 && options->volume_key)
		r = use_key(engine, keystore, options->volume_key, reterr_problem);
	else if (r >= 0)
		r = keystore_unlock(
			keystore, passphrase, -1, &engine->volume_key, &slot, reterr_problem);
	if (r >= 0)
		r = find_map(engine, path, keystore, options, &segment, &engine->info.managed,
			reterr_problem);
	if (r < 0)
		return r;
	engine->info.direct = raw_is_direct(engine->device);
	if (!engine->info.managed)
		return open_stock(engine, &segment);
	return open_managed(engine, options, reterr_problem);
}

static struct engine *new_engine(const struct engine_options *options)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->info.read_only = options->read_only;
	engine->info.verify = options->verify;
	engine->parked_tail = &engine->parked;
	init_locks(engine);
	return engine;
}

int engine_open(const char *path, const struct engine_options *options,
	const struct secret *passphrase, struct engine **ret_engine, struct problem *reterr_problem)
{
	struct engine *engine = new_engine(options);
	int r;

	if (!engine)
		return -ENOMEM;
	r = open_all(engine, path, options, passphrase, reterr_problem);
	if (r < 0 && reterr_problem && reterr_problem->text[0] == '\0')
		problem_set(reterr_problem, r, "%s cannot be opened: %s", path,
			r == -ENOTRECOVERABLE
				? "the medium failed while the map was written to it; see to the "
				  "medium, then attach again"
				: strerror(-r));
	if (r < 0) {
		release(engine);
		return r;
	}
	*ret_engine = engine;
	return 0;
}

int engine_open_on(struct blockdev *device, const struct layout *layout, struct secret *volume_key,
	const struct engine_options *options, struct engine **ret_engine,
	struct problem *reterr_problem)
{
	struct engine *engine = new_engine(options);
	int r;

	if (!engine) {
		blockdev_close(device);
		secret_free(volume_key);
		return -ENOMEM;
	}
	engine->device = device;
	engine->volume_key = volume_key;
	engine->layout = *layout;
	engine->info.managed = true;
	engine->info.block_bytes = BLOCK_BYTES;
	r = open_managed(engine, options, reterr_problem);
	if (r < 0) {
		release(engine);
		return r;
	}
	*ret_engine = engine;
	return 0;
}

void engine_get_info(const struct engine *engine, struct engine_info *ret_info)
{
	*ret_info = engine->info;
	if (engine->residue)
		ret_info->blocks = residue_blocks(engine->residue);
}

struct residue *engine_residue(struct engine *engine)
{
	return engine->residue;
}

int engine_medium_fd(const struct engine *engine)
{
	return raw_fd(engine->device);
}

/* Before there are threads: what is owed now is owed from before. */
static void note_backlog(struct engine *engine)
{
	struct residue_counts counts;

	residue_get_counts(engine->residue, &counts);
	if (counts.residue + counts.suspect > 0)
		engine->backlog_since_ns = clock_monotonic_ns();
}

int engine_start(struct engine *engine)
{
	pthread_attr_t attributes;
	int r;

	if (!engine->info.managed)
		return 0;
	note_backlog(engine);
	if (engine->info.read_only)
		return 0;
	engine->sanitizing = blockdev_close(engine->sanitizing); /* it is for one thread */
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	pthread_mutex_lock(&engine->lock);
	r = -pthread_create(&engine->thread, &attributes, engine_eraser_thread, engine);
	engine->running = r >= 0;
	pthread_mutex_unlock(&engine->lock);
	pthread_attr_destroy(&attributes);
	return r;
}

void engine_stop(struct engine *engine)
{
	bool running;

	pthread_mutex_lock(&engine->lock);
	running = engine->running;
	engine->stopping = true;
	pthread_cond_broadcast(&engine->work);
	pthread_cond_broadcast(&engine->progress);
	pthread_mutex_unlock(&engine->lock);
	if (!running)
		return;
	pthread_join(engine->thread, NULL);
	pthread_mutex_lock(&engine->lock);
	engine->running = false;
	pthread_mutex_unlock(&engine->lock);
}

int engine_close(struct engine *engine)
{
	int r = 0;

	engine_stop(engine);
	if (engine->residue)
		r = residue_close_orderly(engine->residue);
	else if (!engine->info.read_only)
		r = blockdev_flush(engine->device);
	release(engine);
	return r;
}

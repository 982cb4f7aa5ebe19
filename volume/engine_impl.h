/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_impl.h - what the engine's files share
 *
 *   engine.c           open, start, stop, close
 *   engine_transfer.c  read, write, park, flush, discard
 *   engine_control.c   retirements, barriers, growth, debt
 *   engine_eraser.c    the eraser's thread
 *   engine_redo.c      a redo record found at open
 *   engine_search.c    strings in what the medium decrypts to
 *   engine_selftest.c  self-tests on the medium
 *   engine_trust.c     may the map be acted on, where nobody mounts the volume here?
 */
#ifndef SPOOLGUARD_VOLUME_ENGINE_IMPL_H
#define SPOOLGUARD_VOLUME_ENGINE_IMPL_H

#include "volume/engine.h"
#include <pthread.h>
#include <stdatomic.h>

/*
 * Locks, taken in this order: condemning -> lock -> the residue map's own.
 *
 * "condemning" is held shared from before a retirement's blocks are condemned until its
 * request is in the list, and alone by the eraser's thread while it looks what is owed: so
 * that what belongs to a retirement is never paid, uncounted, by a batch that does not know it.
 */

struct retire_request {
	struct extent_list owed;  /* what is left to be paid */
	struct extent_list piece; /* ... and is asked of the batch that runs */
	struct retirement *result;
	bool done;
	int error;
	struct retire_request *next;
};

struct engine {
	struct engine_info info;
	struct blockdev *device;
	struct secret *volume_key;

	/* managed */
	struct layout layout;
	struct residue *residue;
	struct eraser *eraser;
	struct blockdev *sanitizing; /* the volume for one thread: replay, and work in-process */

	/* stock */
	struct blockdev *window;
	struct blockdev *crypted;

	/* the eraser's thread; lock guards what follows */
	pthread_t thread;
	pthread_rwlock_t condemning;
	pthread_mutex_t growing; /* one growth at a time */
	pthread_mutex_t testing; /* one self-test at a time */
	pthread_mutex_t lock;
	bool running;
	pthread_cond_t work;	 /* something for the eraser; on the monotonic clock */
	pthread_cond_t progress; /* the eraser did something */
	bool stopping;
	bool failed;
	struct engine_write *parked; /* oldest first */
	struct engine_write **parked_tail;
	uint64_t parked_count;
	struct retire_request *retirements; /* oldest first */
	uint64_t epoch;
	uint64_t erased_blocks;
	uint64_t scan_wanted;  /* barriers asked for so far */
	uint64_t scan_covered; /* barriers that complete scans cover */
	uint64_t full_wanted;  /* the same for scans of fresh debt and backlog */
	uint64_t full_covered;
	uint64_t fresh_since_ns;   /* 0: nothing fresh is owed */
	uint64_t backlog_since_ns; /* the attach, while debt from before it is left; 0: none is */
	uint64_t fresh_again_ns; /* the first freed since the scan that is running began; 0: none */

	/* leadership of the file system's part of a barrier */
	bool leader;
	uint64_t leads_started;
	uint64_t leads_done; /* highest number of a lead that was done */

	atomic_uint_fast64_t last_io_ns;
};

/*
 * The end of engine_open(): a managed volume on a device that is open already, of a key
 * that is known.  options->scheme is not NULL.  Takes both, also on error.
 */
must_check int engine_open_on(struct blockdev *device, const struct layout *layout,
	struct secret *volume_key, const struct engine_options *options, struct engine **ret_engine,
	struct problem *reterr_problem);

/* Under lock: blocks were freed; the eraser is told. */
void engine_note_freed(struct engine *engine);

/* Under lock: 0 while the eraser takes requests, else why not. */
int engine_check_serving(const struct engine *engine);
void *engine_eraser_thread(void *engine);
/* Completes what an interrupted change left (blockdev/redo.h), or refuses it if read-only. */
must_check int engine_redo_open(struct engine *engine, struct problem *reterr_problem);
int engine_write_managed(struct engine *engine, struct extent at, void *buf);

#endif

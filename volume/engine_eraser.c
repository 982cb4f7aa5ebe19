/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_eraser.c - the eraser's thread: what is paid next, and who is told
 *
 *   wait -> urgent (parked writes, retirements) -> fresh debt, by scans -> backlog, in small pieces
 *
 * After each piece it looks again, so that an urgent request waits for one piece
 * at most.  While other transfers are going on, a piece of backlog is small and is
 * followed by a pause so long that fewer than one in a hundred of a busy writer's
 * requests meets a piece: its 99th percentile stays what it was.
 */
#include "volume/engine_impl.h"
#include "base/clock.h"
#include <errno.h>
#include <linux/ioprio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define URGENT_PIECE_BLOCKS	  8192u /* 32 MiB of retirements, beside the parked writes */
#define FRESH_PIECE_BLOCKS	  8192u /* 32 MiB */
#define BACKLOG_PIECE_BLOCKS	  2048u /* 8 MiB, when nothing else goes on */
#define BACKLOG_BUSY_PIECE_BLOCKS 128u	/* 512 KiB, when something does */
#define BUSY_NS			  100000000u
#define PAUSE_FACTOR		  29u
#define SETTLE_NS		  200000000u /* what is freed together is paid together */

enum { IOPRIO_WHO_THREAD = 1, IOPRIO_LOWEST_BEST_EFFORT = (2 << 13) | 7 };

/* A scan goes once through the map; what it covers was asked for before it began. */
struct scan {
	bool active;
	enum residue_debt debt;
	uint64_t cursor;
	uint64_t covers;
	uint64_t covers_full;
	uint64_t backlog_pieces; /* paid by this scan */
};

static bool is_busy(const struct engine *engine)
{
	uint64_t last = atomic_load_explicit(&engine->last_io_ns, memory_order_relaxed);

	return clock_monotonic_ns() - last < BUSY_NS;
}

/* Runs one batch and counts it.  Without the lock. */
static int erase(
	struct engine *engine, const struct extent_list *wanted, struct eraser_report *report)
{
	int r;

	*report = (struct eraser_report){0};
	if (wanted->count == 0)
		return 0;
	r = eraser_run(engine->eraser, wanted, report);
	pthread_mutex_lock(&engine->lock);
	if (r < 0)
		engine->failed = true;
	engine->epoch = report->epoch > engine->epoch ? report->epoch : engine->epoch;
	engine->erased_blocks += r < 0 ? 0 : extent_list_blocks(eraser_cleared(engine->eraser));
	pthread_mutex_unlock(&engine->lock);
	return r;
}

/* --- urgent --- */

/* What of a retirement is paid next, at most so many blocks. */
static int gather_piece(
	struct retire_request *request, uint64_t *room_blocks, struct extent_list *wanted)
{
	int r = 0;

	for (size_t i = 0; i < request->owed.count && r >= 0; i++) {
		struct extent run = request->owed.items[i];

		if (*room_blocks == 0)
			break;
		if (run.count > *room_blocks)
			run.count = *room_blocks;
		*room_blocks -= run.count;
		r = extent_list_add(&request->piece, run);
		if (r >= 0)
			r = extent_list_add(wanted, run);
	}
	return r;
}

static int gather(
	struct engine_write *parked, struct retire_request *retirements, struct extent_list *wanted)
{
	uint64_t room_blocks = URGENT_PIECE_BLOCKS;
	int r = 0;

	for (; parked && r >= 0; parked = parked->next)
		r = extent_list_add(wanted, parked->at);
	for (; retirements && r >= 0; retirements = retirements->next)
		r = gather_piece(retirements, &room_blocks, wanted);
	return r;
}

/*
 * What the batch did for the request, of its piece or of the rest (a parked write may have met
 * that).  Blocks of the piece that were not cleared were refused by the medium, in this batch or
 * in one that took them first, or were paid by the batch before.
 */
static int settle_piece(
	struct engine *engine, struct retire_request *request, const struct eraser_report *report)
{
	const struct extent_list *cleared = eraser_cleared(engine->eraser);
	struct retirement *result = request->result;
	uint64_t written = extent_list_common_blocks(&request->owed, cleared), refused;
	int r;

	if (written == 0 && request->piece.count == 0)
		return 0;
	result->written_blocks += written;
	result->durable_blocks += written;
	result->verified_blocks +=
		extent_list_common_blocks(&request->owed, eraser_verified(engine->eraser));
	result->passes = report->passes;
	memcpy(result->pass_durable_wall_s, report->pass_durable_wall_s,
		sizeof(result->pass_durable_wall_s));
	result->epoch = report->epoch;
	if (written == extent_list_blocks(&request->owed)) {
		extent_list_clear(&request->owed);
		extent_list_clear(&request->piece);
		return 0;
	}

	r = extent_list_remove_list(&request->owed, cleared);
	if (r >= 0)
		r = extent_list_remove_list(&request->piece, cleared);
	if (r < 0)
		return r;
	refused = extent_list_common_blocks(&request->piece, eraser_refused(engine->eraser));
	result->refused_blocks += refused;
	result->not_owed_blocks += extent_list_blocks(&request->piece) - refused;
	r = extent_list_remove_list(&request->owed, &request->piece);
	extent_list_clear(&request->piece);
	return r;
}

/* Under lock: tells those that are paid; what is left of the others goes before those that came
 * meanwhile. */
static void finish_retirements(struct engine *engine, struct retire_request *requests,
	const struct eraser_report *report, int error)
{
	struct retire_request *came = engine->retirements;
	struct retire_request **tail = &engine->retirements;

	while (requests) {
		struct retire_request *request = requests;

		requests = request->next; /* once it is done its memory is the waiter's */
		request->error = error < 0 ? error : settle_piece(engine, request, report);
		if (request->error < 0 || request->owed.count == 0) {
			request->done = true;
			continue;
		}
		*tail = request;
		tail = &request->next;
	}
	*tail = came;
}

/* The blocks are clean now: the write goes to the medium, or is parked again if others came in
 * between. */
static void finish_write(struct engine *engine, struct engine_write *write, int error)
{
	int r = error;

	if (r >= 0)
		r = engine_write_managed(engine, write->at, write->buf);
	if (r == -EBUSY) {
		pthread_mutex_lock(&engine->lock);
		if (!engine->stopping && !engine->failed) {
			write->next = NULL;
			*engine->parked_tail = write;
			engine->parked_tail = &write->next;
			engine->parked_count++;
			r = -EINPROGRESS;
		} else {
			r = -EIO;
		}
		pthread_mutex_unlock(&engine->lock);
	}
	if (r != -EINPROGRESS)
		write->complete(write, r);
}

/* Takes the lock and leaves it; returns whether there was anything. */
static bool serve_urgent(struct engine *engine)
{
	struct engine_write *parked;
	struct retire_request *retirements;
	struct extent_list wanted = {0};
	struct eraser_report report = {0};
	int r;

	if (!engine->parked && !engine->retirements)
		return false;
	pthread_mutex_unlock(&engine->lock);
	pthread_rwlock_wrlock(&engine->condemning);
	pthread_mutex_lock(&engine->lock);
	parked = engine->parked;
	retirements = engine->retirements;
	engine->parked = NULL;
	engine->parked_tail = &engine->parked;
	engine->parked_count = 0;
	engine->retirements = NULL;
	pthread_mutex_unlock(&engine->lock);
	pthread_rwlock_unlock(&engine->condemning);

	r = gather(parked, retirements, &wanted);
	if (r >= 0)
		r = erase(engine, &wanted, &report);
	extent_list_done(&wanted);
	while (parked) {
		struct engine_write *next = parked->next;

		finish_write(engine, parked, r);
		parked = next;
	}

	pthread_mutex_lock(&engine->lock);
	finish_retirements(engine, retirements, &report, r);
	pthread_cond_broadcast(&engine->progress);
	return true;
}

/* --- scans --- */

static void begin_scan(struct engine *engine, struct scan *scan)
{
	scan->active = true;
	scan->debt = RESIDUE_DEBT_FRESH;
	scan->cursor = 0;
	scan->covers = engine->scan_wanted;
	scan->covers_full = engine->full_wanted;
	scan->backlog_pieces = 0;
	engine->fresh_again_ns = 0;
}

/* Under lock: the scan came to the end of the map. */
static void end_of_map(struct engine *engine, struct scan *scan)
{
	if (scan->debt == RESIDUE_DEBT_FRESH) {
		engine->scan_covered = scan->covers;
		engine->fresh_since_ns = engine->fresh_again_ns;
		scan->debt = RESIDUE_DEBT_BACKLOG;
		scan->cursor = 0;
	} else {
		engine->full_covered = scan->covers_full;
		engine->backlog_since_ns = 0;
		scan->active = false;
	}
	pthread_cond_broadcast(&engine->progress);
}

/* Under lock: somebody waits for the eraser. */
static bool is_pressed(const struct engine *engine)
{
	return engine->stopping || engine->parked || engine->retirements ||
	       engine->scan_wanted > engine->scan_covered ||
	       engine->full_wanted > engine->full_covered;
}

/* Takes the lock and leaves it: lets the time go by, unless somebody waits. */
static void pause_for(struct engine *engine, uint64_t ns)
{
	uint64_t end = clock_monotonic_ns() + ns;
	struct timespec until = {
		.tv_sec = (time_t)(end / 1000000000u),
		.tv_nsec = (long)(end % 1000000000u),
	};

	while (!is_pressed(engine) &&
		pthread_cond_timedwait(&engine->work, &engine->lock, &until) != ETIMEDOUT)
		continue;
}

/* The same, and only as long as others use the medium. */
static void pause_while_busy(struct engine *engine, uint64_t ns)
{
	while (ns > 0 && is_busy(engine) && !is_pressed(engine)) {
		uint64_t some = ns < BUSY_NS ? ns : BUSY_NS;

		pause_for(engine, some);
		ns -= some;
	}
}

/*
 * Without the lock: the next runs that are owed, unless a retirement waits: its blocks
 * are owed too, and are to be paid by the batch that counts them.
 */
static int look_for_debt(
	struct engine *engine, struct scan *scan, uint64_t limit, struct extent_list *wanted)
{
	bool others;
	int r = 0;

	pthread_rwlock_wrlock(&engine->condemning);
	pthread_mutex_lock(&engine->lock);
	others = engine->retirements != NULL;
	pthread_mutex_unlock(&engine->lock);
	if (!others)
		r = residue_next_owed(engine->residue, scan->debt, &scan->cursor, limit, wanted);
	pthread_rwlock_unlock(&engine->condemning);
	return r;
}

/* Takes the lock and leaves it: one piece of the scan. */
static void scan_piece(struct engine *engine, struct scan *scan)
{
	bool backlog = scan->debt == RESIDUE_DEBT_BACKLOG;
	bool barrier = engine->scan_wanted > engine->scan_covered;
	bool hurry = engine->full_wanted > engine->full_covered;
	bool small = backlog && (barrier || (!hurry && is_busy(engine)));
	struct extent_list wanted = {0};
	struct eraser_report report = {0};
	uint64_t limit = !backlog ? FRESH_PIECE_BLOCKS
			 : small  ? BACKLOG_BUSY_PIECE_BLOCKS
				  : BACKLOG_PIECE_BLOCKS;
	int r;

	/* A barrier asked for during the backlog is not made to wait for its end; but one small
	 * piece of it is paid for each barrier, else a busy spool's backlog would last for ever. */
	if (barrier && scan->backlog_pieces > 0) {
		begin_scan(engine, scan);
		return;
	}
	pthread_mutex_unlock(&engine->lock);
	r = look_for_debt(engine, scan, limit, &wanted);
	if (r >= 0)
		r = erase(engine, &wanted, &report);
	pthread_mutex_lock(&engine->lock);
	scan->backlog_pieces += backlog && wanted.count > 0;
	if (r < 0)
		engine->failed = true;
	else if (scan->cursor >= residue_blocks(engine->residue))
		end_of_map(engine, scan);
	if (small && wanted.count > 0)
		pause_while_busy(engine, PAUSE_FACTOR * report.took_ns);
	extent_list_done(&wanted);
}

/* --- the thread --- */

/* What the medium refuses, with no spare left, is owed for ever and cannot be paid. */
static bool owes_anything(struct engine *engine)
{
	struct residue_counts counts;

	residue_get_counts(engine->residue, &counts);
	return counts.residue + counts.suspect > counts.dead;
}

/* Under lock: nobody will be served any more. */
static void give_up(struct engine *engine)
{
	struct engine_write *parked = engine->parked;
	struct retire_request *retirements = engine->retirements;

	engine->parked = NULL;
	engine->parked_tail = &engine->parked;
	engine->parked_count = 0;
	engine->retirements = NULL;
	finish_retirements(engine, retirements, NULL, -EIO);
	pthread_cond_broadcast(&engine->progress);
	pthread_mutex_unlock(&engine->lock);
	while (parked) {
		struct engine_write *next = parked->next;

		parked->complete(parked, -EIO);
		parked = next;
	}
	pthread_mutex_lock(&engine->lock);
}

/* Under lock: nothing to do.  What was cleared is recorded, once; then something wakes us. */
static void idle(struct engine *engine, uint64_t *recorded_epoch)
{
	if (*recorded_epoch != engine->epoch) {
		*recorded_epoch = engine->epoch;
		pthread_mutex_unlock(&engine->lock);
		if (residue_flush(engine->residue) < 0) {
			pthread_mutex_lock(&engine->lock);
			engine->failed = true;
			return;
		}
		pthread_mutex_lock(&engine->lock);
		return;
	}
	engine->backlog_since_ns = 0;
	engine->fresh_since_ns = 0; /* nothing is owed, or we would not be idle */
	pthread_cond_wait(&engine->work, &engine->lock);
	if (owes_anything(engine))
		pause_for(engine, SETTLE_NS);
}

void *engine_eraser_thread(void *argument)
{
	struct engine *engine = argument;
	struct scan scan = {
		.active = true}; /* what is owed from before is paid without being asked */
	uint64_t recorded_epoch = 0;
	bool trusted = false;

	syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, IOPRIO_LOWEST_BEST_EFFORT);
	pthread_mutex_lock(&engine->lock);
	while (!engine->stopping && !engine->failed) {
		if (!trusted && !(trusted = residue_is_trusted(engine->residue))) {
			pthread_cond_wait(&engine->work, &engine->lock);
			continue;
		}
		if (serve_urgent(engine))
			continue;
		if (!scan.active && (engine->scan_wanted > engine->scan_covered ||
					    engine->full_wanted > engine->full_covered ||
					    owes_anything(engine)))
			begin_scan(engine, &scan);
		if (scan.active)
			scan_piece(engine, &scan);
		else
			idle(engine, &recorded_epoch);
	}
	give_up(engine); /* it lets go of the lock: what comes now is refused, not parked */
	while (!engine->stopping)
		pthread_cond_wait(&engine->work, &engine->lock);
	give_up(engine);
	pthread_mutex_unlock(&engine->lock);
	return NULL;
}

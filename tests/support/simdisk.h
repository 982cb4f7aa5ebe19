/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdisk.h - a disk in memory that fails, lies and loses power on request
 *
 * It is an ordinary blockdev, so that it stands under real code.  It is sparse
 * (a block that was never written is zeros and costs nothing), and it has the
 * honest behaviour of a disk unless a test asks for something else:
 *
 *   faults   the Nth read, write or flush fails; some blocks always fail
 *   lies     a write is dropped or torn, a flush does nothing: reported as success
 *   log      every write and flush in order, for a crash simulator
 *   cache    simdisk_power_cut() loses or keeps each unflushed 512-byte sector
 *   hook     a function of the test's is called before each operation
 *   delay    each flush takes a while
 *
 * A crash simulator replays the log onto forks: simdisk_fork() makes a disk
 * that shows what another one holds, costs memory only for what is written to
 * it, and is turned back in time proportional to that (simdisk_reset).
 *
 *   Z1  A flush covers the writes that had returned when it began, no others.
 *   Z2  Writes to the medium happen in the order of the log; what a power cut
 *       leaves is: everything covered by a successful flush, and of the rest any
 *       set of whole 512-byte sectors, a later write of a sector over an earlier.
 *
 * Threads: operations may come from any thread, and so may what counts, breaks and
 * fails operations, the hook and the delay.  The other functions here are for the thread
 * of the test, while no operation is running, unless they say otherwise.
 * "disk" is always what simdisk_new() or simdisk_fork() returned; blockdev_close() frees it.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SIMDISK_H
#define SPOOLGUARD_TESTS_SUPPORT_SIMDISK_H

#include "blockdev/blockdev.h"
#include <stdbool.h>

#define SIMDISK_SECTOR_BYTES 512u

enum simdisk_op {
	SIMDISK_READ = 1,
	SIMDISK_WRITE = 2,
	SIMDISK_FLUSH = 4,
	SIMDISK_ANY = 7,
};

/* --- Making, forking, looking inside --- */

/* Zeros everywhere.  Aborts if there is no memory: this is a test. */
struct blockdev *simdisk_new(uint32_t block_bytes, uint64_t blocks);

/* A disk that shows what parent holds now; parent is borrowed and must not change meanwhile. */
struct blockdev *simdisk_fork(struct blockdev *parent);

/* Drops everything written to this disk since it was made, its log, and its faults: it shows its
 * parent (or zeros) again. */
void simdisk_reset(struct blockdev *disk);

/* A larger medium was put in: the new blocks are zeros.  The disk has no parent and no forks. */
void simdisk_grow(struct blockdev *disk, uint64_t blocks);

/* Around all faults, lies, hooks, counters and the log: what reads would see.  Any thread.
 * Poke and flip: not while the log runs. */
void simdisk_peek(struct blockdev *disk, struct extent at, void *buf);
void simdisk_poke(struct blockdev *disk, struct extent at, const void *buf);
/* Turns over one bit of the medium: rot. */
void simdisk_flip(struct blockdev *disk, uint64_t byte, unsigned int bit);

/* --- Counting and faults (op: one of simdisk_op, or several or-ed) --- */

/* Operations of these kinds since the disk was made, reset or replugged.  Any thread. */
uint64_t simdisk_count(struct blockdev *disk, unsigned int ops);

/*
 * From now on the nth (1 is the next) operation of these kinds fails with
 * -error, and no other; _from_nth: it and all that follow, as when a device vanishes.
 * error is positive (EIO).  nth 0 removes the fault.
 */
void simdisk_fail_nth(struct blockdev *disk, unsigned int ops, uint64_t nth, int error);
void simdisk_fail_from_nth(struct blockdev *disk, unsigned int ops, uint64_t nth, int error);
/* True once that fault has struck. */
bool simdisk_fired(struct blockdev *disk);

/* What of a write that fails reaches the medium all the same.  Nothing, unless told. */
enum simdisk_landing { SIMDISK_LANDS_NOT, SIMDISK_LANDS_HALF, SIMDISK_LANDS_WHOLLY };
void simdisk_set_failed_write(struct blockdev *disk, enum simdisk_landing landing);

/* Reads and/or writes that touch these blocks fail with -error, always.  At most 16 runs. */
void simdisk_break(struct blockdev *disk, struct extent at, unsigned int ops, int error);
void simdisk_mend(struct blockdev *disk); /* no bad blocks any more */

/* --- Lies: each is reported as success --- */

/* The nth write from now (1 is the next) is dropped; or only its first sectors*512 bytes land. */
void simdisk_drop_write(struct blockdev *disk, uint64_t nth);
void simdisk_tear_write(struct blockdev *disk, uint64_t nth, uint64_t sectors);
/* True once the dropped or torn write has happened. */
bool simdisk_lied(struct blockdev *disk);
/* Flushes succeed and do nothing: they are in the log as lies, and cover nothing. */
void simdisk_lie_about_flushes(struct blockdev *disk, bool lies);

/* --- The log --- */

enum simdisk_event_kind {
	SIMDISK_EVENT_WRITE, /* data reached the disk's cache */
	SIMDISK_EVENT_FLUSH, /* a flush returned success */
	SIMDISK_EVENT_LIE,   /* a flush returned success and did nothing */
	SIMDISK_EVENT_MARK,  /* simdisk_mark(): the test's own */
};

struct simdisk_event {
	enum simdisk_event_kind kind;
	struct extent at;    /* WRITE: the whole blocks it belongs to */
	uint64_t bytes;	     /* WRITE: how many landed, from at.first on; a multiple of 512 */
	const uint8_t *data; /* WRITE: those bytes; lives until the log starts anew or stops */
	uint64_t covers;     /* FLUSH: events before this index are durable (Z1) */
	uint64_t tag;	     /* MARK */
};

/* Off to begin with.  Turning it on starts an empty log: what is on the disk now is durable. */
void simdisk_log_start(struct blockdev *disk);
void simdisk_log_stop(struct blockdev *disk);
/* Nothing more is logged, and what was can be looked at while other threads use the disk. */
void simdisk_log_hold(struct blockdev *disk);
uint64_t simdisk_log_count(struct blockdev *disk); /* any thread, any time */
const struct simdisk_event *simdisk_log_event(struct blockdev *disk, uint64_t index);
/* Any thread, any time: for "this flush was acknowledged to the user here". */
void simdisk_mark(struct blockdev *disk, uint64_t tag);

/* Of the first `count` events: those before the result are durable, by the flushes among them. */
uint64_t simdisk_log_durable(struct blockdev *disk, uint64_t count);

/* 512-byte sectors in a WRITE event (0 for other kinds). */
uint64_t simdisk_event_sectors(const struct simdisk_event *event);
/*
 * Puts sectors [first, first + count) of a WRITE event onto a disk (usually a fork), around its
 * log and faults; clipped to what the event has.
 */
void simdisk_apply(
	struct blockdev *disk, const struct simdisk_event *event, uint64_t first, uint64_t count);

/* --- Power cuts, for tests that need one and not all --- */

/* keep() is asked for each unflushed sector, in the order of the log: does it survive? */
typedef bool simdisk_keep(void *context, const struct simdisk_event *event, uint64_t sector);

/*
 * The disk becomes what a power cut now could leave, of the writes since simdisk_log_start(); the
 * log starts anew.  keep NULL: nothing unflushed survives.  Clears faults, lies and the sticky
 * flush error (B3), as a restart would.
 */
void simdisk_power_cut(struct blockdev *disk, simdisk_keep *keep, void *context);

/* Clears faults, bad blocks, lies, counters and the sticky flush error; content and log stay. */
void simdisk_replug(struct blockdev *disk);

/* --- Timing --- */

struct simdisk_call {
	enum simdisk_op op;
	struct extent at; /* not for SIMDISK_FLUSH */
};

/*
 * Called before each operation acts, in the thread that does it and with no lock held: it may
 * block, and use the disk itself (it is then called again).  NULL: none.
 */
void simdisk_set_hook(struct blockdev *disk,
	void (*hook)(void *context, const struct simdisk_call *call), void *context);

void simdisk_set_flush_delay_ns(struct blockdev *disk, uint64_t ns);

#endif

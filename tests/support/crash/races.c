/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/races.h"
#include "tests/support/crash/explore.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define A_WHILE_MS     40u /* a request that does not wait is done by then */
#define FAR_TOO_LONG_S 10u

/* --- the gate --- */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int op;  /* simdisk_op, or 0: open */
	struct extent at; /* for reads and writes */
	bool reached;
};

static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct timespec deadline_in(unsigned int seconds)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += seconds;
	return at;
}

static void wait_at_gate(void *context, const struct simdisk_call *call)
{
	struct timespec until = deadline_in(FAR_TOO_LONG_S);

	(void)context;
	pthread_mutex_lock(&gate.lock);
	if (!gate.reached && (unsigned int)call->op == gate.op &&
		(call->op == SIMDISK_FLUSH || extent_overlaps(call->at, gate.at))) {
		gate.reached = true;
		pthread_cond_broadcast(&gate.changed);
		while (gate.op != 0 &&
			pthread_cond_timedwait(&gate.changed, &gate.lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&gate.lock);
}

static void gate_close(struct blockdev *disk, unsigned int op, struct extent at)
{
	simdisk_set_hook(disk, wait_at_gate, NULL);
	pthread_mutex_lock(&gate.lock);
	gate.op = op;
	gate.at = at;
	gate.reached = false;
	pthread_mutex_unlock(&gate.lock);
}

static struct extent data_at(const struct crash_rig *rig, uint64_t block)
{
	return (struct extent){rig->layout.data_first + block, 1};
}

/* True once an operation waits there. */
static bool gate_wait(void)
{
	struct timespec until = deadline_in(FAR_TOO_LONG_S);
	bool reached;

	pthread_mutex_lock(&gate.lock);
	while (!gate.reached && pthread_cond_timedwait(&gate.changed, &gate.lock, &until) == 0)
		;
	reached = gate.reached;
	pthread_mutex_unlock(&gate.lock);
	return reached;
}

static void gate_open(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.op = 0;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static void pause_ms(unsigned int ms)
{
	struct timespec left = {0, (long)ms * 1000000};

	nanosleep(&left, NULL);
}

/* --- requests in threads of their own --- */

enum kind { DO_READ, DO_WRITE, DO_FLUSH, DO_DISCARD, DO_ERASE, DO_CONDEMN, DO_CLOSE, DO_GROW };

struct request {
	struct crash_rig *rig;
	enum kind kind;
	struct extent at;
	struct residue_watch *watch;
	pthread_t thread;
	atomic_bool done;
	int result;
};

static int write_blocks(struct crash_rig *rig, struct extent at, uint8_t byte)
{
	_Alignas(16) uint8_t buf[4 * BLOCK_BYTES];
	struct extent owed;

	for (size_t i = 0; i < at.count * BLOCK_BYTES; i++)
		buf[i] = (uint8_t)(byte + i % 7);
	return residue_write(rig->residue, at, buf, &owed);
}

static bool reads_as_written(struct crash_rig *rig, uint64_t block, uint8_t byte)
{
	uint8_t buf[BLOCK_BYTES];

	if (residue_read(rig->residue, (struct extent){block, 1}, buf) < 0)
		return false;
	for (size_t i = 0; i < sizeof(buf); i++) {
		if (buf[i] != (uint8_t)(byte + i % 7))
			return false;
	}
	return true;
}

static int do_request(struct request *request)
{
	struct crash_rig *rig = request->rig;
	struct extent_list owed = {0};
	uint8_t buf[BLOCK_BYTES];
	uint64_t lost;
	int r = 0;

	switch (request->kind) {
	case DO_READ:
		return residue_read(rig->residue, request->at, buf);
	case DO_WRITE:
		return write_blocks(rig, request->at, 'w');
	case DO_FLUSH:
		return residue_flush(rig->residue);
	case DO_DISCARD:
		return residue_discard(rig->residue, request->at);
	case DO_ERASE:
		return crash_rig_erase(rig, request->at);
	case DO_CONDEMN:
		r = residue_watch_condemn(rig->residue, request->watch, &owed, &lost);
		extent_list_done(&owed);
		return r;
	case DO_CLOSE:
		return residue_close_orderly(rig->residue);
	case DO_GROW:
		return residue_grow(rig->residue, request->at.count, false);
	}
	return r;
}

static void *in_thread(void *argument)
{
	struct request *request = argument;

	request->result = do_request(request);
	request->done = true;
	return NULL;
}

static void start(struct request *request, struct crash_rig *rig, enum kind kind, struct extent at)
{
	request->rig = rig;
	request->kind = kind;
	request->at = at;
	request->done = false;
	if (pthread_create(&request->thread, NULL, in_thread, request) != 0)
		abort();
}

static int finish(struct request *request)
{
	pthread_join(request->thread, NULL);
	return request->result;
}

/* --- judging --- */

static void rig_up(struct crash_rig *rig, struct crash_geometry geometry)
{
	struct residue_open_report report;

	crash_rig_format(rig, &geometry, false, false);
	if (crash_rig_open(rig, &report) < 0)
		abort();
	residue_trust(rig->residue);
}

static void must(struct crash_verdict *verdict, const char *what, int r)
{
	if (r < 0)
		crash_wrong(verdict, "%s failed: %s", what, strerror(-r));
}

/* P2 with nothing in flight. */
static void check_clean_blocks(struct crash_rig *rig, struct crash_verdict *verdict)
{
	uint64_t run;

	for (uint64_t b = 0; b < residue_blocks(rig->residue); b++) {
		if (residue_lookup(rig->residue, b, 1, &run) == RESIDUE_CLASS_CLEAN &&
			crash_media_shows_job_data(rig->disk, crash_rig_place(rig, b)))
			crash_wrong(verdict,
				"P2: block %" PRIu64 " is clean, and the medium holds job data", b);
	}
}

/* While "held" waits at the gate, "other" must not end. */
static void must_wait(struct crash_rig *rig, struct request *held, unsigned int op,
	struct request *other, enum kind kind, struct crash_verdict *verdict)
{
	gate_close(rig->disk, op, data_at(rig, held->at.first));
	start(held, rig, held->kind, held->at);
	if (!gate_wait())
		crash_wrong(verdict, "the transfer never reached the disk");
	start(other, rig, kind, held->at);
	pause_ms(A_WHILE_MS);
	if (other->done)
		crash_wrong(verdict, "M1: a change of state did not wait for a transfer in flight");
	gate_open();
	must(verdict, "the transfer", finish(held));
	must(verdict, "the change of state", finish(other));
	check_clean_blocks(rig, verdict);
}

static const struct crash_geometry small = {8, 16, 16};

static void live_block(struct crash_rig *rig, struct crash_verdict *verdict)
{
	rig_up(rig, small);
	must(verdict, "write", write_blocks(rig, (struct extent){3, 1}, 'a'));
	must(verdict, "flush", residue_flush(rig->residue));
}

/* --- the races --- */

static void discard_and_write(struct crash_verdict *verdict)
{
	struct request write = {.kind = DO_WRITE, .at = {3, 1}}, discard;
	struct crash_rig rig;

	live_block(&rig, verdict);
	must_wait(&rig, &write, SIMDISK_WRITE, &discard, DO_DISCARD, verdict);
	crash_rig_done(&rig);
}

static void discard_and_read(struct crash_verdict *verdict)
{
	struct request read = {.kind = DO_READ, .at = {3, 1}}, discard;
	struct crash_rig rig;

	live_block(&rig, verdict);
	must_wait(&rig, &read, SIMDISK_READ, &discard, DO_DISCARD, verdict);
	crash_rig_done(&rig);
}

static void condemn_and_write(struct crash_verdict *verdict)
{
	struct request write = {.kind = DO_WRITE, .at = {3, 1}}, condemn = {.watch = NULL};
	struct extent_list blocks = {0};
	struct crash_rig rig;

	live_block(&rig, verdict);
	/* The write is on its way when the watch begins: it is no change of hands. */
	gate_close(rig.disk, SIMDISK_WRITE, data_at(&rig, 3));
	start(&write, &rig, DO_WRITE, write.at);
	if (!gate_wait())
		crash_wrong(verdict, "the transfer never reached the disk");
	must(verdict, "list", extent_list_add(&blocks, write.at));
	must(verdict, "watch", residue_watch_new(rig.residue, &blocks, &condemn.watch));
	start(&condemn, &rig, DO_CONDEMN, write.at);
	pause_ms(A_WHILE_MS);
	if (condemn.done)
		crash_wrong(verdict, "M1: a block was condemned under a write in flight");
	gate_open();
	must(verdict, "write", finish(&write));
	must(verdict, "condemn", finish(&condemn));
	residue_watch_free(rig.residue, condemn.watch);
	extent_list_done(&blocks);
	crash_rig_done(&rig);
}

/* Two first writes to one block: one fails and leaves it owed, the other is slow. */
static void erase_and_slow_write(struct crash_verdict *verdict)
{
	struct request slow = {.kind = DO_WRITE, .at = {3, 1}}, erase;
	struct crash_rig rig;

	rig_up(&rig, small);
	must(verdict, "write", write_blocks(&rig, (struct extent){4, 1}, 'a')); /* the window */
	gate_close(rig.disk, SIMDISK_WRITE, data_at(&rig, 3));
	start(&slow, &rig, DO_WRITE, slow.at);
	if (!gate_wait())
		crash_wrong(verdict, "the slow write never reached the disk");
	simdisk_fail_nth(rig.disk, SIMDISK_WRITE, 1, EIO);
	if (write_blocks(&rig, (struct extent){3, 1}, 'b') >= 0)
		crash_wrong(verdict, "a write that failed reported success");
	start(&erase, &rig, DO_ERASE, slow.at);
	pause_ms(A_WHILE_MS);
	if (erase.done)
		crash_wrong(verdict, "M1: a block was erased under a write in flight");
	gate_open();
	if (finish(&slow) >= 0)
		crash_wrong(verdict, "a write whose block was taken away reported success");
	must(verdict, "erase", finish(&erase));
	check_clean_blocks(&rig, verdict);
	crash_rig_done(&rig);
}

static void *write_many(void *argument)
{
	struct request *request = argument;

	for (uint64_t b = 1; b < 18 && request->result >= 0; b++)
		request->result = write_blocks(request->rig, (struct extent){b, 1}, 'm');
	request->done = true;
	return NULL;
}

/* A window falls out of use while a first write to it is on its way. */
static void evict_and_write(struct crash_verdict *verdict)
{
	struct request slow = {.kind = DO_WRITE, .at = {0, 1}}, many = {.result = 0};
	struct crash_rig rig;

	rig_up(&rig, (struct crash_geometry){1, 24, 24});
	gate_close(rig.disk, SIMDISK_WRITE, data_at(&rig, 0));
	start(&slow, &rig, DO_WRITE, slow.at);
	if (!gate_wait())
		crash_wrong(verdict, "the slow write never reached the disk");
	many.rig = &rig;
	if (pthread_create(&many.thread, NULL, write_many, &many) != 0)
		abort();
	pause_ms(2 * A_WHILE_MS);
	gate_open();
	must(verdict, "the write under which a window fell out of use", finish(&slow));
	must(verdict, "write", finish(&many));
	check_clean_blocks(&rig, verdict);
	if (!reads_as_written(&rig, 0, 'w'))
		crash_wrong(verdict, "P3: a written block does not read back");
	crash_rig_done(&rig);
}

static void close_and_write(struct crash_verdict *verdict)
{
	struct request slow = {.kind = DO_WRITE, .at = {3, 1}}, close;
	struct residue_open_report report;
	struct crash_rig rig;
	int r;

	rig_up(&rig, small);
	must(verdict, "write", write_blocks(&rig, (struct extent){4, 1}, 'a'));
	gate_close(rig.disk, SIMDISK_WRITE, data_at(&rig, 3));
	start(&slow, &rig, DO_WRITE, slow.at);
	if (!gate_wait())
		crash_wrong(verdict, "the slow write never reached the disk");
	start(&close, &rig, DO_CLOSE, slow.at);
	pause_ms(A_WHILE_MS);
	gate_open();
	r = finish(&slow);
	must(verdict, "close", finish(&close));
	crash_rig_drop(&rig);
	must(verdict, "open", crash_rig_open(&rig, &report));
	check_clean_blocks(&rig, verdict);
	if (r >= 0 && !reads_as_written(&rig, 3, 'w'))
		crash_wrong(verdict, "P3: what was written before an orderly end is lost");
	if (report.was_unclean)
		crash_wrong(verdict, "a volume that was closed in order counts as unclean");
	crash_rig_done(&rig);
}

/* After an orderly end nothing is taken, so that the clean mark stays true. */
static void write_after_close(struct crash_verdict *verdict)
{
	struct crash_rig rig;

	live_block(&rig, verdict);
	must(verdict, "close", residue_close_orderly(rig.residue));
	if (write_blocks(&rig, (struct extent){3, 1}, 'z') >= 0 ||
		residue_discard(rig.residue, (struct extent){3, 1}) >= 0 ||
		residue_flush(rig.residue) >= 0)
		crash_wrong(verdict, "a closed volume still takes requests");
	crash_rig_done(&rig);
}

/* A flush that comes while another one's pages are being flushed needs one of its own. */
static void flush_beside_flush(struct crash_verdict *verdict)
{
	struct request first = {.kind = DO_FLUSH}, second = {.kind = DO_FLUSH};
	struct residue_open_report report;
	struct crash_rig rig;

	rig_up(&rig, small);
	must(verdict, "write", write_blocks(&rig, (struct extent){3, 1}, 'a'));
	simdisk_log_start(rig.disk);
	gate_close(rig.disk, SIMDISK_WRITE, (struct extent){rig.layout.map.first, 2});
	start(&first, &rig, DO_FLUSH, (struct extent){0, 0});
	if (!gate_wait())
		crash_wrong(verdict, "the page never reached the disk");
	must(verdict, "write", write_blocks(&rig, (struct extent){4, 1}, 'b'));
	start(&second, &rig, DO_FLUSH, (struct extent){0, 0});
	pause_ms(A_WHILE_MS);
	gate_open();
	must(verdict, "flush", finish(&first));
	must(verdict, "flush", finish(&second));

	crash_rig_drop(&rig);
	simdisk_power_cut(rig.disk, NULL, NULL);
	must(verdict, "open", crash_rig_open(&rig, &report));
	if (!reads_as_written(&rig, 4, 'b'))
		crash_wrong(verdict, "P3: a block is lost whose flush came beside another one");
	crash_rig_done(&rig);
}

/* A commit walks the pages; growth may move them. */
static void grow_beside_flush(struct crash_verdict *verdict)
{
	struct request flush = {.kind = DO_FLUSH}, grow;
	struct crash_rig rig;

	rig_up(&rig, (struct crash_geometry){8, 16, 40});
	must(verdict, "write", write_blocks(&rig, (struct extent){3, 1}, 'a'));
	gate_close(rig.disk, SIMDISK_WRITE, (struct extent){rig.layout.map.first, 2});
	start(&flush, &rig, DO_FLUSH, (struct extent){0, 0});
	if (!gate_wait())
		crash_wrong(verdict, "the page never reached the disk");
	start(&grow, &rig, DO_GROW, (struct extent){0, 40});
	pause_ms(A_WHILE_MS);
	if (residue_blocks(rig.residue) != 16)
		crash_wrong(verdict, "the map grew under a running commit");
	gate_open();
	must(verdict, "flush", finish(&flush));
	must(verdict, "grow", finish(&grow));
	if (residue_blocks(rig.residue) != 40 || !reads_as_written(&rig, 3, 'a'))
		crash_wrong(verdict, "P3: growth beside a flush lost a block");
	crash_rig_done(&rig);
}

const struct crash_race crash_races[] = {
	{"a discard waits for a write in flight", discard_and_write},
	{"a discard waits for a read in flight", discard_and_read},
	{"a condemned block waits for a write in flight", condemn_and_write},
	{"an erasure waits for a slow write beside one that failed", erase_and_slow_write},
	{"a window that falls out of use waits for a first write", evict_and_write},
	{"an orderly end waits for a first write", close_and_write},
	{"nothing is taken after an orderly end", write_after_close},
	{"growth waits for a commit", grow_beside_flush},
	{"a flush does not count on one that began before it", flush_beside_flush},
};
const size_t crash_race_count = ARRAY_SIZE(crash_races);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_cost.c - what the residue map costs a transfer, beside the encryption
 *
 * The medium is memory that keeps the map and forgets the data, so that only our own
 * work is measured.  Each line: size, operation, threads, then microseconds of one
 * operation through the cipher layer alone and through the map, and their ratio.
 *
 * usage: map_cost [SECONDS of each measurement, default 0.3]
 */
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/crypted.h"
#include "blockdev/residue.h"
#include "blockdev/window.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DATA_BLOCKS = 1 << 18, THREADS_MAX = 4, LARGE_BLOCKS = 256 };

/* --- a medium of no cost --- */

struct sink {
	struct blockdev bd;
	uint64_t kept_blocks; /* from the start: header and map */
	uint8_t *kept;
};

static int sink_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct sink *sink = (struct sink *)bd;

	if (extent_end(at) <= sink->kept_blocks)
		memcpy(buf, sink->kept + at.first * BLOCK_BYTES, at.count * BLOCK_BYTES);
	return 0;
}

static int sink_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct sink *sink = (struct sink *)bd;

	if (extent_end(at) <= sink->kept_blocks)
		memcpy(sink->kept + at.first * BLOCK_BYTES, buf, at.count * BLOCK_BYTES);
	return 0;
}

static int sink_flush(struct blockdev *bd)
{
	(void)bd;
	return 0;
}

static void sink_close(struct blockdev *bd)
{
	free(((struct sink *)bd)->kept);
	free(bd);
}

static const struct blockdev_ops sink_ops = {
	.read = sink_read, .write = sink_write, .flush = sink_flush, .close = sink_close};

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

/* --- measuring --- */

static struct residue *residue;
static struct blockdev *cipher;
static double seconds = 0.3;

struct worker {
	pthread_t thread;
	unsigned int index;
	bool through_map;
	bool writes;
	uint64_t count; /* blocks of one operation */
	uint64_t operations;
};

static void one(const struct worker *worker, struct extent at, void *buf)
{
	size_t bytes = (size_t)at.count * BLOCK_BYTES;
	struct extent owed;
	int r;

	if (worker->through_map)
		r = worker->writes ? residue_write(residue, at, buf, &owed)
				   : residue_read(residue, at, buf);
	else
		r = worker->writes ? blockdev_write_consuming(cipher, at, buf, bytes)
				   : blockdev_read(cipher, at, buf, bytes);
	must(r, "transfer");
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	uint64_t end = clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
	uint64_t random = worker->index + 1;
	void *buf = NULL;

	must(io_alloc((size_t)worker->count * BLOCK_BYTES, &buf), "memory");
	memset(buf, 'x', (size_t)worker->count * BLOCK_BYTES);
	while (clock_monotonic_ns() < end) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		one(worker,
			(struct extent){
				(random >> 33) % (DATA_BLOCKS / worker->count) * worker->count,
				worker->count},
			buf);
		worker->operations++;
	}
	free(buf);
	return NULL;
}

static double cpu_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

/* Processor time of one operation: other programs on the machine do not count. */
static double measure(unsigned int threads, uint64_t count, bool writes, bool through_map)
{
	struct worker workers[THREADS_MAX];
	double before = cpu_us();
	uint64_t operations = 0;

	for (unsigned int i = 0; i < threads; i++) {
		workers[i] = (struct worker){
			.index = i, .through_map = through_map, .writes = writes, .count = count};
		must(-pthread_create(&workers[i].thread, NULL, work, &workers[i]), "thread");
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		operations += workers[i].operations;
	}
	return (cpu_us() - before) / (double)operations;
}

static void make_volume(struct sink *sink, const struct layout *layout, const struct secret *key)
{
	struct residue_parts parts = {.device = &sink->bd, .layout = layout, .volume_key = key};
	struct residue_open_report report;
	const struct extent_list none = {0};
	struct extent owed;
	void *buf = NULL;

	must(residue_format(&parts, &none, NULL), "format");
	must(residue_open(&parts, &residue, &report, NULL), "open");
	must(io_alloc(LARGE_BLOCKS * BLOCK_BYTES, &buf), "memory");
	for (uint64_t b = 0; b < DATA_BLOCKS; b += LARGE_BLOCKS)
		must(residue_write(residue, (struct extent){b, LARGE_BLOCKS}, buf, &owed), "fill");
	must(residue_flush(residue), "flush");
	free(buf);
}

int main(int argc, char **argv)
{
	static const uint64_t counts[] = {1, LARGE_BLOCKS};
	struct sink *sink = calloc(1, sizeof(*sink));
	struct blockdev *window;
	struct layout layout;
	struct secret *key;

	if (argc > 1)
		seconds = atof(argv[1]);
	must(sink ? 0 : -ENOMEM, "memory");
	must(layout_plan(0, LAYOUT_BLOCKS_PER_PAGE, DATA_BLOCKS, 0, &layout), "plan");
	sink->kept_blocks = layout.data_first;
	sink->kept = calloc(layout.data_first, BLOCK_BYTES);
	must(sink->kept ? 0 : -ENOMEM, "memory");
	blockdev_init(&sink->bd, &sink_ops, BLOCK_BYTES, layout.data_first + DATA_BLOCKS);
	must(secret_new_random(64, &key), "key");
	make_volume(sink, &layout, key);
	must(window_new(&sink->bd, (struct extent){layout.data_first, DATA_BLOCKS}, &window),
		"window");
	must(crypted_new(window, key, BLOCK_BYTES, 0, &cipher), "cipher");

	printf("%8s %6s %8s %12s %10s %6s\n", "KiB", "", "threads", "cipher us", "map us", "ratio");
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		for (unsigned int writes = 0; writes < 2; writes++) {
			for (unsigned int threads = 1; threads <= THREADS_MAX; threads *= 2) {
				double bare = measure(threads, counts[c], writes, false);
				double map = measure(threads, counts[c], writes, true);

				printf("%8llu %6s %8u %12.2f %10.2f %6.2f\n",
					(unsigned long long)counts[c] * 4,
					writes ? "write" : "read", threads, bare, map, map / bare);
			}
		}
	}
	cipher = blockdev_close(cipher);
	blockdev_close(window);
	residue_free(residue);
	secret_free(key);
	blockdev_close(&sink->bd);
	return EXIT_SUCCESS;
}

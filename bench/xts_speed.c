/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xts_speed.c - how fast crypto/xts.h is
 *
 * usage: xts_speed encrypt|decrypt CALL_BYTES THREADS SECONDS
 *
 * Calls of CALL_BYTES, in sectors of 4096 bytes, in place, from THREADS threads
 * that share one struct xts as the threads of a volume do.  Prints two numbers:
 * bytes per second of all threads together, and bytes per second of processor
 * time, which other work on the machine does not change ("openssl speed" counts
 * by processor time too).
 */
#include "crypto/xts.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 4096, TWEAK_STEP = 8, THREADS_MAX = 64 };

static struct xts *xts;
static bool encrypting;
static size_t call_bytes;
static atomic_bool over;

static void *work(void *arg)
{
	uint64_t *ret_bytes = arg;
	uint8_t *buf = aligned_alloc(SECTOR, call_bytes);
	uint64_t tweak = 0;

	if (!buf)
		return NULL;
	memset(buf, 0x5a, call_bytes);
	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		if ((encrypting ? xts_encrypt : xts_decrypt)(
			    xts, tweak, TWEAK_STEP, SECTOR, buf, buf, call_bytes) < 0)
			break;
		tweak += call_bytes / 512;
		*ret_bytes += call_bytes;
	}
	free(buf);
	return NULL;
}

static double now(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	/* Each thread counts on a cache line of its own. */
	static _Alignas(64) uint64_t bytes[THREADS_MAX][8];
	_cleanup_secret_ struct secret *key = NULL;
	pthread_t threads[THREADS_MAX];
	uint64_t sum = 0;
	int count;
	double began, began_cpu, seconds;

	if (argc != 5)
		return 2;
	encrypting = strcmp(argv[1], "encrypt") == 0;
	call_bytes = strtoull(argv[2], NULL, 10);
	count = atoi(argv[3]);
	seconds = atof(argv[4]);
	if (call_bytes == 0 || call_bytes % SECTOR != 0 || count < 1 || count > THREADS_MAX)
		return 2;
	if (secret_new_random(XTS_KEY_BYTES, &key) < 0 || xts_new(key, &xts) < 0)
		return 1;
	began = now(CLOCK_MONOTONIC);
	began_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, work, bytes[i]) != 0)
			return 1;
	}
	usleep((useconds_t)(seconds * 1e6));
	atomic_store(&over, true);
	for (int i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		sum += bytes[i][0];
	}
	printf("%.0f %.0f\n", (double)sum / (now(CLOCK_MONOTONIC) - began),
		(double)sum / (now(CLOCK_PROCESS_CPUTIME_ID) - began_cpu));
	xts_free(xts);
	return 0;
}

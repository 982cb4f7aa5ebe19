/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.c - what a record of the audit log costs
 *
 * usage: audit append DIRECTORY THREADS SECONDS   records a second, each durable before the next
 *        audit raw DIRECTORY SECONDS              the same bytes: write, fdatasync, one by one
 *        audit fill DIRECTORY RECORDS             bytes of a record; leaves the log
 *
 * DIRECTORY is a state directory; keys and log are made there.
 */
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/log_signer.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 256, RAW_BYTES = 500, GROUP = 1000 };

static struct audit_log *audit_log;
static atomic_bool done;
static _Atomic uint64_t added;

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "audit: %s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

static struct log_signer signer;

static void open_log(const char *directory)
{
	const struct audit_log_options options = {
		.size_bytes = UINT64_C(4) << 30, .readers = (gid_t)-1};
	struct problem problem = {""};
	struct device_keys *keys;
	int r;

	r = device_keys_open(directory, true, &keys, NULL, &problem);
	if (r >= 0) {
		log_signer_init(keys, &signer);
		r = audit_log_open(directory, &signer, &options, &audit_log, &problem);
	}
	must(r, problem_text(&problem, r));
}

/* --- records --- */

/* As the service writes one for each job. */
static uint64_t add(uint64_t number)
{
	struct audit_event event = {.event = "job-retired",
		.role = "pipeline",
		.uid = 7,
		.volume = "5b1f1e0c-7d3a-4c6e-9a51-0d6a3f1b2c4d",
		.outcome = "success"};
	struct audit_position position;
	char job[32];

	snprintf(job, sizeof(job), "cups %" PRIu64, number);
	event.job = job;
	event.data = json_object_new_object();
	json_object_object_add(event.data, "receipt",
		json_object_new_string(
			"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
	must(audit_log_add(audit_log, &event, &position), "add");
	json_object_put(event.data);
	return position.sequence;
}

static void *append(void *context)
{
	(void)context;
	while (!done) {
		must(audit_log_commit(audit_log, add(added++)), "commit");
	}
	return NULL;
}

static void measure_append(const char *directory, unsigned int threads, double seconds)
{
	pthread_t running[THREADS_MAX];
	uint64_t start;

	open_log(directory);
	start = clock_monotonic_ns();
	for (unsigned int i = 0; i < threads; i++)
		must(-pthread_create(&running[i], NULL, append, NULL), "a thread");
	usleep((useconds_t)(seconds * 1e6));
	done = true;
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(running[i], NULL);
	printf("%.0f\n", (double)added / ((double)(clock_monotonic_ns() - start) / 1e9));
	audit_log_close(audit_log);
}

static void measure_raw(const char *directory, double seconds)
{
	char path[4096], record[RAW_BYTES];
	const uint64_t start = clock_monotonic_ns();
	uint64_t count = 0;
	int fd;

	memset(record, 'x', sizeof(record));
	snprintf(path, sizeof(path), "%s/raw", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd < 0 ? -errno : 0, path);
	while ((double)(clock_monotonic_ns() - start) / 1e9 < seconds) {
		must(io_pwrite(fd, record, sizeof(record), count * sizeof(record)), path);
		must(fdatasync(fd) < 0 ? -errno : 0, path);
		count++;
	}
	printf("%.0f\n", (double)count / ((double)(clock_monotonic_ns() - start) / 1e9));
	close(fd);
	unlink(path);
}

static void fill(const char *directory, uint64_t records)
{
	struct audit_log_state state;

	open_log(directory);
	for (uint64_t i = 1; i <= records; i++) {
		(void)add(i);
		if (i % GROUP == 0)
			must(audit_log_commit(audit_log, 0), "commit");
	}
	must(audit_log_commit(audit_log, 0), "commit");
	audit_log_get_state(audit_log, &state);
	printf("%.0f\n", (double)state.bytes / (double)records);
	audit_log_close(audit_log);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "append") == 0 && argc == 5 && atoi(argv[3]) > 0 &&
		atoi(argv[3]) <= THREADS_MAX)
		measure_append(argv[2], (unsigned int)atoi(argv[3]), atof(argv[4]));
	else if (strcmp(what, "raw") == 0 && argc == 4)
		measure_raw(argv[2], atof(argv[3]));
	else if (strcmp(what, "fill") == 0 && argc == 4)
		fill(argv[2], strtoull(argv[3], NULL, 10));
	else {
		fprintf(stderr, "usage: audit append DIRECTORY THREADS SECONDS | raw DIRECTORY "
				"SECONDS | fill DIRECTORY RECORDS\n");
		return 2;
	}
	return 0;
}

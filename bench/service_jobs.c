/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_jobs.c - from completion to receipt: jobs handed to spoolguardd, so many in flight
 *
 * usage: service_jobs DIRECTORY IN-FLIGHT JOBS BYTES [COMMAND]
 *
 * Each of IN-FLIGHT threads writes a file in DIRECTORY, makes it durable, hands it over through the
 * client library and waits for the receipt; then the next, until JOBS are done.  Prints median and
 * 99th percentile in milliseconds, and jobs a second.  With COMMAND the file is given to that
 * instead ("shred -u -n 3"): the peer, under the same load.
 */
#include "base/clock.h"
#include "base/io.h"
#include "client/spoolguard.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 1024u

static const char *directory, *command;
static size_t jobs, bytes;
static atomic_size_t next;
static double *took_ms;
static atomic_uint failures;

static void make_file(const char *path, size_t number)
{
	_cleanup_free_ char *text = malloc(bytes);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (!text || fd < 0) {
		perror(path);
		exit(1);
	}
	memset(text, 'a' + (int)(number % 26), bytes);
	if (io_write(fd, text, bytes) < 0 || fsync(fd) < 0) {
		perror(path);
		exit(1);
	}
}

static int run_command(const char *path)
{
	char line[PATH_MAX + 256];
	char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, line, NULL};
	int status;
	pid_t pid;

	snprintf(line, sizeof(line), "exec %s %s", command, path);
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) != 0 ||
		waitpid(pid, &status, 0) < 0)
		return -1;
	return status == 0 ? 0 : -1;
}

static void *work(void *data)
{
	struct spoolguard *session = NULL;

	(void)data;
	if (!command && spoolguard_open(NULL, &session) < 0) {
		fprintf(stderr, "service_jobs: no service\n");
		exit(1);
	}
	for (size_t number; (number = atomic_fetch_add(&next, 1)) < jobs;) {
		char path[PATH_MAX], id[32];
		const char *files[] = {path};
		uint64_t start;
		int r;

		snprintf(path, sizeof(path), "%s/bench%zu", directory, number);
		snprintf(id, sizeof(id), "bench-%d-%zu", getpid(), number);
		make_file(path, number);
		start = clock_monotonic_ns();
		r = command ? run_command(path)
			    : spoolguard_job_complete(session, id, files, 1, true, NULL);
		took_ms[number] = (double)(clock_monotonic_ns() - start) / 1e6;
		if (r < 0) {
			if (!command)
				fprintf(stderr, "service_jobs: %s\n", spoolguard_text(session));
			atomic_fetch_add(&failures, 1);
		}
	}
	spoolguard_close(session);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	pthread_t threads[IN_FLIGHT_MAX];
	size_t in_flight;
	uint64_t start;

	if (argc < 5) {
		fprintf(stderr, "usage: service_jobs DIRECTORY IN-FLIGHT JOBS BYTES [COMMAND]\n");
		return 2;
	}
	directory = argv[1];
	in_flight = strtoul(argv[2], NULL, 10);
	jobs = strtoul(argv[3], NULL, 10);
	bytes = strtoul(argv[4], NULL, 10);
	command = argv[5];
	took_ms = calloc(jobs, sizeof(*took_ms));
	if (in_flight == 0 || in_flight > IN_FLIGHT_MAX || jobs == 0 || bytes == 0 || !took_ms)
		return 2;
	start = clock_monotonic_ns();
	for (size_t i = 0; i < in_flight; i++) {
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			return 1;
	}
	for (size_t i = 0; i < in_flight; i++)
		pthread_join(threads[i], NULL);
	qsort(took_ms, jobs, sizeof(*took_ms), compare);
	printf("%.2f %.2f %.1f\n", took_ms[jobs / 2], took_ms[(jobs - 1) * 99 / 100],
		(double)jobs / ((double)(clock_monotonic_ns() - start) / 1e9));
	free(took_ms);
	return failures > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_writer.c - a real audit log for scripts: written by audit/log.c, signed by a device's keys
 *
 * usage: log_writer DIRECTORY RECORDS [SEGMENT-BYTES [SIZE-BYTES [PAUSE-US]]]
 *
 * DIRECTORY is a state directory; keys and log are made, or gone on with.  RECORDS 0: until it is
 * killed.  Each number that is written to stdout is that of a record that is durable.  PAUSE-US
 * is waited behind each record.
 */
#include "supervisor/log_signer.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what, const struct problem *problem, int error)
{
	fprintf(stderr, "log_writer: %s: %s\n", what, problem_text(problem, error));
	return 1;
}

static int add(struct audit_log *log, uint64_t number)
{
	static const char *const events[] = {"job-retired", "selftest", "access-denied", "sweep"};
	struct audit_position position;
	struct audit_event event = {
		.event = events[number % ARRAY_SIZE(events)], .outcome = "success"};
	char job[32];
	int r;

	snprintf(job, sizeof(job), "cups %" PRIu64, number);
	if (number % ARRAY_SIZE(events) == 0)
		event.job = job;
	r = audit_log_add(log, &event, &position);
	if (r < 0)
		return r;
	if (number % 3 == 0) /* with the next one, in one group */
		return 0;
	r = audit_log_commit(log, position.sequence);
	if (r < 0)
		return r;
	printf("%" PRIu64 "\n", position.sequence);
	fflush(stdout);
	return number % 64 == 0 ? audit_log_tick(log) : 0;
}

int main(int argc, char **argv)
{
	struct log_signer signer;
	struct audit_log_options options = {.when_full = LOG_ROTATE, .readers = (gid_t)-1};
	struct problem problem = {""};
	struct device_keys *keys;
	struct audit_log *log;
	uint64_t records, pause_us;
	int r;

	if (argc < 3)
		return 2;
	records = strtoull(argv[2], NULL, 10);
	options.segment_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : AUDIT_SEGMENT_BYTES_MIN;
	options.size_bytes = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	pause_us = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	r = device_keys_open(argv[1], true, &keys, NULL, &problem);
	if (r < 0)
		return fail("keys", &problem, r);
	log_signer_init(keys, &signer);
	r = audit_log_open(argv[1], &signer, &options, &log, &problem);
	for (uint64_t i = 0; r >= 0 && (records == 0 || i < records); i++) {
		r = add(log, i);
		if (pause_us > 0)
			usleep((useconds_t)pause_us);
	}
	if (r < 0)
		return fail("log", &problem, r);
	audit_log_close(log);
	device_keys_free(keys);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/log_maker.h"
#include "audit/log_format.h"
#include "base/hex.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG	      "11111111-2222-4333-8444-555555555555"
#define BOOT	      "0b0b0b0b-0000-4000-8000-00000000000b"
#define TIME	      "2026-11-24T09:00:00.000Z"
#define START_MS      INT64_C(1795510800000)
#define SEGMENT_BYTES (16u << 20)

struct maker {
	const char *directory;
	const struct log_maker_options *options;
	struct secret *device_seed, *seed, *next_seed;
	struct minisign_key device, key, next_key;
	uint64_t sequence, segment, first;
	char previous[AUDIT_HEX_BYTES], previous_head[AUDIT_HEX_BYTES];
	char *lines;
	size_t bytes;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void digest_of(const void *text, size_t bytes, char ret_hex[static AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_BYTES];

	require(hash_sha256(text, bytes, digest) == 0);
	hex_encode(digest, sizeof(digest), ret_hex);
}

static void write_file(const struct maker *maker, const char *name, const char *end,
	const void *text, size_t bytes)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s%s", maker->directory, name, end);
	file = fopen(path, "w");
	require(file && fwrite(text, 1, bytes, file) == bytes && fclose(file) == 0);
}

static void write_signed(const struct maker *maker, const char *name, const char *text,
	const struct secret *seed, const struct minisign_key *key)
{
	char *signature;

	write_file(maker, name, "", text, strlen(text));
	require(minisign_sign(seed, key, text, strlen(text), "spoolguard test", &signature) == 0);
	write_file(maker, name, LOG_SIGNATURE_END, signature, strlen(signature));
	free(signature);
}

static void begin(struct maker *maker, struct trust *ret_trust)
{
	char device[MINISIGN_KEY_LINE_BYTES], key[MINISIGN_KEY_LINE_BYTES], text[1024];

	require(minisign_key_new(&maker->device_seed, &maker->device) == 0);
	require(minisign_key_new(&maker->seed, &maker->key) == 0);
	minisign_key_line(&maker->device, device);
	minisign_key_line(&maker->key, key);
	snprintf(text, sizeof(text),
		"{\"schema\":\"" LOG_ROOT_SCHEMA "\",\"log\":\"" LOG "\",\"time\":\"" TIME
		"\",\"device\":\"%s\",\"segment\":1,\"key\":\"%s\"}\n",
		device, key);
	write_signed(maker, "audit/" LOG_ROOT_NAME, text, maker->device_seed, &maker->device);
	digest_of(text, strlen(text), maker->previous);
	memcpy(maker->previous_head, maker->previous, AUDIT_HEX_BYTES);
	*ret_trust = (struct trust){maker->device, true, maker->key};
}

static void add(struct maker *maker, struct audit_event event)
{
	uint64_t number = ++maker->sequence, step = maker->options->clock_step_at;
	struct audit_stamp stamp = {
		.sequence = number,
		.wall_ms = START_MS + (int64_t)number * 1000 +
			   (step > 0 && number >= step ? 3600000 : 0),
		.monotonic_ms = 5000 + number * 1000,
		.boot = BOOT,
	};
	char *line;

	memcpy(stamp.previous, maker->previous, sizeof(stamp.previous));
	require(audit_record_encode(&event, &stamp, &line) == 0);
	require(maker->bytes + strlen(line) < SEGMENT_BYTES);
	memcpy(maker->lines + maker->bytes, line, strlen(line));
	maker->bytes += strlen(line);
	digest_of(line, strlen(line), maker->previous);
	free(line);
}

static void add_usual(struct maker *maker)
{
	char job[32];

	snprintf(job, sizeof(job), "cups %" PRIu64, maker->sequence / 2);
	if (maker->sequence % 2 == 0)
		add(maker, (struct audit_event){.event = "job-retired",
				   .role = "pipeline",
				   .uid = 7,
				   .job = job,
				   .outcome = "success",
				   .detail = "3 extents"});
	else
		add(maker, (struct audit_event){.event = "selftest", .outcome = "success"});
}

static void add_dropped(struct maker *maker, uint64_t segment)
{
	struct audit_event event = {.event = "log-dropped", .outcome = "success"};

	event.data = json_object_new_object();
	json_object_object_add(event.data, "segment", json_object_new_uint64(segment));
	add(maker, event);
	json_object_put(event.data);
}

static void write_segment(struct maker *maker, char name[static LOG_NAME_BYTES])
{
	char path[LOG_NAME_BYTES + 8];

	snprintf(path, sizeof(path), "audit/%s",
		log_file_name(LOG_SEGMENT_FILE, maker->segment, name));
	write_file(maker, path, "", maker->lines, maker->bytes);
}

/* The head of the segment, as text. */
static void make_head(struct maker *maker, char *text, size_t bytes)
{
	const enum log_maker_fault fault =
		maker->segment == 2 ? maker->options->head_2 : LOG_MAKER_NO_FAULT;
	const uint64_t segment = maker->segment + (fault == LOG_MAKER_OTHER_SEGMENT);
	char key[MINISIGN_KEY_LINE_BYTES], digest[AUDIT_HEX_BYTES];

	minisign_key_line(&maker->next_key, key);
	digest_of(maker->lines, maker->bytes, digest);
	if (fault == LOG_MAKER_OTHER_SHA256)
		memset(digest, 'a', AUDIT_HEX_BYTES - 1);
	if (fault == LOG_MAKER_OTHER_PREVIOUS_HEAD)
		memset(maker->previous_head, 'a', AUDIT_HEX_BYTES - 1);
	snprintf(text, bytes,
		"{\"schema\":\"" LOG_HEAD_SCHEMA "\",\"log\":\"%s\",\"segment\":%" PRIu64
		",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"records\":%" PRIu64
		",\"bytes\":%zu,\"sha256\":\"%s\",\"last_record\":\"%s\","
		"\"previous_head\":\"%s\",\"time\":\"" TIME "\",\"next_segment\":%" PRIu64
		",\"next_key\":\"%s\"}\n",
		fault == LOG_MAKER_OTHER_LOG ? BOOT : LOG, segment,
		maker->first + (fault == LOG_MAKER_OTHER_FIRST), maker->sequence,
		maker->sequence - maker->first + 1, maker->bytes, digest, maker->previous,
		maker->previous_head, segment + 1, key);
}

static void close_segment(struct maker *maker)
{
	char name[LOG_NAME_BYTES], path[LOG_NAME_BYTES + 8], text[2048];

	write_segment(maker, name);
	require(minisign_key_new(&maker->next_seed, &maker->next_key) == 0);
	make_head(maker, text, sizeof(text));
	snprintf(
		path, sizeof(path), "audit/%s", log_file_name(LOG_HEAD_FILE, maker->segment, name));
	write_signed(maker, path, text, maker->seed, &maker->key);
	digest_of(text, strlen(text), maker->previous_head);
	secret_free(maker->seed);
	maker->seed = maker->next_seed;
	maker->key = maker->next_key;
	maker->segment++;
	maker->first = maker->sequence + 1;
	maker->bytes = 0;
}

static void finish(struct maker *maker)
{
	char name[LOG_NAME_BYTES], path[512], text[512];

	for (uint64_t segment = 1; segment <= maker->options->drop; segment++) {
		add_dropped(maker, segment);
		snprintf(path, sizeof(path), "%s/audit/%s", maker->directory,
			log_file_name(LOG_SEGMENT_FILE, segment, name));
		require(unlink(path) == 0);
	}
	write_segment(maker, name);
	snprintf(text, sizeof(text),
		"{\"schema\":\"" LOG_POSITION_SCHEMA "\",\"log\":\"" LOG "\",\"segment\":%" PRIu64
		",\"sequence\":%" PRIu64 ",\"sha256\":\"%s\"}\n",
		maker->segment, maker->sequence, maker->previous);
	write_file(maker, LOG_POSITION_NAME, "", text, strlen(text));
}

void log_maker_make(
	const char *directory, const struct log_maker_options *options, struct trust *ret_trust)
{
	struct maker maker = {.directory = directory, .options = options, .segment = 1, .first = 1};
	char path[512];

	snprintf(path, sizeof(path), "%s/audit", directory);
	require(mkdir(path, 0700) == 0);
	maker.lines = malloc(SEGMENT_BYTES);
	require(maker.lines != NULL);
	begin(&maker, ret_trust);
	while (maker.sequence + options->drop < options->records) {
		add_usual(&maker);
		if (maker.sequence % options->records_per_segment == 0 &&
			maker.sequence + options->drop < options->records)
			close_segment(&maker);
	}
	finish(&maker);
	free(maker.lines);
	secret_free(maker.device_seed);
	secret_free(maker.seed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_fixture.h - an audit log in a directory of its own, and what an auditor may look at
 *
 * Each test file includes it once; it holds the one log of the test that runs.
 */
#ifndef SPOOLGUARD_TESTS_AUDIT_LOG_FIXTURE_H
#define SPOOLGUARD_TESTS_AUDIT_LOG_FIXTURE_H

#include "audit/log.h"
#include "audit/log_files.h"
#include "audit/log_format.h"
#include "audit/log_reader.h"
#include "audit/log_verify.h"
#include "base/hex.h"
#include "base/io.h"
#include "tests/support/scratch.h"
#include "tests/support/memory_signer.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL AUDIT_SEGMENT_BYTES_MIN

static char directory[256];
static struct memory_signer signer;
static struct audit_log *audit_log;
static struct audit_log_options options;
static struct problem problem;

static may_be_unused bool is_small_scale(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0;
}

/* No step and no byte is to be left out. */
static may_be_unused bool has_time(void)
{
	return getenv("SPOOLGUARD_LOG_CRASH_ALL") != NULL;
}

/* How far apart the steps or bytes are that are tried, where everything is slower. */
static may_be_unused uint64_t stride(void)
{
	return is_small_scale() ? 7 : 1;
}

static may_be_unused void run(const char *format, ...) format_printf(1, 2);
static may_be_unused void run(const char *format, ...)
{
	char command[1000];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	ck_assert_int_eq(system(command), 0);
}

static may_be_unused const char *path_of(const char *name)
{
	static char paths[4][400];
	static unsigned int n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static may_be_unused void log_setup(void)
{
	static unsigned int n;

	snprintf(directory, sizeof(directory), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	memory_signer_init(&signer);
	options = (struct audit_log_options){.readers = (gid_t)-1};
	audit_log = NULL;
	problem.text[0] = '\0';
}

static may_be_unused void close_log(void)
{
	audit_log_close(audit_log);
	audit_log = NULL;
}

static may_be_unused void log_teardown(void)
{
	log_files_set_hook(NULL, NULL);
	signer.before = NULL;
	close_log();
	memory_signer_done(&signer);
}

static may_be_unused int try_open(void)
{
	int r = audit_log_open(directory, &signer.signer, &options, &audit_log, &problem);

	if (r < 0)
		audit_log = NULL;
	return r;
}

static may_be_unused void open_log(void)
{
	int r = try_open();

	ck_assert_msg(r == 0, "%d: %s", r, problem.text);
}

static may_be_unused int add_at(const char *job, struct audit_position *ret_position)
{
	const struct audit_event event = {.event = "job-retired", .outcome = "success", .job = job};

	return audit_log_add(audit_log, &event, ret_position);
}

static may_be_unused void add(const char *job)
{
	ck_assert_int_eq(add_at(job, NULL), 0);
}

static may_be_unused void add_and_commit(const char *job)
{
	add(job);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), 0);
}

/* --- what lies there --- */

static may_be_unused struct audit_position tip(void)
{
	struct audit_position position;

	audit_log_tip(audit_log, &position);
	return position;
}

static may_be_unused bool is_same(const struct audit_position *a, const struct audit_position *b)
{
	return strcmp(a->log, b->log) == 0 && a->segment == b->segment &&
	       a->sequence == b->sequence && strcmp(a->sha256, b->sha256) == 0;
}

static may_be_unused struct audit_log_state state(void)
{
	struct audit_log_state now;

	audit_log_get_state(audit_log, &now);
	return now;
}

static may_be_unused struct audit_position read_position(void)
{
	char text[LOG_HEAD_BYTES_MAX];
	struct audit_position position;
	size_t bytes;
	int fd = open(path_of("audit-position"), O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_read_to_end(fd, text, sizeof(text), &bytes), 0);
	close(fd);
	ck_assert_int_eq(log_position_decode(text, bytes, &position), 0);
	return position;
}

static may_be_unused uint64_t size_of_segment(uint64_t segment)
{
	char name[LOG_NAME_BYTES], file[80];
	struct stat st;

	snprintf(file, sizeof(file), "audit/%s", log_file_name(LOG_SEGMENT_FILE, segment, name));
	return stat(path_of(file), &st) == 0 ? (uint64_t)st.st_size : 0;
}

/*
 * Every record that is there is a record, follows from the one before it, and is counted by
 * numbers without a gap; returns how many; calls what is given with each.
 */
static may_be_unused uint64_t walk(
	void (*look)(void *context, const struct audit_record *record), void *context)
{
	char previous[AUDIT_HEX_BYTES] = "";
	struct log_reader *reader;
	struct audit_record record;
	uint64_t count = 0, sequence = 0;
	int r;

	r = log_reader_open(path_of("audit"), 0, &reader, &problem);
	ck_assert_msg(r == 0, "%s", problem.text);
	while ((r = log_reader_next(reader, &record)) > 0) {
		uint8_t digest[SHA256_BYTES];
		char *line;

		ck_assert(sequence == 0 || record.stamp.sequence == sequence + 1);
		ck_assert(!*previous || strcmp(previous, record.stamp.previous) == 0);
		sequence = record.stamp.sequence;
		ck_assert_int_eq(audit_record_encode(&record.event, &record.stamp, &line), 0);
		ck_assert_int_eq(hash_sha256(line, strlen(line), digest), 0);
		(void)hex_encode(digest, sizeof(digest), previous);
		free(line);
		if (look)
			look(context, &record);
		audit_record_done(&record);
		count++;
	}
	ck_assert_int_eq(r, 0);
	log_reader_free(reader);
	return count;
}

struct wanted {
	const char *event, *detail; /* detail: what is in it; NULL: anything */
	uint64_t found;
	struct audit_stamp first;
};

static may_be_unused void look_for(void *context, const struct audit_record *record)
{
	struct wanted *wanted = context;

	if (strcmp(record->event.event, wanted->event) != 0)
		return;
	if (wanted->detail &&
		(!record->event.detail || !strstr(record->event.detail, wanted->detail)))
		return;
	if (wanted->found++ == 0)
		wanted->first = record->stamp;
}

static may_be_unused uint64_t count_of(const char *event, const char *detail)
{
	struct wanted wanted = {.event = event, .detail = detail};

	(void)walk(look_for, &wanted);
	return wanted.found;
}

/* --- as an auditor sees it --- */

/* The verifier finds nothing, from the enrolled keys on. */
static may_be_unused void verify(void)
{
	struct log_verdict verdict;
	struct trust trust;
	int r;

	memory_signer_trust(&signer, &trust);
	r = log_verify(path_of("audit"), NULL, &trust, &verdict, &problem);
	ck_assert_msg(r == 0, "%s", problem.text);
	ck_assert_msg(verdict.good, "%s", verdict.count ? verdict.findings[0].text : "");
	ck_assert(verdict.root_enrolled);
	log_verdict_done(&verdict);
}

static may_be_unused void read_text(const char *name, char *text, size_t room, size_t *ret_bytes)
{
	int fd = open(path_of(name), O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_read_to_end(fd, text, room, ret_bytes), 0);
	close(fd);
	text[*ret_bytes] = '\0';
}

static may_be_unused void digest_of(
	const void *data, size_t bytes, char hex[static AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_BYTES];

	ck_assert_int_eq(hash_sha256(data, bytes, digest), 0);
	(void)hex_encode(digest, sizeof(digest), hex);
}

/* Signatures, digests and counts of every head, from the enrolled root on; the open segment's key
 * is the one that the signer has. */
static may_be_unused void judge_heads(uint64_t count)
{
	static char text[SMALL + 1];
	struct minisign_key key = signer.root;
	char previous[AUDIT_HEX_BYTES], hex[AUDIT_HEX_BYTES], name[64], signature[1024];
	uint64_t next = 1;
	size_t bytes;

	read_text("audit/log.json", text, SMALL, &bytes);
	digest_of(text, bytes, previous);
	for (uint64_t n = 1; n <= count; n++) {
		struct log_head head;
		size_t signature_bytes;
		const char *last;

		snprintf(name, sizeof(name), "audit/head-%08" PRIu64 ".json", n);
		read_text(name, text, SMALL, &bytes);
		strcat(name, ".minisig");
		read_text(name, signature, sizeof(signature) - 1, &signature_bytes);
		ck_assert_int_eq(
			minisign_verify(&key, text, bytes, signature, signature_bytes, NULL, 0), 0);
		ck_assert_int_eq(log_head_decode(text, bytes, &head), 0);
		ck_assert_uint_eq(head.segment, n);
		ck_assert_uint_eq(head.first, next);
		ck_assert_uint_eq(head.records, head.last - head.first + 1);
		ck_assert_str_eq(head.previous_head, previous);
		digest_of(text, bytes, previous);
		key = head.next_key;
		next = head.last + 1;
		if (size_of_segment(n) == 0)
			continue; /* dropped */
		snprintf(name, sizeof(name), "audit/segment-%08" PRIu64 ".jsonl", n);
		read_text(name, text, SMALL, &bytes);
		ck_assert_uint_eq(head.bytes, bytes);
		digest_of(text, bytes, hex);
		ck_assert_str_eq(head.sha256, hex);
		text[bytes - 1] = '\0'; /* its newline is given back below */
		last = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
		text[bytes - 1] = '\n';
		digest_of(last, strlen(last), hex);
		ck_assert_str_eq(head.last_record, hex);
	}
	ck_assert(minisign_key_is_equal(&key, &signer.log_key));
}

#endif

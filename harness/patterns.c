/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patterns.c - what the passes write, the streams of random ones, and the sampling plan
 *
 * Each scheme's passes are made on a disk in memory, and what lies there is held against a table
 * that is written down here a second time, in another form: a wrong byte in overwrite/scheme.c does
 * not agree with itself.  A random pass has no known bytes: it has to come again from its seed,
 * asked for in other pieces, and not from another seed.
 */
#include "harness/harness_impl.h"
#include "base/bytes.h"
#include "crypto/random.h"
#include "crypto/stream.h"
#include "harness/memory_disk.h"
#include "overwrite/pass.h"
#include "overwrite/sample.h"
#include "overwrite/scheme.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole transfer of a pass, plus one block. */
#define BLOCKS (PASS_TRANSFER_BYTES / BLOCK_BYTES + 1)

static const char remedy[] = "check this machine's memory, and install spoolguard anew";

/* Two digits a pass; "??" is random. */
static const struct expectation {
	const char *scheme;
	const char *passes;
} expectations[] = {
	{"three-pass", "35 CA 97"},
	{"zero", "00"},
	{"random", "??"},
	{"dod-5220.22-m", "55 AA ??"},
	{"hp", "48 B7 ??"},
	{"ricoh-nsa", "?? ?? 00"},
	{"kyocera", "?? ?? 00"},
	{"ar-380-19", "?? 55 AA"},
};

/* --- schemes --- */

static bool is_seeds_stream(const struct secret *seed, const uint8_t *bytes, size_t count)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	uint8_t piece[5000]; /* no multiple of anything */
	size_t at = 0;

	if (stream_new(seed, &stream) < 0)
		return false;
	while (at < count) {
		size_t some = count - at < sizeof(piece) ? count - at : sizeof(piece);

		if (stream_generate(stream, at, piece, some) < 0 ||
			memcmp(piece, bytes + at, some) != 0)
			return false;
		at += some;
	}
	return true;
}

/* -EBADMSG: the disk does not hold what this pass is to write there. */
static int check_content(struct blockdev *disk, const char *expected, const struct secret *seed)
{
	_cleanup_secret_ struct secret *other = NULL;
	const uint8_t *bytes = memory_disk_bytes(disk);
	size_t count = (size_t)BLOCKS * BLOCK_BYTES;
	int r;

	if (expected[0] != '?')
		return seed || !bytes_are(bytes, count, (uint8_t)strtoul(expected, NULL, 16))
			       ? -EBADMSG
			       : 0;
	if (!seed || !is_seeds_stream(seed, bytes, count))
		return -EBADMSG;
	r = secret_new_random(STREAM_SEED_BYTES, &other);
	if (r < 0)
		return r;
	return is_seeds_stream(other, bytes, STREAM_SEED_BYTES) ? -EBADMSG : 0;
}

/* A generator that is broken: one bit of its byte, or of its seed, is another. */
static int break_pass(struct scheme_pass *pass, const struct secret *seed, struct secret **ret_seed)
{
	int r;

	if (pass->kind == PASS_BYTE) {
		pass->byte ^= 0x10;
		return 0;
	}
	r = secret_new_copy(secret_peek(seed), secret_size(seed), ret_seed);
	if (r >= 0)
		secret_bytes(*ret_seed)[0] ^= 1;
	return r;
}

static int try_pass(struct scheme_pass pass, const char *expected, bool damage)
{
	_cleanup_secret_ struct secret *seed = NULL, *broken = NULL;
	_cleanup_(pass_buffers_freep) struct pass_buffers *buffers = NULL;
	_cleanup_(blockdev_closep) struct blockdev *disk = NULL;
	struct extent_list runs = {0}, refused = {0};
	struct progress progress = {.what = "self-test"};
	int r;

	r = memory_disk_new(BLOCKS, &disk);
	if (r >= 0)
		r = pass_buffers_new(&buffers);
	if (r >= 0 && pass.kind == PASS_RANDOM)
		r = secret_new_random(STREAM_SEED_BYTES, &seed);
	if (r >= 0 && damage)
		r = break_pass(&pass, seed, &broken);
	if (r >= 0)
		r = extent_list_add(&runs, (struct extent){0, BLOCKS});
	if (r >= 0)
		r = pass_write(disk, &pass, broken ? broken : seed, &runs, buffers, NULL, &progress,
			&refused);
	if (r >= 0)
		r = refused.count > 0 ? -EBADMSG : check_content(disk, expected, seed);
	extent_list_done(&runs);
	extent_list_done(&refused);
	return r;
}

static void test_scheme(const struct trial *trial, struct outcome *out)
{
	const struct expectation *expected = &expectations[trial->index];
	const struct scheme *scheme = scheme_find(expected->scheme);
	unsigned int passes = (unsigned int)(strlen(expected->passes) + 1) / 3;
	int r = 0;

	if (!scheme || scheme->pass_count != passes) {
		outcome_failed(out, remedy, "it does not have %u passes", passes);
		return;
	}
	for (unsigned int i = 0; i < passes && r >= 0; i++) {
		r = try_pass(scheme->passes[i], expected->passes + 3 * i,
			trial->damage && i + 1 == passes);
		if (r == -EBADMSG)
			outcome_failed(
				out, remedy, "pass %u of %u writes something else", i + 1, passes);
		else if (r < 0)
			outcome_cannot_tell(out, remedy, "%s", strerror(-r));
	}
	if (r >= 0)
		outcome_ok(out, "%s%s", expected->passes,
			strchr(expected->passes, '?') ? " (??: random, again from its seed)" : "");
}

/* --- streams --- */

/* The same bytes at any offset and in any pieces (T1 of crypto/stream.h), others from another seed.
 */
static int try_stream(bool damage)
{
	static const uint64_t far = 5ull << 40;
	_cleanup_secret_ struct secret *seed = NULL;
	_cleanup_(stream_freep) struct stream *first = NULL, *second = NULL, *other = NULL;
	uint8_t whole[4096] = {0}, piece[4096] = {0};
	size_t at = 0;
	int r;

	r = secret_new_random(STREAM_SEED_BYTES, &seed);
	if (r >= 0)
		r = stream_new(seed, &first);
	if (r >= 0)
		r = stream_new(seed, &second);
	if (r >= 0) {
		secret_bytes(seed)[STREAM_SEED_BYTES - 1] ^= 1;
		r = stream_new(seed, &other);
	}
	if (r >= 0)
		r = stream_generate(first, far, whole, sizeof(whole));
	for (size_t some = 1; at < sizeof(whole) && r >= 0; at += some, some = some * 3 % 701 + 1) {
		if (some > sizeof(whole) - at)
			some = sizeof(whole) - at;
		r = stream_generate(second, far + at + damage, piece + at, some);
	}
	if (r >= 0 && memcmp(whole, piece, sizeof(whole)) != 0)
		return -EBADMSG;
	if (r >= 0)
		r = stream_generate(other, far, piece, sizeof(piece));
	return r >= 0 && memcmp(whole, piece, sizeof(whole)) == 0 ? -EBADMSG : r;
}

static void test_stream(const struct trial *trial, struct outcome *out)
{
	int r = try_stream(trial->damage);

	if (r == -EBADMSG)
		outcome_failed(out, remedy, "a stream does not come again from its seed alone");
	else if (r < 0)
		outcome_cannot_tell(out, remedy, "%s", strerror(-r));
	else
		outcome_ok(out, "equal in pieces and from 5 TiB on, different for a seed that "
				"differs in one bit");
}

/* --- the sampling plan --- */

/* Blocks of the list in the section: two samples of at least 5 % that do not overlap. */
static bool covers_section(const struct extent_list *plan, struct extent section)
{
	struct extent_list one = {0};
	uint64_t covered = 0, needed = 2 * ((section.count + 19) / 20);

	if (needed > section.count)
		needed = section.count;
	if (extent_list_add(&one, section) >= 0)
		covered = extent_list_common_blocks(plan, &one);
	extent_list_done(&one);
	return covered >= needed;
}

static bool is_good_plan(const struct extent_list *plan, uint64_t blocks)
{
	uint64_t begin = 0;

	if (plan->count == 0 || plan->items[0].first != 0 ||
		extent_end(plan->items[plan->count - 1]) != blocks)
		return false;
	for (uint64_t i = 1; i <= SAMPLE_SECTIONS; i++) {
		uint64_t end = blocks / SAMPLE_SECTIONS * i +
			       blocks % SAMPLE_SECTIONS * i / SAMPLE_SECTIONS;

		if (!covers_section(plan, (struct extent){begin, end - begin}))
			return false;
		begin = end;
	}
	return true;
}

/* -EBADMSG: it leaves the medium, or its rule.  damage: the plan of a medium that is one longer. */
static int try_plan(uint64_t blocks, bool damage)
{
	struct extent_list plan = {0};
	int r = sample_plan(blocks + damage, &plan);

	if (r >= 0 && !is_good_plan(&plan, blocks))
		r = -EBADMSG;
	extent_list_done(&plan);
	return r;
}

static void test_sample(const struct trial *trial, struct outcome *out)
{
	/* Read whole, the least that is sampled, and one that is no multiple of the sections. */
	static const uint64_t sizes[] = {1, 19999, 20000, 20001, 1234567};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && r >= 0; i++) {
		r = try_plan(sizes[i], trial->damage);
		if (r == -EBADMSG)
			outcome_failed(out, remedy,
				"the plan for %llu blocks is not within them, or too thin",
				(unsigned long long)sizes[i]);
		else if (r < 0)
			outcome_cannot_tell(out, remedy, "%s", strerror(-r));
	}
	if (r >= 0)
		outcome_ok(out,
			"first and last block, %u sections, two samples of 5 %% in each; NIST "
			"SP 800-88r1",
			SAMPLE_SECTIONS);
}

void harness_add_patterns(struct harness_table *table)
{
	char name[HARNESS_NAME_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(expectations); i++) {
		snprintf(name, sizeof(name), "pattern/%s", expectations[i].scheme);
		harness_add(table, HARNESS_PATTERNS, HARNESS_CLAIM, name, test_scheme, i);
	}
	harness_add(table, HARNESS_PATTERNS, HARNESS_CLAIM, "pattern/stream", test_stream, 0);
	harness_add(
		table, HARNESS_PATTERNS, HARNESS_CLAIM, "pattern/sampling plan", test_sample, 0);
}

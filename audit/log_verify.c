/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the chain of keys (log_verify_heads.c), then segment by segment the records: those of a
 * segment whose bytes have the digest that a head signs are scanned, others are taken apart.
 *
 * A log that is in use grows, closes segments and drops them while it is read.  audit-position is
 * read before the files, so that it never knows more than they hold.  Heads are never dropped, and
 * there may be so many that the whole log is another one when the last is read: the files are
 * listed again until no head is new, and only then the segments are read.  A segment that was
 * listed and is gone when its turn comes was dropped, if a record says so: that was durable before,
 * so it is in what is read behind, the segments that were begun meanwhile with it.  If something
 * was found and the files that are there have changed, it is all looked at again.
 */
#include "audit/log_verify.h"
#include "audit/log_verify_impl.h"
#include "base/hex.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX   8 /* looks at all of it */
#define LISTINGS_MAX 8 /* in one look */

const char *log_finding_name(enum log_finding_kind kind)
{
	static const char *const names[] = {
		[LOG_CHANGED] = "changed",
		[LOG_MISSING] = "missing",
		[LOG_REPEATED] = "repeated",
		[LOG_SWAPPED] = "swapped",
		[LOG_NO_RECORD] = "no record",
		[LOG_CUT] = "cut",
		[LOG_HEAD] = "head",
		[LOG_KEY] = "key",
		[LOG_FILE_MISSING] = "file missing",
	};

	assert((size_t)kind < ARRAY_SIZE(names));
	return names[kind];
}

void log_verdict_done(struct log_verdict *verdict)
{
	free(verdict->findings);
	*verdict = (struct log_verdict){.findings = NULL};
}

int log_verify_read(const struct log_verifier *verifier, const char *name, size_t most_bytes,
	struct log_bytes *text, struct problem *reterr_problem)
{
	int r = log_bytes_read(verifier->path, name, most_bytes, text);

	if (r == -ENOENT)
		return 0;
	if (r == -EACCES)
		return log_verify_may_not_read(verifier->path, name, reterr_problem);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s/%s cannot be read: %s", verifier->path,
			name, r == -EFBIG ? "it is larger than any such file" : strerror(-r));
	return 1;
}

static int list(const char *path, struct log_listing *ret_listing, struct problem *reterr_problem)
{
	int r = log_listing_read(path, ret_listing);

	if (r == -EACCES)
		return log_verify_may_not_read(path, "the directory", reterr_problem);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s; name the directory of the log", path,
			strerror(-r));
	return 0;
}

/* --- one segment --- */

static bool is_what_was_signed(const struct log_bytes *text, const struct log_head *head)
{
	uint8_t digest[SHA256_BYTES];
	char hex[AUDIT_HEX_BYTES];

	if (!head || text->bytes != head->bytes || hash_sha256(text->at, text->bytes, digest) < 0)
		return false;
	return strcmp(hex_encode(digest, sizeof(digest), hex), head->sha256) == 0;
}

/* Behind what audit-position has, and where no head vouches, a crash may have left anything. */
static bool may_be_torn(const struct log_verifier *verifier, uint64_t segment)
{
	const struct log_listing *listing = &verifier->listing;
	bool is_open =
		segment > listing->last || (segment == listing->last && !listing->last_is_closed);

	return is_open && verifier->position &&
	       verifier->position->sequence < verifier->chain.expected;
}

/*
 * A crash leaves a line without an end, or, where the file system made the file longer first,
 * zeros; and so the rest of the segment is no record's.  A cut leaves a line without an end, too.
 */
static bool is_torn(struct log_verifier *verifier, uint64_t segment, uint64_t line, const char *at,
	const char *newline, const char *end)
{
	const struct log_place place = {segment, line, verifier->chain.expected};

	if (newline && !memchr(at, '\0', (size_t)(newline - at)))
		return false;
	if (may_be_torn(verifier, segment))
		verifier->verdict->torn_bytes = (uint64_t)(end - at);
	else if (!newline)
		log_verdict_add(verifier->verdict, LOG_CUT, &place, "the last line has no end");
	else
		return false;
	return true;
}

static bool has_finding_in(const struct log_verdict *verdict, uint64_t segment)
{
	for (size_t i = 0; i < verdict->count; i++) {
		if (verdict->findings[i].segment == segment && verdict->findings[i].line > 0)
			return true;
	}
	return verdict->more;
}

/* Does it end as its head says? */
static void judge_closed(
	struct log_verifier *verifier, const struct log_head *head, uint64_t lines, bool is_signed)
{
	struct log_chain *chain = &verifier->chain;
	struct log_verdict *verdict = verifier->verdict;
	const uint64_t segment = head->segment;
	bool fits = strcmp(chain->digest, head->last_record) == 0;

	log_chain_settle(chain, fits);
	if (has_finding_in(verdict, segment))
		;
	else if (lines < head->records)
		log_verdict_add(verdict, LOG_CUT,
			&(struct log_place){segment, lines + 1, chain->expected},
			"the segment ends before record %" PRIu64 ", which its head has",
			head->last);
	else if (!fits && chain->digest[0] != '\0')
		log_chain_blame(chain, &(struct log_place){segment, lines, head->last},
			"the segment's head has another digest for it");
	else if (!is_signed)
		log_chain_blame(chain, &(struct log_place){segment, 0, 0},
			"the segment is not what its head has the digest of");
	log_chain_jump(chain, head->last + 1, head->last_record);
}

static int read_lines(struct log_verifier *verifier, uint64_t segment, uint64_t *ret_lines)
{
	const char *at = verifier->text.at, *end = at + verifier->text.bytes;
	uint64_t lines = 0;
	int r;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (is_torn(verifier, segment, lines + 1, at, newline, end))
			break;
		r = log_chain_take(&verifier->chain, segment, ++lines, at, (size_t)(newline - at));
		if (r < 0)
			return r;
		at = newline + 1;
	}
	*ret_lines = lines;
	return 0;
}

/* 1: it was read; 0: it is not there. */
static int read_segment(
	struct log_verifier *verifier, uint64_t segment, struct problem *reterr_problem)
{
	const struct log_head *head = log_verify_head(verifier, segment);
	char name[LOG_NAME_BYTES];
	uint64_t lines = 0;
	int r;

	log_file_name(LOG_SEGMENT_FILE, segment, name);
	r = log_verify_read(
		verifier, name, LOG_SEGMENT_BYTES_MOST, &verifier->text, reterr_problem);
	if (r <= 0)
		return r;
	verifier->chain.is_signed = is_what_was_signed(&verifier->text, head);
	r = read_lines(verifier, segment, &lines);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s", name, strerror(-r));
	verifier->verdict->segments++;
	verifier->verdict->closed_segments += head != NULL;
	if (head)
		judge_closed(verifier, head, lines, verifier->chain.is_signed);
	return 1;
}

/* --- all of them --- */

/* Segments from "from" to the one before "to" have no file. */
static void pass_over(struct log_verifier *verifier, uint64_t from, uint64_t to)
{
	const struct log_head *head = log_verify_head(verifier, to - 1);
	const struct log_place place = {from, 0, 0};

	if (from > verifier->verdict->dropped_segments)
		log_verdict_add(verifier->verdict, LOG_FILE_MISSING, &place,
			"segment %" PRIu64 " to segment %" PRIu64 " are not there", from, to - 1);
	log_chain_jump(
		&verifier->chain, head ? head->last + 1 : 0, head ? head->last_record : NULL);
}

/* What was begun since the files were listed. */
static int read_newer(struct log_verifier *verifier, struct problem *reterr_problem)
{
	struct log_listing *listing = &verifier->listing;
	int r = 1;

	while (r > 0 && listing->last > 0 && listing->last < LOG_SEGMENT_MAX) {
		r = read_segment(verifier, listing->last + 1, reterr_problem);
		if (r > 0) {
			listing->last++;
			listing->last_is_closed = false;
		}
	}
	return r;
}

static int read_segments(struct log_verifier *verifier, struct problem *reterr_problem)
{
	struct log_listing *listing = &verifier->listing;
	uint64_t due = 1;
	int r;

	log_chain_jump(&verifier->chain, 1, verifier->beginning[0] ? verifier->beginning : NULL);
	for (size_t i = 0; i < listing->count; i++) {
		const uint64_t segment = listing->segments[i];

		if (segment > due)
			pass_over(verifier, due, segment);
		r = read_segment(verifier, segment, reterr_problem);
		if (r < 0)
			return r;
		if (r == 0) { /* it was dropped meanwhile, and all before it: judge_dropped() */
			verifier->verdict->dropped_segments = segment;
			pass_over(verifier, segment, segment + 1);
		}
		due = segment + 1;
	}
	if (listing->last >= due)
		pass_over(verifier, due, listing->last + 1);
	return read_newer(verifier, reterr_problem);
}

/* B6: what is not there made room, and the newest of it is named by a record behind it. */
static void judge_dropped(struct log_verifier *verifier)
{
	uint64_t dropped = verifier->verdict->dropped_segments;

	if (dropped > 0 && verifier->chain.dropped_segment < dropped)
		log_verdict_add(verifier->verdict, LOG_FILE_MISSING,
			&(struct log_place){dropped, 0, 0},
			"the segment is not there, and no record says that it made room");
}

/* The listing is the newest then, and the heads those of its closed segments. */
static int read_heads(struct log_verifier *verifier, struct problem *reterr_problem)
{
	struct log_listing newer;
	bool moved = true;
	int r = log_verify_heads(verifier, reterr_problem);

	for (int i = 1; r >= 0 && moved && i < LISTINGS_MAX; i++) {
		r = list(verifier->path, &newer, reterr_problem);
		if (r < 0)
			break;
		moved = !log_listing_is_equal(&verifier->listing, &newer);
		log_listing_done(&verifier->listing);
		verifier->listing = newer;
		r = log_verify_heads(verifier, reterr_problem);
	}
	return r;
}

static int verify_all(struct log_verifier *verifier, struct problem *reterr_problem)
{
	const struct log_listing *listing = &verifier->listing;
	struct log_verdict *verdict = verifier->verdict;
	int r;

	verdict->position_known = verifier->position != NULL;
	r = log_verify_root(verifier, reterr_problem);
	if (r >= 0)
		r = read_heads(verifier, reterr_problem);
	if (r < 0)
		return r;
	verdict->dropped_segments = listing->count > 0 ? listing->segments[0] - 1 : listing->last;
	r = read_segments(verifier, reterr_problem);
	if (r < 0)
		return r;
	log_verify_judge_position(verifier);
	judge_dropped(verifier);
	memcpy(verdict->last_sha256, verifier->chain.digest, sizeof(verdict->last_sha256));
	return 0;
}

/* --- one look, and another --- */

static int compare_findings(const void *left, const void *right)
{
	const struct log_finding *a = left, *b = right;

	if (a->segment != b->segment)
		return a->segment < b->segment ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static int look(const char *path, const struct audit_position *position, bool bad_position,
	const struct trust *trusted, struct log_verdict *verdict, bool *ret_moved,
	struct problem *reterr_problem)
{
	struct log_verifier verifier = {
		.path = path, .trusted = trusted, .position = position, .verdict = verdict};
	struct log_listing after = {.segments = NULL};
	int r;

	*verdict = (struct log_verdict){
		.findings = calloc(LOG_VERIFY_FINDINGS_MAX, sizeof(*verdict->findings))};
	if (!verdict->findings)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	if (bad_position)
		log_verdict_add(verdict, LOG_CUT, &(struct log_place){0},
			"audit-position cannot be understood, so that a cut end would not show");
	log_chain_init(&verifier.chain, verdict, position ? position->sequence : 0);
	r = list(path, &verifier.listing, reterr_problem);
	if (r >= 0)
		r = verify_all(&verifier, reterr_problem);
	if (r >= 0)
		r = list(path, &after, reterr_problem);
	*ret_moved = r >= 0 && !log_listing_is_equal(&verifier.listing, &after);
	log_listing_done(&verifier.listing);
	log_listing_done(&after);
	log_bytes_done(&verifier.text);
	log_bytes_done(&verifier.signature);
	free(verifier.heads);
	return r;
}

int log_verify(const char *path, const char *position_path, const struct trust *trusted,
	struct log_verdict *ret_verdict, struct problem *reterr_problem)
{
	struct audit_position position;
	struct log_verdict verdict = {.findings = NULL};
	bool moved = true, is_bad;
	int r = 0;

	for (int round = 0; moved && round < ROUNDS_MAX; round++) {
		log_verdict_done(&verdict);
		r = log_verify_read_position(path, position_path, &position, reterr_problem);
		if (r < 0 && r != -EBADMSG)
			return r;
		is_bad = r == -EBADMSG;
		r = look(path, r > 0 ? &position : NULL, is_bad, trusted, &verdict, &moved,
			reterr_problem);
		if (r < 0) {
			log_verdict_done(&verdict);
			return r;
		}
		moved = moved && verdict.count > 0;
	}
	qsort(verdict.findings, verdict.count, sizeof(*verdict.findings), compare_findings);
	verdict.good = verdict.count == 0;
	*ret_verdict = verdict;
	return 0;
}

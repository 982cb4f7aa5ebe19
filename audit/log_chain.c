/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_chain.h"
#include "audit/log_scan.h"
#include "base/hex.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_STEP_MS 1000
#define DROPPED	      "log-dropped"

/* --- findings --- */

static format_printf(4, 0) void add(struct log_verdict *verdict, enum log_finding_kind kind,
	const struct log_place *place, const char *format, va_list arguments)
{
	struct log_finding *finding;

	if (verdict->count == LOG_VERIFY_FINDINGS_MAX) {
		verdict->more = true;
		return;
	}
	finding = &verdict->findings[verdict->count++];
	finding->kind = kind;
	finding->segment = place->segment;
	finding->line = place->line;
	finding->sequence = place->sequence;
	vsnprintf(finding->text, sizeof(finding->text), format, arguments);
}

void log_verdict_add(struct log_verdict *verdict, enum log_finding_kind kind,
	const struct log_place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(verdict, kind, place, format, arguments);
	va_end(arguments);
}

void log_chain_blame(
	struct log_chain *chain, const struct log_place *place, const char *format, ...)
{
	va_list arguments;

	if (place->sequence > 0 && chain->blamed == place->sequence)
		return;
	chain->blamed = place->sequence;
	va_start(arguments, format);
	add(chain->verdict, LOG_CHANGED, place, format, arguments);
	va_end(arguments);
}

/* --- the chain --- */

void log_chain_init(struct log_chain *chain, struct log_verdict *verdict, uint64_t wanted)
{
	*chain = (struct log_chain){.verdict = verdict, .gap = SIZE_MAX, .wanted = wanted};
}

void log_chain_jump(struct log_chain *chain, uint64_t expected, const char *digest)
{
	chain->expected = expected;
	chain->digest[0] = '\0';
	if (digest)
		memcpy(chain->digest, digest, AUDIT_HEX_BYTES);
	chain->damaged = 0;
	chain->gap = SIZE_MAX;
	chain->before = (struct log_place){0}; /* a head vouches for it */
}

void log_chain_settle(struct log_chain *chain, bool fits)
{
	struct log_place doubt = chain->doubt;

	if (doubt.sequence == 0)
		return;
	chain->doubt = (struct log_place){0};
	if (fits && chain->before_doubt.sequence > 0)
		log_chain_blame(chain, &chain->before_doubt,
			"the record behind it does not have its digest");
	else if (fits)
		log_chain_blame(
			chain, &doubt, "it does not have the digest of what stands before it");
	else
		log_chain_blame(chain, &doubt,
			"it does not have the digest of the record before it, nor has the record "
			"behind it its own");
}

static bool links_back(const struct log_chain *chain, const struct log_scan *scan)
{
	return memcmp(scan->previous, chain->digest, AUDIT_HEX_BYTES - 1) == 0;
}

static void note_damage(struct log_chain *chain, const struct log_place *place)
{
	const struct log_place here = {place->segment, place->line, chain->expected};

	log_verdict_add(chain->verdict, LOG_NO_RECORD, &here, "this line is no record");
	chain->doubt = (struct log_place){0};
	chain->damaged++;
	chain->digest[0] = '\0';
}

/* A number before the one that is due. */
static void note_return(struct log_chain *chain, const struct log_place *place)
{
	struct log_finding *gap;

	if (chain->gap >= chain->verdict->count || place->sequence < chain->gap_first ||
		place->sequence > chain->gap_last) {
		log_verdict_add(chain->verdict, LOG_REPEATED, place,
			"a record of this number stands there again");
		return;
	}
	gap = &chain->verdict->findings[chain->gap];
	gap->kind = LOG_SWAPPED;
	snprintf(gap->text, sizeof(gap->text), "record %" PRIu64 " stands behind record %" PRIu64,
		place->sequence, chain->expected - 1);
}

static void note_gap(struct log_chain *chain, const struct log_place *place)
{
	const struct log_place here = {place->segment, place->line, chain->expected};

	log_chain_settle(chain, true);
	chain->gap = chain->verdict->count;
	chain->gap_first = chain->expected;
	chain->gap_last = place->sequence - 1;
	log_verdict_add(chain->verdict, LOG_MISSING, &here,
		"records %" PRIu64 " to %" PRIu64 " are not there", chain->gap_first,
		chain->gap_last);
	chain->digest[0] = '\0';
}

/* Is it the record that is due, perhaps with its number changed?  Else it is told what it is.
 * place->sequence becomes what the record should have. */
static bool is_due(struct log_chain *chain, const struct log_scan *scan, struct log_place *place)
{
	/* A line that is none may be a part of a record, or two of them. */
	if (chain->expected == 0 || (scan->sequence >= chain->expected &&
					    scan->sequence - chain->expected <= 2 * chain->damaged))
		return true;
	if (chain->digest[0] != '\0' && links_back(chain, scan)) {
		place->sequence = chain->expected;
		log_chain_blame(chain, place, "its number is %" PRIu64 " now", scan->sequence);
		return true;
	}
	if (scan->sequence > chain->expected) {
		note_gap(chain, place);
		return true;
	}
	note_return(chain, place);
	return false;
}

static void check_link(
	struct log_chain *chain, const struct log_scan *scan, const struct log_place *place)
{
	bool fits = chain->digest[0] == '\0' || links_back(chain, scan);

	log_chain_settle(chain, fits);
	if (fits || (chain->blamed > 0 && chain->blamed == place->sequence - 1))
		return;
	chain->doubt = *place;
	chain->before_doubt = chain->before;
}

static void check_clock(struct log_chain *chain, const struct log_scan *scan)
{
	if (chain->boot[0] != '\0' && memcmp(chain->boot, scan->boot, AUDIT_BOOT_BYTES - 1) == 0) {
		int64_t off = (scan->wall_ms - chain->wall_ms) -
			      (int64_t)(scan->monotonic_ms - chain->monotonic_ms);

		if (off > CLOCK_STEP_MS || off < -CLOCK_STEP_MS)
			chain->verdict->clock_steps++;
	}
	memcpy(chain->boot, scan->boot, AUDIT_BOOT_BYTES - 1);
	chain->wall_ms = scan->wall_ms;
	chain->monotonic_ms = scan->monotonic_ms;
}

static void note_dropped(struct log_chain *chain, const char *line, size_t bytes)
{
	struct audit_record record;
	struct json_object *segment;

	if (audit_record_decode(line, bytes, &record) < 0)
		return;
	if (record.event.data &&
		json_object_object_get_ex(record.event.data, "segment", &segment) &&
		json_object_is_type(segment, json_type_int) &&
		json_object_get_uint64(segment) > chain->dropped_segment)
		chain->dropped_segment = json_object_get_uint64(segment);
	audit_record_done(&record);
}

static int accept(struct log_chain *chain, const struct log_scan *scan,
	const struct log_place *place, const char *line, size_t bytes)
{
	struct log_verdict *verdict = chain->verdict;
	uint8_t digest[SHA256_BYTES];
	int r;

	r = hash_sha256(line, bytes + 1, digest); /* with its newline */
	if (r < 0)
		return r;
	hex_encode(digest, sizeof(digest), chain->digest);
	if (place->sequence == chain->wanted)
		memcpy(chain->wanted_digest, chain->digest, AUDIT_HEX_BYTES);
	check_clock(chain, scan);
	if (scan->event_bytes == strlen(DROPPED) &&
		memcmp(scan->event, DROPPED, strlen(DROPPED)) == 0)
		note_dropped(chain, line, bytes);
	chain->before = *place;
	chain->damaged = 0;
	chain->expected = place->sequence + 1;
	verdict->records++;
	if (verdict->records == 1)
		verdict->first_sequence = place->sequence;
	verdict->last_sequence = place->sequence;
	return 0;
}

/* 1: it is a record; 0: it is none; -errno. */
static int check_record(
	const struct log_chain *chain, const char *line, size_t bytes, struct log_scan *ret_scan)
{
	struct audit_record record;
	int r;

	if (!log_scan(line, bytes, ret_scan) || ret_scan->sequence == 0 ||
		ret_scan->sequence == UINT64_MAX)
		return 0;
	if (chain->is_signed)
		return 1;
	r = audit_record_decode(line, bytes, &record);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	audit_record_done(&record);
	return 1;
}

int log_chain_take(
	struct log_chain *chain, uint64_t segment, uint64_t number, const char *line, size_t bytes)
{
	struct log_place place = {segment, number, 0};
	struct log_scan scan;
	int r;

	r = check_record(chain, line, bytes, &scan);
	if (r < 0)
		return r;
	if (r == 0) {
		note_damage(chain, &place);
		return 0;
	}
	place.sequence = scan.sequence;
	if (!is_due(chain, &scan, &place))
		return 0;
	check_link(chain, &scan, &place);
	return accept(chain, &scan, &place, line, bytes);
}

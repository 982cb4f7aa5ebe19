/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_wipe.c - is what is deleted made unavailable, and is that known?
 */
#include "compliance/judge.h"
#include <inttypes.h>
#include <string.h>

#define NO_VOLUME	    "no volume was found"
#define MAKE_ONE	    "make one (spoolguard format), and name it in spoolguard.conf"
#define OWED_SECONDS_MAX    86400u	   /* what is owed for longer has been forgotten */
#define RESIDUE_SECONDS_MAX (35u * 86400u) /* a monthly search, and some days */

/* --- the service and its jobs --- */

/* Something stops claims: its own words. */
static void judge_reasons(struct json_object *reasons, struct judged *out)
{
	for (size_t i = 0; i < json_object_array_length(reasons); i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);
		const char *weight, *text;

		if (!judge_text(reason, "weight", out, &weight) ||
			!judge_text(reason, "text", out, &text))
			return;
		if (strcmp(weight, "stops-claims") == 0)
			judged_not_met(out,
				"see to that; \"spoolguard status\" says when it is over",
				"no receipt is given now: %.400s", text);
	}
}

static void judge_jobs(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	struct json_object *reasons;
	uint64_t failed, held;
	const char *state;

	if (!judge_text(values[0], "state", out, &state) ||
		!judge_array(values[0], "reasons", out, &reasons) ||
		!judge_u64(values[0], "failed_jobs", out, &failed) ||
		!judge_u64(values[0], "held_jobs", out, &held))
		return;
	judge_reasons(reasons, out);
	if (failed > 0)
		judged_not_met(out, "spoolguard status says why; see to it, they are tried again",
			"%" PRIu64 " jobs could not be overwritten", failed);
	if (strcmp(state, "READY") == 0 || strcmp(state, "DEGRADED") == 0)
		judged_met(out,
			"the service is %s and overwrites each job when it ends; %" PRIu64
			" held by a person",
			state, held);
	else
		judged_cannot_tell(out, "spoolguard status says what it waits for",
			"the service is %s: no job can be overwritten now", state);
}

const struct part part_jobs = {"jobs", {"service"}, judge_jobs};

static bool has_word(struct json_object *list, const char *word)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (strcmp(judge_peek_at(list, i), word) == 0)
			return true;
	}
	return false;
}

static void judge_ways_in(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	struct json_object *sources;
	bool used;

	if (!judge_array(values[0], "sources", out, &sources) ||
		!judge_bool(values[1], "used", out, &used))
		return;
	if (used && !has_word(sources, "cups"))
		judged_not_met(out, "set enabled = yes in [cups]",
			"there is CUPS on this machine, and the service does not follow its jobs");
	else
		judged_met(out, "jobs come in by %zu ways%s", json_object_array_length(sources),
			used ? ", CUPS among them" : "; there is no CUPS here");
}

const struct part part_ways_in = {"ways-in", {"settings", "cups"}, judge_ways_in};

/* --- what is owed --- */

static void judge_debt_of(struct json_object *volume, struct judged *out)
{
	uint64_t owed, oldest, unknown;
	bool managed, sweep;
	const char *name;

	if (!judge_open(volume, out, &name) || !judge_bool(volume, "managed", out, &managed))
		return;
	if (!managed) {
		judged_not_met(out, "format it with spoolguard",
			"volume %s is encryption only: nothing that is freed there is overwritten",
			name);
		return;
	}
	if (!judge_u64(volume, "owed_bytes", out, &owed) ||
		!judge_u64(volume, "oldest_owed_seconds", out, &oldest) ||
		!judge_u64(volume, "unknown_blocks", out, &unknown) ||
		!judge_bool(volume, "sweep_owed", out, &sweep))
		return;
	if (sweep || unknown > 0)
		judged_not_met(out, "attach it with its mount, or run \"spoolguard sweep\"",
			"volume %s: a sweep is owed; %" PRIu64 " blocks are not judged", name,
			unknown);
	if (owed > 0 && oldest > OWED_SECONDS_MAX)
		judged_not_met(out, "run \"spoolguard sweep\", and see why nothing was paid",
			"volume %s owes passes on %" PRIu64 " bytes since %" PRIu64 " hours", name,
			owed, oldest / 3600u);
}

static void judge_debt(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	uint64_t owed = 0;
	size_t count;

	if (!judge_items(values[0], NO_VOLUME, MAKE_ONE, out, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_object *volume = json_object_array_get_idx(values[0], i);
		struct json_object *bytes = NULL;

		judge_debt_of(volume, out);
		if (json_object_object_get_ex(volume, "owed_bytes", &bytes))
			owed += json_object_get_uint64(bytes);
	}
	judged_met(
		out, "%" PRIu64 " bytes wait for their passes, none for longer than a day", owed);
}

const struct part part_debt = {"debt", {"debts"}, judge_debt};

static void judge_refused_of(struct json_object *volume, struct judged *out)
{
	uint64_t stuck, refused;
	const char *name;
	bool failed;

	if (!judge_open(volume, out, &name) || !judge_u64(volume, "stuck_blocks", out, &stuck) ||
		!judge_u64(volume, "refused_blocks", out, &refused) ||
		!judge_bool(volume, "eraser_failed", out, &failed))
		return;
	if (failed || stuck > 0 || refused > 0)
		judged_not_met(out,
			"replace the medium; destroy the old one, or its key (wipe-spool --full)",
			"volume %s: the medium did not overwrite %" PRIu64 " blocks%s", name,
			stuck + refused, failed ? ", and the eraser stopped" : "");
}

static void judge_refused(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], NO_VOLUME, MAKE_ONE, out, &count))
		return;
	for (size_t i = 0; i < count; i++)
		judge_refused_of(json_object_array_get_idx(values[0], i), out);
	judged_met(out, "the medium took every pass so far");
}

const struct part part_refused = {"refused-blocks", {"debts"}, judge_refused};

static void judge_read_back(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], NO_VOLUME, MAKE_ONE, out, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_object *volume = json_object_array_get_idx(values[0], i);
		const char *name, *verify;

		if (!judge_open(volume, out, &name) || !judge_text(volume, "verify", out, &verify))
			continue;
		if (strcmp(verify, "full") != 0 && strcmp(verify, "sample") != 0)
			judged_not_met(out, "set verify = full in the volume's section",
				"volume %s: passes are not read back (verify %s)", name, verify);
	}
	judged_met(out, "the last pass is read back on every open volume");
}

const struct part part_read_back = {"read-back", {"debts"}, judge_read_back};

/* --- on-demand overwrite --- */

static void judge_wipe(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *state, *outcome, *time;
	uint64_t wipes;
	size_t count;

	if (!judge_text(values[0], "state", out, &state) ||
		!judge_items(values[1], NO_VOLUME, MAKE_ONE, out, &count) ||
		!judge_u64(values[2], "count", out, &wipes) ||
		!judge_text(values[2], "outcome", out, &outcome) ||
		!judge_text(values[2], "time", out, &time))
		return;
	for (size_t i = 0; i < count; i++) {
		const char *name;
		bool managed;

		if (judge_open(json_object_array_get_idx(values[1], i), out, &name) &&
			judge_bool(json_object_array_get_idx(values[1], i), "managed", out,
				&managed) &&
			!managed)
			judged_not_met(out, "format it with spoolguard",
				"volume %s is encryption only: it cannot be wiped on demand", name);
	}
	if (wipes > 0 && strcmp(outcome, "success") != 0)
		judged_not_met(out,
			"run it again: spoolguard wipe-spool; its report says what failed",
			"the last on-demand overwrite (%s) ended in %s", time, outcome);
	judged_met(out,
		"wipe-spool --full destroys every key slot, then overwrites what it could open; "
		"last: %s",
		wipes > 0 ? time : "never asked for yet");
}

const struct part part_wipe = {"wipe", {"service", "debts", "wipe"}, judge_wipe};

/* --- what was recorded of it --- */

static void judge_receipts(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	uint64_t looked, fell_short, not_signed;

	if (!judge_u64(values[0], "looked_at", out, &looked) ||
		!judge_u64(values[0], "short", out, &fell_short) ||
		!judge_u64(values[0], "unsigned", out, &not_signed))
		return;
	if (looked == 0)
		judged_cannot_tell(out, "print something", "no job was retired yet");
	else if (fell_short > 0)
		judged_not_met(out, "look at them (spoolguard job list, receipt show), then sweep",
			"%" PRIu64 " of the newest %" PRIu64
			" receipts say that less was overwritten or read back than asked",
			fell_short, looked);
	else if (not_signed > 0)
		judged_not_met(out, "see why the device could not sign: spoolguard events",
			"%" PRIu64 " of the newest %" PRIu64 " receipts are not signed", not_signed,
			looked);
	else
		judged_met(out,
			"the newest %" PRIu64
			" receipts: all that was asked was written, durable and read back; signed",
			looked);
}

const struct part part_receipts = {"receipts", {"receipts"}, judge_receipts};

static void judge_residue(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *outcome, *time;
	uint64_t count, age_s;

	if (!judge_u64(values[0], "count", out, &count) ||
		!judge_text(values[0], "outcome", out, &outcome) ||
		!judge_text(values[0], "time", out, &time) ||
		!judge_u64(values[0], "age_seconds", out, &age_s))
		return;
	if (count == 0)
		judged_cannot_tell(
			out, "spoolguard check residue", "no residue check was ever made here");
	else if (strcmp(outcome, "cannot tell") == 0)
		judged_cannot_tell(out, "spoolguard check residue says which place it is",
			"the last residue check (%s) could not search everything", time);
	else if (strcmp(outcome, "success") != 0)
		judged_not_met(out, "spoolguard check residue says where it was found",
			"the last residue check (%s) ended in %s", time, outcome);
	else if (age_s > RESIDUE_SECONDS_MAX)
		judged_cannot_tell(out, "spoolguard check residue",
			"the last residue check is of %s, more than a month ago", time);
	else
		judged_met(out, "the residue check of %s found nothing of its canary", time);
}

const struct part part_residue = {"residue", {"residue"}, judge_residue};

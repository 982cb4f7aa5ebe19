/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/check.h"
#include "base/bytes.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool crash_is_wrong(const struct crash_verdict *verdict)
{
	return verdict->text[0] != '\0';
}

void crash_wrong(struct crash_verdict *verdict, const char *format, ...)
{
	va_list arguments;

	if (crash_is_wrong(verdict))
		return;
	va_start(arguments, format);
	vsnprintf(verdict->text, sizeof(verdict->text), format, arguments);
	va_end(arguments);
}

static const char *class_name(enum residue_class class)
{
	static const char *const names[] = {"clean", "live", "residue", "suspect", "unknown"};

	return names[class];
}

/* Reads the block; false if it cannot be read. */
static bool see_block(struct crash_rig *rig, uint64_t block, struct crash_seen *seen)
{
	uint8_t buf[BLOCK_BYTES];
	uint64_t run;

	seen->class[block] = residue_lookup(rig->residue, block, 1, &run);
	if (residue_read(rig->residue, (struct extent){block, 1}, buf) < 0)
		return false;
	for (unsigned int s = 0; s < SECTORS_PER_BLOCK; s++)
		seen->sectors[block][s] = crash_sector_hash(buf + (size_t)s * SECTOR_BYTES);
	return true;
}

static bool reads_zeros(const struct crash_seen *seen, uint64_t block)
{
	static const uint8_t zeros[SECTOR_BYTES];
	uint64_t zero = crash_sector_hash(zeros);

	for (unsigned int s = 0; s < SECTORS_PER_BLOCK; s++) {
		if (seen->sectors[block][s] != zero)
			return false;
	}
	return true;
}

static bool is_of_versions(
	const struct crash_seen *seen, uint64_t block, struct crash_allowed allowed)
{
	for (unsigned int s = 0; s < SECTORS_PER_BLOCK; s++) {
		if (!crash_allowed_sector(allowed, s, seen->sectors[block][s]))
			return false;
	}
	return true;
}

static void check_clean(struct crash_rig *rig, const struct crash_media *media, uint64_t block,
	struct crash_verdict *verdict)
{
	uint64_t place = crash_rig_place(rig, block);

	if (crash_media_shows_job_data(rig->disk, place))
		crash_wrong(verdict,
			"P2: block %" PRIu64 " is recorded clean, and the medium holds job data",
			block);
	if (media->places[place].owes)
		crash_wrong(verdict,
			"P4: block %" PRIu64 " is recorded clean after %u durable passes", block,
			media->places[place].durable);
}

static void check_block(struct crash_rig *rig, uint64_t block, struct crash_allowed allowed,
	const struct crash_media *media, const struct crash_seen *seen,
	struct crash_verdict *verdict)
{
	enum residue_class class = seen->class[block];

	switch (class) {
	case RESIDUE_CLASS_CLEAN:
		check_clean(rig, media, block, verdict);
		falls_through;
	case RESIDUE_CLASS_RESIDUE:
	case RESIDUE_CLASS_SUSPECT:
		if (!crash_allowed_free(allowed))
			crash_wrong(verdict, "P3: block %" PRIu64 " was flushed and is %s", block,
				class_name(class));
		if (!reads_zeros(seen, block))
			crash_wrong(verdict, "block %" PRIu64 " is %s and does not read as zeros",
				block, class_name(class));
		break;
	case RESIDUE_CLASS_LIVE:
		if (!crash_allowed_data(allowed))
			crash_wrong(verdict,
				"block %" PRIu64 " was freed, that was flushed, and it is live",
				block);
		else if (!is_of_versions(seen, block, allowed))
			crash_wrong(verdict,
				"%s: block %" PRIu64 " is live and reads what nobody wrote",
				crash_allowed_free(allowed) ? "M3" : "P3", block);
		break;
	case RESIDUE_CLASS_UNKNOWN:
		if (!crash_allowed_free(allowed) && !is_of_versions(seen, block, allowed))
			crash_wrong(
				verdict, "P3: block %" PRIu64 " is unknown and reads wrong", block);
		break;
	}
}

/* A spare block that holds job data carries some block, or was refused itself. */
static void check_spares(
	struct crash_rig *rig, const struct crash_media *media, struct crash_verdict *verdict)
{
	for (uint64_t p = media->spare.first; p < extent_end(media->spare); p++) {
		bool carries = false;

		if (!media->places[p].owes || crash_rig_is_broken(rig, p))
			continue;
		for (uint64_t b = 0; b < residue_blocks(rig->residue); b++)
			carries |= crash_rig_place(rig, b) == p;
		if (!carries)
			crash_wrong(verdict,
				"P2: spare block %" PRIu64 " holds job data and carries no block",
				p - media->spare.first);
	}
}

void crash_check_attached(struct crash_rig *rig, const struct crash_model *model, uint64_t n,
	const struct residue_open_report *report, const struct crash_media *media,
	struct crash_seen *ret_seen, struct crash_verdict *verdict)
{
	if (!report->was_unclean && !crash_model_may_be_clean(model, n))
		crash_wrong(verdict, "a volume that was not closed in order counts as clean");
	if (report->was_unclean && report->damaged_pages == 0 &&
		crash_model_must_be_clean(model, n))
		crash_wrong(verdict, "a volume that was closed in order counts as unclean");
	ret_seen->blocks = residue_blocks(rig->residue);
	if (ret_seen->blocks < crash_model_blocks_least(model, n))
		crash_wrong(
			verdict, "P3: the volume shrank to %" PRIu64 " blocks", ret_seen->blocks);
	for (uint64_t b = 0; b < ret_seen->blocks && !crash_is_wrong(verdict); b++) {
		if (!see_block(rig, b, ret_seen))
			crash_wrong(verdict, "P3: block %" PRIu64 " cannot be read", b);
		else
			check_block(
				rig, b, crash_model_allowed(model, b, n), media, ret_seen, verdict);
	}
	if (!crash_is_wrong(verdict))
		check_spares(rig, media, verdict);
}

void crash_choose_owned(const struct crash_seen *seen, const struct crash_model *model, uint64_t n,
	uint64_t *seed, bool *ret_owned)
{
	for (uint64_t b = 0; b < seen->blocks; b++) {
		struct crash_allowed allowed = crash_model_allowed(model, b, n);

		ret_owned[b] = seen->class[b] == RESIDUE_CLASS_LIVE;
		if (seen->class[b] == RESIDUE_CLASS_UNKNOWN)
			ret_owned[b] = !crash_allowed_free(allowed) ||
				       (crash_allowed_data(allowed) && crash_below(seed, 2) == 0);
	}
}

/* The log of what recovery did, added to what the medium went through before. */
static void replay_recovery(
	struct crash_rig *rig, struct crash_media *media, struct crash_verdict *verdict)
{
	uint64_t place = 0;

	for (uint64_t i = 0; i < simdisk_log_count(rig->disk); i++) {
		const char *wrong =
			crash_media_event(media, simdisk_log_event(rig->disk, i), i, &place);

		if (wrong)
			crash_wrong(verdict, "%s, in recovery (place %" PRIu64 ")", wrong, place);
	}
}

void crash_check_paid(struct crash_rig *rig, const struct crash_seen *seen, const bool *owned,
	bool distrust, const struct crash_media *media, struct crash_verdict *verdict)
{
	struct crash_media after = *media;
	struct crash_seen now;
	int r;

	simdisk_log_start(rig->disk);
	r = crash_rig_sweep(rig, owned, distrust);
	if (r >= 0)
		r = crash_rig_pay(rig);
	if (r < 0)
		crash_wrong(verdict, "recovery failed: %s", strerror(-r));
	replay_recovery(rig, &after, verdict);

	for (uint64_t b = 0; b < seen->blocks && !crash_is_wrong(verdict); b++) {
		uint64_t place = crash_rig_place(rig, b);

		if (!see_block(rig, b, &now)) {
			crash_wrong(verdict, "P3: block %" PRIu64 " cannot be read", b);
		} else if (owned[b]) {
			if (memcmp(now.sectors[b], seen->sectors[b], sizeof(now.sectors[b])) != 0)
				crash_wrong(verdict, "P3: recovery lost block %" PRIu64, b);
		} else if (crash_rig_is_broken(rig, place)) {
			continue; /* no spare was left for it */
		} else if (now.class[b] != RESIDUE_CLASS_CLEAN) {
			crash_wrong(verdict,
				"block %" PRIu64 " is free and still %s after all "
				"was paid",
				b, class_name(now.class[b]));
		} else {
			check_clean(rig, &after, b, verdict);
		}
	}
	simdisk_log_stop(rig->disk);
}

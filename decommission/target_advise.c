/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_advise.c - what is recommended for a drive, and the most that can be said afterwards; pure
 *
 *   medium        Purge                                   Clear
 *   disk, zoned   SANITIZE, enhanced SECURITY ERASE UNIT  SECURITY ERASE UNIT, Format, overwrite
 *   flash         SANITIZE                                SECURITY ERASE UNIT, Format
 *   eMMC          -                                       sanitize, secure trim
 *
 * (SP 800-88r1 appendix A, IEEE 2883; where they differ or are not explicit the lesser is taken.)
 * What a virtual drive, one behind a network or behind a RAID controller does with such a command
 * cannot be seen: nothing is promised there, and nothing of what is not known.
 */
#include "decommission/target.h"
#include <stdio.h>
#include <string.h>

static bool is_sanitize(enum method_kind kind)
{
	switch (kind) {
	case METHOD_NVME_SANITIZE_CRYPTO:
	case METHOD_NVME_SANITIZE_BLOCK:
	case METHOD_NVME_SANITIZE_OVERWRITE:
	case METHOD_ATA_SANITIZE_CRYPTO:
	case METHOD_ATA_SANITIZE_BLOCK:
	case METHOD_ATA_SANITIZE_OVERWRITE:
	case METHOD_SCSI_SANITIZE_CRYPTO:
	case METHOD_SCSI_SANITIZE_BLOCK:
	case METHOD_SCSI_SANITIZE_OVERWRITE:
		return true;
	default:
		return false;
	}
}

static bool is_ata_overwrite(enum method_kind kind)
{
	return kind == METHOD_ATA_SANITIZE_OVERWRITE;
}

enum drive_sanitization target_promise(enum method_kind kind, enum drive_class class)
{
	if (kind >= METHOD_KINDS || kind == METHOD_SECURE_DISCARD)
		return DRIVE_NEITHER;
	switch (class) {
	case DRIVE_ROTATIONAL:
	case DRIVE_ZONED:
		return is_sanitize(kind) || kind == METHOD_ATA_ENHANCED_SECURITY_ERASE
			       ? DRIVE_PURGE
			       : DRIVE_CLEAR;
	case DRIVE_FLASH:
		/* An overwrite leaves what the translation layer keeps beside. */
		return is_sanitize(kind) && !is_ata_overwrite(kind) ? DRIVE_PURGE : DRIVE_CLEAR;
	case DRIVE_EMMC:
		return kind == METHOD_MMC_SANITIZE || kind == METHOD_MMC_SECURE_TRIM
			       ? DRIVE_CLEAR
			       : DRIVE_NEITHER;
	default:
		return DRIVE_NEITHER;
	}
}

/* Somebody else would lose data, or nobody can tell. */
static const struct target_reach *find_obstacle(const struct target *target)
{
	for (size_t i = 0; i < target->reach_count; i++) {
		const struct target_reach *reach = &target->reaches[i];

		if (!reach->untouched && (reach->in_use || reach->device[0] == '\0'))
			return reach;
	}
	return NULL;
}

static bool is_possible(const struct target *target, enum method_kind kind, bool obstructed)
{
	const struct method_offer *offer = &target->facts.methods[kind];

	return target->facts_known && offer->offered &&
	       !(obstructed && offer->reach == REACH_SUBSYSTEM);
}

/* Of those that promise the most, the first in the order in which they are tried. */
static enum method_kind find_best(const struct target *target, bool obstructed)
{
	enum method_kind best = METHOD_KINDS;

	for (unsigned int i = 0; i < METHOD_KINDS; i++) {
		enum method_kind kind = (enum method_kind)i;

		if (is_possible(target, kind, obstructed) &&
			(best == METHOD_KINDS || target_promise(kind, target->class) >
							 target_promise(best, target->class)))
			best = kind;
	}
	return best;
}

static const char *say_medium(enum drive_class class)
{
	switch (class) {
	case DRIVE_ROTATIONAL:
		return "it rotates";
	case DRIVE_ZONED:
		return "its zones are shingled, and an overwrite may land elsewhere";
	case DRIVE_FLASH:
	case DRIVE_EMMC:
		return "it is flash, where an overwrite leaves remnants";
	case DRIVE_VIRTUAL:
		return "it is virtual";
	case DRIVE_NETWORK:
		return "it lies behind a network";
	case DRIVE_LOOP:
		return "it is a file";
	default:
		return "what medium it is cannot be told";
	}
}

static void say_method(const struct target *target, struct target_advice *advice)
{
	const char *medium = say_medium(target->class);

	if (advice->verdict == DRIVE_NEITHER)
		snprintf(advice->why, sizeof(advice->why),
			"%s: the drive offers %s, and what it does on its medium cannot be seen "
			"from here, so that neither Clear nor Purge can be claimed",
			medium, method_name(advice->method));
	else
		snprintf(advice->why, sizeof(advice->why),
			"%s, and the drive's own %s reaches what the addresses do not: %s, if it "
			"ends well and the medium shows it",
			medium, method_name(advice->method),
			drive_sanitization_name(advice->verdict));
}

static void say_overwrite(const struct target *target, const struct target_reach *obstacle,
	struct target_advice *advice)
{
	const char *before = "";

	if (!target->facts_known)
		before = "the drive could not be asked for methods of its own; ";
	else if (obstacle)
		before = "its own methods would reach what is in use or not known beside it; ";
	else if (find_best(target, false) != METHOD_KINDS)
		before = "its own methods promise no more; ";
	else if (target->class != DRIVE_LOOP)
		before = "it offers no method of its own; ";
	if (advice->verdict == DRIVE_CLEAR)
		snprintf(advice->why, sizeof(advice->why),
			"%sall that can be addressed is overwritten in place: Clear", before);
	else
		snprintf(advice->why, sizeof(advice->why),
			"%san overwrite is all that there is, and promises neither Clear nor "
			"Purge: %.160s",
			before, target->overwrite.reason);
}

struct target_advice target_advise(const struct target *target)
{
	const struct target_reach *obstacle = find_obstacle(target);
	struct target_advice advice = {.verdict = target->overwrite.overwrite};

	advice.method = find_best(target, obstacle != NULL);
	/* Where the overwrite promises no less, a method that promises nothing adds nothing. */
	if (advice.method != METHOD_KINDS &&
		target_promise(advice.method, target->class) < target->overwrite.overwrite)
		advice.method = METHOD_KINDS;
	if (advice.method == METHOD_KINDS) {
		say_overwrite(target, obstacle, &advice);
		return advice;
	}
	advice.verdict = target_promise(advice.method, target->class);
	say_method(target, &advice);
	return advice;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_judge.c - what overwriting can promise on these layers; pure
 *
 * Each layer is judged by itself; the worst of them is the stack's, and of equals the one nearest
 * to the top.  What stands on nothing that was seen is not known.
 */
#include "blockdev/drive.h"
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

#define CLEAR_CLAUSE	 "SP 800-88r2 3.1.1; IEEE 2883"
#define FLASH_CLAUSE	 "SP 800-88r2 3.1.1; HCD cPP v1.0e FPT_WIPE_EXT.1; IEEE 2883"
#define ELSEWHERE_CLAUSE "SP 800-88r2 3.1.1; HCD cPP v1.0e FPT_WIPE_EXT.1"
#define EXFAT_MAGIC	 0x2011bab0u

/* From the best to the worst; what is not known is said only where nothing is known to be bad. */
enum weight { ALLOWS_CLEAR, ALLOWS_BELOW, NOT_KNOWN, PROMISES_NOTHING };

struct opinion {
	enum weight weight;
	const char *why, *clause;
};

/* --- drives --- */

static const struct opinion drives[] = {
	[DRIVE_UNKNOWN] = {NOT_KNOWN,
		"not assessed: what kind of medium it is cannot be told from what it says",
		ELSEWHERE_CLAUSE},
	[DRIVE_ROTATIONAL] = {ALLOWS_CLEAR,
		"it rotates, and every addressed sector is written in place; sectors that the "
		"drive itself set aside, and shingled recording that it does not tell, cannot be "
		"seen from outside",
		CLEAR_CLAUSE},
	[DRIVE_ZONED] = {PROMISES_NOTHING,
		"its zones are shingled: a changed block may be written elsewhere than where it "
		"lay; the drive's own sanitize reaches all of it",
		ELSEWHERE_CLAUSE},
	[DRIVE_FLASH] = {PROMISES_NOTHING,
		"it is flash: what is overwritten is written elsewhere, and remnants must be "
		"assumed; encryption and the drive's own sanitize protect here",
		FLASH_CLAUSE},
	[DRIVE_EMMC] = {PROMISES_NOTHING,
		"it is flash behind a controller: what is overwritten is written elsewhere, and "
		"remnants must be assumed; encryption and the drive's own erase protect here",
		FLASH_CLAUSE},
	[DRIVE_VIRTUAL] = {PROMISES_NOTHING,
		"it is virtual: on what medium, and whether in place, its host writes cannot be "
		"seen from here",
		ELSEWHERE_CLAUSE},
	[DRIVE_NETWORK] = {PROMISES_NOTHING,
		"it lies behind a network: on what medium, and whether in place, its server writes "
		"cannot be seen from here",
		ELSEWHERE_CLAUSE},
	[DRIVE_MEMORY] = {PROMISES_NOTHING,
		"it is memory: nothing there is durable, and what was swapped out is not "
		"overwritten",
		CLEAR_CLAUSE},
};

static struct opinion judge_drive(const struct drive_layer *layer)
{
	struct opinion opinion = drives[layer->class];

	if (layer->is_controller)
		opinion.why = "a RAID controller shows it: the drives below, and what is kept in "
			      "its cache, cannot be seen from here";
	return opinion;
}

/* --- what stands on drives --- */

static const uint32_t in_place[] = {
	EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, EXFAT_MAGIC};

static struct opinion judge_file(const struct medium_facts *facts)
{
	struct medium_verdict verdict = medium_classify(facts);

	if (verdict.promise == MEDIUM_NOT_IN_PLACE)
		return (struct opinion){PROMISES_NOTHING, verdict.reason, ELSEWHERE_CLAUSE};
	for (size_t i = 0; i < ARRAY_SIZE(in_place); i++) {
		if (facts->file_system == in_place[i])
			return (struct opinion){ALLOWS_BELOW, "", CLEAR_CLAUSE};
	}
	/* btrfs without copy-on-write for this file is one of these: nothing keeps it so. */
	return (struct opinion){NOT_KNOWN,
		"not assessed: whether this file system writes a file in place is not known",
		ELSEWHERE_CLAUSE};
}

struct target {
	const char *name;
	struct opinion opinion;
};

static const struct target targets[] = {
	{"linear", {ALLOWS_BELOW, "", CLEAR_CLAUSE}},
	{"striped", {ALLOWS_BELOW, "", CLEAR_CLAUSE}},
	{"crypt", {ALLOWS_BELOW, "", CLEAR_CLAUSE}},
	{"mirror", {ALLOWS_BELOW, "", CLEAR_CLAUSE}},
	{"multipath", {ALLOWS_BELOW, "", CLEAR_CLAUSE}},
	{"thin", {PROMISES_NOTHING,
			 "it is a thin volume: a block that a snapshot shares is written to a new "
			 "place",
			 ELSEWHERE_CLAUSE}},
	{"thin-pool", {PROMISES_NOTHING,
			      "it is a thin pool: a block that a snapshot shares is written to a "
			      "new place",
			      ELSEWHERE_CLAUSE}},
	{"snapshot",
		{PROMISES_NOTHING, "it is a snapshot: changes are written to a store beside it",
			ELSEWHERE_CLAUSE}},
	{"snapshot-origin",
		{PROMISES_NOTHING, "it has snapshots: what is overwritten is first copied to them",
			ELSEWHERE_CLAUSE}},
	{"snapshot-merge",
		{PROMISES_NOTHING, "a snapshot is merged into it: the store still has its blocks",
			ELSEWHERE_CLAUSE}},
	{"cache", {PROMISES_NOTHING, "it has a cache: copies of blocks stay on the faster drive",
			  ELSEWHERE_CLAUSE}},
	{"writecache", {PROMISES_NOTHING,
			       "it has a write cache: copies of blocks stay on the faster drive",
			       ELSEWHERE_CLAUSE}},
	{"bcache", {PROMISES_NOTHING, "it has a cache: copies of blocks stay on the faster drive",
			   ELSEWHERE_CLAUSE}},
	{"vdo", {PROMISES_NOTHING, "it deduplicates and compresses: blocks are written elsewhere",
			ELSEWHERE_CLAUSE}},
	{"integrity", {PROMISES_NOTHING, "its journal keeps copies of what is written",
			      ELSEWHERE_CLAUSE}},
	{"zoned", {PROMISES_NOTHING, "it writes blocks of a zoned drive elsewhere",
			  ELSEWHERE_CLAUSE}},
	{"clone", {PROMISES_NOTHING, "its source still has the blocks", ELSEWHERE_CLAUSE}},
};

static const struct opinion unknown_target = {NOT_KNOWN,
	"not assessed: how this device-mapper target writes is not known, or could not be asked",
	ELSEWHERE_CLAUSE};

static struct opinion judge_target(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		if (strlen(targets[i].name) == length &&
			strncmp(targets[i].name, name, length) == 0)
			return targets[i].opinion;
	}
	return unknown_target;
}

/* Of several targets the worst. */
static struct opinion judge_mapped(const char *text)
{
	struct opinion worst = {ALLOWS_CLEAR, "", CLEAR_CLAUSE};

	if (*text == '\0')
		return unknown_target;
	while (*text) {
		size_t length = strcspn(text, "+");
		struct opinion opinion = judge_target(text, length);

		if (opinion.weight > worst.weight)
			worst = opinion;
		text += length + (text[length] == '+');
	}
	return worst;
}

static bool is_level(const char *text, const char *level)
{
	return strncmp(text, level, strlen(level)) == 0;
}

static struct opinion judge_raid(const struct drive_layer *layer)
{
	static const char *const levels[] = {
		"raid0", "raid1", "raid4", "raid5", "raid6", "linear"}; /* raid10, raid5_ls, ... */

	if (layer->keeps_copies)
		return (struct opinion){PROMISES_NOTHING,
			"its journal or partial parity log keeps copies of what is written",
			ELSEWHERE_CLAUSE};
	if (layer->is_degraded)
		return (struct opinion){PROMISES_NOTHING,
			"it is degraded: what the missing member holds is not overwritten",
			ELSEWHERE_CLAUSE};
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (is_level(layer->text, levels[i]))
			return (struct opinion){ALLOWS_BELOW, "", CLEAR_CLAUSE};
	}
	return (struct opinion){NOT_KNOWN,
		"not assessed: how this level of RAID writes is not known", ELSEWHERE_CLAUSE};
}

static struct opinion judge_layer(const struct drive_stack *stack, size_t index)
{
	const struct drive_layer *layer = &stack->layers[index];
	bool is_last = index + 1 == stack->count || stack->layers[index + 1].depth <= layer->depth;
	struct opinion opinion = {ALLOWS_BELOW, "", CLEAR_CLAUSE};

	if (drive_class_is_drive(layer->class))
		return judge_drive(layer);
	if (layer->class == DRIVE_FILE)
		opinion = judge_file(&layer->facts);
	else if (layer->class == DRIVE_MAPPED)
		opinion = judge_mapped(layer->text);
	else if (layer->class == DRIVE_RAID)
		opinion = judge_raid(layer);
	if (opinion.weight == ALLOWS_BELOW && is_last)
		return (struct opinion){NOT_KNOWN, "not assessed: what it stands on was not seen",
			ELSEWHERE_CLAUSE};
	return opinion;
}

/* --- the whole --- */

static void say(const struct drive_layer *layer, const struct opinion *opinion,
	struct drive_verdict *verdict)
{
	const char *kind = layer->class == DRIVE_FILE ? "file on " : "";
	const char *model = layer->model;

	verdict->overwrite = opinion->weight == ALLOWS_CLEAR ? DRIVE_CLEAR : DRIVE_NEITHER;
	verdict->layer = layer;
	snprintf(verdict->reason, sizeof(verdict->reason), "%s%.60s%s%.60s%s: %s", kind,
		layer->name, model[0] ? " (" : "", model, model[0] ? ")" : "", opinion->why);
	snprintf(verdict->clause, sizeof(verdict->clause), "%s", opinion->clause);
}

struct drive_verdict drive_judge(const struct drive_stack *stack)
{
	struct drive_verdict verdict = {.overwrite = DRIVE_NEITHER};
	struct opinion worst = {ALLOWS_CLEAR, "", CLEAR_CLAUSE}, opinion;
	const struct drive_layer *layer = NULL;

	for (size_t i = 0; i < stack->count; i++) {
		opinion = judge_layer(stack, i);
		if (opinion.weight == ALLOWS_BELOW || (layer && opinion.weight <= worst.weight))
			continue;
		worst = opinion;
		layer = &stack->layers[i];
	}
	if (layer)
		say(layer, &worst, &verdict);
	if (!layer || (stack->cut && worst.weight < NOT_KNOWN)) {
		verdict.overwrite = DRIVE_NEITHER;
		verdict.layer = NULL;
		snprintf(verdict.reason, sizeof(verdict.reason),
			"not assessed: not everything below could be looked at");
		snprintf(verdict.clause, sizeof(verdict.clause), "%s", ELSEWHERE_CLAUSE);
	}
	return verdict;
}

bool drive_class_is_drive(enum drive_class class)
{
	return class <= DRIVE_MEMORY;
}

const char *drive_class_name(enum drive_class class)
{
	static const char *const names[] = {
		[DRIVE_UNKNOWN] = "unknown",
		[DRIVE_ROTATIONAL] = "rotational",
		[DRIVE_ZONED] = "zoned",
		[DRIVE_FLASH] = "flash",
		[DRIVE_EMMC] = "emmc",
		[DRIVE_VIRTUAL] = "virtual",
		[DRIVE_NETWORK] = "network",
		[DRIVE_MEMORY] = "memory",
		[DRIVE_LOOP] = "loop",
		[DRIVE_FILE] = "file",
		[DRIVE_PARTITION] = "partition",
		[DRIVE_MAPPED] = "mapped",
		[DRIVE_RAID] = "raid",
	};

	return names[class];
}

const char *drive_sanitization_name(enum drive_sanitization what)
{
	static const char *const names[] = {
		[DRIVE_NEITHER] = "neither",
		[DRIVE_CLEAR] = "Clear",
		[DRIVE_PURGE] = "Purge",
	};

	return names[what];
}

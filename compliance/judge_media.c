/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_media.c - what an overwrite can promise on the medium, and whose medium it is
 */
#include "compliance/judge.h"
#include <string.h>

static bool allows_clear(const char *overwrite)
{
	return strcmp(overwrite, "Clear") == 0 || strcmp(overwrite, "Purge") == 0;
}

static void judge_clear(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], "no volume is open", "attach one", out, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_object *volume = json_object_array_get_idx(values[0], i);
		const char *name, *overwrite, *reason, *clause;

		if (!judge_text(volume, "name", out, &name) ||
			!judge_text(volume, "overwrite", out, &overwrite) ||
			!judge_text(volume, "reason", out, &reason) ||
			!judge_text(volume, "clause", out, &clause))
			continue;
		if (!allows_clear(overwrite))
			judged_not_met(out,
				"put the spool on a rotational disk, or rely on the key: "
				"wipe-spool "
				"--full",
				"volume %s: an overwrite is not Clear there: %.250s (%s)", name,
				reason, clause);
	}
	judged_met(out, "an overwrite of a block is Clear on every volume's medium");
}

const struct part part_clear = {"clear", {"media"}, judge_clear};

/* Does the volume's key die with the power? */
static bool has_boot_key(struct json_object *keys, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		struct json_object *key = json_object_array_get_idx(keys, i);

		if (strcmp(judge_peek(key, "name"), name) == 0)
			return strcmp(judge_peek(key, "source"), "boot-key") == 0;
	}
	return false;
}

/* FDP_UDU_EXT.1 takes either: overwriting, or the key's destruction now and then. */
static void judge_unavailable(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *schedule, *name, *overwrite, *reason;
	size_t count, keys, by_key = 0;
	bool full;

	if (!judge_items(values[0], "no volume is open", "attach one", out, &count) ||
		!judge_items(values[1], "no volume is configured",
			"name the volume in spoolguard.conf", out, &keys) ||
		!judge_text(values[2], "wipe_schedule", out, &schedule) ||
		!judge_bool(values[2], "wipe_full", out, &full))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_object *volume = json_object_array_get_idx(values[0], i);
		bool renews = full && strcmp(schedule, "off") != 0;

		if (!judge_text(volume, "name", out, &name) ||
			!judge_text(volume, "overwrite", out, &overwrite) ||
			!judge_text(volume, "reason", out, &reason))
			continue;
		if (allows_clear(overwrite))
			continue;
		if (renews || has_boot_key(values[1], name))
			by_key++;
		else
			judged_not_met(out,
				"let its key be renewed: [wipe] scope = full with a schedule, or "
				"unlock = boot-key; or use a rotational disk",
				"volume %s: remnants must be assumed (%.200s), and its key is "
				"never "
				"renewed",
				name, reason);
	}
	judged_met(out, "%zu volume%s: what is freed is overwritten in place%s", count,
		count == 1 ? "" : "s",
		by_key ? ", and where remnants are possible the key is renewed" : "");
}

const struct part part_unavailable = {
	"unavailable", {"media", "keys", "settings"}, judge_unavailable};

/* A record of a drive wants its name. */
static void judge_drives_of(struct json_object *volume, struct judged *out)
{
	struct json_object *drives;
	const char *name, *model, *serial;

	if (!judge_text(volume, "name", out, &name) || !judge_array(volume, "drives", out, &drives))
		return;
	if (json_object_array_length(drives) == 0)
		judged_cannot_tell(out, "write the drive's model and serial down by hand",
			"volume %s: no drive can be named below it", name);
	for (size_t i = 0; i < json_object_array_length(drives); i++) {
		struct json_object *drive = json_object_array_get_idx(drives, i);

		if (judge_text(drive, "model", out, &model) &&
			judge_text(drive, "serial", out, &serial) && (!model[0] || !serial[0]))
			judged_cannot_tell(out, "write the drive's model and serial down by hand",
				"volume %s: its drive tells no %s", name,
				model[0] ? "serial number" : "model");
	}
}

static void judge_drives(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], "no volume is open", "attach one", out, &count))
		return;
	for (size_t i = 0; i < count; i++)
		judge_drives_of(json_object_array_get_idx(values[0], i), out);
	judged_met(out, "every drive tells its model and its serial number");
}

const struct part part_drives = {"drives", {"media"}, judge_drives};

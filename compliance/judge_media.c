/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_media.c - what an overwrite can promise on the medium, and whose medium it is
 */
#include "compliance/judge.h"
#include <string.h>

#define NO_VOLUME "no volume was found"
#define MAKE_ONE  "make one (spoolguard format), and name it in spoolguard.conf"

static bool allows_clear(const char *overwrite)
{
	return strcmp(overwrite, "Clear") == 0 || strcmp(overwrite, "Purge") == 0;
}

static void judge_clear(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t count;

	if (!judge_items(values[0], NO_VOLUME, MAKE_ONE, out, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct json_object *volume = json_object_array_get_idx(values[0], i);
		const char *name, *overwrite, *reason, *clause;

		if (!judge_open(volume, out, &name) ||
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

/*
 * A key that was in memory alone is gone with the power.  One that is renewed by a full wipe leaves
 * key slots where remnants must be assumed: they open for whoever has the passphrase.
 */
static void judge_remnants(
	struct json_object *volume, struct json_object *keys, bool renews, struct judged *out)
{
	const char *name, *overwrite, *reason;

	if (!judge_open(volume, out, &name) || !judge_text(volume, "overwrite", out, &overwrite) ||
		!judge_text(volume, "reason", out, &reason))
		return;
	if (allows_clear(overwrite) || has_boot_key(keys, name))
		return;
	if (renews)
		judged_cannot_tell(out,
			"change its passphrase with each full wipe, and show that; or set unlock = "
			"boot-key",
			"volume %s: remnants must be assumed (%.200s); its key is renewed, and an "
			"old "
			"key slot opens for whoever has the passphrase",
			name, reason);
	else
		judged_not_met(out,
			"let its key die with the power (unlock = boot-key), or use a disk on "
			"which "
			"blocks are overwritten in place",
			"volume %s: remnants must be assumed (%.200s), and its key is never "
			"renewed",
			name, reason);
}

static void judge_unavailable(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *schedule;
	size_t count, keys;
	bool full;

	if (!judge_items(values[0], NO_VOLUME, MAKE_ONE, out, &count) ||
		!judge_items(values[1], "no volume is configured",
			"name the volume in spoolguard.conf", out, &keys) ||
		!judge_text(values[2], "wipe_schedule", out, &schedule) ||
		!judge_bool(values[2], "wipe_full", out, &full))
		return;
	for (size_t i = 0; i < count; i++)
		judge_remnants(json_object_array_get_idx(values[0], i), values[1],
			full && strcmp(schedule, "off") != 0, out);
	judged_met(out,
		"what is freed is overwritten in place, or its key dies with the power (%zu "
		"volume%s)",
		count, count == 1 ? "" : "s");
}

const struct part part_unavailable = {
	"unavailable", {"media", "keys", "settings"}, judge_unavailable};

/* --- cryptographic erase --- */

/* SP 800-88r2 3.2: nothing that no key was over, and no copy of a key where it cannot be reached.
 */
static void judge_erase_of(struct json_object *volume, struct judged *out)
{
	const char *name;
	bool filled;

	if (judge_text(volume, "name", out, &name) &&
		judge_bool(volume, "filled_before", out, &filled) && filled)
		judged_not_met(out,
			"overwrite the whole medium (spoolguard overwrite), then format it: then "
			"it is "
			"Clear, not Purge",
			"volume %s: its medium held something before it was encrypted, which no "
			"key was "
			"over",
			name);
}

static void judge_slots_of(struct json_object *volume, struct judged *out)
{
	const char *name, *overwrite, *reason;

	if (judge_open(volume, out, &name) && judge_text(volume, "overwrite", out, &overwrite) &&
		judge_text(volume, "reason", out, &reason) && !allows_clear(overwrite))
		judged_not_met(out, "use the drive's own sanitize, or destroy the drive",
			"volume %s: its key slots lie where remnants must be assumed (%.250s)",
			name, reason);
}

static void judge_key_erase(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	size_t headers, media;

	if (!judge_items(values[0], "no volume was found", "make one: spoolguard format", out,
		    &headers) ||
		!judge_items(values[1], NO_VOLUME, MAKE_ONE, out, &media))
		return;
	for (size_t i = 0; i < headers; i++)
		judge_erase_of(json_object_array_get_idx(values[0], i), out);
	for (size_t i = 0; i < media; i++)
		judge_slots_of(json_object_array_get_idx(values[1], i), out);
	judged_met(out,
		"all that was ever written there was encrypted, and key slots are overwritten "
		"in place");
}

const struct part part_key_erase = {"key-erase", {"headers", "media"}, judge_key_erase};

/* --- drives --- */

/* A record of a drive wants its name. */
static void judge_drives_of(struct json_object *volume, struct judged *out)
{
	struct json_object *drives;
	const char *name, *model, *serial;

	if (!judge_open(volume, out, &name) || !judge_array(volume, "drives", out, &drives))
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

	if (!judge_items(values[0], NO_VOLUME, MAKE_ONE, out, &count))
		return;
	for (size_t i = 0; i < count; i++)
		judge_drives_of(json_object_array_get_idx(values[0], i), out);
	judged_met(out, "every drive tells its model and its serial number");
}

const struct part part_drives = {"drives", {"media"}, judge_drives};

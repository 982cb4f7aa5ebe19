/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/inspect_print.h"
#include <string.h>

#define SHOWN_BYTES 4200 /* a string of SEARCH_BYTES_MAX, each byte as \xNN */

static void put(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

static void put_number(struct json_object *object, const char *key, uint64_t value)
{
	put(object, key, json_object_new_uint64(value));
}

static void put_bool(struct json_object *object, const char *key, bool value)
{
	put(object, key, json_object_new_boolean(value));
}

/* JSON is UTF-8; what is not, is shown as on a terminal. */
static void put_bytes(struct json_object *object, const char *key, const void *text, size_t bytes)
{
	char shown[SHOWN_BYTES];

	if (utf8_is_valid(text, bytes))
		put(object, key, json_object_new_string_len(text, (int)bytes));
	else
		put(object, key,
			json_object_new_string(utf8_printable(text, bytes, shown, sizeof(shown))));
}

static void put_text(struct json_object *object, const char *key, const char *text)
{
	put_bytes(object, key, text, strlen(text));
}

static struct json_object *header_of(const struct inspect_report *report)
{
	struct json_object *header = json_object_new_object();
	struct json_object *slots = json_object_new_array();
	struct json_object *token = NULL;

	put_text(header, "uuid", report->uuid);
	put_text(header, "cipher", "aes-xts-plain64");
	put_number(header, "key_bits", 512);
	put_number(header, "sector_bytes", report->segment.sector_bytes);
	put_number(header, "data_offset_bytes", report->segment.data_offset_bytes);
	for (size_t i = 0; i < report->slot_count; i++) {
		struct json_object *slot = json_object_new_object();

		put_number(slot, "slot", (uint64_t)report->slots[i].number);
		put_text(slot, "kdf", report->slots[i].kdf);
		put_number(slot, "memory_kib", report->slots[i].memory_kib);
		json_object_array_add(slots, slot);
	}
	put(header, "key_slots", slots);
	if (report->token.present) {
		token = json_object_new_object();
		put_text(token, "scheme", report->token.scheme);
		put_text(token, "profile", profile_name(report->token.profile));
		put_number(token, "backups", report->token.backups);
		put_number(token, "key_generation", report->token.key_generation);
		put_bool(token, "filled_before", report->token.filled_before);
	}
	put(header, "token", token);
	return header;
}

static struct json_object *map_of(const struct inspect_report *report)
{
	struct json_object *map, *states, *stuck, *entry;
	char time[CLOCK_RFC3339_BYTES];

	if (!report->has_map)
		return NULL;
	map = json_object_new_object();
	states = json_object_new_object();
	stuck = json_object_new_array();
	put_number(map, "blocks", report->blocks);
	put_number(map, "pages", report->map_pages);
	put_number(map, "damaged_pages", report->damaged_pages);
	put_number(map, "damaged_slots", report->damaged_slots);
	put_bool(map, "detached_in_order", !report->opened.was_unclean);
	put_bool(map, "sweep_owed", report->opened.sweep_owed);
	put_bool(map, "filesystem_expected", report->opened.filesystem_expected);
	put_bool(map, "redo_pending", report->is_redo_pending);
	put_number(states, "clean", report->counts.clean);
	put_number(states, "live", report->counts.live);
	put_number(states, "residue", report->counts.residue);
	put_number(states, "suspect", report->counts.suspect);
	put_number(states, "unknown", report->counts.unknown);
	put_number(states, "stuck", report->counts.stuck);
	put(map, "states", states);
	for (size_t i = 0; i < report->stuck_count; i++) {
		entry = json_object_new_object();
		put_number(entry, "block", report->stuck[i].block);
		put_number(entry, "spare", report->stuck[i].spare);
		put_text(entry, "error", strerror(-report->stuck[i].error));
		put_text(entry, "time", clock_rfc3339(report->stuck[i].wall_s, time));
		json_object_array_add(stuck, entry);
	}
	put(map, "stuck", stuck);
	return map;
}

static struct json_object *filesystem_of(const struct inspect_report *report)
{
	struct json_object *object;

	if (!report->ext4.is_ext4)
		return NULL;
	object = json_object_new_object();
	put_text(object, "type", "ext4");
	put_text(object, "label", report->ext4.label);
	put_text(object, "uuid", report->ext4.uuid);
	put_number(object, "blocks", report->ext4.blocks);
	put_number(object, "mount_count", report->ext4.mount_count);
	put_bool(object, "has_journal", report->ext4.has_journal);
	put_bool(object, "needs_recovery", report->ext4.needs_recovery);
	put_bool(object, "has_errors", report->ext4.has_errors);
	return object;
}

static struct json_object *classes_of(const uint64_t *counts)
{
	struct json_object *object = json_object_new_object();

	for (int class = 0; class <= RESIDUE_CLASS_UNKNOWN; class ++)
		put_number(object, inspect_class_name(class), counts[class]);
	return object;
}

static struct json_object *compared_of(const struct inspect_report *report)
{
	const struct inspect_compared *compared = &report->compared;
	struct json_object *object, *clean;

	if (!report->has_map)
		return NULL;
	object = json_object_new_object();
	clean = json_object_new_object();
	put(object, "free", report->is_compared ? classes_of(compared->free) : NULL);
	put(object, "in_use", report->is_compared ? classes_of(compared->owned) : NULL);
	put_number(clean, "last_pattern", compared->clean_last_pattern);
	put_number(clean, "zeros", compared->clean_zeros);
	put_number(clean, "other_byte", compared->clean_other_byte);
	put_number(clean, "random_not_judged", compared->clean_random);
	put_number(clean, "anything_else", compared->clean_not_blank);
	put(object, "clean_blocks_show", clean);
	return object;
}

static struct json_object *findings_of(const struct inspect_report *report)
{
	struct json_object *object = json_object_new_object();
	struct json_object *counts = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t kind = 0; kind < INSPECT_FINDING_KINDS; kind++) {
		if (report->findings_by_kind[kind] > 0)
			put_number(
				counts, inspect_finding_name(kind), report->findings_by_kind[kind]);
	}
	for (size_t i = 0; i < report->finding_count; i++) {
		struct json_object *finding = json_object_new_object();

		put_text(finding, "kind", inspect_finding_name(report->findings[i].kind));
		put_number(finding, "first", report->findings[i].extent.first);
		put_number(finding, "count", report->findings[i].extent.count);
		json_object_array_add(list, finding);
	}
	put(object, "counts", counts);
	put(object, "list", list);
	return object;
}

static struct json_object *example_of(const struct inspect_example *example)
{
	struct json_object *object = json_object_new_object();

	put_text(object, "place", inspect_place_name(example->place));
	put_number(object, "offset_bytes", example->offset_bytes);
	put_text(object, "form", search_form_name(example->form));
	put_bool(object, "is_seam", example->is_seam);
	if (example->has_class)
		put_text(object, "state", inspect_class_name(example->class));
	if (example->inode != 0)
		put_number(object, "inode", example->inode);
	if (example->path)
		put_text(object, "path", example->path);
	return object;
}

static struct json_object *searches_of(
	const struct inspect_report *report, const struct search *search)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < report->searched_count; i++) {
		const struct inspect_searched *searched = &report->searched[i];
		struct json_object *object = json_object_new_object();
		struct json_object *places = json_object_new_object();
		struct json_object *examples = json_object_new_array();
		size_t bytes;
		const uint8_t *text = search_text(search, i, &bytes);

		put_bytes(object, "text", text, bytes);
		put_number(object, "raw", searched->raw_hits);
		put_number(object, "decrypted", searched->decrypted_hits);
		for (size_t p = 0; p < INSPECT_PLACES; p++) {
			if (searched->hits[p] > 0)
				put_number(places, inspect_place_name(p), searched->hits[p]);
		}
		put(object, "places", places);
		for (size_t e = 0; e < searched->example_count; e++)
			json_object_array_add(examples, example_of(&searched->examples[e]));
		put(object, "examples", examples);
		json_object_array_add(list, object);
	}
	return list;
}

struct json_object *inspect_to_json(
	const char *path, const struct inspect_report *report, const struct search *search)
{
	static const char *const verdicts[] = {
		[INSPECT_NOTHING_FOUND] = "nothing-found",
		[INSPECT_FOUND] = "found",
		[INSPECT_CANNOT_TELL] = "cannot-tell",
	};
	struct json_object *object = json_object_new_object();
	struct json_object *reasons = json_object_new_array();

	put_text(object, "schema", "spoolguard.inspect/1");
	put_text(object, "path", path);
	put_text(object, "verdict", verdicts[inspect_verdict_of(report)]);
	put_number(object, "medium_bytes", report->medium_bytes);
	put_bool(object, "managed", report->is_managed);
	put(object, "header", header_of(report));
	put(object, "map", map_of(report));
	put(object, "filesystem", filesystem_of(report));
	put(object, "compared", compared_of(report));
	put(object, "findings", findings_of(report));
	for (size_t i = 0; i < report->reason_count; i++)
		json_object_array_add(reasons, json_object_new_string(report->reasons[i].text));
	put(object, "cannot_tell", reasons);
	put(object, "searches", searches_of(report, search));
	put(object, "expected_by_chance", json_object_new_double(report->chance_hits));
	return object;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices_text.c - a drive as a block of text: a word at the left, what it is about behind it, no
 * line longer than COLUMNS unless a word is
 */
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/devices_print.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS	   96
#define INDENT	   15
#define LINE_BYTES 2048

const char *devices_wwn(const struct target *target)
{
	return target->facts.wwn[0] ? target->facts.wwn : target->stack.layers[0].wwn;
}

const char *devices_firmware(const struct target *target)
{
	return target->facts.firmware[0] ? target->facts.firmware
					 : target->stack.layers[0].firmware;
}

const char *devices_method(enum method_kind kind)
{
	return kind == METHOD_KINDS ? "overwrite" : method_name(kind);
}

static void say(const char *word, const char *format, ...) format_printf(2, 3);

static void say(const char *word, const char *format, ...)
{
	char text[LINE_BYTES];
	const char *rest;
	va_list arguments;
	int column;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	rest = cli_shown(text);
	column = printf("  %-*s", INDENT - 2, word);
	while (*rest) {
		int length = (int)strcspn(rest, " ");

		if (column > INDENT && column + 1 + length > COLUMNS)
			column = printf("\n%*s", INDENT, "") - 1;
		column += printf("%s%.*s", column > INDENT ? " " : "", length, rest);
		rest += length + (int)strspn(rest + length, " ");
	}
	putchar('\n');
}

/* --- what it is --- */

static void say_size(const struct target *target)
{
	const struct drive_facts *facts = &target->facts;
	char size[32], native[32], sectors[96] = "";

	if (facts->logical_bytes > 0)
		snprintf(sectors, sizeof(sectors),
			"; sectors of %" PRIu32 " bytes, %" PRIu32 " physical",
			facts->logical_bytes,
			facts->physical_bytes > 0 ? facts->physical_bytes : facts->logical_bytes);
	say("size", "%s (%" PRIu64 " bytes)%s%s",
		bytes_format_size(target->identity.bytes, size, sizeof(size)),
		target->identity.bytes, sectors, target->read_only ? "; read-only" : "");
	if (facts->hpa || facts->dco || facts->ama)
		say("hidden", "behind%s%s%s: the true size is %s",
			facts->hpa ? " a host protected area (HPA)" : "",
			facts->ama ? " an accessible maximum address (AMA)" : "",
			facts->dco ? " a device configuration overlay (DCO)" : "",
			facts->native_bytes > 0
				? bytes_format_size(facts->native_bytes, native, sizeof(native))
				: "not known");
}

static void say_identity(const struct target *target)
{
	const struct drive_facts *facts = &target->facts;
	const char *wwn = devices_wwn(target), *firmware = devices_firmware(target);
	const char *class = drive_class_name(target->class);
	bool is_told = target->transport[0] && strcmp(target->transport, class) != 0;
	char turns[48] = "";

	printf("%s%s%s%s%s\n", cli_shown(target->path), facts->vendor[0] ? "  " : "",
		cli_shown(facts->vendor), target->identity.model[0] ? "  " : "",
		cli_shown(target->identity.model));
	if (!target->identity.serial[0])
		say("serial", "not known: only root can look");
	else
		say("serial", "%s%s%s", target->identity.serial,
			target->identity.is_stand_in
				? " (a stand-in: the device tells no serial number)"
				: "",
			target->is_twin ? "; ANOTHER DEVICE HAS THE SAME, or none either: nobody "
					  "could say which of them dies"
					: "");
	if (wwn[0] || firmware[0])
		say("", "%s%s%s%s%s", wwn[0] ? "WWN " : "", wwn, wwn[0] && firmware[0] ? ", " : "",
			firmware[0] ? "firmware " : "", firmware);
	if (facts->rotation_known && facts->rotation_rpm > 1)
		snprintf(turns, sizeof(turns), ", %" PRIu32 " turns a minute", facts->rotation_rpm);
	say("medium", "%s%s%s%s", class, is_told ? ", " : "", is_told ? target->transport : "",
		turns);
	say_size(target);
}

/* --- what it can do --- */

static const char *format_time(uint64_t seconds, char *buf, size_t buf_bytes)
{
	if (seconds == UINT64_MAX)
		snprintf(buf, buf_bytes, "the drive does not say how long");
	else if (seconds < 120)
		snprintf(buf, buf_bytes, "about %" PRIu64 " s", seconds);
	else if (seconds < 7200)
		snprintf(buf, buf_bytes, "about %" PRIu64 " min", (seconds + 59) / 60);
	else
		snprintf(buf, buf_bytes, "about %" PRIu64 " h %" PRIu64 " min", seconds / 3600,
			seconds % 3600 / 60);
	return buf;
}

static void say_offers(const struct drive_facts *facts)
{
	static const char *const reaches[] = {[REACH_DEVICE] = "",
		[REACH_NAMESPACE] = "; this namespace",
		[REACH_SUBSYSTEM] = "; the whole subsystem"};
	const char *word = "methods";
	char time[64];

	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++) {
		const struct method_offer *offer = &facts->methods[kind];

		if (!offer->offered)
			continue;
		say(word, "%s: %s%s", method_name((enum method_kind)kind),
			format_time(offer->estimated_s, time, sizeof(time)), reaches[offer->reach]);
		word = "";
	}
	if (word[0])
		say(word, "none of its own");
}

/* Methods that are refused for the same reason stand together. */
static void say_refusals(const struct drive_facts *facts)
{
	char names[LINE_BYTES / 2];
	const char *word = "not offered";

	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++) {
		const struct method_offer *offer = &facts->methods[kind];
		size_t used = 0;
		bool is_first = true;

		for (unsigned int other = 0; other < METHOD_KINDS; other++) {
			const struct method_offer *same = &facts->methods[other];

			if (same->offered || strcmp(same->why_not, offer->why_not) != 0)
				continue;
			is_first &= other >= kind;
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
				used > 0 ? ", " : "", method_name((enum method_kind)other));
		}
		if (offer->offered || !offer->why_not[0] || !is_first)
			continue;
		say(word, "%s: %s", names, offer->why_not);
		word = "";
	}
}

static void say_state(const struct target *target)
{
	const struct drive_facts *facts = &target->facts;

	if (facts->sanitize.in_progress)
		say("sanitize", "one runs in the drive: %" PRIu32 " %%",
			(uint32_t)(facts->sanitize.progress * UINT64_C(100) / 65536));
	if (facts->sanitize.failed)
		say("sanitize", "the last one failed");
	if (facts->is_ata && facts->security.supported)
		say("security", "ATA: %s, %s, %s%s",
			facts->security.enabled ? "a password is set" : "no password",
			facts->security.locked ? "locked" : "not locked",
			facts->security.frozen ? "frozen" : "not frozen",
			facts->security.count_expired ? ", too many tries" : "");
	if (facts->opal)
		say("opal", "a TCG drive%s", facts->opal_locked ? ", a range of it is locked" : "");
	if (facts->health_known)
		say("health", "%s%s%s", facts->healthy ? "good" : "BAD",
			facts->health[0] ? ": " : "", facts->health);
	else
		say("health", "not told");
}

/* --- what is on it --- */

static void say_uses(const struct target *target)
{
	char text[USAGE_TEXT_BYTES + DRIVE_TEXT_BYTES + 64];
	const char *word = "in use by";

	for (size_t i = 0; i < target->uses.count; i++) {
		say(word, "%s", usage_describe(&target->uses.items[i], text, sizeof(text)));
		word = "";
	}
	if (word[0])
		say(word, "nobody that can be seen");
}

static void say_parts(const struct target *target)
{
	char size[32];

	if (target->holds[0])
		say("holds", "%s", target->holds);
	for (size_t i = 0; i < target->part_count; i++)
		say("", "%s, %s%s%s", target->parts[i].device,
			bytes_format_size(target->parts[i].bytes, size, sizeof(size)),
			target->parts[i].holds[0] ? ": " : "", target->parts[i].holds);
}

static void say_volumes(const struct target *target)
{
	char backups[64];

	for (size_t i = 0; i < target->volume_count; i++) {
		const struct target_volume *volume = &target->volumes[i];

		if (volume->damaged) {
			say(i ? "" : "volumes",
				"%s on %s: a LUKS header that spoolguard cannot read", volume->uuid,
				volume->device);
			continue;
		}
		snprintf(backups, sizeof(backups), ", %" PRIu32 " header backups", volume->backups);
		say(i ? "" : "volumes", "%s on %s: %s, %" PRIu32 " key slots%s%s%s", volume->uuid,
			volume->device, volume->is_spoolguard ? "spoolguard" : "LUKS2",
			volume->key_slots, volume->is_spoolguard ? backups : "",
			volume->is_spoolguard && volume->filled_before
				? ", made where something lay before"
				: "",
			volume->attached ? ", attached" : "");
	}
}

static void say_reaches(const struct target *target)
{
	const char *word = "beside it";

	for (size_t i = 0; i < target->reach_count; i++) {
		const struct target_reach *reach = &target->reaches[i];

		say(word, "%s%s%s%s%s%s", reach->what, reach->device[0] ? " (" : "", reach->device,
			reach->device[0] ? ")" : ": no device is shown for it",
			reach->in_use ? ", in use" : "",
			reach->untouched ? ", reached by no method that is offered" : "");
		word = "";
	}
}

void devices_print_text(const struct target *target)
{
	struct target_advice advice = target_advise(target);

	say_identity(target);
	if (target->unasked[0])
		say("not asked", "%s", target->unasked);
	if (target->facts_known) {
		say_offers(&target->facts);
		say_refusals(&target->facts);
		say_state(target);
	}
	say_uses(target);
	say_parts(target);
	say_volumes(target);
	say_reaches(target);
	if (target->facts_known)
		say("recommended", "%s: %s", devices_method(advice.method), advice.why);
	else
		say("recommended", "not known before the drive was asked");
}

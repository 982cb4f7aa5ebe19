/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_open.c - what remains uncertain, a sentence each (V3)
 */
#include "decommission/verdict_impl.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void say(struct verdict *verdict, const char *format, ...) format_printf(2, 3);

static void say(struct verdict *verdict, const char *format, ...)
{
	const size_t last = VERDICT_OPEN_MAX - 1;
	va_list arguments;

	if (verdict->open_count > last) {
		snprintf(verdict->open[last], sizeof(verdict->open[last]),
			"There is more than can be listed here: see the record.");
		return;
	}
	va_start(arguments, format);
	vsnprintf(
		verdict->open[verdict->open_count++], sizeof(verdict->open[0]), format, arguments);
	va_end(arguments);
}

static void list_identity(const struct record *record, struct verdict *verdict)
{
	if (record->identity.is_stand_in)
		say(verdict,
			"The drive tells no serial: \"%s\" is a stand-in, and does not prove which "
			"drive this was.",
			record->identity.serial);
	if (!record->selftest_ok)
		say(verdict, "No self-test of the program that passed is on record.");
	if (record->jobs_not_retired > 0)
		say(verdict, "%" PRIu64 " jobs were not retired before.", record->jobs_not_retired);
}

static void list_medium(const struct record *record, struct verdict *verdict)
{
	if (verdict_is_hidden(record))
		say(verdict, "A part of the medium is hidden (%s%s%s), and was not reached.",
			record->hidden.hpa ? "HPA " : "", record->hidden.ama ? "AMA " : "",
			record->hidden.dco ? "DCO" : "");
	if (verdict_is_flash(record) && verdict->reached != DRIVE_PURGE)
		say(verdict, "It is flash: what its controller keeps beside what can be addressed "
			     "was not seen, and remnants must be assumed.");
	if (record->opal_locked)
		say(verdict, "A range of the drive is locked (TCG Opal).");
	else if (record->opal)
		say(verdict, "The drive has TCG Opal, whose ranges were not reverted.");
	if (record->mmc_boot)
		say(verdict, "The boot partitions of the eMMC were not touched.");
	if (record->mmc_rpmb)
		say(verdict, "The replay protected block (RPMB) of the eMMC was not touched.");
}

static void list_reaches(const struct record *record, struct verdict *verdict)
{
	const bool is_nvme = verdict_is_nvme(record);

	for (uint32_t i = 0; i < record->reach_count; i++)
		say(verdict, "The drive has more than was overwritten: %s%s.",
			record->reaches[i].what,
			record->reaches[i].untouched ? ", which no method reaches" : "");
	if (record->reaches_cut)
		say(verdict, "The drive has more parts than could be listed.");
	if (is_nvme && !record->namespaces_known)
		say(verdict, "The drive does not list all of its namespaces.");
	if (is_nvme && record->several_controllers)
		say(verdict, "The drive has other controllers, whose namespaces were not seen.");
}

static void list_keys(const struct record *record, struct verdict *verdict)
{
	for (uint32_t i = 0; i < record->volume_count; i++) {
		const struct record_volume *volume = &record->volumes[i];

		if (!volume->proven_closed || !volume->copies_destroyed ||
			volume->slots_destroyed != volume->slots_before)
			say(verdict, "The keys of volume %s are not proven to be destroyed.",
				volume->uuid);
		if (volume->backups > volume->backups_destroyed)
			say(verdict,
				"%u header backups of volume %s were made and not destroyed: each "
				"opens a copy of the medium.",
				volume->backups - volume->backups_destroyed, volume->uuid);
		if (volume->filled_before)
			say(verdict, "Something lay on volume %s before it was encrypted.",
				volume->uuid);
	}
}

static void list_method(const struct record_method *method, struct verdict *verdict)
{
	const char *name = method_name(method->kind);
	const struct witness_report *witness = &method->witness;

	if (method->judged && witness->survived > 0)
		say(verdict,
			"%s: the drive said that it was done, and %" PRIu64 " of %" PRIu64
			" blocks showed what they had shown.",
			name, witness->survived, witness->held_data);
	else if (method->drive_said_done && !method->judged)
		say(verdict, "%s: what became of the medium was not looked at.", name);
	else if (method->drive_said_done && witness->verdict == WITNESS_UNREADABLE)
		say(verdict, "%s: %" PRIu64 " blocks that held data could not be read afterwards.",
			name, witness->unreadable_after);
	else if (method->drive_said_done)
		say(verdict,
			"%s: it rests on what the drive says, and on %" PRIu64
			" blocks that were read before and after; others were not looked at.",
			name, witness->held_data);
	if (method->state == METHOD_STUCK || method->state == METHOD_LOST)
		say(verdict, "%s: its end is not known.", name);
}

static void list_overwrite(const struct record *record, struct verdict *verdict)
{
	const struct record_overwrite *overwrite = &record->overwrite;
	const uint64_t refused = extent_list_blocks(&overwrite->refused);
	const uint64_t mismatched = extent_list_blocks(&overwrite->mismatched);

	if (refused > 0)
		say(verdict,
			"%" PRIu64 " blocks of %u bytes were refused, and may hold what they held.",
			refused, overwrite->block_bytes);
	if (mismatched > 0)
		say(verdict, "%" PRIu64 " blocks read back otherwise than they were written.",
			mismatched);
	if (overwrite->pass_count > 0 && overwrite->read_bytes < overwrite->requested_bytes)
		say(verdict,
			"Of %" PRIu64 " bytes that were to be overwritten %" PRIu64
			" were read back.",
			overwrite->requested_bytes, overwrite->read_bytes);
}

static void list_search(const struct record *record, struct verdict *verdict)
{
	for (uint32_t i = 0; i < record->search_count; i++) {
		if (record->searches[i].hits > 0)
			say(verdict, "The search found \"%.100s\" %" PRIu64 " times.",
				record->searches[i].label, record->searches[i].hits);
	}
	if (record->unreadable_bytes > 0)
		say(verdict, "%" PRIu64 " bytes could not be read in the search.",
			record->unreadable_bytes);
}

void verdict_list_open(const struct record *record, struct verdict *verdict)
{
	list_search(record, verdict);
	for (uint32_t i = 0; i < record->method_count; i++)
		list_method(&record->methods[i], verdict);
	list_overwrite(record, verdict);
	list_medium(record, verdict);
	list_reaches(record, verdict);
	list_keys(record, verdict);
	list_identity(record, verdict);
}

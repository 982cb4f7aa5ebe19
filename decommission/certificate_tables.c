/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/certificate_impl.h"
#include <stdio.h>
#include <string.h>

#define TABLE(table, fields) const struct field_table table = {fields, ARRAY_SIZE(fields)}

/* --- enums by their words --- */

static const char *class_at(unsigned int i)
{
	return i <= DRIVE_RAID ? drive_class_name((enum drive_class)i) : NULL;
}

static const char *sanitization_at(unsigned int i)
{
	return i <= DRIVE_PURGE ? drive_sanitization_name((enum drive_sanitization)i) : NULL;
}

static const char *state_at(unsigned int i)
{
	return i <= RECORD_SKIPPED ? record_state_name((enum record_state)i) : NULL;
}

static const char *verify_at(unsigned int i)
{
	return i <= RECORD_VERIFY_NONE ? record_verify_name((enum record_verify)i) : NULL;
}

static const char *method_at(unsigned int i)
{
	return i < METHOD_KINDS ? method_name((enum method_kind)i) : NULL;
}

static const char *method_state_at(unsigned int i)
{
	return i <= METHOD_LOST ? method_state_name((enum method_state)i) : NULL;
}

static const char *witness_at(unsigned int i)
{
	static const char *const names[] = {
		[WITNESS_CHANGED] = "changed",
		[WITNESS_SURVIVED] = "survived",
		[WITNESS_UNREADABLE] = "unreadable",
		[WITNESS_SAW_NOTHING] = "saw-nothing",
	};

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

/* --- the record --- */

static const struct field head[] = {
	TEXT_FIELD("certificate", struct record, id),
	TIME_FIELD("began", struct record, began_wall_s),
	TIME_FIELD("ended", struct record, ended_wall_s),
	TEXT_FIELD("host", struct record, host),
	FLAG_FIELD("standalone", struct record, standalone),
	FLAG_FIELD("this_machine", struct record, this_machine),
	U32_FIELD("approvals_required", struct record, approvals_required),
	TEXT_FIELD("destination", struct record, media.destination),
};
TABLE(certificate_head_table, head);

static const struct field media[] = {
	TEXT_FIELD("manufacturer", struct record, vendor),
	TEXT_FIELD("model", struct record, model),
	TEXT_FIELD("firmware", struct record, firmware),
	TEXT_FIELD("serial", struct record, identity.serial),
	FLAG_FIELD("serial_is_stand_in", struct record, identity.is_stand_in),
	TEXT_FIELD("wwn", struct record, wwn),
	TEXT_FIELD("property_number", struct record, media.asset_number),
	NAME_FIELD("type", struct record, class, class_at),
	TEXT_FIELD("transport", struct record, transport),
	U64_FIELD("bytes", struct record, bytes),
	U32_FIELD("logical_bytes", struct record, logical_bytes),
	U32_FIELD("physical_bytes", struct record, physical_bytes),
	TEXT_FIELD("name", struct record, identity.name),
	TEXT_FIELD("machine_serial", struct record, media.machine_serial),
	TEXT_FIELD("source", struct record, media.source),
	TEXT_FIELD("categorization_before", struct record, media.categorization_before),
	TEXT_FIELD("backed_up", struct record, media.backed_up),
	TEXT_FIELD("backup_location", struct record, media.backup_location),
	TEXT_FIELD("health_before", struct record, health_before),
	TEXT_FIELD("health_after", struct record, health_after),
	TEXT_FIELD("serial_by_own_command", struct record, serial),
	FLAG_FIELD("opal", struct record, opal),
	FLAG_FIELD("opal_locked", struct record, opal_locked),
	FLAG_FIELD("namespaces_known", struct record, namespaces_known),
	FLAG_FIELD("several_controllers", struct record, several_controllers),
	FLAG_FIELD("reaches_cut", struct record, reaches_cut),
	FLAG_FIELD("mmc_boot", struct record, mmc_boot),
	FLAG_FIELD("mmc_rpmb", struct record, mmc_rpmb),
};
TABLE(certificate_media_table, media);

static const struct field hidden[] = {
	U64_FIELD("bytes_before", struct record, hidden.bytes_before),
	U64_FIELD("bytes_native", struct record, hidden.bytes_native),
	U64_FIELD("bytes_after", struct record, hidden.bytes_after),
	FLAG_FIELD("hpa", struct record, hidden.hpa),
	FLAG_FIELD("ama", struct record, hidden.ama),
	FLAG_FIELD("dco", struct record, hidden.dco),
	FLAG_FIELD("lifted", struct record, hidden.lifted),
	TEXT_FIELD("step", struct record, hidden.step),
	FLAG_FIELD("step_done", struct record, hidden.step_done),
	TEXT_FIELD("detail", struct record, hidden.detail),
};
TABLE(certificate_hidden_table, hidden);

static const struct field promise[] = {
	NAME_FIELD("overwrite", struct record, overwrite_promise, sanitization_at),
	TEXT_FIELD("reason", struct record, overwrite_reason),
	TEXT_FIELD("clause", struct record, overwrite_clause),
};
TABLE(certificate_promise_table, promise);

static const struct field details[] = {
	TEXT_FIELD("categorization_after", struct record, media.categorization_after),
	TEXT_FIELD("notes", struct record, media.notes),
};
TABLE(certificate_details_table, details);

static const struct field jobs[] = {
	U64_FIELD("retired", struct record, jobs_retired),
	U64_FIELD("not_retired", struct record, jobs_not_retired),
	TEXT_FIELD("detail", struct record, jobs_detail),
};
TABLE(certificate_jobs_table, jobs);

static const struct field selftest[] = {
	TEXT_FIELD("id", struct record, selftest_id),
	FLAG_FIELD("passed", struct record, selftest_ok),
};
TABLE(certificate_selftest_table, selftest);

static const struct field program[] = {
	TEXT_FIELD("version", struct record, version),
	TEXT_FIELD("build", struct record, build),
};
TABLE(certificate_program_table, program);

/* --- its parts --- */

static const struct field person[] = {
	TEXT_FIELD("name", struct record_person, name),
	TEXT_FIELD("title", struct record_person, title),
	TEXT_FIELD("organization", struct record_person, organization),
	TEXT_FIELD("location", struct record_person, location),
	TEXT_FIELD("contact", struct record_person, contact),
};
TABLE(certificate_person_table, person);

static const struct field approval[] = {
	TEXT_FIELD("name", struct record_approval, person.name),
	TEXT_FIELD("title", struct record_approval, person.title),
	TEXT_FIELD("organization", struct record_approval, person.organization),
	TEXT_FIELD("location", struct record_approval, person.location),
	TEXT_FIELD("contact", struct record_approval, person.contact),
	TEXT_FIELD("key", struct record_approval, key_id),
	TEXT_FIELD("fingerprint", struct record_approval, fingerprint),
	TIME_FIELD("signed", struct record_approval, signed_wall_s),
	TEXT_FIELD("statement_sha256", struct record_approval, statement_sha256),
};
TABLE(certificate_approval_table, approval);

static const struct field reach[] = {
	TEXT_FIELD("what", struct record_reach, what),
	TEXT_FIELD("device", struct record_reach, device),
	FLAG_FIELD("in_use", struct record_reach, in_use),
	FLAG_FIELD("untouched", struct record_reach, untouched),
};
TABLE(certificate_reach_table, reach);

static const struct field step[] = {
	NAME_FIELD("state", struct record_progress, state, state_at),
	TIME_FIELD("began", struct record_progress, began_wall_s),
	TIME_FIELD("ended", struct record_progress, ended_wall_s),
	U32_FIELD("resumes", struct record_progress, resumes),
	TEXT_FIELD("detail", struct record_progress, detail),
};
TABLE(certificate_step_table, step);

static const struct field volume[] = {
	TEXT_FIELD("uuid", struct record_volume, uuid),
	TEXT_FIELD("device", struct record_volume, device),
	U64_FIELD("first_byte", struct record_volume, first_byte),
	FLAG_FIELD("is_spoolguard", struct record_volume, is_spoolguard),
	U32_FIELD("key_slots", struct record_volume, slots_before),
	U32_FIELD("key_slots_destroyed", struct record_volume, slots_destroyed),
	FLAG_FIELD("header_copies_destroyed", struct record_volume, copies_destroyed),
	FLAG_FIELD("proven_closed", struct record_volume, proven_closed),
	U32_FIELD("header_backups", struct record_volume, backups),
	U32_FIELD("header_backups_destroyed", struct record_volume, backups_destroyed),
	FLAG_FIELD("filled_before", struct record_volume, filled_before),
	FLAG_FIELD("detached", struct record_volume, detached),
	TEXT_FIELD("detail", struct record_volume, detail),
};
TABLE(certificate_volume_table, volume);

static const struct field method[] = {
	NAME_FIELD("method", struct record_method, kind, method_at),
	NAME_FIELD("state", struct record_method, state, method_state_at),
	FLAG_FIELD("erase_begun", struct record_method, erase_begun),
	FLAG_FIELD("drive_said_done", struct record_method, drive_said_done),
	FLAG_FIELD("witnessed", struct record_method, witnessed),
	TEXT_FIELD("step", struct record_method, step),
	FLAG_FIELD("step_done", struct record_method, step_done),
	TIME_FIELD("began", struct record_method, began_wall_s),
	TIME_FIELD("ended", struct record_method, ended_wall_s),
	U32_FIELD("resumes", struct record_method, resumes),
	TEXT_FIELD("detail", struct record_method, detail),
};
TABLE(certificate_method_table, method);

static const struct field witness[] = {
	NAME_FIELD("verdict", struct witness_report, verdict, witness_at),
	U64_FIELD("taken_blocks", struct witness_report, taken),
	U64_FIELD("held_data_blocks", struct witness_report, held_data),
	U64_FIELD("unreadable_before_blocks", struct witness_report, unreadable_before),
	U64_FIELD("survived_blocks", struct witness_report, survived),
	U64_FIELD("unreadable_after_blocks", struct witness_report, unreadable_after),
	U64_FIELD("first_survivor", struct witness_report, first_survivor),
};
TABLE(certificate_witness_table, witness);

static const struct field overwrite[] = {
	TEXT_FIELD("scheme", struct record_overwrite, scheme),
	NAME_FIELD("verification", struct record_overwrite, verify, verify_at),
	U32_FIELD("block_bytes", struct record_overwrite, block_bytes),
	U32_FIELD("passes_ended", struct record_overwrite, reached.pass),
	U64_FIELD("blocks_of_next_pass", struct record_overwrite, reached.done_blocks),
	U64_FIELD("requested_bytes", struct record_overwrite, requested_bytes),
	U64_FIELD("written_bytes", struct record_overwrite, written_bytes),
	U64_FIELD("durable_bytes", struct record_overwrite, durable_bytes),
	U64_FIELD("read_bytes", struct record_overwrite, read_bytes),
	U64_FIELD("verified_bytes", struct record_overwrite, verified_bytes),
	U64_FIELD("took_ns", struct record_overwrite, took_ns),
};
TABLE(certificate_overwrite_table, overwrite);

static const struct field pass[] = {
	TEXT_FIELD("seed_sha256", struct record_pass, seed_sha256),
	TIME_FIELD("durable", struct record_pass, durable_wall_s),
};
TABLE(certificate_pass_table, pass);

static const struct field search[] = {
	TEXT_FIELD("label", struct record_search, label),
	TEXT_FIELD("sha256", struct record_search, sha256),
	U64_FIELD("hits", struct record_search, hits),
	U64_FIELD("first_hit", struct record_search, first_hit),
};
TABLE(certificate_search_table, search);

static const struct field log_position[] = {
	TEXT_FIELD("id", struct record_log, id),
	U64_FIELD("sequence", struct record_log, sequence),
	TEXT_FIELD("sha256", struct record_log, sha256),
};
TABLE(certificate_log_table, log_position);

/* --- the verdict --- */

static const struct field verdict_fields[] = {
	NAME_FIELD("reached", struct verdict, reached, sanitization_at),
	TEXT_FIELD("means", struct verdict, means),
	TEXT_FIELD("reason", struct verdict, reason),
};
TABLE(certificate_verdict_table, verdict_fields);

static const struct field part[] = {
	TEXT_FIELD("means", struct verdict_part, means),
	NAME_FIELD("reached", struct verdict_part, reached, sanitization_at),
	TEXT_FIELD("reason", struct verdict_part, reason),
	TEXT_FIELD("clause", struct verdict_part, clause),
};
TABLE(certificate_part_table, part);

/* --- derived --- */

const char *certificate_pass_text(const struct record_pass *passed, char buf[static 8])
{
	if (passed->kind == PASS_RANDOM)
		return "random";
	snprintf(buf, 8, "0x%02x", passed->byte);
	return buf;
}

void certificate_derive(const struct record *record, const struct verdict *verdict,
	struct certificate_derived *ret_derived)
{
	struct certificate_derived derived = {.read_back = record->overwrite.read_bytes > 0};
	size_t used = 0;

	for (size_t i = 0; i < verdict->part_count; i++) {
		int n = snprintf(derived.technique_details + used,
			sizeof(derived.technique_details) - used, "%s%s: %s", i > 0 ? "; " : "",
			verdict->parts[i].means,
			drive_sanitization_name(verdict->parts[i].reached));

		/* All of them stand in "parts": what does not fit is left out whole. */
		if (n < 0 || (size_t)n >= sizeof(derived.technique_details) - used) {
			derived.technique_details[used] = '\0';
			break;
		}
		used += (size_t)n;
	}
	snprintf(derived.tool, sizeof(derived.tool), "spoolguard %s", record->version);
	*ret_derived = derived;
}

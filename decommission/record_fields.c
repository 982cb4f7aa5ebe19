/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/record_fields.h"

#define AT(s, m)   .offset = offsetof(struct s, m), .bytes = sizeof(((struct s *)0)->m)
#define ITEM(s, m) .offset = offsetof(struct s, m), .bytes = sizeof(((struct s *)0)->m[0])

#define TEXT(s, m)                                                                                 \
	{                                                                                          \
		.name = #m, .type = FIELD_TEXT, AT(s, m)                                           \
	}
#define U64(s, m)                                                                                  \
	{                                                                                          \
		.name = #m, .type = FIELD_U64, AT(s, m)                                            \
	}
#define U32(s, m)                                                                                  \
	{                                                                                          \
		.name = #m, .type = FIELD_U32, AT(s, m)                                            \
	}
#define I64(s, m)                                                                                  \
	{                                                                                          \
		.name = #m, .type = FIELD_I64, AT(s, m)                                            \
	}
#define BOOL(s, m)                                                                                 \
	{                                                                                          \
		.name = #m, .type = FIELD_BOOL, AT(s, m)                                           \
	}
#define RUNS(s, m)                                                                                 \
	{                                                                                          \
		.name = #m, .type = FIELD_RUNS, AT(s, m)                                           \
	}
#define NAME(s, m, f, n)                                                                           \
	{                                                                                          \
		.name = #m, .type = FIELD_NAME, AT(s, m), .name_of = f, .most = (n)                \
	}
#define BYTES(s, m, c)                                                                             \
	{                                                                                          \
		.name = #m, .type = FIELD_BYTES, AT(s, m), .most = sizeof(((struct s *)0)->m),     \
		.count_offset = offsetof(struct s, c)                                              \
	}
#define OBJECT(s, m, f)                                                                            \
	{                                                                                          \
		.name = #m, .type = FIELD_OBJECT, AT(s, m), .fields = f                            \
	}
#define ARRAY(s, m, f, c)                                                                          \
	{                                                                                          \
		.name = #m, .type = FIELD_ARRAY, ITEM(s, m), .fields = f,                          \
		.most = ARRAY_SIZE(((struct s *)0)->m), .count_offset = c                          \
	}
#define COUNTED(s, m, f, c) ARRAY(s, m, f, offsetof(struct s, c))
#define END                                                                                        \
	{                                                                                          \
		.name = NULL                                                                       \
	}

/* --- names of enums --- */

static const char *step_state(unsigned int value)
{
	return record_state_name((enum record_state)value);
}

static const char *verify(unsigned int value)
{
	return record_verify_name((enum record_verify)value);
}

static const char *kind(unsigned int value)
{
	return method_name((enum method_kind)value);
}

static const char *method_state(unsigned int value)
{
	return method_state_name((enum method_state)value);
}

static const char *drive_class(unsigned int value)
{
	return drive_class_name((enum drive_class)value);
}

static const char *promise(unsigned int value)
{
	return drive_sanitization_name((enum drive_sanitization)value);
}

static const char *pass_kind(unsigned int value)
{
	static const char *const names[] = {[PASS_BYTE] = "byte", [PASS_RANDOM] = "random"};

	return names[value];
}

static const char *saw(unsigned int value)
{
	static const char *const names[] = {
		[WITNESS_CHANGED] = "changed",
		[WITNESS_SURVIVED] = "survived",
		[WITNESS_UNREADABLE] = "unreadable",
		[WITNESS_SAW_NOTHING] = "saw-nothing",
	};

	return names[value];
}

/* --- the structures --- */

static const struct field identity[] = {
	TEXT(identity, name),
	TEXT(identity, model),
	TEXT(identity, serial),
	BOOL(identity, is_stand_in),
	TEXT(identity, key),
	U64(identity, bytes),
	END,
};

static const struct field progress[] = {
	NAME(record_progress, state, step_state, RECORD_SKIPPED + 1),
	I64(record_progress, began_wall_s),
	I64(record_progress, ended_wall_s),
	U32(record_progress, resumes),
	TEXT(record_progress, detail),
	END,
};

static const struct field person[] = {
	TEXT(record_person, name),
	TEXT(record_person, title),
	TEXT(record_person, organization),
	TEXT(record_person, location),
	TEXT(record_person, contact),
	U32(record_person, uid),
	END,
};

static const struct field approval[] = {
	OBJECT(record_approval, person, person),
	TEXT(record_approval, key_id),
	TEXT(record_approval, fingerprint),
	I64(record_approval, signed_wall_s),
	TEXT(record_approval, statement_sha256),
	END,
};

static const struct field media[] = {
	TEXT(record_media, asset_number),
	TEXT(record_media, machine_serial),
	TEXT(record_media, source),
	TEXT(record_media, categorization_before),
	TEXT(record_media, categorization_after),
	TEXT(record_media, destination),
	TEXT(record_media, backed_up),
	TEXT(record_media, backup_location),
	TEXT(record_media, notes),
	END,
};

static const struct field volume[] = {
	TEXT(record_volume, uuid),
	TEXT(record_volume, device),
	U64(record_volume, first_byte),
	BOOL(record_volume, is_spoolguard),
	U32(record_volume, slots_before),
	U32(record_volume, slots_destroyed),
	BOOL(record_volume, copies_destroyed),
	BOOL(record_volume, proven_closed),
	U32(record_volume, backups),
	U32(record_volume, backups_destroyed),
	BOOL(record_volume, filled_before),
	BOOL(record_volume, detached),
	TEXT(record_volume, detail),
	END,
};

static const struct field witness[] = {
	U64(witness_report, taken),
	U64(witness_report, held_data),
	U64(witness_report, unreadable_before),
	U64(witness_report, survived),
	U64(witness_report, unreadable_after),
	U64(witness_report, first_survivor),
	NAME(witness_report, verdict, saw, WITNESS_SAW_NOTHING + 1),
	END,
};

static const struct field method[] = {
	NAME(record_method, kind, kind, METHOD_KINDS),
	NAME(record_method, state, method_state, METHOD_LOST + 1),
	BOOL(record_method, drive_said_done),
	TEXT(record_method, step),
	BOOL(record_method, step_done),
	BOOL(record_method, erase_begun),
	I64(record_method, began_wall_s),
	I64(record_method, ended_wall_s),
	U32(record_method, resumes),
	TEXT(record_method, detail),
	BYTES(record_method, status_before, status_bytes),
	BYTES(record_method, status_after, status_bytes),
	BOOL(record_method, witnessed),
	BOOL(record_method, judged),
	OBJECT(record_method, witness, witness),
	END,
};

static const struct field reach[] = {
	TEXT(record_reach, what),
	TEXT(record_reach, device),
	BOOL(record_reach, in_use),
	BOOL(record_reach, untouched),
	END,
};

static const struct field hidden[] = {
	U64(record_hidden, bytes_before),
	U64(record_hidden, bytes_native),
	U64(record_hidden, bytes_after),
	TEXT(record_hidden, step),
	BOOL(record_hidden, step_done),
	BOOL(record_hidden, hpa),
	BOOL(record_hidden, ama),
	BOOL(record_hidden, dco),
	BOOL(record_hidden, lifted),
	TEXT(record_hidden, detail),
	END,
};

static const struct field pass[] = {
	NAME(record_pass, kind, pass_kind, PASS_RANDOM + 1),
	{.name = "byte", .type = FIELD_U32, AT(record_pass, byte)},
	TEXT(record_pass, seed_sha256),
	I64(record_pass, durable_wall_s),
	END,
};

static const struct field position[] = {
	U32(sanitize_position, pass),
	U64(sanitize_position, done_blocks),
	END,
};

static const struct field overwrite[] = {
	TEXT(record_overwrite, scheme),
	NAME(record_overwrite, verify, verify, RECORD_VERIFY_NONE + 1),
	COUNTED(record_overwrite, passes, pass, pass_count),
	U32(record_overwrite, block_bytes),
	OBJECT(record_overwrite, reached, position),
	U64(record_overwrite, requested_bytes),
	U64(record_overwrite, written_bytes),
	U64(record_overwrite, durable_bytes),
	U64(record_overwrite, read_bytes),
	U64(record_overwrite, verified_bytes),
	RUNS(record_overwrite, refused),
	RUNS(record_overwrite, mismatched),
	U64(record_overwrite, took_ns),
	END,
};

static const struct field search[] = {
	TEXT(record_search, label),
	TEXT(record_search, sha256),
	U64(record_search, hits),
	U64(record_search, first_hit),
	END,
};

static const struct field log_place[] = {
	TEXT(record_log, id),
	U64(record_log, sequence),
	TEXT(record_log, sha256),
	END,
};

const struct field record_fields[] = {
	TEXT(record, id),
	I64(record, began_wall_s),
	I64(record, ended_wall_s),
	BOOL(record, standalone),
	BOOL(record, this_machine),
	TEXT(record, version),
	TEXT(record, build),
	TEXT(record, host),
	TEXT(record, selftest_id),
	BOOL(record, selftest_ok),
	OBJECT(record, identity, identity),
	TEXT(record, serial),
	NAME(record, class, drive_class, DRIVE_RAID + 1),
	NAME(record, overwrite_promise, promise, DRIVE_PURGE + 1),
	TEXT(record, overwrite_reason),
	TEXT(record, overwrite_clause),
	TEXT(record, transport),
	TEXT(record, vendor),
	TEXT(record, model),
	TEXT(record, firmware),
	TEXT(record, wwn),
	U64(record, bytes),
	U32(record, logical_bytes),
	U32(record, physical_bytes),
	BOOL(record, opal),
	BOOL(record, opal_locked),
	BOOL(record, mmc_boot),
	BOOL(record, mmc_rpmb),
	BOOL(record, namespaces_known),
	BOOL(record, several_controllers),
	COUNTED(record, reaches, reach, reach_count),
	BOOL(record, reaches_cut),
	TEXT(record, health_before),
	TEXT(record, health_after),
	OBJECT(record, hidden, hidden),
	{.name = "operator", .type = FIELD_OBJECT, AT(record, operator_), .fields = person},
	OBJECT(record, media, media),
	U32(record, approvals_required),
	COUNTED(record, approvals, approval, approval_count),
	ARRAY(record, steps, progress, FIELD_ALL),
	U64(record, jobs_retired),
	U64(record, jobs_not_retired),
	TEXT(record, jobs_detail),
	COUNTED(record, volumes, volume, volume_count),
	COUNTED(record, methods, method, method_count),
	OBJECT(record, overwrite, overwrite),
	COUNTED(record, searches, search, search_count),
	U64(record, searched_bytes),
	U64(record, unreadable_bytes),
	OBJECT(record, log_before, log_place),
	OBJECT(record, log_after, log_place),
	TEXT(record, certificate_path),
	TEXT(record, certificate_sha256),
	END,
};

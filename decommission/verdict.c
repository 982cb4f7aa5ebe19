/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.c - each means judged by itself; the best of them is the drive's
 *
 * What a method can reach on a medium is target_promise()'s table.  Its sources:
 *
 *   NVMe Sanitize; ATA SANITIZE on flash; enhanced SECURITY ERASE UNIT
 *   on a disk                                         Purge   IEEE 2883-2022
 *   eMMC erase and sanitize                           Clear   IEEE 2883-2022
 *   ATA SANITIZE, enhanced SECURITY ERASE UNIT on a disk      SP 800-88r1
 *   ATA SECURITY ERASE UNIT, NVMe Format on flash     Clear   SP 800-88r1
 *
 * SP 800-88r1 is withdrawn, and r2 leaves the methods to IEEE 2883.  A clause is named only where
 * one of the two has the row; the others (SCSI) have none.
 */
#include "decommission/verdict.h"
#include "decommission/target.h"
#include "decommission/verdict_impl.h"
#include <stdio.h>
#include <string.h>

#define IEEE "IEEE 2883-2022"
#define R1   "SP 800-88r1"

static const struct {
	const char *means;
	const char *on_disk, *on_flash, *on_emmc; /* clause; NULL: none has the row */
} rows[METHOD_KINDS] = {
	[METHOD_NVME_SANITIZE_CRYPTO] = {"NVMe Sanitize, crypto erase", NULL, IEEE, NULL},
	[METHOD_NVME_SANITIZE_BLOCK] = {"NVMe Sanitize, block erase", NULL, IEEE, NULL},
	[METHOD_NVME_SANITIZE_OVERWRITE] = {"NVMe Sanitize, overwrite", NULL, IEEE, NULL},
	[METHOD_NVME_FORMAT_CRYPTO] = {"NVMe Format, cryptographic erase", NULL, R1, NULL},
	[METHOD_NVME_FORMAT_USER_DATA] = {"NVMe Format, user data erase", NULL, R1, NULL},
	[METHOD_ATA_SANITIZE_CRYPTO] = {"ATA SANITIZE, crypto scramble", R1, IEEE, NULL},
	[METHOD_ATA_SANITIZE_BLOCK] = {"ATA SANITIZE, block erase", NULL, IEEE, NULL},
	[METHOD_ATA_SANITIZE_OVERWRITE] = {"ATA SANITIZE, overwrite", R1, NULL, NULL},
	[METHOD_ATA_ENHANCED_SECURITY_ERASE] = {"ATA enhanced SECURITY ERASE UNIT", IEEE, R1, NULL},
	[METHOD_ATA_SECURITY_ERASE] = {"ATA SECURITY ERASE UNIT", NULL, R1, NULL},
	[METHOD_SCSI_SANITIZE_CRYPTO] = {"SCSI SANITIZE, cryptographic erase", NULL, NULL, NULL},
	[METHOD_SCSI_SANITIZE_BLOCK] = {"SCSI SANITIZE, block erase", NULL, NULL, NULL},
	[METHOD_SCSI_SANITIZE_OVERWRITE] = {"SCSI SANITIZE, overwrite", NULL, NULL, NULL},
	[METHOD_MMC_SANITIZE] = {"eMMC erase and sanitize", NULL, NULL, IEEE},
	[METHOD_MMC_SECURE_TRIM] = {"eMMC secure trim", NULL, NULL, NULL},
	[METHOD_SECURE_DISCARD] = {"secure discard of the block layer", NULL, NULL, NULL},
};

/* --- what the record tells --- */

bool verdict_is_nvme(const struct record *record)
{
	if (strcmp(record->transport, "nvme") == 0)
		return true;
	for (uint32_t i = 0; i < record->method_count; i++) {
		if (record->methods[i].kind <= METHOD_NVME_FORMAT_USER_DATA)
			return true;
	}
	return false;
}

bool verdict_is_flash(const struct record *record)
{
	return record->class == DRIVE_FLASH || record->class == DRIVE_EMMC;
}

bool verdict_is_hidden(const struct record *record)
{
	const struct record_hidden *hidden = &record->hidden;

	return (hidden->hpa || hidden->ama || hidden->dco ||
		       hidden->bytes_native > record->bytes) &&
	       !hidden->lifted;
}

bool verdict_has_survivor(const struct record *record)
{
	for (uint32_t i = 0; i < record->method_count; i++) {
		if (record->methods[i].judged && record->methods[i].witness.survived > 0)
			return true;
	}
	return false;
}

bool verdict_has_others(const struct record *record)
{
	if (!verdict_is_nvme(record))
		return false;
	if (!record->namespaces_known || record->reaches_cut)
		return true;
	for (uint32_t i = 0; i < record->reach_count; i++) {
		if (strncmp(record->reaches[i].what, "namespace", 9) == 0)
			return true;
	}
	return false;
}

static uint64_t hits(const struct record *record)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < record->search_count; i++)
		count += record->searches[i].hits;
	return count;
}

/* Against every means (V1, V2); NULL: nothing. */
static const char *against_all(const struct record *record)
{
	if (hits(record) > 0)
		return "the search found on the medium what was to be gone";
	if (verdict_is_hidden(record))
		return "a part of the medium is hidden, and could not be opened";
	if (record->opal_locked)
		return "a range of the drive is locked (TCG Opal), and nobody could look into it";
	return NULL;
}

/* --- the drive's own methods --- */

static const char *against_method(const struct record *record, const struct record_method *method)
{
	const char *all = against_all(record);

	if (method->state != METHOD_DONE || !method->drive_said_done || method->ended_wall_s == 0)
		return method->detail[0] ? method->detail : "it did not come to its end";
	if (all)
		return all;
	if (verdict_has_survivor(record))
		return "the drive said of a method that it was done, and blocks still showed what "
		       "they had shown: it is not believed";
	if (!method->witnessed || !method->judged)
		return "the drive says that it is done, and what became of the medium was not "
		       "looked at";
	if (method->witness.verdict == WITNESS_UNREADABLE)
		return "the drive says that it is done, and blocks that held data cannot be read, "
		       "so that they were not seen to change";
	if (method->witness.verdict != WITNESS_CHANGED || method->witness.held_data == 0)
		return "the drive says that it is done, and no block that was looked at had held "
		       "data, so that nothing was seen to change";
	if (method->kind == METHOD_NVME_FORMAT_CRYPTO ||
		method->kind == METHOD_NVME_FORMAT_USER_DATA) {
		if (verdict_has_others(record))
			return "the drive has, or may have, other namespaces, which a Format need "
			       "not reach";
	}
	return NULL;
}

static const char *clause_of(enum method_kind kind, enum drive_class class)
{
	const char *clause = NULL;

	if (class == DRIVE_ROTATIONAL)
		clause = rows[kind].on_disk;
	else if (class == DRIVE_FLASH)
		clause = rows[kind].on_flash;
	else if (class == DRIVE_EMMC)
		clause = rows[kind].on_emmc;
	return clause ? clause : "";
}

static void judge_method(
	const struct record *record, const struct record_method *method, struct verdict_part *part)
{
	const char *against = against_method(record, method);

	snprintf(part->means, sizeof(part->means), "%s", rows[method->kind].means);
	if (against) {
		snprintf(part->reason, sizeof(part->reason), "%s", against);
		return;
	}
	part->reached = target_promise(method->kind, record->class);
	if (part->reached == DRIVE_NEITHER) {
		snprintf(part->reason, sizeof(part->reason),
			"it came to its end, and on a medium of this kind (%s) nothing can be "
			"claimed of it",
			drive_class_name(record->class));
		return;
	}
	snprintf(part->reason, sizeof(part->reason),
		"the drive says that it ended well, and each of %llu blocks that held data reads "
		"otherwise now",
		(unsigned long long)method->witness.held_data);
	snprintf(part->clause, sizeof(part->clause), "%s", clause_of(method->kind, record->class));
}

/* --- the overwrite --- */

static bool took_every_pass(const struct record_overwrite *overwrite)
{
	for (uint32_t i = 0; i < overwrite->pass_count; i++) {
		if (overwrite->passes[i].durable_wall_s == 0)
			return false;
	}
	return overwrite->pass_count > 0;
}

static uint64_t whole_bytes(const struct record *record)
{
	const struct record_hidden *hidden = &record->hidden;
	uint64_t bytes = record->bytes;

	if (hidden->bytes_native > bytes)
		bytes = hidden->bytes_native;
	return hidden->bytes_after > bytes ? hidden->bytes_after : bytes;
}

static const char *against_overwrite(const struct record *record)
{
	const struct record_overwrite *overwrite = &record->overwrite;
	const char *all = against_all(record);

	if (record->steps[RECORD_OVERWRITE].state != RECORD_DONE)
		return record->steps[RECORD_OVERWRITE].detail[0]
			       ? record->steps[RECORD_OVERWRITE].detail
			       : "it did not come to its end";
	if (all)
		return all;
	if (overwrite->refused.count > 0 || overwrite->mismatched.count > 0)
		return "blocks were refused, or read back otherwise than they were written";
	if (!took_every_pass(overwrite) || overwrite->requested_bytes == 0 ||
		overwrite->durable_bytes != overwrite->requested_bytes ||
		overwrite->written_bytes != overwrite->requested_bytes)
		return "not every block took every pass";
	if (overwrite->requested_bytes < whole_bytes(record))
		return "not every block of the drive was among those that were overwritten";
	if (overwrite->verify == RECORD_VERIFY_NONE || overwrite->read_bytes == 0)
		return "nothing was read back";
	if (overwrite->verified_bytes != overwrite->read_bytes)
		return "what was read back was not all as it was written";
	if (verdict_has_others(record))
		return "the drive has, or may have, other namespaces, which were not overwritten";
	return NULL;
}

static void judge_overwrite(const struct record *record, struct verdict_part *part)
{
	const char *against = against_overwrite(record);

	snprintf(part->means, sizeof(part->means), "overwrite (%s)", record->overwrite.scheme);
	snprintf(part->reason, sizeof(part->reason), "%.*s", (int)sizeof(part->reason) - 1,
		against ? against : record->overwrite_reason);
	if (against)
		return;
	/* An overwrite alone is never Purge, whatever a record says. */
	part->reached = record->overwrite_promise == DRIVE_NEITHER ? DRIVE_NEITHER : DRIVE_CLEAR;
	if (part->reached != DRIVE_NEITHER)
		snprintf(part->clause, sizeof(part->clause), "%s", record->overwrite_clause);
}

/* --- our volumes' keys --- */

/* The program's cryptography has no certificate of validation, so this is never more. */
static void judge_keys(const struct record *record, struct verdict_part *part)
{
	bool alive = record->steps[RECORD_KEYS].state != RECORD_DONE, escrow = false,
	     filled = false;

	for (uint32_t i = 0; i < record->volume_count; i++) {
		const struct record_volume *volume = &record->volumes[i];

		alive = alive || !volume->copies_destroyed || !volume->proven_closed ||
			volume->slots_destroyed != volume->slots_before;
		escrow = escrow || volume->backups > volume->backups_destroyed;
		filled = filled || volume->filled_before;
	}
	snprintf(part->means, sizeof(part->means), "cryptographic erase of the volumes");
	snprintf(part->reason, sizeof(part->reason),
		"%s, not claimed: the cryptographic module is not validated%s%s%s%s",
		alive ? "not proven" : "performed",
		escrow ? "; header backups exist that were not destroyed" : "",
		filled ? "; something lay on the medium before it was encrypted" : "",
		verdict_is_flash(record) ? "; the wrapped keys were overwritten on flash" : "",
		hits(record) > 0 ? "; the search found what was to be gone" : "");
}

/* --- all of it --- */

static struct verdict_part *add_part(struct verdict *verdict)
{
	return &verdict->parts[verdict->part_count++];
}

static void take_best(struct verdict *verdict)
{
	const struct verdict_part *best = NULL;

	for (size_t i = 0; i < verdict->part_count; i++) {
		const struct verdict_part *part = &verdict->parts[i];

		if (part->reached != DRIVE_NEITHER && (!best || part->reached > best->reached))
			best = part;
	}
	if (!best) {
		snprintf(verdict->reason, sizeof(verdict->reason),
			verdict->part_count > 0 ? "no means that was used reached more: %.250s"
						: "nothing was done to the drive",
			verdict->part_count > 0 ? verdict->parts[verdict->part_count - 1].reason
						: "");
		return;
	}
	verdict->reached = best->reached;
	snprintf(verdict->means, sizeof(verdict->means), "%s", best->means);
	snprintf(verdict->reason, sizeof(verdict->reason), "%s", best->reason);
}

void verdict_judge(const struct record *record, struct verdict *ret_verdict)
{
	const enum record_state overwrite = record->steps[RECORD_OVERWRITE].state;

	*ret_verdict = (struct verdict){.reached = DRIVE_NEITHER};
	if (record->volume_count > 0)
		judge_keys(record, add_part(ret_verdict));
	for (uint32_t i = 0; i < record->method_count; i++)
		judge_method(record, &record->methods[i], add_part(ret_verdict));
	if (overwrite == RECORD_DONE || overwrite == RECORD_FAILED || overwrite == RECORD_BEGUN)
		judge_overwrite(record, add_part(ret_verdict));
	take_best(ret_verdict);
	verdict_list_open(record, ret_verdict);
}

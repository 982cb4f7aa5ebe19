/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_drive.c - what a look at the drive told, written down for the run and the certificate
 *
 * The run compares with it what the drive says of itself each time that it is opened (run_drive.c),
 * and judges by it what was reached (verdict.c): what is left out here is not known there.
 */
#include "decommission/record.h"
#include <stdio.h>

#define SECTOR_BYTES	 512u
#define COPY(to, from)	 snprintf((to), sizeof(to), "%.*s", (int)sizeof(to) - 1, (from))
#define EITHER(one, two) ((one)[0] ? (one) : (two))

static void fill_reaches(struct record *record, const struct target *target)
{
	record->reach_count = 0;
	record->reaches_cut = target->reach_count > RECORD_REACHES_MAX;
	for (size_t i = 0; i < target->reach_count && i < RECORD_REACHES_MAX; i++) {
		const struct target_reach *from = &target->reaches[i];
		struct record_reach *to = &record->reaches[record->reach_count++];

		COPY(to->what, from->what);
		COPY(to->device, from->device);
		to->in_use = from->in_use;
		to->untouched = from->untouched;
	}
}

static void fill_facts(struct record *record, const struct drive_facts *facts)
{
	COPY(record->serial, facts->serial);
	COPY(record->vendor, facts->vendor);
	record->opal = facts->opal;
	record->opal_locked = facts->opal_locked;
	record->mmc_boot = facts->mmc_boot;
	record->mmc_rpmb = facts->mmc_rpmb;
	record->namespaces_known = facts->namespaces_known;
	record->several_controllers = facts->several_controllers;
	if (facts->health_known)
		COPY(record->health_before, EITHER(facts->health, "healthy"));
}

void record_fill_drive(struct record *record, const struct target *target)
{
	const struct drive_facts *facts = &target->facts;
	const struct drive_layer *layer = &target->stack.layers[0];

	record->identity = target->identity;
	record->class = target->class;
	record->overwrite_promise = target->overwrite.overwrite;
	COPY(record->overwrite_reason, target->overwrite.reason);
	COPY(record->overwrite_clause, target->overwrite.clause);
	COPY(record->transport, target->transport);
	COPY(record->model, EITHER(facts->model, target->identity.model));
	COPY(record->firmware, EITHER(facts->firmware, layer->firmware));
	COPY(record->wwn, EITHER(facts->wwn, layer->wwn));
	record->bytes = facts->bytes ? facts->bytes : target->identity.bytes;
	record->logical_bytes = facts->logical_bytes ? facts->logical_bytes : SECTOR_BYTES;
	record->physical_bytes =
		facts->physical_bytes ? facts->physical_bytes : record->logical_bytes;
	fill_facts(record, facts);
	fill_reaches(record, target);
}

/* A hidden area makes the drive larger from the moment on at which it was begun to be opened. */
int record_compare_drive(
	const struct record *record, const struct target *now, struct problem *reterr_problem)
{
	const struct record_hidden *hidden = &record->hidden;
	struct drive_facts then = {
		.bytes = record->bytes,
		.hpa = hidden->step[0] != '\0',
		.native_bytes = hidden->bytes_native ? hidden->bytes_native : UINT64_MAX,
	};

	COPY(then.wwn, record->wwn);
	return target_compare(&record->identity, &then, now, reterr_problem);
}

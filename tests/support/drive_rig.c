/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/drive_rig.h"
#include <check.h>
#include <errno.h>
#include <string.h>

enum { SECTOR_BYTES = 512 };

static int record(void *context, enum method_kind kind, const char *step, bool done)
{
	struct drive_rig *rig = context;

	ck_assert_int_eq(kind, rig->run.kind);
	if (rig->fail_note > 0 && --rig->fail_note == 0)
		return -ENOSPC;
	rig->notes++;
	if (strcmp(step, METHOD_STEP_ERASE) == 0) {
		rig->begun += !done;
		rig->done += done;
	}
	return 0;
}

void drive_rig_choose(struct drive_rig *rig, enum method_kind kind)
{
	rig->run = (struct method_run){
		.port = simdrive_port(rig->drive),
		.facts = &rig->facts,
		.kind = kind,
		.record = record,
		.context = rig,
	};
	rig->notes = rig->begun = rig->done = 0;
}

void drive_rig_make(
	struct drive_rig *rig, enum simdrive_kind kind, const struct simdrive_options *options)
{
	*rig = (struct drive_rig){0};
	ck_assert_int_eq(simdrive_new(kind, options, &rig->drive), 0);
	drive_rig_fill(rig);
	ck_assert_int_eq(facts_ask(simdrive_port(rig->drive), &rig->facts), 0);
}

void drive_rig_unmake(struct drive_rig *rig)
{
	simdrive_free(rig->drive);
	rig->drive = NULL;
}

void drive_rig_fill(struct drive_rig *rig)
{
	uint64_t bytes;
	uint8_t *medium = simdrive_bytes(rig->drive, &bytes);

	for (uint64_t at = 0; at + SECTOR_BYTES <= bytes; at += SECTOR_BYTES) {
		memset(medium + at, 0, SECTOR_BYTES);
		memcpy(medium + at, DRIVE_RIG_SECRET, strlen(DRIVE_RIG_SECRET));
	}
	rig->drive->sanitize.written_since = true;
}

uint64_t drive_rig_secrets(struct drive_rig *rig)
{
	uint64_t bytes, count = 0;
	const uint8_t *medium = simdrive_bytes(rig->drive, &bytes);

	for (uint64_t at = 0; at + SECTOR_BYTES <= bytes; at += SECTOR_BYTES)
		count += memcmp(medium + at, DRIVE_RIG_SECRET, strlen(DRIVE_RIG_SECRET)) == 0;
	return count;
}

int drive_rig_perform(struct drive_rig *rig, enum method_kind kind)
{
	int r;

	drive_rig_choose(rig, kind);
	r = method_start(&rig->run, &rig->result);
	return r < 0 ? r : method_wait(&rig->run, NULL, &rig->result);
}

int drive_rig_take_up(struct drive_rig *rig)
{
	int r = rig->begun > 0 ? method_resume(&rig->run, &rig->result)
			       : method_start(&rig->run, &rig->result);

	return r < 0 ? r : method_wait(&rig->run, NULL, &rig->result);
}

enum witness_verdict drive_rig_witness(struct drive_rig *rig, enum method_kind kind)
{
	_cleanup_(blockdev_closep) struct blockdev *before = NULL, *after = NULL;
	_cleanup_(witness_freep) struct witness *witness = NULL;
	struct witness_report report;

	ck_assert_int_eq(simdrive_medium(rig->drive, &before), 0);
	ck_assert_int_eq(witness_take(before, &witness), 0);
	ck_assert_int_eq(drive_rig_perform(rig, kind), 0);
	ck_assert_int_eq(rig->result.state, METHOD_DONE);
	ck_assert_int_eq(simdrive_medium(rig->drive, &after), 0);
	ck_assert_int_eq(witness_compare(witness, after, &report), 0);
	return report.verdict;
}

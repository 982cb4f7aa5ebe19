/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/faults.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The last state of the log alone, and what it leaves unflushed. */
static const struct crash_options at_the_end = {.samples = 6, .pay_one_in = 1, .only_last = true};

static void arm(struct blockdev *disk, const struct crash_fault_sweep *sweep, uint64_t nth)
{
	simdisk_set_failed_write(disk, (enum simdisk_landing)(nth % 3));
	if (sweep->stays)
		simdisk_fail_from_nth(disk, sweep->ops, nth, EIO);
	else
		simdisk_fail_nth(disk, sweep->ops, nth, EIO);
}

/* One run; false if the fault was not reached. */
static bool run_with_fault(const struct crash_fault_sweep *sweep, uint64_t seed, uint64_t nth,
	struct crash_verdict *verdict)
{
	struct crash_profile profile = crash_profiles[sweep->profile];
	struct crash_era *era = malloc(sizeof(*era));
	struct crash_stats stats = {0};
	struct crash_rig rig;
	bool fired;

	if (!era)
		abort();
	profile.operations /= 2;
	crash_era_init(era, &rig, &profile, seed);
	era->tolerant = true;
	arm(rig.disk, sweep, nth);
	crash_era_run(era);
	fired = simdisk_fired(rig.disk);
	simdisk_fail_nth(rig.disk, SIMDISK_ANY, 0, EIO);
	if (!crash_is_wrong(&era->verdict))
		crash_era_check_now(era);
	if (!crash_is_wrong(&era->verdict))
		crash_era_audit(era);
	if (!crash_is_wrong(&era->verdict))
		crash_explore(era, &at_the_end, &stats);
	if (crash_is_wrong(&era->verdict))
		crash_wrong(verdict, "%s: operation %" PRIu64 ", seed %" PRIu64 ": %s", sweep->name,
			nth, seed, era->verdict.text);
	crash_era_done(era);
	free(era);
	return fired;
}

/* --- work of its own --- */

static const struct crash_geometry small = {8, 16, 16};

static void rig_up(struct crash_rig *rig, struct crash_verdict *verdict)
{
	struct residue_open_report report;

	crash_rig_format(rig, &small, false, false);
	if (crash_rig_open(rig, &report) < 0)
		crash_wrong(verdict, "a fresh volume cannot be attached");
}

static int write_block(struct crash_rig *rig, uint64_t block, uint64_t id, uint64_t *sectors)
{
	_Alignas(16) uint8_t buf[BLOCK_BYTES];
	struct extent owed;

	crash_fill(id, buf, sectors);
	return residue_write(rig->residue, (struct extent){block, 1}, buf, &owed);
}

static bool reads_as(struct crash_rig *rig, uint64_t block, const uint64_t *sectors)
{
	uint8_t buf[BLOCK_BYTES];

	if (residue_read(rig->residue, (struct extent){block, 1}, buf) < 0)
		return false;
	for (unsigned int s = 0; s < SECTORS_PER_BLOCK; s++) {
		if (crash_sector_hash(buf + (size_t)s * SECTOR_BYTES) != sectors[s])
			return false;
	}
	return true;
}

static bool shows_last_pattern(struct crash_rig *rig, uint64_t block)
{
	uint8_t buf[BLOCK_BYTES];

	simdisk_peek(rig->disk, (struct extent){crash_rig_place(rig, block), 1}, buf);
	return buf[0] == 0x97 && memcmp(buf, buf + 1, sizeof(buf) - 1) == 0;
}

/* A write of the last pass that does not reach the medium is noticed by the read-back. */
static bool lose_a_pass(uint64_t nth, struct crash_verdict *verdict)
{
	uint64_t sectors[SECTORS_PER_BLOCK], run;
	struct extent at = {1, 4};
	struct crash_rig rig;
	bool lied;

	rig_up(&rig, verdict);
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		if (write_block(&rig, b, b, sectors) < 0)
			crash_wrong(verdict, "write failed");
	}
	if (residue_flush(rig.residue) < 0 || residue_discard(rig.residue, at) < 0)
		crash_wrong(verdict, "flush or discard failed");
	simdisk_tear_write(rig.disk, nth, nth % 3 * 9);
	if (crash_rig_erase(&rig, at) < 0)
		crash_wrong(verdict, "erasing failed");
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		if (residue_lookup(rig.residue, b, 1, &run) == RESIDUE_CLASS_CLEAN &&
			!shows_last_pattern(&rig, b))
			crash_wrong(verdict,
				"write %" PRIu64 " of an erasure did not land, and block %" PRIu64
				" is clean without its last pattern",
				nth, b);
	}
	lied = simdisk_lied(rig.disk);
	crash_rig_done(&rig);
	return lied;
}

/* Attaches with one slot of the stuck page damaged: the block must still be found. */
static void find_with_damage(struct crash_rig *rig, uint64_t slot, const uint64_t *sectors,
	struct crash_verdict *verdict)
{
	struct residue_open_report report;
	uint64_t byte = (rig->layout.stuck.first + slot) * BLOCK_BYTES + 2000;

	simdisk_flip(rig->disk, byte, 3);
	if (crash_rig_open(rig, &report) < 0)
		crash_wrong(verdict, "P3: the volume cannot be attached");
	else if (!reads_as(rig, 3, sectors))
		crash_wrong(verdict,
			"P3: a remapped block is lost with slot %" PRIu64 " of the list damaged",
			slot);
	crash_rig_drop(rig);
	simdisk_flip(rig->disk, byte, 3);
}

/*
 * The power fails after the nth write or flush of an erasure that remaps a block; then
 * the block is used, the power fails again, and one slot of the list is damaged.
 */
static bool crash_while_remapping(uint64_t nth, struct crash_verdict *verdict)
{
	uint64_t sectors[SECTORS_PER_BLOCK];
	struct residue_open_report report;
	struct crash_rig rig;
	bool fired;
	int r;

	rig_up(&rig, verdict);
	r = write_block(&rig, 3, 1, sectors);
	if (r >= 0)
		r = residue_flush(rig.residue);
	if (r >= 0)
		r = residue_discard(rig.residue, (struct extent){3, 1});
	if (r < 0)
		crash_wrong(verdict, "the work before it failed: %s", strerror(-r));
	crash_rig_break(&rig, rig.layout.data_first + 3);
	simdisk_fail_from_nth(rig.disk, SIMDISK_WRITE | SIMDISK_FLUSH, nth, EIO);
	r = crash_rig_erase(&rig, (struct extent){3, 1});
	fired = simdisk_fired(rig.disk);
	if (r < 0 && !fired)
		crash_wrong(verdict, "erasing failed: %s", strerror(-r));
	crash_rig_drop(&rig);
	simdisk_replug(rig.disk);
	simdisk_break(rig.disk, rig.broken[0], SIMDISK_WRITE, EIO);

	r = crash_rig_open(&rig, &report);
	if (r >= 0) /* the crash may have forgotten it */
		r = residue_discard(rig.residue, (struct extent){3, 1});
	if (r >= 0)
		r = crash_rig_pay(&rig);
	if (r >= 0)
		r = write_block(&rig, 3, 2, sectors);
	if (r >= 0)
		r = residue_flush(rig.residue);
	if (r < 0)
		crash_wrong(
			verdict, "after a crash while it was remapped, block 3: %s", strerror(-r));
	crash_rig_drop(&rig);
	for (uint64_t slot = 0; slot < 2 && !crash_is_wrong(verdict); slot++) {
		struct blockdev *medium = rig.disk;

		rig.disk = simdisk_fork(medium);
		find_with_damage(&rig, slot, sectors, verdict);
		blockdev_close(rig.disk);
		rig.disk = medium;
	}
	crash_rig_done(&rig);
	return fired;
}

/* The power fails right after a format returned; there is one run. */
static bool crash_after_format(uint64_t nth, struct crash_verdict *verdict)
{
	struct residue_open_report report;
	struct residue_parts parts;
	struct extent_list none = {0};
	struct crash_rig rig;

	crash_rig_format(&rig, &small, true, false);
	parts = (struct residue_parts){
		.device = rig.disk, .layout = &rig.layout, .volume_key = rig.key};
	simdisk_log_start(rig.disk);
	if (residue_format(&parts, &none, NULL) < 0)
		crash_wrong(verdict, "format failed");
	simdisk_power_cut(rig.disk, NULL, NULL);
	if (crash_rig_open(&rig, &report) < 0) {
		crash_wrong(verdict, "P3: a formatted volume cannot be attached");
	} else {
		uint64_t run;

		if (residue_lookup(rig.residue, 0, small.data_blocks, &run) !=
				RESIDUE_CLASS_CLEAN ||
			run != small.data_blocks || report.was_unclean)
			crash_wrong(verdict, "a format that returned is forgotten");
	}
	crash_rig_done(&rig);
	return nth < 4;
}

const struct crash_fault_sweep crash_fault_sweeps[] = {
	{.name = "a write fails", .profile = 0, .ops = SIMDISK_WRITE},
	{.name = "a flush fails", .profile = 1, .ops = SIMDISK_FLUSH},
	{.name = "a read fails", .profile = 0, .ops = SIMDISK_READ},
	{.name = "a write or flush fails while it grows",
		.profile = 3,
		.ops = SIMDISK_WRITE | SIMDISK_FLUSH},
	{.name = "a write or flush fails beside bad blocks",
		.profile = 4,
		.ops = SIMDISK_WRITE | SIMDISK_FLUSH},
	{.name = "the device vanishes", .profile = 7, .ops = SIMDISK_ANY, .stays = true},
	{.name = "a write of a pass is dropped or torn", .run = lose_a_pass},
	{.name = "the power fails while a block is remapped", .run = crash_while_remapping},
	{.name = "the power fails after a format", .run = crash_after_format},
};
const size_t crash_fault_sweep_count = ARRAY_SIZE(crash_fault_sweeps);

uint64_t crash_fault_sweep_run(
	const struct crash_fault_sweep *sweep, uint64_t seed, struct crash_verdict *verdict)
{
	uint64_t nth = 1;

	while (!crash_is_wrong(verdict)) {
		bool reached = sweep->run ? sweep->run(nth, verdict)
					  : run_with_fault(sweep, seed, nth, verdict);

		if (!reached)
			break;
		nth++;
	}
	return nth;
}

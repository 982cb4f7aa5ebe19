/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/faults.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct crash_fault_sweep crash_fault_sweeps[] = {
	{"a write fails", 0, SIMDISK_WRITE, false},
	{"a flush fails", 1, SIMDISK_FLUSH, false},
	{"a read fails", 0, SIMDISK_READ, false},
	{"a write fails while the volume grows", 3, SIMDISK_WRITE | SIMDISK_FLUSH, false},
	{"a write fails beside bad blocks", 4, SIMDISK_WRITE | SIMDISK_FLUSH, false},
	{"the device vanishes", 6, SIMDISK_ANY, true},
	{"a pass is dropped or torn", 0, 0, false},
};
const size_t crash_fault_sweep_count = ARRAY_SIZE(crash_fault_sweeps);

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

/*
 * A write of a pass that does not reach the medium is reported as done: the read-back
 * notices, or the pass after it makes up for it; no block that holds job data is clean.
 */
static bool run_with_lie(uint64_t seed, uint64_t nth, struct crash_verdict *verdict)
{
	struct crash_era *era = malloc(sizeof(*era));
	struct extent at = {1, 4};
	struct crash_rig rig;
	bool lied;

	if (!era)
		abort();
	crash_era_init(era, &rig, &crash_profiles[0], seed);
	era->model.blocks = 0;
	if (crash_era_attach(era)) {
		crash_do_write(era, at);
		crash_do_flush(era);
		crash_do_discard(era, at);
		simdisk_tear_write(rig.disk, nth, nth % 3 * 9);
		if (crash_rig_erase(&rig, at) < 0)
			crash_wrong(&era->verdict, "erasing failed");
		crash_era_check_now(era);
	}
	lied = simdisk_lied(rig.disk);
	if (crash_is_wrong(&era->verdict))
		crash_wrong(verdict, "write %" PRIu64 " of an erasure did not land: %s", nth,
			era->verdict.text);
	crash_era_done(era);
	free(era);
	return lied;
}

uint64_t crash_fault_sweep_run(
	const struct crash_fault_sweep *sweep, uint64_t seed, struct crash_verdict *verdict)
{
	uint64_t nth = 1;

	while (!crash_is_wrong(verdict)) {
		bool reached = sweep->ops ? run_with_fault(sweep, seed, nth, verdict)
					  : run_with_lie(seed, nth, verdict);

		if (!reached)
			break;
		nth++;
	}
	return nth;
}

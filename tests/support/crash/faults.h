/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - the same work with one operation of the disk failing, or lying
 *
 * Operation 1 fails, then 2, then 3, until a run no longer reaches the fault.  The
 * request that met the error must report it; then the power is cut, and what is found
 * must keep P2, P3 and P4.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_FAULTS_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_FAULTS_H

#include "tests/support/crash/explore.h"

struct crash_fault_sweep {
	const char *name;
	size_t profile;	  /* of crash_profiles */
	unsigned int ops; /* simdisk_op */
	bool stays;	  /* all that follow fail too, as when a device vanishes */
	/* A run of its own in place of random work; false: the fault was not reached. */
	bool (*run)(uint64_t nth, struct crash_verdict *verdict);
};

extern const struct crash_fault_sweep crash_fault_sweeps[];
extern const size_t crash_fault_sweep_count;

/* Returns how many runs were made. */
uint64_t crash_fault_sweep_run(
	const struct crash_fault_sweep *sweep, uint64_t seed, struct crash_verdict *verdict);

#endif

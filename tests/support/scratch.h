/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - a directory for the tests of one program that mount and bind
 *
 * A failed assertion ends the test's process before its teardown.  What it left
 * (mounts, loop devices, files) is taken down by the runner's process:
 * tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove), and each test
 * works below scratch_path().
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SCRATCH_H
#define SPOOLGUARD_TESTS_SUPPORT_SCRATCH_H

void scratch_make(void); /* below $TMPDIR, or /var/tmp */
/* The same in memory (for root; else on disk): for thousands of small files and fsyncs. */
void scratch_make_fast(void);
void scratch_remove(void);
const char *scratch_path(void);

#endif

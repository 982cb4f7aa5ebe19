/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.h - how many threads this process has
 *
 * A detached thread ends some moments after the last that it did for anybody.  The leak sanitizer
 * takes what it frees at its very end for lost, if the process exits in between.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_THREADS_H
#define SPOOLGUARD_TESTS_SUPPORT_THREADS_H

unsigned int threads_count(void);

/* Waits until there are no more than count, and fails the test after half a minute. */
void threads_wait_for(unsigned int count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power_cut.h - what a power cut leaves of a directory, as far as flushes promise anything
 *
 * A test tells of each flush just before it is done; power_cut_leave() then writes into another
 * directory what a cut at this moment could leave:
 *
 *   POWER_CUT_LOST   nothing that was not flushed: names as at the directory's last fsync, content
 *                    as at the file's
 *   POWER_CUT_KEPT   everything, as after the death of the process alone
 *   POWER_CUT_MIXED  by chance of each name and each content one or the other; what was added to a
 *                    file also in part, or with zeros where data should be
 *
 * One directory at a time, with the directories in it; one thread.  Errors end the program.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_POWER_CUT_H
#define SPOOLGUARD_TESTS_SUPPORT_POWER_CUT_H

#include <stdint.h>

enum power_cut { POWER_CUT_LOST, POWER_CUT_KEPT, POWER_CUT_MIXED };

/* What is there now is durable. */
void power_cut_watch(const char *directory);
void power_cut_note_sync(int fd);
void power_cut_note_sync_directory(int fd);
void power_cut_leave(enum power_cut kind, uint64_t seed, const char *to);
void power_cut_forget(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cupsd_rig.h - a shell that has tests/e2e/cupsd.sh, for C tests
 *
 * cupsd_rig_start() in main, before Check forks: the shell starts a private cupsd and waits for
 * commands.  It takes everything down when this program has ended, however it ended.  Commands
 * are those of lib.sh and cupsd.sh; $work is the shell's directory, $cupsd_dir the cupsd's.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CUPSD_RIG_H
#define SPOOLGUARD_TESTS_SUPPORT_CUPSD_RIG_H

#include "base/macros.h"

/* directives: lines of cupsd.conf as cupsd_start takes them, quoted for a shell; prepare: commands
 * to begin with.  The exit code for main if there can be none here (77, and the reason was
 * printed), else 0. */
int cupsd_rig_start(const char *directives, const char *prepare);
void cupsd_rig_stop(void);

/* Runs a command; its output without the last newline, until the next call.  Fails the test if it
 * fails. */
const char *cupsd_rig(const char *format, ...) format_printf(1, 2);
int cupsd_rig_number(const char *format, ...) format_printf(1, 2);

#endif

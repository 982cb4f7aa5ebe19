/* SPDX-License-Identifier: Apache-2.0 */
/*
 * varlink.h - a judge of Varlink interface descriptions, by the grammar on varlink.org
 *
 * Written from the grammar alone.  Beyond it: no name is defined twice, and every type that is
 * named is defined.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_VARLINK_H
#define SPOOLGUARD_TESTS_SUPPORT_VARLINK_H

#include <stdbool.h>

/* NULL: it is one; else what is wrong, and on which line. */
const char *varlink_check(const char *text);
/* What of ("method", "type", "error") with that name is defined; text has to be good. */
bool varlink_defines(const char *text, const char *what, const char *name);

#endif

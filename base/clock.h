/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - time, in units that the names tell
 */
#ifndef SPOOLGUARD_BASE_CLOCK_H
#define SPOOLGUARD_BASE_CLOCK_H

#include "base/macros.h"
#include <stdint.h>

#define CLOCK_RFC3339_BYTES  32
#define CLOCK_DURATION_BYTES 32

uint64_t clock_monotonic_ns(void);
int64_t clock_wall_s(void); /* seconds since 1970 UTC */

/* "2026-11-23T20:22:13Z"; returns buf */
const char *clock_rfc3339(int64_t wall_s, char buf[static CLOCK_RFC3339_BYTES]);

/* "119 s", "119 min", "47 h", "2 d": in the largest unit of which there are two, cut; returns buf
 */
const char *clock_duration(uint64_t seconds, char buf[static CLOCK_DURATION_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include <stdio.h>
#include <time.h>

uint64_t clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t clock_wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

const char *clock_rfc3339(int64_t wall_s, char buf[static CLOCK_RFC3339_BYTES])
{
	time_t seconds = (time_t)wall_s;
	struct tm utc;

	if (!gmtime_r(&seconds, &utc) ||
		strftime(buf, CLOCK_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		snprintf(buf, CLOCK_RFC3339_BYTES, "unknown");
	return buf;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/macros.h"
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

const char *clock_duration(uint64_t seconds, char buf[static CLOCK_DURATION_BYTES])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && seconds < 2 * units[i].seconds)
		i++;
	snprintf(buf, CLOCK_DURATION_BYTES, "%llu %s",
		(unsigned long long)(seconds / units[i].seconds), units[i].name);
	return buf;
}

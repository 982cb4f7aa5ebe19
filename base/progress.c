/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"
#include "base/bytes.h"
#include <inttypes.h>
#include <stdio.h>

bool progress_report(const struct progress_sink *sink, const struct progress *progress)
{
	return sink && sink->report && sink->report(sink->context, progress);
}

const char *progress_line(
	const struct progress *progress, uint64_t elapsed_ns, char *buf, size_t buf_bytes)
{
	double seconds = (double)elapsed_ns / 1e9;
	double rate = seconds > 0 ? (double)progress->done_bytes / seconds : 0;
	uint64_t left_bytes = progress->total_bytes > progress->done_bytes
				      ? progress->total_bytes - progress->done_bytes
				      : 0;
	double percent = progress->total_bytes ? 100.0 * (double)progress->done_bytes /
							 (double)progress->total_bytes
					       : 100;
	uint64_t left_s;
	char size[32];

	bytes_format_size((uint64_t)rate, size, sizeof(size));
	if (rate <= 0) {
		snprintf(buf, buf_bytes, "%s  %.0f %%", progress->what, percent);
		return buf;
	}
	left_s = (uint64_t)((double)left_bytes / rate + 0.5);
	snprintf(buf, buf_bytes, "%s  %.0f %%  %s/s  %" PRIu64 ":%02" PRIu64 " left",
		progress->what, percent, size, left_s / 60, left_s % 60);
	return buf;
}

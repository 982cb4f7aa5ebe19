/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/nagios.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number from text to end, all of it; an empty one is what it is when left out. */
static bool parse_number(const char *text, const char *end, double if_empty, double *ret_number)
{
	char *stop;

	if (text == end) {
		*ret_number = if_empty;
		return true;
	}
	if (strspn(text, "0123456789.-") < (size_t)(end - text))
		return false;
	*ret_number = strtod(text, &stop);
	return stop == end;
}

int nagios_parse_range(const char *text, struct nagios_range *ret_range)
{
	struct nagios_range range = {.set = true, .text = text};
	const char *at = text, *colon, *end = text + strlen(text);

	range.inside = *at == '@';
	at += range.inside;
	colon = strchr(at, ':');
	if (at == end || (colon && at == colon && colon + 1 == end))
		return -EINVAL;
	if (!colon) {
		if (!parse_number(at, end, 0, &range.end))
			return -EINVAL;
	} else if (at[0] == '~' && at + 1 == colon) {
		range.start = -INFINITY;
		if (!parse_number(colon + 1, end, INFINITY, &range.end))
			return -EINVAL;
	} else if (!parse_number(at, colon, 0, &range.start) ||
		   !parse_number(colon + 1, end, INFINITY, &range.end)) {
		return -EINVAL;
	}
	if (range.start > range.end)
		return -EINVAL;
	*ret_range = range;
	return 0;
}

bool nagios_is_alert(const struct nagios_range *range, double value)
{
	bool inside = value >= range->start && value <= range->end;

	return range->set && inside == range->inside;
}

enum nagios_result nagios_judge(
	const struct nagios_range *warning, const struct nagios_range *critical, double value)
{
	if (nagios_is_alert(critical, value))
		return NAGIOS_CRITICAL;
	return nagios_is_alert(warning, value) ? NAGIOS_WARNING : NAGIOS_OK;
}

enum nagios_result nagios_worse(enum nagios_result a, enum nagios_result b)
{
	static const int weights[] = {
		[NAGIOS_OK] = 0, [NAGIOS_WARNING] = 1, [NAGIOS_UNKNOWN] = 2, [NAGIOS_CRITICAL] = 3};

	return weights[a] >= weights[b] ? a : b;
}

const char *nagios_text(enum nagios_result result)
{
	static const char *const texts[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

	assert((size_t)result < ARRAY_SIZE(texts));
	return texts[result];
}

static const char *text_of(const struct nagios_range *range)
{
	return range && range->set ? range->text : "";
}

const char *nagios_format(const struct nagios_datum *datum, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "'%s'=%llu%s;%s;%s;0;", datum->label, datum->value, datum->unit,
		text_of(datum->warning), text_of(datum->critical));
	return buf;
}

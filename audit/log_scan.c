/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_scan.h"
#include <string.h>

#define PREVIOUS_BEGINS ",\"previous\":\""
#define PREVIOUS_ENDS	"\"}"
#define DAY_MS		86400000

/* What is left of a line. */
struct rest {
	const char *at, *end;
};

static bool skip(struct rest *rest, const char *text)
{
	size_t bytes = strlen(text);

	if ((size_t)(rest->end - rest->at) < bytes || memcmp(rest->at, text, bytes) != 0)
		return false;
	rest->at += bytes;
	return true;
}

/* Without zeros before it: a number is written in one way. */
static bool take_number(struct rest *rest, uint64_t *ret_number)
{
	const char *from = rest->at;
	uint64_t number = 0;

	while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9') {
		unsigned int digit = (unsigned int)(*rest->at - '0');

		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
		rest->at++;
	}
	*ret_number = number;
	return rest->at > from && (*from != '0' || rest->at == from + 1);
}

/* Exactly so many digits. */
static bool take_digits(struct rest *rest, unsigned int digits, unsigned int *ret_number)
{
	*ret_number = 0;
	while (digits > 0 && rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9') {
		*ret_number = *ret_number * 10 + (unsigned int)(*rest->at++ - '0');
		digits--;
	}
	return digits == 0;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static int64_t days_of(unsigned int year, unsigned int month, unsigned int day)
{
	unsigned int y = month <= 2 ? year - 1 : year;
	unsigned int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

static bool take_time(struct rest *rest, int64_t *ret_wall_ms)
{
	unsigned int year, month, day, hour, minute, second, ms;

	if (!take_digits(rest, 4, &year) || !skip(rest, "-") || !take_digits(rest, 2, &month) ||
		!skip(rest, "-") || !take_digits(rest, 2, &day) || !skip(rest, "T") ||
		!take_digits(rest, 2, &hour) || !skip(rest, ":") ||
		!take_digits(rest, 2, &minute) || !skip(rest, ":") ||
		!take_digits(rest, 2, &second) || !skip(rest, ".") || !take_digits(rest, 3, &ms) ||
		!skip(rest, "Z"))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
		minute > 59 || second > 60)
		return false;
	*ret_wall_ms = days_of(year, month, day) * DAY_MS +
		       ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms;
	return true;
}

static bool take_of(struct rest *rest, const char *alphabet, size_t bytes, const char **ret_text)
{
	if ((size_t)(rest->end - rest->at) < bytes)
		return false;
	*ret_text = rest->at;
	for (const char *end = rest->at + bytes; rest->at < end; rest->at++) {
		if (*rest->at == '\0' || !strchr(alphabet, *rest->at))
			return false;
	}
	return true;
}

static bool take_event(struct rest *rest, struct log_scan *scan)
{
	const char *end = memchr(rest->at, '"', (size_t)(rest->end - rest->at));

	if (!end)
		return false;
	scan->event = rest->at;
	scan->event_bytes = (size_t)(end - rest->at);
	rest->at = end;
	return true;
}

static bool take_end(const char *line, size_t bytes, const char **ret_previous)
{
	const size_t end_bytes =
		strlen(PREVIOUS_BEGINS) + AUDIT_HEX_BYTES - 1 + strlen(PREVIOUS_ENDS);
	struct rest rest = {line + bytes - end_bytes, line + bytes};

	return bytes > end_bytes && skip(&rest, PREVIOUS_BEGINS) &&
	       take_of(&rest, "0123456789abcdef", AUDIT_HEX_BYTES - 1, ret_previous) &&
	       skip(&rest, PREVIOUS_ENDS);
}

bool log_scan(const char *line, size_t bytes, struct log_scan *ret_scan)
{
	struct rest rest = {line, line + bytes};

	return bytes < AUDIT_LINE_MAX && skip(&rest, "{\"sequence\":") &&
	       take_number(&rest, &ret_scan->sequence) && skip(&rest, ",\"time\":\"") &&
	       take_time(&rest, &ret_scan->wall_ms) && skip(&rest, "\",\"monotonic_ms\":") &&
	       take_number(&rest, &ret_scan->monotonic_ms) && skip(&rest, ",\"boot\":\"") &&
	       take_of(&rest, "0123456789abcdef-", AUDIT_BOOT_BYTES - 1, &ret_scan->boot) &&
	       skip(&rest, "\",\"event\":\"") && take_event(&rest, ret_scan) &&
	       skip(&rest, "\",\"subject\":{") && take_end(line, bytes, &ret_scan->previous);
}

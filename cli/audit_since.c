/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_since.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The beginning of "2026-11-24T09:00:00.000Z", from the day on; a "Z" may stand at its end. */
static bool parse_time(const char *text, char ret_time[static AUDIT_TIME_BYTES])
{
	static const char shape[] = "0000-00-00T00:00:00.000";
	size_t bytes = strlen(text);

	if (bytes > 0 && text[bytes - 1] == 'Z')
		bytes--;
	if (bytes < strlen("2026-11-24") || bytes > strlen(shape))
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	}
	memcpy(ret_time, text, bytes);
	ret_time[bytes] = '\0';
	return true;
}

bool audit_since_parse(const char *text, struct audit_since *ret_since)
{
	struct audit_since since = {.sequence = 0};
	char *end;

	if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text)) {
		errno = 0;
		since.sequence = strtoull(text, &end, 10);
		if (errno != 0)
			return false;
	} else if (!parse_time(text, since.time)) {
		return false;
	}
	*ret_since = since;
	return true;
}

bool audit_since_has(const struct audit_since *since, const struct audit_record *record)
{
	char time[AUDIT_TIME_BYTES];

	return record->stamp.sequence >= since->sequence &&
	       strcmp(audit_time(record->stamp.wall_ms, time), since->time) >= 0;
}

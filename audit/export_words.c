/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/export_words.h"
#include "base/utf8.h"
#include <string.h>

enum audit_severity export_severity(const struct audit_event *event)
{
	const struct audit_event_kind *kind = audit_event_find(event->event);
	bool failed =
		strcmp(event->outcome, "failure") == 0 || strcmp(event->outcome, "denied") == 0;

	if (!kind)
		return AUDIT_NOTICE;
	return failed ? kind->on_failure : kind->severity;
}

void export_words(const struct audit_event *event, char *words, size_t bytes)
{
	const char *const parts[] = {event->event, ": ", event->outcome, event->job ? ", job " : "",
		event->job, event->volume ? ", volume " : "", event->volume,
		event->drive ? ", drive " : "", event->drive, event->detail ? ": " : "",
		event->detail};
	size_t used = 0;

	words[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i] && used < bytes - 1)
			used += strlen(utf8_printable(
				parts[i], strlen(parts[i]), words + used, bytes - used));
	}
}

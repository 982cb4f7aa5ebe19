/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_policy.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

const char *const cups_policy_operations[] = {
	"Restart-Job", "Reprocess-Job", "CUPS-Get-Document", NULL};

const char *const cups_policy_refusal[] = {
	"<Limit Restart-Job Reprocess-Job CUPS-Get-Document>",
	"  AuthType Default",
	"  Require user " CUPS_POLICY_NOBODY,
	"  Order deny,allow",
	"</Limit>",
	NULL,
};

bool cups_policy_begins(const struct cups_directive *directive)
{
	/* One without a name or without its ">" is none for cupsd. */
	return directive->scope == CUPS_TOP && directive->value &&
	       cups_directive_is(directive, "<Policy");
}

/* The next word of a list that white space parts; false: there is none. */
static bool next_word(const char **at, const char **ret_word, size_t *ret_bytes)
{
	while (isspace((unsigned char)**at))
		(*at)++;
	*ret_word = *at;
	while (**at && !isspace((unsigned char)**at))
		(*at)++;
	*ret_bytes = (size_t)(*at - *ret_word);
	return *ret_bytes > 0;
}

static bool is_word(const char *word, size_t bytes, const char *wanted)
{
	return strlen(wanted) == bytes && strncasecmp(word, wanted, bytes) == 0;
}

static bool names(const char *list, const char *wanted)
{
	const char *word;
	size_t bytes;

	while (next_word(&list, &word, &bytes)) {
		if (is_word(word, bytes, wanted))
			return true;
	}
	return false;
}

/* "user @a @b": every name is nobody's; adds how many. */
static bool are_nobody(const char *value, bool has_kind, size_t *count)
{
	const char *word;
	size_t bytes;

	if (has_kind && !next_word(&value, &word, &bytes))
		return false;
	while (next_word(&value, &word, &bytes)) {
		if (!is_word(word, bytes, CUPS_POLICY_NOBODY))
			return false;
		(*count)++;
	}
	return true;
}

/* Y2 */
static bool limit_refuses(const struct cups_conf *conf, unsigned int limit)
{
	size_t nobody = 0;

	for (size_t i = 0; i < conf->count; i++) {
		const struct cups_directive *item = &conf->items[i];
		const char *value = cups_directive_value(item);

		if (item->limit != limit)
			continue;
		if (cups_directive_is(item, "Require") && !are_nobody(value, true, &nobody))
			return false;
		if (cups_directive_is(item, "AuthGroupName") && !are_nobody(value, false, &nobody))
			return false;
		if (cups_directive_is(item, "AuthClass") ||
			(cups_directive_is(item, "Satisfy") && strcasecmp(value, "any") == 0))
			return false;
	}
	return nobody > 0;
}

/* Y1: the first <Limit> in any section of that policy that names the operation; 0: none does. */
static unsigned int find_limit(
	const struct cups_conf *conf, const char *policy, const char *operation)
{
	unsigned int section = 0;

	for (size_t i = 0; i < conf->count; i++) {
		const struct cups_directive *item = &conf->items[i];
		const char *value = cups_directive_value(item);

		if (item->scope == CUPS_TOP)
			section =
				cups_directive_is(item, "<Policy") && strcasecmp(value, policy) == 0
					? item->line
					: 0;
		else if (section && item->section == section && !item->limit &&
			 cups_directive_is(item, "<Limit") && names(value, operation))
			return item->line;
	}
	return 0;
}

static unsigned int find_policy(const struct cups_conf *conf, const char *policy)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct cups_directive *item = &conf->items[i];

		if (cups_policy_begins(item) && strcasecmp(item->value, policy) == 0)
			return item->line;
	}
	return 0;
}

int cups_policy_refuses(const struct cups_conf *conf, const char *policy, const char *operation,
	bool *ret_refuses, unsigned int *ret_line)
{
	unsigned int line = find_policy(conf, policy), limit;

	if (line == 0)
		return -ENOENT;
	limit = find_limit(conf, policy, operation);
	if (limit == 0)
		limit = find_limit(conf, policy, "All");
	*ret_refuses = limit && limit_refuses(conf, limit);
	*ret_line = limit ? limit : line;
	return 0;
}

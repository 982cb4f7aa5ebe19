/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_export.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OURS	"spoolguard"
#define RULESET "ruleset("
#define ACTION	"action("
#define INPUT	"input("

/* Without comments, as rsyslog skips them: "#" to the end of a line that is not in a string. */
static char *without_comments(const char *text)
{
	char *out = malloc(strlen(text) + 1), *to = out;
	bool quoted = false;

	if (!out)
		return NULL;
	for (const char *at = text; *at; at++) {
		if (*at == '"' && (at == text || at[-1] != '\\'))
			quoted = !quoted;
		if (*at == '#' && !quoted) {
			at += strcspn(at, "\n");
			if (!*at)
				break;
		}
		*to++ = *at;
	}
	*to = '\0';
	return out;
}

/* The end of what begins at "(" or "{", or NULL. */
static const char *find_end(const char *at, char open, char close)
{
	unsigned int depth = 0;
	bool quoted = false;

	for (; *at; at++) {
		if (*at == '"' && at[-1] != '\\')
			quoted = !quoted;
		if (quoted)
			continue;
		depth += *at == open;
		if (*at == close && --depth == 0)
			return at;
	}
	return NULL;
}

/* NAME="VALUE" between from and to; names know no case.  False: there is none. */
static bool get_parameter(
	const char *from, const char *to, const char *name, char *ret_value, size_t bytes)
{
	size_t length = strlen(name);

	for (const char *at = from; at + length + 2 < to; at++) {
		const char *value = at + length + 2, *end;

		if (strncasecmp(at, name, length) != 0 || at[length] != '=' ||
			at[length + 1] != '"' || !(isspace((unsigned char)at[-1]) || at[-1] == '('))
			continue;
		end = memchr(value, '"', (size_t)(to - value));
		if (!end || (size_t)(end - value) >= bytes)
			return false;
		memcpy(ret_value, value, (size_t)(end - value));
		ret_value[end - value] = '\0';
		return true;
	}
	return false;
}

static bool is_set_to(const char *from, const char *to, const char *name, const char *wanted)
{
	char value[CHECK_EXPORT_TARGET_BYTES];

	return get_parameter(from, to, name, value, sizeof(value)) &&
	       strcasecmp(value, wanted) == 0;
}

static bool has_parameter(const char *from, const char *to, const char *name)
{
	char value[CHECK_EXPORT_TARGET_BYTES];

	return get_parameter(from, to, name, value, sizeof(value)) && value[0];
}

static bool judge_action(const char *from, const char *to, struct check_export *ret_export)
{
	struct check_export found = {.target = ""};

	if (!is_set_to(from, to, "type", "omfwd") ||
		!get_parameter(from, to, "target", found.target, sizeof(found.target)) ||
		strcmp(found.target, CHECK_EXPORT_EXAMPLE) == 0)
		return false;
	found.tls = is_set_to(from, to, "protocol", "tcp") &&
		    is_set_to(from, to, "StreamDriverMode", "1") &&
		    (is_set_to(from, to, "StreamDriver", "gtls") ||
			    is_set_to(from, to, "StreamDriver", "ossl"));
	found.verifies_peer =
		(is_set_to(from, to, "StreamDriverAuthMode", "x509/name") ||
			is_set_to(from, to, "StreamDriverAuthMode", "x509/fingerprint")) &&
		has_parameter(from, to, "StreamDriverPermittedPeers");
	found.queued = has_parameter(from, to, "queue.filename") &&
		       has_parameter(from, to, "queue.type") &&
		       is_set_to(from, to, "action.resumeRetryCount", "-1");
	*ret_export = found;
	return true;
}

/* The next KIND(...) from at on: what stands between its brackets, and where that ends. */
static const char *next_object(const char *at, const char *kind, const char **ret_end)
{
	const char *found = strstr(at, kind);
	const char *end = found ? find_end(found + strlen(kind) - 1, '(', ')') : NULL;

	if (!end)
		return NULL;
	*ret_end = end;
	return found + strlen(kind);
}

static bool find_action(const char *text, struct check_export *ret_export)
{
	const char *ruleset = text, *head_end, *body, *body_end, *end;

	while ((ruleset = next_object(ruleset, RULESET, &head_end))) {
		bool ours = is_set_to(ruleset, head_end, "name", OURS);

		body = head_end + 1 + strspn(head_end + 1, " \t\n");
		body_end = *body == '{' ? find_end(body, '{', '}') : NULL;
		if (!body_end)
			return false;
		for (const char *action = body;
			ours && (action = next_object(action, ACTION, &end)) && end < body_end;) {
			if (judge_action(action, end, ret_export))
				return true;
		}
		ruleset = body_end;
	}
	return false;
}

/* The socket whose messages go to our ruleset. */
static void find_socket(const char *text, struct check_export *export)
{
	const char *end;

	for (const char *input = text; (input = next_object(input, INPUT, &end));) {
		if (is_set_to(input, end, "type", "imuxsock") &&
			is_set_to(input, end, "ruleset", OURS) &&
			get_parameter(input, end, "socket", export->socket, sizeof(export->socket)))
			return;
	}
}

bool check_export_parse(const char *text, struct check_export *ret_export)
{
	char *plain = without_comments(text);
	bool found = plain && find_action(plain, ret_export);

	if (found)
		find_socket(plain, ret_export);
	free(plain);
	return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/varlink.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX  256
#define NAME_BYTES 64
#define DEPTH_MAX  32

struct parser {
	const char *at;
	unsigned int line, depth;
	const char *fault;
	char defined[NAMES_MAX][NAME_BYTES]; /* "type Job" */
	char used[NAMES_MAX][NAME_BYTES];
	unsigned int defined_count, used_count;
};

static bool fail(struct parser *p, const char *fault)
{
	if (!p->fault)
		p->fault = fault;
	return false;
}

/* White space, ends of lines, comments. */
static void skip(struct parser *p)
{
	for (;; p->at++) {
		if (*p->at == '#')
			p->at += strcspn(p->at, "\n");
		if (*p->at == '\n')
			p->line++;
		else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r')
			return;
	}
}

static bool take(struct parser *p, const char *text)
{
	size_t bytes = strlen(text);

	skip(p);
	if (strncmp(p->at, text, bytes) != 0)
		return false;
	p->at += bytes;
	return true;
}

static bool take_keyword(struct parser *p, const char *word)
{
	const char *before = p->at;

	if (take(p, word) && (isspace((unsigned char)*p->at) || *p->at == '#'))
		return true;
	p->at = before;
	return false;
}

/* [A-Z][A-Za-z0-9]* */
static bool take_name(struct parser *p, char name[static NAME_BYTES])
{
	size_t bytes = 0;

	skip(p);
	if (!isupper((unsigned char)*p->at))
		return fail(p, "a name begins with a capital letter");
	while (isalnum((unsigned char)p->at[bytes]))
		bytes++;
	if (bytes >= NAME_BYTES)
		return fail(p, "a name is too long for this judge");
	snprintf(name, NAME_BYTES, "%.*s", (int)bytes, p->at);
	p->at += bytes;
	return true;
}

/* [A-Za-z](_?[A-Za-z0-9])* */
static bool take_field_name(struct parser *p)
{
	skip(p);
	if (!isalpha((unsigned char)*p->at))
		return fail(p, "a field's name begins with a letter");
	do {
		p->at++;
		if (*p->at == '_' && !isalnum((unsigned char)p->at[1]))
			return fail(p, "an underscore stands between letters or digits");
	} while (isalnum((unsigned char)*p->at) || *p->at == '_');
	return true;
}

static bool take_type(struct parser *p);

/* A struct "(a: int, b: bool)", possibly empty, or an enum "(one, two)". */
static bool take_body(struct parser *p, bool may_be_enum)
{
	bool is_enum = false, first = true;

	if (!take(p, "("))
		return fail(p, "\"(\" is missing");
	if (++p->depth > DEPTH_MAX)
		return fail(p, "too deep for this judge");
	if (take(p, ")")) {
		p->depth--;
		return true;
	}
	do {
		bool typed;

		if (!take_field_name(p))
			return false;
		typed = take(p, ":");
		if (first)
			is_enum = !typed;
		if (is_enum && !may_be_enum)
			return fail(p, "an enum cannot stand here");
		if (typed == is_enum)
			return fail(p, "fields and members of an enum are mixed");
		if (typed && !take_type(p))
			return false;
		first = false;
	} while (take(p, ","));
	p->depth--;
	return take(p, ")") || fail(p, "\")\" is missing");
}

static bool take_element(struct parser *p)
{
	static const char *const basic[] = {"bool", "int", "float", "string", "object"};

	skip(p);
	if (*p->at == '(')
		return take_body(p, true);
	for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++) {
		size_t bytes = strlen(basic[i]);

		if (strncmp(p->at, basic[i], bytes) == 0 && !isalnum((unsigned char)p->at[bytes])) {
			p->at += bytes;
			return true;
		}
	}
	if (p->used_count == NAMES_MAX)
		return fail(p, "too many names for this judge");
	return take_name(p, p->used[p->used_count++]);
}

static bool take_type(struct parser *p)
{
	bool maybe = false;

	for (;;) {
		if (take(p, "?")) {
			if (maybe)
				return fail(p, "\"?\" twice");
			maybe = true;
		} else if (take(p, "[]") || take(p, "[string]")) {
			maybe = false;
		} else {
			return take_element(p);
		}
	}
}

static bool take_interface(struct parser *p)
{
	unsigned int parts = 0;

	if (!take_keyword(p, "interface"))
		return fail(p, "it does not begin with \"interface\"");
	skip(p);
	do {
		if (!isalnum((unsigned char)*p->at) ||
			(parts == 0 && isdigit((unsigned char)*p->at)))
			return fail(p, "the interface's name is none");
		while (isalnum((unsigned char)*p->at) || *p->at == '-')
			p->at++;
		if (p->at[-1] == '-')
			return fail(p, "the interface's name is none");
		parts++;
	} while (*p->at == '.' && p->at++);
	return parts > 1 || fail(p, "the interface's name has one part alone");
}

static bool define(struct parser *p, const char *what)
{
	char name[NAME_BYTES], whole[NAME_BYTES + 8];

	if (!take_name(p, name))
		return false;
	snprintf(whole, sizeof(whole), "%s %s", what, name);
	for (unsigned int i = 0; i < p->defined_count; i++) {
		if (strcmp(strchr(p->defined[i], ' '), strchr(whole, ' ')) == 0)
			return fail(p, "a name is defined twice");
	}
	if (p->defined_count == NAMES_MAX || strlen(whole) >= NAME_BYTES)
		return fail(p, "too many names for this judge");
	memcpy(p->defined[p->defined_count++], whole, strlen(whole) + 1);
	return true;
}

static bool take_member(struct parser *p)
{
	if (take_keyword(p, "type"))
		return define(p, "type") && take_body(p, true);
	if (take_keyword(p, "error"))
		return define(p, "error") && take_body(p, false);
	if (!take_keyword(p, "method"))
		return fail(p, "neither method, type nor error");
	return define(p, "method") && take_body(p, false) &&
	       (take(p, "->") || fail(p, "\"->\" is missing")) && take_body(p, false);
}

static bool is_defined(const struct parser *p, const char *what, const char *name)
{
	char whole[2 * NAME_BYTES];

	snprintf(whole, sizeof(whole), "%s %s", what, name);
	for (unsigned int i = 0; i < p->defined_count; i++) {
		if (strcmp(p->defined[i], whole) == 0)
			return true;
	}
	return false;
}

static void parse(struct parser *p, const char *text)
{
	*p = (struct parser){.at = text, .line = 1};
	if (!take_interface(p))
		return;
	for (skip(p); *p->at && !p->fault; skip(p))
		(void)take_member(p);
	if (!p->fault && p->defined_count == 0)
		fail(p, "it has no member");
	for (unsigned int i = 0; !p->fault && i < p->used_count; i++) {
		if (!is_defined(p, "type", p->used[i]))
			fail(p, p->used[i]);
	}
}

const char *varlink_check(const char *text)
{
	static struct parser p;
	static char line[160];

	parse(&p, text);
	if (!p.fault)
		return NULL;
	snprintf(line, sizeof(line), "line %u: %s", p.line, p.fault);
	return line;
}

bool varlink_defines(const char *text, const char *what, const char *name)
{
	static struct parser p;

	parse(&p, text);
	return is_defined(&p, what, name);
}

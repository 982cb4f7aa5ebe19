/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "pipeline/cups_residue.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int append(struct cups_findings *findings, const struct cups_finding *finding)
{
	if (!finding->file || !finding->value || !finding->detail)
		return -ENOMEM;
	if (findings->count == findings->capacity) {
		size_t more = findings->capacity ? 2 * findings->capacity : 16;
		struct cups_finding *items = reallocarray(findings->items, more, sizeof(*items));

		if (!items)
			return -ENOMEM;
		findings->items = items;
		findings->capacity = more;
	}
	findings->items[findings->count++] = *finding;
	return 0;
}

static void done(struct cups_finding *finding)
{
	free(finding->file);
	free(finding->value);
	free(finding->detail);
}

static int add(struct cups_findings *findings, const char *id,
	const struct cups_finding_source *source, bool is_doubt, char *detail)
{
	struct cups_finding finding = {
		.row = cups_residue_find(id),
		.is_doubt = is_doubt,
		.file = strdup(source->file),
		.line = source->line,
		.value = strdup(source->value ? source->value : ""),
		.detail = detail,
	};
	int r;

	assert(finding.row);
	r = append(findings, &finding);
	if (r < 0)
		done(&finding);
	return r;
}

static format_printf(1, 0) char *format_text(const char *format, va_list arguments)
{
	char *text = NULL;

	return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

int cups_findings_add(struct cups_findings *findings, const char *id,
	const struct cups_finding_source *source, const char *detail, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, detail);
	text = format_text(detail, arguments);
	va_end(arguments);
	return add(findings, id, source, false, text);
}

int cups_findings_doubt(struct cups_findings *findings, const char *id,
	const struct cups_finding_source *source, const char *why, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, why);
	text = format_text(why, arguments);
	va_end(arguments);
	return add(findings, id, source, true, text);
}

void cups_findings_done(struct cups_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		done(&findings->items[i]);
	free(findings->items);
	*findings = (struct cups_findings){.items = NULL};
}

void cups_findings_drop(struct cups_findings *findings, const char *id)
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++) {
		if (strcmp(findings->items[i].row->id, id) == 0)
			done(&findings->items[i]);
		else
			findings->items[kept++] = findings->items[i];
	}
	findings->count = kept;
}

size_t cups_findings_residue(const struct cups_findings *findings)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += !findings->items[i].is_doubt &&
			 findings->items[i].row->severity > CUPS_HINT;
	return count;
}

size_t cups_findings_doubts(const struct cups_findings *findings)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].is_doubt;
	return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric_text.h"
#include <inttypes.h>
#include <string.h>

#define PREFIX "spoolguard_"
#define TOTAL  "_total"

static int family_length(enum metric_text text, const char *name)
{
	size_t length = strlen(name), end = strlen(TOTAL);

	if (text == METRIC_OPENMETRICS && length > end && strcmp(name + length - end, TOTAL) == 0)
		length -= end;
	return (int)length;
}

void metric_text_begin(
	FILE *out, enum metric_text text, const char *name, const char *type, const char *help)
{
	int length = family_length(text, name);

	fprintf(out, "# HELP " PREFIX "%.*s %s\n", length, name, help);
	fprintf(out, "# TYPE " PREFIX "%.*s %s\n", length, name, type);
}

static void put_escaped(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '"' || *value == '\\')
			putc('\\', out);
		putc(*value, out);
	}
}

void metric_text_sample(
	FILE *out, const char *name, const char *label, const char *value, uint64_t number)
{
	fprintf(out, PREFIX "%s", name);
	if (label) {
		fprintf(out, "{%s=\"", label);
		put_escaped(out, value);
		fputs("\"}", out);
	}
	fprintf(out, " %" PRIu64 "\n", number);
}

void metric_text_add(FILE *out, enum metric_text text, const char *name, const char *type,
	const char *help, uint64_t number)
{
	metric_text_begin(out, text, name, type, help);
	metric_text_sample(out, name, NULL, "", number);
}

void metric_text_end(FILE *out, enum metric_text text)
{
	if (text == METRIC_OPENMETRICS)
		fputs("# EOF\n", out);
}

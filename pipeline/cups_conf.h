/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_conf.h - cupsd.conf, cups-files.conf and printers.conf, read as cupsd reads them
 *
 * The lines are taken apart by the very function of libcups that cupsd calls
 * (cupsFileGetConf): comments, "\#", white space, "<Section value>".  What is added here is
 * where each directive stands, and which one counts: cupsd takes the last one at the top level
 * whose value it understands.
 *
 *   <Policy default>                 <- CUPS_TOP, name "<Policy", value "default"
 *     JobPrivateAccess default       <- CUPS_IN_SECTION, section: line of <Policy
 *     <Limit All>                    <- CUPS_IN_SECTION, name "<Limit"
 *       Order deny,allow             <- CUPS_IN_LIMIT, limit: line of <Limit
 *
 * Line numbers count from 1, as cupsd's messages and editors do.  Names are compared without
 * regard to case.
 *
 * Errors: -EINVAL: cupsd would not read it as it looks (a section that is not closed, a line
 * longer than its buffer, a NUL); -EFBIG; -ENOMEM.  Threads: none is shared.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_CONF_H
#define SPOOLGUARD_PIPELINE_CUPS_CONF_H

#include "base/problem.h"
#include <stdbool.h>
#include <stddef.h>

#define CUPS_CONF_BYTES_MAX (4u << 20)
#define CUPS_LINE_BYTES_MAX 2046u /* cupsd's buffer has 2048: a longer line is two for it */

enum cups_scope {
	CUPS_TOP,
	CUPS_IN_SECTION,
	CUPS_IN_LIMIT, /* of a <Policy> */
};

struct cups_directive {
	unsigned int line;
	enum cups_scope scope;
	unsigned int section; /* line of the <...> that it stands in; 0 at the top level */
	unsigned int limit;   /* line of the <Limit ...> that it stands in; 0: in none */
	char *name;	      /* as written: "LogLevel", "<Policy", "</Policy>" */
	char *value;	      /* NULL: there is none */
};

struct cups_conf {
	struct cups_directive *items; /* owned, in the order of the file */
	size_t count, capacity;
	unsigned int lines; /* of the file */
};

/* file: how the text is called in the line that a user reads. */
must_check int cups_conf_parse(const char *file, const char *text, size_t bytes,
	struct cups_conf *ret_conf, struct problem *reterr_problem);
void cups_conf_done(struct cups_conf *conf);

bool cups_directive_is(const struct cups_directive *directive, const char *name);
/* The value, or "". */
const char *cups_directive_value(const struct cups_directive *directive);

/*
 * The directive of that name that counts: the last at the top level whose value (NULL becomes "")
 * cupsd accepts.  accepts NULL: any.  NULL: none, cupsd's own default is in force.
 */
const struct cups_directive *cups_conf_find(
	const struct cups_conf *conf, const char *name, bool (*accepts)(const char *value));

/* --- values, as cupsd's parse_variable() takes them; false: it would not --- */

#define CUPS_TIME_FOREVER 2147483647.0 /* "Yes" for PreserveJobFiles and PreserveJobHistory */

/* "90", "1.5h", "2w"; preserve: "yes" and the like are for ever. */
bool cups_value_time(const char *value, bool preserve, double *ret_seconds);
/* "500", "1k", "0x10". */
bool cups_value_integer(const char *value, long *ret_number);
bool cups_value_boolean(const char *value, bool *ret_truth);
/* From none (0) to debug2 (9). */
bool cups_value_log_level(const char *value, int *ret_level);
#define CUPS_LOG_WARN 5

#endif

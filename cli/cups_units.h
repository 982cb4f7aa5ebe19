/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_units.h - the two systemd files that tie cups.service to the mount of its spool
 *
 *   ROOT/etc/systemd/system/cups.service.d/50-spoolguard.conf
 *   ROOT/etc/systemd/system/var-spool-cups.mount       (named after RequestRoot)
 *
 * Made from the templates that packaging ships, with RequestRoot in the place of /var/spool/cups.
 *
 *   W1  They are installed only when the spool lies on a volume: cups bound to a mount that nobody
 *       makes would not start.
 *   W2  A file of that name that is not as we write it is the administrator's: it is left, and said
 *       to be; taking out removes those lines of it that are ours.
 */
#ifndef SPOOLGUARD_CLI_CUPS_UNITS_H
#define SPOOLGUARD_CLI_CUPS_UNITS_H

#include "cli/cups_context.h"

#define CUPS_UNITS 2

enum cups_unit_state {
	CUPS_UNIT_MISSING,
	CUPS_UNIT_AS_WRITTEN,
	CUPS_UNIT_CHANGED, /* W2 */
};

struct cups_unit {
	char path[PATH_MAX];
	struct cups_text text; /* as we write it */
	enum cups_unit_state state;
	bool has_ours; /* some line of it says something and is ours */
};

struct cups_units {
	struct cups_unit items[CUPS_UNITS];
	size_t count;	     /* 0: they are not wanted here */
	const char *why_not; /* in words, if count is 0 */
};

/* wanted: for apply (W1); else for revert.  -EPERM, -ENAMETOOLONG, what reading says. */
must_check int cups_units_look(const struct cups_context *context, bool wanted,
	struct cups_units *ret_units, struct problem *reterr_problem);
void cups_units_done(struct cups_units *units);
/* Of which taking out would leave less. */
size_t cups_units_with_ours(const struct cups_units *units);
size_t cups_units_in_state(const struct cups_units *units, enum cups_unit_state state);

/* Those that are missing. */
must_check int cups_units_install(const struct cups_context *context, struct cups_units *units,
	struct problem *reterr_problem);
/* ret_removed: files removed or rid of our lines. */
must_check int cups_units_take_out(const struct cups_context *context, struct cups_units *units,
	size_t *ret_removed, struct problem *reterr_problem);

/* "/var/spool/cups" -> "var-spool-cups", as systemd-escape --path has it.  Pure.  -ENAMETOOLONG. */
must_check int cups_unit_escape(const char *path, char *ret_name, size_t bytes);

#endif

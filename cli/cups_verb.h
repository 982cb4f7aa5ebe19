/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_verb.h - the sub-commands of "spoolguard cups", a file each; each returns an enum cli_exit
 */
#ifndef SPOOLGUARD_CLI_CUPS_VERB_H
#define SPOOLGUARD_CLI_CUPS_VERB_H

#include "cli/cups_context.h"

int cups_check(const struct cups_options *options);
int cups_apply(const struct cups_options *options);
int cups_revert(const struct cups_options *options);
int cups_migrate(const struct cups_options *options);

/* Everything that is looked at; -ENOMEM, and what cups_context_open() says. */
must_check int cups_find_residue(
	const struct cups_context *context, struct cups_findings *ret_findings);

#endif

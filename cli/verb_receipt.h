/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_receipt.h - what the files of the verb "receipt" share: one file a sub-command
 */
#ifndef SPOOLGUARD_CLI_VERB_RECEIPT_H
#define SPOOLGUARD_CLI_VERB_RECEIPT_H

#include "cli/cli.h"

/* Each is run with the sub-command's name in argv[0], and returns an enum cli_exit. */
int receipt_show(int argc, char **argv);
int receipt_verify(int argc, char **argv);

/* Returns CLI_USAGE. */
int receipt_usage(const char *format, ...) format_printf(1, 2);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_receipt.c - "spoolguard receipt": signed receipts of jobs, shown, taken out, verified
 */
#include "cli/verb_receipt.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"show", receipt_show},
	{"verify", receipt_verify},
};

int receipt_usage(const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return cli_usage_error(&cli_verb_receipt, "%s", text);
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	if (argc > 1)
		return receipt_usage("there is no \"receipt %s\"", argv[1]);
	return receipt_usage("say what: show or verify");
}

const struct cli_verb cli_verb_receipt = {
	.name = "receipt",
	.summary = "signed receipts of retired jobs: shown, taken out, verified",
	.usage =
		"usage: spoolguard receipt show [--source SOURCE] [--output FILE] [--json] "
		"JOB|FILE\n"
		"       spoolguard receipt verify --trust FILE [--job SOURCE/ID] [--log "
		"DIRECTORY]\n"
		"                                 [--position FILE] [--signature FILE] [--json] "
		"FILE\n\n"
		"show: what a receipt says: of a job, from the service, or of a file, "
		"unverified.\n\n"
		"  --source SOURCE    where the job came from (call, cups, watch:NAME), if its id "
		"is\n"
		"                     not unique\n"
		"  --output FILE      writes the receipt to FILE and its signature to "
		"FILE.minisig,\n"
		"                     byte by byte as it was signed\n\n"
		"verify: is it this device's, unchanged, of that job, and does its audit log know "
		"of\n"
		"it?  It needs no service, no network and no clock.  Without this program: \n"
		"minisign -V -p TRUST -m FILE.\n\n"
		"  --trust FILE       what \"spoolguard key public\" wrote at enrolment; no key "
		"is\n"
		"                     believed that comes with the receipt\n"
		"  --job SOURCE/ID    the job that it is shown for: another's is refused\n"
		"  --log DIRECTORY    the device's audit log, or a copy: it is verified, and must "
		"have\n"
		"                     the record that the receipt stands on, and one that names "
		"it\n"
		"  --position FILE    the device's \"audit-position\" (without it: the one beside\n"
		"                     DIRECTORY, if there is one)\n"
		"  --signature FILE   instead of FILE.minisig\n\n"
		"Exit code: 0 it is good, 1 it is not, 3 it cannot be told, or there is no "
		"trust.\n",
	.run = run,
};

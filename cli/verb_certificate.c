/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_certificate.c - "spoolguard certificate": of a drive's sanitization, shown, verified, drawn,
 * handed over
 */
#include "cli/verb_certificate.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"show", certificate_show},
	{"verify", certificate_verify},
	{"render", certificate_render_verb},
	{"handover", certificate_handover},
};

int certificate_usage(const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return cli_usage_error(&cli_verb_certificate, "%s", text);
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	if (argc > 1)
		return certificate_usage("there is no \"certificate %s\"", argv[1]);
	return certificate_usage("say what: show, verify, render or handover");
}

const struct cli_verb cli_verb_certificate = {
	.name = "certificate",
	.summary = "certificates of sanitization: shown, verified, printed, handed over",
	.usage =
		"usage: spoolguard certificate show [--json] FILE\n"
		"       spoolguard certificate verify --trust FILE [--signature FILE] [--log "
		"DIRECTORY]\n"
		"                                     [--position FILE] [--holders FILE] [--json] "
		"FILE\n"
		"       spoolguard certificate render [--trust FILE] [--signature FILE] [--output "
		"FILE.pdf]\n"
		"                                     [--json] FILE\n"
		"       spoolguard certificate handover --sign KEY --to NAME [--organization "
		"TEXT]\n"
		"                                     [--location TEXT] [--note TEXT] "
		"[--passphrase-file FILE]\n"
		"                                     [--json] FILE\n\n"
		"Needs neither the device nor the service.  Without this program:\n"
		"minisign -V -p TRUST -m FILE.\n\n"
		"show: what a certificate says, unverified.\n\n"
		"verify: is it signed by the trusted key and unchanged, does it agree with itself, "
		"is\n"
		"its verdict no better than what it says was done, and does the audit log know of "
		"it?\n\n"
		"  --trust FILE       what \"spoolguard key public\" wrote at enrolment, or the "
		"public\n"
		"                     key of the workbench; no key is believed that comes with "
		"the\n"
		"                     certificate\n"
		"  --signature FILE   instead of FILE.minisig\n"
		"  --log DIRECTORY    the audit log, or a copy: it is verified, and must have the\n"
		"                     record that the certificate stands on, and one that names "
		"it\n"
		"  --position FILE    the \"audit-position\" of that log (without it: the one "
		"beside\n"
		"                     DIRECTORY, if there is one)\n"
		"  --holders FILE     public keys of those who had the drive, each behind its "
		"comment "
		"line:\n"
		"                     the records of FILE.custody must be theirs, unbroken from "
		"the\n"
		"                     certificate on\n\n"
		"render: the same on one page, as a PDF.\n\n"
		"  --trust FILE       as above; without it the page says across itself that it was "
		"not\n"
		"                     verified\n"
		"  --output FILE.pdf  without it: FILE.pdf, beside the certificate\n\n"
		"handover: adds a record to FILE.custody that the drive went to its next holder: "
		"asset\n"
		"number, serial, from, to, time, digests of the certificate and of the record "
		"before.\n\n"
		"  --sign KEY         the next holder's own secret key, as minisign -G makes it\n"
		"  --to NAME          the next holder; --organization, --location, --note: as they "
		"are\n\n"
		"Exit code: 0 it is good, or done; 1 it is not; 3 it cannot be told, or there is "
		"no\n"
		"trust.\n",
	.run = run,
};

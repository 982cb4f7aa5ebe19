/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_audit.c - "spoolguard audit": the audit log, read and verified without the service
 */
#include "cli/verb_audit.h"
#include "supervisor/config.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"show", audit_show},
	{"verify", audit_verify},
	{"export", audit_export},
	{"match", audit_match},
	{"record", audit_record},
	{"set-aside", audit_set_aside},
};

int audit_usage(const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return cli_usage_error(&cli_verb_audit, "%s", text);
}

int audit_state_directory(char **ret_directory, struct problem *reterr_problem)
{
	struct config *config = calloc(1, sizeof(*config));
	int r;

	if (!config)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	r = config_read(CONFIG_PATH_DEFAULT, config, reterr_problem);
	if (r >= 0)
		*ret_directory = strdup(config->state_directory);
	free(config);
	if (r >= 0 && !*ret_directory)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	return r;
}

int audit_log_directory(const char *given, char **ret_directory, struct problem *reterr_problem)
{
	char *state, *directory;
	int r;

	if (given) {
		*ret_directory = strdup(given);
		return *ret_directory ? 0 : problem_set(reterr_problem, -ENOMEM, "out of memory");
	}
	r = audit_state_directory(&state, reterr_problem);
	if (r < 0)
		return r;
	r = asprintf(&directory, "%s/audit", state);
	free(state);
	if (r < 0)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	*ret_directory = directory;
	return 0;
}

static int run(int argc, char **argv)
{
	if (argc < 2)
		return audit_usage("say what: show, verify, export, match, record or set-aside");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	return audit_usage("there is no \"audit %s\"", argv[1]);
}

const struct cli_verb cli_verb_audit = {
	.name = "audit",
	.summary = "the audit log: shown, verified, exported, searched for a name",
	.usage =
		"usage: spoolguard audit show [--since NUMBER|TIME] [--event NAME] [--job ID]\n"
		"                             [--follow] [--json] [DIRECTORY]\n"
		"       spoolguard audit verify --trust FILE [--position FILE] [--json] "
		"[DIRECTORY]\n"
		"       spoolguard audit export --format FORMAT [--output PATH] [--since "
		"NUMBER|TIME]\n"
		"                               [DIRECTORY]\n"
		"       spoolguard audit match --user NAME|--title NAME [--state-directory "
		"DIRECTORY]\n"
		"                              [--json]\n"
		"       spoolguard audit record EVENT [--outcome OUTCOME] [--user NAME]\n"
		"                               [--origin WHERE] [--detail TEXT] | --pam\n"
		"       spoolguard audit set-aside\n\n"
		"The audit log is read where it lies, without the service.  DIRECTORY is the "
		"log's,\n"
		"or a copy of it; without it that of the service's state directory.\n\n"
		"Show prints records, oldest first: number, time, event, what it was about, how "
		"it\n"
		"went, and who was its subject.  It judges nothing; \"audit verify\" does.\n\n"
		"  --since NUMBER  from that record on\n"
		"  --since TIME    from that time on (UTC), such as 2026-11-24 or "
		"2026-11-24T09:00Z\n"
		"  --event NAME    only such events, such as job-retired\n"
		"  --job ID        only what is about that job: SOURCE/NUMBER, or its number\n"
		"  --follow        goes on with what comes, until it is interrupted; with --json a "
		"line\n"
		"                  for each record, as it stands in the log\n"
		"  --json          one object, its records as they stand in the log\n\n"
		"Verify says whether the log is what the device wrote, all of it, and nothing "
		"else, "
		"and\n"
		"names the place of what is not.  It needs neither a clock nor a network, and "
		"believes no\n"
		"key that comes with the log.  docs/EVIDENCE.md shows how to do it with other "
		"tools.\n\n"
		"  --trust FILE     what \"spoolguard key public\" printed when the device was "
		"enrolled\n"
		"  --position FILE  the device's \"audit-position\", by which a cut end shows "
		"(without "
		"it:\n"
		"                   the one beside DIRECTORY, if there is one)\n\n"
		"Export writes the log as others read it; docs/EXPORTING.md has examples.\n\n"
		"  --format json         the log itself, copied into the new directory PATH so "
		"that it\n"
		"                        verifies elsewhere: \"audit verify --trust FILE "
		"PATH/audit\"\n"
		"  --format rfc5424      syslog messages, one a line; --output unix:SOCKET sends "
		"each\n"
		"                        to a socket, such as one of rsyslog, and waits for room "
		"there\n"
		"  --format csv          the ten columns that printer vendors export\n"
		"  --format sqlite       an SQLite file PATH: tables events and jobs\n"
		"  --format openmetrics  what the log holds, counted\n"
		"  --output PATH         a file, which is replaced when the new one is whole\n\n"
		"Match prints the keyed digest under which a name stands in the log and in "
		"receipts of this\n"
		"device, and the records that have it.  It needs the device's key for names, so "
		"root.\n\n"
		"  --user NAME              a user's name; \"-\" reads it from standard input\n"
		"  --title NAME             a job's title, likewise\n"
		"  --state-directory DIRECTORY  the service's, if not that of its configuration\n\n"
		"Record has the service write what happened outside of it (an administrator's "
		"right):\n"
		"authenticated, authentication-failed, login-limit, session-failed, role-changed,\n"
		"time-changed, management.  docs/EVENTS.md shows how the host does it by "
		"itself.\n\n"
		"  --outcome OUTCOME  success, failure or denied; else as the event's name says\n"
		"  --user NAME        who, or was said to be; only a keyed digest of it is kept\n"
		"  --origin WHERE     from where, such as an address\n"
		"  --detail TEXT      one line, without names of people and jobs\n"
		"  --pam              user, origin and service as pam_exec(8) hands them over\n\n"
		"Set-aside renames a log that does not fit, or is full, and begins a new one, "
		"whose\n"
		"first record has the digest of the old one.  The new log has a new root: whoever\n"
		"verifies needs \"spoolguard key public\" again.\n\n"
		"Exit code: 0 shown, written, good or found; 1 there are lines that are no "
		"records, or\n"
		"findings, or no record has that name; 2 usage; 3 the log cannot be read (who is "
		"not\n"
		"root needs the group of the auditors), or there is no key to trust.\n",
	.run = run,
};

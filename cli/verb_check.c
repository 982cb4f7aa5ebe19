/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_check.c - "spoolguard check": which technical controls are met here, and what would mend
 * the others
 */
#include "cli/check.h"
#include "cli/check_residue.h"
#include "cli/cli.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* --- the report's forms; each gives a text to free() --- */

static char *as_text_of_object(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *line = NULL;

	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	json_object_put(object);
	return line;
}

static char *render_text(const struct compliance_report *report, bool all)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool failed;

	if (!out)
		return NULL;
	check_text_print(out, report, all);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

static char *render_json(const struct compliance_report *report, bool all)
{
	struct json_object *object;

	(void)all;
	return compliance_json(report, &object) < 0 ? NULL : as_text_of_object(object);
}

static char *render_oscal(const struct compliance_report *report, bool all)
{
	struct json_object *object;

	(void)all;
	return compliance_oscal(report, &object) < 0 ? NULL : as_text_of_object(object);
}

static char *render_html(const struct compliance_report *report, bool all)
{
	char *text;

	(void)all;
	return compliance_html(report, &text) < 0 ? NULL : text;
}

struct form {
	const char *option; /* NULL: text */
	char *(*render)(const struct compliance_report *report, bool all);
};

static const struct form forms[] = {
	{NULL, render_text},
	{"json", render_json},
	{"oscal", render_oscal},
	{"html", render_html},
};

/* --- the command line --- */

enum {
	OPTION_FORM = 'f',
};

static const struct option long_options[] = {
	{"profile", required_argument, NULL, 'p'},
	{"json", no_argument, NULL, OPTION_FORM},
	{"oscal", no_argument, NULL, OPTION_FORM},
	{"html", no_argument, NULL, OPTION_FORM},
	{"output", required_argument, NULL, 'o'},
	{"trust", required_argument, NULL, 't'},
	{"config", required_argument, NULL, 'c'},
	{"cups-config", required_argument, NULL, 'C'},
	{"host-root", required_argument, NULL, 'r'},
	{"all", no_argument, NULL, 'a'},
	{NULL, 0, NULL, 0},
};

static const struct form *find_form(const char *option)
{
	for (size_t i = 1; i < ARRAY_SIZE(forms); i++) {
		if (strcmp(forms[i].option, option) == 0)
			return &forms[i];
	}
	return &forms[0];
}

static bool is_profile(const char *name)
{
	for (size_t i = 0; compliance_profiles[i].name; i++) {
		if (strcmp(compliance_profiles[i].name, name) == 0)
			return true;
	}
	return false;
}

static int parse_option(
	int option, int index, struct check_options *options, const struct form **form)
{
	switch (option) {
	case 'p':
		options->profile = optarg;
		if (is_profile(optarg))
			return CLI_YES;
		return cli_usage_error(&cli_verb_check, "there is no profile \"%s\"", optarg);
	case OPTION_FORM:
		*form = find_form(long_options[index].name);
		return CLI_YES;
	case 'o':
		options->output = optarg;
		return CLI_YES;
	case 't':
		options->trust = optarg;
		return CLI_YES;
	case 'c':
		options->config = optarg;
		return CLI_YES;
	case 'C':
		options->cups_config = optarg;
		return CLI_YES;
	case 'r':
		options->host_root = optarg;
		return CLI_YES;
	case 'a':
		options->all = true;
		return CLI_YES;
	default:
		return cli_usage_error(&cli_verb_check, "an option is unknown or lacks its value");
	}
}

/* --- the verb --- */

static int write_report(const struct check_options *options, const char *text)
{
	struct problem problem = {""};
	FILE *out = options->output ? fopen(options->output, "we") : stdout;
	bool failed;

	if (!out)
		return problem_set(&problem, -errno, "%s cannot be written: %s", options->output,
			       strerror(errno)),
		       cli_fail(&problem, -errno);
	failed = fputs(text, out) < 0;
	if (options->output)
		failed |= fclose(out) != 0;
	else
		failed |= fflush(out) != 0;
	if (!failed)
		return CLI_YES;
	problem_set(&problem, -EIO, "the report could not be written whole to %s",
		options->output ? options->output : "standard output");
	return cli_fail(&problem, -EIO);
}

static enum cli_exit judge(const struct compliance_report *report)
{
	if (report->not_met > 0)
		return CLI_NO;
	return report->cannot_tell > 0 || report->count == 0 ? CLI_CANNOT_TELL : CLI_YES;
}

static int check(const struct check_options *options, const struct form *form)
{
	struct compliance_report report;
	struct json_object *facts;
	struct problem problem = {""};
	enum cli_exit code;
	char *text;
	int r;

	r = check_facts_gather(options, &facts, &problem);
	if (r >= 0) {
		r = compliance_judge(facts, options->profile, &report);
		json_object_put(facts);
	}
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	code = judge(&report);
	text = form->render(&report, options->all);
	compliance_report_done(&report);
	if (!text) {
		(void)cli_fail(&problem, -ENOMEM);
		return CLI_CANNOT_TELL;
	}
	if (write_report(options, text) != CLI_YES)
		code = CLI_CANNOT_TELL;
	free(text);
	return code;
}

/* Checks of their own: "spoolguard check NAME ..."; argv[0] is the name. */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} checks[] = {
	{"residue", check_residue}, {NULL, NULL}, /* the last */
};

static int run(int argc, char **argv)
{
	struct check_options options = {.profile = "all"};
	const struct form *form = &forms[0];
	int option, index, r;

	for (size_t i = 0; argc > 1 && checks[i].name; i++) {
		if (strcmp(argv[1], checks[i].name) == 0)
			return checks[i].run(argc - 1, argv + 1);
	}
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		r = parse_option(option, index, &options, &form);
		if (r != CLI_YES)
			return r;
	}
	if (optind != argc)
		return cli_usage_error(
			&cli_verb_check, "there is nothing to check called \"%s\"", argv[optind]);
	return check(&options, form);
}

const struct cli_verb cli_verb_check = {
	.name = "check",
	.summary = "which technical controls are met here, and what would mend the others",
	.usage =
		"usage: spoolguard check [--profile NAME] [--json|--oscal|--html] [--output FILE] "
		"[--all]\n"
		"                        [--trust FILE] [--config FILE] [--cups-config "
		"FILE]\n" CHECK_RESIDUE_SYNOPSIS "\n"
		"Looks at this machine as it is now, changes nothing, and says of each technical\n"
		"control whether it is met, not met, or cannot be told, with what was seen and "
		"the\n"
		"step that would mend it.  \"Met\" is this device's technical part, and no more: "
		"what\n"
		"people must still show is told with --all.\n\n"
		"It asks the service when it runs, and looks by itself otherwise; much can be seen "
		"by\n"
		"root alone.\n\n"
		"  --profile NAME      all, hcd, sp800-88, iso27001, hipaa, pci-dss, gdpr, or ward "
		"(short)\n"
		"  --all               evidence of every control, and what a person must show\n"
		"  --output FILE       write the report there\n"
		"  --trust FILE        what was enrolled, to verify the audit log by; else the\n"
		"                      device's own copy, and the report says so\n"
		"  --config FILE       the service's configuration\n"
		"  --cups-config FILE  default /etc/cups/cupsd.conf\n"
		"  --host-root DIR     look for etc/, proc/ and sys/ there\n"
		"  --json              one object, schema spoolguard.check/1\n"
		"  --oscal             OSCAL assessment results (JSON, model 1.2.0)\n"
		"  --html              one page, for a telephone, a desk or paper\n\n"
		"Exit code: 0 all met, 1 some not met, 3 none is not met, but some cannot be "
		"told.\n\n" CHECK_RESIDUE_USAGE,
	.run = run,
};

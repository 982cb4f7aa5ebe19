/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_render.c - "spoolguard certificate render": the page, of verified bytes; or it says
 * across itself that they were not
 *
 * JSON: {"schema":"spoolguard.certificate-render/1","file":...,"pdf":...,"sha256":...,
 *        "verified":bool}
 */
#include "cli/output_file.h"
#include "cli/verb_certificate.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	const char *file, *trust, *signature, *output;
	char beside[PATH_MAX];
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"trust", required_argument, NULL, 't'},
		{"signature", required_argument, NULL, 's'},
		{"output", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option, n;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return certificate_usage("\"%s\" means nothing to \"certificate render\", "
						 "or lacks its value",
				cli_typed_option(argv));
		if (option == 'j')
			arguments->json = true;
		else
			*(option == 't'		? &arguments->trust
				: option == 's' ? &arguments->signature
						: &arguments->output) = optarg;
	}
	if (optind != argc - 1)
		return certificate_usage("name one certificate's file");
	arguments->file = argv[optind];
	n = snprintf(arguments->beside, sizeof(arguments->beside), "%s.pdf", arguments->file);
	if (n < 0 || n >= (int)sizeof(arguments->beside))
		return certificate_usage("%.200s...: %s", arguments->file, strerror(ENAMETOOLONG));
	if (!arguments->output)
		arguments->output = arguments->beside;
	return CLI_YES;
}

static int draw(const struct arguments *arguments, const struct trust *trust,
	const struct certificate_file *file, struct problem *problem)
{
	size_t bytes;
	char *pdf;
	int r;

	/* What does not agree with itself gets no page that looks as if it did. */
	r = trust ? certificate_check(file->object, problem) : 0;
	if (r >= 0)
		r = certificate_render(file->object, file->sha256, trust ? &trust->device : NULL,
			&pdf, &bytes, problem);
	if (r < 0)
		return r;
	r = output_file_write(arguments->output, pdf, bytes, problem);
	free(pdf);
	return r;
}

static void say(const struct arguments *arguments, bool verified, const char *sha256)
{
	struct json_object *object;

	if (!arguments->json) {
		printf("%s: %s\n", cli_shown(arguments->output),
			verified ? "of the verified certificate"
				 : "NOT VERIFIED, and says so; give --trust FILE");
		return;
	}
	object = cli_json("certificate-render");
	cli_add_string(object, "file", arguments->file);
	cli_add_string(object, "pdf", arguments->output);
	cli_add_string(object, "sha256", sha256);
	cli_add_bool(object, "verified", verified);
	cli_print_json(object);
}

int certificate_render_verb(int argc, char **argv)
{
	struct arguments arguments = {.file = NULL};
	struct certificate_file file;
	struct problem problem = {""};
	struct trust trust;
	int code, r = 0;

	code = parse(argc, argv, &arguments);
	if (code != CLI_YES)
		return code;
	if (arguments.trust)
		r = trust_read(arguments.trust, &trust, &problem);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	r = certificate_file_read(arguments.file, arguments.signature,
		arguments.trust ? &trust : NULL, &file, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = draw(&arguments, arguments.trust ? &trust : NULL, &file, &problem);
	if (r >= 0)
		say(&arguments, arguments.trust != NULL, file.sha256);
	certificate_file_done(&file);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

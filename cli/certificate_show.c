/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_show.c - "spoolguard certificate show"
 *
 * JSON: {"schema":"spoolguard.certificate-show/1","file":...,"sha256":...,"verified":false,
 *        "certificate":{...}}
 */
#include "cli/verb_certificate.h"
#include <getopt.h>
#include <stdio.h>

int certificate_show(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct certificate_file file;
	struct problem problem = {""};
	struct json_object *object;
	bool json = false;
	int option, r;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return certificate_usage("\"%s\" means nothing to \"certificate show\"",
				cli_typed_option(argv));
		json = true;
	}
	if (optind != argc - 1)
		return certificate_usage("name one certificate's file");
	r = certificate_file_read(argv[optind], NULL, NULL, &file, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	if (json) {
		object = cli_json("certificate-show");
		cli_add_string(object, "file", argv[optind]);
		cli_add_string(object, "sha256", file.sha256);
		cli_add_bool(object, "verified", false);
		json_object_object_add(object, "certificate", json_object_get(file.object));
		cli_print_json(object);
	} else {
		r = certificate_print(file.object, &problem);
		if (r >= 0)
			printf("not verified here: \"spoolguard certificate verify\" does that\n");
	}
	certificate_file_done(&file);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

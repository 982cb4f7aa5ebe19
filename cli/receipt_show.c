/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt_show.c - "spoolguard receipt show": of a job, from the service, or of a file
 *
 * JSON: {"schema":"spoolguard.receipt-show/1","document":"the signed text","signature":"...",
 *        "receipt":{...}}
 */
#include "audit/document.h"
#include "cli/output_file.h"
#include "cli/receipt_print.h"
#include "cli/service_client.h"
#include "cli/verb_receipt.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct arguments {
	const char *what, *source, *output;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"source", required_argument, NULL, 's'},
		{"output", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return receipt_usage(
				"\"%s\" means nothing to \"receipt show\", or lacks its value",
				argv[optind - 1]);
		if (option == 'j')
			arguments->json = true;
		else
			*(option == 's' ? &arguments->source : &arguments->output) = optarg;
	}
	if (optind != argc - 1)
		return receipt_usage("name one job's id, or one receipt's file");
	arguments->what = argv[optind];
	return CLI_YES;
}

/* --- where it comes from --- */

static bool is_file(const struct arguments *arguments)
{
	struct stat st;

	return !arguments->source && stat(arguments->what, &st) == 0 && S_ISREG(st.st_mode);
}

static int take_answer(struct json_object *answer, const char *id, struct document *ret_document,
	struct problem *reterr_problem)
{
	struct json_object *job = json_object_object_get(answer, "job");
	struct document document = {.text = NULL};

	if (!json_object_object_get(job, "document"))
		return problem_set(reterr_problem, -ENODATA,
			"job %.200s is %s, and has no signed receipt%s%.200s", id,
			service_client_text(job, "state"),
			service_client_text(job, "why")[0] ? ": " : "",
			service_client_text(job, "why"));
	document.text = strdup(service_client_text(job, "document"));
	document.signature = strdup(service_client_text(job, "signature"));
	if (!document.text || !document.signature) {
		document_done(&document);
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	}
	document.bytes = strlen(document.text);
	document.signature_bytes = strlen(document.signature);
	*ret_document = document;
	return 0;
}

static int ask_service(const struct arguments *arguments, struct document *ret_document,
	struct problem *reterr_problem)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *parameters, *answer;
	int r;

	r = service_client_open(&client, reterr_problem);
	if (r == -ESRCH)
		return problem_set(reterr_problem, r,
			"%.200s is no file, and no service answers that could know such a job; "
			"start spoolguardd",
			arguments->what);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	cli_add_string(parameters, "id", arguments->what);
	if (arguments->source)
		cli_add_string(parameters, "source", arguments->source);
	r = service_client_call(client, "JobShow", parameters, &answer, reterr_problem);
	if (r < 0)
		return r;
	r = take_answer(answer, arguments->what, ret_document, reterr_problem);
	json_object_put(answer);
	return r;
}

/* --- what is done with it --- */

static int write_out(
	const char *path, const struct document *document, struct problem *reterr_problem)
{
	char beside[PATH_MAX];
	int n = snprintf(beside, sizeof(beside), "%s.minisig", path), r;

	if (n < 0 || n >= (int)sizeof(beside))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%.200s...: %s", path,
			strerror(ENAMETOOLONG));
	/* Who finds the receipt finds its signature. */
	r = output_file_write(
		beside, document->signature, document->signature_bytes, reterr_problem);
	if (r >= 0)
		r = output_file_write(path, document->text, document->bytes, reterr_problem);
	return r;
}

static int print(const struct arguments *arguments, const struct document *document)
{
	char *text = strndup(document->text, document->bytes);
	struct json_object *receipt = text ? json_tokener_parse(text) : NULL, *object;
	char *signature = strndup(document->signature, document->signature_bytes);
	bool is_one = json_object_is_type(receipt, json_type_object);

	if (is_one && arguments->json) {
		object = cli_json("receipt-show");
		cli_add_string(object, "document", text);
		cli_add_string(object, "signature", signature ? signature : "");
		json_object_object_add(object, "receipt", json_object_get(receipt));
		cli_print_json(object);
	} else if (is_one) {
		receipt_print_signed(receipt);
		printf("  not verified here: \"spoolguard receipt verify\" does that\n");
	}
	json_object_put(receipt);
	free(text);
	free(signature);
	return is_one ? 0 : -EINVAL;
}

int receipt_show(int argc, char **argv)
{
	struct arguments arguments = {.what = NULL};
	struct document document = {.text = NULL};
	struct problem problem = {""};
	int code, r;

	code = parse(argc, argv, &arguments);
	if (code != CLI_YES)
		return code;
	r = is_file(&arguments) ? document_load(arguments.what, NULL, &document, &problem)
				: ask_service(&arguments, &document, &problem);
	if (r >= 0 && arguments.output)
		r = write_out(arguments.output, &document, &problem);
	if (r >= 0 && print(&arguments, &document) < 0)
		r = problem_set(&problem, -EINVAL, "%.200s: it is no receipt", arguments.what);
	document_done(&document);
	if (r < 0)
		(void)cli_fail(&problem, r);
	return r >= 0 ? CLI_YES : r == -ESRCH ? CLI_CANNOT_TELL : CLI_NO;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt_verify.c - "spoolguard receipt verify"
 *
 * JSON: {"schema":"spoolguard.receipt-verify/1","file":...,"result":"good"|"not good"|"cannot
 * tell", "why":"one line","device":FINGERPRINT,"log_checked":bool,"record":N,
 *        "root_enrolled":bool,"receipt":{...}}; the last four only where they are known.
 */
#include "audit/receipt_check.h"
#include "cli/receipt_print.h"
#include "cli/verb_receipt.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	const char *file, *signature, *trust, *job, *log, *position;
	char source[64];
	bool json;
};

static int take_job(struct arguments *arguments)
{
	const char *slash = arguments->job ? strchr(arguments->job, '/') : NULL;
	size_t bytes = slash ? (size_t)(slash - arguments->job) : 0;

	if (!arguments->job)
		return CLI_YES;
	if (bytes == 0 || bytes >= sizeof(arguments->source) || slash[1] == '\0')
		return receipt_usage("--job %s: give SOURCE/ID, such as cups/17", arguments->job);
	memcpy(arguments->source, arguments->job, bytes);
	arguments->source[bytes] = '\0';
	arguments->job = slash + 1;
	return CLI_YES;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"trust", required_argument, NULL, 't'},
		{"job", required_argument, NULL, 'i'},
		{"log", required_argument, NULL, 'l'},
		{"position", required_argument, NULL, 'p'},
		{"signature", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	const char **const texts[] = {
		['t'] = &arguments->trust,
		['i'] = &arguments->job,
		['l'] = &arguments->log,
		['p'] = &arguments->position,
		['s'] = &arguments->signature,
	};

	if (!cli_read_texts(argc, argv, options, texts, &arguments->json))
		return receipt_usage("\"%s\" means nothing to \"receipt verify\", or lacks "
				     "its value",
			argv[optind - 1]);
	if (optind != argc - 1)
		return receipt_usage("name one receipt's file");
	if (arguments->position && !arguments->log)
		return receipt_usage("--position goes with --log");
	arguments->file = argv[optind];
	return take_job(arguments);
}

/* --- what is said --- */

static const char *result_of(int r)
{
	return r >= 0 ? "good" : r == -EBADMSG ? "not good" : "cannot tell";
}

static void print_json(const struct arguments *arguments, const struct trust *trust, int r,
	const struct problem *problem, const struct receipt_found *found)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES];
	struct json_object *object = cli_json("receipt-verify");

	cli_add_string(object, "file", arguments->file);
	cli_add_string(object, "result", result_of(r));
	cli_add_string(object, "why", r < 0 ? problem_text(problem, r) : "");
	if (trust && minisign_fingerprint(&trust->device, fingerprint) >= 0)
		cli_add_string(object, "device", fingerprint);
	cli_add_bool(object, "log_checked", r >= 0 && found->record > 0);
	if (r >= 0 && found->record > 0) {
		cli_add_u64(object, "record", found->record);
		cli_add_bool(object, "root_enrolled", found->root_enrolled);
	}
	if (r >= 0)
		json_object_object_add(object, "receipt", json_object_get(found->receipt));
	cli_print_json(object);
}

static void print_good(const struct arguments *arguments, const struct trust *trust,
	const struct receipt_found *found)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES] = "?";

	(void)!minisign_fingerprint(&trust->device, fingerprint);
	printf("%s: good, signed by the device %.16s...\n", cli_shown(arguments->file),
		fingerprint);
	receipt_print_signed(found->receipt);
	if (found->record == 0)
		printf("  audit log: not looked at (--log DIRECTORY)\n");
	else
		printf("  audit log: verified; record %" PRIu64 " names this receipt%s\n",
			found->record,
			found->root_enrolled ? ""
					     : "; the log's root is vouched for by the device's key"
					       " alone");
}

static int say(const struct arguments *arguments, const struct trust *trust, int r,
	const struct problem *problem, const struct receipt_found *found)
{
	if (arguments->json)
		print_json(arguments, trust, r, problem, found);
	else if (r >= 0)
		print_good(arguments, trust, found);
	else
		(void)cli_fail(problem, r);
	return r >= 0 ? CLI_YES : r == -EBADMSG ? CLI_NO : CLI_CANNOT_TELL;
}

/* The line begins with the file's name. */
static int check(const struct arguments *arguments, const struct trust *trust,
	struct receipt_found *found, struct problem *problem)
{
	const struct receipt_check wanted = {
		.trusted = trust,
		.source = arguments->job ? arguments->source : NULL,
		.id = arguments->job,
		.log = arguments->log,
		.position_path = arguments->position,
	};
	struct document document = {.text = NULL};
	struct problem why = {""};
	int r;

	r = document_load(arguments->file, arguments->signature, &document, problem);
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	r = receipt_check(&wanted, &document, found, &why);
	document_done(&document);
	if (r < 0)
		(void)problem_set(
			problem, r, "%.200s: %.500s", arguments->file, problem_text(&why, r));
	return r;
}

int receipt_verify(int argc, char **argv)
{
	struct arguments arguments = {.file = NULL};
	struct receipt_found found = {.receipt = NULL};
	struct problem problem = {""};
	struct trust trust;
	int code, r;

	code = parse(argc, argv, &arguments);
	if (code != CLI_YES)
		return code;
	if (!arguments.trust) {
		(void)problem_set(&problem, -ENOKEY,
			"no key to believe: give --trust FILE, what \"spoolguard key public\" "
			"wrote "
			"when the device was enrolled");
		return say(&arguments, NULL, -ENOKEY, &problem, &found);
	}
	r = trust_read(arguments.trust, &trust, &problem);
	if (r < 0)
		return say(&arguments, NULL, r == -EBADMSG ? -EIO : r, &problem, &found);
	r = check(&arguments, &trust, &found, &problem);
	code = say(&arguments, &trust, r, &problem, &found);
	receipt_found_done(&found);
	return code;
}

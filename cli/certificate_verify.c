/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_verify.c - "spoolguard certificate verify"
 *
 * JSON: {"schema":"spoolguard.certificate-verify/1","file":...,"result":"good"|"not good"|"cannot
 * tell","why":"one line","signer":FINGERPRINT,"sha256":...,"verdict":...,"serial":...,
 *        "log_checked":bool,"record":N,"root_enrolled":bool,"handovers":N,"holder":...}; only what
 * is known.
 */
#include "audit/log_cites.h"
#include "cli/service_client.h"
#include "cli/verb_certificate.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct arguments {
	const char *file, *signature, *trust, *log, *position, *holders;
	bool json;
};

struct found {
	struct certificate_file file;
	uint64_t record; /* of the log, that names it; 0: none was asked for */
	bool root_enrolled;
	struct custody_report custody;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"trust", required_argument, NULL, 't'},
		{"log", required_argument, NULL, 'l'},
		{"position", required_argument, NULL, 'p'},
		{"signature", required_argument, NULL, 's'},
		{"holders", required_argument, NULL, 'h'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	const char **const texts[] = {
		['t'] = &arguments->trust,
		['l'] = &arguments->log,
		['p'] = &arguments->position,
		['s'] = &arguments->signature,
		['h'] = &arguments->holders,
	};

	if (!cli_read_texts(argc, argv, options, texts, &arguments->json))
		return certificate_usage("\"%s\" means nothing to \"certificate verify\", "
					 "or lacks its value",
			cli_typed_option(argv));
	if (optind != argc - 1)
		return certificate_usage("name one certificate's file");
	if (arguments->position && !arguments->log)
		return certificate_usage("--position goes with --log");
	arguments->file = argv[optind];
	return CLI_YES;
}

/* --- the log --- */

static int names(void *context, const struct audit_record *record, struct problem *reterr_problem)
{
	const struct certificate_file *file = context;
	const char *sha256 = service_client_text(record->event.data, "certificate_sha256");
	const char *id = service_client_text(record->event.data, "id");

	if (strcmp(record->event.event, "decommission") != 0 || !sha256[0])
		return 0;
	if (strcmp(sha256, file->sha256) == 0)
		return strcmp(record->event.outcome, "success") == 0;
	if (strcmp(id, service_client_text(file->object, "certificate")) == 0)
		return problem_set(reterr_problem, -EBADMSG,
			"record %" PRIu64 " of the log names this certificate with another digest",
			record->stamp.sequence);
	return 0;
}

static int check_log(const struct arguments *arguments, const struct trust *trust,
	struct found *found, struct problem *problem)
{
	struct json_object *logs = json_object_object_get(found->file.object, "log");
	struct json_object *log = json_object_object_get(logs, "after");
	struct log_cites cites = {
		.what = "certificate",
		.names = names,
		.context = &found->file,
		.record = "decommission",
	};

	if (!log)
		return problem_set(
			problem, -ENODATA, "it was made without an audit log, and stands on none");
	cites.log = service_client_text(log, "id");
	cites.sha256 = service_client_text(log, "sha256");
	cites.sequence = service_client_number(log, "sequence");
	return log_cites(&cites, arguments->log, arguments->position, trust, &found->record,
		&found->root_enrolled, problem);
}

/* --- all --- */

static int is_not_good(int r)
{
	return r == -ENOKEY || r == -EINVAL || r == -EFBIG ? -EBADMSG : r;
}

static int check(const struct arguments *arguments, const struct trust *trust, struct found *found,
	struct problem *problem)
{
	struct problem why = {""};
	int r;

	r = certificate_file_read(
		arguments->file, arguments->signature, trust, &found->file, problem);
	if (r < 0)
		return is_not_good(r);
	r = certificate_check(found->file.object, &why);
	if (r >= 0 && arguments->log)
		r = check_log(arguments, trust, found, &why);
	if (r < 0)
		return problem_set(
			problem, r, "%.200s: %.500s", arguments->file, problem_text(&why, r));
	return arguments->holders ? certificate_custody_check(arguments->file, arguments->holders,
					    &found->file, &found->custody, problem)
				  : 0;
}

static const char *result_of(int r)
{
	return r >= 0 ? "good" : r == -EBADMSG ? "not good" : "cannot tell";
}

static void print_json(const struct arguments *arguments, const struct trust *trust, int r,
	const struct problem *problem, const struct found *found)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES];
	struct json_object *object = cli_json("certificate-verify");

	cli_add_string(object, "file", arguments->file);
	cli_add_string(object, "result", result_of(r));
	cli_add_string(object, "why", r < 0 ? problem_text(problem, r) : "");
	if (trust && minisign_fingerprint(&trust->device, fingerprint) >= 0)
		cli_add_string(object, "signer", fingerprint);
	cli_add_bool(object, "log_checked", r >= 0 && found->record > 0);
	if (r >= 0) {
		cli_add_string(object, "sha256", found->file.sha256);
		cli_add_string(object, "verdict",
			service_client_text(
				json_object_object_get(found->file.object, "verdict"), "reached"));
		cli_add_string(object, "serial",
			service_client_text(
				json_object_object_get(found->file.object, "media"), "serial"));
	}
	if (r >= 0 && arguments->holders) {
		cli_add_u64(object, "handovers", found->custody.count);
		cli_add_string(object, "holder", found->custody.holder);
	}
	if (r >= 0 && found->record > 0) {
		cli_add_u64(object, "record", found->record);
		cli_add_bool(object, "root_enrolled", found->root_enrolled);
	}
	cli_print_json(object);
}

static void print_good(
	const struct arguments *arguments, const struct trust *trust, const struct found *found)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES] = "?";

	(void)!minisign_fingerprint(&trust->device, fingerprint);
	printf("%s: good, signed by %.16s..., and no better than what it says was done\n",
		cli_shown(arguments->file), fingerprint);
	(void)!certificate_print(found->file.object, NULL);
	printf("SHA-256 %s\n", found->file.sha256);
	if (found->record == 0)
		printf("audit log: not looked at (--log DIRECTORY)\n");
	else
		printf("audit log: verified; record %" PRIu64 " names this certificate%s\n",
			found->record,
			found->root_enrolled ? ""
					     : "; the log's root is vouched for by the device's key"
					       " alone");
	if (arguments->holders)
		printf("custody: %u hand-overs, unbroken; now with %s\n", found->custody.count,
			cli_shown(found->custody.holder));
	else
		printf("custody: not looked at (--holders FILE)\n");
}

static int say(const struct arguments *arguments, const struct trust *trust, int r,
	const struct problem *problem, const struct found *found)
{
	if (arguments->json)
		print_json(arguments, trust, r, problem, found);
	else if (r >= 0)
		print_good(arguments, trust, found);
	else
		(void)cli_fail(problem, r);
	return r >= 0 ? CLI_YES : r == -EBADMSG ? CLI_NO : CLI_CANNOT_TELL;
}

int certificate_verify(int argc, char **argv)
{
	struct arguments arguments = {.file = NULL};
	struct found found = {.record = 0};
	struct problem problem = {""};
	struct trust trust;
	int code, r;

	code = parse(argc, argv, &arguments);
	if (code != CLI_YES)
		return code;
	if (!arguments.trust) {
		(void)problem_set(&problem, -ENOKEY,
			"no key to believe: give --trust FILE, what \"spoolguard key public\" "
			"wrote when the device was enrolled");
		return say(&arguments, NULL, -ENOKEY, &problem, &found);
	}
	r = trust_read(arguments.trust, &trust, &problem);
	if (r < 0)
		return say(&arguments, NULL, r == -EBADMSG ? -EIO : r, &problem, &found);
	r = check(&arguments, &trust, &found, &problem);
	code = say(&arguments, &trust, r, &problem, &found);
	certificate_file_done(&found.file);
	return code;
}

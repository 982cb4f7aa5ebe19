/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_handover.c - "spoolguard certificate handover": a record that the drive went to its
 * next holder, signed by that one's own key, behind those that there are
 *
 * JSON: {"schema":"spoolguard.certificate-handover/1","file":...,"custody":...,"number":N,"to":...}
 */
#include "base/clock.h"
#include "base/io.h"
#include "cli/output_file.h"
#include "cli/verb_certificate.h"
#include "crypto/minisign_secret.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	const char *file, *sign, *passphrase;
	struct custody_handover handover;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"sign", required_argument, NULL, 's'},
		{"to", required_argument, NULL, 't'},
		{"organization", required_argument, NULL, 'o'},
		{"location", required_argument, NULL, 'l'},
		{"note", required_argument, NULL, 'n'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	const char **const texts[] = {
		['s'] = &arguments->sign,
		['t'] = &arguments->handover.to,
		['o'] = &arguments->handover.organization,
		['l'] = &arguments->handover.location,
		['n'] = &arguments->handover.note,
		['p'] = &arguments->passphrase,
	};

	if (!cli_read_texts(argc, argv, options, texts, &arguments->json))
		return certificate_usage("\"%s\" means nothing to \"certificate "
					 "handover\", or lacks its value",
			cli_typed_option(argv));
	if (optind != argc - 1)
		return certificate_usage("name one certificate's file");
	if (!arguments->sign || !arguments->handover.to || !arguments->handover.to[0])
		return certificate_usage(
			"a hand-over wants --sign KEY, the next holder's, and --to NAME");
	if (strlen(arguments->handover.to) >= RECORD_TEXT_BYTES)
		return certificate_usage("--to: a name of less than %d bytes", RECORD_TEXT_BYTES);
	arguments->file = argv[optind];
	arguments->handover.wall_s = clock_wall_s();
	return CLI_YES;
}

static int open_key(const struct arguments *arguments, struct secret **ret_seed,
	struct minisign_key *ret_key, struct problem *problem)
{
	_cleanup_secret_ struct secret *text = NULL, *passphrase = NULL;
	_cleanup_close_ int fd = open(arguments->sign, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return problem_set(problem, -errno, "key %s cannot be opened: %s", arguments->sign,
			strerror(errno));
	r = secret_read_fd(fd, MINISIGN_TEXT_MAX, &text);
	if (r >= 0 && minisign_secret_is_encrypted(text))
		r = cli_read_passphrase(arguments->passphrase, "passphrase of the key", false,
			&passphrase, problem);
	else if (r < 0)
		return problem_set(
			problem, r, "key %s cannot be read: %s", arguments->sign, strerror(-r));
	if (r < 0)
		return r;
	r = minisign_secret_decode(text, passphrase, ret_seed, ret_key);
	if (r < 0)
		return problem_set(problem, r, "key %s: %s", arguments->sign,
			r == -EPERM    ? "the passphrase is wrong, or the file is damaged"
			: r == -EINVAL ? "it is no secret key of minisign's"
				       : strerror(-r));
	return 0;
}

static int sign(const struct arguments *arguments, const struct custody_drive *drive,
	const struct custody_report *after, char **ret_line, struct problem *problem)
{
	_cleanup_secret_ struct secret *seed = NULL;
	_cleanup_free_ char *statement = NULL, *signature = NULL;
	struct minisign_key key;
	int r = open_key(arguments, &seed, &key, problem);

	if (r < 0)
		return r;
	r = custody_statement(drive, after, &arguments->handover, &key, &statement);
	if (r >= 0)
		r = minisign_sign(seed, &key, statement, strlen(statement),
			"spoolguard " CUSTODY_SCHEMA "/1", &signature);
	if (r >= 0)
		r = custody_line(statement, signature, ret_line);
	return r < 0 ? problem_set(problem, r, "the record cannot be signed: %s", strerror(-r)) : 0;
}

/* The whole chain anew, and held against itself before it takes the old one's place. */
static int append(const struct arguments *arguments, const struct custody_drive *drive,
	const char *chain, size_t bytes, const char *line, struct problem *problem)
{
	_cleanup_free_ char *whole = malloc(bytes + strlen(line));
	struct custody_report report;
	char path[PATH_MAX];
	int r = certificate_custody_path(arguments->file, path, sizeof(path), problem);

	if (r < 0)
		return r;
	if (!whole)
		return problem_set(problem, -ENOMEM, "not enough memory");
	memcpy(whole, chain ? chain : "", bytes);
	memcpy(whole + bytes, line, strlen(line));
	r = custody_verify(whole, bytes + strlen(line), drive, NULL, 0, &report, problem);
	return r < 0 ? r : output_file_write(path, whole, bytes + strlen(line), problem);
}

static int hand_over(const struct arguments *arguments, const struct certificate_file *file,
	struct custody_report *after, struct problem *problem)
{
	const struct custody_drive drive = {file->object, file->sha256};
	_cleanup_free_ char *chain = NULL, *line = NULL;
	size_t bytes = 0;
	int r = certificate_custody_load(arguments->file, &chain, &bytes, problem);

	*after = (struct custody_report){.count = 0};
	if (r >= 0)
		r = custody_verify(chain, bytes, &drive, NULL, 0, after, problem);
	if (r < 0 && r != -ENOENT)
		return r;
	r = sign(arguments, &drive, after, &line, problem);
	return r < 0 ? r : append(arguments, &drive, chain, bytes, line, problem);
}

static void say(const struct arguments *arguments, uint32_t number)
{
	struct json_object *object;
	char path[PATH_MAX];

	if (certificate_custody_path(arguments->file, path, sizeof(path), NULL) < 0)
		return;
	if (!arguments->json) {
		printf("%s: record %u, to %s\n", cli_shown(path), number,
			cli_shown(arguments->handover.to));
		return;
	}
	object = cli_json("certificate-handover");
	cli_add_string(object, "file", arguments->file);
	cli_add_string(object, "custody", path);
	cli_add_u64(object, "number", number);
	cli_add_string(object, "to", arguments->handover.to);
	cli_print_json(object);
}

int certificate_handover(int argc, char **argv)
{
	struct arguments arguments = {.file = NULL};
	struct certificate_file file;
	struct custody_report after;
	struct problem problem = {""};
	int code = parse(argc, argv, &arguments), r;

	if (code != CLI_YES)
		return code;
	r = certificate_file_read(arguments.file, NULL, NULL, &file, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = hand_over(&arguments, &file, &after, &problem);
	if (r >= 0)
		say(&arguments, after.count + 1);
	certificate_file_done(&file);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

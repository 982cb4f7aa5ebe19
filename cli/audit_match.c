/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_match.c - "spoolguard audit match": under which digest a name stands, and where
 *
 * JSON: {"schema":"spoolguard.audit-match/1","kind":"user","digest":...,"records":[...]}; the
 * records are the log's own lines, byte for byte.
 */
#include "audit/log_reader.h"
#include "base/io.h"
#include "cli/verb_audit.h"
#include "keystore/device_keys.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 4096

struct arguments {
	const char *label, *name, *state;
	bool json;
	char read_name[NAME_BYTES];
};

/* --- the command line --- */

/* A name on the command line can be read by whoever is on this machine: "-" takes it from standard
 * input. */
static bool take_name(struct arguments *arguments, const char *label, const char *name)
{
	if (arguments->name)
		return false;
	arguments->label = label;
	arguments->name = name;
	if (strcmp(name, "-") == 0) {
		if (!fgets(arguments->read_name, sizeof(arguments->read_name), stdin))
			return false;
		arguments->read_name[strcspn(arguments->read_name, "\n")] = '\0';
		arguments->name = arguments->read_name;
	}
	return arguments->name[0] != '\0';
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"user", required_argument, NULL, 'u'},
		{"title", required_argument, NULL, 't'},
		{"state-directory", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return audit_usage("an option is unknown or lacks its value");
		if ((option == 'u' || option == 't') &&
			!take_name(arguments, option == 'u' ? "user" : "title", optarg))
			return audit_usage("give one name, which is not empty");
		if (option == 's')
			arguments->state = optarg;
		arguments->json |= option == 'j';
	}
	if (!arguments->name)
		return audit_usage("give --user NAME or --title NAME");
	return optind == argc ? CLI_YES : audit_usage("there is nothing to name but that");
}

/* --- the search --- */

static int get_digest(const struct arguments *arguments, const char *state,
	char ret_digest[static DEVICE_KEYS_DIGEST_BYTES], struct problem *reterr_problem)
{
	struct device_keys *keys;
	int r;

	r = device_keys_open(state, false, &keys, NULL, reterr_problem);
	if (r == -EACCES || r == -EPERM)
		return problem_set(reterr_problem, r,
			"names are found by a key of this device, which root alone may read: run "
			"as root");
	if (r < 0)
		return r;
	r = device_keys_name_digest(keys, arguments->label, arguments->name, ret_digest);
	device_keys_free(keys);
	return r < 0 ? problem_set(reterr_problem, r, "the name has no digest: %s", strerror(-r))
		     : 0;
}

static void print_match(
	const struct arguments *arguments, const char *line, size_t bytes, uint64_t matches)
{
	if (arguments->json && matches > 0)
		putchar(',');
	fwrite(line, 1, bytes, stdout);
	if (!arguments->json)
		putchar('\n');
}

/* Each line that has the digest. */
static int search(const struct arguments *arguments, struct log_reader *reader, const char *digest,
	uint64_t *ret_matches)
{
	struct audit_record record;
	uint64_t matches = 0;
	int r;

	while ((r = log_reader_next(reader, &record)) != 0) {
		const char *line;
		size_t bytes;

		if (r < 0 && r != -EBADMSG)
			return r;
		line = log_reader_line(reader, &bytes);
		if (memmem(line, bytes, digest, strlen(digest)))
			print_match(arguments, line, bytes, matches++);
		if (r > 0)
			audit_record_done(&record);
	}
	*ret_matches = matches;
	return 0;
}

static int match(
	const struct arguments *arguments, const char *state, struct problem *reterr_problem)
{
	char digest[DEVICE_KEYS_DIGEST_BYTES];
	_cleanup_free_ char *directory = NULL;
	struct log_reader *reader;
	uint64_t matches = 0;
	int r;

	r = get_digest(arguments, state, digest, reterr_problem);
	if (r < 0)
		return r;
	if (asprintf(&directory, "%s/audit", state) < 0) {
		directory = NULL;
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	}
	r = log_reader_open(directory, 0, &reader, reterr_problem);
	if (r < 0)
		return r;
	if (arguments->json)
		printf("{\"schema\":\"spoolguard.audit-match/1\",\"kind\":\"%s\",\"digest\":\"%s\","
		       "\"records\":[",
			arguments->label, digest);
	else
		printf("%s\n", digest);
	r = search(arguments, reader, digest, &matches);
	if (arguments->json)
		printf("]}\n");
	log_reader_free(reader);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s", directory, strerror(-r));
	return matches > 0 ? CLI_YES : CLI_NO;
}

int audit_match(int argc, char **argv)
{
	struct arguments arguments = {.name = NULL};
	_cleanup_free_ char *state = NULL;
	struct problem problem = {""};
	int r;

	r = parse(argc, argv, &arguments);
	if (r != CLI_YES)
		return r;
	r = arguments.state ? 0 : audit_state_directory(&state, &problem);
	if (r >= 0)
		r = match(&arguments, state ? state : arguments.state, &problem);
	if (r >= 0)
		return r;
	(void)cli_fail(&problem, r);
	return CLI_CANNOT_TELL;
}

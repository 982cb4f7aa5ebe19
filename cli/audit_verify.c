/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_verify.c - "spoolguard audit verify": the verdict on a log, in words and as JSON
 *
 * JSON: {"schema":"spoolguard.audit-verify/1","good":BOOL,"log":UUID,"root_enrolled":BOOL,
 *  "records":N,"first_sequence":N,"last_sequence":N,"segments":N,"closed_segments":N,
 *  "dropped_segments":N,"signed_up_to":N,"position_known":BOOL,"clock_steps":N,"torn_bytes":N,
 *  "last_sha256":...,"more_findings":BOOL,
 *  "findings":[{"kind":...,"segment":N,"line":N,"sequence":N,"text":...},...]}
 */
#include "audit/log_verify.h"
#include "base/io.h"
#include "cli/verb_audit.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	const char *directory, *trust, *position;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"trust", required_argument, NULL, 't'},
		{"position", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't')
			arguments->trust = optarg;
		else if (option == 'p')
			arguments->position = optarg;
		else if (option == 'j')
			arguments->json = true;
		else
			return audit_usage("an option is unknown or lacks its value");
	}
	if (optind < argc - 1)
		return audit_usage("name one directory");
	arguments->directory = optind < argc ? argv[optind] : NULL;
	return CLI_YES;
}

/* --- in words --- */

static void print_finding(const struct log_finding *finding)
{
	if (finding->segment > 0)
		printf("segment %" PRIu64, finding->segment);
	else
		printf("log");
	if (finding->line > 0)
		printf(", line %" PRIu64, finding->line);
	if (finding->sequence > 0)
		printf(", record %" PRIu64, finding->sequence);
	printf(": %s: %s\n", log_finding_name(finding->kind), cli_shown(finding->text));
}

static void print_reach(const struct log_verdict *verdict)
{
	uint64_t chained = verdict->last_sequence > verdict->signed_up_to
				   ? verdict->last_sequence - verdict->signed_up_to
				   : 0;

	if (verdict->signed_up_to > 0)
		printf("signatures reach record %" PRIu64, verdict->signed_up_to);
	else
		printf("no segment is signed yet");
	if (chained > 0)
		printf("; the %" PRIu64 " records behind are chained, not signed", chained);
	printf("\n");
}

static void print_text(const struct log_verdict *verdict)
{
	for (size_t i = 0; i < verdict->count; i++)
		print_finding(&verdict->findings[i]);
	if (verdict->more)
		printf("there are more findings than these\n");
	printf("log %s: %" PRIu64 " records, %" PRIu64 " to %" PRIu64 "; %" PRIu64
	       " segments, %" PRIu64 " closed, %" PRIu64 " dropped\n",
		verdict->log[0] ? verdict->log : "unknown", verdict->records,
		verdict->first_sequence, verdict->last_sequence, verdict->segments,
		verdict->closed_segments, verdict->dropped_segments);
	print_reach(verdict);
	printf("root: %s\n",
		verdict->root_enrolled
			? "the key that was enrolled"
			: "not enrolled; only the device's key vouches for the log's beginning");
	printf("audit-position: %s\n",
		verdict->position_known ? "at hand" : "not at hand; a cut end would not show");
	if (verdict->torn_bytes > 0)
		printf("a line of %" PRIu64
		       " bytes was not finished, as a crash leaves it; its record was never "
		       "acknowledged\n",
			verdict->torn_bytes);
	if (verdict->clock_steps > 0)
		printf("clock: set %" PRIu64 " times by more than a second\n",
			verdict->clock_steps);
	printf("%s\n", verdict->good ? "good" : "NOT GOOD");
}

/* --- JSON --- */

static struct json_object *findings_json(const struct log_verdict *verdict)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < verdict->count; i++) {
		const struct log_finding *finding = &verdict->findings[i];
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "kind", log_finding_name(finding->kind));
		cli_add_u64(object, "segment", finding->segment);
		cli_add_u64(object, "line", finding->line);
		cli_add_u64(object, "sequence", finding->sequence);
		cli_add_string(object, "text", finding->text);
		json_object_array_add(all, object);
	}
	return all;
}

static void print_json(const struct log_verdict *verdict)
{
	struct json_object *object = cli_json("audit-verify");

	cli_add_bool(object, "good", verdict->good);
	cli_add_string(object, "log", verdict->log);
	cli_add_bool(object, "root_enrolled", verdict->root_enrolled);
	cli_add_u64(object, "records", verdict->records);
	cli_add_u64(object, "first_sequence", verdict->first_sequence);
	cli_add_u64(object, "last_sequence", verdict->last_sequence);
	cli_add_u64(object, "segments", verdict->segments);
	cli_add_u64(object, "closed_segments", verdict->closed_segments);
	cli_add_u64(object, "dropped_segments", verdict->dropped_segments);
	cli_add_u64(object, "signed_up_to", verdict->signed_up_to);
	cli_add_bool(object, "position_known", verdict->position_known);
	cli_add_u64(object, "clock_steps", verdict->clock_steps);
	cli_add_u64(object, "torn_bytes", verdict->torn_bytes);
	cli_add_string(object, "last_sha256", verdict->last_sha256);
	cli_add_bool(object, "more_findings", verdict->more);
	json_object_object_add(object, "findings", findings_json(verdict));
	cli_print_json(object);
}

static int cannot_tell(const struct problem *problem, int error)
{
	(void)cli_fail(problem, error);
	return CLI_CANNOT_TELL;
}

int audit_verify(int argc, char **argv)
{
	struct arguments arguments = {.directory = NULL};
	_cleanup_free_ char *directory = NULL;
	struct problem problem = {""};
	struct log_verdict verdict;
	struct trust trust;
	bool good;
	int r;

	r = parse(argc, argv, &arguments);
	if (r != CLI_YES)
		return r;
	if (!arguments.trust) {
		r = problem_set(&problem, -ENOKEY,
			"a log is verified by a key that comes from elsewhere: give --trust FILE, "
			"what \"spoolguard key public\" printed when this device was enrolled");
		return cannot_tell(&problem, r);
	}
	r = trust_read(arguments.trust, &trust, &problem);
	if (r >= 0)
		r = audit_log_directory(arguments.directory, &directory, &problem);
	if (r >= 0)
		r = log_verify(directory, arguments.position, &trust, &verdict, &problem);
	if (r < 0)
		return cannot_tell(&problem, r);
	if (arguments.json)
		print_json(&verdict);
	else
		print_text(&verdict);
	good = verdict.good;
	log_verdict_done(&verdict);
	return good ? CLI_YES : CLI_NO;
}

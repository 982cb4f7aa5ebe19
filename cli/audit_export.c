/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_export.c - "spoolguard audit export": the log in the formats that others read
 */
#include "cli/audit_export.h"
#include "audit/export_counts.h"
#include "audit/export_csv.h"
#include "audit/export_mirror.h"
#include "audit/log_format.h"
#include "audit/log_listing.h"
#include "audit/log_reader.h"
#include "base/io.h"
#include "cli/audit_since.h"
#include "cli/verb_audit.h"
#include "supervisor/config.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct export
{
	struct export_target target;
	struct export_source source;
	char host[256], log[AUDIT_BOOT_BYTES], device_uuid[64];
	struct export_counts *counts;
	struct export_mirror *mirror;
	uint64_t bad_lines;
};

struct format {
	const char *name;
	bool is_text;	 /* it may go to standard output */
	bool is_message; /* it may go to a socket */
	int (*begin)(struct export *export, struct problem *reterr_problem); /* NULL: nothing */
	int (*add)(struct export *export, const struct audit_record *record);
	int (*end)(struct export *export); /* NULL: nothing */
};

/* --- formats --- */

static int add_rfc5424(struct export *export, const struct audit_record *record)
{
	char text[EXPORT_RFC5424_MAX + 1];
	size_t bytes = export_rfc5424(record, &export->source, text);

	return export_target_put(&export->target, text, bytes);
}

static int put_text(struct export *export, const char *text)
{
	return fputs(text, export->target.out) == EOF ? -errno : 0;
}

static int begin_csv(struct export *export, struct problem *reterr_problem)
{
	(void)reterr_problem;
	return put_text(export, export_csv_header());
}

static int add_csv(struct export *export, const struct audit_record *record)
{
	_cleanup_free_ char *row = export_csv(record);

	return row ? put_text(export, row) : -ENOMEM;
}

static int begin_sqlite(struct export *export, struct problem *reterr_problem)
{
	return export_mirror_open(
		export->target.temporary, export->log, &export->mirror, reterr_problem);
}

static int add_sqlite(struct export *export, const struct audit_record *record)
{
	return export_mirror_add(export->mirror, record);
}

static int end_sqlite(struct export *export)
{
	return export_mirror_commit(export->mirror);
}

static int begin_openmetrics(struct export *export, struct problem *reterr_problem)
{
	(void)reterr_problem;
	return export_counts_new(&export->counts);
}

static int add_openmetrics(struct export *export, const struct audit_record *record)
{
	export_counts_add(export->counts, record);
	return 0;
}

static int end_openmetrics(struct export *export)
{
	_cleanup_free_ char *text = export_counts_format(export->counts);

	return text ? put_text(export, text) : -ENOMEM;
}

static const struct format formats[] = {
	{"json", false, false, NULL, NULL, NULL}, /* the log itself: audit_copy() */
	{"rfc5424", true, true, NULL, add_rfc5424, NULL},
	{"csv", true, false, begin_csv, add_csv, NULL},
	{"sqlite", false, false, begin_sqlite, add_sqlite, end_sqlite},
	{"openmetrics", true, false, begin_openmetrics, add_openmetrics, end_openmetrics},
};

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	}
	return NULL;
}

/* --- the command line --- */

struct arguments {
	const struct format *format;
	const char *output, *directory;
	struct audit_since since;
	bool has_since;
};

static int check(const struct arguments *arguments)
{
	const struct format *format = arguments->format;
	const char *output = arguments->output;

	if (!format)
		return audit_usage(
			"--format: say which: json, rfc5424, csv, sqlite or openmetrics");
	if (!format->is_text && !output)
		return audit_usage("--format %s: name its %s with --output", format->name,
			format->add ? "file" : "directory");
	if (output && strncmp(output, "unix:", 5) == 0 && !format->is_message)
		return audit_usage("--output %s: only rfc5424 goes to a socket", arguments->output);
	if (!format->add && arguments->has_since)
		return audit_usage("--since means nothing with json: a log verifies as a whole");
	return CLI_YES;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"format", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'o'},
		{"since", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return audit_usage("an option is unknown or lacks its value");
		if (option == 'f') {
			arguments->format = find_format(optarg);
			if (!arguments->format)
				return audit_usage("--format %s: there is no such format", optarg);
		} else if (option == 'o') {
			arguments->output = optarg;
		} else if (audit_since_parse(optarg, &arguments->since)) {
			arguments->has_since = true;
		} else {
			return audit_usage("--since %s: " AUDIT_SINCE_WANTED, optarg);
		}
	}
	if (optind < argc - 1)
		return audit_usage("name one directory");
	arguments->directory = optind < argc ? argv[optind] : NULL;
	return check(arguments);
}

/* --- records --- */

/* "" if it cannot be told, as of one segment alone. */
static void find_log(const char *directory, char log[static AUDIT_BOOT_BYTES])
{
	struct log_bytes text = {.at = NULL};
	struct log_root root;

	log[0] = '\0';
	if (log_bytes_read(directory, LOG_ROOT_NAME, LOG_HEAD_BYTES_MAX, &text) >= 0 &&
		log_root_decode(text.at, text.bytes, &root) >= 0)
		strcpy(log, root.log);
	log_bytes_done(&text);
}

static int add_records(
	const struct arguments *arguments, struct log_reader *reader, struct export *export)
{
	struct audit_record record;
	int r;

	for (;;) {
		r = log_reader_next(reader, &record);
		if (r == 0)
			return 0;
		if (r == -EBADMSG) {
			export->bad_lines++;
			continue;
		}
		if (r < 0)
			return r;
		r = audit_since_has(&arguments->since, &record)
			    ? arguments->format->add(export, &record)
			    : 0;
		audit_record_done(&record);
		if (r < 0)
			return r;
	}
}

static int export_all(const struct arguments *arguments, struct log_reader *reader,
	struct export *export, struct problem *reterr_problem)
{
	const struct format *format = arguments->format;
	int r;

	r = export_target_open(&export->target, arguments->output, format->is_text, reterr_problem);
	if (r >= 0 && format->begin)
		r = format->begin(export, reterr_problem);
	if (r >= 0)
		r = add_records(arguments, reader, export);
	if (r >= 0 && format->end)
		r = format->end(export);
	export_mirror_close(export->mirror);
	export_counts_free(export->counts);
	if (r >= 0)
		r = export_target_end(&export->target, reterr_problem);
	export_target_done(&export->target);
	return r;
}

/* As the service says it.  Whoever may not read the configuration exports without it. */
static void set_source(struct export *export)
{
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));

	if (gethostname(export->host, sizeof(export->host) - 1) == 0)
		export->source.host = export->host;
	export->source.log = export->log;
	if (!config || config_read(CONFIG_PATH_DEFAULT, config, NULL) < 0)
		return;
	export->source.enterprise = (uint32_t)config->audit_enterprise;
	snprintf(export->device_uuid, sizeof(export->device_uuid), "%s", config->audit_device_uuid);
	export->source.device_uuid = export->device_uuid;
}

static int export_records(const struct arguments *arguments, const char *directory)
{
	struct export export = {.source = {.version = SPOOLGUARD_VERSION}};
	struct problem problem = {""};
	struct log_reader *reader;
	int r;

	find_log(directory, export.log);
	set_source(&export);
	r = log_reader_open(directory, arguments->since.sequence, &reader, &problem);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	r = export_all(arguments, reader, &export, &problem);
	log_reader_free(reader);
	if (r < 0)
		return cli_fail(&problem, r);
	if (export.bad_lines > 0)
		cli_warn("%" PRIu64 " lines are no records and were left out; \"spoolguard audit "
			 "verify\" says where",
			export.bad_lines);
	return export.bad_lines > 0 ? CLI_NO : CLI_YES;
}

int audit_export(int argc, char **argv)
{
	struct arguments arguments = {.format = NULL};
	_cleanup_free_ char *directory = NULL;
	struct problem problem = {""};
	int r;

	r = parse(argc, argv, &arguments);
	if (r != CLI_YES)
		return r;
	r = audit_log_directory(arguments.directory, &directory, &problem);
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	arguments.directory = directory;
	if (arguments.format->add)
		return export_records(&arguments, arguments.directory);
	r = audit_copy(arguments.directory, arguments.output, &problem);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_log.c - the audit log: verified, added up, and who may read it
 */
#include "audit/log_reader.h"
#include "audit/log_verify.h"
#include "base/clock.h"
#include "cli/check.h"
#include "cli/check_log.h"
#include "cli/cli.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READABLE    "run as root, or as a member of the auditors' group"
#define REASON_KEY  "audit-log" /* of the state's reasons (state.h) */
#define IS_ENROLLED "the file that was given"
#define IS_OWN	    "the device's own enrolment; --trust takes one that was kept elsewhere"

/* --- is it true? --- */

static struct json_object *list_findings(const struct log_verdict *verdict)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < verdict->count; i++) {
		const struct log_finding *finding = &verdict->findings[i];
		char text[sizeof(finding->text) + 96];

		snprintf(text, sizeof(text), "segment %" PRIu64 ", line %" PRIu64 ": %s: %s",
			finding->segment, finding->line, log_finding_name(finding->kind),
			finding->text);
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static void add_position(struct check *check, const struct log_verdict *verdict)
{
	char text[96];

	snprintf(text, sizeof(text), "%s %" PRIu64, verdict->log, verdict->last_sequence);
	cli_add_string(check->facts, "log_position", text);
}

static void add_verdict(struct check *check, const char *directory)
{
	struct log_verdict verdict;
	struct problem problem = {""};
	struct json_object *value;
	int r;

	if (!check->has_trust) {
		check_no_fact(check, "log", "run as root, or give --trust", "%s", check->no_trust);
		return;
	}
	r = log_verify(directory, NULL, &check->trust, &verdict, &problem);
	if (r < 0) {
		check_no_fact(check, "log", READABLE, "%s", problem_text(&problem, r));
		return;
	}
	value = json_object_new_object();
	cli_add_bool(value, "good", verdict.good);
	cli_add_u64(value, "records", verdict.records);
	cli_add_u64(value, "signed_up_to", verdict.signed_up_to);
	json_object_object_add(value, "findings", list_findings(&verdict));
	cli_add_string(value, "trust", check->options->trust ? IS_ENROLLED : IS_OWN);
	cli_add_u64(value, "clock_steps", verdict.clock_steps);
	add_position(check, &verdict);
	log_verdict_done(&verdict);
	check_fact(check, "log", "the log, verified now", value);
}

/* --- who may touch it? --- */

struct modes {
	bool others_read, others_write;
	uint64_t bytes;
};

static void add_mode(struct modes *modes, const struct stat *st)
{
	modes->others_read |= (st->st_mode & S_IROTH) != 0;
	modes->others_write |= (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 || st->st_uid != 0;
	modes->bytes += S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
}

static int look_at_modes(const char *directory, struct modes *ret_modes)
{
	struct modes modes = {.bytes = 0};
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir)
		return -errno;
	if (fstat(dirfd(dir), &st) < 0)
		r = -errno;
	else
		add_mode(&modes, &st);
	while (r >= 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		add_mode(&modes, &st);
	}
	closedir(dir);
	if (r >= 0)
		*ret_modes = modes;
	return r;
}

/* Of a service that runs: why its log takes nothing; "": it does. */
static void add_error(struct json_object *status, struct json_object *value)
{
	struct json_object *reasons = json_object_object_get(status, "reasons");
	const char *error = "";

	if (!reasons)
		return;
	for (size_t i = 0; i < json_object_array_length(reasons); i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);

		if (strcmp(service_client_text(reason, "key"), REASON_KEY) == 0)
			error = service_client_text(reason, "text");
	}
	cli_add_string(value, "error", error);
}

static void add_files(struct check *check, const char *directory, const struct check_log *log)
{
	struct json_object *value;
	struct modes modes = {.bytes = 0};
	int r = look_at_modes(directory, &modes);

	if (r < 0) {
		check_no_fact(check, "log-files", READABLE, "%s: %s", directory, strerror(-r));
		return;
	}
	value = json_object_new_object();
	cli_add_bool(value, "others_read", modes.others_read);
	cli_add_bool(value, "others_write", modes.others_write);
	if (check->service) /* without it nobody knows what comes next */
		cli_add_bool(value, "open", log->is_open);
	cli_add_u64(value, "bytes", modes.bytes);
	cli_add_u64(value, "size_bytes",
		check->config.audit_size_bytes ? check->config.audit_size_bytes
					       : AUDIT_LOG_BYTES_DEFAULT);
	add_error(check->status, value);
	check_fact(check, "log-files", "the log's directory", value);
}

/* --- what is in it? --- */

static int read_records(const char *directory, struct check_log *log, struct problem *problem)
{
	struct log_reader *reader;
	int r = log_reader_open(directory, 0, &reader, problem);

	if (r < 0)
		return r;
	do {
		struct audit_record record;

		r = log_reader_next(reader, &record);
		if (r != 1)
			continue;
		check_log_add(log, &record);
		audit_record_done(&record);
	} while (r == 1 || r == -EBADMSG); /* no record: the verdict says it */
	log_reader_free(reader);
	return r;
}

static void add_contents(struct check *check, const char *directory, struct check_log *log)
{
	static const char how[] = "the records of the log";
	struct problem problem = {""};
	int r = read_records(directory, log, &problem);

	if (r < 0) {
		static const char *const names[] = {"events", "wipe", "residue"};

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			check_no_fact(check, names[i], READABLE, "%s", problem_text(&problem, r));
		return;
	}
	check_fact(check, "events", how, check_log_events(log));
	check_fact(check, "wipe", how, check_log_wipe(log));
	check_fact(check, "residue", how, check_log_residue(log, clock_wall_s()));
	json_object_object_add(check->facts, "days", check_days_to_json(&log->days));
}

void check_facts_log(struct check *check)
{
	static const char *const names[] = {"log", "log-files", "events", "wipe", "residue"};
	char directory[PATH_MAX + 16];
	struct check_log *log = calloc(1, sizeof(*log));

	if (!log || !check->has_config) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			check_no_fact(check, names[i], "name the service's configuration: --config",
				"%s", log ? check->no_config : "not enough memory");
		free(log);
		return;
	}
	snprintf(directory, sizeof(directory), "%s/audit", check->config.state_directory);
	if (access(directory, F_OK) < 0 && errno == ENOENT) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			check_no_fact(check, names[i], "start spoolguardd",
				"there is no audit log at %s", directory);
	} else {
		add_contents(check, directory, log);
		add_files(check, directory, log);
		add_verdict(check, directory);
	}
	free(log);
}

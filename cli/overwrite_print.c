/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overwrite_print.c - what "spoolguard overwrite" says: the plan, and the result
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/overwrite_job.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAD_LISTED_MAX 20u /* as text; JSON has them all */

static const char *const verify_names[] = {[VERIFY_NONE] = "none",
	[VERIFY_SAMPLE] = "sample",
	[VERIFY_FULL] = "full",
	[VERIFY_HCD] = "hcd"};
static const char *const outcome_names[] = {
	[OVERWRITE_DONE] = "done",
	[OVERWRITE_CANNOT_TELL] = "cannot tell",
	[OVERWRITE_BAD_BLOCKS] = "bad blocks",
	[OVERWRITE_INTERRUPTED] = "interrupted",
	[OVERWRITE_FAILED] = "failed",
};

static const char *size_text(uint64_t bytes, char buf[static 32])
{
	return bytes_format_size(bytes, buf, 32);
}

static void name_pass(const struct scheme_pass *pass, char text[static 8])
{
	if (pass->kind == PASS_RANDOM)
		snprintf(text, 8, "random");
	else
		snprintf(text, 8, "0x%02x", pass->byte);
}

/* --- JSON --- */

static struct json_object *json_passes(const struct overwrite_job *job)
{
	const struct scheme *scheme = job->request.scheme;
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < scheme->pass_count; i++) {
		struct json_object *pass = json_object_new_object();
		char text[8], when[CLOCK_RFC3339_BYTES];

		name_pass(&scheme->passes[i], text);
		cli_add_string(pass, "pattern", text);
		if (job->report.pass_durable_wall_s[i])
			cli_add_string(pass, "durable_at",
				clock_rfc3339(job->report.pass_durable_wall_s[i], when));
		json_object_array_add(list, pass);
	}
	return list;
}

static struct json_object *json_extents(const struct extent_list *list, uint32_t block_bytes)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++) {
		struct json_object *item = json_object_new_object();

		cli_add_u64(item, "offset", list->items[i].first * block_bytes);
		cli_add_u64(item, "bytes", list->items[i].count * block_bytes);
		json_object_array_add(array, item);
	}
	return array;
}

static struct json_object *json_target(const struct overwrite_job *job)
{
	struct json_object *object = cli_json("overwrite");
	bool is_device = job->checked.kind == GUARD_DEVICE;
	char words[MEDIUM_TEXT_BYTES];

	cli_add_string(object, "path", job->request.path);
	cli_add_string(object, "kind", is_device ? "device" : "file");
	cli_add_u64(object, "bytes", job->checked.bytes);
	if (is_device) {
		cli_add_string(object, "device", job->identity.name);
		cli_add_string(object, "model", job->identity.model);
		cli_add_string(object, "serial", job->identity.serial);
		cli_add_bool(object, "serial_is_stand_in", job->identity.is_stand_in);
	} else {
		cli_add_u64(object, "names", job->links);
	}
	cli_add_string(object, "holds", job->checked.holds);
	cli_add_string(object, "medium", medium_promise_name(job->medium.promise));
	cli_add_string(object, "medium_text", medium_describe(&job->medium, words));
	cli_add_string(object, "scheme", job->request.scheme->name);
	json_object_object_add(object, "passes", json_passes(job));
	cli_add_string(object, "verify", verify_names[job->request.verify]);
	return object;
}

static void json_result(const struct overwrite_job *job, enum overwrite_outcome outcome)
{
	const struct sanitize_report *report = &job->report;
	const uint64_t block = job->block_bytes;
	struct json_object *object = json_target(job);

	cli_add_string(object, "result", outcome_names[outcome]);
	cli_add_u64(object, "requested_bytes", job->area_bytes);
	cli_add_u64(object, "written_bytes", report->written_blocks * block);
	cli_add_u64(object, "durable_bytes", report->durable_blocks * block);
	cli_add_u64(object, "read_back_bytes", report->read_blocks * block);
	cli_add_u64(object, "verified_bytes", report->verified_blocks * block);
	cli_add_u64(object, "refused_bytes", extent_list_blocks(&report->refused) * block);
	json_object_object_add(object, "refused", json_extents(&report->refused, job->block_bytes));
	json_object_object_add(
		object, "mismatched", json_extents(&report->mismatched, job->block_bytes));
	cli_add_u64(object, "reached_pass", report->reached.pass);
	cli_add_u64(object, "reached_bytes", report->reached.done_blocks * block);
	cli_add_bool(object, "resumed", job->resumed);
	if (job->checked.kind == GUARD_FILE) {
		cli_add_bool(object, "moved", job->moved);
		cli_add_bool(object, "removed", job->removed);
	}
	cli_add_u64(object, "took_ms", report->took_ns / 1000000);
	cli_print_json(object);
}

/* --- text --- */

static void print_target(const struct overwrite_job *job)
{
	char size[32], words[MEDIUM_TEXT_BYTES];

	printf("%s: %s of %s\n", cli_shown(job->request.path),
		job->checked.kind == GUARD_DEVICE ? "device" : "file",
		size_text(job->checked.bytes, size));
	if (job->checked.kind == GUARD_DEVICE)
		printf("  %-10s %s%s%s%s\n", job->identity.is_stand_in ? "stand-in" : "serial",
			job->identity.serial, job->identity.model[0] ? " (" : "",
			job->identity.model, job->identity.model[0] ? ")" : "");
	else if (job->links > 1)
		printf("  %-10s %" PRIu64 ": all of them show what is written\n", "names",
			job->links);
	printf("  %-10s %s\n", "holds",
		job->checked.holds[0] ? job->checked.holds : "nothing that has a signature");
	printf("  %-10s %s\n", "medium", medium_describe(&job->medium, words));
}

static void print_scheme(const struct overwrite_job *job)
{
	const struct scheme *scheme = job->request.scheme;
	char text[8];

	printf("  %-10s %s (", "scheme", scheme->name);
	for (uint32_t i = 0; i < scheme->pass_count; i++) {
		name_pass(&scheme->passes[i], text);
		printf("%s%s", i ? ", " : "", text);
	}
	printf("), read-back %s\n", verify_names[job->request.verify]);
}

static void print_extents(const char *label, const struct extent_list *list, uint64_t block_bytes)
{
	for (size_t i = 0; i < list->count && i < BAD_LISTED_MAX; i++)
		printf("  %-10s %" PRIu64 " bytes at offset %" PRIu64 "\n", label,
			list->items[i].count * block_bytes, list->items[i].first * block_bytes);
	if (list->count > BAD_LISTED_MAX)
		printf("  %-10s and %zu runs more; --json lists them all\n", label,
			list->count - BAD_LISTED_MAX);
}

static void print_passes(const struct overwrite_job *job)
{
	for (uint32_t i = 0; i < job->request.scheme->pass_count; i++) {
		char text[8], when[CLOCK_RFC3339_BYTES];

		if (!job->report.pass_durable_wall_s[i])
			continue;
		name_pass(&job->request.scheme->passes[i], text);
		printf("  pass %u     %s durable at %s\n", i + 1, text,
			clock_rfc3339(job->report.pass_durable_wall_s[i], when));
	}
}

static void print_counts(const struct overwrite_job *job)
{
	const struct sanitize_report *report = &job->report;
	const uint64_t block = job->block_bytes;

	printf("  %-10s %" PRIu64 " bytes\n", "requested", job->area_bytes);
	printf("  %-10s %" PRIu64 " bytes\n", "written", report->written_blocks * block);
	printf("  %-10s %" PRIu64 " bytes\n", "durable", report->durable_blocks * block);
	printf("  %-10s %" PRIu64 " bytes of %" PRIu64 " read back\n", "verified",
		report->verified_blocks * block, report->read_blocks * block);
	printf("  %-10s %" PRIu64 " bytes\n", "refused",
		extent_list_blocks(&report->refused) * block);
}

static void print_verdict(const struct overwrite_job *job, enum overwrite_outcome outcome)
{
	const struct sanitize_report *report = &job->report;
	char done[32], words[MEDIUM_TEXT_BYTES];

	switch (outcome) {
	case OVERWRITE_DONE:
		printf("overwritten%s\n", job->removed ? " and removed" : "");
		return;
	case OVERWRITE_CANNOT_TELL:
		printf("every pass was written%s; whether the old data is gone cannot be told: "
		       "%s\n",
			job->removed ? ", and the file removed" : "",
			job->moved ? "the file was moved meanwhile"
				   : medium_describe(&job->medium, words));
		return;
	case OVERWRITE_BAD_BLOCKS:
		printf("NOT overwritten: some blocks may still hold what they held\n");
		return;
	case OVERWRITE_INTERRUPTED:
	case OVERWRITE_FAILED:
		printf("NOT overwritten: %u of %u passes are durable, and %s of the next\n",
			report->reached.pass, job->request.scheme->pass_count,
			size_text(report->reached.done_blocks * job->block_bytes, done));
		return;
	}
}

static void print_resumed(const struct overwrite_job *job)
{
	char done[32];

	if (job->resumed)
		printf("  %-10s after %u passes and %s of the next\n", "resumed",
			job->resumed_at.pass,
			size_text(job->resumed_at.done_blocks * job->block_bytes, done));
}

void overwrite_print_plan(const struct overwrite_job *job)
{
	struct json_object *object;
	char size[32];

	if (job->request.json) {
		object = json_target(job);
		cli_add_string(object, "result", "nothing was done");
		cli_add_u64(object, "requested_bytes", job->area_bytes);
		cli_print_json(object);
		return;
	}
	print_target(job);
	print_scheme(job);
	printf("nothing was done; %s would be overwritten", size_text(job->area_bytes, size));
	if (job->checked.kind == GUARD_DEVICE)
		printf(" with --confirm %s", cli_shown(job->identity.serial));
	putchar('\n');
}

void overwrite_print_result(const struct overwrite_job *job, enum overwrite_outcome outcome)
{
	if (job->request.json) {
		json_result(job, outcome);
		return;
	}
	print_target(job);
	print_scheme(job);
	print_resumed(job);
	print_passes(job);
	print_counts(job);
	print_extents("refused", &job->report.refused, job->block_bytes);
	print_extents("differs", &job->report.mismatched, job->block_bytes);
	print_verdict(job, outcome);
}

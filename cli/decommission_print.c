/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_print.c - the plan, and what became of it: for people and for programs
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/decommission.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *time_text(uint64_t seconds, char buf[static CLOCK_DURATION_BYTES])
{
	if (seconds == PLAN_UNKNOWN)
		return "time not known";
	return clock_duration(seconds, buf);
}

/* --- the plan --- */

static void print_drive(const struct target *target)
{
	char size[32];

	printf("%s: %s, %s, %s\n", cli_shown(target->path),
		target->identity.model[0] ? cli_shown(target->identity.model) : "no model told",
		drive_class_name(target->class),
		bytes_format_size(target->identity.bytes, size, sizeof(size)));
	printf("  %-12s %s\n", target->identity.is_stand_in ? "stand-in" : "serial",
		cli_shown(target->identity.serial));
	if (target->facts.wwn[0])
		printf("  %-12s %s\n", "WWN", cli_shown(target->facts.wwn));
}

static void print_what_dies(const struct target *target)
{
	char text[USAGE_TEXT_BYTES + DRIVE_TEXT_BYTES];

	for (size_t i = 0; i < target->part_count; i++)
		printf("  %-12s %s: %s\n", "dies", cli_shown(target->parts[i].device),
			target->parts[i].holds[0] ? cli_shown(target->parts[i].holds)
						  : "nothing that has a signature");
	for (size_t i = 0; i < target->volume_count; i++) {
		const struct target_volume *volume = &target->volumes[i];

		printf("  %-12s volume %s on %s, %u key slots, %u header backups known%s%s\n",
			"dies", volume->uuid, cli_shown(volume->device), volume->key_slots,
			volume->backups, volume->mount[0] ? ", mounted at " : "",
			cli_shown(volume->mount));
	}
	for (size_t i = 0; i < target->uses.count; i++)
		printf("  %-12s %s\n", "used by",
			cli_shown(usage_describe(&target->uses.items[i], text, sizeof(text))));
	for (size_t i = 0; i < target->reach_count; i++)
		printf("  %-12s %s%s%s%s%s\n", "beside it", cli_shown(target->reaches[i].what),
			target->reaches[i].device[0] ? " " : "",
			cli_shown(target->reaches[i].device),
			target->reaches[i].in_use ? ", in use" : "",
			target->reaches[i].untouched ? ", not touched" : "");
}

void decommission_print_plan(const struct decommission_job *job)
{
	const struct plan *plan = &job->plan;
	char text[CLOCK_DURATION_BYTES];

	print_drive(plan->target);
	print_what_dies(plan->target);
	for (size_t i = 0; i < plan->method_count; i++)
		printf("  %-12s %s, %s%s%s\n", plan->methods[i].taken ? "method" : "left out",
			method_name(plan->methods[i].kind),
			time_text(plan->methods[i].estimated_s, text),
			plan->methods[i].taken ? "" : ": ", cli_shown(plan->methods[i].why_not));
	for (int i = 0; i < RECORD_STEPS; i++)
		printf("  %-12s %s: %s%s%s\n", plan->steps[i].needed ? "step" : "no step",
			record_step_name((enum record_step)i), cli_shown(plan->steps[i].what),
			plan->steps[i].needed ? "; " : "",
			plan->steps[i].needed ? time_text(plan->steps[i].estimated_s, text) : "");
	for (size_t i = 0; i < plan->note_count; i++)
		printf("  %-12s %s\n", "note", cli_shown(plan->notes[i]));
	printf("  %-12s %s, in %s: %s\n", "can reach", drive_sanitization_name(plan->reachable),
		time_text(plan->estimated_s, text), cli_shown(plan->why));
	for (size_t i = 0; i < plan->refusal_count; i++)
		printf("  %-12s %s\n", "refused", cli_shown(plan->refusals[i]));
	if (plan->refusal_count == 0)
		printf("nothing was done; it would be with --confirm %s\n",
			cli_shown(plan->target->identity.serial));
	else
		printf("nothing was done, and nothing would be\n");
}

static void add_seconds(struct json_object *object, const char *key, uint64_t seconds)
{
	if (seconds == PLAN_UNKNOWN)
		json_object_object_add(object, key, NULL);
	else
		cli_add_u64(object, key, seconds);
}

static struct json_object *volumes_json(const struct target *target)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < target->volume_count; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "uuid", target->volumes[i].uuid);
		cli_add_string(object, "device", target->volumes[i].device);
		cli_add_bool(object, "attached", target->volumes[i].attached);
		cli_add_string(object, "mount", target->volumes[i].mount);
		cli_add_u64(object, "key_slots", target->volumes[i].key_slots);
		cli_add_u64(object, "header_backups", target->volumes[i].backups);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *reaches_json(const struct target *target)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < target->reach_count; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "what", target->reaches[i].what);
		cli_add_string(object, "device", target->reaches[i].device);
		cli_add_bool(object, "in_use", target->reaches[i].in_use);
		cli_add_bool(object, "untouched", target->reaches[i].untouched);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *uses_json(const struct target *target)
{
	struct json_object *list = json_object_new_array();
	char text[USAGE_TEXT_BYTES + DRIVE_TEXT_BYTES];

	for (size_t i = 0; i < target->uses.count; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "kind", usage_kind_name(target->uses.items[i].kind));
		cli_add_string(object, "device", target->uses.items[i].device);
		cli_add_string(
			object, "text", usage_describe(&target->uses.items[i], text, sizeof(text)));
		cli_add_bool(object, "own", plan_is_own_use(target, &target->uses.items[i]));
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *methods_json(const struct plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->method_count; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "method", method_name(plan->methods[i].kind));
		cli_add_bool(object, "taken", plan->methods[i].taken);
		cli_add_string(object, "why_not", plan->methods[i].why_not);
		cli_add_string(
			object, "can_reach", drive_sanitization_name(plan->methods[i].promise));
		add_seconds(object, "estimated_s", plan->methods[i].estimated_s);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *steps_json(const struct plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < RECORD_STEPS; i++) {
		struct json_object *object = json_object_new_object();

		cli_add_string(object, "step", record_step_name((enum record_step)i));
		cli_add_bool(object, "needed", plan->steps[i].needed);
		cli_add_string(object, "what", plan->steps[i].what);
		add_seconds(object, "estimated_s", plan->steps[i].estimated_s);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *lines_json(const char (*lines)[RECORD_LINE_BYTES], size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(lines[i]));
	return list;
}

struct json_object *decommission_plan_json(const struct decommission_job *job)
{
	const struct plan *plan = &job->plan;
	const struct target *target = plan->target;
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "path", target->path);
	cli_add_string(object, "model", target->identity.model);
	cli_add_string(object, "serial", target->identity.serial);
	cli_add_bool(object, "serial_is_stand_in", target->identity.is_stand_in);
	cli_add_string(object, "wwn", target->facts.wwn);
	cli_add_string(object, "class", drive_class_name(target->class));
	cli_add_u64(object, "bytes", target->identity.bytes);
	json_object_object_add(object, "volumes", volumes_json(target));
	json_object_object_add(object, "in_use_by", uses_json(target));
	json_object_object_add(object, "reaches", reaches_json(target));
	json_object_object_add(object, "methods", methods_json(plan));
	json_object_object_add(object, "steps", steps_json(plan));
	add_seconds(object, "estimated_s", plan->estimated_s);
	cli_add_string(object, "can_reach", drive_sanitization_name(plan->reachable));
	cli_add_string(object, "why", plan->why);
	cli_add_bool(object, "keys_only", plan->keys_only);
	json_object_object_add(object, "notes",
		lines_json((const char(*)[RECORD_LINE_BYTES])plan->notes, plan->note_count));
	json_object_object_add(object, "refused",
		lines_json((const char(*)[RECORD_LINE_BYTES])plan->refusals, plan->refusal_count));
	return object;
}

/* --- the result --- */

int decommission_exit(const struct decommission_job *job)
{
	if (job->error < 0 || !job->verdict)
		return CLI_NO;
	return job->verdict->reached == DRIVE_NEITHER ? CLI_CANNOT_TELL : CLI_YES;
}

void decommission_print_result(const struct decommission_job *job)
{
	const struct record *record = job->record;

	if (!record || !job->verdict)
		return;
	printf("%s: %s %s, decommissioning %s\n", cli_shown(job->device),
		record->identity.is_stand_in ? "stand-in" : "serial",
		cli_shown(record->identity.serial), record->id);
	for (int i = 0; i < RECORD_STEPS; i++)
		printf("  %-12s %s%s%s%s\n", record_step_name((enum record_step)i),
			record_state_name(record->steps[i].state),
			record->steps[i].resumes ? ", taken up after an interruption" : "",
			record->steps[i].detail[0] ? ": " : "", cli_shown(record->steps[i].detail));
	for (uint32_t i = 0; i < record->method_count; i++)
		printf("  %-12s %s: %s%s%s\n", "method", method_name(record->methods[i].kind),
			method_state_name(record->methods[i].state),
			record->methods[i].detail[0] ? ", " : "",
			cli_shown(record->methods[i].detail));
	printf("  %-12s %" PRIu64 " bytes requested, %" PRIu64 " written, %" PRIu64
	       " durable, %" PRIu64 " of %" PRIu64 " read back right\n",
		"overwrite", record->overwrite.requested_bytes, record->overwrite.written_bytes,
		record->overwrite.durable_bytes, record->overwrite.verified_bytes,
		record->overwrite.read_bytes);
	printf("  %-12s %s: %s\n", "verdict", drive_sanitization_name(job->verdict->reached),
		cli_shown(job->verdict->reason));
	for (size_t i = 0; i < job->verdict->open_count; i++)
		printf("  %-12s %s\n", "open", cli_shown(job->verdict->open[i]));
	if (job->error == 0)
		printf("  %-12s %s\n", "certificate", cli_shown(job->certificate));
}

struct json_object *decommission_result_json(const struct decommission_job *job)
{
	const struct record *record = job->record;
	struct json_object *object = json_object_new_object(), *open = json_object_new_array();

	cli_add_string(object, "path", job->device);
	cli_add_bool(object, "ok", decommission_exit(job) == CLI_YES);
	cli_add_string(
		object, "problem", job->error < 0 ? problem_text(&job->problem, job->error) : "");
	if (record) {
		cli_add_string(object, "id", record->id);
		cli_add_string(object, "serial", record->identity.serial);
		cli_add_bool(object, "serial_is_stand_in", record->identity.is_stand_in);
		cli_add_bool(object, "resumed", job->resumes);
		cli_add_u64(object, "requested_bytes", record->overwrite.requested_bytes);
		cli_add_u64(object, "written_bytes", record->overwrite.written_bytes);
		cli_add_u64(object, "durable_bytes", record->overwrite.durable_bytes);
		cli_add_u64(object, "verified_bytes", record->overwrite.verified_bytes);
	}
	cli_add_string(object, "verdict",
		job->verdict ? drive_sanitization_name(job->verdict->reached) : "");
	cli_add_string(object, "reason", job->verdict ? job->verdict->reason : "");
	for (size_t i = 0; job->verdict && i < job->verdict->open_count; i++)
		json_object_array_add(open, json_object_new_string(job->verdict->open[i]));
	json_object_object_add(object, "open", open);
	cli_add_string(object, "certificate", job->error == 0 ? job->certificate : "");
	cli_add_string(object, "certificate_sha256",
		job->error == 0 && record ? record->certificate_sha256 : "");
	return object;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate_print.c - a certificate for people: the verdict first, then what it rests on
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/verb_certificate.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void row(const char *name, const char *value)
{
	if (value[0])
		printf("  %-22s %s\n", name, cli_shown(value));
}

static void print_verdict(const struct verdict *verdict)
{
	printf("verdict: %s%s%s\n",
		verdict->reached == DRIVE_NEITHER ? "neither Clear nor Purge"
						  : drive_sanitization_name(verdict->reached),
		verdict->means[0] ? ", by " : "", cli_shown(verdict->means));
	row("because", verdict->reason);
	for (size_t i = 0; i < verdict->part_count; i++)
		printf("  %-22s %s: %s: %s%s%s%s\n", i == 0 ? "of its parts" : "",
			cli_shown(verdict->parts[i].means),
			drive_sanitization_name(verdict->parts[i].reached),
			cli_shown(verdict->parts[i].reason),
			verdict->parts[i].clause[0] ? " [" : "",
			cli_shown(verdict->parts[i].clause),
			verdict->parts[i].clause[0] ? "]" : "");
	for (size_t i = 0; i < verdict->open_count; i++)
		row(i == 0 ? "remains uncertain" : "", verdict->open[i]);
}

static void print_drive(const struct record *record)
{
	char size[32];

	printf("drive: %s%s%s, serial %s%s\n", cli_shown(record->vendor),
		record->vendor[0] ? " " : "",
		record->model[0] ? cli_shown(record->model) : "no model told",
		cli_shown(record->identity.serial),
		record->identity.is_stand_in ? " (a stand-in: the device tells none)" : "");
	row("WWN, EUI", record->wwn);
	row("firmware", record->firmware);
	printf("  %-22s %s%s%s, %s (%llu bytes)\n", "medium", drive_class_name(record->class),
		record->transport[0] ? ", " : "", cli_shown(record->transport),
		bytes_format_size(record->bytes, size, sizeof(size)),
		(unsigned long long)record->bytes);
	if (record->hidden.bytes_native > record->bytes)
		printf("  %-22s %llu bytes, not reached\n", "hidden",
			(unsigned long long)(record->hidden.bytes_native - record->bytes));
	row("property number", record->media.asset_number);
	row("machine's serial", record->media.machine_serial);
	row("source", record->media.source);
	row("categorization before", record->media.categorization_before);
	row("categorization after", record->media.categorization_after);
	row("data backed up", record->media.backed_up);
	row("destination", record->media.destination);
	row("notes", record->media.notes);
}

static void print_people(const struct record *record)
{
	row("performed by", record->operator_.name);
	row("title", record->operator_.title);
	row("organization", record->operator_.organization);
	row("location", record->operator_.location);
	row("contact", record->operator_.contact);
	for (uint32_t i = 0; i < record->approval_count; i++)
		printf("  %-22s %s, key %s\n", "approved by",
			cli_shown(record->approvals[i].person.name), record->approvals[i].key_id);
}

static void print_steps(const struct record *record)
{
	char began[CLOCK_RFC3339_BYTES];

	for (int i = 0; i < RECORD_STEPS; i++) {
		const struct record_progress *step = &record->steps[i];

		printf("  step %-17s %s", record_step_name((enum record_step)i),
			record_state_name(step->state));
		if (step->began_wall_s != 0)
			printf(", began %s", clock_rfc3339(step->began_wall_s, began));
		if (step->resumes > 0)
			printf(", taken up %u times", step->resumes);
		printf("%s%s\n", step->detail[0] ? ": " : "", cli_shown(step->detail));
	}
	printf("  %-22s %llu retired, %llu not\n", "jobs", (unsigned long long)record->jobs_retired,
		(unsigned long long)record->jobs_not_retired);
}

static void print_keys(const struct record *record)
{
	for (uint32_t i = 0; i < record->volume_count; i++) {
		const struct record_volume *volume = &record->volumes[i];

		printf("  volume %.8s...     %u of %u key slots destroyed, %s; header backups: %u "
		       "known, %u destroyed\n",
			volume->uuid, volume->slots_destroyed, volume->slots_before,
			volume->proven_closed ? "proven closed" : "NOT proven closed",
			volume->backups, volume->backups_destroyed);
	}
}

static void print_methods(const struct record *record)
{
	for (uint32_t i = 0; i < record->method_count; i++) {
		const struct record_method *method = &record->methods[i];

		printf("  method %-15s %s", method_name(method->kind),
			method_state_name(method->state));
		if (method->judged)
			printf("; %llu of %llu blocks with data survived",
				(unsigned long long)method->witness.survived,
				(unsigned long long)method->witness.held_data);
		printf("%s%s\n", method->detail[0] ? ": " : "", cli_shown(method->detail));
	}
}

static void print_overwrite(const struct record *record)
{
	const struct record_overwrite *o = &record->overwrite;

	if (o->requested_bytes == 0) {
		row("overwrite", "none");
		return;
	}
	printf("  %-22s %s, %u of %u passes, read-back %s\n", "overwrite", cli_shown(o->scheme),
		o->reached.pass, o->pass_count, record_verify_name(o->verify));
	printf("  %-22s requested %llu, written %llu, durable %llu, verified %llu\n", "bytes",
		(unsigned long long)o->requested_bytes, (unsigned long long)o->written_bytes,
		(unsigned long long)o->durable_bytes, (unsigned long long)o->verified_bytes);
	printf("  %-22s %llu refused, %llu read back otherwise\n", "blocks",
		(unsigned long long)extent_list_blocks(&o->refused),
		(unsigned long long)extent_list_blocks(&o->mismatched));
}

static void print_search(const struct record *record)
{
	for (uint32_t i = 0; i < record->search_count; i++)
		printf("  %-22s %s: %llu hits\n", i == 0 ? "searched for" : "",
			cli_shown(record->searches[i].label),
			(unsigned long long)record->searches[i].hits);
}

int certificate_print(struct json_object *certificate, struct problem *reterr_problem)
{
	struct verdict *verdict = calloc(1, sizeof(*verdict));
	struct record *record = NULL;
	char time[CLOCK_RFC3339_BYTES];
	int r = verdict ? certificate_decode(certificate, &record, verdict, reterr_problem)
			: problem_set(reterr_problem, -ENOMEM, "not enough memory");

	if (r >= 0) {
		printf("certificate of sanitization %s, %s\n", cli_shown(record->id),
			clock_rfc3339(
				record->ended_wall_s ? record->ended_wall_s : record->began_wall_s,
				time));
		print_verdict(verdict);
		print_drive(record);
		printf("done by spoolguard %s, build %.16s, self-test %s %s\n",
			cli_shown(record->version), cli_shown(record->build),
			cli_shown(record->selftest_id),
			record->selftest_ok ? "passed" : "NOT PASSED");
		print_people(record);
		print_steps(record);
		print_keys(record);
		print_methods(record);
		print_overwrite(record);
		print_search(record);
	}
	record_free(record);
	free(verdict);
	return r;
}

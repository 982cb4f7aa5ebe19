/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_print.h"
#include "attached/volume_status.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "blockdev/blockdev.h"
#include "cli/cli.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- an attached volume --- */

static void print_blocks(const char *what, uint64_t blocks)
{
	char size[32];

	printf("  %-9s %12" PRIu64 " blocks  %s\n", what, blocks,
		bytes_format_size(blocks * BLOCK_BYTES, size, sizeof(size)));
}

static void print_map(struct json_object *status)
{
	uint64_t parked = volumes_status_u64(status, "parked_writes");
	char size[32];

	print_blocks("clean", volumes_status_u64(status, "clean"));
	print_blocks("live", volumes_status_u64(status, "live"));
	print_blocks("residue",
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect"));
	print_blocks("unknown", volumes_status_u64(status, "unknown"));
	print_blocks("stuck", volumes_status_u64(status, "stuck"));
	printf("  owed: %s, oldest %" PRIu64 " s%s; scheme %s, read-back %s; profile %s\n",
		bytes_format_size(volumes_status_u64(status, "owed_bytes"), size, sizeof(size)),
		volumes_status_u64(status, "oldest_owed_seconds"),
		json_object_get_boolean(json_object_object_get(status, "owed_from_before"))
			? " and more (from before it was attached)"
			: "",
		volumes_status_string(status, "scheme"), volumes_status_string(status, "verify"),
		volumes_status_string(status, "profile"));
	if (parked > 0)
		printf("  %" PRIu64 " writes wait for the eraser\n", parked);
}

/* What it lies on, when that was looked at, and what follows. */
void status_print_medium(struct json_object *report)
{
	struct json_object *drives = json_object_object_get(report, "drives");

	for (size_t i = 0; drives && i < json_object_array_length(drives); i++) {
		struct json_object *drive = json_object_array_get_idx(drives, i);
		const char *serial = volumes_status_string(drive, "serial");
		const char *model = volumes_status_string(drive, "model");

		printf("  drive %s: %s", cli_shown(volumes_status_string(drive, "name")),
			volumes_status_string(drive, "class"));
		if (model[0])
			printf(", %s", cli_shown(model));
		if (serial[0])
			printf(", %s %s",
				volumes_status_bool(drive, "serial_is_stand_in") ? "known as"
										 : "serial",
				cli_shown(serial));
		printf("\n");
	}
	if (report)
		printf("  overwriting there: %s (%s)\n    %s (looked at %s)\n",
			volumes_status_string(report, "overwrite"),
			volumes_status_string(report, "clause"),
			cli_shown(volumes_status_string(report, "reason")),
			volumes_status_string(report, "looked_at"));
}

void status_print_volume(struct json_object *status)
{
	struct json_object *caveats = json_object_object_get(status, "not_approved");
	struct json_object *faults = json_object_object_get(status, "faults");
	struct json_object *binds = json_object_object_get(status, "binds");
	const char *device = volumes_status_string(status, "device");
	const char *mount = volumes_status_string(status, "mount");
	const char *nbd = volumes_status_string(status, "nbd");

	if (nbd[0])
		printf("%s: attached as NBD at %s, %" PRIu64 " clients%s\n",
			cli_shown(volumes_status_string(status, "path")), cli_shown(nbd),
			volumes_status_u64(status, "clients"),
			volumes_status_bool(status, "read_only") ? ", read-only" : "");
	else
		printf("%s: attached as %s (FUSE and loop)%s%s%s\n",
			cli_shown(volumes_status_string(status, "path")),
			device[0] ? device : "no device", mount[0] ? ", mounted at " : "",
			cli_shown(mount),
			volumes_status_bool(status, "read_only") ? ", read-only" : "");
	for (size_t i = 0; i < json_object_array_length(binds); i++) {
		struct json_object *bind = json_object_array_get_idx(binds, i);

		printf("  %s of it at %s\n", cli_shown(volumes_status_string(bind, "directory")),
			cli_shown(volumes_status_string(bind, "at")));
	}
	if (volumes_status_bool(status, "managed"))
		print_map(status);
	else
		printf("  encryption only: it has no residue map, nothing that is freed is "
		       "overwritten\n");
	printf("  medium: %s\n", volumes_status_string(status, "medium"));
	status_print_medium(json_object_object_get(status, "medium_report"));
	for (size_t i = 0; caveats && i < json_object_array_length(caveats); i++)
		printf("  not approved or not validated: %s\n",
			json_object_get_string(json_object_array_get_idx(caveats, i)));
	for (size_t i = 0; i < json_object_array_length(faults); i++)
		printf("  ATTENTION: %s\n",
			json_object_get_string(json_object_array_get_idx(faults, i)));
}

/* --- a volume that the service keeps --- */

static bool is_open(struct json_object *volume)
{
	return json_object_object_get(volume, "volume") != NULL;
}

/* What the volume says of itself, and beside it what its keeper knows; gives. */
static struct json_object *merge(struct json_object *volume)
{
	static const char *const keeper[] = {
		"name", "state", "why", "uuid", "mount", "key", "restarts", "warnings"};
	struct json_object *merged = NULL, *value;

	if (is_open(volume))
		(void)json_object_deep_copy(
			json_object_object_get(volume, "volume"), &merged, NULL);
	if (!merged)
		merged = json_object_new_object();
	for (size_t i = 0; i < ARRAY_SIZE(keeper); i++) {
		if (!json_object_object_get(merged, keeper[i]) &&
			json_object_object_get_ex(volume, keeper[i], &value))
			json_object_object_add(merged, keeper[i], json_object_get(value));
	}
	if (!json_object_object_get(merged, "path"))
		cli_add_string(merged, "path", service_client_text(volume, "medium"));
	cli_add_bool(merged, "attached", is_open(volume));
	return merged;
}

static bool is_well(struct json_object *volume)
{
	return is_open(volume) &&
	       !volume_status_has_faults(json_object_object_get(volume, "volume"));
}

static void print_kept(struct json_object *volume)
{
	struct json_object *key = json_object_object_get(volume, "key");
	struct json_object *warnings = json_object_object_get(volume, "warnings");
	uint64_t restarts = service_client_number(volume, "restarts");

	printf("volume %s: %s", service_client_text(volume, "name"),
		service_client_text(volume, "state"));
	if (service_client_text(volume, "why")[0])
		printf(" (%s)", cli_shown(service_client_text(volume, "why")));
	printf("; key: %s", cli_shown(service_client_text(key, "source")));
	if (service_client_flag(key, "beside"))
		printf(", beside the lock");
	if (restarts > 0)
		printf("; its process was started again %" PRIu64 " times", restarts);
	printf("\n");
	for (size_t i = 0; warnings && i < json_object_array_length(warnings); i++)
		printf("  ATTENTION: %s\n",
			cli_shown(json_object_get_string(json_object_array_get_idx(warnings, i))));
	if (is_open(volume))
		status_print_volume(json_object_object_get(volume, "volume"));
	else
		printf("  medium %s\n", cli_shown(service_client_text(volume, "medium")));
}

int status_print_kept(struct json_object *volume, bool json)
{
	struct json_object *merged;

	if (json) {
		merged = merge(volume);
		cli_add_string(merged, "schema", "spoolguard.status/1");
		cli_print_json(merged);
	} else {
		print_kept(volume);
	}
	return is_well(volume) ? CLI_YES : is_open(volume) ? CLI_NO : CLI_CANNOT_TELL;
}

/* --- the service --- */

static void print_reasons(struct json_object *reasons)
{
	for (size_t i = 0; reasons && i < json_object_array_length(reasons); i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);
		const char *weight = service_client_text(reason, "weight");

		printf("  %s%s\n",
			strcmp(weight, "stops-claims") == 0 ? "NOTHING IS CLAIMED: " : "",
			cli_shown(service_client_text(reason, "text")));
	}
}

static void print_debt(struct json_object *answer)
{
	struct json_object *debt = json_object_object_get(answer, "debt");
	struct json_object *jobs = json_object_object_get(answer, "jobs");
	uint64_t bytes = service_client_number(debt, "bytes");
	char size[32];

	printf("owed: %s", bytes_format_size(bytes, size, sizeof(size)));
	if (bytes > 0)
		printf(", oldest %" PRIu64 " s", service_client_number(debt, "oldest_seconds"));
	printf("; jobs: %" PRIu64 " not retired", service_client_number(debt, "jobs_waiting"));
	if (service_client_number(jobs, "begun") > 0)
		printf(", %" PRIu64 " begun", service_client_number(jobs, "begun"));
	printf(", %" PRIu64 " retired\n", service_client_number(jobs, "retired_ever"));
}

static void print_waiting(struct json_object *waiting)
{
	for (size_t i = 0; waiting && i < json_object_array_length(waiting); i++) {
		struct json_object *job = json_object_array_get_idx(waiting, i);

		printf("  job %s %s: not yet overwritten, because %s (since %s)\n",
			service_client_text(job, "source"),
			cli_shown(service_client_text(job, "id")),
			cli_shown(service_client_text(job, "why")),
			service_client_text(job, "since"));
	}
}

static void print_service(struct json_object *answer)
{
	struct json_object *selftest = json_object_object_get(answer, "selftest");
	struct json_object *volumes = json_object_object_get(answer, "volumes");

	printf("service: %s (version %s)\n", service_client_text(answer, "state"),
		service_client_text(answer, "version"));
	print_reasons(json_object_object_get(answer, "reasons"));
	if (selftest)
		printf("self-test: %s, %s (%s)\n",
			service_client_flag(selftest, "ok") ? "passed" : "NOT PASSED",
			service_client_text(selftest, "time"), service_client_text(selftest, "id"));
	print_debt(answer);
	print_waiting(json_object_object_get(answer, "waiting"));
	if (json_object_object_get(answer, "stale_seconds"))
		printf("A volume does not answer: what follows is %" PRIu64 " s old.\n",
			service_client_number(answer, "stale_seconds"));
	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++)
		print_kept(json_object_array_get_idx(volumes, i));
}

static enum cli_exit exit_code(struct json_object *answer)
{
	struct json_object *reasons = json_object_object_get(answer, "reasons");
	struct json_object *volumes = json_object_object_get(answer, "volumes");
	const char *state = service_client_text(answer, "state");

	if (strcmp(state, "SELF-TEST") == 0 || json_object_object_get(answer, "stale_seconds"))
		return CLI_CANNOT_TELL;
	if ((strcmp(state, "READY") != 0 && strcmp(state, "WIPING") != 0) ||
		(reasons && json_object_array_length(reasons) > 0))
		return CLI_NO;
	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
		if (!is_well(json_object_array_get_idx(volumes, i)))
			return CLI_NO;
	}
	return CLI_YES;
}

static bool is_kept(struct json_object *volumes, const char *uuid)
{
	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
		if (strcmp(service_client_text(json_object_array_get_idx(volumes, i), "uuid"),
			    uuid) == 0)
			return true;
	}
	return false;
}

/* What was attached by hand; list: into it, else as text.  Only root sees it. */
static enum cli_exit print_others(struct json_object *volumes, struct json_object *list)
{
	enum cli_exit code = CLI_YES;
	struct runtime_state state;

	for (size_t i = 0; runtime_at(i, &state) >= 0; i++) {
		struct problem problem = {""};
		struct json_object *status;
		int r;

		if (is_kept(volumes, state.uuid))
			continue;
		r = volume_status_get(&state, &status, &problem);
		if (r < 0) {
			code = (enum cli_exit)cli_fail(&problem, r);
			continue;
		}
		if (volume_status_has_faults(status))
			code = CLI_NO;
		if (list) {
			json_object_array_add(list, status);
			continue;
		}
		status_print_volume(status);
		json_object_put(status);
	}
	return code;
}

static enum cli_exit print_json(struct json_object *answer)
{
	struct json_object *volumes = json_object_object_get(answer, "volumes");
	struct json_object *list = json_object_new_array();
	enum cli_exit code = exit_code(answer), others;

	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++)
		json_object_array_add(list, merge(json_object_array_get_idx(volumes, i)));
	others = print_others(volumes, list);
	cli_add_string(answer, "schema", "spoolguard.status/1");
	json_object_object_add(answer, "volumes", list);
	cli_print_json(json_object_get(answer));
	return code == CLI_YES ? others : code;
}

int status_print_service(struct service_client *client, bool json)
{
	struct problem problem = {""};
	struct json_object *answer;
	enum cli_exit code, others;
	int r;

	r = service_client_call(client, "GetStatus", NULL, &answer, &problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	if (json) {
		code = print_json(answer);
	} else {
		print_service(answer);
		others = print_others(json_object_object_get(answer, "volumes"), NULL);
		code = exit_code(answer);
		code = code == CLI_YES ? others : code;
	}
	json_object_put(answer);
	return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/medium_report.h"
#include "base/clock.h"
#include "base/durable.h"
#include "base/io.h"
#include "ipc/fields.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME   "report"
#define KEYS_CLAUSE "SP 800-88r2 3.2"

/* --- encoding --- */

static struct json_object *encode_drive(const struct drive_layer *layer)
{
	struct json_object *object = json_object_new_object();

	fields_add_string(object, "name", layer->name);
	fields_add_string(object, "class", drive_class_name(layer->class));
	fields_add_string(object, "transport", layer->text);
	fields_add_string(object, "model", layer->model);
	fields_add_string(object, "serial", layer->serial);
	fields_add_bool(object, "serial_is_stand_in", layer->serial_is_stand_in);
	fields_add_string(object, "wwn", layer->wwn);
	fields_add_string(object, "firmware", layer->firmware);
	fields_add_u64(object, "bytes", layer->bytes);
	return object;
}

static struct json_object *encode_layers(const struct drive_stack *stack)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < stack->count; i++) {
		const struct drive_layer *layer = &stack->layers[i];
		struct json_object *object = json_object_new_object();

		fields_add_string(object, "class", drive_class_name(layer->class));
		fields_add_string(object, "name", layer->name);
		fields_add_string(object, "text", layer->text);
		fields_add_u64(object, "depth", layer->depth);
		fields_add_u64(object, "bytes", layer->bytes);
		json_object_array_add(list, object);
	}
	return list;
}

static bool is_seen_before(const struct drive_stack *stack, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (drive_class_is_drive(stack->layers[i].class) &&
			strcmp(stack->layers[i].name, stack->layers[index].name) == 0)
			return true;
	}
	return false;
}

static struct json_object *encode_drives(const struct drive_stack *stack)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < stack->count; i++) {
		if (drive_class_is_drive(stack->layers[i].class) && !is_seen_before(stack, i))
			json_object_array_add(list, encode_drive(&stack->layers[i]));
	}
	return list;
}

/* Whose identity stands for the medium: the drive that decides, or the first. */
static const struct drive_layer *find_drive(
	const struct drive_stack *stack, const struct drive_verdict *verdict)
{
	if (verdict->layer && drive_class_is_drive(verdict->layer->class))
		return verdict->layer;
	for (size_t i = 0; i < stack->count; i++) {
		if (drive_class_is_drive(stack->layers[i].class))
			return &stack->layers[i];
	}
	return NULL;
}

struct json_object *medium_report_encode(const struct drive_stack *stack, int64_t wall_s)
{
	struct json_object *object = json_object_new_object();
	struct drive_verdict verdict = drive_judge(stack);
	const struct drive_layer *drive = find_drive(stack, &verdict);
	char time[CLOCK_RFC3339_BYTES];

	fields_add_string(object, "looked_at", clock_rfc3339(wall_s, time));
	fields_add_string(object, "class", drive_class_name(drive ? drive->class : DRIVE_UNKNOWN));
	fields_add_string(object, "overwrite", drive_sanitization_name(verdict.overwrite));
	fields_add_string(object, "reason", verdict.reason);
	fields_add_string(object, "clause", verdict.clause);
	json_object_object_add(object, "drive", drive ? encode_drive(drive) : NULL);
	json_object_object_add(object, "drives", encode_drives(stack));
	json_object_object_add(object, "layers", encode_layers(stack));
	fields_add_bool(object, "complete", !stack->cut);
	return object;
}

/* --- keys --- */

static uint64_t number_of(struct json_object *status, const char *key)
{
	return json_object_get_uint64(json_object_object_get(status, key));
}

static bool flag_of(struct json_object *status, const char *key)
{
	return json_object_get_boolean(json_object_object_get(status, key));
}

static void add_line(struct json_object *list, const char *line)
{
	json_object_array_add(list, json_object_new_string(line));
}

/* What the standard asks for, and is not so here or cannot be shown. */
static struct json_object *list_open(struct json_object *status, enum drive_sanitization overwrite)
{
	struct json_object *list = json_object_new_array();
	struct json_object *caveats = json_object_object_get(status, "not_approved");
	uint64_t backups = number_of(status, "header_backups");
	char line[160];

	if (!status)
		add_line(list, "the volume's process does not answer: of its key nothing is known");
	if (status && (!flag_of(status, "fips_provider") ||
			      (caveats && json_object_array_length(caveats) > 0)))
		add_line(list, "the cryptographic module is not a validated one");
	if (status && !flag_of(status, "managed"))
		add_line(
			list, "the header was not made here: what copies of it exist is not known");
	if (backups > 0) {
		snprintf(line, sizeof(line),
			"%" PRIu64 " header backup%s taken: what such a copy opens stays readable",
			backups, backups == 1 ? " was" : "s were");
		add_line(list, line);
	}
	if (flag_of(status, "filled_before"))
		add_line(list, "the medium held something before it was encrypted: no key of the "
			       "volume was ever over that");
	if (overwrite != DRIVE_CLEAR)
		add_line(list, "the key slots lie on the same medium, where remnants must be "
			       "assumed: a remnant opens for whoever has its passphrase");
	add_line(list, "that nobody copied the header by other means, or kept its passphrase and a "
		       "copy, a person must show");
	add_line(list,
		"that the generator had the entropy of the whole key is what the kernel says");
	return list;
}

struct json_object *medium_report_describe_keys(
	struct json_object *status, enum drive_sanitization overwrite)
{
	struct json_object *object = json_object_new_object();

	/* All that jobs leave there is under one 512-bit key of AES-256-XTS, or it is refused. */
	fields_add_bool(object, "possible", true);
	fields_add_string(object, "claimed", drive_sanitization_name(DRIVE_NEITHER));
	fields_add_string(object, "why",
		"the volume's keys are destroyed when it is wiped, and that is performed, not "
		"claimed as Purge: what the standard asks for beyond it is not all shown here");
	json_object_object_add(object, "open", list_open(status, overwrite));
	fields_add_string(object, "clause", KEYS_CLAUSE);
	return object;
}

/* --- the kept one --- */

int medium_report_look(int fd, uint64_t *ret_bytes, struct json_object **ret_report)
{
	_cleanup_free_ struct drive_stack *stack = calloc(1, sizeof(*stack));
	int r = stack ? drive_look(fd, NULL, stack) : -ENOMEM;

	if (r < 0)
		return r;
	if (ret_bytes)
		*ret_bytes = stack->count > 0 ? stack->layers[0].bytes : 0;
	*ret_report = medium_report_encode(stack, clock_wall_s());
	return 0;
}

int medium_report_make(const struct runtime_state *state, struct json_object **ret_report)
{
	_cleanup_close_ int fd = open(state->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char path[RUNTIME_PATH_BYTES];
	struct json_object *report;
	int r = fd < 0 ? -errno : medium_report_look(fd, NULL, &report);

	if (r < 0)
		return r;
	/* Not kept, it is made again by the next who asks. */
	if (runtime_path(state->uuid, FILE_NAME, path) >= 0)
		(void)!durable_write(
			path, json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN));
	*ret_report = report;
	return 0;
}

static const char *text_of(struct json_object *report, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(report, key));

	return text ? text : "";
}

static int read_kept(const struct runtime_state *state, struct json_object **ret_report)
{
	_cleanup_free_ char *text = malloc(MEDIUM_REPORT_BYTES_MAX);
	char path[RUNTIME_PATH_BYTES];
	struct json_object *report;
	int r = text ? runtime_path(state->uuid, FILE_NAME, path) : -ENOMEM;

	if (r >= 0)
		r = durable_read(path, text, MEDIUM_REPORT_BYTES_MAX);
	if (r < 0)
		return r;
	report = json_tokener_parse(text);
	if (!json_object_is_type(report, json_type_object) || !text_of(report, "overwrite")[0]) {
		json_object_put(report);
		return -EBADMSG;
	}
	*ret_report = report;
	return 0;
}

static bool says_clear(struct json_object *report)
{
	return strcmp(text_of(report, "overwrite"), drive_sanitization_name(DRIVE_CLEAR)) == 0;
}

int medium_report_get(const struct runtime_state *state, enum medium_promise promise,
	struct json_object *status, struct json_object **ret_report)
{
	struct json_object *report = NULL;
	int r = read_kept(state, &report);

	if (r >= 0 && promise == MEDIUM_NOT_IN_PLACE && says_clear(report)) {
		json_object_put(report);
		r = -ESTALE;
	}
	if (r < 0)
		r = medium_report_make(state, &report);
	if (r < 0)
		return r;
	json_object_object_add(report, "cryptographic_erase",
		medium_report_describe_keys(
			status, says_clear(report) ? DRIVE_CLEAR : DRIVE_NEITHER));
	*ret_report = report;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/overwrite_state.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_DEFAULT  "/var/lib/spoolguard"
#define DIRECTORY_VARIABLE "SPOOLGUARD_STATE_DIR"
#define SCHEMA		   "spoolguard.overwrite-state/1"
#define STATE_BYTES_MAX	   (4u << 20)

int overwrite_state_init(struct overwrite_state *state, const char *key,
	const struct scheme *scheme, uint32_t block_bytes, uint64_t blocks,
	struct problem *reterr_problem)
{
	const char *directory = getenv(DIRECTORY_VARIABLE);
	int n;

	if (!directory || directory[0] == '\0')
		directory = DIRECTORY_DEFAULT;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return problem_set(reterr_problem, -errno,
			"%s cannot be made (%s): an interrupted overwrite will begin anew; name "
			"another directory with " DIRECTORY_VARIABLE,
			directory, strerror(errno));
	if (access(directory, W_OK | X_OK) < 0)
		return problem_set(reterr_problem, -errno,
			"%s cannot be written to (%s): an interrupted overwrite will begin anew; "
			"name another directory with " DIRECTORY_VARIABLE,
			directory, strerror(errno));
	*state = (struct overwrite_state){
		.scheme = scheme->name, .block_bytes = block_bytes, .blocks = blocks};
	n = snprintf(state->path, sizeof(state->path), "%s/overwrite-%s.json", directory, key);
	if (n < 0 || (size_t)n >= sizeof(state->path))
		return problem_set(reterr_problem, -ENAMETOOLONG,
			"%s: the name is too long: an interrupted overwrite will begin anew",
			directory);
	return 0;
}

/* --- reading: what cannot be believed is not there --- */

static bool get_u64(struct json_object *object, const char *key, uint64_t *ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return false;
	*ret_value = json_object_get_uint64(value);
	return true;
}

static bool has_text(struct json_object *object, const char *key, const char *text)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
	       json_object_is_type(value, json_type_string) &&
	       strcmp(json_object_get_string(value), text) == 0;
}

static bool read_refused(struct json_object *object, uint64_t blocks, struct extent_list *refused)
{
	struct json_object *list;

	if (!json_object_object_get_ex(object, "refused", &list) ||
		!json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct extent e;

		if (!get_u64(item, "first", &e.first) || !get_u64(item, "count", &e.count) ||
			!extent_is_within(e, blocks) || extent_list_add(refused, e) < 0)
			return false;
	}
	return true;
}

static bool read_times(struct json_object *object, uint32_t passes, int64_t *times)
{
	struct json_object *list;

	if (!json_object_object_get_ex(object, "durable_at", &list) ||
		!json_object_is_type(list, json_type_array) ||
		json_object_array_length(list) < passes)
		return false;
	for (uint32_t i = 0; i < passes; i++)
		times[i] = json_object_get_int64(json_object_array_get_idx(list, i));
	return true;
}

static bool read_state(struct json_object *object, const struct overwrite_state *state,
	struct sanitize_position *ret_position, struct sanitize_report *report)
{
	uint64_t pass, done, blocks, block_bytes;

	if (!has_text(object, "schema", SCHEMA) || !has_text(object, "scheme", state->scheme) ||
		!get_u64(object, "pass", &pass) || !get_u64(object, "done_blocks", &done) ||
		!get_u64(object, "blocks", &blocks) ||
		!get_u64(object, "block_bytes", &block_bytes) || blocks != state->blocks ||
		block_bytes != state->block_bytes || done > blocks || pass > SCHEME_PASSES_MAX)
		return false;
	if (!read_refused(object, blocks, &report->refused) ||
		!read_times(object, (uint32_t)pass, report->pass_durable_wall_s))
		return false;
	*ret_position = (struct sanitize_position){(uint32_t)pass, done};
	return true;
}

int overwrite_state_load(const struct overwrite_state *state,
	struct sanitize_position *ret_position, struct sanitize_report *report)
{
	_cleanup_close_ int fd = open(state->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *text = NULL;
	struct json_object *object;
	size_t bytes;
	bool believed;
	int r;

	if (fd < 0)
		return -ENOENT;
	text = calloc(1, STATE_BYTES_MAX + 1);
	if (!text)
		return -ENOMEM;
	r = io_read_to_end(fd, text, STATE_BYTES_MAX, &bytes);
	if (r < 0)
		return -ENOENT;
	object = json_tokener_parse(text);
	believed = object && read_state(object, state, ret_position, report);
	json_object_put(object);
	if (believed)
		return 0;
	extent_list_clear(&report->refused);
	memset(report->pass_durable_wall_s, 0, sizeof(report->pass_durable_wall_s));
	return -ENOENT;
}

/* --- writing --- */

static struct json_object *describe(
	const struct overwrite_state *state, const struct sanitize_report *report)
{
	struct json_object *object = json_object_new_object();
	struct json_object *refused = json_object_new_array(), *times = json_object_new_array();

	for (size_t i = 0; i < report->refused.count; i++) {
		struct json_object *item = json_object_new_object();

		json_object_object_add(
			item, "first", json_object_new_uint64(report->refused.items[i].first));
		json_object_object_add(
			item, "count", json_object_new_uint64(report->refused.items[i].count));
		json_object_array_add(refused, item);
	}
	for (uint32_t i = 0; i < report->reached.pass; i++)
		json_object_array_add(times, json_object_new_int64(report->pass_durable_wall_s[i]));
	json_object_object_add(object, "schema", json_object_new_string(SCHEMA));
	json_object_object_add(object, "scheme", json_object_new_string(state->scheme));
	json_object_object_add(object, "block_bytes", json_object_new_uint64(state->block_bytes));
	json_object_object_add(object, "blocks", json_object_new_uint64(state->blocks));
	json_object_object_add(object, "pass", json_object_new_uint64(report->reached.pass));
	json_object_object_add(
		object, "done_blocks", json_object_new_uint64(report->reached.done_blocks));
	json_object_object_add(object, "refused", refused);
	json_object_object_add(object, "durable_at", times);
	return object;
}

static int sync_directory(const char *path)
{
	char copy[OVERWRITE_STATE_PATH_BYTES];
	_cleanup_close_ int fd = -1;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int replace(const char *path, const char *text)
{
	char fresh[OVERWRITE_STATE_PATH_BYTES + 8];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = io_write(fd, text, strlen(text));
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && rename(fresh, path) < 0)
		r = -errno;
	return r < 0 ? r : sync_directory(path);
}

int overwrite_state_save(const struct overwrite_state *state, const struct sanitize_report *report)
{
	struct json_object *object = describe(state, report);
	int r = replace(state->path, json_object_to_json_string(object));

	json_object_put(object);
	return r;
}

void overwrite_state_remove(const struct overwrite_state *state)
{
	(void)unlink(state->path); /* one that stays is of a run that ended: it is checked anyway */
}

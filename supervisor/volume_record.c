/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/volume_record.h"
#include "base/io.h"
#include "ipc/fields.h"
#include "ipc/message.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES_MAX 65536u

static int make_path(const char *directory, const char *name, const char *end, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/volume.%s%s", directory, name, end);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int sync_directory(const char *directory)
{
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static char *encode(const struct volume_record *record)
{
	struct json_object *object = json_object_new_object();
	char *text;

	fields_add_string(object, "medium", record->medium);
	fields_add_bool(object, "making", record->making);
	fields_add_string(object, "uuid", record->uuid);
	fields_add_string(object, "scheme", record->scheme);
	fields_add_string(object, "profile", record->profile);
	fields_add_u64(object, "max_bytes", record->max_bytes);
	fields_add_u64(object, "kdf_memory_kib", record->kdf_memory_kib);
	fields_add_u64(object, "kdf_iterations", record->kdf_iterations);
	if (asprintf(&text, "%s\n",
		    json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN)) < 0)
		text = NULL;
	json_object_put(object);
	return text;
}

static bool get_string(struct json_object *object, const char *key, char *to, size_t bytes)
{
	const char *text;

	if (!message_get_string(object, key, &text) || strlen(text) >= bytes)
		return false;
	strcpy(to, text);
	return true;
}

static int decode(const char *text, struct volume_record *ret_record)
{
	struct json_object *object = json_tokener_parse(text);
	struct volume_record record = {.making = false};
	bool whole;

	whole = json_object_is_type(object, json_type_object) &&
		get_string(object, "medium", record.medium, sizeof(record.medium)) &&
		message_get_bool(object, "making", &record.making) &&
		get_string(object, "uuid", record.uuid, sizeof(record.uuid)) &&
		get_string(object, "scheme", record.scheme, sizeof(record.scheme)) &&
		get_string(object, "profile", record.profile, sizeof(record.profile)) &&
		message_get_u64(object, "max_bytes", &record.max_bytes) &&
		message_get_u64(object, "kdf_memory_kib", &record.kdf_memory_kib) &&
		message_get_u64(object, "kdf_iterations", &record.kdf_iterations);
	json_object_put(object);
	if (!whole)
		return -EBADMSG;
	*ret_record = record;
	return 0;
}

int volume_record_load(const char *directory, const char *name, struct volume_record *ret_record)
{
	char path[PATH_MAX], text[RECORD_BYTES_MAX];
	_cleanup_close_ int fd = -1;
	size_t bytes;
	int r;

	r = make_path(directory, name, "", path);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, text, sizeof(text) - 1, &bytes);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	text[bytes] = '\0';
	return strlen(text) == bytes ? decode(text, ret_record) : -EBADMSG;
}

static int write_new(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write(fd, text, strlen(text));
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int volume_record_save(const char *directory, const char *name, const struct volume_record *record,
	struct problem *reterr_problem)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	int r;

	r = make_path(directory, name, "", path);
	if (r >= 0)
		r = make_path(directory, name, ".new", temporary);
	if (r < 0)
		return r;
	text = encode(record);
	r = text ? write_new(temporary, text) : -ENOMEM;
	if (r >= 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	else
		r = sync_directory(directory);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be recorded in %s: %s; nothing of volume %s was destroyed", name,
			directory, strerror(-r), name);
	return 0;
}

int volume_record_remove(const char *directory, const char *name, struct problem *reterr_problem)
{
	char path[PATH_MAX];
	int r;

	r = make_path(directory, name, "", path);
	if (r < 0)
		return r;
	if (unlink(path) < 0)
		r = errno == ENOENT ? 0 : -errno;
	else
		r = sync_directory(directory);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be removed: %s", path, strerror(-r));
	return 0;
}

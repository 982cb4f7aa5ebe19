/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/runtime.h"
#include "base/io.h"
#include "ipc/message.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_BYTES_MAX (512u << 10) /* two paths and all binds, of which each byte takes six */

const char *runtime_directory(void)
{
	const char *named = getenv("SPOOLGUARD_RUNTIME_DIR");

	return named && named[0] == '/' ? named : "/run/spoolguard";
}

/* The UUID comes from a medium that anybody may have written: it must not lead elsewhere. */
static bool is_uuid(const char *uuid)
{
	size_t length = strlen(uuid);

	return length > 0 && length < RUNTIME_UUID_BYTES &&
	       strspn(uuid, "0123456789abcdefABCDEF-") == length;
}

int runtime_path(const char *uuid, const char *name, char ret_path[static RUNTIME_PATH_BYTES])
{
	int n;

	if (!is_uuid(uuid))
		return -EINVAL;
	n = snprintf(ret_path, RUNTIME_PATH_BYTES, "%s/%s%s%s", runtime_directory(), uuid,
		name[0] ? "/" : "", name);

	return n < 0 || n >= (int)RUNTIME_PATH_BYTES ? -ENAMETOOLONG : 0;
}

static int make_directory(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int runtime_lock(const char *uuid, int *ret_fd, struct problem *reterr_problem)
{
	char path[RUNTIME_PATH_BYTES];
	int fd, r;

	r = make_directory(runtime_directory());
	if (r >= 0)
		r = runtime_path(uuid, "", path);
	if (r >= 0)
		r = make_directory(path);
	if (r >= 0)
		r = runtime_path(uuid, "lock", path);
	if (r == -EINVAL)
		return problem_set(reterr_problem, r,
			"the volume's UUID is none; repair its LUKS2 header (cryptsetup luksUUID)");
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be written to (%s); run as root, or set "
			"SPOOLGUARD_RUNTIME_DIR",
			runtime_directory(), strerror(-r));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR) {
			r = -errno;
			close(fd);
			return r;
		}
	}
	*ret_fd = fd;
	return 0;
}

static struct json_object *encode_binds(const struct runtime_state *state)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < state->bind_count; i++) {
		const struct runtime_bind *bind = &state->binds[i];
		struct json_object *object = json_object_new_object();

		json_object_object_add(
			object, "directory", json_object_new_string(bind->directory));
		json_object_object_add(object, "at", json_object_new_string(bind->at));
		json_object_array_add(list, object);
	}
	return list;
}

static char *encode(const struct runtime_state *state)
{
	struct json_object *object = json_object_new_object();
	char *text;

	json_object_object_add(object, "uuid", json_object_new_string(state->uuid));
	json_object_object_add(object, "path", json_object_new_string(state->path));
	json_object_object_add(object, "device", json_object_new_string(state->device));
	json_object_object_add(object, "nbd", json_object_new_string(state->nbd));
	json_object_object_add(object, "mount", json_object_new_string(state->mount));
	json_object_object_add(object, "binds", encode_binds(state));
	json_object_object_add(object, "read_only", json_object_new_boolean(state->read_only));
	json_object_object_add(object, "ready", json_object_new_boolean(state->ready));
	text = strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	return text;
}

static int replace(const char *path, const char *temporary, const char *text)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write(fd, text, strlen(text));
	if (r >= 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

int runtime_save(const struct runtime_state *state, struct problem *reterr_problem)
{
	char path[RUNTIME_PATH_BYTES], temporary[RUNTIME_PATH_BYTES];
	_cleanup_free_ char *text = NULL;
	int r;

	r = runtime_path(state->uuid, "state", path);
	if (r >= 0)
		r = runtime_path(state->uuid, "state.new", temporary);
	if (r < 0)
		return r;
	text = encode(state);
	r = text ? replace(path, temporary, text) : -ENOMEM;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"what is attached cannot be recorded in %s: %s; make room there",
			runtime_directory(), strerror(-r));
	return 0;
}

static void copy_string(struct json_object *object, const char *key, char *to, size_t bytes)
{
	const char *text;

	to[0] = '\0';
	if (message_get_string(object, key, &text) && strlen(text) < bytes)
		strcpy(to, text);
}

/* Written by an older program there is no list: nothing is bound. */
static void decode_binds(struct json_object *list, struct runtime_state *state)
{
	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count && state->bind_count < RUNTIME_BINDS_MAX; i++) {
		struct json_object *object = json_object_array_get_idx(list, i);
		struct runtime_bind *bind = &state->binds[state->bind_count];

		copy_string(object, "directory", bind->directory, sizeof(bind->directory));
		copy_string(object, "at", bind->at, sizeof(bind->at));
		state->bind_count += bind->directory[0] != '\0' && bind->at[0] != '\0';
	}
}

static int read_object(const char *path, struct json_object **ret_object)
{
	_cleanup_free_ char *text = malloc(STATE_BYTES_MAX);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct json_object *object;
	size_t bytes;
	int r;

	if (fd < 0)
		return -errno;
	if (!text)
		return -ENOMEM;
	r = io_read_to_end(fd, text, STATE_BYTES_MAX - 1, &bytes);
	if (r < 0)
		return r;
	text[bytes] = '\0';
	if (strlen(text) != bytes)
		return -EBADMSG;
	object = json_tokener_parse(text);
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return -EBADMSG;
	}
	*ret_object = object;
	return 0;
}

int runtime_load(const char *uuid, struct runtime_state *ret_state)
{
	char path[RUNTIME_PATH_BYTES];
	struct json_object *object = NULL;
	int r;

	r = runtime_path(uuid, "state", path);
	if (r >= 0)
		r = read_object(path, &object);
	if (r < 0)
		return r;
	*ret_state = (struct runtime_state){.read_only = false};
	copy_string(object, "uuid", ret_state->uuid, sizeof(ret_state->uuid));
	copy_string(object, "path", ret_state->path, sizeof(ret_state->path));
	copy_string(object, "device", ret_state->device, sizeof(ret_state->device));
	copy_string(object, "nbd", ret_state->nbd, sizeof(ret_state->nbd));
	copy_string(object, "mount", ret_state->mount, sizeof(ret_state->mount));
	decode_binds(json_object_object_get(object, "binds"), ret_state);
	(void)message_get_bool(object, "read_only", &ret_state->read_only);
	(void)message_get_bool(object, "ready", &ret_state->ready);
	json_object_put(object);
	return strcmp(ret_state->uuid, uuid) == 0 ? 0 : -EBADMSG;
}

void runtime_remove(const char *uuid)
{
	/* The lock file stays: somebody may be waiting for it. */
	static const char *const names[] = {
		"state", "state.new", "control", "medium", "report", "report.new"};
	char path[RUNTIME_PATH_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (runtime_path(uuid, names[i], path) >= 0)
			unlink(path);
	}
}

int runtime_at(size_t index, struct runtime_state *ret_state)
{
	struct dirent **entries = NULL;
	int count = scandir(runtime_directory(), &entries, NULL, alphasort);
	int r = count < 0 && errno == EACCES ? -EACCES : -ENOENT;
	size_t found = 0;

	for (int i = 0; i < count; i++) {
		if (r == -ENOENT && entries[i]->d_name[0] != '.' &&
			runtime_load(entries[i]->d_name, ret_state) >= 0 && found++ == index)
			r = 0;
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* A medium that is gone has its name left. */
static bool is_same_name(const char *path, const struct runtime_state *state)
{
	char directory[PATH_MAX];
	size_t length;

	if (path[0] == '/')
		return strcmp(path, state->path) == 0;
	if (!getcwd(directory, sizeof(directory)))
		return false;
	length = strlen(directory);
	return strncmp(state->path, directory, length) == 0 && state->path[length] == '/' &&
	       strcmp(path, state->path + length + 1) == 0;
}

static bool is_same_medium(const struct stat *wanted, const struct runtime_state *state)
{
	struct stat other;

	if (stat(state->path, &other) < 0)
		return false;
	return S_ISBLK(wanted->st_mode)
		       ? S_ISBLK(other.st_mode) && wanted->st_rdev == other.st_rdev
		       : wanted->st_dev == other.st_dev && wanted->st_ino == other.st_ino;
}

int runtime_find(const char *path, struct runtime_state *ret_state)
{
	struct runtime_state state;
	struct stat wanted;
	int seen = stat(path, &wanted) < 0 ? -errno : 0;
	int r;

	for (size_t i = 0; (r = runtime_at(i, &state)) >= 0; i++) {
		if (seen < 0 ? is_same_name(path, &state) : is_same_medium(&wanted, &state)) {
			*ret_state = state;
			return 0;
		}
	}
	return r == -EACCES || seen == 0 ? r : seen;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/device_key_states.h"
#include "base/clock.h"
#include "base/io.h"
#include "keystore/device_key_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME      "states"
#define TOLD_NAME      "states.told"
#define LINE_BYTES_MAX 512
#define FILE_BYTES_MAX (8u << 20) /* nobody writes that much */

struct device_key_states {
	int directory;
	struct device_key_change *changes; /* owned; oldest first */
	size_t count, room;
	uint64_t end_bytes; /* where the next line goes */
	struct stat seen;   /* the file when it was read, or written, last */
	uint64_t last, told;
};

static const char *const names[] = {
	[DEVICE_KEY_PRE_ACTIVATION] = "pre-activation",
	[DEVICE_KEY_ACTIVE] = "active",
	[DEVICE_KEY_SUSPENDED] = "suspended",
	[DEVICE_KEY_DEACTIVATED] = "deactivated",
	[DEVICE_KEY_COMPROMISED] = "compromised",
	[DEVICE_KEY_DESTROYED] = "destroyed",
};

const char *device_key_state_name(enum device_key_state state)
{
	return names[state];
}

/* --- one line --- */

static const char *format_time(int64_t wall_ms, char text[static CLOCK_RFC3339_BYTES])
{
	const size_t seconds = strlen("2026-11-24T09:00:00");

	clock_rfc3339(wall_ms / 1000, text);
	snprintf(text + seconds, CLOCK_RFC3339_BYTES - seconds, ".%03dZ", (int)(wall_ms % 1000));
	return text;
}

/* Names, ids and reasons are printable, without quotes and backslashes: is_plain() saw to it. */
static int encode(const struct device_key_change *change, char line[static LINE_BYTES_MAX])
{
	char time[CLOCK_RFC3339_BYTES];

	return snprintf(line, LINE_BYTES_MAX,
		"{\"number\":%" PRIu64 ",\"time\":\"%s\",\"wall_ms\":%" PRId64
		",\"key\":\"%s\",\"id\":\"%s\",\"state\":\"%s\",\"reason\":\"%s\"}\n",
		change->number, format_time(change->wall_ms, time), change->wall_ms, change->key,
		change->id, names[change->state], change->reason);
}

static bool is_plain(const char *text, size_t bytes)
{
	if (strlen(text) >= bytes)
		return false;
	for (; *text; text++) {
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	}
	return true;
}

static bool take_text(struct json_object *object, const char *name, char *to, size_t bytes)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) ||
		!json_object_is_type(value, json_type_string) ||
		!is_plain(json_object_get_string(value), bytes))
		return false;
	strcpy(to, json_object_get_string(value));
	return true;
}

static bool take_number(struct json_object *object, const char *name, int64_t *ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) ||
		!json_object_is_type(value, json_type_int))
		return false;
	*ret_value = json_object_get_int64(value);
	return *ret_value >= 0;
}

static bool take(struct json_object *object, struct device_key_change *change)
{
	char state[32];
	int64_t number;

	if (!take_number(object, "number", &number) || number == 0 ||
		!take_number(object, "wall_ms", &change->wall_ms) ||
		!take_text(object, "key", change->key, sizeof(change->key)) ||
		!take_text(object, "id", change->id, sizeof(change->id)) ||
		!take_text(object, "reason", change->reason, sizeof(change->reason)) ||
		!take_text(object, "state", state, sizeof(state)))
		return false;
	change->number = (uint64_t)number;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], state) == 0) {
			change->state = (enum device_key_state)i;
			return true;
		}
	}
	return false;
}

/* line: with a NUL behind it. */
static bool decode(const char *line, struct device_key_change *ret_change)
{
	struct json_object *object = json_tokener_parse(line);
	bool is_one = json_object_is_type(object, json_type_object) && take(object, ret_change);

	json_object_put(object);
	return is_one;
}

/* --- the file --- */

static int remember(struct device_key_states *states, const struct device_key_change *change)
{
	if (states->count == states->room) {
		size_t room = states->room ? 2 * states->room : 64;
		struct device_key_change *more = reallocarray(states->changes, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		states->changes = more;
		states->room = room;
	}
	states->changes[states->count++] = *change;
	if (change->number > states->last)
		states->last = change->number;
	return 0;
}

/* Lines that are none are passed over: what counts is in the audit log. */
static int take_lines(struct device_key_states *states, char *text)
{
	struct device_key_change change;
	char *line = text, *end;
	int r = 0;

	for (; r >= 0 && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (decode(line, &change))
			r = remember(states, &change);
	}
	states->end_bytes = (uint64_t)(line - text);
	return r;
}

static int read_text(int directory, const char *name, char **ret_text)
{
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(io_freep) char *text = NULL;
	struct stat st;
	size_t got;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return -EUCLEAN;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	r = io_read_to_end(fd, text, (size_t)st.st_size, &got);
	if (r < 0)
		return r;
	*ret_text = text;
	text = NULL;
	return 0;
}

static int look(const struct device_key_states *states, struct stat *ret_stat)
{
	memset(ret_stat, 0, sizeof(*ret_stat));
	if (fstatat(states->directory, FILE_NAME, ret_stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 0;
}

static int load(struct device_key_states *states)
{
	_cleanup_(io_freep) char *text = NULL, *told = NULL;
	int r;

	states->count = 0;
	states->end_bytes = 0;
	r = look(states, &states->seen);
	if (r < 0)
		return r;
	r = read_text(states->directory, TOLD_NAME, &told);
	if (r < 0 && r != -ENOENT)
		return r;
	if (told)
		states->told = strtoull(told, NULL, 10);
	states->last = states->told;
	r = read_text(states->directory, FILE_NAME, &text);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return take_lines(states, text);
}

int device_key_states_refresh(struct device_key_states *states)
{
	struct stat now;
	int r;

	r = look(states, &now);
	if (r < 0)
		return r;
	if (now.st_ino == states->seen.st_ino && now.st_size == states->seen.st_size &&
		now.st_mtim.tv_sec == states->seen.st_mtim.tv_sec &&
		now.st_mtim.tv_nsec == states->seen.st_mtim.tv_nsec)
		return 0;
	return load(states);
}

int device_key_states_open(int directory, struct device_key_states **ret_states)
{
	struct device_key_states *states = calloc(1, sizeof(*states));
	int r;

	if (!states)
		return -ENOMEM;
	states->directory = directory;
	r = load(states);
	if (r < 0) {
		device_key_states_free(states);
		return r;
	}
	*ret_states = states;
	return 0;
}

void device_key_states_free(struct device_key_states *states)
{
	if (!states)
		return;
	free(states->changes);
	free(states);
}

const struct device_key_change *device_key_states_all(
	const struct device_key_states *states, size_t *ret_count)
{
	*ret_count = states->count;
	return states->changes;
}

static bool is_same_key(const struct device_key_change *a, const struct device_key_change *b)
{
	return strcmp(a->key, b->key) == 0 && strcmp(a->id, b->id) == 0;
}

bool device_key_states_find(const struct device_key_states *states, const char *key, const char *id,
	enum device_key_state *ret_state)
{
	for (size_t i = states->count; i-- > 0;) {
		if (strcmp(states->changes[i].key, key) == 0 &&
			strcmp(states->changes[i].id, id) == 0) {
			*ret_state = states->changes[i].state;
			return true;
		}
	}
	return false;
}

bool device_key_states_is_newest(const struct device_key_states *states, size_t index)
{
	for (size_t i = index + 1; i < states->count; i++) {
		if (is_same_key(&states->changes[i], &states->changes[index]))
			return false;
	}
	return true;
}

/* --- a change --- */

static bool is_kept(const struct device_key_states *states, size_t index)
{
	const struct device_key_change *change = &states->changes[index];

	return index + DEVICE_KEY_STATES_KEPT >= states->count || change->number > states->told ||
	       (change->state != DEVICE_KEY_DESTROYED &&
		       device_key_states_is_newest(states, index));
}

static int write_anew(struct device_key_states *states)
{
	_cleanup_free_ char *text = malloc(states->count * LINE_BYTES_MAX + 1);
	size_t kept = 0;
	char *at = text;
	int r;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < states->count; i++) {
		if (!is_kept(states, i))
			states->changes[i].number = 0;
	}
	for (size_t i = 0; i < states->count; i++) {
		if (states->changes[i].number == 0)
			continue;
		states->changes[kept++] = states->changes[i];
		at += encode(&states->changes[kept - 1], at);
	}
	states->count = kept;
	r = device_key_file_replace(states->directory, FILE_NAME, text, (size_t)(at - text), 0600);
	if (r < 0)
		return r;
	states->end_bytes = (uint64_t)(at - text);
	return look(states, &states->seen);
}

static int append(struct device_key_states *states, const struct device_key_change *change)
{
	_cleanup_close_ int fd = -1;
	char line[LINE_BYTES_MAX];
	int n = encode(change, line), r;

	fd = openat(
		states->directory, FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)states->end_bytes) < 0) /* what was torn */
		return -errno;
	r = io_pwrite(fd, line, (size_t)n, states->end_bytes);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && states->end_bytes == 0)
		r = device_key_file_sync(states->directory);
	if (r < 0) {
		(void)!ftruncate(fd, (off_t)states->end_bytes);
		return r;
	}
	states->end_bytes += (uint64_t)n;
	return look(states, &states->seen);
}

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 1: it is a change; 0: it is in that state already. */
static int check(const struct device_key_states *states, const struct device_key_change *change)
{
	enum device_key_state now;

	if (!device_key_states_find(states, change->key, change->id, &now))
		return 1;
	if (now == change->state)
		return 0;
	if (now == DEVICE_KEY_DESTROYED ||
		(now == DEVICE_KEY_COMPROMISED && change->state != DEVICE_KEY_DESTROYED))
		return -EINVAL;
	return 1;
}

int device_key_states_note(struct device_key_states *states, const char *key, const char *id,
	enum device_key_state state, const char *reason)
{
	struct device_key_change change = {.state = state};
	int r;

	id = id ? id : "";
	reason = reason ? reason : "";
	if (key[0] == '\0' || !is_plain(key, sizeof(change.key)) ||
		!is_plain(id, sizeof(change.id)) || !is_plain(reason, sizeof(change.reason)))
		return -EINVAL;
	strcpy(change.key, key);
	strcpy(change.id, id);
	strcpy(change.reason, reason);
	change.wall_ms = wall_ms();
	r = device_key_states_refresh(states);
	change.number = states->last + 1;
	if (r >= 0)
		r = check(states, &change);
	if (r <= 0)
		return r;
	r = append(states, &change);
	if (r >= 0)
		r = remember(states, &change);
	if (r >= 0 && states->end_bytes > DEVICE_KEY_STATES_BYTES)
		r = write_anew(states);
	return r;
}

/* --- telling --- */

int device_key_states_next(struct device_key_states *states, struct device_key_change *ret_change)
{
	int r;

	r = device_key_states_refresh(states);
	if (r < 0)
		return r;
	for (size_t i = 0; i < states->count; i++) {
		if (states->changes[i].number > states->told) {
			*ret_change = states->changes[i];
			return 1;
		}
	}
	return 0;
}

int device_key_states_told(struct device_key_states *states, uint64_t number)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", number), r;

	if (number <= states->told)
		return 0;
	r = device_key_file_replace(states->directory, TOLD_NAME, text, (size_t)n, 0600);
	if (r >= 0)
		states->told = number;
	return r;
}

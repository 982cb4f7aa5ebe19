/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/device_keys.h"
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "keystore/device_keys_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NAME_DIGEST_MAX 4096u /* of a title or user */

/* --- open --- */

int device_keys_say(
	const struct device_keys *keys, const char *name, int error, struct problem *reterr_problem)
{
	if (error == -ENOENT)
		error = -EUCLEAN;
	if (error == -EUCLEAN)
		return problem_set(reterr_problem, error,
			"%s/%s is damaged or missing, and is not replaced silently: put back a "
			"good "
			"copy, or move %s and the audit log aside, start the service, and enrol "
			"the "
			"device anew",
			keys->path, name, keys->path);
	if (error == -EPERM)
		return problem_set(reterr_problem, error,
			"%s/%s can be read by others than root: if nobody did, chmod 0600; else "
			"move %s and the audit log aside, and enrol the device anew",
			keys->path, name, keys->path);
	return problem_set(reterr_problem, error, "%s/%s: %s", keys->path, name, strerror(-error));
}

static int read_keys(struct device_keys *keys, struct problem *reterr_problem)
{
	struct minisign_key device;
	int r;

	r = device_key_file_read(keys->fd, DEVICE_KEYS_DEVICE, &keys->device_seed, &keys->device);
	if (r < 0)
		return device_keys_say(keys, DEVICE_KEYS_DEVICE, r, reterr_problem);
	r = device_key_file_read(keys->fd, DEVICE_KEYS_NAMES, &keys->names_seed, &keys->names);
	if (r < 0)
		return device_keys_say(keys, DEVICE_KEYS_NAMES, r, reterr_problem);
	r = device_keys_log_load(keys, reterr_problem);
	if (r < 0)
		return r;
	r = device_keys_enrol_read(keys->fd, &device, &keys->log_root);
	if (r >= 0 && !minisign_key_is_equal(&device, &keys->device))
		r = -EUCLEAN;
	if (r < 0)
		return device_keys_say(keys, DEVICE_KEYS_ENROL, r, reterr_problem);
	r = device_key_states_open(keys->fd, &keys->states);
	if (r < 0)
		return device_keys_say(keys, "states", r, reterr_problem);
	return 0;
}

static int open_directory(struct device_keys *keys, const char *directory, bool create,
	bool *ret_created, struct problem *reterr_problem)
{
	int n = snprintf(keys->path, sizeof(keys->path), "%s/keys", directory), r;

	if (n < 0 || n >= (int)sizeof(keys->path))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%.200s...: %s", directory,
			strerror(ENAMETOOLONG));
	keys->fd = open(keys->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (keys->fd < 0 && errno == ENOENT && create) {
		r = device_keys_enrol_make(directory, reterr_problem);
		if (r < 0)
			return r;
		*ret_created = true;
		keys->fd = open(keys->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (keys->fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s%s", keys->path, strerror(errno),
			errno == ENOENT ? "; the service makes the device's keys at its first start"
					: "");
	return 0;
}

int device_keys_open(const char *directory, bool create, struct device_keys **ret_keys,
	bool *ret_created, struct problem *reterr_problem)
{
	struct device_keys *keys = calloc(1, sizeof(*keys));
	bool created = false;
	int r;

	if (!keys)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	keys->fd = -1;
	pthread_mutex_init(&keys->lock, NULL);
	r = open_directory(keys, directory, create, &created, reterr_problem);
	if (r >= 0 && flock(keys->fd, LOCK_EX) < 0)
		r = problem_set(reterr_problem, -errno, "%s: %s", keys->path, strerror(errno));
	if (r >= 0) {
		r = read_keys(keys, reterr_problem);
		if (r >= 0)
			device_keys_settle_states(keys);
		(void)flock(keys->fd, LOCK_UN);
	}
	if (r < 0) {
		device_keys_free(keys);
		return r;
	}
	if (ret_created)
		*ret_created = created;
	*ret_keys = keys;
	return 0;
}

void device_keys_free(struct device_keys *keys)
{
	if (!keys)
		return;
	secret_free(keys->device_seed);
	secret_free(keys->names_seed);
	secret_free(keys->log_seed);
	secret_free(keys->next_seed);
	device_key_states_free(keys->states);
	io_closep(&keys->fd);
	pthread_mutex_destroy(&keys->lock);
	free(keys);
}

/* --- the device's key, and names --- */

const struct minisign_key *device_keys_public(const struct device_keys *keys)
{
	return &keys->device;
}

const struct minisign_key *device_keys_log_root(const struct device_keys *keys)
{
	return &keys->log_root;
}

int device_keys_name_digest(struct device_keys *keys, const char *label, const char *name,
	char ret_hex[static DEVICE_KEYS_DIGEST_BYTES])
{
	const size_t label_bytes = strlen(label) + 1, name_bytes = strlen(name);
	uint8_t mac[SHA256_BYTES];
	struct secret *both;
	int r;

	if (label_bytes + name_bytes > NAME_DIGEST_MAX)
		return -EINVAL;
	/* A name is no key, but has to leave memory like one. */
	r = secret_new(label_bytes + name_bytes, &both);
	if (r < 0)
		return r;
	memcpy(secret_bytes(both), label, label_bytes);
	memcpy(secret_bytes(both) + label_bytes, name, name_bytes);
	r = hash_hmac_sha256(keys->names_seed, secret_peek(both), secret_size(both), mac);
	secret_free(both);
	if (r >= 0)
		(void)hex_encode(mac, sizeof(mac), ret_hex);
	return r;
}

/* --- states --- */

static const char *id_of(const struct minisign_key *key, char id[static 2 * MINISIGN_ID_BYTES + 1])
{
	return hex_encode(key->id, sizeof(key->id), id);
}

/* What an administrator noted stays. */
static void settle_one(struct device_keys *keys, const char *name, const struct minisign_key *key,
	enum device_key_state state, const char *reason)
{
	char id[2 * MINISIGN_ID_BYTES + 1];
	enum device_key_state now;

	(void)id_of(key, id);
	if (device_key_states_find(keys->states, name, id, &now) &&
		now != DEVICE_KEY_PRE_ACTIVATION)
		return;
	(void)!device_key_states_note(keys->states, name, id, state, reason);
}

void device_keys_settle_old(struct device_keys *keys)
{
	char id[2 * MINISIGN_ID_BYTES + 1];

	(void)!device_key_states_note(keys->states, "log", id_of(&keys->log, id),
		DEVICE_KEY_DEACTIVATED, "its segment of the log is closed");
}

static bool is_key(const struct device_key_change *change, const struct minisign_key *key)
{
	char id[2 * MINISIGN_ID_BYTES + 1];

	return strcmp(change->id, id_of(key, id)) == 0;
}

/* A log's key that is neither the present nor the next one was destroyed. */
static void settle_gone(struct device_keys *keys)
{
	const struct device_key_change *all;
	size_t count;

	if (!keys->log_seed) /* in the middle of a change */
		return;
	all = device_key_states_all(keys->states, &count);
	for (size_t i = 0; i < count; i++) {
		struct device_key_change change = all[i];

		if (strcmp(change.key, "log") != 0 || change.state == DEVICE_KEY_DESTROYED ||
			is_key(&change, &keys->log) ||
			(keys->next_seed && is_key(&change, &keys->next)) ||
			!device_key_states_is_newest(keys->states, i))
			continue;
		(void)!device_key_states_note(keys->states, change.key, change.id,
			DEVICE_KEY_DESTROYED, "overwritten, read back, removed");
		all = device_key_states_all(keys->states, &count);
	}
}

void device_keys_settle_states(struct device_keys *keys)
{
	settle_one(keys, "device", &keys->device, DEVICE_KEY_ACTIVE,
		"signs receipts and certificates");
	settle_one(keys, "names", &keys->names, DEVICE_KEY_ACTIVE, "hides titles and users");
	settle_gone(keys);
	if (keys->log_seed)
		settle_one(
			keys, "log", &keys->log, DEVICE_KEY_ACTIVE, "signs the log's open segment");
	if (keys->next_seed)
		settle_one(keys, "log", &keys->next, DEVICE_KEY_PRE_ACTIVATION,
			"will sign the log's next segment");
}

static void begin(struct device_keys *keys)
{
	pthread_mutex_lock(&keys->lock);
	(void)flock(keys->fd, LOCK_EX);
}

static void end(struct device_keys *keys)
{
	(void)flock(keys->fd, LOCK_UN);
	pthread_mutex_unlock(&keys->lock);
}

/* As another process may have noted it just now. */
static int check_active(struct device_keys *keys)
{
	char id[2 * MINISIGN_ID_BYTES + 1];
	enum device_key_state now;
	int r;

	begin(keys);
	r = device_key_states_refresh(keys->states);
	if (r >= 0 &&
		device_key_states_find(keys->states, "device", id_of(&keys->device, id), &now))
		r = now <= DEVICE_KEY_ACTIVE ? 0 : -EKEYREVOKED;
	end(keys);
	return r;
}

int device_keys_sign(struct device_keys *keys, const void *message, size_t bytes,
	const char *trusted_comment, char **ret_signature)
{
	int r = check_active(keys);

	if (r < 0)
		return r;
	return minisign_sign(
		keys->device_seed, &keys->device, message, bytes, trusted_comment, ret_signature);
}

int device_keys_note_state(struct device_keys *keys, const char *key, const char *id,
	enum device_key_state state, const char *reason)
{
	int r;

	begin(keys);
	r = device_key_states_note(keys->states, key, id, state, reason);
	end(keys);
	return r;
}

int device_keys_states(
	struct device_keys *keys, struct device_key_change **ret_changes, size_t *ret_count)
{
	const struct device_key_change *all;
	struct device_key_change *changes;
	size_t count, n = 0;

	begin(keys);
	all = device_key_states_all(keys->states, &count);
	changes = calloc(count ? count : 1, sizeof(*changes));
	for (size_t i = 0; changes && i < count; i++) {
		if (device_key_states_is_newest(keys->states, i))
			changes[n++] = all[i];
	}
	end(keys);
	if (!changes)
		return -ENOMEM;
	*ret_changes = changes;
	*ret_count = n;
	return 0;
}

int device_keys_next_change(struct device_keys *keys, struct device_key_change *ret_change)
{
	int r;

	begin(keys);
	device_keys_settle_states(keys);
	r = device_key_states_next(keys->states, ret_change);
	end(keys);
	return r;
}

int device_keys_change_told(struct device_keys *keys, uint64_t number)
{
	int r;

	begin(keys);
	r = device_key_states_told(keys->states, number);
	end(keys);
	return r;
}

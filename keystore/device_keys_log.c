/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_keys_log.c - the log's keys, which live for one segment (the steps: device_keys_impl.h)
 */
#include "keystore/device_keys_impl.h"
#include <errno.h>
#include <string.h>
#include <sys/file.h>

/* --- mending what a crash left --- */

static int destroy_fresh(int fd)
{
	static const char *const names[] = {DEVICE_KEYS_NEXT ".new", DEVICE_KEYS_RESTART ".new",
		DEVICE_KEYS_ENROL ".new", "states.new", "states.told.new"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		r = device_key_file_destroy(fd, names[i]);
	return r;
}

/* From the moment that log.old is there. */
static int finish_advance(int fd)
{
	int r;

	r = device_key_file_destroy(fd, DEVICE_KEYS_OLD);
	if (r < 0)
		return r;
	return device_key_file_rename(fd, DEVICE_KEYS_NEXT, DEVICE_KEYS_LOG);
}

/* From the moment that log.restart is there. */
static int finish_restart(int fd, const struct minisign_key *device)
{
	_cleanup_secret_ struct secret *seed = NULL;
	struct minisign_key root;
	int r;

	r = device_key_file_read(fd, DEVICE_KEYS_RESTART, &seed, &root);
	if (r >= 0)
		r = device_keys_enrol_write(fd, device, &root);
	if (r >= 0)
		r = device_key_file_destroy(fd, DEVICE_KEYS_OLD);
	if (r >= 0)
		r = device_key_file_destroy(fd, DEVICE_KEYS_NEXT);
	if (r >= 0)
		r = device_key_file_destroy(fd, DEVICE_KEYS_LOG);
	return r < 0 ? r : device_key_file_rename(fd, DEVICE_KEYS_RESTART, DEVICE_KEYS_LOG);
}

static int mend(struct device_keys *keys)
{
	int restart, old, log, next, r;

	r = destroy_fresh(keys->fd);
	if (r < 0)
		return r;
	restart = device_key_file_exists(keys->fd, DEVICE_KEYS_RESTART);
	old = device_key_file_exists(keys->fd, DEVICE_KEYS_OLD);
	log = device_key_file_exists(keys->fd, DEVICE_KEYS_LOG);
	next = device_key_file_exists(keys->fd, DEVICE_KEYS_NEXT);
	if (restart < 0 || old < 0 || log < 0 || next < 0)
		return -EIO;
	if (restart)
		return finish_restart(keys->fd, &keys->device);
	if (old && !next) /* no step leaves that */
		return -EUCLEAN;
	if (!log && next)
		return finish_advance(keys->fd);
	return old ? -EUCLEAN : 0;
}

int device_keys_log_load(struct device_keys *keys, struct problem *reterr_problem)
{
	int r;

	r = mend(keys);
	if (r >= 0)
		r = device_key_file_read(keys->fd, DEVICE_KEYS_LOG, &keys->log_seed, &keys->log);
	if (r < 0)
		return device_keys_say(keys, DEVICE_KEYS_LOG, r, reterr_problem);
	r = device_key_file_read(keys->fd, DEVICE_KEYS_NEXT, &keys->next_seed, &keys->next);
	if (r < 0 && r != -ENOENT)
		return device_keys_say(keys, DEVICE_KEYS_NEXT, r, reterr_problem);
	return 0;
}

/* --- calls --- */

/* D5 */
static int begin(struct device_keys *keys)
{
	pthread_mutex_lock(&keys->lock);
	if (flock(keys->fd, LOCK_EX) < 0) {
		int r = -errno;

		pthread_mutex_unlock(&keys->lock);
		return r;
	}
	return 0;
}

static void end(struct device_keys *keys)
{
	(void)flock(keys->fd, LOCK_UN);
	pthread_mutex_unlock(&keys->lock);
}

int device_keys_log_public(struct device_keys *keys, struct minisign_key *ret_key)
{
	int r = 0;

	pthread_mutex_lock(&keys->lock);
	if (keys->log_seed)
		*ret_key = keys->log;
	else
		r = -EUCLEAN;
	pthread_mutex_unlock(&keys->lock);
	return r;
}

int device_keys_log_sign(struct device_keys *keys, const void *message, size_t bytes,
	const char *trusted_comment, char **ret_signature)
{
	int r = -EUCLEAN;

	pthread_mutex_lock(&keys->lock);
	if (keys->log_seed)
		r = minisign_sign(
			keys->log_seed, &keys->log, message, bytes, trusted_comment, ret_signature);
	pthread_mutex_unlock(&keys->lock);
	return r;
}

int device_keys_log_next(struct device_keys *keys, struct minisign_key *ret_key)
{
	int r;

	r = begin(keys);
	if (r < 0)
		return r;
	if (!keys->next_seed) {
		r = device_key_file_make(keys->fd, DEVICE_KEYS_NEXT, &keys->next_seed, &keys->next);
		device_keys_settle_states(keys);
	}
	if (r >= 0)
		*ret_key = keys->next;
	end(keys);
	return r;
}

static int set_aside(struct device_keys *keys)
{
	int there = device_key_file_exists(keys->fd, DEVICE_KEYS_LOG);

	if (there <= 0) /* by a call that failed further on */
		return there;
	return device_key_file_rename(keys->fd, DEVICE_KEYS_LOG, DEVICE_KEYS_OLD);
}

/* A step that fails leaves the files where the next call goes on. */
static int advance(struct device_keys *keys)
{
	int waits, r;

	waits = device_key_file_exists(keys->fd, DEVICE_KEYS_NEXT);
	if (waits < 0)
		return waits;
	r = waits ? set_aside(keys) : 0;
	if (r < 0)
		return r;
	secret_free(keys->log_seed);
	keys->log_seed = NULL;
	device_keys_settle_old(keys);
	r = waits ? finish_advance(keys->fd) : device_key_file_sync(keys->fd);
	if (r < 0)
		return r;
	keys->log_seed = keys->next_seed;
	keys->log = keys->next;
	keys->next_seed = NULL;
	return 0;
}

int device_keys_log_advance(struct device_keys *keys)
{
	int r;

	r = begin(keys);
	if (r < 0)
		return r;
	r = keys->next_seed ? advance(keys) : -ENOENT;
	device_keys_settle_states(keys);
	end(keys);
	return r;
}

static int restart(struct device_keys *keys)
{
	_cleanup_secret_ struct secret *seed = NULL;
	struct minisign_key root;
	int exists, r = 0;

	exists = device_key_file_exists(keys->fd, DEVICE_KEYS_RESTART);
	if (exists < 0)
		return exists;
	r = exists ? device_key_file_read(keys->fd, DEVICE_KEYS_RESTART, &seed, &root)
		   : device_key_file_make(keys->fd, DEVICE_KEYS_RESTART, &seed, &root);
	if (r < 0)
		return r;
	secret_free(keys->log_seed);
	secret_free(keys->next_seed);
	keys->log_seed = keys->next_seed = NULL;
	r = finish_restart(keys->fd, &keys->device);
	if (r < 0)
		return r;
	keys->log_seed = seed;
	seed = NULL;
	keys->log = keys->log_root = root;
	return 0;
}

int device_keys_log_restart(struct device_keys *keys)
{
	int r;

	r = begin(keys);
	if (r < 0)
		return r;
	r = restart(keys);
	device_keys_settle_states(keys);
	end(keys);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_keys_enrol.c - the first start, and the file that is carried to whoever will verify
 *
 * A first start makes everything in DIR/keys.new and renames that: either there are all keys, or
 * there were none, and what a crash left of some was never used.
 */
#include "base/io.h"
#include "keystore/device_keys_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (2 * MINISIGN_TEXT_MAX)
#define FRESH	 "keys.new"

/* --- enrolment.pub --- */

static int encode_one(const struct minisign_key *key, const char *what, char **ret_text)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES], comment[MINISIGN_COMMENT_BYTES];
	int r;

	r = minisign_fingerprint(key, fingerprint);
	if (r < 0)
		return r;
	snprintf(comment, sizeof(comment), "spoolguard %s, fingerprint (SHA-256) %s", what,
		fingerprint);
	return minisign_key_encode(key, comment, ret_text);
}

int device_keys_enrol_write(
	int fd, const struct minisign_key *device, const struct minisign_key *log_root)
{
	_cleanup_(io_freep) char *first = NULL, *second = NULL, *both = NULL;
	int r;

	r = encode_one(device, "device key", &first);
	if (r >= 0)
		r = encode_one(log_root, "audit log root", &second);
	if (r < 0)
		return r;
	if (asprintf(&both, "%s%s", first, second) < 0) {
		both = NULL;
		return -ENOMEM;
	}
	return device_key_file_replace(fd, DEVICE_KEYS_ENROL, both, strlen(both), 0644);
}

static int read_text(int fd, const char *name, char text[static TEXT_MAX], size_t *ret_bytes)
{
	_cleanup_close_ int file = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (file < 0)
		return -errno;
	return io_read_to_end(file, text, TEXT_MAX - 1, ret_bytes);
}

static int decode(char *text, struct minisign_key *ret_device, struct minisign_key *ret_log_root)
{
	char *middle = strchr(text, '\n');
	int r;

	middle = middle ? strchr(middle + 1, '\n') : NULL;
	if (!middle)
		return -EINVAL;
	middle++;
	r = minisign_key_decode(text, (size_t)(middle - text), ret_device);
	if (r >= 0)
		r = minisign_key_decode(middle, strlen(middle), ret_log_root);
	return r;
}

int device_keys_enrol_read(
	int fd, struct minisign_key *ret_device, struct minisign_key *ret_log_root)
{
	char text[TEXT_MAX];
	size_t bytes;
	int r;

	r = read_text(fd, DEVICE_KEYS_ENROL, text, &bytes);
	if (r < 0)
		return r == -EFBIG ? -EUCLEAN : r;
	text[bytes] = '\0';
	r = decode(text, ret_device, ret_log_root);
	return r == -EINVAL ? -EUCLEAN : r;
}

int device_keys_read_enrolment(
	const char *directory, char **ret_text, struct problem *reterr_problem)
{
	struct minisign_key device, log_root;
	char path[PATH_MAX], text[TEXT_MAX];
	size_t bytes;
	int r;

	r = snprintf(path, sizeof(path), "%s/keys/" DEVICE_KEYS_ENROL, directory);
	if (r < 0 || r >= (int)sizeof(path))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%.200s...: %s", directory,
			strerror(ENAMETOOLONG));
	r = read_text(AT_FDCWD, path, text, &bytes);
	if (r == -ENOENT)
		return problem_set(reterr_problem, r,
			"%s is not there: the service makes the device's keys at its first start",
			path);
	if (r >= 0) {
		text[bytes] = '\0';
		r = decode(text, &device, &log_root);
	}
	if (r == -EINVAL || r == -EFBIG)
		return problem_set(reterr_problem, -EUCLEAN,
			"%s is damaged: put back the copy that was enrolled", path);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: %s", path, strerror(-r));
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

/* --- the first start --- */

static int make_all(int fd)
{
	static const char *const names[] = {DEVICE_KEYS_DEVICE, DEVICE_KEYS_LOG, DEVICE_KEYS_NAMES};
	struct minisign_key keys[ARRAY_SIZE(names)];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++) {
		_cleanup_secret_ struct secret *seed = NULL;

		r = device_key_file_destroy(fd, names[i]);
		if (r >= 0)
			r = device_key_file_make(fd, names[i], &seed, &keys[i]);
	}
	return r < 0 ? r : device_keys_enrol_write(fd, &keys[0], &keys[1]);
}

static int make_in(int directory)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdirat(directory, FRESH, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(directory, FRESH, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0711) < 0)
		return -errno;
	r = make_all(fd);
	if (r < 0)
		return r;
	return device_key_file_rename(directory, FRESH, "keys");
}

/* A log that was signed by keys which are gone: D4. */
static bool had_keys(int directory)
{
	return faccessat(directory, "audit", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       faccessat(directory, "audit-position", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int device_keys_enrol_make(const char *directory, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s cannot be used: %s", directory,
			strerror(errno));
	if (had_keys(fd))
		return problem_set(reterr_problem, -EUCLEAN,
			"%s/keys is gone, and there is an audit log that was signed with those "
			"keys: put the keys back, or move %s/audit and audit-position aside, start "
			"the service, and enrol the device anew",
			directory, directory);
	r = make_in(fd);
	if (r < 0)
		return problem_set(reterr_problem, r, "the device's keys cannot be made in %s: %s",
			directory, strerror(-r));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/unlock.h"
#include "base/clock.h"
#include "base/io.h"
#include "harness/host.h"
#include "keystore/keystore.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- from files --- */

static int read_file(const char *path, const char *what, struct secret **ret_passphrase,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return problem_set(reterr_problem, errno == ENOENT ? -ENOKEY : -errno,
			"%s %s cannot be read: %s", what, path, strerror(errno));
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return problem_set(reterr_problem, -EINVAL, "%s %s is no file", what, path);
	r = secret_read_fd(fd, KEYSTORE_KEY_FILE_BYTES_MAX, &passphrase);
	if (r == -EFBIG)
		return problem_set(reterr_problem, r, "%s %s is longer than %u bytes", what, path,
			KEYSTORE_KEY_FILE_BYTES_MAX);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s %s cannot be read: %s", what, path, strerror(-r));
	if (secret_size(passphrase) == 0)
		return problem_set(reterr_problem, -ENOKEY, "%s %s is empty", what, path);
	*ret_passphrase = passphrase;
	passphrase = NULL;
	return 0;
}

static int read_credential(const struct config_volume *volume, struct secret **ret_passphrase,
	struct problem *reterr_problem)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int n;

	if (!directory || directory[0] != '/')
		return problem_set(reterr_problem, -ENOKEY,
			"there are no credentials: start the mounter by its systemd unit, with "
			"LoadCredentialEncrypted=spoolguard.%s",
			volume->name);
	n = snprintf(path, sizeof(path), "%s/spoolguard.%s", directory, volume->name);
	if (n < 0 || n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return read_file(path, "credential", ret_passphrase, reterr_problem);
}

int unlock_read(const struct config_volume *volume, struct secret **ret_passphrase,
	struct problem *reterr_problem)
{
	switch (volume->unlock) {
	case CONFIG_UNLOCK_ASK:
		return problem_set(reterr_problem, -ENOKEY,
			"it is opened by an administrator: \"spoolguard attach %s\"", volume->name);
	case CONFIG_UNLOCK_CREDENTIAL:
		return read_credential(volume, ret_passphrase, reterr_problem);
	case CONFIG_UNLOCK_KEY_FILE:
		return read_file(volume->key_file, "key file", ret_passphrase, reterr_problem);
	case CONFIG_UNLOCK_BOOT_KEY:
		break;
	}
	assert(volume->unlock != CONFIG_UNLOCK_BOOT_KEY);
	return -EINVAL;
}

/* --- from a descriptor --- */

static int wait_for(int fd, uint64_t deadline_ns)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	uint64_t now = clock_monotonic_ns();
	int n;

	if (now >= deadline_ns)
		return -ETIMEDOUT;
	n = poll(&poll_fd, 1, (int)((deadline_ns - now) / 1000000u) + 1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -ETIMEDOUT : 1;
}

/* Who handed it over may never write to it: unlike a file it is not waited for without end. */
static int read_all(int fd, uint64_t timeout_ms, struct secret *to, size_t *ret_bytes)
{
	uint64_t deadline = clock_monotonic_ns() + timeout_ms * UINT64_C(1000000);
	size_t bytes = 0;

	for (;;) {
		int r = wait_for(fd, deadline);
		ssize_t n;

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (bytes == secret_size(to))
			return -EFBIG;
		n = read(fd, secret_bytes(to) + bytes, secret_size(to) - bytes);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0) {
			*ret_bytes = bytes;
			return 0;
		}
		if (n > 0)
			bytes += (size_t)n;
	}
}

int unlock_read_fd(
	int fd, uint64_t timeout_ms, struct secret **ret_passphrase, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	size_t bytes = 0;
	int r;

	/* One byte more than is allowed, to see whether there is one. */
	r = secret_new(KEYSTORE_KEY_FILE_BYTES_MAX + 1, &passphrase);
	if (r >= 0)
		r = read_all(fd, timeout_ms, passphrase, &bytes);
	if (r >= 0 && bytes > KEYSTORE_KEY_FILE_BYTES_MAX)
		r = -EFBIG;
	if (r == -EFBIG)
		return problem_set(reterr_problem, r, "the passphrase is longer than %u bytes",
			KEYSTORE_KEY_FILE_BYTES_MAX);
	if (r == -ETIMEDOUT)
		return problem_set(reterr_problem, r,
			"no passphrase came within %llu s; who sends it ends it by closing",
			(unsigned long long)timeout_ms / 1000);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "the passphrase could not be read: %s", strerror(-r));
	if (bytes == 0)
		return problem_set(reterr_problem, -ENOKEY,
			"the passphrase is empty; an empty one protects nothing");
	secret_truncate(passphrase, bytes);
	*ret_passphrase = passphrase;
	passphrase = NULL;
	return 0;
}

/* --- where it lies --- */

bool unlock_is_beside(const struct config_volume *volume, struct problem *ret_line)
{
	enum host_place place;
	char text[HOST_TEXT_BYTES];

	if (volume->unlock != CONFIG_UNLOCK_KEY_FILE ||
		host_find_place(volume->key_file, &place, text) < 0 ||
		host_is_apart(volume->key_file))
		return false;
	problem_set(ret_line, 0,
		"key beside the lock: the key file of volume %s, %.300s, lies %s, so that who "
		"takes "
		"this machine's disks can read the spool; use unlock = credential, or a medium "
		"that "
		"is kept apart",
		volume->name, volume->key_file, text);
	return true;
}

const char *unlock_text(enum config_unlock unlock)
{
	static const char *const texts[] = {
		[CONFIG_UNLOCK_ASK] = "ask",
		[CONFIG_UNLOCK_CREDENTIAL] = "credential",
		[CONFIG_UNLOCK_KEY_FILE] = "key-file",
		[CONFIG_UNLOCK_BOOT_KEY] = "boot-key",
	};

	return texts[unlock];
}

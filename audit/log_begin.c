/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_impl.h"
#include "base/clock.h"
#include "base/hex.h"
#include "crypto/random.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SET_ASIDE     LOG_DIRECTORY ".set-aside-"
#define COMMENT_BYTES 128
#define FILES_MAX     1000000u /* in a directory that was set aside */

/* --- a new log --- */

static int write_root(struct audit_log *log, const struct log_root *root)
{
	char text[LOG_HEAD_BYTES_MAX], comment[COMMENT_BYTES];
	_cleanup_free_ char *signature = NULL;
	size_t bytes = log_root_encode(root, text);
	int r;

	snprintf(comment, sizeof(comment), LOG_ROOT_SCHEMA " %s", root->log);
	r = log->signer->device_sign(log->signer->context, text, bytes, comment, &signature);
	if (r >= 0)
		r = log_files_replace(log->fd, LOG_ROOT_NAME LOG_SIGNATURE_END,
			log->options.readers, signature, strlen(signature));
	if (r >= 0)
		r = log_files_replace(log->fd, LOG_ROOT_NAME, log->options.readers, text, bytes);
	if (r >= 0)
		r = log_sha256(text, bytes, log->root_sha256);
	return r;
}

int log_begin(struct audit_log *log, bool had_one_before, struct problem *problem)
{
	struct log_root root;
	struct timespec now;
	int r = 0;

	if (had_one_before)
		r = log->signer->log_restart(log->signer->context);
	if (r >= 0)
		r = log->signer->device_public(log->signer->context, &root.device);
	if (r >= 0)
		r = log->signer->log_public(log->signer->context, &root.key);
	if (r >= 0)
		r = random_uuid(root.log);
	if (r >= 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		root.wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
		r = write_root(log, &root);
	}
	if (r < 0)
		return problem_set(problem, r, "a new audit log cannot be begun: %s", strerror(-r));
	strcpy(log->log, root.log);
	strcpy(log->previous_head, log->root_sha256);
	strcpy(log->added.sha256, log->root_sha256);
	log->segment.number = log->oldest = 1;
	return 0;
}

/* --- one that is set aside --- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* Sorted; not those that begin with a dot. */
static int list_names(int fd, char ***ret_names, size_t *ret_count)
{
	DIR *directory = NULL;
	char **names = NULL;
	size_t count = 0, room = 0;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (copy >= 0)
		directory = fdopendir(copy);
	if (!directory) {
		r = -errno;
		io_closep(&copy);
		return r;
	}
	for (struct dirent *entry; r >= 0 && (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		if (count == room) {
			char **more = count < FILES_MAX
					      ? realloc(names, (room + 256) * sizeof(*names))
					      : NULL;

			if (!more) {
				r = -ENOMEM;
				break;
			}
			names = more;
			room += 256;
		}
		names[count] = strdup(entry->d_name);
		r = names[count] ? 0 : -ENOMEM;
		count += r >= 0;
	}
	closedir(directory);
	if (r < 0) {
		free_names(names, count);
		return r;
	}
	if (count > 0)
		qsort(names, count, sizeof(*names), compare);
	*ret_names = names;
	*ret_count = count;
	return 0;
}

static bool is_log(int state_fd, const char *name, const char *log)
{
	char text[LOG_HEAD_BYTES_MAX];
	_cleanup_close_ int fd = -1;
	struct log_root root;
	size_t bytes = 0;

	return log_files_open_directory(state_fd, name, &fd) >= 0 &&
	       log_files_read(fd, LOG_ROOT_NAME, text, sizeof(text), &bytes) >= 0 &&
	       log_root_decode(text, bytes, &root) >= 0 && strcmp(root.log, log) == 0;
}

int log_find_set_aside(
	int state_fd, const char *log, char ret_name[static LOG_ASIDE_BYTES], bool *ret_is_that)
{
	char **names;
	size_t count;
	int r;

	r = list_names(state_fd, &names, &count);
	if (r < 0)
		return r;
	*ret_name = '\0';
	*ret_is_that = false;
	for (size_t i = 0; i < count && !*ret_is_that; i++) {
		if (strncmp(names[i], SET_ASIDE, strlen(SET_ASIDE)) != 0 ||
			strlen(names[i]) >= LOG_ASIDE_BYTES)
			continue;
		strcpy(ret_name, names[i]);
		*ret_is_that = *log && is_log(state_fd, names[i], log);
	}
	free_names(names, count);
	return 0;
}

static int hash_file(int at_fd, const char *name, char ret_hex[static AUDIT_HEX_BYTES])
{
	_cleanup_(hash_freep) struct hash *hash = NULL;
	_cleanup_close_ int fd = -1;
	uint8_t digest[SHA256_BYTES];
	char buf[16384];
	int r;

	r = log_files_open(at_fd, name, O_RDONLY, (gid_t)-1, &fd);
	if (r >= 0)
		r = hash_new(&hash);
	while (r >= 0) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0) {
			r = n < 0 ? -errno : 0;
			break;
		}
		r = hash_update(hash, buf, (size_t)n);
	}
	if (r >= 0)
		r = hash_finish(hash, digest);
	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_hex);
	return r;
}

int log_set_aside_digest(int state_fd, const char *name, char ret_hex[static AUDIT_HEX_BYTES])
{
	_cleanup_(hash_freep) struct hash *hash = NULL;
	_cleanup_close_ int fd = -1;
	uint8_t digest[SHA256_BYTES];
	char **names = NULL;
	size_t count = 0;
	int r;

	r = log_files_open_directory(state_fd, name, &fd);
	if (r >= 0)
		r = list_names(fd, &names, &count);
	if (r >= 0)
		r = hash_new(&hash);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		char line[AUDIT_HEX_BYTES + 260], hex[AUDIT_HEX_BYTES];

		r = hash_file(fd, names[i], hex);
		if (r >= 0)
			r = hash_update(hash, line,
				(size_t)snprintf(line, sizeof(line), "%s  %s\n", hex, names[i]));
	}
	free_names(names, count);
	if (r >= 0)
		r = hash_finish(hash, digest);
	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_hex);
	return r;
}

static int rename_aside(int state_fd, struct problem *problem)
{
	char time[32], name[64];
	struct tm utc;
	time_t now = (time_t)clock_wall_s();
	int r = -EEXIST;

	if (!gmtime_r(&now, &utc) || strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &utc) == 0)
		return -EOVERFLOW;
	for (unsigned int i = 1; i <= 99 && r == -EEXIST; i++) {
		snprintf(name, sizeof(name), SET_ASIDE "%s-%02u", time, i);
		r = renameat2(state_fd, LOG_DIRECTORY, state_fd, name, RENAME_NOREPLACE) < 0
			    ? -errno
			    : 0;
	}
	if (r >= 0)
		r = log_files_sync_directory(state_fd);
	if (r < 0)
		return problem_set(
			problem, r, "the audit log cannot be set aside: %s", strerror(-r));
	return 0;
}

int audit_log_set_aside(const char *directory, struct problem *reterr_problem)
{
	_cleanup_close_ int state_fd = -1, fd = -1;
	int r;

	r = log_files_open_directory(AT_FDCWD, directory, &state_fd);
	if (r >= 0)
		r = log_files_open_directory(state_fd, LOG_DIRECTORY, &fd);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s/" LOG_DIRECTORY ": %s; there is no audit log to be set aside",
			directory, strerror(-r));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return problem_set(reterr_problem, -EBUSY,
			"the audit log in %s is in use; stop the service first", directory);
	return rename_aside(state_fd, reterr_problem);
}

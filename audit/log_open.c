/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_impl.h"
#include "crypto/hash.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SEGMENTS_MIN	  8u /* of a log: so that two of them are a small part */
#define SEGMENT_BYTES_MAX (64u << 20)
#define BOOT_ID		  "/proc/sys/kernel/random/boot_id"
#define NO_BOOT		  "00000000-0000-0000-0000-000000000000"

static void free_log(struct audit_log *log)
{
	if (!log)
		return;
	io_closep(&log->segment.fd);
	io_closep(&log->next_fd);
	io_closep(&log->position_fd);
	io_closep(&log->fd);
	io_closep(&log->state_fd);
	hash_free(log->segment.hash);
	free(log->adding.at);
	free(log->writing.at);
	pthread_cond_destroy(&log->changed);
	pthread_mutex_destroy(&log->lock);
	pthread_mutex_destroy(&log->view_lock);
	free(log);
}

static int take_options(
	struct audit_log *log, const struct audit_log_options *options, struct problem *problem)
{
	struct audit_log_options *o = &log->options;

	*o = *options;
	if (o->size_bytes == 0)
		o->size_bytes = AUDIT_LOG_BYTES_DEFAULT;
	if (o->segment_bytes == 0)
		o->segment_bytes = o->size_bytes / SEGMENTS_MIN < AUDIT_SEGMENT_BYTES_DEFAULT
					   ? o->size_bytes / SEGMENTS_MIN
					   : AUDIT_SEGMENT_BYTES_DEFAULT;
	if (o->segment_age_s == 0)
		o->segment_age_s = AUDIT_SEGMENT_AGE_DEFAULT_S;
	if (o->segment_bytes < AUDIT_SEGMENT_BYTES_MIN || o->segment_bytes > SEGMENT_BYTES_MAX)
		return problem_set(problem, -EINVAL,
			"a segment of the audit log has 16 KiB to 64 MiB, and the log 8 segments "
			"at least, not %" PRIu64 " bytes",
			o->segment_bytes);
	if (o->size_bytes / SEGMENTS_MIN < o->segment_bytes)
		return problem_set(problem, -EINVAL,
			"the audit log may take %" PRIu64 " bytes, and needs 8 segments of %" PRIu64
			" bytes at least",
			o->size_bytes, o->segment_bytes);
	return 0;
}

static void read_boot_id(struct audit_log *log)
{
	_cleanup_close_ int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, log->boot, sizeof(log->boot) - 1) != sizeof(log->boot) - 1)
		strcpy(log->boot, NO_BOOT);
}

static int open_directories(struct audit_log *log, const char *directory, struct problem *problem)
{
	int r;

	r = log_files_open_directory(AT_FDCWD, directory, &log->state_fd);
	if (r < 0)
		return problem_set(
			problem, r, "the state directory %s: %s", directory, strerror(-r));
	r = log_files_make_directory(log->state_fd, LOG_DIRECTORY, log->options.readers);
	if (r >= 0)
		r = log_files_sync_directory(log->state_fd);
	if (r >= 0)
		r = log_files_open_directory(log->state_fd, LOG_DIRECTORY, &log->fd);
	if (r < 0)
		return problem_set(problem, r,
			"the directory of the audit log, %s/" LOG_DIRECTORY ": %s", directory,
			strerror(-r));
	if (flock(log->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return problem_set(problem, errno == EWOULDBLOCK ? -EBUSY : -errno,
		"the audit log in %s is in use by another process", directory);
}

/* A position that cannot be read is as good as none. */
static int read_position(struct audit_log *log, struct audit_position *ret_position,
	struct log_found *found, bool *ret_is_there)
{
	char text[LOG_HEAD_BYTES_MAX];
	size_t bytes = 0;
	int r;

	*ret_position = (struct audit_position){.sequence = 0};
	r = log_files_read(log->state_fd, LOG_POSITION_NAME, text, sizeof(text), &bytes);
	*ret_is_there = r != -ENOENT;
	if (r == -ENOENT)
		return 0;
	if (r == -EFBIG || r == -ELOOP || r == -EINVAL)
		r = -EBADMSG;
	if (r >= 0)
		r = log_position_decode(text, bytes, ret_position);
	found->position_is_unreadable = r == -EBADMSG || r == -EPROTONOSUPPORT;
	if (found->position_is_unreadable)
		return 0;
	if (r >= 0 && bytes == LOG_POSITION_BYTES)
		r = log_files_open(
			log->state_fd, LOG_POSITION_NAME, O_RDWR, (gid_t)-1, &log->position_fd);
	return r;
}

/*
 * A log that has no record yet: what was there before it?  One that was set aside, or one that is
 * simply gone.
 */
static int find_before(struct audit_log *log, const struct audit_position *position,
	struct log_found *found, struct problem *problem)
{
	bool is_that = false;
	int r;

	if (log->segment.number > 1 || log->added.sequence > 0)
		return 0;
	r = log_find_set_aside(log->state_fd, position->log, found->aside, &is_that);
	if (r < 0)
		return problem_set(problem, r, "the audit log: %s", strerror(-r));
	if (position->sequence == 0 || is_that || strcmp(position->log, log->log) == 0)
		return 0;
	found->lost = *position;
	*found->aside = '\0';
	return 0;
}

static int begin_anew(struct audit_log *log, bool position_was_there, struct problem *problem)
{
	char aside[LOG_ASIDE_BYTES];
	bool is_that;
	int r;

	r = log_refuse_leftovers(log, problem);
	if (r < 0)
		return r;
	r = log_find_set_aside(log->state_fd, "", aside, &is_that);
	if (r < 0)
		return problem_set(problem, r, "the audit log: %s", strerror(-r));
	return log_begin(log, position_was_there || *aside, problem);
}

static int find_or_begin(struct audit_log *log, struct log_found *found, struct problem *problem)
{
	struct audit_position position;
	bool was_there;
	int r;

	r = read_position(log, &position, found, &was_there);
	if (r < 0)
		return problem_set(problem, r, LOG_POSITION_NAME ": %s", strerror(-r));
	if (faccessat(log->fd, LOG_ROOT_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = log_load(log, &position, found, problem);
	else if (errno == ENOENT)
		r = begin_anew(log, was_there, problem);
	else
		r = problem_set(problem, -errno, "the audit log: %s", strerror(errno));
	return r < 0 ? r : find_before(log, &position, found, problem);
}

/* --- what the log says of itself --- */

static int say_set_aside(struct audit_log *log, const char *aside)
{
	struct audit_event event = {.event = "log-set-aside", .outcome = "success"};
	char digest[AUDIT_HEX_BYTES];
	int r;

	r = log_set_aside_digest(log->state_fd, aside, digest);
	if (r < 0)
		snprintf(digest, sizeof(digest), "unknown: %s", strerror(-r));
	event.detail = aside;
	event.data = json_object_new_object();
	if (!event.data ||
		json_object_object_add(event.data, "sha256sum", json_object_new_string(digest)) < 0)
		r = -ENOMEM;
	else
		r = log_add_or_turn(log, &event);
	json_object_put(event.data);
	return r;
}

static int say_recovered(struct audit_log *log, const struct log_found *found)
{
	struct audit_event event = {.event = "audit-recovered", .outcome = "success"};
	char detail[256];
	int r = 0;

	event.detail = detail;
	if (found->torn_bytes > 0) {
		snprintf(detail, sizeof(detail),
			"%" PRIu64
			" bytes of a line that was not finished were cut off, SHA-256 %s",
			found->torn_bytes, found->torn_sha256);
		r = log_add_or_turn(log, &event);
	}
	if (r >= 0 && found->position_is_unreadable) {
		snprintf(detail, sizeof(detail), LOG_POSITION_NAME " could not be read");
		r = log_add_or_turn(log, &event);
	}
	if (r >= 0 && found->lost.sequence > 0) {
		event.outcome = "failure";
		snprintf(detail, sizeof(detail),
			"the log was cut: " LOG_POSITION_NAME " knows record %" PRIu64
			" of log %s, SHA-256 %s",
			found->lost.sequence, found->lost.log, found->lost.sha256);
		r = log_add_or_turn(log, &event);
	}
	return r;
}

static int say_started(struct audit_log *log, const struct log_found *found)
{
	struct audit_event event = {.event = "audit-started", .outcome = "success"};

	if (!*found->last_event)
		event.detail = log->segment.number == 1 ? "a new log" : "after a crash";
	else if (strcmp(found->last_event, "audit-stopped") == 0)
		event.detail = "after an orderly stop";
	else
		event.detail = "after a crash";
	return log_add_or_turn(log, &event);
}

static int go_on(struct audit_log *log, const struct log_found *found, struct problem *problem)
{
	int r = 0;

	log->durable = log->added;
	log->nearly_full_told = log_is_nearly_full(log);
	if (log->segment.fd < 0)
		r = log_turn(log, false);
	if (r >= 0 && *found->aside)
		r = say_set_aside(log, found->aside);
	if (r >= 0)
		r = say_started(log, found);
	if (r >= 0)
		r = say_recovered(log, found);
	if (r >= 0)
		r = log_write_out(log);
	if (r >= 0)
		r = log_make_room(log);
	if (r >= 0)
		r = log_flush_position(log);
	if (r == -EDQUOT)
		return problem_set(problem, r,
			"the audit log is full; export it, then give it a larger size or set it "
			"aside");
	if (r < 0)
		return problem_set(
			problem, r, "the audit log cannot be written to: %s", strerror(-r));
	log_show(log);
	return 0;
}

static int open_log(struct audit_log *log, const char *directory, struct problem *problem)
{
	struct log_found found = {.torn_bytes = 0};
	int r;

	r = open_directories(log, directory, problem);
	if (r >= 0)
		r = find_or_begin(log, &found, problem);
	return r < 0 ? r : go_on(log, &found, problem);
}

int audit_log_open(const char *directory, const struct log_signer *signer,
	const struct audit_log_options *options, struct audit_log **ret_log,
	struct problem *reterr_problem)
{
	struct audit_log *log = calloc(1, sizeof(*log));
	int r;

	if (!log)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	log->state_fd = log->fd = log->position_fd = log->next_fd = log->segment.fd = -1;
	log->signer = signer;
	pthread_mutex_init(&log->lock, NULL);
	pthread_mutex_init(&log->view_lock, NULL);
	pthread_cond_init(&log->changed, NULL);
	read_boot_id(log);
	r = take_options(log, options, reterr_problem);
	if (r >= 0)
		r = open_log(log, directory, reterr_problem);
	if (r < 0)
		free_log(log);
	else
		*ret_log = log;
	return r;
}

void audit_log_close(struct audit_log *log)
{
	const struct audit_event event = {.event = "audit-stopped", .outcome = "success"};
	int r;

	if (!log)
		return;
	log_lock(log);
	assert(!log->working);
	r = log_add_or_turn(log, &event);
	if (r >= 0)
		r = log_write_out(log);
	if (r >= 0)
		r = log_flush_position(log);
	log_unlock(log);
	(void)r; /* the next open says that it was not closed in order */
	free_log(log);
}

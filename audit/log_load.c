/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_impl.h"
#include "crypto/hash.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES_READ_MAX (256u << 20)

static int unclean(struct problem *problem, const char *format, ...) format_printf(2, 3);
static int unclean(struct problem *problem, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return problem_set(problem, -EUCLEAN,
		"the audit log is not as it was written: %s; it is left as it is.  Keep a copy, "
		"then \"spoolguard audit set-aside\" lets a new one begin",
		text);
}

/* --- names --- */

struct names {
	uint64_t heads, newest_head, segments, oldest_segment, newest_segment, closed_bytes;
};

static void take_name(struct audit_log *log, const char *name, struct names *names)
{
	const uint64_t head = log_file_number(LOG_HEAD_FILE, name);
	const uint64_t segment = log_file_number(LOG_SEGMENT_FILE, name);
	struct stat st;

	if (head > 0) {
		names->heads++;
		names->newest_head = head > names->newest_head ? head : names->newest_head;
	}
	if (segment > 0) {
		names->segments++;
		if (segment > names->newest_segment)
			names->newest_segment = segment;
		if (names->oldest_segment == 0 || segment < names->oldest_segment)
			names->oldest_segment = segment;
		if (fstatat(log->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			names->closed_bytes += (uint64_t)st.st_size;
	}
}

static int list(struct audit_log *log, struct names *names)
{
	int fd = openat(log->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (!directory) {
		r = -errno;
		io_closep(&fd);
		return r;
	}
	for (struct dirent *entry; (entry = readdir(directory));)
		take_name(log, entry->d_name, names);
	closedir(directory);
	return 0;
}

/* Heads 1 to H; of the segments the newest ones, to H or to H+1. */
static int judge_names(const struct names *names, struct problem *problem)
{
	const uint64_t open = names->newest_head + 1;

	if (names->heads != names->newest_head)
		return unclean(problem, "a head is missing");
	if (names->segments == 0)
		return names->newest_head == 0 ? 0 : unclean(problem, "its segments are missing");
	if (names->segments != names->newest_segment - names->oldest_segment + 1)
		return unclean(problem, "a segment is missing");
	if (names->newest_segment > open)
		return unclean(problem, "segment %" PRIu64 " has no head", open);
	if (names->newest_segment < names->newest_head)
		return unclean(problem, "segment %" PRIu64 " is missing", names->newest_head);
	return 0;
}

int log_refuse_leftovers(struct audit_log *log, struct problem *problem)
{
	struct names names = {.heads = 0};
	int r = list(log, &names);

	if (r < 0)
		return problem_set(problem, r, "the audit log: %s", strerror(-r));
	return names.heads || names.segments ? unclean(problem, LOG_ROOT_NAME " is missing") : 0;
}

/* --- log.json and the newest head --- */

static int read_signed(struct audit_log *log, const char *name, const struct minisign_key *key,
	char ret_text[static LOG_HEAD_BYTES_MAX + 1], size_t *ret_bytes, struct problem *problem)
{
	char signature_name[LOG_NAME_BYTES + 8], signature[MINISIGN_TEXT_MAX];
	size_t signature_bytes = 0;
	int r;

	snprintf(signature_name, sizeof(signature_name), "%s" LOG_SIGNATURE_END, name);
	r = log_files_read(log->fd, name, ret_text, LOG_HEAD_BYTES_MAX, ret_bytes);
	if (r >= 0)
		r = log_files_read(
			log->fd, signature_name, signature, sizeof(signature), &signature_bytes);
	if (r == -ENOENT || r == -EFBIG || r == -ELOOP || r == -EINVAL)
		return unclean(
			problem, "%s or its signature is missing, or is something else", name);
	if (r < 0)
		return problem_set(problem, r, "%s of the audit log: %s", name, strerror(-r));
	r = minisign_verify(key, ret_text, *ret_bytes, signature, signature_bytes, NULL, 0);
	if (r == -EINVAL || r == -EBADMSG || r == -ENOKEY)
		return unclean(problem, "%s is not what its key signed", name);
	return r;
}

static int load_root(struct audit_log *log, struct minisign_key *ret_key, struct problem *problem)
{
	char text[LOG_HEAD_BYTES_MAX + 1];
	struct minisign_key device;
	struct log_root root;
	size_t bytes = 0;
	int r;

	r = log->signer->device_public(log->signer->context, &device);
	if (r >= 0)
		r = read_signed(log, LOG_ROOT_NAME, &device, text, &bytes, problem);
	if (r < 0)
		return r;
	r = log_root_decode(text, bytes, &root);
	if (r == -EBADMSG)
		return unclean(problem, LOG_ROOT_NAME " is no such file");
	if (r == -EPROTONOSUPPORT)
		return problem_set(problem, r,
			"the audit log was written by a newer version; use that, or set it aside");
	if (r >= 0)
		r = log_sha256(text, bytes, log->root_sha256);
	if (r < 0)
		return r;
	strcpy(log->log, root.log);
	*ret_key = root.key;
	return 0;
}

/* The key of that segment, which the head before it names.  Whether that head is true is not
 * asked: it is the signature under this key that tells. */
static int key_of(struct audit_log *log, uint64_t segment, const struct minisign_key *root_key,
	struct minisign_key *ret_key, char ret_previous[static AUDIT_HEX_BYTES],
	struct problem *problem)
{
	char name[LOG_NAME_BYTES], text[LOG_HEAD_BYTES_MAX + 1];
	struct log_head head;
	size_t bytes;
	int r;

	if (segment == 1) {
		*ret_key = *root_key;
		strcpy(ret_previous, log->root_sha256);
		return 0;
	}
	(void)log_file_name(LOG_HEAD_FILE, segment - 1, name);
	r = log_files_read(log->fd, name, text, LOG_HEAD_BYTES_MAX, &bytes);
	if (r >= 0)
		r = log_head_decode(text, bytes, &head);
	if (r < 0)
		return unclean(problem, "%s cannot be read", name);
	*ret_key = head.next_key;
	return log_sha256(text, bytes, ret_previous);
}

/* What the open segment goes on from. */
struct beginning {
	struct minisign_key key, key_before; /* of the open segment, and the one before it */
	uint64_t sequence;
	char previous[AUDIT_HEX_BYTES];
};

static int load_head(struct audit_log *log, uint64_t number, const struct minisign_key *root_key,
	struct beginning *from, struct problem *problem)
{
	char name[LOG_NAME_BYTES], text[LOG_HEAD_BYTES_MAX + 1], previous[AUDIT_HEX_BYTES];
	struct log_head head;
	size_t bytes = 0;
	int r;

	(void)log_file_name(LOG_HEAD_FILE, number, name);
	r = key_of(log, number, root_key, &from->key_before, previous, problem);
	if (r >= 0)
		r = read_signed(log, name, &from->key_before, text, &bytes, problem);
	if (r < 0)
		return r;
	r = log_head_decode(text, bytes, &head);
	if (r < 0 || strcmp(head.log, log->log) != 0 || head.segment != number ||
		strcmp(head.previous_head, previous) != 0)
		return unclean(problem, "%s does not follow from the one before it", name);
	from->key = head.next_key;
	from->sequence = head.last + 1;
	strcpy(from->previous, head.last_record);
	return log_sha256(text, bytes, log->previous_head);
}

static int load_beginning(struct audit_log *log, uint64_t newest_head, struct beginning *from,
	struct problem *problem)
{
	struct minisign_key root_key;
	int r;

	r = load_root(log, &root_key, problem);
	if (r < 0)
		return r;
	if (newest_head > 0)
		return load_head(log, newest_head, &root_key, from, problem);
	from->key = from->key_before = root_key;
	from->sequence = 1;
	strcpy(from->previous, log->root_sha256);
	strcpy(log->previous_head, log->root_sha256);
	return 0;
}

/* B4: a crash after the head and before its key was destroyed: now it is. */
static int judge_key(struct audit_log *log, const struct beginning *from, struct problem *problem)
{
	const struct log_signer *signer = log->signer;
	struct minisign_key key, next;
	int r;

	r = signer->log_public(signer->context, &key);
	if (r < 0)
		return problem_set(
			problem, r, "the key of the audit log cannot be used: %s", strerror(-r));
	if (minisign_key_is_equal(&key, &from->key))
		return 0;
	if (minisign_key_is_equal(&key, &from->key_before)) {
		r = signer->log_next(signer->context, &next);
		if (r >= 0 && minisign_key_is_equal(&next, &from->key))
			r = signer->log_advance(signer->context);
		else if (r >= 0)
			r = -EUCLEAN;
		if (r != -EUCLEAN)
			return r;
	}
	return unclean(problem, "the key that the device has is not that of its newest segment");
}

/* --- the open segment --- */

struct scan {
	const char *text;
	size_t bytes;
	size_t at;	       /* the first byte that is not taken */
	size_t known;	       /* where the record of audit-position ends; 0: it is not here */
	bool position_differs; /* ... and is another one */
};

/* 1: a record that fits; 0: there is no other line; -EBADMSG: the next one does not fit. */
static int take_line(struct audit_log *log, struct scan *scan,
	const struct audit_position *position, struct log_found *found)
{
	const char *line = scan->text + scan->at;
	const char *end = memchr(line, '\n', scan->bytes - scan->at);
	struct log_segment *segment = &log->segment;
	struct audit_record record;
	int r;

	if (!end)
		return 0;
	r = audit_record_decode(line, (size_t)(end - line), &record);
	if (r < 0)
		return r;
	if (record.stamp.sequence != log->added.sequence + 1 ||
		strcmp(record.stamp.previous, log->added.sha256) != 0) {
		audit_record_done(&record);
		return -EBADMSG;
	}
	if (segment->records++ == 0)
		segment->begun = record.stamp;
	segment->others += !log_is_own_event(record.event.event);
	snprintf(found->last_event, sizeof(found->last_event), "%s", record.event.event);
	audit_record_done(&record);
	scan->at += (size_t)(end - line) + 1;
	log->added.sequence++;
	r = log_sha256(line, (size_t)(end - line) + 1, log->added.sha256);
	if (r < 0)
		return r;
	if (log->added.sequence == position->sequence) {
		scan->known = scan->at;
		scan->position_differs = strcmp(position->sha256, log->added.sha256) != 0;
	}
	return 1;
}

/*
 * B2.  A group that was torn leaves a line without an end, or, where the file system made the file
 * longer first, zeros; and that only behind what audit-position knows.
 */
static bool is_torn(const struct scan *scan, bool is_behind_position)
{
	const char *line = scan->text + scan->at;
	const char *end = memchr(line, '\n', scan->bytes - scan->at);

	return !end || (is_behind_position && memchr(line, '\0', (size_t)(end - line)));
}

static int scan_lines(struct audit_log *log, struct scan *scan,
	const struct audit_position *position, struct log_found *found, struct problem *problem)
{
	const uint64_t number = log->segment.number;
	int r;

	do
		r = take_line(log, scan, position, found);
	while (r > 0);
	if (r < 0 && r != -EBADMSG)
		return r;
	if (scan->position_differs)
		return unclean(problem, "record %" PRIu64 " is another one than audit-position has",
			position->sequence);
	if (scan->at < scan->bytes && !is_torn(scan, log->added.sequence >= position->sequence))
		return unclean(problem,
			"in segment %" PRIu64 " line %" PRIu64 " is no record, or none that "
			"follows from the one before it",
			number, log->segment.records + 1);
	found->torn_bytes = scan->bytes - scan->at;
	if (found->torn_bytes > 0)
		r = log_sha256(scan->text + scan->at, found->torn_bytes, found->torn_sha256);
	if (position->sequence > log->added.sequence)
		found->lost = *position;
	return r < 0 && r != -EBADMSG ? r : 0;
}

/*
 * What audit-position does not know to be durable is written once more: after a failed fsync the
 * kernel shows what it had not written, and the next fsync would say nothing of it.
 */
static int settle(struct audit_log *log, const struct scan *scan)
{
	struct log_segment *segment = &log->segment;
	int r = 0;

	if (scan->bytes > scan->at)
		r = log_files_cut(segment->fd, scan->at);
	if (r >= 0 && scan->at > scan->known)
		r = log_files_write(
			segment->fd, scan->text + scan->known, scan->at - scan->known, scan->known);
	if (r >= 0)
		r = log_files_sync(segment->fd);
	if (r >= 0)
		r = hash_new(&segment->hash);
	if (r >= 0)
		r = hash_update(segment->hash, scan->text, scan->at);
	segment->end = segment->on_disk = scan->at;
	return r;
}

static int load_segment(struct audit_log *log, const struct audit_position *position,
	struct log_found *found, struct problem *problem)
{
	struct log_segment *segment = &log->segment;
	char name[LOG_NAME_BYTES];
	_cleanup_free_ char *text = NULL;
	struct scan scan = {.at = 0};
	struct stat st;
	int r;

	(void)log_file_name(LOG_SEGMENT_FILE, segment->number, name);
	r = log_files_open(log->fd, name, O_RDWR, (gid_t)-1, &segment->fd);
	if (r == -EINVAL || r == -ELOOP)
		return unclean(problem, "%s is no file", name);
	if (r >= 0 && fstat(segment->fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return problem_set(problem, r, "%s of the audit log: %s", name, strerror(-r));
	if (st.st_size > SEGMENT_BYTES_READ_MAX)
		return unclean(problem, "%s is too long", name);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	r = io_pread(segment->fd, text, (size_t)st.st_size, 0);
	scan.text = text;
	scan.bytes = (size_t)st.st_size;
	if (r >= 0)
		r = scan_lines(log, &scan, position, found, problem);
	return r < 0 ? r : settle(log, &scan);
}

int log_load(struct audit_log *log, const struct audit_position *position, struct log_found *found,
	struct problem *problem)
{
	static const struct audit_position none = {.sequence = 0};
	struct names names = {.heads = 0};
	struct beginning from;
	int r;

	r = list(log, &names);
	if (r >= 0)
		r = judge_names(&names, problem);
	if (r >= 0)
		r = load_beginning(log, names.newest_head, &from, problem);
	if (r >= 0)
		r = judge_key(log, &from, problem);
	if (r < 0)
		return r;
	if (strcmp(position->log, log->log) != 0)
		position = &none;
	log->segment.number = names.newest_head + 1;
	log->segment.first = from.sequence;
	log->oldest = names.oldest_segment ? names.oldest_segment : 1;
	log->closed_bytes = names.closed_bytes;
	log->added.sequence = from.sequence - 1;
	strcpy(log->added.sha256, from.previous);
	if (names.newest_segment == log->segment.number) {
		r = load_segment(log, position, found, problem);
		log->closed_bytes -= log->segment.on_disk + found->torn_bytes;
	} else if (position->sequence > log->added.sequence) {
		found->lost = *position;
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - the audit log: appended, chained, closed in signed segments, bounded
 *
 *   DIR/audit (0750)
 *     log.json, .minisig           names the log and the key of segment 1; signed by the device
 *     segment-00000001.jsonl       records (record.h); the newest is open
 *     head-00000001.json, .minisig closes segment 1; signed by the key of segment 1
 *     ...
 *   DIR/audit-position             number and digest of the newest durable record: one sector,
 *                                  written over after each group of commits, and flushed by a tick
 *
 * log.json, one line:
 *   {"schema":"spoolguard.log/1","log":UUID,"time":...,"device":"RW...",
 *    "segment":1,"key":"RW... of segment 1"}
 * head-N.json, one line:
 *   {"schema":"spoolguard.log-head/1","log":UUID,"segment":N,"first":SEQ,"last":SEQ,
 *    "records":COUNT,"bytes":SIZE,"sha256":"of segment N's file",
 *    "last_record":"SHA-256 of its last line, with its newline",
 *    "previous_head":"SHA-256 of head-(N-1).json, for 1 of log.json","time":...,
 *    "next_segment":N+1,"next_key":"RW..."}
 *
 * The first record of segment 1 has the SHA-256 of log.json as its "previous", the first of
 * another segment that of the last line of the segment before.
 *
 * Whoever verifies was given two keys at enrolment (trust.h): the device's, and that of segment 1,
 * the log's root.  The root vouches by head 1 for segment 1 and for the key of segment 2, and so
 * on; the key of segment N is destroyed when its head is durable.  Who breaks in later has
 * the keys of the device and of the open segment: he can write what comes, and can neither rewrite
 * a closed segment nor make another log that begins with the enrolled root.  (Whoever is root at
 * enrolment can forge all; docs/EVIDENCE.md says so.)
 *
 *   open ----> closing: next key durable -> head, signature durable -> old key destroyed
 *     ^            -> new segment begun --+
 *     +-----------------------------------+      after a crash it goes on from where it was
 *
 *   B1  A record is durable before audit_log_commit() says so; records are in the order of their
 *       numbers, with no gap.
 *   B2  A torn last line is cut off at open, and a record says so.  Anything else that does not fit
 *       is left as it is, and the log says -EUCLEAN: an administrator sets it aside
 *       (audit_log_set_aside), and the first record of the new log has the digest of the old.
 *   B3  DIR/audit-position never names a record that is not durable; a log that ends before it
 *       was cut, and is said to be.  After a kill -9 it names the newest record but for the last
 *       group; after a power cut it may be as old as the last audit_log_tick().  Who can write to
 *       the log can write to it, too: a copy of it elsewhere, a receipt, or the next head tell.
 *   B4  A closed segment's key is destroyed before a record of the next segment is durable.
 *   B5  Room for a segment is allocated before it is begun, so that a full disk stops the log at
 *       a segment's end and never within a record.
 *   B6  Dropped segments leave their heads; the record "log-dropped" names each.
 *
 * Full (size_bytes reached): LOG_ROTATE drops the oldest closed segment; LOG_STOP refuses every
 * further record (-EDQUOT), and what depends on the log stops (P7).  At 80 % "log-nearly-full".
 * A full disk is -ENOSPC at the end of a segment (nothing is dropped for it): what was added stays,
 * and each later call tries again.
 *
 * By itself the log writes audit-started, audit-stopped, audit-recovered, log-segment-closed,
 * log-dropped, log-nearly-full and log-set-aside.
 *
 * Errors: -errno of the files; -EUCLEAN, -EDQUOT as above; after a failed fsync -EIO for ever,
 * until it is opened anew.  Threads: any; commits are grouped.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_H
#define SPOOLGUARD_AUDIT_LOG_H

#include "audit/record.h"
#include "base/problem.h"
#include "crypto/minisign.h"

#define AUDIT_SEGMENT_BYTES_DEFAULT (1u << 20)
#define AUDIT_SEGMENT_BYTES_MIN	    (16u << 10)
#define AUDIT_LOG_BYTES_DEFAULT	    (64u << 20) /* all segments; heads come on top, ~1.2 kB each */
#define AUDIT_SEGMENT_AGE_DEFAULT_S 86400u	/* then it is closed although not full */

/* Who signs; keystore/device_keys.h, or a test's.  Texts are given to free(). */
struct log_signer {
	void *context;
	int (*device_public)(void *context, struct minisign_key *ret_key);
	int (*device_sign)(void *context, const void *message, size_t bytes,
		const char *trusted_comment, char **ret_signature);
	int (*log_public)(void *context, struct minisign_key *ret_key);
	int (*log_sign)(void *context, const void *message, size_t bytes,
		const char *trusted_comment, char **ret_signature);
	int (*log_next)(void *context, struct minisign_key *ret_key);
	int (*log_advance)(void *context);
	int (*log_restart)(void *context);
};

enum log_when_full { LOG_ROTATE, LOG_STOP };

struct audit_log_options {
	uint64_t segment_bytes; /* 0: the default, or an eighth of size_bytes; as the next two */
	uint64_t size_bytes;	/* at least 8 segments */
	uint64_t segment_age_s;
	enum log_when_full when_full;
	gid_t readers; /* files are 0640 and of this group; (gid_t)-1: of root's, 0600 */
};

struct audit_log;

/* directory: the state directory.  Makes a log if there is none.  signer: borrowed until
 * audit_log_close(). */
must_check int audit_log_open(const char *directory, const struct log_signer *signer,
	const struct audit_log_options *options, struct audit_log **ret_log,
	struct problem *reterr_problem);
/* Commits; does not close the segment. */
void audit_log_close(struct audit_log *log);

/* Where a record stands. */
struct audit_position {
	char log[AUDIT_BOOT_BYTES]; /* UUID */
	uint64_t segment;
	uint64_t sequence;
	char sha256[AUDIT_HEX_BYTES]; /* of its line */
};

/* Adds; not yet durable.  ret_position may be NULL. */
must_check int audit_log_add(struct audit_log *log, const struct audit_event *event,
	struct audit_position *ret_position);
/* Waits until the record with that sequence number is durable (0: all that were added). */
must_check int audit_log_commit(struct audit_log *log, uint64_t sequence);
/* The newest record that is durable. */
void audit_log_tip(struct audit_log *log, struct audit_position *ret_position);
/* Closes the open segment now, e.g. before an export; 0 too if it holds nothing. */
must_check int audit_log_close_segment(struct audit_log *log);
/* To be called now and then: commits; closes the segment if it is older than segment_age_s; flushes
 * DIR/audit-position; tries again what could not be done for want of room.  < 0: the log cannot be
 * added to now, and the next call may find that it can. */
must_check int audit_log_tick(struct audit_log *log);

struct audit_log_state {
	uint64_t bytes, size_bytes; /* used, and the bound */
	uint64_t segments, dropped_segments;
	bool nearly_full, stopped;
	int error; /* < 0: of the last try to write: nothing can be added now; why, as an errno */
};
void audit_log_get_state(struct audit_log *log, struct audit_log_state *ret_state);

/* Renames DIR/audit to DIR/audit.set-aside-TIME: the next open begins a new log.  Not while it is
 * open. */
must_check int audit_log_set_aside(const char *directory, struct problem *reterr_problem);

#endif

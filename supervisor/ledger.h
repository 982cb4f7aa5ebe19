/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - which jobs were seen, and what became of each; survives any crash
 *
 *             +--> HELD --+ (why; released by a person, or when its cause has gone)
 *             |           v
 *   BEGUN -> SEEN ----> RETIRING ----> RETIRED (receipt)
 *     |                    |  ^
 *     |  caller gone       v  | tried again, at growing intervals
 *     +-> SEEN           FAILED (why)
 *
 * One file, DIR/ledger: JSON lines, each with a check of the line (ledger_record.h); appended and
 * fsynced before what it announces is done, replayed at open, rewritten whole (new file, fsync,
 * rename) when mostly history.  Its room is allocated ahead, so much for each job that is not
 * RETIRED: whoever was let in comes to its end on a full disk, and ENOSPC is said to newcomers.
 *
 *   L1  RETIRING is durable before a byte of the job's files is overwritten.
 *   L2  RETIRED is durable before anybody is told.
 *   L3  A torn last line is cut off; a damaged line elsewhere is reported, the file as it was is
 *       kept as DIR/ledger.damaged, and the jobs of the other lines stay known.  A job whose file
 *       names were lost is HELD, and never RETIRED as if it had had none.
 *   L4  File names never lie there in clear: a list of files is sealed (AES-256-GCM) under a key
 *       that is kept on the volume itself, so that names are readable only while the spool is open.
 *   L5  The same (source, id) seen again while it is not RETIRED is the same job; after that it is
 *       a new one, unless it brings nothing new: no file, or only files that the old one had and
 *       that are gone.
 *   L6  What failed to become durable is not known: a call that failed changed nothing.  After a
 *       failed fsync nothing is believed until the file was rewritten whole.
 *
 * A name may be that of a directory ("/spool/tmp/7/": all that is in it when the job ends) or the
 * beginning of names ("/spool/tmp/7-//"): one or two slashes at its end, which no file's name has.
 *
 * Times are told, never relied on: jobs are in the order of their numbers, and a clock that jumps
 * changes nothing.
 *
 * Threads: any; each call is atomic.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_H

#include "base/problem.h"
#include "crypto/secret.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LEDGER_ID_BYTES	    256
#define LEDGER_SOURCE_BYTES 48 /* "cups", "call", "watch:NAME" */
#define LEDGER_VOLUME_BYTES 40
#define LEDGER_DIGEST_BYTES 65 /* 256 bits in hexadecimal, and the end */
#define LEDGER_WHY_BYTES    256
#define LEDGER_FILES_MAX    4096u /* of one job */
/* Jobs that are not RETIRED: beyond, -ENOBUFS and intake is held. */
#define LEDGER_OPEN_MAX	    65536u
#define LEDGER_KEEP_DEFAULT 4096u /* retired jobs that are remembered */

enum ledger_state {
	LEDGER_BEGUN,
	LEDGER_SEEN,
	LEDGER_HELD,
	LEDGER_RETIRING,
	LEDGER_RETIRED,
	LEDGER_FAILED,
};

/* Keyed digests (keystore/device_keys.h) of names that stand nowhere; "": not told. */
struct ledger_digests {
	char user[LEDGER_DIGEST_BYTES], title[LEDGER_DIGEST_BYTES];
};

struct ledger_job {
	uint64_t number; /* never used twice */
	char source[LEDGER_SOURCE_BYTES];
	char id[LEDGER_ID_BYTES];
	char volume[LEDGER_VOLUME_BYTES]; /* its UUID; "": not known yet */
	uid_t uid;			  /* who announced it */
	enum ledger_state state;
	char why[LEDGER_WHY_BYTES];
	int64_t seen_wall_s, changed_wall_s;
	uint32_t attempts; /* times that it was RETIRING */
	size_t file_count;
	struct ledger_digests digests;
	size_t lost_files;	     /* of those: their names went with a damaged line (L3) */
	struct json_object *receipt; /* RETIRED; borrowed until ledger_job_done() */
	/* The receipt as it was signed (audit/document.h), byte by byte, and its signature; NULL:
	 * it was not; borrowed as the receipt. */
	char *document, *signature;
};
void ledger_job_done(struct ledger_job *job);

struct ledger;

/* -EROFS, -EACCES, -ENOSPC: the state directory; -EBUSY: another service has it;
 * -EPROTONOSUPPORT: written by a newer version. */
must_check int ledger_open(
	const char *directory, struct ledger **ret_ledger, struct problem *reterr_problem);
void ledger_close(struct ledger *ledger);
/* Lines that could not be read at open. */
uint64_t ledger_damaged_lines(const struct ledger *ledger);

/* The key that names are sealed with on that volume (made on the spool if there is none:
 * ledger_key.h).  Copied.  Set anew each time the volume is opened. */
must_check int ledger_set_key(
	struct ledger *ledger, const char *volume_uuid, const struct secret *key);
/* The volume is closed: the names of its jobs cannot be read until it is open again. */
void ledger_drop_key(struct ledger *ledger, const char *volume_uuid);

/*
 * A job is announced, or more of its files are (they are added; a name twice is once).  state:
 * LEDGER_BEGUN (always a new job after a RETIRED one) or LEDGER_SEEN.  A retired (source, id) with
 * nothing new (L5) gives its number and ret_known = true.  -EINVAL: a source, id, or file name that
 * cannot be (an absolute path of at most PATH_MAX bytes); -ENOKEY: the volume's key is not set;
 * -EXDEV: the job is another volume's; -EPERM: another user's, who is not root; -E2BIG:
 * LEDGER_FILES_MAX; -ENOBUFS: LEDGER_OPEN_MAX; -ENOSPC and friends: not durable, and nothing is
 * known of it.
 */
struct ledger_news {
	const char *source, *id, *volume_uuid; /* volume_uuid NULL: not known, and no files */
	uid_t uid;
	enum ledger_state state;
	const char *const *files;
	size_t file_count;
	struct ledger_digests digests; /* the first that is told of a job stays */
};
must_check int ledger_add(struct ledger *ledger, const struct ledger_news *news,
	uint64_t *ret_number, bool *ret_known, struct problem *reterr_problem);

/* why and receipt may be NULL; receipt is taken.  -ENOENT; -EPERM: it is RETIRED already; -EAGAIN:
 * more files were announced since it was RETIRING, and it cannot be RETIRED without them. */
must_check int ledger_set(struct ledger *ledger, uint64_t number, enum ledger_state state,
	const char *why, struct json_object *receipt);
/* The same for many jobs with one fsync: all or none.  receipts may be NULL; each is taken. */
must_check int ledger_set_many(struct ledger *ledger, const uint64_t *numbers, size_t count,
	enum ledger_state state, const char *why, struct json_object **receipts);
/* Each its own change, with one fsync for those that may be: what ledger_set() would say of
 * each is in its error.  < 0: not durable, and none was made. */
struct ledger_change {
	uint64_t number;
	enum ledger_state state;
	const char *why;
	struct json_object *receipt; /* taken */
	/* Instead of a receipt, the signed document and its signature: both or neither; taken, to
	 * free(). */
	char *document, *signature;
	int error;
};
must_check int ledger_change(struct ledger *ledger, struct ledger_change *changes, size_t count);
/* Why a job stands where it stands, until its state changes or the service ends: not durable. */
void ledger_note(struct ledger *ledger, uint64_t number, const char *why);

must_check int ledger_get(struct ledger *ledger, uint64_t number, struct ledger_job *ret_job);
/* The newest with that (source, id); source NULL: any.  -ENOENT. */
must_check int ledger_find(
	struct ledger *ledger, const char *source, const char *id, struct ledger_job *ret_job);
/* Gives an array of strings and its strings.  -ENOKEY; -EBADMSG: sealed under another key. */
must_check int ledger_files(
	struct ledger *ledger, uint64_t number, char ***ret_files, size_t *ret_count);
/* Its names cannot be read, and never will be: they count as lost, and it is HELD. */
must_check int ledger_lose_files(struct ledger *ledger, uint64_t number, const char *why);
void ledger_files_free(char **files, size_t count);

/* Numbers of the jobs in that state (at most max), oldest first; volume_uuid NULL: of any. */
size_t ledger_list(struct ledger *ledger, enum ledger_state state, const char *volume_uuid,
	uint64_t *ret_numbers, size_t max);

struct ledger_counts {
	uint64_t by_state[LEDGER_FAILED + 1]; /* RETIRED: those that are remembered */
	uint64_t retired_ever;
	/* Of those that are neither RETIRED nor HELD (a person's wish, or his to see to: that must
	 * not hold up a whole printer); 0: none. */
	int64_t oldest_open_wall_s;
};
void ledger_count(struct ledger *ledger, struct ledger_counts *ret_counts);
const char *ledger_state_text(enum ledger_state state);
/* {"job","source","state","why","seen","files",...}; receipt, document and signature only if asked
 * for; gives. */
struct json_object *ledger_job_to_json(const struct ledger_job *job, bool receipt);

/* The key on that volume went for good (a new key and file system): its open jobs died with it.
 * They are RETIRED without a receipt. */
must_check int ledger_forget_volume(
	struct ledger *ledger, const char *volume_uuid, const char *why);

#endif

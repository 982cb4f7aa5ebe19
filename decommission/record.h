/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what is done to one drive on its last day: the durable state, and all that its
 * certificate may say
 *
 *   PLANNED -> INTAKE -> KEYS -> SANITIZE -> OVERWRITE -> SEARCH -> CERTIFICATE -> done
 *
 * One JSON file for each drive, DIR/decommission/KEY.json (record_key()), and beside it
 * KEY.witness (drives/witness.h) while it is needed.  Replaced whole: write, fsync, rename, fsync
 * of the directory.  The certificate is a pure function of it (certificate.h).
 *
 * The file is one line, {"schema":"spoolguard.decommission/1",MEMBERS,"sha256":"DIGEST"}, where
 * DIGEST is of all bytes before ,"sha256".  Later versions keep this head and this tail.  The
 * members are those of the structures here, by the same names; each is there, and no other.
 *
 *   J1  A step is recorded before it begins and after it ends; so is each of a method's own steps
 *       (drives/method.h, H1).  On resume the step that was begun and not ended is taken up.
 *   J2  It is bound to serial, WWN and size; -ESTALE if the drive that is present differs.
 *   J3  It lies on another medium than the target.
 *   J4  No secret, title, user name of a job or search text is in it: digests and labels only.
 *   J5  Numbers are what was measured: requested, written, durable, verified are four.
 *
 *   J6  A file that is damaged, cut or of a newer version is refused as that, and never taken for
 *       one of a drive that nothing was begun with.
 *
 * Pure: encode, decode.  Errors: -EBADMSG (damaged; said, never taken for "none"), -EPROTONOSUPPORT
 * (a newer version's), -ENOENT (none), -errno of the file.  Threads: one for each record.
 */
#ifndef SPOOLGUARD_DECOMMISSION_RECORD_H
#define SPOOLGUARD_DECOMMISSION_RECORD_H

#include "base/problem.h"
#include "decommission/target.h"
#include "drives/method.h"
#include "drives/witness.h"
#include "overwrite/sanitize.h"
#include <sys/types.h>

#define RECORD_ID_BYTES	     33 /* 128 random bits in hexadecimal */
#define RECORD_TEXT_BYTES    192
#define RECORD_LINE_BYTES    512
#define RECORD_APPROVALS_MAX 4
#define RECORD_METHODS_MAX   (2 * METHOD_KINDS)
#define RECORD_VOLUMES_MAX   32
#define RECORD_SEARCH_MAX    16
#define RECORD_REACHES_MAX   16
#define RECORD_DIGEST_BYTES  65
#define RECORD_KEY_BYTES     IDENTITY_KEY_BYTES /* as long as an id */

enum record_step {
	RECORD_INTAKE,
	RECORD_KEYS,
	RECORD_SANITIZE,
	RECORD_OVERWRITE,
	RECORD_SEARCH,
	RECORD_CERTIFICATE,
	RECORD_STEPS
};

/* NOT_NEEDED: nothing to do (no volume, no method offered); SKIPPED: somebody chose so. */
enum record_state {
	RECORD_PENDING,
	RECORD_BEGUN,
	RECORD_DONE,
	RECORD_FAILED,
	RECORD_NOT_NEEDED,
	RECORD_SKIPPED
};

struct record_progress {
	enum record_state state;
	int64_t began_wall_s, ended_wall_s; /* 0: not yet */
	uint32_t resumes;		    /* how often it was taken up after an interruption */
	char detail[RECORD_LINE_BYTES];	    /* one line: what went wrong, or why not needed */
};

/* Who and where: SP 800-88r1 appendix G and 88r2 4.6; "" : not given. */
struct record_person {
	char name[RECORD_TEXT_BYTES], title[RECORD_TEXT_BYTES], organization[RECORD_TEXT_BYTES];
	char location[RECORD_TEXT_BYTES], contact[RECORD_TEXT_BYTES];
	uid_t uid; /* of the process; (uid_t)-1: not known */
};

struct record_approval {
	struct record_person person;
	char key_id[17], fingerprint[RECORD_DIGEST_BYTES]; /* of the approver's minisign key */
	int64_t signed_wall_s;
	char statement_sha256[RECORD_DIGEST_BYTES]; /* of what was signed (approval.h) */
};

struct record_media { /* what its owner says of it */
	char asset_number[RECORD_TEXT_BYTES], machine_serial[RECORD_TEXT_BYTES];
	char source[RECORD_TEXT_BYTES]; /* which user, which machine */
	char categorization_before[RECORD_TEXT_BYTES], categorization_after[RECORD_TEXT_BYTES];
	char destination[RECORD_TEXT_BYTES]; /* "internal reuse", "external reuse", "recycling", ...
					      */
	char backed_up[RECORD_TEXT_BYTES], backup_location[RECORD_TEXT_BYTES];
	char notes[RECORD_LINE_BYTES];
};

enum record_verify {
	RECORD_VERIFY_FULL,
	RECORD_VERIFY_STRATIFIED,
	RECORD_VERIFY_HCD,
	RECORD_VERIFY_NONE
};

struct record_volume {
	char uuid[TARGET_UUID_BYTES];
	char device[RECORD_TEXT_BYTES]; /* "sdb1" */
	uint64_t first_byte;		/* of its header on the drive */
	bool is_spoolguard;
	uint32_t slots_before, slots_destroyed; /* read back each */
	bool copies_destroyed;			/* both header copies show no key slot */
	bool proven_closed;			/* tried to open afterwards, and it does not */
	uint32_t backups;			/* header backups known: escrow */
	uint32_t backups_destroyed; /* of those, files that were reached and destroyed */
	bool filled_before;
	bool detached; /* was attached; its key in memory went with its process */
	char detail[RECORD_LINE_BYTES];
};

struct record_method {
	enum method_kind kind;
	enum method_state state; /* FAILED also where the drive said "done" and the witness denies
				    it */
	bool drive_said_done;
	char step[32]; /* the method's own step that was recorded last; "": none yet */
	bool step_done;
	bool erase_begun; /* METHOD_STEP_ERASE was recorded: from now on it is resumed */
	int64_t began_wall_s, ended_wall_s;
	uint32_t resumes;
	char detail[FACTS_WHY_BYTES];
	uint8_t status_before[METHOD_STATUS_BYTES], status_after[METHOD_STATUS_BYTES];
	uint32_t status_bytes;
	bool witnessed; /* blocks were read before it began */
	bool judged;	/* ... and after the drive said "done" */
	struct witness_report witness;
};

/* What else a method would reach: target_reach. */
struct record_reach {
	char what[FACTS_TEXT_BYTES], device[RECORD_TEXT_BYTES];
	bool in_use, untouched;
};

struct record_hidden { /* HPA, DCO, AMA: before and after they were lifted */
	uint64_t bytes_before, bytes_native, bytes_after;
	char step[32]; /* drives/hidden.h, L1: recorded last; "": none */
	bool step_done;
	bool hpa, ama, dco;
	bool lifted;
	char detail[RECORD_LINE_BYTES];
};

struct record_pass {
	enum pass_kind kind;
	uint8_t byte;
	char seed_sha256[RECORD_DIGEST_BYTES]; /* of a random pass; "" */
	int64_t durable_wall_s;		       /* 0: not yet */
};

struct record_overwrite {
	char scheme[32];
	enum record_verify verify;
	uint32_t pass_count;
	struct record_pass passes[SCHEME_PASSES_MAX];
	uint32_t block_bytes;
	struct sanitize_position reached;
	uint64_t requested_bytes, written_bytes, durable_bytes, read_bytes, verified_bytes;
	struct extent_list refused;    /* blocks of block_bytes; owned */
	struct extent_list mismatched; /* likewise: read back otherwise than written */
	uint64_t took_ns;
};

struct record_search {
	char label[RECORD_TEXT_BYTES];	  /* "canary", "host name", "IP address (hex)", ... */
	char sha256[RECORD_DIGEST_BYTES]; /* of what was searched for */
	uint64_t hits;
	uint64_t first_hit; /* byte, if any */
};

struct record_log { /* where the audit log stood; sequence 0: there was none */
	char id[TARGET_UUID_BYTES];
	uint64_t sequence;
	char sha256[RECORD_DIGEST_BYTES];
};

struct record {
	char id[RECORD_ID_BYTES];
	int64_t began_wall_s, ended_wall_s;
	bool standalone;   /* without the service */
	bool this_machine; /* the drive the system runs from */
	char version[RECORD_TEXT_BYTES], build[RECORD_TEXT_BYTES], host[RECORD_TEXT_BYTES];
	char selftest_id[RECORD_TEXT_BYTES];
	bool selftest_ok;

	/* the drive, as it was found */
	struct identity identity;
	char serial[FACTS_TEXT_BYTES]; /* by its own command, which may be spelt otherwise; "" */
	enum drive_class class;
	enum drive_sanitization overwrite_promise; /* target.overwrite */
	char overwrite_reason[DRIVE_REASON_BYTES], overwrite_clause[DRIVE_TEXT_BYTES];
	char transport[FACTS_TEXT_BYTES];
	char vendor[FACTS_TEXT_BYTES], model[FACTS_TEXT_BYTES], firmware[FACTS_TEXT_BYTES],
		wwn[FACTS_TEXT_BYTES];
	uint64_t bytes;
	uint32_t logical_bytes, physical_bytes;
	bool opal, opal_locked, mmc_boot, mmc_rpmb;
	bool namespaces_known, several_controllers; /* NVMe: facts.h */
	struct record_reach reaches[RECORD_REACHES_MAX];
	uint32_t reach_count;
	bool reaches_cut; /* there are more */
	char health_before[FACTS_WHY_BYTES], health_after[FACTS_WHY_BYTES];
	struct record_hidden hidden;

	struct record_person operator_; /* who performs */
	struct record_media media;
	uint32_t approvals_required;
	struct record_approval approvals[RECORD_APPROVALS_MAX];
	uint32_t approval_count;

	struct record_progress steps[RECORD_STEPS];
	uint64_t jobs_retired, jobs_not_retired;
	char jobs_detail[RECORD_LINE_BYTES];
	struct record_volume volumes[RECORD_VOLUMES_MAX];
	uint32_t volume_count;
	struct record_method
		methods[RECORD_METHODS_MAX]; /* in the order in which they were tried */
	uint32_t method_count;
	struct record_overwrite overwrite;
	struct record_search searches[RECORD_SEARCH_MAX];
	uint32_t search_count;
	uint64_t searched_bytes, unreadable_bytes; /* their sum is how far it went */
	struct record_log log_before, log_after;
	char certificate_path[TARGET_PATH_BYTES]; /* where it is to lie; "" : beside this record */
	char certificate_sha256[RECORD_DIGEST_BYTES];
};

must_check int record_new(struct record **ret_record); /* all empty, but for a random id */
/* All of the above that is "the drive, as it was found". */
void record_fill_drive(struct record *record, const struct target *target);
/* Is it that drive?  -ESTALE: another, or other than what was done to it explains. */
must_check int record_compare_drive(
	const struct record *record, const struct target *now, struct problem *reterr_problem);
void record_free(struct record *record);
DEFINE_CLEANUP(struct record *, record_free)

/* Names its files: the drive's key, or where nothing outlives a new name in /dev, its own id. */
const char *record_key(const struct record *record);

/* Gives ret_text to free().  What is no UTF-8 is written as \xNN. */
must_check int record_encode(const struct record *record, char **ret_text);
must_check int record_decode(const char *text, size_t bytes, struct record **ret_record);

/* directory: the state directory; the record's place below it is made if it is missing. */
must_check int record_save(
	const char *directory, const struct record *record, struct problem *reterr_problem);
must_check int record_load(const char *directory, const char *key, struct record **ret_record,
	struct problem *reterr_problem);
/* By its id, or by a drive's serial; not those that were finished.  -ENOTUNIQ: two have that
 * serial; -EBADMSG: none has, but a file there cannot be read and may be it. */
must_check int record_find(const char *directory, const char *id_or_serial,
	struct record **ret_record, struct problem *reterr_problem);
/* What the witness saw (drives/witness.h), for record_key().  ret_bytes: WITNESS_BYTES_MAX.
 * -ENOENT: none was kept. */
must_check int record_save_witness(const char *directory, const struct record *record,
	const uint8_t *bytes, size_t count, struct problem *reterr_problem);
must_check int record_load_witness(const char *directory, const struct record *record,
	uint8_t *ret_bytes, size_t *ret_count, struct problem *reterr_problem);
/* A finished one is renamed to KEY.ID.done.json, so that the drive can be done again; what the
 * witness saw goes. */
must_check int record_finish(
	const char *directory, const struct record *record, struct problem *reterr_problem);

const char *record_step_name(enum record_step step);	   /* "intake", "keys", ... */
const char *record_state_name(enum record_state state);	   /* "begun", ... */
const char *record_verify_name(enum record_verify verify); /* "full", "stratified", "hcd", "none" */
must_check int record_verify_parse(const char *name, enum record_verify *ret_verify);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.h - how a part of a control is judged: from one fact to three
 *
 * Facts, one object:
 *   {"time","host","version","build","device_key","log_position","days":[...],
 *    "facts":{NAME: {"value":...,"seen":RFC3339,"how":"..."}
 *          or NAME: {"why":"...","mend":"..."}}}       (could not be seen, and what would help)
 *
 *   service     {"state","reasons":[{"key","weight","text"}],"failed_jobs","held_jobs",
 *                "selftest_ok","selftest_id","selftest_time"}
 *   settings    {"on_failure","selftest_schedule","wipe_schedule","wipe_full","sources":[...],
 *                "roles":{"administrator":[...],"pipeline":[...],...},"log_when_full"}
 *   headers     [{"name","cipher","key_bits","slots":[{"kdf","iterations","memory_kib"}],
 *                "backups","lost_token","filled_before"}]
 *   debts [{"name","open","managed","verify","owed_bytes","oldest_owed_seconds","unknown_blocks",
 *                "stuck_blocks","refused_blocks","eraser_failed","sweep_owed"}]
 *   media       [{"name","open","overwrite":"Clear|Purge|neither","reason","clause",
 *                "drives":[{"model","serial"}]}]
 *   keys        [{"name","source":"ask|credential|key-file|boot-key","beside","place"}]
 *   cups        {"used","residue","doubts","findings":[{"id","text","mend"}],
 *                "could_not_tell":[{"id","text"}]}
 *   selftest    {"id","tests":[{"name","result","detail","remedy"}]}      (algorithm/ ... program/)
 *   conditions  {"tests":[...]}                                           (host/)
 *   log         {"good","records","signed_up_to","findings":["..."],"trust","clock_steps"}
 *   log-files   {"open","error","others_read","others_write","bytes","size_bytes"}
 *   events      {"records","kinds":{"job-retired":12,...},"from_host"}
 *   receipts    {"looked_at","short","unsigned"}
 *   wipe        {"count","outcome","time"}                                (the last that ended)
 *   residue     {"count","outcome","time","age_seconds"}                  (the last)
 *   sandbox     {"no_new_privileges","filtered"}
 *   clock       {"synchronised"}
 *   state-place {"place":"memory|encrypted|removable|unknown|open","text"}
 *   device-keys {"others_read","fingerprint"}
 *   export      {"configured","tls","verifies_peer","queued","text"}
 *
 *   Q1  A member that is not there, or of another type, is "cannot tell" (F1).
 *   Q2  A judge looks at nothing but its facts.
 *
 * Threads: any.
 */
#ifndef SPOOLGUARD_COMPLIANCE_JUDGE_H
#define SPOOLGUARD_COMPLIANCE_JUDGE_H

#include "base/macros.h"
#include "compliance/control.h"

#define JUDGE_TEXT_BYTES  640
#define JUDGE_FACTS_MAX	  3
#define CONTROL_PARTS_MAX 10

/* It begins as MET; the worst that was said stays, and of equal ones the first. */
struct judged {
	enum control_state state;
	char evidence[JUDGE_TEXT_BYTES];
	char remedy[JUDGE_TEXT_BYTES];
};

void judged_met(struct judged *out, const char *format, ...) format_printf(2, 3);
void judged_not_met(struct judged *out, const char *remedy, const char *format, ...)
	format_printf(3, 4);
void judged_cannot_tell(struct judged *out, const char *remedy, const char *format, ...)
	format_printf(3, 4);

/* Members; false, and "cannot tell" was said, if it is not there (Q1).  Borrowed. */
must_check bool judge_bool(
	struct json_object *value, const char *key, struct judged *out, bool *ret_value);
must_check bool judge_u64(
	struct json_object *value, const char *key, struct judged *out, uint64_t *ret_value);
must_check bool judge_text(
	struct json_object *value, const char *key, struct judged *out, const char **ret_value);
must_check bool judge_array(struct json_object *value, const char *key, struct judged *out,
	struct json_object **ret_value);
/* The value itself, an array that is not empty; empty: nothing (e.g. "no volume is open"). */
must_check bool judge_items(struct json_object *value, const char *empty, const char *remedy,
	struct judged *out, size_t *ret_count);

/* Its name; false, and "cannot tell" was said, if the volume is not open. */
must_check bool judge_open(struct json_object *volume, struct judged *out, const char **ret_name);

/* "" if there is no such text; for what decides nothing by itself.  list: of texts. */
const char *judge_peek(struct json_object *object, const char *key);
const char *judge_peek_at(struct json_object *list, size_t index);

struct part {
	const char *id;
	const char *facts[JUDGE_FACTS_MAX]; /* all are needed; the second may be NULL */
	void (*judge)(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out);
};

/* The fact's value; NULL: it was not seen. */
struct json_object *judge_fact(struct json_object *facts, const char *name);

/* Judges one part of these facts.  -ENOMEM. */
must_check int judge_part(
	struct json_object *facts, const struct part *part, struct control_part *ret_part);

/* A row of the table. */
enum judge_profile {
	IN_HCD = 1u << 0,
	IN_SP800 = 1u << 1,
	IN_ISO = 1u << 2,
	IN_HIPAA = 1u << 3,
	IN_PCI = 1u << 4,
	IN_GDPR = 1u << 5,
	IN_WARD = 1u << 6,
};
struct control_row {
	const char *id, *standard, *clause, *title, *person;
	unsigned int profiles;
	const struct part *parts[CONTROL_PARTS_MAX]; /* ends with NULL */
};
extern const struct control_row control_rows[]; /* ends with a NULL id */

/* judge_storage.c */
extern const struct part part_encrypted, part_stray, part_state_place;
/* judge_keys.c */
extern const struct part part_key_chain, part_key_beside, part_backups, part_device_keys,
	part_secrets, part_algorithms, part_random;
/* judge_wipe.c */
extern const struct part part_jobs, part_ways_in, part_debt, part_refused, part_read_back,
	part_wipe, part_receipts, part_residue;
/* judge_media.c */
extern const struct part part_clear, part_unavailable, part_key_erase, part_drives;
/* judge_audit.c */
extern const struct part part_log, part_log_open, part_log_readers, part_log_bound, part_events,
	part_host_events, part_export, part_clock, part_roles;
/* judge_host.c */
extern const struct part part_selftest, part_programs, part_swap, part_hibernation, part_core_dumps,
	part_host, part_sandbox, part_fail_closed, part_retest;

/* judge_host.c: the tests of such a fact whose names begin with prefix. */
void judge_tests(
	struct json_object *value, const char *prefix, const char *what, struct judged *out);

#endif

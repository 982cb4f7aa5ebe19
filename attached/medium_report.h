/* SPDX-License-Identifier: Apache-2.0 */
/*
 * medium_report.h - what an attached volume lies on, and what overwriting can promise there, as
 * JSON
 *
 *   {"looked_at":"2026-11-24T09:00:00Z",
 *    "class":"rotational",                 of the drive; the worst of several decides
 *    "overwrite":"Clear"|"neither","reason":"one sentence","clause":"SP 800-88r2 3.1.1; ...",
 *    "drive":{"name":"sda","class","transport","model","serial","serial_is_stand_in",
 *             "wwn","firmware","bytes"} | null,      the one that decides, else the first
 *    "drives":[{...}],                     all, each once
 *    "layers":[{"class","name","text","depth","bytes"}],   from the top down
 *    "complete":bool,                      false: not everything could be looked at
 *    "cryptographic_erase":{"possible":bool,"claimed":"neither","why":"one sentence",
 *             "open":["one line each"],"clause":"SP 800-88r2 3.2"}}
 *
 * "" stands for what a drive does not tell.  It is gathered once, when the volume is attached, and
 * kept beside its state in the runtime directory: FIEMAP of a large image may take long.  What
 * changed since (an image that was reflinked) is seen where the caller has just assessed the medium
 * (blockdev/medium.h): then it is gathered anew.
 *
 * Cryptographic erase is performed where a volume's keys are destroyed, and never claimed as Purge:
 * "open" lists what SP 800-88r2 3.2 asks for and cannot be shown here.
 *
 * Errors: -errno; what could not be looked at is no error, but in the report.
 * Threads: any; the kept file is replaced whole.
 */
#ifndef SPOOLGUARD_ATTACHED_MEDIUM_REPORT_H
#define SPOOLGUARD_ATTACHED_MEDIUM_REPORT_H

#include "base/macros.h"
#include "blockdev/drive.h"
#include "volume/runtime.h"
#include <json-c/json.h>

#define MEDIUM_REPORT_BYTES_MAX (128u << 10)

/* Looks now, and keeps it.  Gives the object to json_object_put(). */
must_check int medium_report_make(
	const struct runtime_state *state, struct json_object **ret_report);

/*
 * The kept one; made now if there is none, or if it says Clear and promise (what was assessed just
 * now; MEDIUM_NOT_ASSESSED: nothing was) says that nothing is written in place.  status: what the
 * volume's process says of itself (Status), for cryptographic_erase; NULL: without it.  Gives.
 */
must_check int medium_report_get(const struct runtime_state *state, enum medium_promise promise,
	struct json_object *status, struct json_object **ret_report);

/* What is open at fd, now; kept nowhere, without cryptographic_erase.  ret_bytes: its size; NULL:
 * not wanted.  Gives. */
must_check int medium_report_look(int fd, uint64_t *ret_bytes, struct json_object **ret_report);

/* Pure; without cryptographic_erase. */
struct json_object *medium_report_encode(const struct drive_stack *stack, int64_t wall_s);
/* Pure; status as above; overwrite: what is promised where the key slots lie.  Gives. */
struct json_object *medium_report_describe_keys(
	struct json_object *status, enum drive_sanitization overwrite);

#endif

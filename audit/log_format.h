/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_format.h - the files of a log, written and taken apart: their names, log.json, heads,
 * audit-position
 *
 * The formats are in log.h.  audit-position is one line:
 *   {"schema":"spoolguard.log-position/1","log":UUID,"segment":N,"sequence":N,"sha256":...,
 *    "check":"SHA-256 of what stands before ,\"check\""}
 * A write that was torn shows by the check; where there is none, nothing is said of it.  The log
 * writes it with so many blanks before its brace that it is LOG_POSITION_BYTES long: one sector,
 * which is written over as it stands.
 *
 * Everything here is pure.  What is decoded is well-formed, and believed by nobody yet.
 *
 * Errors: -EBADMSG: it is no such text; -EPROTONOSUPPORT: of a newer version; -ENOMEM.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_FORMAT_H
#define SPOOLGUARD_AUDIT_LOG_FORMAT_H

#include "audit/log.h"

#define LOG_NAME_BYTES	    40
#define LOG_HEAD_BYTES_MAX  4096u /* of log.json, a head, audit-position */
#define LOG_POSITION_BYTES  512u
#define LOG_SEGMENT_MAX	    UINT64_C(99999999)
#define LOG_ROOT_NAME	    "log.json"
#define LOG_SIGNATURE_END   ".minisig"
#define LOG_POSITION_NAME   "audit-position"
#define LOG_ROOT_SCHEMA	    "spoolguard.log/1"
#define LOG_HEAD_SCHEMA	    "spoolguard.log-head/1"
#define LOG_POSITION_SCHEMA "spoolguard.log-position/1"

enum log_file { LOG_SEGMENT_FILE, LOG_HEAD_FILE, LOG_HEAD_SIGNATURE_FILE };

/* "segment-00000001.jsonl"; returns buf. */
const char *log_file_name(enum log_file file, uint64_t segment, char buf[static LOG_NAME_BYTES]);
/* Its number, or 0 if the name is no such file's. */
uint64_t log_file_number(enum log_file file, const char *name);

struct log_root {
	char log[AUDIT_BOOT_BYTES];
	int64_t wall_ms;
	struct minisign_key device, key; /* key: of segment 1 */
};

struct log_head {
	char log[AUDIT_BOOT_BYTES];
	uint64_t segment, first, last, records, bytes;
	char sha256[AUDIT_HEX_BYTES], last_record[AUDIT_HEX_BYTES], previous_head[AUDIT_HEX_BYTES];
	int64_t wall_ms;
	struct minisign_key next_key; /* of segment + 1 */
};

must_check int log_root_decode(const char *text, size_t bytes, struct log_root *ret_root);
must_check int log_head_decode(const char *text, size_t bytes, struct log_head *ret_head);
must_check int log_position_decode(
	const char *text, size_t bytes, struct audit_position *ret_position);

/* Return the length; ret_text ends in a NUL. */
size_t log_root_encode(const struct log_root *root, char ret_text[static LOG_HEAD_BYTES_MAX]);
size_t log_head_encode(const struct log_head *head, char ret_text[static LOG_HEAD_BYTES_MAX]);
/* Without a NUL.  -errno of the hash. */
must_check int log_position_encode(
	const struct audit_position *position, char ret_text[static LOG_POSITION_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_verify.h - is this log what the device wrote, all of it, and nothing else?
 *
 * Needs the log's directory (or a copy) and the device's public key, from elsewhere; no clock, no
 * network, no service.  What it finds is told with its place: segment, line, sequence number.
 *
 *   J1  No key is believed that the enrolled key does not vouch for, link by link.
 *   J2  A log that verifies has every record from the first kept one to the newest: each byte of a
 *       closed segment is under a signature, each record of the open one under the chain.
 *   J3  The open segment's end is not signed: a cut there shows by audit-position, if that is at
 * hand (the report says whether it was), by a receipt's position, or by the next head.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_VERIFY_H
#define SPOOLGUARD_AUDIT_LOG_VERIFY_H

#include "audit/log.h"
#include "audit/trust.h"

#define LOG_VERIFY_WHERE_BYTES	96
#define LOG_VERIFY_FINDINGS_MAX 64u

enum log_finding_kind {
	LOG_CHANGED,   /* a record's successor does not have its digest */
	LOG_MISSING,   /* sequence numbers skip */
	LOG_REPEATED,  /* the same number again */
	LOG_SWAPPED,   /* numbers go back */
	LOG_NO_RECORD, /* a line that is none */
	LOG_CUT,       /* it ends before its head or its counter says */
	LOG_HEAD,      /* a head does not fit: signature, digest, link */
	LOG_KEY,       /* the chain of keys is broken, or begins with another device */
	LOG_FILE_MISSING,
};

struct log_finding {
	enum log_finding_kind kind;
	uint64_t segment, line, sequence; /* 0: does not apply */
	char text[192];			  /* one line for people */
};

struct log_verdict {
	bool good;	    /* no finding */
	bool root_enrolled; /* the log's root was in the trust; else the device's key vouches for it
			     */
	char log[AUDIT_BOOT_BYTES];
	uint64_t records, first_sequence, last_sequence;
	uint64_t segments, closed_segments, dropped_segments;
	uint64_t signed_up_to; /* the newest sequence number under a head's signature */
	bool position_known;   /* audit-position was at hand */
	uint64_t torn_bytes;   /* of a line behind the newest record that a crash left unfinished;
				* no finding, if audit-position does not have that record */
	uint64_t clock_steps;  /* where wall and monotonic time disagree by more than a second */
	char last_sha256[AUDIT_HEX_BYTES];
	struct log_finding *findings; /* owned */
	size_t count;
	bool more; /* there were more than LOG_VERIFY_FINDINGS_MAX */
};
void log_verdict_done(struct log_verdict *verdict);

/* path: DIR/audit or a copy of it.  position_path: NULL: "../audit-position" if it is there
 * (and path is no log that was set aside: that is the new log's).
 * < 0: it could not be looked at (and nothing is said); 0: see the verdict. */
must_check int log_verify(const char *path, const char *position_path, const struct trust *trusted,
	struct log_verdict *ret_verdict, struct problem *reterr_problem);

const char *log_finding_name(enum log_finding_kind kind); /* "changed", ... */

#endif

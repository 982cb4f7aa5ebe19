/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt.h - a job's receipt becomes a signed document
 *
 * It has every member of the receipt ("spoolguard.job/1", attached/job_receipt.h and retirer.h),
 * and:
 *
 *   schema         "spoolguard.receipt/1", the first
 *   receipt        128 random bits in hexadecimal: no two receipts have the same
 *   device         SHA-256 of the device's public key
 *   log            {"id","segment","sequence","sha256"}: the newest durable record of the audit log
 *                  when it was made
 *   key_state      the state of the volume's key (SP 800-57 part 1 section 7)
 *   media_verdict  {"class","overwrite","reason","clause"}: what overwriting can promise there
 *   drive          {"model","serial","wwn","firmware",...} or null (attached/medium_report.h)
 *   version, build of the service
 *
 * The last four of the volume are left out where they could not be told.
 *
 *   R1  Each signature is verified before it is given out.
 *   R2  The text is what was signed, and is kept and handed on byte by byte.
 *
 * Errors: -ENOMEM; -EIO: the library fails; -EINVAL, -EFBIG: the receipt cannot be encoded;
 * -EBADMSG: the signature that was made does not verify.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_RECEIPT_H
#define SPOOLGUARD_SUPERVISOR_RECEIPT_H

#include "audit/log.h"
#include "keystore/device_keys.h"
#include "supervisor/events.h"
#include "volume/runtime.h"
#include <json-c/json.h>

#define RECEIPT_SCHEMA	 "spoolguard.receipt"
#define RECEIPT_ID_BYTES 33

/* What receipts of one batch have in common. */
struct receipt_frame {
	struct device_keys *keys;
	struct audit_position position;
	const char *key_state;	    /* NULL: not known */
	struct json_object *medium; /* attached/medium_report.h; owned; NULL: not known */
};

/* keys: borrowed; NULL: -ENOKEY.  -ENOTCONN: the log is not open. */
must_check int receipt_frame_init(struct receipt_frame *frame, struct device_keys *keys,
	struct events *events, const struct runtime_state *volume);
void receipt_frame_done(struct receipt_frame *frame);

struct receipt_signed {
	char *document, *signature; /* owned */
	char id[RECEIPT_ID_BYTES];
	char sha256[AUDIT_HEX_BYTES]; /* of the document */
};
void receipt_signed_done(struct receipt_signed *receipt);

/* receipt: changed on the way; stays the caller's. */
must_check int receipt_sign(struct json_object *receipt, const struct receipt_frame *frame,
	struct receipt_signed *ret_signed);

#endif

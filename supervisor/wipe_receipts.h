/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_receipts.h - receipts of the jobs that died in a standard wipe
 *
 * A job of which nothing can be said now (no key, no log, a failed self-test; on_failure = hold)
 * stays RETIRING.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_RECEIPTS_H
#define SPOOLGUARD_SUPERVISOR_WIPE_RECEIPTS_H

#include "supervisor/wipe_impl.h"

struct wipe_receipts;
must_check int wipe_receipts_new(struct wipe *wipe, struct wipe_receipts **ret_receipts);
/* Takes receipt. */
void wipe_receipts_add(
	struct wipe_receipts *receipts, const struct ledger_job *job, struct json_object *receipt);
/* Frees it; the first failure of any. */
must_check int wipe_receipts_end(struct wipe_receipts *receipts);

#endif

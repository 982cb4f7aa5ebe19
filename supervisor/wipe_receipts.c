/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_receipts.c - jobs that died in a wipe become RETIRED: signed, logged, durable, as the
 * retirer's (retirer_end.c)
 */
#include "supervisor/ledger.h"
#include "supervisor/receipt.h"
#include "supervisor/wipe_receipts.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE	     256u /* jobs in one line of the ledger */
#define OBJECT_BYTES (LEDGER_SOURCE_BYTES + LEDGER_ID_BYTES)

struct wipe_receipts {
	struct wipe *wipe;
	struct receipt_frame frame;
	bool claims;
	bool held; /* nothing is said now: they stay RETIRING, and the retirer goes on with them */
	size_t count;
	struct ledger_change changes[AT_ONCE];
	struct audit_event events[AT_ONCE];
	char objects[AT_ONCE][OBJECT_BYTES];
	int error;
};

int wipe_receipts_new(struct wipe *wipe, struct wipe_receipts **ret_receipts)
{
	struct wipe_receipts *receipts = calloc(1, sizeof(*receipts));
	struct supervisor *supervisor = wipe->supervisor;

	if (!receipts)
		return -ENOMEM;
	receipts->wipe = wipe;
	receipts->claims = state_may_claim(supervisor->state) &&
			   receipt_frame_init(&receipts->frame, supervisor_keys(supervisor),
				   supervisor->events, &wipe->runtime) >= 0;
	receipts->held = !receipts->claims && wipe->config->on_failure == CONFIG_HOLD;
	*ret_receipts = receipts;
	return 0;
}

static void drop(struct wipe_receipts *receipts, size_t index)
{
	struct ledger_change *change = &receipts->changes[index];

	json_object_put(change->receipt);
	free(change->document);
	free(change->signature);
	json_object_put(receipts->events[index].data);
	*change = (struct ledger_change){.receipt = NULL};
	receipts->events[index] = (struct audit_event){.data = NULL};
}

/* The log has them before the ledger has. */
static int write_all(struct wipe_receipts *receipts)
{
	struct supervisor *supervisor = receipts->wipe->supervisor;
	int r = 0;

	if (receipts->claims)
		r = events_add_committed(
			supervisor->events, receipts->events, receipts->count, NULL);
	for (size_t i = 0; i < receipts->count && !receipts->claims; i++)
		events_add(supervisor->events, &receipts->events[i]);
	if (r >= 0)
		r = ledger_change(supervisor->ledger, receipts->changes, receipts->count);
	for (size_t i = 0; i < receipts->count && r >= 0; i++)
		r = receipts->changes[i].error;
	return r;
}

static void flush(struct wipe_receipts *receipts)
{
	int r = receipts->count > 0 ? write_all(receipts) : 0;

	if (r < 0)
		receipts->error = r;
	for (size_t i = 0; i < receipts->count; i++)
		drop(receipts, i);
	receipts->count = 0;
}

static struct json_object *describe(
	const struct ledger_job *job, const struct receipt_signed *receipt)
{
	struct json_object *data =
		events_data("source", job->source, "receipt", receipt->id[0] ? receipt->id : NULL,
			"receipt_sha256", receipt->id[0] ? receipt->sha256 : NULL, "user_digest",
			job->digests.user[0] ? job->digests.user : NULL, "title_digest",
			job->digests.title[0] ? job->digests.title : NULL, NULL);

	fields_add_u64(data, "number", job->number);
	return data;
}

static int add(
	struct wipe_receipts *receipts, const struct ledger_job *job, struct json_object *receipt)
{
	struct ledger_change *change = &receipts->changes[receipts->count];
	char *object = receipts->objects[receipts->count];
	struct receipt_signed made = {.document = NULL};
	int r = receipts->claims ? receipt_sign(receipt, &receipts->frame, &made) : 0;

	if (r < 0)
		return r;
	*change = (struct ledger_change){.number = job->number,
		.state = LEDGER_RETIRED,
		.receipt = receipts->claims ? NULL : json_object_get(receipt),
		.document = made.document,
		.signature = made.signature};
	snprintf(object, OBJECT_BYTES, "%s %s", job->source, job->id);
	receipts->events[receipts->count++] = (struct audit_event){
		.event = "job-retired",
		.uid = geteuid(),
		.job = object,
		.volume = receipts->wipe->record.uuid,
		.outcome = receipts->claims ? "success" : "failure",
		.detail = receipts->claims ? "in a wipe of the spool"
					   : "without a receipt that claims anything",
		.data = describe(job, &made),
	};
	return 0;
}

void wipe_receipts_add(
	struct wipe_receipts *receipts, const struct ledger_job *job, struct json_object *receipt)
{
	int r;

	if (!receipts->held) {
		fields_add_bool(receipt, "claims", receipts->claims);
		if (!receipts->claims)
			fields_add_string(receipt, "result", "not claimed");
		if (receipts->count == AT_ONCE)
			flush(receipts);
		r = add(receipts, job, receipt);
		if (r < 0)
			receipts->error = r;
	}
	json_object_put(receipt);
}

int wipe_receipts_end(struct wipe_receipts *receipts)
{
	int r;

	flush(receipts);
	r = receipts->error;
	receipt_frame_done(&receipts->frame);
	free(receipts);
	return r;
}

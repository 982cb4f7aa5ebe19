/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_cups.c - the queues of a cupsd, told to hold new jobs
 *
 * A job that is printing is left to finish (CUPS_HOLD_GRACE_S), so a hold may take some calls.
 */
#include "pipeline/cups_server.h"
#include "supervisor/policy.h"

static int hold(
	void *context, const char *reason, bool *ret_complete, struct problem *reterr_problem)
{
	struct cups_hold hold;
	int r = cups_server_hold_new_jobs(context, reason, false, &hold, reterr_problem);

	if (r >= 0)
		*ret_complete = cups_hold_is_complete(&hold);
	return r;
}

static int release(void *context, struct problem *reterr_problem)
{
	struct cups_hold hold;

	return cups_server_release_new_jobs(context, &hold, reterr_problem);
}

static int tell(void *context, const char *keyword, struct problem *reterr_problem)
{
	return cups_server_set_reason(context, keyword, reterr_problem);
}

static void done(void *context)
{
	cups_server_free(context);
}

int policy_cups_new(
	const char *address, struct policy_intake *ret_intake, struct problem *reterr_problem)
{
	struct cups_server *server;
	int r = cups_server_new(address, CUPS_SERVER_TIMEOUT_MS, &server, reterr_problem);

	if (r < 0)
		return r;
	*ret_intake = (struct policy_intake){
		.hold = hold,
		.release = release,
		.tell = tell,
		.free = done,
		.context = server,
	};
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounter_client.h - the service's side of mounter.h: one function for each method
 *
 * Each call has a connection of its own, and waits as long as it lasts: an attach after a crash
 * may read a whole medium.  mounter_client_cancel() ends the wait; what was asked for goes on.
 *
 * Errors: what the mounter answered, as -errno, with its line; -EHOSTDOWN: it does not answer, or
 * ended meanwhile; -ECANCELED.
 * Threads: one caller at a time for each client; cancel from any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_MOUNTER_CLIENT_H
#define SPOOLGUARD_SUPERVISOR_MOUNTER_CLIENT_H

#include "base/macros.h"
#include "base/problem.h"
#include "supervisor/wipe_unnamed.h"
#include <json-c/json.h>
#include <stdbool.h>

struct mounter_client;

must_check int mounter_client_new(const char *path, struct mounter_client **ret_client);
void mounter_client_free(struct mounter_client *client);
/* From now on every call, and the one under way, is -ECANCELED. */
void mounter_client_cancel(struct mounter_client *client);

/* passphrase_fd: taken; -1: as configured.  Gives the report (Report in mounter.c). */
must_check int mounter_client_attach(struct mounter_client *client, const char *volume,
	int passphrase_fd, struct json_object **ret_report, struct problem *reterr_problem);
must_check int mounter_client_renew(struct mounter_client *client, const char *volume,
	int passphrase_fd, bool by_force, struct json_object **ret_report,
	struct problem *reterr_problem);
must_check int mounter_client_detach(
	struct mounter_client *client, const char *volume, struct problem *reterr_problem);
/* Files of the open volume that have no name any more.  -ENOTCONN: it is not open. */
must_check int mounter_client_cut_unnamed(struct mounter_client *client, const char *volume,
	struct wipe_unnamed *ret_found, struct problem *reterr_problem);
must_check int mounter_client_reload(struct mounter_client *client, struct problem *reterr_problem);
must_check int mounter_client_release(struct mounter_client *client);

/* Does anybody listen there? */
bool mounter_client_is_there(const char *path);

#endif

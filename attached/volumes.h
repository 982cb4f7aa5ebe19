/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volumes.h - finding the attached volume that a command is about
 */
#ifndef SPOOLGUARD_ATTACHED_VOLUMES_H
#define SPOOLGUARD_ATTACHED_VOLUMES_H

#include "base/problem.h"
#include "blockdev/medium.h"
#include "volume/client.h"
#include "volume/runtime.h"

/* The mounted volume that the file (or, if there is none, its directory) lies on.  -ENODEV. */
must_check int volumes_find_by_file(
	const char *file, struct runtime_state *ret_state, struct problem *reterr_problem);

/* The attached volume of that medium.  -ENODEV: it is not attached. */
must_check int volumes_find_by_medium(
	const char *path, struct runtime_state *ret_state, struct problem *reterr_problem);

/* May this user know what is attached?  -EACCES. */
must_check int volumes_check_allowed(struct problem *reterr_problem);

/* -EOPNOTSUPP: it is served as encryption only, and what ("retiring a job") needs a map. */
must_check int volumes_check_managed(const struct runtime_state *state, struct client *client,
	const char *what, struct problem *reterr_problem);

/* Its process.  -ESRCH: it is gone. */
must_check int volumes_connect(const struct runtime_state *state, struct client **ret_client,
	struct problem *reterr_problem);

/*
 * What overwriting can promise on the volume's medium, assessed now (blockdev/medium.h), in
 * words; returns buf.  ret_promise may be NULL.
 */
const char *volumes_assess_medium(const struct runtime_state *state, struct json_object *status,
	char buf[static MEDIUM_TEXT_BYTES], enum medium_promise *ret_promise);

/* False for a volume of encryption only, and where its process does not answer. */
bool volumes_is_managed(struct client *client);

/* Fields of a status object; 0, false or "" if absent. */
bool volumes_status_bool(struct json_object *status, const char *key);
uint64_t volumes_status_u64(struct json_object *status, const char *key);
const char *volumes_status_string(struct json_object *status, const char *key);

#endif

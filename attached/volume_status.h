/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_status.h - what an attached volume owes, and what is not as it should be
 *
 * The object is what its process says (the Status method of volume/control.h), and:
 *
 *   path, device, mount, binds [{directory, at}], attached (true), ports, medium (words),
 *   medium_promise, medium_report (medium_report.h), faults (one line each; empty: as it should be)
 */
#ifndef SPOOLGUARD_ATTACHED_VOLUME_STATUS_H
#define SPOOLGUARD_ATTACHED_VOLUME_STATUS_H

#include "base/problem.h"
#include "volume/runtime.h"
#include <json-c/json.h>

/*
 * Sets state->device to where the volume is now.  Gives the object to json_object_put().
 * -ESRCH: its process is gone.
 */
must_check int volume_status_get(struct runtime_state *state, struct json_object **ret_status,
	struct problem *reterr_problem);

/* Something needs attention. */
bool volume_status_has_faults(struct json_object *status);

#endif

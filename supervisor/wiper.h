/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wiper.h - the thread that finishes what was interrupted, and begins what is due
 *
 * A wipe on request runs in the worker of who asked (service_wipe.c); if it is interrupted, by the
 * death of its volume or of the service, it is finished here (W1 in wipe.h).
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPER_H
#define SPOOLGUARD_SUPERVISOR_WIPER_H

#include "base/macros.h"

struct supervisor;
struct wiper;

/*
 * Before any volume is opened.  If a wipe was interrupted, everything stands still from here on:
 * the retirer (if there is one) is paused, and new jobs are held.
 */
must_check int wiper_new(struct supervisor *supervisor, struct wiper **ret_wiper);
must_check int wiper_start(struct wiper *wiper);
/* A volume was opened, say. */
void wiper_wake(struct wiper *wiper);
/* When the state is STOPPED: a wipe that is under way is left for the next start. */
void wiper_stop(struct wiper *wiper);
void wiper_free(struct wiper *wiper);

#endif

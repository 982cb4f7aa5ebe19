/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounter_child.h - there is a mounter, or one is started
 *
 * A connection that stays open tells when it ends.  Where none listens, this program is started
 * as one (--mounter), in a session of its own: it outlives the service, and with it the keys of
 * this boot (mounter.h).  Under systemd the unit of its own is waited for first
 * (MOUNTER_CHILD_GRACE_MS), because there it has privileges that a child of ours would not have.
 *
 * Threads: one.
 */
#ifndef SPOOLGUARD_SUPERVISOR_MOUNTER_CHILD_H
#define SPOOLGUARD_SUPERVISOR_MOUNTER_CHILD_H

#include "base/macros.h"
#include "supervisor/events.h"
#include <stdbool.h>

#define MOUNTER_CHILD_GRACE_MS 10000u

struct mounter_child;

/* config_path: borrowed for good.  events: borrowed. */
must_check int mounter_child_new(const char *config_path, const char *socket, bool under_systemd,
	struct events *events, struct mounter_child **ret_child);
void mounter_child_free(struct mounter_child *child);

/* Looks after it: call it each second or so.  True: one listens. */
bool mounter_child_tend(struct mounter_child *child);
/* Readable when the mounter has ended; -1: none is connected. */
int mounter_child_fd(const struct mounter_child *child);
/*
 * Ends it: the one that was started here, or by a service before us that was killed.  One that
 * systemd started is systemd's.
 */
void mounter_child_release(struct mounter_child *child);

#endif

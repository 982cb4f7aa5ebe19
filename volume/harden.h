/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harden.h - what the volume process takes away from itself
 *
 * harden_early before any key is read and any thread started: memory locked, no
 * core dumps, no tracing, PR_SET_IO_FLUSHER (so that its own allocations never
 * wait for its own spool).  harden_late when everything it will ever need is open:
 * every capability dropped (CAP_IPC_LOCK stays where RLIMIT_MEMLOCK could not be lifted), no new
 * privileges, a list of system calls and no others.
 */
#ifndef SPOOLGUARD_VOLUME_HARDEN_H
#define SPOOLGUARD_VOLUME_HARDEN_H

#include "base/problem.h"

must_check int harden_early(struct problem *reterr_problem);
must_check int harden_late(struct problem *reterr_problem);

#endif

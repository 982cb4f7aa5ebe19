/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse.h - is that thread still going round its loop?
 *
 * The service's watchdog (notify.h) is fed by the main loop, and only while
 *   - the main loop itself comes round (it is what feeds),
 *   - every thread with a pulse has beaten within its time, and
 *   - every part's lock can be had: the main loop asks each part for its figures (keepers,
 *     ledger, server) before it feeds, and a lock that is never given back stops it there.
 * A thread that begins something that may last (an attach, a barrier, a wait for a peer) rests:
 * it is not judged until its next beat, because to restart the service would not make that
 * faster.
 *
 * Threads: one beats and rests, any asks.
 */
#ifndef SPOOLGUARD_SUPERVISOR_PULSE_H
#define SPOOLGUARD_SUPERVISOR_PULSE_H

#include "base/clock.h"
#include <stdatomic.h>
#include <stdbool.h>

struct pulse {
	_Atomic uint64_t due_ns; /* the next beat is due; 0: it rests, or has not begun */
};

/* I am here, and will be again before limit_ms have passed. */
static inline void pulse_beat(struct pulse *pulse, uint64_t limit_ms)
{
	atomic_store(&pulse->due_ns, clock_monotonic_ns() + limit_ms * 1000000u);
}

static inline void pulse_rest(struct pulse *pulse)
{
	atomic_store(&pulse->due_ns, 0);
}

static inline bool pulse_is_alive(struct pulse *pulse)
{
	uint64_t due_ns = atomic_load(&pulse->due_ns);

	return due_ns == 0 || clock_monotonic_ns() < due_ns;
}

#endif

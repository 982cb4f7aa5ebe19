/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_tcp.h - the model of an NVMe drive over NVMe/TCP: a kernel attaches it as /dev/nvme0
 *
 * A target of one controller with one namespace, for one host: what a kernel needs to connect
 * (Fabrics Connect, properties, Identify), reads, writes and flushes by the model's block path,
 * and every other admin command as the model answers it.  The model's time is the clock's.  A host
 * that goes away (a virtual machine whose power was cut) leaves the drive as it is.
 *
 *   Y1  Nothing that a host sends makes it read or write beyond its buffers: lengths are checked,
 *       and a host that breaks the protocol is hung up on.
 *
 * Source: NVMe TCP Transport 1.0, NVM Express over Fabrics 1.1; no digests, no authentication.
 * Threads: one for each target.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_TCP_H
#define SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_TCP_H

#include "tests/support/simdrive.h"

#define SIMDRIVE_TCP_NQN "nqn.2026-11.sim:drive"

struct simdrive_tcp;

/* listener: a listening TCP socket; it and the drive are borrowed. */
must_check int simdrive_tcp_new(
	struct simdrive *drive, int listener, struct simdrive_tcp **ret_target);
void simdrive_tcp_free(struct simdrive_tcp *target);
/* Waits at most so long for something to come, and answers what did.  -errno of poll(2). */
must_check int simdrive_tcp_turn(struct simdrive_tcp *target, int timeout_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest_port.h - what the self-tests ask of an attached volume, answered by its process
 */
#ifndef SPOOLGUARD_ATTACHED_SELFTEST_PORT_H
#define SPOOLGUARD_ATTACHED_SELFTEST_PORT_H

#include "harness/harness.h"
#include "volume/client.h"

/*
 * Its context is the client of the process of the volume; NULL: that process is gone (-ESRCH).  It
 * takes no injection: -EPERM.
 */
extern const struct harness_port selftest_port;

#endif

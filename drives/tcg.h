/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcg.h - is it a self-encrypting drive?  Level 0 discovery, as all interfaces carry it
 *
 * What SECURITY PROTOCOL IN, Security Receive and TRUSTED RECEIVE give for protocol 01h, specific
 * 0001h.  Pure.  Source: TCG Storage Architecture Core, level 0 discovery; big-endian.
 */
#ifndef SPOOLGUARD_DRIVES_TCG_H
#define SPOOLGUARD_DRIVES_TCG_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define TCG_PROTOCOL	  0x01u
#define TCG_LEVEL_0	  0x0001u
#define TCG_LEVEL_0_BYTES 512u

struct tcg_level_0 {
	bool subsystem; /* Opal, Enterprise, Opalite, Pyrite or Ruby */
	bool locking_enabled, locked;
};

/* -EBADMSG: it is cut short, or no level 0 discovery. */
must_check int tcg_level_0_decode(
	const uint8_t *page, size_t bytes, struct tcg_level_0 *ret_discovery);

#endif

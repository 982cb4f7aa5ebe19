/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_signer.h - the device's keys as what the audit log signs with
 *
 * audit/ knows no keystore, and keystore/ no log: here they meet.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LOG_SIGNER_H
#define SPOOLGUARD_SUPERVISOR_LOG_SIGNER_H

#include "audit/log.h"
#include "keystore/device_keys.h"

/* keys: borrowed for as long as the signer is used. */
void log_signer_init(struct device_keys *keys, struct log_signer *ret_signer);

#endif

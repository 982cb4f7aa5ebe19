/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_signer.h - who signs a test's audit log: keys in memory that outlive the log
 *
 * Each call is all or nothing, and durable.  Errors of set-up end the test.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_MEMORY_SIGNER_H
#define SPOOLGUARD_TESTS_SUPPORT_MEMORY_SIGNER_H

#include "audit/log.h"
#include "audit/trust.h"

struct memory_signer {
	struct log_signer signer; /* to be given to audit_log_open() */
	/* Asked before each call that changes something or signs, if set; < 0: the call fails. */
	int (*before)(void *context);
	void *context;
	struct secret *device_seed, *log_seed, *next_seed; /* next_seed: NULL: there is none */
	struct minisign_key device, log_key, next_key, root;
	unsigned int advances, restarts;
};

void memory_signer_init(struct memory_signer *signer);
/* The same keys, for another run from the same state. */
void memory_signer_copy(struct memory_signer *signer, const struct memory_signer *from);
void memory_signer_done(struct memory_signer *signer);
/* What an auditor was given: the device's key, and that of the log's first segment. */
void memory_signer_trust(const struct memory_signer *signer, struct trust *ret_trust);

#endif

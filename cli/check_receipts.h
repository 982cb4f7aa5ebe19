/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_receipts.h - do the newest receipts say that all was overwritten, and are they the
 * device's?
 */
#ifndef SPOOLGUARD_CLI_CHECK_RECEIPTS_H
#define SPOOLGUARD_CLI_CHECK_RECEIPTS_H

#include "crypto/minisign.h"
#include <json-c/json.h>
#include <stdint.h>

struct check_receipts {
	uint64_t looked_at, fell_short, not_signed;
};

/* job: as JobShow has it ("receipt", "document", "signature").  What is signed is believed, not
 * what stands beside it.  trusted: NULL: no signature can be believed. */
void check_receipts_add(struct check_receipts *receipts, struct json_object *job,
	const struct minisign_key *trusted);
/* As judge.h draws it; gives. */
struct json_object *check_receipts_to_json(const struct check_receipts *receipts);

#endif

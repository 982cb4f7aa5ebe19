/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt_print.h - a job's receipt (attached/job_receipt.h): text for people, or its object
 */
#ifndef SPOOLGUARD_CLI_RECEIPT_PRINT_H
#define SPOOLGUARD_CLI_RECEIPT_PRINT_H

#include "attached/job_receipt.h"

void receipt_print(const struct job_receipt *receipt, bool json);
/* The same from its object, which is taken. */
void receipt_print_object(struct json_object *receipt, bool json);

/*
 * A signed one (supervisor/receipt.h): what was measured, what it rests on, and what is not
 * claimed.  Borrowed; texts in it may be anybody's.
 */
void receipt_print_signed(struct json_object *receipt);

#endif

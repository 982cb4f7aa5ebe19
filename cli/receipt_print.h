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

#endif

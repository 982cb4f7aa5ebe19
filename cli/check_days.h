/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_days.h - what happened on each day (UTC): jobs retired and failed, the greatest debt
 *
 *   N1  At most CHECK_DAYS_MAX days are kept, the newest by their date: a log of years, or a clock
 *       that jumped, costs no more.
 */
#ifndef SPOOLGUARD_CLI_CHECK_DAYS_H
#define SPOOLGUARD_CLI_CHECK_DAYS_H

#include "compliance/control.h"
#include <json-c/json.h>

#define CHECK_DAYS_MAX 92u

struct check_days {
	struct compliance_day days[CHECK_DAYS_MAX]; /* in the order of their dates */
	size_t count;
};

/* The day of that moment, to be added to; NULL: it is older than all that are kept. */
struct compliance_day *check_days_at(struct check_days *days, int64_t wall_ms);
/* As judge.h draws "days"; gives. */
struct json_object *check_days_to_json(const struct check_days *days);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest_report.h - a run of the self-tests as JSON, for the command and the service alike
 */
#ifndef SPOOLGUARD_ATTACHED_SELFTEST_REPORT_H
#define SPOOLGUARD_ATTACHED_SELFTEST_REPORT_H

#include "harness/harness.h"
#include <json-c/json.h>

/*
 * {"schema":"spoolguard.selftest/1","ok","degraded","id","version","began","took_ms","injected",
 *  "tests":[{"name","subject","ok","result","weight","detail","remedy"}]}; gives.
 * inject: what was, or NULL.
 */
struct json_object *selftest_report_to_json(
	const struct harness_report *report, const char *inject);

#endif

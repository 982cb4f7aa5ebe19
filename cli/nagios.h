/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nagios.h - ranges and results as monitoring plugins have them
 *
 * (Monitoring Plugins Development Guidelines: "Threshold and Ranges", "Plugin Output".)  Pure.
 */
#ifndef SPOOLGUARD_CLI_NAGIOS_H
#define SPOOLGUARD_CLI_NAGIOS_H

#include "base/macros.h"
#include <stdbool.h>

enum nagios_result {
	NAGIOS_OK = 0,
	NAGIOS_WARNING = 1,
	NAGIOS_CRITICAL = 2,
	NAGIOS_UNKNOWN = 3,
};

/* "10": outside 0 to 10; "10:": below 10; "~:10": above 10; "10:20"; "@10:20": inside. */
struct nagios_range {
	bool set; /* false: nothing is alerted */
	bool inside;
	double start, end; /* both belong to the range */
	const char *text;  /* as given; borrowed */
};

/* -EINVAL */
must_check int nagios_parse_range(const char *text, struct nagios_range *ret_range);
bool nagios_is_alert(const struct nagios_range *range, double value);
/* CRITICAL before WARNING before OK. */
enum nagios_result nagios_judge(
	const struct nagios_range *warning, const struct nagios_range *critical, double value);
/* The worse of the two: CRITICAL, then UNKNOWN, then WARNING. */
enum nagios_result nagios_worse(enum nagios_result a, enum nagios_result b);
const char *nagios_text(enum nagios_result result); /* "OK" */

/* "'label'=value[UOM];[warn];[crit];[min];[max]"; returns buf. */
struct nagios_datum {
	const char *label, *unit; /* unit: "s", "B", "" */
	unsigned long long value;
	const struct nagios_range *warning, *critical; /* may be NULL */
};
const char *nagios_format(const struct nagios_datum *datum, char *buf, size_t bytes);

#endif

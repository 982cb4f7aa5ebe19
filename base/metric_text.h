/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric_text.h - HELP, TYPE and samples of metrics, as Prometheus and as OpenMetrics read them
 *
 * The two differ in where a counter's "_total" stands (Prometheus: in its name; OpenMetrics: in its
 * samples alone) and in "# EOF", which ends the latter.  Names are given with "_total" and get
 * "spoolguard_" before them.  Without timestamps.
 */
#ifndef SPOOLGUARD_BASE_METRIC_TEXT_H
#define SPOOLGUARD_BASE_METRIC_TEXT_H

#include <stdint.h>
#include <stdio.h>

enum metric_text { METRIC_PROMETHEUS, METRIC_OPENMETRICS };

/* type: "gauge", "counter".  Samples follow, all of them before the next metric begins. */
void metric_text_begin(
	FILE *out, enum metric_text text, const char *name, const char *type, const char *help);
/* One with a label; label NULL: without.  value is escaped. */
void metric_text_sample(
	FILE *out, const char *name, const char *label, const char *value, uint64_t number);
/* Both, for a metric that is one number. */
void metric_text_add(FILE *out, enum metric_text text, const char *name, const char *type,
	const char *help, uint64_t number);
void metric_text_end(FILE *out, enum metric_text text);

#endif

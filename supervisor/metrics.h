/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - figures as a text file for node_exporter's textfile collector
 *
 * HELP and TYPE before each metric, no timestamps, a newline at the end; written under another
 * name in the same directory and renamed, so that no reader finds half a file.  Durable it need
 * not be: it is written anew at each start.
 */
#ifndef SPOOLGUARD_SUPERVISOR_METRICS_H
#define SPOOLGUARD_SUPERVISOR_METRICS_H

#include "supervisor/figures.h"

/* Pure.  Gives a text to free(); NULL: no memory. */
char *metrics_format(const struct figures *figures);
must_check int metrics_write(const char *path, const char *text);

#endif

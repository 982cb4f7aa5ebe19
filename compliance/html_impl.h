/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html_impl.h - what the parts of the HTML report share
 *
 * A report is written into a stream in memory; whether that had room is asked once, at its end.
 */
#ifndef SPOOLGUARD_COMPLIANCE_HTML_IMPL_H
#define SPOOLGUARD_COMPLIANCE_HTML_IMPL_H

#include "compliance/control.h"
#include <stdio.h>

/* Text as it may stand between tags and in quoted attributes; NULL is empty. */
void html_text(FILE *to, const char *text);
/* "12.3 MiB". */
void html_bytes(FILE *to, uint64_t bytes);

/* The days, as two drawings (SVG): jobs, and the greatest debt, each with its own scale. */
void html_plot(FILE *to, const struct compliance_day *days, size_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_fixture.h - a report that was not judged but written down, for the renderers' tests
 *
 * Included once by each program.  One control of each state, and text from outside that would do
 * harm if it were not escaped.
 */
#ifndef SPOOLGUARD_TESTS_COMPLIANCE_REPORT_FIXTURE_H
#define SPOOLGUARD_TESTS_COMPLIANCE_REPORT_FIXTURE_H

#include "compliance/control.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static char seen[] = "volume <spool> & \"4096\" blocks\nsecond line";
static char mend[] = "spoolguard job release 'x' <b>";
static char nothing_seen[] = "the service does not run";

static char aes[] = "AES-256-XTS", header[] = "LUKS2 header", then[] = "2026-11-24T08:59:59Z";
static char swap[] = "swap", unsaid[] = "";
static struct control_part fixture_parts[] = {
	{"cipher", CONTROL_MET, aes, NULL, then, header},
	{"swap", CONTROL_CANNOT_TELL, swap, mend, unsaid, unsaid},
};

static struct control fixture_controls[] = {
	{.id = "hcd-fdp-dsk-ext-1",
		.standard = "HCD cPP v1.0e",
		.clause = "FDP_DSK_EXT.1",
		.title = "Job data is encrypted at rest",
		.person = "that no other medium takes job data",
		.state = CONTROL_MET,
		.evidence = seen,
		.parts = fixture_parts,
		.part_count = 2},
	{.id = "hcd-fpt-wipe-ext-1",
		.standard = "HCD cPP v1.0e",
		.clause = "FPT_WIPE_EXT.1",
		.title = "An administrator can wipe <all>",
		.person = "who asked for it",
		.state = CONTROL_NOT_MET,
		.evidence = seen,
		.remedy = mend},
	{.id = "gdpr-32",
		.standard = "GDPR",
		.clause = "art. 32",
		.title = "Measures fit the risk",
		.person = "the assessment of the risk",
		.state = CONTROL_CANNOT_TELL,
		.evidence = nothing_seen,
		.remedy = mend},
};

static struct compliance_day fixture_days[] = {
	{"2026-11-22", 12, 0, 4096},
	{"2026-11-23", 0, 0, 0},
	{"2026-11-24", 250, 3, 123456789},
};

static struct compliance_report fixture_report = {
	.profile = "all",
	.time = "2026-11-24T09:00:00Z",
	.host = "mfp-3 <script>alert(1)</script>",
	.version = "0.1.0",
	.build = " 0123abcd ",
	.device_key = "",
	.log_position = "log 1, record 17",
	.controls = fixture_controls,
	.count = 3,
	.days = fixture_days,
	.day_count = 3,
	.met = 1,
	.not_met = 1,
	.cannot_tell = 1,
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping.c - what buyers name otherwise: which of our controls answers its technical part
 *
 * No legal statement: these texts ask much that no printer does.  What stands here is where to look
 * for what a spool does there.
 */
#include "compliance/control.h"
#include <stddef.h>

#define STORED	"hcd-fdp-dsk-ext-1"
#define FREED	"hcd-fdp-udu-ext-1"
#define WIPED	"hcd-fpt-wipe-ext-1"
#define LOGGED	"hcd-fau-gen-1"
#define INTACT	"hcd-fau-stg-1"
#define SENT	"hcd-fau-stg-ext-1"
#define ROLES	"hcd-fmt-smr-1"
#define TIMED	"hcd-fpt-stm-1"
#define TESTED	"hcd-fpt-tst-ext-1"
#define KEYS	"hcd-fpt-kyp-ext-1"
#define CLEARED "sp800-88-clear"
#define PURGED	"sp800-88-purge"
#define RECORD	"sp800-88-certificate"

static const char *const sox[] = {LOGGED, INTACT, SENT, ROLES, TIMED, NULL};
static const char *const glba[] = {STORED, KEYS, FREED, WIPED, ROLES, INTACT, NULL};
static const char *const ferpa[] = {STORED, FREED, WIPED, ROLES, NULL};
static const char *const hitech[] = {STORED, KEYS, CLEARED, PURGED, RECORD, NULL};
static const char *const e_privacy[] = {STORED, FREED, "gdpr-32-1-a", "gdpr-5-1-e", NULL};
static const char *const basel[] = {TESTED, INTACT, SENT, ROLES, NULL};
static const char *const dodd_frank[] = {LOGGED, INTACT, SENT, TIMED, NULL};
static const char *const cobit[] = {STORED, FREED, WIPED, LOGGED, INTACT, ROLES, NULL};

const struct compliance_mapping compliance_mappings[] = {
	{"SOX", "section 404",
		"internal controls over financial reporting: that records are neither changed nor "
		"lost, "
		"and who did what",
		sox},
	{"GLBA", "Safeguards Rule, 16 CFR 314.4",
		"customers' information: encrypted at rest, access by need, disposed of securely",
		glba},
	{"FERPA", "34 CFR part 99",
		"education records: reasonable methods against disclosure to those who may not see "
		"them",
		ferpa},
	{"HITECH", "section 13402",
		"whether lost health information was unreadable, by encryption or destruction",
		hitech},
	{"E-Privacy", "Directive 2002/58/EC, articles 4 and 5",
		"security of processing, and confidentiality of communications, e.g. received "
		"faxes",
		e_privacy},
	{"Basel II", "operational risk",
		"that systems fail in ways which are noticed, and that it can be shown afterwards",
		basel},
	{"Dodd-Frank", "record keeping",
		"records that are complete and unchanged when they are asked for", dodd_frank},
	{"COBIT", "DSS05, DSS06",
		"managed security: documents and output devices, access, destruction, audit trail",
		cobit},
	{NULL, NULL, NULL, NULL},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - the parts of "spoolguard check": facts are gathered, judged, and told
 *
 *   F1  A fact is what was seen, with how and when; what could not be seen has a reason instead,
 *       and the step that would let it be seen.
 *   F2  No secret, title, user or file name of a job is in a fact.
 *   F3  Nothing is changed by looking: no self-test writes to a medium, no service is started.
 */
#ifndef SPOOLGUARD_CLI_CHECK_H
#define SPOOLGUARD_CLI_CHECK_H

#include "audit/trust.h"
#include "cli/service_client.h"
#include "compliance/control.h"
#include "supervisor/config.h"
#include <stdio.h>

struct check_options {
	const char *profile;
	const char *trust;	 /* NULL: the device's own enrolment, and that is said */
	const char *config;	 /* the service's; NULL: CONFIG_PATH_DEFAULT */
	const char *cups_config; /* NULL: /etc/cups/cupsd.conf */
	const char *host_root;	 /* NULL: this machine's; else a directory with proc and sys */
	const char *output;	 /* NULL: standard output */
	bool all;
};

/* What a look works on. */
struct check {
	const struct check_options *options;
	struct json_object *facts;	/* judge.h: the whole object */
	struct service_client *service; /* NULL: none answers, or it is not believed */
	char no_service[PROBLEM_TEXT_BYTES];
	struct json_object *status; /* GetStatus; NULL: none */
	struct config config;
	bool has_config;
	char no_config[PROBLEM_TEXT_BYTES];
	struct trust trust; /* what signatures are believed by: --trust, or the device's own */
	bool has_trust;
	char no_trust[PROBLEM_TEXT_BYTES];
};

/* Takes value.  how: "GetStatus of the service". */
void check_fact(struct check *check, const char *name, const char *how, struct json_object *value);
/* mend: the step that would let it be seen. */
void check_no_fact(struct check *check, const char *name, const char *mend, const char *format, ...)
	format_printf(4, 5);

/* Gives ret_facts to json_object_put(). */
must_check int check_facts_gather(const struct check_options *options,
	struct json_object **ret_facts, struct problem *reterr_problem);

/* Each adds the facts that it names. */
void check_facts_service(struct check *check);	/* service, settings, keys, sandbox */
void check_facts_volumes(struct check *check);	/* headers, debts, media */
void check_facts_cups(struct check *check);	/* cups */
void check_facts_selftest(struct check *check); /* selftest, conditions, clock */
void check_facts_state(struct check *check);	/* state-place, device-keys */
void check_facts_log(struct check *check);	/* log, log-files, events, wipe, residue */
void check_facts_receipts(struct check *check);
void check_facts_export(struct check *check);

/* A report for people.  all: the evidence of every control, and what a person must show. */
void check_text_print(FILE *out, const struct compliance_report *report, bool all);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_export.h - does a configuration of rsyslog send the audit log over TLS, and keep it
 * meanwhile?
 *
 * Looked for is a ruleset with our name, as the shipped file has it, and in it the first action
 * omfwd.  Of rsyslog's syntax no more is understood than NAME="VALUE" and comments.
 */
#ifndef SPOOLGUARD_CLI_CHECK_EXPORT_H
#define SPOOLGUARD_CLI_CHECK_EXPORT_H

#include <stdbool.h>

#define CHECK_EXPORT_TARGET_BYTES 256
#define CHECK_EXPORT_EXAMPLE	  "loghost.example" /* of the shipped file */

struct check_export {
	char target[CHECK_EXPORT_TARGET_BYTES];
	char socket[CHECK_EXPORT_TARGET_BYTES]; /* from which it comes there; "": none is named */
	bool tls, verifies_peer, queued;
};

/* Pure.  False: there is no such ruleset, or no such action in it, or its target is the example. */
bool check_export_parse(const char *text, struct check_export *ret_export);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_control.h - cupsd made to read its configuration anew, stopped, started, waited for
 *
 *   reload   the given command; else systemd, if it runs and the configuration is the system's;
 *            else SIGHUP to the cupsd that has this configuration.  If none runs there is
 *            nothing to do.
 *   stop     the given command; else systemd (service, socket, path, cups-browsed); else SIGTERM
 *   start    the given command; else systemd; else refused: nobody knows how it was started
 *
 *   O1  "It came up" means that it answers a question, twice, a second apart; after a SIGHUP
 *       also that it has opened its socket anew, which it does when it has read everything.
 */
#ifndef SPOOLGUARD_CLI_CUPS_CONTROL_H
#define SPOOLGUARD_CLI_CUPS_CONTROL_H

#include "cli/cups_context.h"

enum cups_outcome {
	CUPS_NOT_RUNNING, /* reads it when it is started */
	CUPS_CAME_UP,
	CUPS_NOT_YET, /* it answers, but goes on with the former configuration until jobs end */
};

/* -ETIMEDOUT: it did not come up in options->wait_s; -ESRCH: it ended; what a command says. */
must_check int cups_reload(const struct cups_context *context, enum cups_outcome *ret_outcome,
	struct problem *reterr_problem);

/* systemd runs, and this is the system's own cupsd. */
bool cups_is_systemds(const struct cups_context *context);
/* Units changed on disk; does nothing without systemd. */
must_check int cups_reread_units(
	const struct cups_context *context, struct problem *reterr_problem);

/* May it be stopped and started again?  -EINVAL: nobody knows how. */
must_check int cups_check_control(
	const struct cups_context *context, struct problem *reterr_problem);
/* Returns when it is gone.  Not running is success. */
must_check int cups_stop(const struct cups_context *context, struct problem *reterr_problem);
/* Returns when it answers. */
must_check int cups_start(const struct cups_context *context, struct problem *reterr_problem);

#endif

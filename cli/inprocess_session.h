/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inprocess_session.h - an image open in this process, for the verbs that need no mount
 */
#ifndef SPOOLGUARD_CLI_INPROCESS_SESSION_H
#define SPOOLGUARD_CLI_INPROCESS_SESSION_H

#include "base/problem.h"
#include "spool/inprocess.h"
#include "volume/engine.h"

struct inprocess_session {
	struct engine *engine;
	struct redo *redo; /* NULL: read-only */
	struct inprocess *inprocess;
};

/*
 * Asks for the passphrase if passphrase_file is NULL.  A volume that must be taken stock of before
 * it can be read (a crash, foreign writes) is opened for writing even if only reading is asked.
 */
must_check int inprocess_session_open(const char *path, const char *passphrase_file, bool read_only,
	struct inprocess_session *ret_session, struct problem *reterr_problem);

/* Pays what was freed and closes in order; the session is gone also on error. */
must_check int inprocess_session_close(
	struct inprocess_session *session, struct problem *reterr_problem);

#endif

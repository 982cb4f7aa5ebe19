/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inprocess_session.h"
#include "cli/cli.h"
#include <errno.h>
#include <string.h>

static int open_engine(const char *path, const struct secret *passphrase, bool read_only,
	struct inprocess_session *session, struct problem *reterr_problem)
{
	const struct engine_options options = {.read_only = read_only, .verify = VERIFY_FULL};
	struct engine_info info;
	struct inprocess_parts parts;
	int r;

	r = engine_open(path, &options, passphrase, &session->engine, reterr_problem);
	if (r < 0)
		return r;
	engine_get_info(session->engine, &info);
	if (!info.managed)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s is a plain LUKS2 volume without a residue map: nothing on it is "
			"overwritten when it is freed; attach it as encryption only",
			path);
	if (!read_only)
		r = engine_redo_new(session->engine, &session->redo);
	if (r < 0)
		return r;
	if (info.redo == REDO_REPLAYED)
		cli_warn("%s: a change that was interrupted has been completed", path);
	else if (info.redo != REDO_NONE)
		cli_warn("%s: a change was interrupted and cannot be completed (%s); the file "
			 "system is checked first",
			path,
			info.redo == REDO_DAMAGED ? "its record is damaged"
						  : "somebody else wrote to the volume since");
	parts = (struct inprocess_parts){
		.residue = engine_residue(session->engine),
		.eraser = engine_eraser(session->engine),
		.below = engine_blockdev(session->engine),
		.redo = session->redo,
		.scheme = info.scheme,
		.sweep_owed = info.opened.sweep_owed,
	};
	return inprocess_open(&parts, &session->inprocess, reterr_problem);
}

/* Without paying: what is owed is recorded. */
static int drop(struct inprocess_session *session)
{
	int r = 0;

	inprocess_free(session->inprocess);
	redo_free(session->redo);
	if (session->engine)
		r = engine_close(session->engine);
	*session = (struct inprocess_session){.engine = NULL};
	return r;
}

int inprocess_session_open(const char *path, const char *passphrase_file, bool read_only,
	struct inprocess_session *ret_session, struct problem *reterr_problem)
{
	struct inprocess_session session = {.engine = NULL};
	_cleanup_secret_ struct secret *passphrase = NULL;
	int r, r2;

	/* Keys lie in locked memory; all of it cannot be locked by an ordinary user. */
	r = cli_read_passphrase(passphrase_file, "Passphrase", false, &passphrase, reterr_problem);
	if (r < 0)
		return r;
	r = open_engine(path, passphrase, read_only, &session, reterr_problem);
	if (r == -EUCLEAN && read_only) {
		r = drop(&session);
		if (r >= 0)
			r = open_engine(path, passphrase, false, &session, reterr_problem);
	}
	if (r < 0) {
		r2 = drop(&session);
		return r2 < 0 && r2 != -ENOTRECOVERABLE ? r2 : r;
	}
	*ret_session = session;
	return 0;
}

int inprocess_session_close(struct inprocess_session *session, struct problem *reterr_problem)
{
	int settled, closed;

	settled = inprocess_settle(session->inprocess, reterr_problem);
	closed = drop(session);
	if (settled < 0)
		return settled;
	if (closed < 0)
		return problem_set(reterr_problem, closed,
			"the volume could not be closed in order: %s; its next open takes stock",
			strerror(-closed));
	return 0;
}

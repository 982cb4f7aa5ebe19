/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach_spool.h - from a medium to a spool in its place, or to nothing at all
 *
 *   attach_volume() -> bring_up_volume() -> bind_volume() -> the medium assessed
 *
 *   A1  All of it, or what was set up is undone; what cannot be undone is said in the same
 *       line as what failed.
 *
 * The volume's lock is held throughout.
 */
#ifndef SPOOLGUARD_ATTACHED_ATTACH_SPOOL_H
#define SPOOLGUARD_ATTACHED_ATTACH_SPOOL_H

#include "attached/bind.h"
#include "attached/bring_up_volume.h"
#include "blockdev/medium.h"
#include "crypto/secret.h"
#include "volume/attach.h"

struct attach_spool_options {
	const char *path;
	const char *mount; /* NULL: the device alone is wanted, and nothing is bound */
	const struct bind_wanted *binds;
	size_t bind_count;
	struct attach_options attach;
};

struct attach_spool_report {
	struct runtime_state state;
	struct bring_up_options found; /* what the volume said of itself; no pointers in it */
	struct bring_up_report brought_up;
	bool sealed;	   /* the mount point underneath is immutable; true without a mount */
	bool binds_sealed; /* ... and every place that something is bound over */
	enum medium_promise promise;	/* MEDIUM_NOT_ASSESSED: nothing to be said of it */
	char medium[MEDIUM_TEXT_BYTES]; /* what overwriting can promise there, in words */
};

/* The errors of its parts: volume/attach.h, spool/bring_up.h, attached/bind.h. */
must_check int attach_spool(const struct attach_spool_options *options,
	const struct secret *passphrase, struct attach_spool_report *ret_report,
	struct problem *reterr_problem);

#endif

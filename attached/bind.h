/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.h - directories of an attached volume that are seen where other programs look for them
 *
 * A spool has places of its own (/var/spool/cups, /var/cache/cups): a directory of the
 * volume is bound over each.  It is made if it is not there, with the owner and mode of
 * the directory that it is bound over.
 *
 *   N2  The directory underneath is empty and immutable; its owner and mode stay (they are
 *       copied from it again when the volume is new).
 *   N3  A bind is recorded before it is made (T1 in volume/runtime.h); one at a place that
 *       is not recorded is not ours, and is never ended.
 *   N4  No symbolic link on the volume is followed: who may write there cannot choose what
 *       is bound.
 *
 * All of them want the volume's lock (runtime_lock) held.
 */
#ifndef SPOOLGUARD_ATTACHED_BIND_H
#define SPOOLGUARD_ATTACHED_BIND_H

#include "base/problem.h"
#include "volume/runtime.h"
#include <stdbool.h>
#include <sys/types.h>

struct bind_wanted {
	const char *directory; /* relative to the volume's root: names, no "." or ".." */
	const char *at;	       /* an empty directory */
};

/* May that be a bind's directory?  Pure. */
bool bind_is_directory(const char *directory);

/*
 * Makes them in order; all, or none that was not there before.  What is recorded and in
 * place already is left as it is.  ret_sealed (may be NULL): every place
 * underneath is immutable.  Saves the state.  -EINVAL: no directory's name;
 * -ENODEV: the volume is not mounted; -E2BIG: more than RUNTIME_BINDS_MAX;
 * -EBUSY, -ENOTEMPTY, -ENOTDIR, -ENOENT: the place; -EXDEV: the place lies on the volume
 * itself; -EROFS: the directory is not there, and the volume is read-only.
 */
must_check int bind_volume(struct runtime_state *state, const struct bind_wanted *wanted,
	size_t count, bool *ret_sealed, struct problem *reterr_problem);

/* True if that is a place of a recorded bind. */
bool bind_is_recorded(const struct runtime_state *state, const char *where);

/*
 * Ends those that are in place, the last first; they stay recorded.  On failure some are ended:
 * give them to bind_restore().  device: the volume's block device.
 */
must_check int bind_end_all(
	const struct runtime_state *state, dev_t device, struct problem *reterr_problem);

/* Makes those anew that are recorded and not in place. */
must_check int bind_restore(struct runtime_state *state, struct problem *reterr_problem);

#endif

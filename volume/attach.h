/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.h - from a medium to a block device, and back
 *
 *   attach:  lock -> clear what a killed process left -> FUSE mount -> volume process
 *            -> loop device -> zeroing refused -> writes served
 *   detach:  (the file system is unmounted) -> loop device -> FUSE -> process -> state
 *
 *   with options.nbd:  lock -> ... -> socket -> volume process (nbdkit's program); no device
 *
 * Each step is undone if a later one fails.  The volume process opens neither its
 * own FUSE file nor the loop device: that would hang its end.
 */
#ifndef SPOOLGUARD_VOLUME_ATTACH_H
#define SPOOLGUARD_VOLUME_ATTACH_H

#include "base/problem.h"
#include "crypto/secret.h"
#include "volume/client.h"
#include "volume/runtime.h"

struct attach_options {
	bool read_only;
	bool repair_token;
	const char *scheme;  /* NULL: the volume's own */
	const char *verify;  /* NULL: "full" */
	const char *profile; /* NULL: the volume's own */
	const char *nbd;     /* serve NBD at this socket; NULL: FUSE and a loop device */
};

/*
 * -EBUSY: attached already, or in use; what engine_open says; -EPERM and -ENODEV
 * where FUSE, loop or mounting are not allowed.
 * ret_lock is held until closed: mount and record the mount before letting go.
 */
must_check int attach_volume(const char *path, const struct attach_options *options,
	const struct secret *passphrase, struct runtime_state *ret_state,
	struct client **ret_client, int *ret_lock, struct problem *reterr_problem);

/*
 * The file system must be unmounted.  Answers when everything is recorded.  -EBUSY: an NBD client
 * is connected, or the device is open; disconnect: NBD clients are cut off.
 */
must_check int attach_undo(
	const struct runtime_state *state, bool disconnect, struct problem *reterr_problem);

/*
 * Sets state->device to the loop device that is over the volume's FUSE file now, or to "".  What
 * was recorded may be a stranger's by now, or was never recorded (attach was killed).
 */
void attach_find_device(struct runtime_state *state);

/* Unmounts and detaches what a volume process that is gone left behind. */
void attach_clear_dead(const struct runtime_state *state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detach_volume.h - an attached volume is let go: binds, mount, loop device, process
 *
 *   lock -> every mount of the device looked at -> free space handed back -> binds end ->
 *   the mount ends -> attach_undo() (volume/attach.h)
 *
 *   D1  Refused before anything ends where that can be known: a mount that is not
 *       ours, a program that has device or spool open.
 *   D2  What was ended before a refusal is put back: a spool in use stays as it is.
 */
#ifndef SPOOLGUARD_ATTACHED_DETACH_VOLUME_H
#define SPOOLGUARD_ATTACHED_DETACH_VOLUME_H

#include "base/problem.h"
#include "volume/runtime.h"

/*
 * disconnect: NBD clients are cut off; otherwise one that is connected is "in use".
 * state: names the volume (uuid); loaded anew under the lock.  -EBUSY: in use, by whom is
 * said; -ENOENT: it is not attached (any more); -ESRCH: its process was gone, and what it
 * left was cleared.  *reterr_warning is filled, success or not, if something did not go as it
 * should (else it is left alone).
 */
must_check int detach_volume(struct runtime_state *state, bool disconnect,
	struct problem *reterr_warning, struct problem *reterr_problem);

#endif

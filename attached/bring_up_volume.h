/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bring_up_volume.h - the spool's side of attaching (spool/bring_up.h), for a volume process
 */
#ifndef SPOOLGUARD_ATTACHED_BRING_UP_VOLUME_H
#define SPOOLGUARD_ATTACHED_BRING_UP_VOLUME_H

#include "spool/bring_up.h"
#include "spool/mount.h"
#include "volume/attach.h"

/*
 * mount: where to, or NULL.  Fills and saves state->mount.  *ret_options is what the
 * volume said of itself.  On failure nothing is mounted, and the mount point
 * is what it was; the volume stays attached.
 */
must_check int bring_up_volume(struct client *client, const char *mount,
	struct runtime_state *state, struct bring_up_options *ret_options,
	struct bring_up_report *ret_report, struct mount_seal *ret_seal,
	struct problem *reterr_problem);

#endif

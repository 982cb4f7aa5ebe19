/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - starting the process that serves a volume (spoolguard_volume_main.c)
 *
 * It is born with three descriptors and nothing else of ours, in a session of its own, and lives
 * no longer than we do until it is ready.
 */
#ifndef SPOOLGUARD_VOLUME_LAUNCH_H
#define SPOOLGUARD_VOLUME_LAUNCH_H

#include "volume/attach.h"

/*
 * Returns when the volume is open, or with what kept it.  port_fd (FUSE's, or the
 * socket of options->nbd) is borrowed.
 * -ENOENT: the program was not found; -ECHILD: it ended before it could say why.
 */
must_check int launch_volume(const char *path, const char *uuid,
	const struct attach_options *options, const char *profile, const struct secret *passphrase,
	int port_fd, struct problem *reterr_problem);

#endif

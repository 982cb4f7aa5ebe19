/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounter.h - the process that may mount: attaches, detaches and renews configured volumes
 *
 * "spoolguardd --mounter": a small process with the privileges that the service itself does
 * without (a mount namespace that the host shares, loop devices, FUSE).  Under systemd a
 * unit of its own; otherwise the service starts it as its child.  It reads the same
 * configuration and does what stands there, nothing else: a caller names a volume of it, and never
 * gives a path.
 *
 * Interface io.spoolguard.mounter on a socket of root's alone (mode 0600, and SO_PEERCRED):
 *   Attach(volume) + a descriptor of a passphrase, or none: as configured
 *      -> the runtime state, report          (already attached: the same, "adopted": true)
 *   Detach(volume)
 *   Renew(volume, force) + a descriptor of a passphrase, or none
 *      -> every slot of the old key destroyed, a new key, a new file system, attached again
 *         (in use: -EBUSY, or with force its users meet errors)
 *   CutUnnamed(volume) -> files, bytes, left, unseen
 *      files of the open volume that programs have open and that have no name any more are cut to
 *      nothing (wipe_unnamed.h): a wipe asks for it
 *   Reload() reads the configuration again, as SIGHUP does; the service asks for it when it starts
 *   Release() ends it; the volumes stay attached.
 *
 *   N2  Passphrases come from a credential, a key file or a descriptor, into locked memory;
 *       never from a message.
 *   N3  Volume processes outlive it: what it started it does not take along.
 */
#ifndef SPOOLGUARD_SUPERVISOR_MOUNTER_H
#define SPOOLGUARD_SUPERVISOR_MOUNTER_H

#include "supervisor/config.h"

/* Serves until Release() or SIGTERM.  listen_fd is taken. */
must_check int mounter_run(
	const struct config *config, int listen_fd, struct problem *reterr_problem);

/* RUNTIME/mounter: where it listens. */
must_check int mounter_socket(char ret_path[static 108]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbdkit_host.h - spoolguard-volume becomes nbdkit, with our plugin in it
 *
 * The same process with the same descriptors goes on: it finds the socket that it is to serve where
 * socket activation has it (descriptor 3), and our plugin does what spoolguard-volume would do: the
 * engine, the control socket, the locked memory and the list of system calls are in there.
 */
#ifndef SPOOLGUARD_VOLUME_NBDKIT_HOST_H
#define SPOOLGUARD_VOLUME_NBDKIT_HOST_H

#include "base/problem.h"
#include <stdbool.h>

struct nbdkit_host_options {
	const char *path;
	const char *uuid;
	int listen_fd; /* must be 3 */
	int passphrase_fd;
	int status_fd;
	const char *scheme;  /* NULL: the volume's own */
	const char *verify;  /* NULL: full */
	const char *profile; /* NULL: standard */
	bool read_only;
	bool repair_token;
};

/* Returns only if it could not be done.  -ENOENT: nbdkit, or our plugin, is not installed. */
must_check int nbdkit_host_exec(
	const struct nbdkit_host_options *options, struct problem *reterr_problem);

#endif

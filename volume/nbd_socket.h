/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbd_socket.h - the socket at which NBD is served
 *
 * Made by who attaches (0600: his alone), served by the volume process, removed by who detaches.
 */
#ifndef SPOOLGUARD_VOLUME_NBD_SOCKET_H
#define SPOOLGUARD_VOLUME_NBD_SOCKET_H

#include "base/problem.h"
#include <stdbool.h>

#define NBD_SOCKET_BYTES 108 /* sockaddr_un has room for so many */

/* The path with the directory that we are in before it, if it is relative.  -ENAMETOOLONG. */
must_check int nbd_socket_resolve(
	const char *path, char ret_path[static NBD_SOCKET_BYTES], struct problem *reterr_problem);

/* -EEXIST: something is there already, and is left as it is. */
must_check int nbd_socket_listen(const char *path, int *ret_fd, struct problem *reterr_problem);

/* If it is a socket; without is_ours only one that nobody serves. */
void nbd_socket_remove(const char *path, bool is_ours);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.h - what is known on this machine of a volume that is attached
 *
 * /run/spoolguard/UUID/ (mode 0700): control (socket), medium (the file that FUSE is
 * mounted on), state (which loop device, which mount), report (what it lies on, as found when it
 * was attached; attached/medium_report.h), lock (one command at a time). SPOOLGUARD_RUNTIME_DIR
 * names another place than /run/spoolguard.
 *
 *   T1  What is about to be mounted is recorded before it is: who finds it later knows it
 *       for ours, also if the one who mounted it was killed.
 */
#ifndef SPOOLGUARD_VOLUME_RUNTIME_H
#define SPOOLGUARD_VOLUME_RUNTIME_H

#include "base/problem.h"
#include "volume/nbd_socket.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define RUNTIME_UUID_BYTES 40
#define RUNTIME_PATH_BYTES 512

#define RUNTIME_BINDS_MAX	     8u
#define RUNTIME_BIND_DIRECTORY_BYTES 256u

/* A directory of the volume that is seen at another place too. */
struct runtime_bind {
	char directory[RUNTIME_BIND_DIRECTORY_BYTES]; /* relative to the volume's root */
	char at[PATH_MAX];			      /* resolved */
};

struct runtime_state {
	char uuid[RUNTIME_UUID_BYTES];
	char path[PATH_MAX];	    /* the medium, resolved */
	char device[64];	    /* "/dev/loop3", or "" */
	char nbd[NBD_SOCKET_BYTES]; /* served through NBD at this socket, with no device; or "" */
	char mount[PATH_MAX];	    /* or "" */
	struct runtime_bind binds[RUNTIME_BINDS_MAX];
	size_t bind_count;
	bool read_only;
	bool ready; /* attach came to its end; false: it goes on, or was interrupted */
};

/* DIR: /run/spoolguard, or SPOOLGUARD_RUNTIME_DIR if that is absolute. */
const char *runtime_directory(void);
/* DIR/UUID/NAME; -ENAMETOOLONG; -EINVAL: that is no UUID. */
must_check int runtime_path(
	const char *uuid, const char *name, char ret_path[static RUNTIME_PATH_BYTES]);

/* Makes the directory, and holds its lock until the fd is closed; waits for another command to end.
 */
must_check int runtime_lock(const char *uuid, int *ret_fd, struct problem *reterr_problem);
must_check int runtime_save(const struct runtime_state *state, struct problem *reterr_problem);
/* -ENOENT; -EBADMSG: damaged, or another volume's. */
must_check int runtime_load(const char *uuid, struct runtime_state *ret_state);
void runtime_remove(const char *uuid);

/* By the path of the medium (any name of it).  -ENOENT: it is not attached; -EACCES. */
must_check int runtime_find(const char *path, struct runtime_state *ret_state);
/* The index-th volume in order of its name.  -ENOENT past the last; -EACCES: not for us to see. */
must_check int runtime_at(size_t index, struct runtime_state *ret_state);

#endif

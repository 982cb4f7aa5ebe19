/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_place.h - where a watched directory lies on its volume, and where our names of its files do
 *
 *   MOUNT/.spoolguard               root's, mode 0700 (also of ledger_key.h)
 *   MOUNT/.spoolguard/pending/NAME  of [watch NAME]: one name for each file that is taken
 *
 * A link is possible within one mount alone, so everything here goes by the volume's own mount,
 * also where the configuration names a directory by a bind of it.
 *
 * Errors: those of open(2), with a line that names the remedy.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WATCH_PLACE_H
#define SPOOLGUARD_SUPERVISOR_WATCH_PLACE_H

#include "base/problem.h"
#include "supervisor/config.h"
#include "supervisor/ledger_key.h"
#include <stdbool.h>

#define WATCH_PLACE_PRIVATE LEDGER_KEY_DIRECTORY
#define WATCH_PLACE_PENDING WATCH_PLACE_PRIVATE "/pending"

struct watch_place {
	const struct config_volume *volume; /* borrowed; NULL: it lies on none */
	char relative[PATH_MAX];	    /* below its mount; "": the mount itself */
};

/* By the configured mounts and binds, nothing is looked at. */
void watch_place_find(const struct config *config, const char *path, struct watch_place *ret_place);
bool watch_place_is_same(const struct watch_place *a, const struct watch_place *b);

/* The mount itself (O_RDONLY). */
must_check int watch_place_open_mount(const struct config_volume *volume, int *ret_fd);
/* A directory below it (O_RDONLY), on that mount and behind no symbolic link. */
must_check int watch_place_open(int mount, const char *relative, int *ret_fd);

/* MOUNT/.spoolguard/pending/NAME, made if it is not there.  -EPERM: it is not ours. */
must_check int watch_place_open_pending(int mount, const char *name, int *ret_fd,
	const struct config_volume *volume, struct problem *reterr_problem);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holder.h - which program has a file or a mount open, for the line that a user reads
 *
 * Looks through /proc; for messages, never for decisions.
 */
#ifndef SPOOLGUARD_SPOOL_HOLDER_H
#define SPOOLGUARD_SPOOL_HOLDER_H

#include "base/macros.h"
#include <sys/stat.h>

#define HOLDER_BYTES 96

/* "cupsd (process 12)", or "another program"; returns text. */
const char *holder_of_mount(const char *point, char text[static HOLDER_BYTES]);
/* The same for one file; this process is not named. */
const char *holder_of_file(const struct stat *file, char text[static HOLDER_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holder.h - which program holds a lock, a file, a device or a mount, for the line that a user
 * reads
 *
 * Looks through the descriptors in /proc: all of them to root, one's own to anybody
 * else; a process of another PID namespace is not seen.  An open-file-description
 * lock belongs to no process, so /proc/locks does not name its holder either.  True
 * when it is looked at, and perhaps no longer when it is read: for messages, never for
 * decisions (but for holder_find, which refuses what it finds).
 */
#ifndef SPOOLGUARD_BLOCKDEV_HOLDER_H
#define SPOOLGUARD_BLOCKDEV_HOLDER_H

#include "base/macros.h"
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define HOLDER_BYTES 96

/* "spoolguard-volume (process 1234)", this process too, or "another process"; returns text. */
const char *holder_of_lock(int fd, char text[static HOLDER_BYTES]);

/*
 * file: of a regular file, or of a device node (any node of the same device counts).
 * writers_only: those that only read do not count.  The calling process never does.
 */
bool holder_find(const struct stat *file, bool writers_only, char ret_text[static HOLDER_BYTES]);

/* Every descriptor of every process but this one, for those who ask about many files at once. */
struct holder_visit {
	const char *proc; /* NULL: "/proc" */
	/* Is it of interest?  Then it is told, with who holds it. */
	bool (*wants)(void *context, const struct stat *file);
	void (*tell)(void *context, const struct stat *file, pid_t process, const char *text);
	void *context;
};
/* False: a process did not let itself be looked into. */
bool holder_visit_all(const struct holder_visit *visit);
/* Does this process still have it open? */
bool holder_has(const char *proc, pid_t process, const struct stat *file);

/* Who has the file open or mapped, or "another program"; this process is not named. */
const char *holder_of_file(const struct stat *file, char text[static HOLDER_BYTES]);
/* Who has something open below the mount, or stands in it, or "another program". */
const char *holder_of_mount(const char *point, char text[static HOLDER_BYTES]);

#endif

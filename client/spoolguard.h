/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolguard.h - for programs that print: hand a job's files to spoolguardd
 *
 * This is the library that is installed (libspoolguard.a, link with -lspoolguard -ljson-c); it
 * speaks to the service's socket (Varlink, io.spoolguard) and does nothing else.
 *
 *   struct spoolguard *sg;
 *   if (spoolguard_open(NULL, &sg) < 0) ...                     once
 *   spoolguard_job_begin(sg, "17", files, 1);                   when the job has a file
 *   spoolguard_job_complete(sg, "17", files, 1, true, NULL);    when it is printed
 *
 * Jobs that were begun and not completed when the session ends, also because the program died,
 * are retired by the service.  Functions return 0 or -errno:
 *
 *   -ENOENT, -ECONNREFUSED  no service is there
 *   -EACCES                 the caller has not the role "pipeline", or the file is not his
 *   -EINPROGRESS            accepted and recorded, not retired yet (or held: the text says why)
 *   -EREMOTEIO              refused, or failed: spoolguard_text() says why
 *   -ECONNRESET             the service went away; the session connects again at the next call
 *
 * Files belong to the service from the moment they are handed over: do not write, rename or unlink
 * them. Threads: one at a time for each session.
 */
#ifndef SPOOLGUARD_CLIENT_SPOOLGUARD_H
#define SPOOLGUARD_CLIENT_SPOOLGUARD_H

#include <stdbool.h>
#include <stddef.h>

#define SPOOLGUARD_SOCKET "/run/spoolguard/io.spoolguard"

struct spoolguard;

/* socket NULL: $SPOOLGUARD_SOCKET, else SPOOLGUARD_SOCKET.  Gives a session. */
int spoolguard_open(const char *socket, struct spoolguard **ret_session);
/* Jobs that were begun are retired from now on; NULL is taken. */
void spoolguard_close(struct spoolguard *session);
/* One line of what went wrong last, or "". */
const char *spoolguard_text(const struct spoolguard *session);

/* id: 1 to 255 bytes, not the job's title.  Files: absolute paths on a volume; may be none yet. */
int spoolguard_job_begin(
	struct spoolguard *session, const char *id, const char *const *files, size_t count);

/*
 * The same, and whose it is and what it is called, for an auditor who knows the name: the service
 * keeps a keyed digest of each, and not the name.  NULL: not told.
 */
int spoolguard_job_begin_named(struct spoolguard *session, const char *id, const char *user,
	const char *title, const char *const *files, size_t count);

/*
 * The job is printed, cancelled or aborted: its files (those named before too) are overwritten,
 * read back and removed.  wait: returns when that is true, and gives the receipt (JSON, for free())
 * if ret_receipt is not NULL.  Calling it twice is harmless.
 */
int spoolguard_job_complete(struct spoolguard *session, const char *id, const char *const *files,
	size_t count, bool wait, char **ret_receipt);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_directory.h - spoolers that cannot be changed: what they leave in a directory is a job
 *
 *   when = unlinked   a file appears -> at once it has a name of ours beside its own
 *                     (MOUNT/.spoolguard/pending/NAME/KEY, a hard link) -> its spooler removes
 *                     it: ours is the last name -> ledger SEEN -> retirer
 *   when = settled    a file appears -> nobody has written to it for "settle", and nobody has it
 *                     open for writing -> it is moved there -> ledger SEEN -> retirer
 *
 *   D1  Events only say when to look; what is done follows from what lies there.  What was missed
 *       (a full queue of events, a crash, a directory or a volume that went and came back) is
 *       found by the next look.
 *   D2  A file has one name of ours at most, in whichever watched directories it appears; that name
 *       tells nothing (watch_file.h).  Titles go into no message and into no file.
 *   D3  A file is announced when ours is its only name, and asked again right before it is touched:
 *       it has one name, and nobody has it open.
 *   D4  What a spooler has not finished with is not changed: it gets a second name, and no more.
 *   D5  No symbolic link is followed, and nothing outside of the volume's own mount is touched.
 *   D6  Between two looks nothing on the volume is held open: it can be detached.
 *   D7  Subdirectories are watched, WATCH_DEPTH_MAX levels of them; WATCH_DIRECTORIES_MAX
 *       directories and WATCH_FILES_MAX files of one watch.  What is beyond is said (state), and
 *       is not watched.
 *   D8  Looking costs a fifth of the time at most while files come and go, and a thousandth
 *       while they lie there.
 *
 * What a crash leaves in pending is announced, or goes on to wait for its spooler; also that of a
 * [watch] that is no longer configured: its links to files that still have another name are
 * removed.
 *
 * One thread for all watches; the hooks are called from the retirer's threads.  From _new() on the
 * calling program ignores SIGIO (watch_file.h).
 */
#ifndef SPOOLGUARD_SUPERVISOR_WATCH_DIRECTORY_H
#define SPOOLGUARD_SUPERVISOR_WATCH_DIRECTORY_H

#include "supervisor/config.h"
#include "supervisor/ledger.h"
#include "supervisor/pulse.h"
#include "supervisor/retirer.h"
#include "supervisor/state.h"

#define WATCH_SOURCE	      "watch" /* ledger source: "watch:NAME"; id: the file's key */
#define WATCH_DEPTH_MAX	      4u
#define WATCH_DIRECTORIES_MAX 256u
#define WATCH_FILES_MAX	      65536u
#define WATCH_WAITING_MAX     64u /* that are listed one by one, of each watch */

struct watch_directory;

struct watch_directory_options {
	const struct config *config; /* borrowed, as all here */
	struct state *state;
	struct ledger *ledger;
	/* The UUID of the open volume that the directory lies on; false: of none. */
	bool (*find_volume)(void *context, const char *directory, char ret_uuid[static 40]);
	void *context;
};

must_check int watch_directory_new(const struct watch_directory_options *options,
	struct watch_directory **ret_watcher, struct problem *reterr_problem);
/* For retirer_new(); they live as long as the watcher. */
const struct retirer_source *watch_directory_hooks(
	struct watch_directory *watcher, size_t *ret_count);
must_check int watch_directory_start(struct watch_directory *watcher, struct retirer *retirer);
void watch_directory_stop(struct watch_directory *watcher);
void watch_directory_free(struct watch_directory *watcher);

/* Look now: a volume was opened, say. */
void watch_directory_wake(struct watch_directory *watcher);
/* A volume is about to be closed, and find_volume() says so already: returns when nothing on it is
 * held open any more. */
void watch_directory_let_go(struct watch_directory *watcher);

/* What is not overwritten yet, and why: {"source","id","why","since","too_long"}; gives an array.
 */
struct json_object *watch_directory_waiting(struct watch_directory *watcher);
struct pulse *watch_directory_pulse(struct watch_directory *watcher);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_impl.h - what watch_directory.c (thread, hooks), watch_round.c (a look at one watch),
 * watch_leftovers.c, watch_tell.c (state) and watch_events.c (inotify) share
 */
#ifndef SPOOLGUARD_SUPERVISOR_WATCH_IMPL_H
#define SPOOLGUARD_SUPERVISOR_WATCH_IMPL_H

#include "supervisor/watch_directory.h"
#include "supervisor/watch_file.h"
#include "supervisor/watch_place.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#define WATCH_PULSE_MS 120000u /* the watchdog's patience with one look */

/* A directory that has an inotify watch. */
struct watch_dir {
	int wd; /* -1: it could not have one, and is looked at by the clock */
	unsigned int depth;
	char *relative; /* below the mount; owned */
};

/* Why a file is not announced. */
enum watch_why {
	WATCH_READY,
	WATCH_SETTLING, /* its time has not come */
	WATCH_NAMED,	/* its spooler has a name of it */
	WATCH_WRITTEN,	/* somebody has it open for writing */
	WATCH_LINKED,	/* it has names elsewhere */
};

struct watch_entry {
	uint64_t key;
	bool pending;	/* it has a name of ours */
	bool announced; /* the ledger has it */
	enum watch_why why;
	/* Settling: what it looked like, and since when. */
	uint64_t quiet_since_ns;
	int64_t size_bytes, mtime_ns, ctime_ns;
	int64_t mtime_wall_s;
};

/* It stays where it is for a reason that somebody should know. */
static inline may_be_unused bool watch_is_waiting(const struct watch_entry *entry)
{
	return entry->why != WATCH_READY && entry->why != WATCH_SETTLING;
}

struct watch {
	const struct config_watch *config;
	char source[LEDGER_SOURCE_BYTES], state_key[LEDGER_SOURCE_BYTES];
	char late_key[LEDGER_SOURCE_BYTES + 8];
	struct watch_place place;
	bool is_foreign; /* CUPS's or another watch's directory: seen to already */

	/* The thread's own. */
	uint64_t due_ns;
	uint64_t cost_ns;	/* of the last look, without what the ledger took */
	struct watch_dir *dirs; /* by wd; owned */
	size_t dir_count;
	/* Changed by the thread under watch_directory.lock. */
	struct watch_entry *entries; /* by key; owned */
	size_t entry_count;
};

struct watch_directory {
	struct watch_directory_options options;
	struct retirer *retirer;
	struct retirer_source hook;
	struct watch watches[CONFIG_WATCHES_MAX];
	size_t watch_count;
	/* Directories that are somebody else's: those of CUPS. */
	struct watch_place foreign[3];
	int inotify_fd, poke_fd;
	pthread_t thread;
	bool running;
	atomic_bool stopping;
	atomic_uint hurry; /* somebody waits for round_lock */
	struct pulse pulse;
	pthread_mutex_t round_lock; /* something on a volume may be open */
	pthread_mutex_t lock;	    /* of the entries */
	/* Volumes, by their number: what was left there is seen to, of that UUID. */
	char tended[CONFIG_VOLUMES_MAX][LEDGER_VOLUME_BYTES];
};

/* One look, while it lasts. */
struct watch_look {
	struct watch_directory *watcher;
	struct watch *watch;
	char uuid[LEDGER_VOLUME_BYTES];
	int mount, pending;
	uint64_t now_ns, next_ns; /* monotonic; when something is due by itself */
	struct watch_dir *dirs;
	size_t dir_count;
	struct watch_entry *entries;
	size_t entry_count, entry_room;
	bool missing, too_deep, too_many, blind, written;
	int file_error; /* of the first file that could not be taken */
};

/* watch_round.c: looks, takes, announces.  Sets watch->due_ns. */
void watch_look(struct watch_directory *watcher, struct watch *watch);
void watch_done(struct watch_directory *watcher, struct watch *watch);
/* Another watch has a name of it (D2).  pending: the directory of this one's names. */
bool watch_is_taken_elsewhere(const struct watch_directory *watcher, const struct watch *watch,
	int pending, uint64_t key);
/* Parts of a look, also for watch_leftovers.c. */
bool watch_is_interrupted(const struct watch_look *look);
void watch_look_done(struct watch_look *look);
/* Calls for each name of a directory; takes fd. */
must_check int watch_read_names(struct watch_look *look, int fd, size_t index,
	int (*take)(struct watch_look *look, int fd, size_t index, const struct dirent *found));
/* The entries of look->pending are added to look->entries. */
must_check int watch_look_at_pending(struct watch_look *look);
/* The ledger is told of one file.  -ENOKEY: not yet. */
must_check int watch_announce(struct watch_directory *watcher, const char *source, const char *name,
	const struct config_volume *volume, const char *uuid, uint64_t key);

/* watch_leftovers.c: false: again later. */
bool watch_tend_leftovers(
	struct watch_directory *watcher, const struct config_volume *volume, const char *uuid);

/* watch_tell.c */
void watch_tell_limits(struct watch_look *look);
void watch_tell_error(struct watch_look *look, int error, const struct problem *problem);
void watch_tell_away(struct watch_look *look);
void watch_tell_late(struct watch_look *look);

/* watch_events.c: reads what there is, and links at once what may be gone soon. */
void watch_take_events(struct watch_directory *watcher);
/* No directory of the watch is watched any more. */
void watch_forget_dirs(struct watch_directory *watcher, struct watch *watch);
/* -ENOSPC: the kernel allows no more. */
must_check int watch_add(struct watch_directory *watcher, int directory, int *ret_wd);
void watch_set_dirs(
	struct watch_directory *watcher, struct watch *watch, struct watch_dir *dirs, size_t count);
bool watch_matches(const struct watch *watch, const char *name);
uint64_t watch_pause_ns(const struct watch *watch);
/* A look is due, soon. */
void watch_due_soon(struct watch *watch);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_events.c - inotify: when to look, and the one thing that cannot wait for a look
 *
 * A file that its spooler removes again within milliseconds has to have a second name by then: so
 * an event that names a file of a "when = unlinked" watch links it before anything else is done.
 */
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/watch_impl.h"
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SOON_NS	     20000000u /* events come in crowds */
#define EVENTS_BYTES (64u << 10)

/* One for all: where two watches have one directory, the kernel keeps the last mask alone. */
#define MASK                                                                                       \
	(IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF |   \
		IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)
#define APPEARS (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE)

/* The directory of the last event, while events are read. */
struct opened {
	const struct watch_dir *dir;
	int directory, pending;
};

/* D8: a look that took long is not repeated at once. */
uint64_t watch_pause_ns(const struct watch *watch)
{
	return 4 * watch->cost_ns > SOON_NS ? 4 * watch->cost_ns : SOON_NS;
}

void watch_due_soon(struct watch *watch)
{
	uint64_t due_ns = clock_monotonic_ns() + watch_pause_ns(watch);

	if (due_ns < watch->due_ns)
		watch->due_ns = due_ns;
}

/* As the shell does, with ksh's extended patterns; a hidden name has to be asked for, by a dot. */
bool watch_matches(const struct watch *watch, const char *name)
{
	const char *pattern = watch->config->pattern;

	if (name[0] == '.' && strncmp(pattern, "!(", 2) == 0) /* glibc forgets it here */
		return false;
	return fnmatch(pattern, name, FNM_PERIOD | FNM_EXTMATCH) == 0;
}

/* --- which directories --- */

int watch_add(struct watch_directory *watcher, int directory, int *ret_wd)
{
	char path[32];
	int wd;

	if (watcher->inotify_fd < 0)
		return -ENOSYS;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", directory);
	wd = inotify_add_watch(watcher->inotify_fd, path, MASK);
	if (wd < 0)
		return -errno;
	*ret_wd = wd;
	return 0;
}

static int compare_dirs(const void *a, const void *b)
{
	const struct watch_dir *left = a, *right = b;

	return (left->wd > right->wd) - (left->wd < right->wd);
}

static const struct watch_dir *find_dir(const struct watch *watch, int wd)
{
	const struct watch_dir wanted = {.wd = wd};

	if (watch->dir_count == 0)
		return NULL;
	return bsearch(&wanted, watch->dirs, watch->dir_count, sizeof(wanted), compare_dirs);
}

static bool is_in_use(const struct watch_directory *watcher, int wd)
{
	for (size_t i = 0; i < watcher->watch_count; i++) {
		if (find_dir(&watcher->watches[i], wd))
			return true;
	}
	return false;
}

void watch_set_dirs(
	struct watch_directory *watcher, struct watch *watch, struct watch_dir *dirs, size_t count)
{
	struct watch_dir *old = watch->dirs;
	size_t old_count = watch->dir_count;

	if (count > 0)
		qsort(dirs, count, sizeof(*dirs), compare_dirs);
	watch->dirs = dirs;
	watch->dir_count = count;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].wd >= 0 && !is_in_use(watcher, old[i].wd))
			(void)inotify_rm_watch(watcher->inotify_fd, old[i].wd);
		free(old[i].relative);
	}
	free(old);
}

void watch_forget_dirs(struct watch_directory *watcher, struct watch *watch)
{
	watch_set_dirs(watcher, watch, NULL, 0);
}

/* --- events --- */

static void close_opened(struct opened *opened)
{
	io_closep(&opened->directory);
	io_closep(&opened->pending);
	*opened = (struct opened){.dir = NULL, .directory = -1, .pending = -1};
}

static int open_for(struct opened *opened, const struct watch *watch, const struct watch_dir *dir)
{
	const struct config_volume *volume = watch->place.volume;
	_cleanup_close_ int mount = -1;
	int r;

	if (opened->dir == dir)
		return 0;
	close_opened(opened);
	r = watch_place_open_mount(volume, &mount);
	if (r >= 0)
		r = watch_place_open(mount, dir->relative, &opened->directory);
	if (r >= 0)
		r = watch_place_open_pending(
			mount, watch->config->name, &opened->pending, volume, NULL);
	if (r < 0) {
		close_opened(opened);
		return r;
	}
	opened->dir = dir;
	return 0;
}

static void link_now(struct watch_directory *watcher, struct watch *watch,
	const struct watch_dir *dir, const char *name, struct opened *opened)
{
	uint64_t key;

	/* What fails is tried again by the look that is due. */
	if (watch->entry_count >= WATCH_FILES_MAX || open_for(opened, watch, dir) < 0 ||
		watch_file_key(opened->directory, name, &key) < 0 ||
		watch_is_taken_elsewhere(watcher, watch, opened->pending, key))
		return;
	(void)!watch_file_link(opened->directory, name, opened->pending, &key);
}

/* What has lost a name here may be what waits in another watch's pending. */
static void wake_others(struct watch_directory *watcher, const struct watch *watch, uint32_t mask)
{
	if (!(mask & (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)))
		return;
	for (size_t i = 0; i < watcher->watch_count; i++) {
		struct watch *other = &watcher->watches[i];

		if (other != watch && other->config->when_unlinked &&
			other->place.volume == watch->place.volume)
			watch_due_soon(other);
	}
}

static void take_event(
	struct watch_directory *watcher, const struct inotify_event *event, struct opened *opened)
{
	for (size_t i = 0; i < watcher->watch_count; i++) {
		struct watch *watch = &watcher->watches[i];
		const struct watch_dir *dir = find_dir(watch, event->wd);

		if (event->mask & IN_Q_OVERFLOW)
			watch->due_ns = 0;
		if (!dir)
			continue;
		watch_due_soon(watch);
		wake_others(watcher, watch, event->mask);
		if (watch->config->when_unlinked && (event->mask & APPEARS) &&
			!(event->mask & IN_ISDIR) && event->len > 0 &&
			watch_matches(watch, event->name))
			link_now(watcher, watch, dir, event->name, opened);
	}
}

void watch_take_events(struct watch_directory *watcher)
{
	_Alignas(struct inotify_event) char buf[EVENTS_BYTES];
	struct opened opened = {.directory = -1, .pending = -1};
	ssize_t n;

	while (watcher->inotify_fd >= 0 && (n = read(watcher->inotify_fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *event;

		for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(const void *)(buf + at);
			take_event(watcher, event, &opened);
		}
		if (atomic_load(&watcher->hurry) > 0)
			break;
	}
	close_opened(&opened);
}

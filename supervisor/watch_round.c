/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_round.c - one look at one watch: its directories, then pending, then the ledger
 *
 * Everything is found anew each time (D1).  What a look remembers for the next is, of each file,
 * its key and what it looked like: names are not kept.
 */
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/watch_impl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS	 UINT64_C(1000000)
#define AWAY_MS	 2000u	/* a directory or a volume that is not there */
#define RETRY_MS 1000u	/* the ledger does not take it; a file that is open for writing */
#define NAMED_MS 2000u	/* whether a file has lost its other names somewhere else */
#define CALM_MS	 30000u /* nothing is there: events say when */
#define BLIND_MS 1000u	/* ... but not if inotify has no room for us */
#define SPARE	 1000u	/* D8: of the time that looks at what lies there may take */

void watch_look_done(struct watch_look *look)
{
	io_closep(&look->mount);
	io_closep(&look->pending);
	for (size_t i = 0; i < look->dir_count; i++)
		free(look->dirs[i].relative);
	free(look->dirs);
	free(look->entries);
}

static void due_at(struct watch_look *look, uint64_t ns)
{
	if (ns < look->next_ns)
		look->next_ns = ns;
}

bool watch_is_interrupted(const struct watch_look *look)
{
	return atomic_load(&look->watcher->hurry) > 0 || atomic_load(&look->watcher->stopping);
}

/* --- entries --- */

static int compare_entries(const void *a, const void *b)
{
	const struct watch_entry *left = a, *right = b;

	return (left->key > right->key) - (left->key < right->key);
}

static struct watch_entry *find_entry(const struct watch *watch, uint64_t key)
{
	const struct watch_entry wanted = {.key = key};

	if (watch->entry_count == 0)
		return NULL;
	return bsearch(
		&wanted, watch->entries, watch->entry_count, sizeof(wanted), compare_entries);
}

static int add_entry(struct watch_look *look, const struct watch_entry *entry)
{
	if (look->entry_count == WATCH_FILES_MAX) {
		look->too_many = true;
		return 0;
	}
	if (look->entry_count == look->entry_room) {
		size_t room = look->entry_room ? 2 * look->entry_room : 64;
		struct watch_entry *entries = realloc(look->entries, room * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		look->entries = entries;
		look->entry_room = room;
	}
	look->entries[look->entry_count++] = *entry;
	return 0;
}

static int64_t to_ns(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- a file in a watched directory --- */

bool watch_is_taken_elsewhere(
	const struct watch_directory *watcher, const struct watch *watch, int pending, uint64_t key)
{
	char path[CONFIG_NAME_BYTES + WATCH_FILE_NAME_BYTES + 8], ours[WATCH_FILE_NAME_BYTES];

	for (size_t i = 0; i < watcher->watch_count; i++) {
		const struct watch *other = &watcher->watches[i];

		if (other == watch || other->place.volume != watch->place.volume)
			continue;
		snprintf(path, sizeof(path), "../%s/%s", other->config->name,
			watch_file_name(key, ours));
		if (faccessat(pending, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

static bool is_taken_elsewhere(const struct watch_look *look, uint64_t key)
{
	return watch_is_taken_elsewhere(look->watcher, look->watch, look->pending, key);
}

static int take_unlinked(struct watch_look *look, int directory, const char *name)
{
	const struct watch_entry *before;
	uint64_t key;
	int r = watch_file_key(directory, name, &key);

	if (r < 0)
		return r;
	before = find_entry(look->watch, key);
	if ((before && before->pending) || is_taken_elsewhere(look, key))
		return 0;
	if (look->watch->entry_count >= WATCH_FILES_MAX) {
		look->too_many = true;
		return 0;
	}
	r = watch_file_link(directory, name, look->pending, &key);
	return r == -EEXIST ? 0 : r;
}

static void describe(struct watch_look *look, const struct stat *st, struct watch_entry *entry)
{
	const struct watch_entry *before = find_entry(look->watch, entry->key);

	entry->size_bytes = st->st_size;
	entry->mtime_ns = to_ns(st->st_mtim);
	entry->ctime_ns = to_ns(st->st_ctim);
	entry->mtime_wall_s = st->st_mtim.tv_sec;
	entry->quiet_since_ns = look->now_ns;
	if (before && !before->pending && before->size_bytes == entry->size_bytes &&
		before->mtime_ns == entry->mtime_ns && before->ctime_ns == entry->ctime_ns)
		entry->quiet_since_ns = before->quiet_since_ns;
}

static bool is_linked(const struct watch_look *look, uint64_t key)
{
	char ours[WATCH_FILE_NAME_BYTES];

	return faccessat(look->pending, watch_file_name(key, ours), F_OK, AT_SYMLINK_NOFOLLOW) ==
		       0 ||
	       is_taken_elsewhere(look, key);
}

static int take_settled(struct watch_look *look, int directory, const char *name)
{
	struct watch_entry entry = {.why = WATCH_SETTLING};
	struct stat st;
	uint64_t settled_ns;
	int r;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = watch_file_key(directory, name, &entry.key);
	if (r < 0)
		return r;
	describe(look, &st, &entry);
	settled_ns = entry.quiet_since_ns + look->watch->config->settle_ms * MS;
	if (look->now_ns < settled_ns) {
		due_at(look, settled_ns);
		return add_entry(look, &entry);
	}
	r = watch_file_claim(directory, name, look->pending, entry.key, is_linked(look, entry.key));
	if (r >= 0)
		return 0;
	if (r != -EBUSY && r != -EMLINK && r != -ESTALE)
		return r;
	entry.why = r == -EMLINK ? WATCH_LINKED : r == -EBUSY ? WATCH_WRITTEN : WATCH_SETTLING;
	if (r == -EBUSY)
		look->written = true;
	return add_entry(look, &entry);
}

static int take_file(struct watch_look *look, int directory, const char *name)
{
	int r;

	if (!watch_matches(look->watch, name))
		return 0;
	r = look->watch->config->when_unlinked ? take_unlinked(look, directory, name)
					       : take_settled(look, directory, name);
	if (r == -ENOMEM)
		return r;
	/* Gone, or no file any more; what else is wrong with one must not stand before the others.
	 */
	if (r < 0 && r != -ENOENT && r != -EINVAL && look->file_error == 0)
		look->file_error = r;
	return 0;
}

/* --- the directories --- */

static bool is_foreign(const struct watch_look *look, const char *relative)
{
	struct watch_place place = {.volume = look->watch->place.volume};

	snprintf(place.relative, sizeof(place.relative), "%s", relative);
	for (size_t i = 0; i < look->watcher->watch_count; i++) {
		if (watch_place_is_same(&look->watcher->watches[i].place, &place))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(look->watcher->foreign); i++) {
		if (watch_place_is_same(&look->watcher->foreign[i], &place))
			return true;
	}
	return strcmp(relative, WATCH_PLACE_PRIVATE) == 0 || strcmp(relative, "lost+found") == 0;
}

static int add_dir(
	struct watch_look *look, const char *parent, const char *name, unsigned int depth)
{
	struct watch_dir *dirs;
	char *relative;

	if (asprintf(&relative, "%s%s%s", parent, parent[0] && name[0] ? "/" : "", name) < 0)
		return -ENOMEM;
	if (depth > 0 && (is_foreign(look, relative) || strlen(relative) >= PATH_MAX)) {
		free(relative);
		return 0;
	}
	if (depth > WATCH_DEPTH_MAX || look->dir_count == WATCH_DIRECTORIES_MAX) {
		look->too_deep = true;
		free(relative);
		return 0;
	}
	dirs = realloc(look->dirs, (look->dir_count + 1) * sizeof(*dirs));
	if (!dirs) {
		free(relative);
		return -ENOMEM;
	}
	look->dirs = dirs;
	dirs[look->dir_count++] =
		(struct watch_dir){.wd = -1, .depth = depth, .relative = relative};
	return 0;
}

static int take_name(
	struct watch_look *look, int directory, size_t index, const struct dirent *found)
{
	unsigned char type = found->d_type;
	struct stat st;

	if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
		return 0;
	if (type == DT_UNKNOWN && fstatat(directory, found->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
	if (type == DT_DIR)
		return add_dir(look, look->dirs[index].relative, found->d_name,
			look->dirs[index].depth + 1);
	return type == DT_REG ? take_file(look, directory, found->d_name) : 0;
}

/* Calls for each name; takes fd. */
int watch_read_names(struct watch_look *look, int fd, size_t index,
	int (*take)(struct watch_look *look, int fd, size_t index, const struct dirent *found))
{
	DIR *directory = fdopendir(fd);
	const struct dirent *found;
	int r = 0;

	if (!directory) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r >= 0 && !watch_is_interrupted(look) && (errno = 0, found = readdir(directory)))
		r = take(look, dirfd(directory), index, found);
	closedir(directory);
	return r < 0 ? r : watch_is_interrupted(look) ? -EINTR : 0;
}

/* Watched first and read then: what comes in between makes an event. */
static int look_at_dir(struct watch_look *look, size_t index)
{
	int fd, wd, r = watch_place_open(look->mount, look->dirs[index].relative, &fd);

	if (r >= 0) {
		if (watch_add(look->watcher, fd, &wd) < 0)
			look->blind = true;
		else
			look->dirs[index].wd = wd;
		r = watch_read_names(look, fd, index, take_name);
	}
	if (r == -ENOENT && index == 0)
		look->missing = true;
	/* A subdirectory that went, or is something else by now. */
	if (r == -ENOENT || (index > 0 && (r == -ENOTDIR || r == -ELOOP || r == -EXDEV)))
		return 0;
	return r;
}

static int look_at_all(struct watch_look *look)
{
	int r = add_dir(look, look->watch->place.relative, "", 0);

	for (size_t i = 0; i < look->dir_count && r >= 0; i++)
		r = look_at_dir(look, i);
	return r;
}

/* --- pending --- */

static int take_pending(
	struct watch_look *look, int directory, size_t index, const struct dirent *found)
{
	struct watch_entry entry = {.pending = true};
	const struct watch_entry *before;
	struct stat st;

	(void)index;
	if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
		return 0;
	if (!watch_file_parse(found->d_name, &entry.key)) {
		(void)!watch_file_repair(directory, found->d_name); /* with the next look */
		due_at(look, look->now_ns + RETRY_MS * MS);
		return 0;
	}
	if (fstatat(directory, found->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* retired meanwhile */
	if (!S_ISREG(st.st_mode))
		return 0;
	before = look->watch ? find_entry(look->watch, entry.key) : NULL;
	entry.announced = before && before->pending && before->announced;
	entry.why = st.st_nlink > 1 ? WATCH_NAMED : WATCH_READY;
	entry.mtime_wall_s = st.st_mtim.tv_sec;
	return add_entry(look, &entry);
}

int watch_look_at_pending(struct watch_look *look)
{
	int fd = openat(look->pending, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : watch_read_names(look, fd, 0, take_pending);
}

/* --- the ledger --- */

int watch_announce(struct watch_directory *watcher, const char *source, const char *name,
	const struct config_volume *volume, const char *uuid, uint64_t key)
{
	char path[PATH_MAX + 96], ours[WATCH_FILE_NAME_BYTES];
	const char *files[] = {path};
	const struct ledger_news news = {
		.source = source,
		.id = ours,
		.volume_uuid = uuid,
		.state = LEDGER_SEEN,
		.files = files,
		.file_count = 1,
	};
	struct problem problem = {""};
	uint64_t number;
	bool known;
	int r;

	if (!watcher->options.ledger)
		return -ENOKEY;
	snprintf(path, sizeof(path), "%s/" WATCH_PLACE_PENDING "/%s/%s", volume->mount, name,
		watch_file_name(key, ours));
	r = ledger_add(watcher->options.ledger, &news, &number, &known, &problem);
	if (r < 0 && r != -ENOKEY) /* the volume is not opened to the ledger yet */
		state_raise(watcher->options.state, STATE_ATTENTION, "watch-ledger",
			"a finished file of [watch %s] cannot be recorded and waits: %.300s", name,
			problem_text(&problem, r));
	else if (r >= 0)
		state_clear(watcher->options.state, "watch-ledger");
	return r;
}

static void set_announced(struct watch_directory *watcher, struct watch_entry *entry)
{
	pthread_mutex_lock(&watcher->lock);
	entry->announced = true;
	pthread_mutex_unlock(&watcher->lock);
}

/* Each costs an fsync; files that appear meanwhile are linked meanwhile. */
static void announce_all(struct watch_look *look)
{
	struct watch *watch = look->watch;
	bool any = false;

	for (size_t i = 0; i < watch->entry_count; i++) {
		struct watch_entry *entry = &watch->entries[i];

		if (!entry->pending || entry->announced || entry->why != WATCH_READY)
			continue;
		if (watch_is_interrupted(look)) {
			due_at(look, look->now_ns);
			break;
		}
		if (watch_announce(look->watcher, watch->source, watch->config->name,
			    watch->place.volume, look->uuid, entry->key) < 0) {
			due_at(look, clock_monotonic_ns() + RETRY_MS * MS);
			break;
		}
		set_announced(look->watcher, entry);
		pulse_beat(&look->watcher->pulse, WATCH_PULSE_MS);
		any = true;
		watch_take_events(look->watcher);
	}
	if (any && look->watcher->retirer)
		retirer_wake(look->watcher->retirer);
}

/* --- what it comes to --- */

static void forget(struct watch_directory *watcher, struct watch *watch)
{
	struct watch_entry *entries = watch->entries;

	watch_forget_dirs(watcher, watch);
	pthread_mutex_lock(&watcher->lock);
	watch->entries = NULL;
	watch->entry_count = 0;
	pthread_mutex_unlock(&watcher->lock);
	free(entries);
}

static void keep(struct watch_look *look)
{
	struct watch *watch = look->watch;
	struct watch_entry *old = watch->entries;

	if (look->entry_count > 0)
		qsort(look->entries, look->entry_count, sizeof(*look->entries), compare_entries);
	pthread_mutex_lock(&look->watcher->lock);
	watch->entries = look->entries;
	watch->entry_count = look->entry_count;
	pthread_mutex_unlock(&look->watcher->lock);
	free(old);
	look->entries = NULL;
	look->entry_count = 0;
	watch_set_dirs(look->watcher, watch, look->dirs, look->dir_count);
	look->dirs = NULL;
	look->dir_count = 0;
}

static bool has_named(const struct watch *watch)
{
	for (size_t i = 0; i < watch->entry_count; i++) {
		if (watch->entries[i].why == WATCH_NAMED || watch->entries[i].why == WATCH_LINKED)
			return true;
	}
	return false;
}

static void plan(struct watch_look *look)
{
	const struct watch *watch = look->watch;
	uint64_t named_ns = SPARE * watch->cost_ns, now_ns = clock_monotonic_ns();
	uint64_t soonest_ns = now_ns + watch_pause_ns(watch);

	due_at(look, now_ns + (look->missing ? AWAY_MS : look->blind ? BLIND_MS : CALM_MS) * MS);
	if (look->written)
		due_at(look, now_ns + RETRY_MS * MS);
	if (has_named(watch))
		due_at(look, now_ns + (named_ns > NAMED_MS * MS ? named_ns : NAMED_MS * MS));
	if (look->next_ns < soonest_ns)
		look->next_ns = soonest_ns;
}

static int open_places(struct watch_look *look, struct problem *problem)
{
	const struct watch *watch = look->watch;
	const struct config_volume *volume = watch->place.volume;
	int r = watch_place_open_mount(volume, &look->mount);

	if (r >= 0)
		r = watch_place_open_pending(
			look->mount, watch->config->name, &look->pending, volume, problem);
	return r;
}

static bool is_away(struct watch_look *look)
{
	const struct watch_directory_options *options = &look->watcher->options;
	const struct watch *watch = look->watch;

	return watch->is_foreign || !watch->place.volume ||
	       !options->find_volume(options->context, watch->place.volume->mount, look->uuid);
}

void watch_look(struct watch_directory *watcher, struct watch *watch)
{
	struct watch_look look = {
		.watcher = watcher,
		.watch = watch,
		.mount = -1,
		.pending = -1,
		.now_ns = clock_monotonic_ns(),
		.next_ns = UINT64_MAX,
	};
	struct problem problem = {""};
	int r;

	if (is_away(&look)) {
		watch_tell_away(&look);
		forget(watcher, watch);
		watch->due_ns = look.now_ns + AWAY_MS * MS;
		return;
	}
	r = open_places(&look, &problem);
	if (r >= 0)
		r = look_at_all(&look);
	if (r >= 0) /* also where the directory is gone */
		r = watch_look_at_pending(&look);
	watch->cost_ns = clock_monotonic_ns() - look.now_ns;
	if (r < 0) {
		watch_tell_error(&look, r, &problem);
		watch->due_ns = look.now_ns + (r == -EINTR ? 0 : AWAY_MS * MS);
		watch_look_done(&look);
		return;
	}
	keep(&look);
	if (look.missing)
		watch_tell_error(&look, -ENOENT, &problem);
	else
		watch_tell_limits(&look);
	watch_tell_late(&look);
	watch->due_ns = UINT64_MAX; /* events that come while the ledger is told make it sooner */
	announce_all(&look);
	plan(&look);
	if (look.next_ns < watch->due_ns)
		watch->due_ns = look.next_ns;
	watch_look_done(&look);
}

void watch_done(struct watch_directory *watcher, struct watch *watch)
{
	forget(watcher, watch);
}

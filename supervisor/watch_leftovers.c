/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_leftovers.c - what lies in pending of watches that are not configured (any more)
 */
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/watch_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_configured(
	const struct watch_directory *watcher, const struct config_volume *volume, const char *name)
{
	for (size_t i = 0; i < watcher->watch_count; i++) {
		const struct watch *watch = &watcher->watches[i];

		if (watch->place.volume == volume && strcmp(watch->config->name, name) == 0)
			return true;
	}
	return false;
}

/* A file that has lost its spooler's name is a job; of another our link is taken away. */
static int tend_entries(
	struct watch_look *look, const struct config_volume *volume, const char *name)
{
	char source[LEDGER_SOURCE_BYTES], ours[WATCH_FILE_NAME_BYTES];
	int r = watch_look_at_pending(look);

	snprintf(source, sizeof(source), WATCH_SOURCE ":%.*s", CONFIG_NAME_BYTES, name);
	for (size_t i = 0; i < look->entry_count && r >= 0; i++) {
		const struct watch_entry *entry = &look->entries[i];

		if (watch_is_interrupted(look))
			r = -EINTR;
		else if (entry->why == WATCH_READY)
			r = watch_announce(
				look->watcher, source, name, volume, look->uuid, entry->key);
		else if (unlinkat(look->pending, watch_file_name(entry->key, ours), 0) < 0 &&
			 errno != ENOENT)
			r = -errno;
	}
	look->entry_count = 0;
	return r;
}

static int tend_directory(
	struct watch_look *look, int root, size_t index, const struct dirent *found)
{
	const struct config_volume *volume = &look->watcher->options.config->volumes[index];
	struct problem unsaid;
	int r;

	if (found->d_name[0] == '.' || strlen(found->d_name) >= CONFIG_NAME_BYTES ||
		is_configured(look->watcher, volume, found->d_name))
		return 0;
	r = watch_place_open_pending(look->mount, found->d_name, &look->pending, volume, &unsaid);
	if (r < 0)
		return r == -EPERM ? 0 : r;
	r = tend_entries(look, volume, found->d_name);
	io_closep(&look->pending);
	look->pending = -1;
	if (r >= 0)
		(void)!unlinkat(root, found->d_name, AT_REMOVEDIR); /* if it is empty */
	return r;
}

bool watch_tend_leftovers(
	struct watch_directory *watcher, const struct config_volume *volume, const char *uuid)
{
	struct watch_look look = {
		.watcher = watcher,
		.mount = -1,
		.pending = -1,
		.now_ns = clock_monotonic_ns(),
		.next_ns = UINT64_MAX,
	};
	size_t index = (size_t)(volume - watcher->options.config->volumes);
	int fd = -1, r;

	snprintf(look.uuid, sizeof(look.uuid), "%s", uuid);
	r = watch_place_open_mount(volume, &look.mount);
	if (r >= 0)
		r = watch_place_open(look.mount, WATCH_PLACE_PENDING, &fd);
	if (r >= 0)
		r = watch_read_names(&look, fd, index, tend_directory);
	watch_look_done(&look);
	if (r >= 0 && watcher->retirer)
		retirer_wake(watcher->retirer);
	return r >= 0 || r == -ENOENT;
}

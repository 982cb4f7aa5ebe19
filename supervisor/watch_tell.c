/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_tell.c - what the state says of a watch: it cannot be watched, or not all of it, or files
 * wait there for too long
 */
#include "base/clock.h"
#include "supervisor/watch_impl.h"
#include <errno.h>
#include <string.h>

void watch_tell_limits(struct watch_look *look)
{
	struct watch *watch = look->watch;
	struct state *state = look->watcher->options.state;

	if (look->file_error < 0)
		state_raise(state, STATE_ATTENTION, watch->state_key,
			"[watch %s] has files that cannot be taken: %s; they stay where they are",
			watch->config->name, strerror(-look->file_error));
	else if (look->too_many)
		state_raise(state, STATE_ATTENTION, watch->state_key,
			"[watch %s] has more than %u files: those beyond are not watched; clear "
			"the directory, or divide it",
			watch->config->name, WATCH_FILES_MAX);
	else if (look->too_deep)
		state_raise(state, STATE_ATTENTION, watch->state_key,
			"[watch %s] has more than %u directories, or some more than %u levels "
			"deep: those beyond are not watched; give them a [watch] of their own",
			watch->config->name, WATCH_DIRECTORIES_MAX, WATCH_DEPTH_MAX);
	else if (look->blind)
		state_raise(state, STATE_ATTENTION, watch->state_key,
			"[watch %s] is looked at by the clock alone, and a file that is removed at "
			"once is missed: the kernel allows no more inotify watches; raise "
			"fs.inotify.max_user_watches and max_user_instances (sysctl)",
			watch->config->name);
	else
		state_clear(state, watch->state_key);
}

/* Held by their spooler, or by a program, for longer than the configuration likes. */
void watch_tell_late(struct watch_look *look)
{
	const struct watch_directory_options *options = &look->watcher->options;
	const struct watch *watch = look->watch;
	uint64_t limit_s = options->config->retention_limit_s;
	size_t late = 0;

	for (size_t i = 0; i < watch->entry_count && limit_s > 0; i++) {
		const struct watch_entry *entry = &watch->entries[i];

		late += watch_is_waiting(entry) &&
			clock_wall_s() - entry->mtime_wall_s > (int64_t)limit_s;
	}
	if (late > 0)
		state_raise(options->state, STATE_ATTENTION, watch->late_key,
			"%zu files of [watch %s] wait for longer than the retention limit and are "
			"not overwritten; remove them there (\"spoolguard status\" lists them)",
			late, watch->config->name);
	else
		state_clear(options->state, watch->late_key);
}

void watch_tell_error(struct watch_look *look, int error, const struct problem *problem)
{
	struct watch *watch = look->watch;
	const char *directory = watch->config->directory, *why = strerror(-error);

	if (error == -EINTR)
		return;
	if (error == -ENOENT)
		why = "it does not exist; make it, or correct the configuration";
	else if (error == -ELOOP)
		why = "it is a symbolic link, or behind one; name the directory itself";
	else if (error == -EXDEV)
		why = "something else is mounted there; name a directory of the volume itself";
	else if (error == -ENOTDIR)
		why = "it is no directory";
	state_raise(look->watcher->options.state, STATE_ATTENTION, watch->state_key,
		"[watch %s] %.200s is not watched: %.300s", watch->config->name, directory,
		problem->text[0] ? problem->text : why);
}

/* A volume that is not open is its keeper's to tell of. */
void watch_tell_away(struct watch_look *look)
{
	struct watch *watch = look->watch;
	struct state *state = look->watcher->options.state;

	if (watch->is_foreign)
		state_raise(state, STATE_ATTENTION, watch->state_key,
			"[watch %s] %.200s is not watched: [cups] or another [watch] sees to it; "
			"take the section out",
			watch->config->name, watch->config->directory);
	else if (!watch->place.volume)
		state_raise(state, STATE_ATTENTION, watch->state_key,
			"[watch %s] %.200s is not watched: it lies on no configured volume; put it "
			"on one (bind = in its [volume]), or take the section out",
			watch->config->name, watch->config->directory);
	else
		state_clear(state, watch->state_key);
}

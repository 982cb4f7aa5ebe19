/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_volume.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "base/io.h"
#include "spool/block_owner.h"
#include "spool/file_extents.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALL_BLOCKS 4096u /* 16 MiB: an interrupt is heard in between */
#define LOOK_US	    100000u

int residue_volume_open(struct residue_volume *volume, const struct runtime_state *state,
	struct problem *reterr_problem)
{
	struct json_object *status = NULL;
	int r;

	*volume = (struct residue_volume){.state = *state};
	r = volumes_connect(state, &volume->client, reterr_problem);
	if (r >= 0)
		r = volumes_check_managed(state, volume->client, "a residue check", reterr_problem);
	if (r >= 0)
		r = client_status(volume->client, &status);
	if (r >= 0) {
		volume->process = (pid_t)volumes_status_u64(status, "process");
		volume->blocks = volumes_status_u64(status, "blocks");
	}
	json_object_put(status);
	return r;
}

void residue_volume_done(struct residue_volume *volume)
{
	client_free(volume->client);
	volume->client = NULL;
}

static int sync_mount(const struct residue_volume *volume)
{
	_cleanup_close_ int fd =
		open(volume->state.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 || syncfs(fd) < 0 ? -errno : 0;
}

/* --- before --- */

static int see_extent(struct residue_volume *volume, struct client_search *what,
	struct extent extent, uint64_t seen[static CANARY_WORDS])
{
	int r = 0;

	what->area = ENGINE_AREA_DATA;
	while (extent.count > 0 && r >= 0) {
		struct engine_search_report report;

		what->at = (struct extent){
			extent.first, extent.count < CALL_BLOCKS ? extent.count : CALL_BLOCKS};
		r = client_search(volume->client, what, &report);
		for (enum canary_word word = 0; word < CANARY_WORDS && r >= 0; word++)
			seen[word] += report.hits_of[word];
		extent.first += what->at.count;
		extent.count -= what->at.count;
	}
	return r;
}

int residue_volume_see(struct residue_volume *volume, const struct residue_scan *scan,
	const char *path, uint64_t seen[static CANARY_WORDS], struct problem *reterr_problem)
{
	struct extent_list extents = {0};
	struct client_search what = {.count = 0};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	r = fd < 0 ? -errno : sync_mount(volume);
	if (r >= 0)
		r = file_extents_read(fd, "the canary's file", &extents, reterr_problem);
	residue_canary_mask(scan->canary, &what);
	for (size_t i = 0; i < extents.count && r >= 0; i++)
		r = see_extent(volume, &what, extents.items[i], seen);
	extent_list_done(&extents);
	return r;
}

int residue_volume_settle(
	struct residue_volume *volume, struct residue_scan *scan, uint64_t wait_ms)
{
	uint64_t end_ns = clock_monotonic_ns() + wait_ms * 1000000u;
	bool is_paid = false;
	int r = sync_mount(volume);

	residue_scan_begin(scan, "settling", 0);
	while (r >= 0 && !is_paid && clock_monotonic_ns() < end_ns) {
		struct json_object *status;

		r = residue_scan_pace(scan, 0);
		if (r >= 0)
			r = client_status(volume->client, &status);
		if (r < 0)
			break;
		is_paid = volumes_status_u64(status, "owed_bytes") == 0 ||
			  volumes_status_bool(status, "owed_from_before");
		json_object_put(status);
		if (!is_paid)
			usleep(LOOK_US);
	}
	return r == -ECANCELED || r == -ENOMEM ? r : 0; /* what is not paid is found, or is not */
}

/* --- after --- */

struct look {
	struct residue_volume *volume;
	struct residue_scan *scan;
	struct residue_place *place;
	int mount_fd;
	struct client_search what;
	uint64_t unreadable_blocks;
};

static const char *class_words(enum residue_class class)
{
	static const char *const words[] = {
		[RESIDUE_CLASS_CLEAN] = "the map calls it clean",
		[RESIDUE_CLASS_LIVE] = "in use by the map",
		[RESIDUE_CLASS_RESIDUE] = "owed its passes",
		[RESIDUE_CLASS_SUSPECT] = "to be looked at",
		[RESIDUE_CLASS_UNKNOWN] = "not judged",
	};

	return words[class];
}

static void note(struct look *look, const struct engine_found *found)
{
	uint64_t block = found->hit.offset / BLOCK_BYTES;
	char where[RESIDUE_WHERE_BYTES];

	if (look->what.area == ENGINE_AREA_SPARE)
		snprintf(where, sizeof(where), "the spare area, block %" PRIu64, block);
	else
		snprintf(where, sizeof(where), "the volume, in block %" PRIu64 ": %s, %s", block,
			block_owner_words(block_owner_get(look->mount_fd, block)),
			class_words(found->class));
	residue_place_show(look->place, &found->hit, where);
}

static int search_area(struct look *look, enum engine_area area, uint64_t blocks)
{
	uint64_t first = 0;
	int r = 0;

	look->what.area = area;
	while (first < blocks && r >= 0) {
		struct engine_search_report report;
		uint64_t rest = blocks - first;

		look->what.at = (struct extent){first, rest < CALL_BLOCKS ? rest : CALL_BLOCKS};
		r = client_search(look->volume->client, &look->what, &report);
		if (r == -ERANGE && area == ENGINE_AREA_SPARE)
			return 0;
		if (r < 0)
			return r;
		for (size_t i = 0; i < report.found_count; i++)
			note(look, &report.found[i]);
		for (enum canary_word word = 0; word < CANARY_WORDS; word++)
			look->place->hits[word] += report.hits_of[word];
		look->unreadable_blocks += report.unreadable_blocks;
		look->place->bytes += look->what.at.count * BLOCK_BYTES;
		first += look->what.at.count;
		if (area == ENGINE_AREA_SPARE)
			blocks = report.area_blocks;
		r = residue_scan_pace(look->scan, look->what.at.count * BLOCK_BYTES);
	}
	return r;
}

int residue_volume_search_decrypted(
	struct residue_volume *volume, struct residue_scan *scan, struct residue_place *place)
{
	struct look look = {.volume = volume, .scan = scan, .place = place};
	_cleanup_close_ int mount_fd =
		open(volume->state.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	int r;

	look.mount_fd = mount_fd;
	residue_canary_mask(scan->canary, &look.what);
	residue_scan_begin(scan, "decrypted volume", volume->blocks * BLOCK_BYTES);
	r = mount_fd < 0 || syncfs(mount_fd) < 0 ? -errno : 0;
	if (r >= 0)
		r = search_area(&look, ENGINE_AREA_DATA, volume->blocks);
	if (r >= 0) /* how many there are is told by the first call */
		r = search_area(&look, ENGINE_AREA_SPARE, 1);
	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	if (r == -ENOSYS)
		residue_place_fail(place,
			"the volume's process is of an older version, which cannot search; detach "
			"and attach the volume");
	else if (r < 0)
		residue_place_fail(place, "the volume's process: %s", strerror(-r));
	else
		place->things = 1;
	if (look.unreadable_blocks > 0)
		residue_place_fail(place, "%" PRIu64 " blocks of the medium cannot be read",
			look.unreadable_blocks);
	return 0;
}

int residue_volume_search_medium(
	struct residue_volume *volume, struct residue_scan *scan, struct residue_place *place)
{
	char path[PATH_MAX];
	struct stat st;

	/* A name of the medium may be a symbolic link (/dev/disk/by-id/...). */
	if (!realpath(volume->state.path, path)) {
		residue_place_fail(place, "%.100s: %s", volume->state.path, strerror(errno));
		return 0;
	}
	residue_scan_begin(scan, "raw medium",
		stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size
							    : volume->blocks * BLOCK_BYTES);
	return residue_scan_file(scan, place, path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * media.c - volumes: overwriting on the real medium, header, token, map
 *
 * Header, token and superblock are read from the medium, attached or not.  To write to it, and for
 * the key that its map is sealed with, the process of an attached volume is asked (harness_port).
 * One that is not attached is locked for a moment and its scratch area overwritten; its map is not
 * read.
 *
 * The superblock is not authenticated without the key.  So what it calls the scratch area is
 * written to only if it lies before the place where the LUKS2 header says that data begins.
 */
#include "harness/harness_impl.h"
#include "blockdev/guard.h"
#include "blockdev/layout.h"
#include "blockdev/raw.h"
#include "harness/memory_disk.h"
#include "keystore/keystore.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char use_medium[] = "see to the medium (kernel log, cables, free space), then run the "
				 "self-tests again";
static const char replace_medium[] =
	"replace the medium: what is written to it does not stay there";
static const char no_map[] = "encryption only: the volume has no residue map and no scratch area";

/* --- what all of them need --- */

struct medium {
	struct keystore_token token;
	struct keystore_segment segment;
	struct blockdev *device;
	struct layout layout;
};

static void medium_done(struct medium *medium)
{
	medium->device = blockdev_close(medium->device);
}
#define _cleanup_medium_ _cleanup_(medium_done)

static int read_token(
	const char *path, struct medium *medium, bool *ret_lost, struct problem *problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int r;

	r = keystore_open(path, true, &keystore, problem);
	if (r < 0)
		return r;
	keystore_get_token(keystore, &medium->token);
	keystore_get_segment(keystore, &medium->segment);
	*ret_lost = keystore_has_lost_token(keystore);
	return 0;
}

static int open_device(
	const char *path, bool read_only, struct medium *medium, struct problem *problem)
{
	const struct guard_options allowed = {.read_only = read_only};
	const struct raw_options options = {
		.read_only = read_only, .unlocked = read_only, .block_bytes = BLOCK_BYTES};
	struct guard_report checked;
	int r = 0;

	if (!read_only)
		r = guard_check(path, &allowed, &checked, problem);
	if (r >= 0)
		r = raw_open(path, &options, &medium->device, problem);
	if (r >= 0 && !read_only)
		r = guard_verify(&checked, path, raw_fd(medium->device), problem);
	return r;
}

/* -EOPNOTSUPP: it has no map. */
static int open_medium(
	const char *path, bool read_only, struct medium *medium, struct problem *problem)
{
	bool lost;
	int r;

	r = read_token(path, medium, &lost, problem);
	if (r >= 0 && !medium->token.present && !lost)
		return -EOPNOTSUPP;
	if (r >= 0)
		r = open_device(path, read_only, medium, problem);
	if (r >= 0)
		r = layout_read(medium->device, NULL, &medium->layout, problem);
	if (r >= 0 && medium->layout.data_first * BLOCK_BYTES != medium->segment.data_offset_bytes)
		r = problem_set(problem, -EBADMSG,
			"superblock and LUKS2 header do not agree on where data begins");
	return r;
}

static void tell_not_opened(int error, const struct problem *problem, struct outcome *out)
{
	if (error == -EOPNOTSUPP && problem->text[0] == '\0')
		outcome_skipped(out, "%s", no_map);
	else if (error == -EBADMSG)
		outcome_failed(out, use_medium, "%s", problem_text(problem, error));
	else
		outcome_cannot_tell(out, use_medium, "%s", problem_text(problem, error));
}

/* --- overwriting --- */

static void judge_overwrite(
	const struct scratch_report *report, const char *how, struct outcome *out)
{
	if (report->refused > 0 || report->different > 0)
		outcome_failed(out, replace_medium,
			"of %" PRIu64 " blocks %" PRIu64 " did not read back as they were written, "
			"and %" PRIu64 " were refused (%u passes)",
			report->blocks, report->different, report->refused, report->passes);
	else
		outcome_ok(out, "%" PRIu64 " blocks, %u passes, each flushed and read back%s",
			report->blocks, report->passes, how);
}

static void overwrite_unattached(const struct trial *trial, struct outcome *out)
{
	_cleanup_medium_ struct medium medium = {.device = NULL};
	const struct scheme *scheme = NULL;
	struct scratch_report report;
	struct problem problem = {""};
	int r;

	r = open_medium(trial->volume->path, false, &medium, &problem);
	if (r >= 0)
		scheme = scheme_find(medium.token.scheme);
	if (r >= 0)
		r = scratch_test(medium.device, medium.layout.scratch,
			scheme ? scheme : scheme_default(), trial->damage, &report);
	if (r < 0)
		tell_not_opened(r, &problem, out);
	else
		judge_overwrite(&report,
			raw_is_direct(medium.device) ? " past the page cache"
						     : " through the page cache",
			out);
}

static void test_overwrite(const struct trial *trial, struct outcome *out)
{
	const struct harness_volume *volume = trial->volume;
	struct scratch_report report;
	int r;

	if (!volume->port) {
		overwrite_unattached(trial, out);
		return;
	}
	r = volume->port->overwrite(volume->context, trial->damage, &report);
	if (r == -EOPNOTSUPP)
		outcome_skipped(out, "%s", no_map);
	else if (r == -EROFS)
		outcome_skipped(out, "it is attached read-only");
	else if (r < 0)
		outcome_cannot_tell(out, use_medium, "the volume's process: %s", strerror(-r));
	else
		judge_overwrite(&report, " by the volume's process", out);
}

/* --- header and token --- */

static void test_header(const struct trial *trial, struct outcome *out)
{
	struct problem problem = {""};
	bool whole[2];
	int r;

	r = keystore_check_copies(trial->volume->path, trial->damage, whole, &problem);
	if (r < 0)
		tell_not_opened(r, &problem, out);
	else if (!whole[0] || !whole[1])
		outcome_failed(out,
			"detach it, and open it for writing once (\"spoolguard key list\" does "
			"not): "
			"the next attach repairs the copy",
			"the %s copy of its LUKS2 header is damaged",
			whole[0] ? "second" : "first");
	else
		outcome_ok(out, "both copies of its LUKS2 header are whole");
}

static void test_token(const struct trial *trial, struct outcome *out)
{
	struct medium medium = {.device = NULL};
	struct keystore_token token = {.present = false};
	struct problem problem = {""};
	bool lost;
	int r;

	r = read_token(trial->volume->path, &medium, &lost, &problem);
	if (r >= 0)
		token = medium.token;
	if (r >= 0 && trial->damage) {
		lost |= token.present;
		token.present = false;
	}
	if (r < 0)
		tell_not_opened(r, &problem, out);
	else if (lost)
		outcome_failed(out, "detach it, and attach it once with --repair-token",
			"the spoolguard token was removed from its LUKS2 header");
	else if (!token.present)
		outcome_skipped(out, "%s", no_map);
	else
		outcome_ok(out, "version %d, scheme %s, key generation %" PRIu64, token.version,
			token.scheme, token.key_generation);
}

/* --- superblock and map --- */

/* What the medium has, in memory, with a bit of the second copy turned over. */
static int copy_damaged(const struct medium *medium, struct blockdev **ret_disk)
{
	_cleanup_(blockdev_closep) struct blockdev *disk = NULL;
	struct extent at = medium->layout.superblock;
	uint8_t *copies;
	int r;

	r = memory_disk_new(extent_end(at), &disk);
	if (r < 0)
		return r;
	copies = memory_disk_bytes(disk) + at.first * BLOCK_BYTES;
	r = blockdev_read(medium->device, at, copies, at.count * BLOCK_BYTES);
	if (r < 0)
		return r;
	copies[BLOCK_BYTES + 100] ^= 4;
	*ret_disk = disk;
	disk = NULL;
	return 0;
}

static int count_superblocks(const struct medium *medium, bool damage, uint32_t *ret_whole)
{
	_cleanup_(blockdev_closep) struct blockdev *damaged = NULL;
	int r = damage ? copy_damaged(medium, &damaged) : 0;

	return r < 0 ? r
		     : layout_check_copies(damaged ? damaged : medium->device, &medium->layout,
			       NULL, ret_whole);
}

static void test_superblock(const struct trial *trial, struct outcome *out)
{
	_cleanup_medium_ struct medium medium = {.device = NULL};
	struct problem problem = {""};
	uint32_t whole = 0;
	int r;

	r = open_medium(trial->volume->path, true, &medium, &problem);
	if (r >= 0)
		r = count_superblocks(&medium, trial->damage, &whole);
	if (r < 0)
		tell_not_opened(r, &problem, out);
	else if (whole < 2)
		outcome_failed(out,
			"copy the data off, and format the volume anew on a sound medium",
			"only %u of the two copies of its superblock is whole", whole);
	else
		outcome_ok(out, "both copies of its superblock are whole");
}

static void judge_map(const struct residue_check *check, struct outcome *out)
{
	if (check->damaged_pages > 0)
		outcome_failed(out, use_medium,
			"of %" PRIu64 " pages of its map %" PRIu64
			" had rotted on the medium (they were written over from memory)",
			check->pages, check->damaged_pages);
	else if (check->whole_superblocks < 2)
		outcome_failed(out, use_medium,
			"only %u of the two copies of its superblock is authentic",
			check->whole_superblocks);
	else
		outcome_ok(out, "%" PRIu64 " pages of its map read back authentic", check->pages);
}

/* Without a volume's key: a map of its own, in memory, one bit of which rots. */
static int check_rotted_map(struct residue_check *ret_check)
{
	enum { PAGE_BLOCKS = 8, DATA_BLOCKS = 64 };
	_cleanup_(blockdev_closep) struct blockdev *disk = NULL;
	_cleanup_secret_ struct secret *key = NULL;
	const struct extent_list none = {0};
	struct residue_open_report opened;
	struct residue *residue = NULL;
	struct layout layout;
	struct residue_parts parts;
	int r;

	r = layout_plan(0, PAGE_BLOCKS, DATA_BLOCKS, DATA_BLOCKS, &layout);
	if (r >= 0)
		r = memory_disk_new(layout.data_first + DATA_BLOCKS, &disk);
	if (r >= 0)
		r = secret_new_random(64, &key);
	parts = (struct residue_parts){.device = disk, .layout = &layout, .volume_key = key};
	if (r >= 0)
		r = layout_write(disk, &layout, key);
	if (r >= 0)
		r = residue_format(&parts, &none, NULL);
	if (r >= 0)
		r = residue_open(&parts, &residue, &opened, NULL);
	if (r >= 0) {
		memory_disk_bytes(disk)[layout.map.first * BLOCK_BYTES + 1000] ^= 1;
		r = residue_check(residue, ret_check);
	}
	residue_free(residue);
	return r;
}

static void map_unattached(const struct trial *trial, struct outcome *out)
{
	struct residue_check check;
	int r;

	if (!trial->damage) {
		outcome_skipped(out, "it is sealed with the volume key, and tested while the "
				     "volume is attached");
		return;
	}
	r = check_rotted_map(&check);
	if (r < 0)
		outcome_cannot_tell(out, use_medium, "%s", strerror(-r));
	else
		judge_map(&check, out);
}

static void test_map(const struct trial *trial, struct outcome *out)
{
	const struct harness_volume *volume = trial->volume;
	struct residue_check check;
	int r;

	if (!volume->port) {
		map_unattached(trial, out);
		return;
	}
	r = volume->port->map(volume->context, trial->damage, &check);
	if (r == -EOPNOTSUPP)
		outcome_skipped(out, "%s", no_map);
	else if (r < 0)
		outcome_cannot_tell(out, use_medium, "the volume's process: %s", strerror(-r));
	else
		judge_map(&check, out);
}

void harness_add_media(struct harness_table *table)
{
	static const struct {
		const char *name;
		test_function *run;
	} tests[] = {
		{"medium/overwrite", test_overwrite},
		{"medium/header", test_header},
		{"medium/token", test_token},
		{"medium/superblock", test_superblock},
		{"medium/map", test_map},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		harness_add(table, HARNESS_MEDIA, HARNESS_CLAIM, tests[i].name, tests[i].run, 0);
}

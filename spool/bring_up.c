/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/bring_up.h"
#include "base/io.h"
#include "blockdev/ext4_fingerprint.h"
#include "spool/ext4_check.h"
#include "spool/mount.h"
#include "spool/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* e2fsck(8): 1 corrected, 2 corrected and a restart is wanted, 4 left uncorrected. */
#define E2FSCK_FOUND 7

static int read_first_block(
	const char *device, uint8_t ret_block[static BLOCK_BYTES], struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC | O_DIRECT);
	_cleanup_free_ void *block = NULL;
	int r;

	if (fd < 0)
		return problem_set(
			reterr_problem, -errno, "%s cannot be read: %s", device, strerror(errno));
	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = io_pread(fd, block, BLOCK_BYTES, 0);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be read: %s", device, strerror(-r));
	memcpy(ret_block, block, BLOCK_BYTES);
	return 0;
}

/* --- trust --- */

/* Compares the superblock with what the volume saw of it last. */
static int decide_trust(const struct spool_port *port, const struct bring_up_options *options,
	const uint8_t now[static RESIDUE_FINGERPRINT_BYTES], struct bring_up_report *report)
{
	uint8_t then[RESIDUE_FINGERPRINT_BYTES];
	int r;

	r = port->get_fingerprint(port->context, then);
	if (r < 0)
		return r;
	report->foreign_writes =
		options->filesystem_expected && memcmp(now, then, sizeof(then)) != 0;
	if (report->foreign_writes)
		r = port->distrust(port->context);
	report->sweep_owed = report->foreign_writes || options->sweep_owed ||
			     options->was_unclean || options->damaged_pages > 0;
	if (r >= 0)
		r = port->trust(port->context);
	return r;
}

/* --- sweep --- */

static int run_e2fsck(const char *device, struct problem *reterr_problem)
{
	const char *const argv[] = {"e2fsck", "-fn", device, NULL};
	int code, r;

	r = tool_run(argv, &code, reterr_problem);
	if (r < 0 || code == 0)
		return r;
	if ((code & ~E2FSCK_FOUND) != 0) /* it did not come to a verdict: interrupted, no memory */
		return problem_set(reterr_problem, -EIO,
			"e2fsck could not check the spool's file system (exit %d), so nothing was "
			"judged free and nothing erased; attach again, or run \"e2fsck -fn\" on "
			"the device to see why",
			code);
	return problem_set(reterr_problem, -EUCLEAN,
		"the spool's file system is damaged, so nothing was judged free and nothing "
		"erased; attach without --mount, run \"e2fsck -f\" on the device, detach, and "
		"attach again");
}

static int hand_back(
	const char *point, struct bring_up_report *report, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", point, strerror(errno));
	return free_space_hand_back(fd, &report->free_space, reterr_problem);
}

static int judge(const struct spool_port *port, const struct bring_up_options *options,
	struct bring_up_report *report, struct problem *reterr_problem)
{
	const char *point = options->private_point;
	int r;

	r = mount_spool(options->device, point, false, reterr_problem);
	if (r >= 0)
		r = mount_end(point, reterr_problem);
	if (r >= 0)
		r = run_e2fsck(options->device, reterr_problem);
	if (r >= 0)
		r = port->allow_unknown_discards(port->context);
	if (r >= 0)
		r = mount_spool(options->device, point, false, reterr_problem);
	if (r >= 0)
		r = hand_back(point, report, reterr_problem);
	if (r >= 0)
		r = port->settle_unknown(port->context);
	if (r >= 0)
		r = port->set_sweep_owed(port->context, false);
	return r;
}

/* Leaves the file system mounted at the private place; on failure nowhere. */
static int sweep(const struct spool_port *port, const struct bring_up_options *options,
	struct bring_up_report *report, struct problem *reterr_problem)
{
	int r = judge(port, options, report, reterr_problem);

	if (r < 0) {
		(void)!mount_end(options->private_point, NULL);
		return r;
	}
	report->swept = true;
	report->sweep_owed = false;
	return 0;
}

/* --- mounting --- */

/* Where nothing is overwritten anyway (encryption only), any ext4 will do. */
static int check_filesystem(const uint8_t block[static BLOCK_BYTES],
	const struct bring_up_options *options, struct bring_up_report *report,
	struct problem *reterr_problem)
{
	struct ext4_report ext4;
	int r;

	r = ext4_check_superblock(block, options->blocks, &ext4, reterr_problem);
	if (r < 0 && (options->managed || !ext4.is_ext4))
		return r;
	if (!ext4.is_ext4)
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"the volume holds no ext4 file system; attach it without --mount, and make "
			"one on the device that is printed");
	report->warning = ext4.warning;
	return 0;
}

static int mount_in_place(const struct spool_port *port, const struct bring_up_options *options,
	struct bring_up_report *report, struct problem *reterr_problem)
{
	int r;

	if (!report->sweep_owed || !options->managed || options->read_only)
		return mount_spool(
			options->device, options->mount_point, options->read_only, reterr_problem);
	r = sweep(port, options, report, reterr_problem);
	if (r < 0)
		return r;
	r = mount_move(options->private_point, options->mount_point, reterr_problem);
	if (r < 0)
		(void)!mount_end(options->private_point, NULL);
	return r;
}

int bring_up(const struct spool_port *port, const struct bring_up_options *options,
	struct bring_up_report *ret_report, struct problem *reterr_problem)
{
	struct bring_up_report report = {.has_filesystem = false};
	uint8_t block[BLOCK_BYTES], fingerprint[RESIDUE_FINGERPRINT_BYTES];
	int r;

	r = read_first_block(options->device, block, reterr_problem);
	if (r < 0)
		return r;
	report.has_filesystem = ext4_fingerprint(block, fingerprint);
	if (options->managed && !options->read_only)
		r = decide_trust(port, options, fingerprint, &report);
	if (r < 0)
		return r;
	if (options->mount_point) {
		r = check_filesystem(block, options, &report, reterr_problem);
		if (r < 0)
			return r;
		if (options->managed && !options->read_only && !options->filesystem_expected)
			r = port->set_filesystem_expected(port->context, true);
		if (r >= 0)
			r = mount_in_place(port, options, &report, reterr_problem);
		if (r < 0)
			return r;
	}
	*ret_report = report;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/free_space.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

/* From the kernel's fs/ext4/ext4.h; not in the exported headers of older libcs. */
#define CHECKPOINT_IOCTL   _IOW('f', 43, uint32_t)
#define CHECKPOINT_DISCARD 0x1u
#define GROUP_BYTES	   (128ull << 20) /* a block group of 4096-byte blocks */
#define FSMAP_RECORDS	   256u

/* Blocks that the allocator would hand out, as GETFSMAP tells; false if it does not. */
static bool count_allocatable(int fd, uint64_t *ret_blocks)
{
	size_t bytes = sizeof(struct fsmap_head) + FSMAP_RECORDS * sizeof(struct fsmap);
	_cleanup_free_ struct fsmap_head *head = calloc(1, bytes);
	uint64_t free_bytes = 0;

	if (!head)
		return false;
	head->fmh_count = FSMAP_RECORDS;
	memset(&head->fmh_keys[1], 0xff, sizeof(head->fmh_keys[1]));
	head->fmh_keys[1].fmr_reserved[0] = head->fmh_keys[1].fmr_reserved[1] = 0;
	head->fmh_keys[1].fmr_reserved[2] = 0;
	for (;;) {
		const struct fsmap *last;

		if (ioctl(fd, FS_IOC_GETFSMAP, head) < 0)
			return false;
		if (head->fmh_entries == 0)
			break;
		for (uint32_t i = 0; i < head->fmh_entries; i++) {
			const struct fsmap *at = &head->fmh_recs[i];

			if ((at->fmr_flags & FMR_OF_SPECIAL_OWNER) && at->fmr_owner == FMR_OWN_FREE)
				free_bytes += at->fmr_length;
		}
		last = &head->fmh_recs[head->fmh_entries - 1];
		if (last->fmr_flags & FMR_OF_LAST)
			break;
		head->fmh_keys[0] = *last;
	}
	*ret_blocks = free_bytes / BLOCK_BYTES;
	return true;
}

static uint64_t count_unreached(int fd)
{
	uint64_t allocatable;
	struct statfs st;

	if (fstatfs(fd, &st) < 0 || !count_allocatable(fd, &allocatable))
		return 0;
	return st.f_bfree > allocatable ? st.f_bfree - allocatable : 0;
}

static int trim(int fd, uint64_t bytes, uint64_t minimum_bytes, uint64_t *ret_bytes)
{
	struct fstrim_range range = {.start = 0, .len = bytes, .minlen = minimum_bytes};

	if (ioctl(fd, FITRIM, &range) < 0)
		return -errno;
	*ret_bytes = range.len;
	return 0;
}

/* No such call (Linux < 5.14), no such flag, no journal: said in the report.  Else it failed. */
static bool has_no_checkpoint(int error)
{
	return error == ENOTTY || error == EOPNOTSUPP || error == EINVAL || error == ENODEV;
}

int free_space_hand_back(
	int mount_fd, struct free_space_report *ret_report, struct problem *reterr_problem)
{
	struct free_space_report report = {.journal_discarded = false};
	uint32_t flags = CHECKPOINT_DISCARD;
	uint64_t ignored;
	int r;

	if (syncfs(mount_fd) < 0)
		return problem_set(reterr_problem, -errno,
			"the spool's file system cannot be synced: %s", strerror(errno));
	report.journal_discarded = ioctl(mount_fd, CHECKPOINT_IOCTL, &flags) == 0;
	if (!report.journal_discarded && !has_no_checkpoint(errno))
		return problem_set(reterr_problem, -errno,
			"the spool's journal cannot be emptied: %s; see the kernel's log",
			strerror(errno));
	/* ext4 remembers the last minlen of a trim of any range; its first group is enough. */
	r = trim(mount_fd, GROUP_BYTES, GROUP_BYTES, &ignored);
	if (r < 0 && r != -EINVAL) /* smaller than one group: there is nothing to reset */
		return problem_set(reterr_problem, r,
			"the spool's file system cannot hand back free blocks (FITRIM: %s)",
			strerror(-r));
	r = trim(mount_fd, UINT64_MAX, 0, &report.trimmed_bytes);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the spool's file system cannot hand back free blocks (FITRIM: %s)",
			strerror(-r));
	report.unreached_blocks = count_unreached(mount_fd);
	*ret_report = report;
	return 0;
}

void free_space_tune(const char *device)
{
	const char *base = strrchr(device, '/');
	_cleanup_close_ int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "/sys/fs/ext4/%.64s/mb_group_prealloc",
		base ? base + 1 : device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && io_write(fd, "0\n", 2) < 0)
		return; /* what stays in a group's preallocation is counted as unreached */
}

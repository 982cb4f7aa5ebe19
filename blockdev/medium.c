/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/medium.h"
#include "base/io.h"
#include "blockdev/device_tree.h"
#include "blockdev/file_map.h"
#include "blockdev/mount_table.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Layers of files on devices on files: deeper is nobody's. */
#define LAYERS_MAX    8
#define OPTIONS_BYTES 2048

/* Numbers that linux/magic.h does not have. */
#define BCACHEFS_MAGIC 0xca451a4eu
#define CEPH_MAGIC     0x00c36400u
#define CIFS_MAGIC     0xff534d42u
#define ECRYPTFS_MAGIC 0x0000f15fu
#define JFFS2_MAGIC    0x000072b6u
#define LUSTRE_MAGIC   0x0bd00bd0u
#define RAMFS_FS_MAGIC 0x858458f6u
#define SMB2_FS_MAGIC  0xfe534d42u
#define UBIFS_MAGIC    0x24051905u
#define ZFS_MAGIC      0x2fc12fc1u

struct file_system_trait {
	uint32_t magic;
	enum medium_promise promise;
	const char *reason;
};

static const struct file_system_trait traits[] = {
	{BTRFS_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE, "btrfs writes every change to a new place"},
	{ZFS_MAGIC, MEDIUM_NOT_IN_PLACE, "zfs writes every change to a new place"},
	{BCACHEFS_MAGIC, MEDIUM_NOT_IN_PLACE, "bcachefs writes every change to a new place"},
	{F2FS_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE, "f2fs is log-structured"},
	{NILFS_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE, "nilfs2 is log-structured"},
	{JFFS2_MAGIC, MEDIUM_NOT_IN_PLACE, "jffs2 is log-structured"},
	{UBIFS_MAGIC, MEDIUM_NOT_IN_PLACE, "ubifs is log-structured"},
	{OVERLAYFS_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE,
		"overlayfs copies a file before its first change"},
	{ECRYPTFS_MAGIC, MEDIUM_NOT_IN_PLACE, "ecryptfs lays the file out anew below"},
	{NFS_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE, "what an NFS server does cannot be seen from here"},
	{CIFS_MAGIC, MEDIUM_NOT_IN_PLACE, "what an SMB server does cannot be seen from here"},
	{SMB2_FS_MAGIC, MEDIUM_NOT_IN_PLACE, "what an SMB server does cannot be seen from here"},
	{SMB_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE, "what an SMB server does cannot be seen from here"},
	{CEPH_MAGIC, MEDIUM_NOT_IN_PLACE, "what a Ceph cluster does cannot be seen from here"},
	{LUSTRE_MAGIC, MEDIUM_NOT_IN_PLACE, "what a Lustre cluster does cannot be seen from here"},
	{V9FS_MAGIC, MEDIUM_NOT_IN_PLACE, "what a 9p server does cannot be seen from here"},
	{FUSE_SUPER_MAGIC, MEDIUM_NOT_IN_PLACE, "what a FUSE server does cannot be seen from here"},
	{TMPFS_MAGIC, MEDIUM_CACHE_ONLY,
		"tmpfs is memory, and what it swapped out is not overwritten"},
	{RAMFS_FS_MAGIC, MEDIUM_CACHE_ONLY, "ramfs is memory"},
};

static const struct file_system_trait *find_trait(uint32_t magic)
{
	for (size_t i = 0; i < ARRAY_SIZE(traits); i++) {
		if (traits[i].magic == magic)
			return &traits[i];
	}
	return NULL;
}

/* A file that btrfs itself overwrites in place, as long as no snapshot shares it. */
static bool is_nocow_on_btrfs(const struct medium_facts *facts)
{
	return facts->file_system == BTRFS_SUPER_MAGIC && (facts->attributes & FS_NOCOW_FL);
}

/* What a single file's own flags say, whatever its file system. */
static const char *find_file_reason(const struct medium_facts *facts)
{
	if (facts->attributes & FS_COMPR_FL)
		return "the file is compressed";
	if (facts->extent_flags & FIEMAP_EXTENT_SHARED)
		return "the file shares blocks with another one or a snapshot (reflink)";
	if (facts->extent_flags & FIEMAP_EXTENT_DATA_ENCRYPTED)
		return "the file system encrypts the file: a pattern does not reach the medium";
	if (facts->extent_flags & FIEMAP_EXTENT_ENCODED)
		return "the file is compressed or encoded";
	if (facts->extent_flags & (FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL))
		return "the file lies inside metadata, which the journal copies";
	if (facts->journals_data || (facts->attributes & FS_JOURNAL_DATA_FL))
		return "the file system copies data into its journal";
	return NULL;
}

struct medium_verdict medium_classify(const struct medium_facts *facts)
{
	const struct file_system_trait *trait =
		facts->is_device ? NULL : find_trait(facts->file_system);
	const char *reason = facts->is_device ? NULL : find_file_reason(facts);

	if (facts->is_volume)
		return (struct medium_verdict){MEDIUM_NOT_IN_PLACE,
			"a spoolguard volume encrypts what is written; retire files with \"job "
			"complete\""};
	if (trait && trait->promise == MEDIUM_NOT_IN_PLACE && !is_nocow_on_btrfs(facts))
		return (struct medium_verdict){trait->promise, trait->reason};
	if (reason)
		return (struct medium_verdict){MEDIUM_NOT_IN_PLACE, reason};
	if (trait && trait->promise == MEDIUM_CACHE_ONLY)
		return (struct medium_verdict){trait->promise, trait->reason};
	if (!facts->direct && facts->through_loop)
		return (struct medium_verdict){MEDIUM_CACHE_ONLY,
			"a loop device without direct I/O (losetup --direct-io=on) is in between"};
	if (!facts->direct)
		return (struct medium_verdict){
			MEDIUM_CACHE_ONLY, "O_DIRECT is not to be had on this file system"};
	return (struct medium_verdict){MEDIUM_NOT_ASSESSED, ""};
}

const char *medium_describe(
	const struct medium_verdict *verdict, char buf[static MEDIUM_TEXT_BYTES])
{
	const char *words = "not assessed";

	if (verdict->promise == MEDIUM_NOT_IN_PLACE)
		words = "overwriting cannot be promised here: ";
	else if (verdict->promise == MEDIUM_CACHE_ONLY)
		words = "verified through the page cache only: ";
	snprintf(buf, MEDIUM_TEXT_BYTES, "%s%s", words, verdict->reason);
	return buf;
}

const char *medium_promise_name(enum medium_promise promise)
{
	static const char *const names[] = {
		[MEDIUM_NOT_ASSESSED] = "not-assessed",
		[MEDIUM_CACHE_ONLY] = "cache-only",
		[MEDIUM_NOT_IN_PLACE] = "cannot-promise",
	};

	return names[promise];
}

/* --- facts --- */

/* mountinfo leaves out what the superblock has as its default; this does not. */
static bool journals_data(dev_t file_system)
{
	char name[DEVICE_NAME_BYTES], path[DEVICE_NAME_BYTES + 32], options[OPTIONS_BYTES] = "";
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (device_name(file_system, name) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/fs/ext4/%s/options", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, options, sizeof(options) - 1);
	return n > 0 && strstr(options, "data=journal\n");
}

static int gather_file(int fd, dev_t file_system, struct medium_facts *facts)
{
	struct file_map map = {.pieces = NULL};
	struct statfs fs;
	char type[64];
	int attributes = 0, r;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	facts->file_system = (uint32_t)fs.f_type;
	if (ioctl(fd, FS_IOC_GETFLAGS, &attributes) == 0)
		facts->attributes = (uint32_t)attributes;
	if (facts->file_system == FUSE_SUPER_MAGIC)
		facts->is_volume = mount_table_type(file_system, type, sizeof(type)) >= 0 &&
				   strcmp(type, "fuse.spoolguard") == 0;
	if (facts->file_system == EXT4_SUPER_MAGIC)
		facts->journals_data = journals_data(file_system);
	r = file_map_read(fd, &map);
	if (r == -EOPNOTSUPP || r == -EINVAL)
		return 0;
	facts->extent_flags = map.all_flags;
	file_map_done(&map);
	return r == -EFBIG ? 0 : r;
}

int medium_gather(int fd, bool direct, struct medium_facts *ret_facts)
{
	struct medium_facts facts = {.direct = direct};
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	facts.is_device = S_ISBLK(st.st_mode);
	if (!facts.is_device)
		r = gather_file(fd, st.st_dev, &facts);
	if (r < 0)
		return r;
	*ret_facts = facts;
	return 0;
}

/* Is what the loop device was told to do: read and write its file past the cache. */
static bool is_loop_direct(dev_t loop)
{
	char text[8];

	return device_attribute(loop, "loop/dio", text, sizeof(text)) >= 0 && text[0] == '1';
}

/* The file below a loop device, opened for reading; -ENXIO: there is none, or not in reach. */
static int open_below(dev_t device, bool *ret_direct)
{
	struct device_backing backing;
	struct stat st;
	int fd;

	if (device_backing(device, &backing) < 0)
		return -ENXIO;
	fd = open(backing.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 ||
		(backing.block ? st.st_rdev != backing.block
			       : st.st_dev != backing.device || st.st_ino != backing.inode)) {
		io_closep(&fd);
		return -ENXIO;
	}
	*ret_direct = is_loop_direct(device);
	return fd;
}

int medium_assess(int fd, bool direct, struct medium_verdict *ret_verdict)
{
	struct medium_verdict worst = {MEDIUM_NOT_ASSESSED, ""}, verdict;
	_cleanup_close_ int below = -1;
	struct medium_facts facts;
	struct stat st;
	int next, r;

	for (int layer = 0; layer < LAYERS_MAX; layer++) {
		r = medium_gather(fd, direct, &facts);
		if (r < 0)
			return r;
		facts.through_loop = layer > 0;
		verdict = medium_classify(&facts);
		if (verdict.promise > worst.promise)
			worst = verdict;
		if (fstat(fd, &st) < 0)
			return -errno;
		next = open_below(facts.is_device ? st.st_rdev : st.st_dev, &direct);
		if (next < 0)
			break;
		io_closep(&below);
		fd = below = next;
	}
	*ret_verdict = worst;
	return 0;
}

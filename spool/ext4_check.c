/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/ext4_check.h"
#include "base/io.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <et/com_err.h>
#include <inttypes.h>
#include <string.h>
#include <uuid/uuid.h>

#define SUPERBLOCK_AT 1024u

/* What every libext2fs that this is built with reads. */
#define INCOMPAT_KNOWN                                                                             \
	(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER |                          \
		EXT2_FEATURE_INCOMPAT_META_BG | EXT3_FEATURE_INCOMPAT_EXTENTS |                    \
		EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_MMP |                          \
		EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_EA_INODE |                   \
		EXT4_FEATURE_INCOMPAT_CSUM_SEED | EXT4_FEATURE_INCOMPAT_LARGEDIR |                 \
		EXT4_FEATURE_INCOMPAT_CASEFOLD)

/* --- the superblock --- */

static struct ext2_super_block decode(const uint8_t *block)
{
	struct ext2_super_block super;

	memcpy(&super, block + SUPERBLOCK_AT, sizeof(super));
#ifdef WORDS_BIGENDIAN
	ext2fs_swap_super(&super);
#endif
	return super;
}

static bool is_checksum_right(const struct ext2_super_block *super, const uint8_t *block)
{
	const size_t covered = offsetof(struct ext2_super_block, s_checksum);

	if (!(super->s_feature_ro_compat & EXT4_FEATURE_RO_COMPAT_METADATA_CSUM))
		return true;
	return super->s_checksum == ext2fs_crc32c_le(~0u, block + SUPERBLOCK_AT, covered);
}

static int64_t wall_of(uint32_t low, uint8_t high)
{
	return (int64_t)((uint64_t)high << 32 | low);
}

static void fill_report(struct ext2_super_block *super, struct ext4_report *report)
{
	report->is_ext4 = true;
	memcpy(report->label, super->s_volume_name, sizeof(super->s_volume_name));
	uuid_unparse_lower(super->s_uuid, report->uuid);
	report->blocks = ext2fs_blocks_count(super);
	report->free_blocks = ext2fs_free_blocks_count(super);
	report->inodes = super->s_inodes_count;
	report->has_journal = ext2fs_has_feature_journal(super);
	report->needs_recovery = ext2fs_has_feature_journal_needs_recovery(super);
	report->is_clean = super->s_state & EXT2_VALID_FS;
	report->has_errors = super->s_state & EXT2_ERROR_FS;
	report->mount_count = super->s_mnt_count;
	report->mounted_wall_s = wall_of(super->s_mtime, super->s_mtime_hi);
	report->written_wall_s = wall_of(super->s_wtime, super->s_wtime_hi);
	report->checked_wall_s = wall_of(super->s_lastcheck, super->s_lastcheck_hi);
	if (!report->has_journal)
		problem_set(&report->warning, 0,
			"the file system has no journal: after a crash or power cut it must be "
			"checked with e2fsck before anything is erased");
	else if (report->has_errors)
		problem_set(&report->warning, 0,
			"the file system has recorded errors: run e2fsck on it before anything is "
			"erased");
}

/* What makes this ext4 no spool: its name and why, or NULL. */
struct refusal {
	const char *name;
	const char *why;
};

static bool find_refusal(struct ext2_super_block *super, struct refusal *ret)
{
	bool external = ext2fs_has_feature_journal(super) && super->s_journal_inum == 0;

	if (ext2fs_has_feature_journal_dev(super))
		*ret = (struct refusal){"journal_dev",
			"it is the journal of another file system, and no file system itself"};
	else if (ext2fs_has_feature_inline_data(super))
		*ret = (struct refusal){"inline_data",
			"small files would lie in the inode table, where no discard reaches them"};
	else if ((super->s_default_mount_opts & EXT3_DEFM_JMODE) == EXT3_DEFM_JMODE_DATA)
		*ret = (struct refusal){"journal_data as a default mount option",
			"every job would be written to the journal too"};
	else if (ext2fs_has_feature_bigalloc(super))
		*ret = (struct refusal){
			"bigalloc", "clusters are freed as a whole, not block by block"};
	else if (ext2fs_has_feature_encrypt(super))
		*ret = (struct refusal){
			"encrypt", "extents of encrypted files cannot be retired in place"};
	else if (ext2fs_has_feature_verity(super))
		*ret = (struct refusal){
			"verity", "files have blocks behind their end that retiring does not see"};
	else if (ext2fs_has_feature_shared_blocks(super))
		*ret = (struct refusal){"shared_blocks", "two files may own one block"};
	else if (external)
		*ret = (struct refusal){
			"an external journal", "the journal would lie outside the volume"};
	else
		return false;
	return true;
}

static int check_features(struct ext2_super_block *super, struct problem *reterr_problem)
{
	uint32_t unknown;
	struct refusal refusal;

	if (find_refusal(super, &refusal))
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"the ext4 on the volume uses %s, which a spool cannot have: %s; make a new "
			"one with \"spoolguard format\"",
			refusal.name, refusal.why);
	if (super->s_log_block_size != 2)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"the ext4 on the volume has blocks of %" PRIu64
			" bytes, and a spool needs 4096; make it again with \"mke2fs -t ext4 -b "
			"4096\"",
			super->s_log_block_size < 16 ? UINT64_C(1024) << super->s_log_block_size
						     : 0);
	unknown = super->s_feature_incompat & ~(uint32_t)INCOMPAT_KNOWN;
	if (unknown)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"the ext4 on the volume has features that this version does not know "
			"(incompatible, 0x%" PRIx32 "); make a new one with \"spoolguard format\"",
			unknown);
	return 0;
}

int ext4_check_superblock(const uint8_t block[static BLOCK_BYTES], uint64_t volume_blocks,
	struct ext4_report *ret_report, struct problem *reterr_problem)
{
	struct ext2_super_block super = decode(block);
	struct ext4_report report = {.is_ext4 = false};
	int r;

	if (super.s_magic != EXT2_SUPER_MAGIC) {
		*ret_report = report;
		return 0;
	}
	if (!is_checksum_right(&super, block))
		return problem_set(reterr_problem, -EBADMSG,
			"the ext4 on the volume has a damaged superblock (its checksum is wrong); "
			"repair it with \"e2fsck -b 32768\"");
	fill_report(&super, &report);
	r = check_features(&super, reterr_problem);
	if (r >= 0 && report.blocks > volume_blocks)
		r = problem_set(reterr_problem, -EBADMSG,
			"the ext4 on the volume has %" PRIu64
			" blocks of 4096 bytes, but the volume only %" PRIu64
			": it was cut short; restore the whole image",
			report.blocks, volume_blocks);
	*ret_report = report;
	return r;
}

int ext4_check(struct blockdev *bd, struct ext4_report *ret_report, struct problem *reterr_problem)
{
	const struct extent first = {0, BLOCK_BYTES / blockdev_block_bytes(bd)};
	_cleanup_free_ void *block = NULL;
	int r;

	if (blockdev_bytes(bd) < BLOCK_BYTES) {
		*ret_report = (struct ext4_report){.is_ext4 = false};
		return 0;
	}
	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = blockdev_read(bd, first, block, BLOCK_BYTES);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the volume's first block cannot be read: %s; check the device",
			strerror(-r));
	return ext4_check_superblock(
		block, blockdev_bytes(bd) / BLOCK_BYTES, ret_report, reterr_problem);
}

/* --- what owns which block --- */

int ext4_open_read_only(struct blockdev *bd, ext2_filsys *ret_fs, struct problem *reterr_problem)
{
	ext2_filsys fs = NULL;
	errcode_t e;

	ext4_io_use(bd);
	e = ext2fs_open("spool", EXT2_FLAG_64BITS, 0, 0, ext4_io_manager(), &fs);
	if (!e)
		e = ext2fs_read_bitmaps(fs);
	if (e) {
		if (fs)
			ext2fs_free(fs);
		return problem_set(reterr_problem, ext4_io_errno(e),
			"the file system cannot be read: %s; check it with e2fsck",
			error_message(e));
	}
	*ret_fs = fs;
	return 0;
}

int ext4_free_extents(ext2_filsys fs, struct extent_list *list)
{
	uint64_t last = ext2fs_blocks_count(fs->super) - 1;
	uint64_t at = fs->super->s_first_data_block;
	blk64_t first, end;
	errcode_t e;
	int r;

	while (at <= last) {
		e = ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, last, &first);
		if (e == ENOENT)
			return 0;
		if (e)
			return ext4_io_errno(e);
		e = ext2fs_find_first_set_block_bitmap2(fs->block_map, first, last, &end);
		if (e == ENOENT)
			end = last + 1;
		else if (e)
			return ext4_io_errno(e);
		r = extent_list_add(list, (struct extent){first, end - first});
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

struct collecting {
	struct extent_list *list;
	uint64_t blocks; /* of the file system: what lies beyond is damage */
	int error;
};

static int collect_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number, blk64_t parent,
	int offset, void *private)
{
	struct collecting *collecting = private;

	(void)fs, (void)number, (void)parent, (void)offset;
	if (*block >= collecting->blocks)
		collecting->error = -EBADMSG;
	else
		collecting->error = extent_list_add(collecting->list, (struct extent){*block, 1});
	return collecting->error < 0 ? BLOCK_ABORT : 0;
}

int ext4_inode_extents(ext2_filsys fs, ext2_ino_t inode, struct extent_list *list)
{
	struct collecting collecting = {list, ext2fs_blocks_count(fs->super), 0};
	struct ext2_inode body;
	blk64_t attributes;
	errcode_t e;

	e = ext2fs_read_inode(fs, inode, &body);
	if (e)
		return ext4_io_errno(e);
	attributes = ext2fs_file_acl_block(fs, &body);
	if (attributes != 0)
		collect_block(fs, &attributes, 0, 0, 0, &collecting);
	if (collecting.error < 0)
		return collecting.error;
	if (!ext2fs_inode_has_valid_blocks2(fs, &body))
		return 0;
	e = ext2fs_block_iterate3(
		fs, inode, BLOCK_FLAG_READ_ONLY, NULL, collect_block, &collecting);
	return collecting.error < 0 ? collecting.error : ext4_io_errno(e);
}

int ext4_journal_extents(ext2_filsys fs, struct extent_list *list)
{
	if (!ext2fs_has_feature_journal(fs->super) || fs->super->s_journal_inum == 0)
		return 0;
	return ext4_inode_extents(fs, fs->super->s_journal_inum, list);
}

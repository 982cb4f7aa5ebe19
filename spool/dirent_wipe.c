/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/dirent_wipe.h"
#include "base/bytes.h"
#include <errno.h>
#include <string.h>

/* Byte offsets in an entry, and what an entry is made of. */
enum {
	ENTRY_INODE = 0,
	ENTRY_LENGTH = 4,
	ENTRY_NAME_LENGTH = 6,
	ENTRY_TYPE = 7,
	ENTRY_NAME = 8,
	ENTRY_ALIGN = 4,
	TAIL_LENGTH = 12,
	TAIL_TYPE = 0xde,
};

/* An index block: a limit and a count in the place of the first of its entries. */
enum {
	ROOT_DOT_DOT = 12,
	ROOT_INFO = 24,
	ROOT_INFO_LENGTH = ROOT_INFO + 5,
	ROOT_INDEX = 32,
	NODE_INDEX = 8,
	INDEX_ENTRY_BYTES = 8,
	INDEX_TAIL_BYTES = 8,
};

struct entry {
	size_t at;
	size_t length;
	size_t used; /* header and name; what is behind belongs to nobody */
	bool is_tail;
};

static bool read_entry(const struct dirent_block *block, size_t at, struct entry *ret)
{
	const uint8_t *entry = block->bytes + at;
	size_t name_length;

	if (block->size - at < ENTRY_NAME)
		return false;
	name_length = entry[ENTRY_NAME_LENGTH];
	*ret = (struct entry){.at = at, .length = bytes_get_le16(entry + ENTRY_LENGTH)};
	ret->is_tail = block->has_checksum && at + TAIL_LENGTH == block->size &&
		       ret->length == TAIL_LENGTH && entry[ENTRY_TYPE] == TAIL_TYPE &&
		       bytes_get_le32(entry + ENTRY_INODE) == 0 && name_length == 0;
	ret->used = ENTRY_NAME;
	if (bytes_get_le32(entry + ENTRY_INODE) != 0)
		ret->used += name_length;
	return ret->length >= ENTRY_NAME && ret->length % ENTRY_ALIGN == 0 &&
	       ret->length <= block->size - at && ret->used <= ret->length;
}

/* --- index blocks --- */

static size_t index_limit(const struct dirent_block *block, size_t index)
{
	size_t room = block->size - index - (block->has_checksum ? INDEX_TAIL_BYTES : 0);

	return room / INDEX_ENTRY_BYTES;
}

static bool is_node(const struct dirent_block *block)
{
	return block->is_indexed && !block->is_first &&
	       bytes_get_le32(block->bytes + ENTRY_INODE) == 0 &&
	       bytes_get_le16(block->bytes + ENTRY_LENGTH) == block->size &&
	       bytes_get_le16(block->bytes + NODE_INDEX) == index_limit(block, NODE_INDEX);
}

static int wipe_index(const struct dirent_block *block, size_t index)
{
	size_t limit = bytes_get_le16(block->bytes + index);
	size_t count = bytes_get_le16(block->bytes + index + 2);

	if (limit != index_limit(block, index) || count == 0 || count > limit)
		return -EBADMSG;
	memset(block->bytes + index + count * INDEX_ENTRY_BYTES, 0,
		(limit - count) * INDEX_ENTRY_BYTES);
	return 0;
}

static int wipe_root(const struct dirent_block *block)
{
	if (block->size - ROOT_DOT_DOT !=
			bytes_get_le16(block->bytes + ROOT_DOT_DOT + ENTRY_LENGTH) ||
		block->bytes[ROOT_INFO_LENGTH] != ROOT_INDEX - ROOT_INFO)
		return -EBADMSG;
	return wipe_index(block, ROOT_INDEX);
}

/* --- blocks of entries --- */

static bool is_named(const struct dirent_block *block, const struct entry *entry, const char *name)
{
	size_t length = strlen(name);

	return entry->used == ENTRY_NAME + length && length > 0 &&
	       memcmp(block->bytes + entry->at + ENTRY_NAME, name, length) == 0;
}

static int check_entries(const struct dirent_block *block)
{
	struct entry entry;

	for (size_t at = 0; at < block->size; at += entry.length) {
		if (!read_entry(block, at, &entry))
			return -EBADMSG;
	}
	return 0;
}

/* The first entry of a block stays as an empty one; another is joined to the one before it. */
static void remove_entry(
	const struct dirent_block *block, const struct entry *before, const struct entry *entry)
{
	uint8_t *at = block->bytes + entry->at;

	if (before) {
		memset(at, 0, entry->length);
		bytes_put_le16(block->bytes + before->at + ENTRY_LENGTH,
			(uint16_t)(before->length + entry->length));
	} else {
		memset(at, 0, entry->length);
		bytes_put_le16(at + ENTRY_LENGTH, (uint16_t)entry->length);
	}
}

static void clear_rest(const struct dirent_block *block, const struct entry *entry)
{
	uint8_t *at = block->bytes + entry->at;

	if (entry->is_tail)
		return;
	if (bytes_get_le32(at + ENTRY_INODE) == 0)
		at[ENTRY_NAME_LENGTH] = at[ENTRY_TYPE] = 0;
	memset(at + entry->used, 0, entry->length - entry->used);
}

int dirent_wipe(struct dirent_block block, const char *name, bool *ret_removed)
{
	struct entry entry, before = {.length = 0};
	bool removed = false;
	int r;

	if (block.size < ROOT_INDEX + INDEX_ENTRY_BYTES)
		return -EBADMSG;
	*ret_removed = false;
	if (block.is_indexed && block.is_first)
		return wipe_root(&block);
	if (is_node(&block))
		return wipe_index(&block, NODE_INDEX);

	r = check_entries(&block);
	if (r < 0)
		return r;
	for (size_t at = 0; at < block.size; at += entry.length) {
		if (!read_entry(&block, at, &entry))
			return -EBADMSG; /* was checked above */
		if (name && !removed && is_named(&block, &entry, name)) {
			remove_entry(&block, before.length ? &before : NULL, &entry);
			removed = true;
			if (before.length) {
				before.length += entry.length;
				continue;
			}
			entry.used = ENTRY_NAME;
		}
		clear_rest(&block, &entry);
		if (!entry.is_tail)
			before = entry;
	}
	*ret_removed = removed;
	return 0;
}

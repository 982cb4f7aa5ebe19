/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/mount_table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

void mount_listing_done(struct mount_listing *listing)
{
	if (listing->file)
		fclose(listing->file);
	free(listing->line);
}
#define _cleanup_listing_ _cleanup_(mount_listing_done)

static bool next_line(struct mount_listing *listing, const char *name)
{
	char path[PATH_MAX];

	if (!listing->file) {
		snprintf(path, sizeof(path), "%.3900s/%s", listing->proc ? listing->proc : "/proc",
			name);
		listing->file = fopen(path, "re");
	}
	return listing->file && getline(&listing->line, &listing->line_bytes, listing->file) > 0;
}

/* "\040" and its like, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* id parent major:minor root where options [tags...] - type source super-options */
static bool parse_mount(char *line, struct mount_entry *entry)
{
	char *field[6], *rest = line, *behind = strstr(line, " - ");
	unsigned int major_number, minor_number;

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strsep(&rest, " ");
		if (!field[i])
			return false;
	}
	if (!behind || sscanf(field[2], "%u:%u", &major_number, &minor_number) != 2)
		return false;
	behind += 3;
	unescape(field[4]);
	entry->number = makedev(major_number, minor_number);
	entry->where = field[4];
	entry->type = strsep(&behind, " ");
	field[5] = strsep(&behind, " \n");
	if (!field[5])
		return false;
	unescape(field[5]);
	entry->source = field[5];
	entry->options = behind ? behind : field[5] + strlen(field[5]);
	return true;
}

/* btrfs and others show a number of their own: the source tells one of their devices. */
static dev_t device_of(const struct mount_entry *entry)
{
	struct stat st;

	if (major(entry->number) == 0 && entry->source[0] == '/' && stat(entry->source, &st) == 0 &&
		S_ISBLK(st.st_mode))
		return st.st_rdev;
	return entry->number;
}

bool mount_listing_next(struct mount_listing *listing, struct mount_entry *ret_entry)
{
	while (next_line(listing, "self/mountinfo")) {
		if (parse_mount(listing->line, ret_entry)) {
			ret_entry->device = device_of(ret_entry);
			return true;
		}
	}
	return false;
}

bool mount_listing_next_swap(
	struct mount_listing *listing, struct stat *ret_st, const char **ret_path)
{
	while (next_line(listing, "swaps")) {
		listing->line[strcspn(listing->line, " \t\n")] = '\0';
		unescape(listing->line);
		if (listing->line[0] != '/' || stat(listing->line, ret_st) < 0)
			continue;
		*ret_path = listing->line;
		return true;
	}
	return false;
}

bool mount_table_find(
	const struct device_set *set, dev_t *ret_device, char ret_where[static DEVICE_TEXT_BYTES])
{
	_cleanup_listing_ struct mount_listing listing = {.file = NULL};
	struct mount_entry entry;

	while (mount_listing_next(&listing, &entry)) {
		if (!device_set_has(set, entry.device))
			continue;
		*ret_device = entry.device;
		snprintf(ret_where, DEVICE_TEXT_BYTES, "%s", entry.where);
		return true;
	}
	return false;
}

int mount_table_place(dev_t device, size_t index, char *ret_where, size_t where_bytes)
{
	_cleanup_listing_ struct mount_listing listing = {.file = NULL};
	struct mount_entry entry;

	while (mount_listing_next(&listing, &entry)) {
		if (entry.number != device || index-- > 0)
			continue;
		if (strlen(entry.where) >= where_bytes)
			return -ENAMETOOLONG;
		strcpy(ret_where, entry.where);
		return 0;
	}
	return -ENOENT;
}

int mount_table_type(dev_t file_system, char *ret_type, size_t type_bytes)
{
	_cleanup_listing_ struct mount_listing listing = {.file = NULL};
	struct mount_entry entry;

	while (mount_listing_next(&listing, &entry)) {
		if (entry.number != file_system)
			continue;
		snprintf(ret_type, type_bytes, "%s", entry.type);
		return 0;
	}
	return -ENOENT;
}

int mount_table_option(dev_t file_system, const char *option, char *ret_value, size_t value_bytes)
{
	_cleanup_listing_ struct mount_listing listing = {.file = NULL};
	size_t length = strlen(option);
	struct mount_entry entry;
	char *word;

	while (mount_listing_next(&listing, &entry)) {
		if (entry.number != file_system)
			continue;
		while ((word = strsep(&entry.options, ",\n"))) {
			if (strncmp(word, option, length) != 0 || word[length] != '=')
				continue;
			unescape(word);
			if (strlen(word + length + 1) >= value_bytes)
				return -ENAMETOOLONG;
			strcpy(ret_value, word + length + 1);
			return 0;
		}
		return -ENOENT;
	}
	return -ENOENT;
}

int mount_table_root(dev_t *ret_device)
{
	_cleanup_listing_ struct mount_listing listing = {.file = NULL};
	struct mount_entry entry;
	bool found = false;

	/* The last mount on "/" is the one in sight. */
	while (mount_listing_next(&listing, &entry)) {
		if (strcmp(entry.where, "/") != 0)
			continue;
		*ret_device = entry.device;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

bool mount_table_is_swap(const struct device_set *set, const struct stat *file)
{
	_cleanup_listing_ struct mount_listing listing = {.file = NULL};
	const char *path;
	struct stat st;

	while (mount_listing_next_swap(&listing, &st, &path)) {
		if (S_ISBLK(st.st_mode)
				? device_set_has(set, st.st_rdev)
				: file && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
			return true;
	}
	return false;
}

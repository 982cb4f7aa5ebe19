/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/mount_table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* One line of /proc/self/mountinfo (proc(5)); the strings point into the line. */
struct entry {
	dev_t number;
	const char *where;
	const char *type;
	const char *source;
	char *options; /* the file system's own; escaped as they are */
};

struct table {
	FILE *file;
	char *line;
	size_t line_bytes;
};

static void table_done(struct table *table)
{
	if (table->file)
		fclose(table->file);
	free(table->line);
}
#define _cleanup_table_ _cleanup_(table_done)

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
static bool parse_mount(char *line, struct entry *entry)
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

static bool next_mount(struct table *table, struct entry *entry)
{
	if (!table->file)
		table->file = fopen("/proc/self/mountinfo", "re");
	while (table->file && getline(&table->line, &table->line_bytes, table->file) > 0) {
		if (parse_mount(table->line, entry))
			return true;
	}
	return false;
}

/* btrfs and others show a number of their own: the source tells one of their devices. */
static dev_t device_of(const struct entry *entry)
{
	struct stat st;

	if (major(entry->number) == 0 && entry->source[0] == '/' && stat(entry->source, &st) == 0 &&
		S_ISBLK(st.st_mode))
		return st.st_rdev;
	return entry->number;
}

bool mount_table_find(
	const struct device_set *set, dev_t *ret_device, char ret_where[static DEVICE_TEXT_BYTES])
{
	_cleanup_table_ struct table table = {.file = NULL};
	struct entry entry;

	while (next_mount(&table, &entry)) {
		dev_t device = device_of(&entry);

		if (!device_set_has(set, device))
			continue;
		*ret_device = device;
		snprintf(ret_where, DEVICE_TEXT_BYTES, "%s", entry.where);
		return true;
	}
	return false;
}

int mount_table_place(dev_t device, size_t index, char *ret_where, size_t where_bytes)
{
	_cleanup_table_ struct table table = {.file = NULL};
	struct entry entry;

	while (next_mount(&table, &entry)) {
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
	_cleanup_table_ struct table table = {.file = NULL};
	struct entry entry;

	while (next_mount(&table, &entry)) {
		if (entry.number != file_system)
			continue;
		snprintf(ret_type, type_bytes, "%s", entry.type);
		return 0;
	}
	return -ENOENT;
}

int mount_table_option(dev_t file_system, const char *option, char *ret_value, size_t value_bytes)
{
	_cleanup_table_ struct table table = {.file = NULL};
	size_t length = strlen(option);
	struct entry entry;
	char *word;

	while (next_mount(&table, &entry)) {
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
	_cleanup_table_ struct table table = {.file = NULL};
	struct entry entry;
	bool found = false;

	/* The last mount on "/" is the one in sight. */
	while (next_mount(&table, &entry)) {
		if (strcmp(entry.where, "/") != 0)
			continue;
		*ret_device = device_of(&entry);
		found = true;
	}
	return found ? 0 : -ENOENT;
}

bool mount_table_is_swap(const struct device_set *set, const struct stat *file)
{
	_cleanup_table_ struct table table = {.file = fopen("/proc/swaps", "re")};
	struct stat st;

	while (table.file && getline(&table.line, &table.line_bytes, table.file) > 0) {
		table.line[strcspn(table.line, " \t\n")] = '\0';
		unescape(table.line);
		if (table.line[0] != '/' || stat(table.line, &st) < 0)
			continue;
		if (S_ISBLK(st.st_mode)
				? device_set_has(set, st.st_rdev)
				: file && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
			return true;
	}
	return false;
}

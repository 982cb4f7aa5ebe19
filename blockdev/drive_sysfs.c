/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "blockdev/drive_impl.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void drive_trim(char *text)
{
	size_t length, blanks;

	for (char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	}
	length = strlen(text);
	while (length > 0 && text[length - 1] == ' ')
		text[--length] = '\0';
	blanks = strspn(text, " ");
	memmove(text, text + blanks, length - blanks + 1);
}

static const char *sysfs_of(const struct drive_places *places)
{
	return places->sysfs ? places->sysfs : "/sys";
}

int drive_sysfs_open(
	const struct drive_places *places, dev_t device, char ret_path[static PATH_MAX])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *devices;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.3900s/dev/block/%u:%u", sysfs_of(places), major(device),
		minor(device));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -ENOENT;
	target[n] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	devices = strstr(target, "/devices/");
	snprintf(ret_path, PATH_MAX, "%s", devices ? devices : target);
	return fd;
}

size_t drive_sysfs_bytes(int directory, const char *attribute, void *buf, size_t buf_bytes)
{
	_cleanup_close_ int fd = openat(directory, attribute, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, buf_bytes);

	return n > 0 ? (size_t)n : 0;
}

bool drive_sysfs_read(int directory, const char *attribute, char *text, size_t text_bytes)
{
	size_t n = drive_sysfs_bytes(directory, attribute, text, text_bytes - 1);

	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	drive_trim(text);
	return text[0] != '\0';
}

uint64_t drive_sysfs_number(int directory, const char *attribute)
{
	char text[32];

	return drive_sysfs_read(directory, attribute, text, sizeof(text)) ? strtoull(text, NULL, 10)
									  : 0;
}

bool drive_sysfs_has(int directory, const char *attribute)
{
	return faccessat(directory, attribute, F_OK, 0) == 0;
}

bool drive_sysfs_link(int directory, const char *name, char *text, size_t text_bytes)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(directory, name, target, sizeof(target) - 1);
	const char *slash;

	text[0] = '\0';
	if (n < 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	snprintf(text, text_bytes, "%s", slash ? slash + 1 : target);
	return text[0] != '\0';
}

int drive_sysfs_device(int directory, const char *child, dev_t *ret_device)
{
	unsigned int major_number, minor_number;
	_cleanup_close_ int fd = openat(directory, child, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[32];

	if (fd < 0)
		return -errno;
	if (!drive_sysfs_read(fd, "dev", text, sizeof(text)) ||
		sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return -ENOENT;
	*ret_device = makedev(major_number, minor_number);
	return 0;
}

DIR *drive_sysfs_list(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);

	if (!listing)
		io_closep(&fd);
	return listing;
}

const char *drive_sysfs_next(DIR *listing)
{
	struct dirent *entry;

	while ((entry = readdir(listing))) {
		if (entry->d_name[0] != '.')
			return entry->d_name;
	}
	return NULL;
}

/* --- udev's database: lines "E:PROPERTY=VALUE" --- */

static FILE *open_udev(const struct drive_places *places, dev_t device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3900s/b%u:%u",
		places->udev ? places->udev : "/run/udev/data", major(device), minor(device));
	return fopen(path, "re");
}

bool drive_udev_has(const struct drive_places *places, dev_t device)
{
	FILE *file = open_udev(places, device);

	if (file)
		fclose(file);
	return file != NULL;
}

bool drive_udev_read(const struct drive_places *places, dev_t device, const char *property,
	char *text, size_t text_bytes)
{
	FILE *file = open_udev(places, device);
	size_t length = strlen(property), line_bytes = 0;
	char *line = NULL;

	text[0] = '\0';
	while (file && text[0] == '\0' && getline(&line, &line_bytes, file) > 0) {
		if (strncmp(line, "E:", 2) == 0 && strncmp(line + 2, property, length) == 0 &&
			line[2 + length] == '=') {
			snprintf(text, text_bytes, "%s", line + 3 + length);
			drive_trim(text);
		}
	}
	free(line);
	if (file)
		fclose(file);
	return text[0] != '\0';
}

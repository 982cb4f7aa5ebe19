/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/linux_port_impl.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The last part of what a link below the device's directory in sysfs points to. */
static bool link_name(const char *directory, const char *link, char ret_name[static NAME_MAX + 1])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t bytes;

	if (snprintf(path, sizeof(path), "%s/%s", directory, link) >= (int)sizeof(path))
		return false;
	bytes = readlink(path, target, sizeof(target) - 1);
	if (bytes < 0)
		return false;
	target[bytes] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) > NAME_MAX)
		return false;
	strcpy(ret_name, last);
	return true;
}

static bool exists(const char *directory, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

static int find_block(const char *directory, struct linux_device *device)
{
	char subsystem[NAME_MAX + 1];

	device->is_block = true;
	if (exists(directory, "partition"))
		return -EINVAL;
	device->interface = INTERFACE_BLOCK;
	if (!link_name(directory, "device/subsystem", subsystem))
		return 0;
	/* The boot partitions of an eMMC stand on its own block device. */
	if (strcmp(subsystem, "block") == 0)
		return -EINVAL;
	if (strcmp(subsystem, "nvme") == 0 || strcmp(subsystem, "nvme-subsystem") == 0)
		device->interface = INTERFACE_NVME;
	else if (strcmp(subsystem, "scsi") == 0)
		device->interface = INTERFACE_SCSI;
	else if (strcmp(subsystem, "mmc") == 0)
		device->interface = INTERFACE_MMC;
	return 0;
}

static int find_character(const char *directory, struct linux_device *device)
{
	char subsystem[NAME_MAX + 1];

	device->is_block = false;
	if (!link_name(directory, "subsystem", subsystem))
		return -EMEDIUMTYPE;
	if (strcmp(subsystem, "nvme") == 0 || strcmp(subsystem, "nvme-generic") == 0)
		device->interface = INTERFACE_NVME;
	else if (strcmp(subsystem, "scsi_generic") == 0)
		device->interface = INTERFACE_SCSI;
	else
		return -EMEDIUMTYPE;
	return 0;
}

int linux_device_find(const char *sysfs, mode_t mode, dev_t device, struct linux_device *ret_device)
{
	char directory[PATH_MAX];
	struct linux_device found;
	int r;

	if (!S_ISBLK(mode) && !S_ISCHR(mode))
		return -EMEDIUMTYPE;
	if (snprintf(directory, sizeof(directory), "%s/dev/%s/%u:%u", sysfs,
		    S_ISBLK(mode) ? "block" : "char", major(device),
		    minor(device)) >= (int)sizeof(directory))
		return -ENAMETOOLONG;
	if (access(directory, F_OK) < 0)
		return -errno;
	r = S_ISBLK(mode) ? find_block(directory, &found) : find_character(directory, &found);
	if (r < 0)
		return r;
	*ret_device = found;
	return 0;
}

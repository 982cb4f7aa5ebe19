/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/linux_port_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { REGISTER_BYTES = 16 };

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

/* --- what the kernel knows of a card --- */

static int read_attribute(const char *directory, const char *name, char *ret_text, size_t bytes)
{
	char path[PATH_MAX];
	ssize_t got;
	int fd, r = 0;

	if (snprintf(path, sizeof(path), "%s/device/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = read(fd, ret_text, bytes - 1);
	if (got < 0)
		r = -errno;
	close(fd);
	ret_text[got > 0 ? got : 0] = '\0';
	return r;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_register(
	const char *directory, const char *name, uint8_t ret_bytes[static REGISTER_BYTES])
{
	char text[2 * REGISTER_BYTES + 2];
	int r = read_attribute(directory, name, text, sizeof(text));

	if (r < 0)
		return r;
	if (strlen(text) < (size_t)2 * REGISTER_BYTES)
		return -EBADMSG;
	for (unsigned int i = 0; i < REGISTER_BYTES; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int linux_device_registers(const char *sysfs, dev_t device, struct mmc_registers *ret_registers)
{
	char directory[PATH_MAX], type[16];
	struct mmc_registers registers;
	int r;

	if (snprintf(directory, sizeof(directory), "%s/dev/block/%u:%u", sysfs, major(device),
		    minor(device)) >= (int)sizeof(directory))
		return -ENAMETOOLONG;
	r = read_attribute(directory, "type", type, sizeof(type));
	if (r >= 0)
		r = read_register(directory, "cid", registers.cid);
	if (r >= 0)
		r = read_register(directory, "csd", registers.csd);
	if (r < 0)
		return r;
	registers.is_emmc = strcmp(type, "MMC\n") == 0;
	*ret_registers = registers;
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

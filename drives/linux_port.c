/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/linux_port.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "drives/linux_port_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int call_kernel(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument);
}

static int say(struct problem *reterr_problem, int error, const char *path)
{
	switch (error) {
	case -EINVAL:
		return problem_set(reterr_problem, error,
			"%s is only a part of a drive: name the whole drive", path);
	case -EMEDIUMTYPE:
		return problem_set(reterr_problem, error,
			"%s is no drive: name a block device, such as /dev/sda", path);
	default:
		return problem_set(
			reterr_problem, error, "%s cannot be opened: %s", path, strerror(-error));
	}
}

/* Non-blocking, so that a drive without a medium is no wait. */
static int open_device(
	const char *path, bool only_ask, struct stat *ret_st, struct problem *reterr_problem)
{
	int flags = (only_ask ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	struct stat before;
	int fd, r;

	if (stat(path, &before) < 0)
		return say(reterr_problem, -errno, path);
	if (!S_ISBLK(before.st_mode) && !S_ISCHR(before.st_mode))
		return say(reterr_problem, -EMEDIUMTYPE, path);
	r = guard_check_confined_device(path, &before, reterr_problem); /* U1 */
	if (r < 0)
		return r;
	fd = open(path, flags);
	if (fd < 0)
		return say(reterr_problem, -errno, path);
	if (fstat(fd, ret_st) < 0 || ret_st->st_rdev != before.st_rdev ||
		((ret_st->st_mode ^ before.st_mode) & S_IFMT) != 0) {
		close(fd); /* U3 */
		return say(reterr_problem, -ESTALE, path);
	}
	return fd;
}

/* What the block layer and the NVMe driver know by themselves; no command. */
static void ask_kernel(struct linux_port *port, const struct linux_device *device)
{
	uint64_t bytes;
	int nsid;

	if (device->is_block && port->call(port->fd, BLKGETSIZE64, &bytes) >= 0)
		port->commands.bytes = bytes;
	if (device->interface == INTERFACE_NVME) {
		nsid = port->call(port->fd, NVME_IOCTL_ID, NULL);
		if (nsid > 0)
			port->commands.nsid = (uint32_t)nsid;
	}
}

int linux_port_open(const char *path, const struct linux_port_options *options,
	struct linux_port **ret_port, struct problem *reterr_problem)
{
	const char *sysfs = options->sysfs ? options->sysfs : "/sys";
	_cleanup_(linux_port_closep) struct linux_port *port = calloc(1, sizeof(*port));
	struct linux_device device;
	struct stat st;
	int r;

	if (!port)
		return problem_set(reterr_problem, -ENOMEM, "%s: no memory", path);
	port->fd = open_device(path, options->only_ask, &st, reterr_problem);
	if (port->fd < 0)
		return port->fd;
	r = linux_device_find(sysfs, st.st_mode, st.st_rdev, &device);
	if (r < 0)
		return say(reterr_problem, r, path);
	port->mmc_error = device.interface == INTERFACE_MMC
				  ? linux_device_registers(sysfs, st.st_rdev, &port->mmc)
				  : -EOPNOTSUPP;
	if (device.is_block && device.interface == INTERFACE_SCSI &&
		snprintf(port->rescan_path, sizeof(port->rescan_path),
			"%s/dev/block/%u:%u/device/rescan", sysfs, major(st.st_rdev),
			minor(st.st_rdev)) >= (int)sizeof(port->rescan_path))
		port->rescan_path[0] = '\0';
	port->only_ask = options->only_ask;
	port->call = call_kernel;
	port->commands = (struct command_port){
		.ops = &linux_port_ops, .context = port, .interface = device.interface};
	ask_kernel(port, &device);
	*ret_port = port;
	port = NULL;
	return 0;
}

void linux_port_close(struct linux_port *port)
{
	if (!port)
		return;
	if (port->fd >= 0)
		close(port->fd);
	free(port);
}

const struct command_port *linux_port_commands(const struct linux_port *port)
{
	return &port->commands;
}

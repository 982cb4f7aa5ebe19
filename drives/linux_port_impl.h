/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_port_impl.h - the parts of a port: what a device is, and the calls; and a test's way in
 */
#ifndef SPOOLGUARD_DRIVES_LINUX_PORT_IMPL_H
#define SPOOLGUARD_DRIVES_LINUX_PORT_IMPL_H

#include "drives/linux_port.h"
#include <limits.h>
#include <sys/types.h>

/* As ioctl(2): -1 and errno, or what the request gives. */
typedef int linux_port_call(int fd, unsigned long request, void *argument);

struct linux_port {
	struct command_port commands;
	int fd; /* owned */
	bool only_ask;
	linux_port_call *call;
	char rescan_path[PATH_MAX]; /* SCSI: the file that has the kernel ask for the size; "" */
	int mmc_error;		    /* why mmc is not known */
	struct mmc_registers mmc;
};

/* --- linux_port_find.c --- */

struct linux_device {
	enum command_interface interface;
	bool is_block;
};

/* -EINVAL: a part of a drive; -EMEDIUMTYPE: a character device of no drive. */
must_check int linux_device_find(
	const char *sysfs, mode_t mode, dev_t device, struct linux_device *ret_device);

/* What the kernel read of a card when it found it.  -EBADMSG: not as the kernel writes it. */
must_check int linux_device_registers(
	const char *sysfs, dev_t device, struct mmc_registers *ret_registers);

/* --- linux_port_calls.c --- */

extern const struct command_port_ops linux_port_ops;

#endif

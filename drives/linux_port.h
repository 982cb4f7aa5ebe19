/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_port.h - a drive's own commands to a real device
 *
 * NVME_IOCTL_ADMIN_CMD, SG_IO, MMC_IOC_CMD and MMC_IOC_MULTI_CMD, BLKSECDISCARD, BLKRRPART.  Which
 * of them, sysfs tells: an NVMe controller or namespace, a SCSI or ATA disk (also its sg device),
 * an eMMC; everything else has a block path and no commands.
 *
 *   U1  The guard's confinement holds: a test build never sends a command to a real device.
 *   U2  Nothing but a whole drive: a partition, and what is only a part of an eMMC, is refused.
 *   U3  What was chosen is what is open: the descriptor is asked, not the path again.
 *
 * Who uses the device, and whether it may be erased, the guard tells; that is the caller's to ask.
 *
 * Errors: -EPERM (confined), -EINVAL (a partition), -EMEDIUMTYPE (neither block nor character
 * device, or of no drive), -ENOENT, -EACCES, -ENOMEDIUM, and what the system says.
 */
#ifndef SPOOLGUARD_DRIVES_LINUX_PORT_H
#define SPOOLGUARD_DRIVES_LINUX_PORT_H

#include "base/problem.h"
#include "drives/command.h"

struct linux_port;

struct linux_port_options {
	bool only_ask;	   /* opened for reading: what would change the drive is refused (-EBADF) */
	const char *sysfs; /* NULL: "/sys"; tests have their own */
};

must_check int linux_port_open(const char *path, const struct linux_port_options *options,
	struct linux_port **ret_port, struct problem *reterr_problem);
void linux_port_close(struct linux_port *port);
DEFINE_CLEANUP(struct linux_port *, linux_port_close)

/* Borrowed from the port. */
const struct command_port *linux_port_commands(const struct linux_port *port);

#endif

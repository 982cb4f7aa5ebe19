/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/linux_port_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mmc/ioctl.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NVME_STATUS_MASK = 0x7ff,
	NVME_TYPE_PATH = 3, /* status code type: made by this side of the wire */
	NVME_DO_NOT_RETRY = 1 << 14,
	SG_V3 = 'S',
	MMC_COMMANDS_MAX = 8,
	NS_PER_MS = 1000000,
};

static int call(const struct linux_port *port, unsigned long request, void *argument)
{
	int r = port->call(port->fd, request, argument);

	return r < 0 ? -errno : r;
}

/* What the kernel takes for an address. */
static uint64_t address(const void *data)
{
	return (uint64_t)(uintptr_t)data;
}

/* --- NVMe --- */

static int nvme_admin(void *context, struct nvme_command *command)
{
	const struct linux_port *port = context;
	struct nvme_passthru_cmd passed = {
		.opcode = command->opcode,
		.nsid = command->nsid,
		.addr = address(command->data),
		.data_len = command->data ? command->data_bytes : 0,
		.cdw10 = command->cdw10,
		.cdw11 = command->cdw11,
		.cdw12 = command->cdw12,
		.cdw13 = command->cdw13,
		.cdw14 = command->cdw14,
		.cdw15 = command->cdw15,
		.timeout_ms = command->timeout_ms,
	};
	int r = call(port, NVME_IOCTL_ADMIN_CMD, &passed);

	if (r < 0)
		return r;
	/* Aborted by the host, or no path: nothing is known of the drive (P1). */
	if ((r >> 8 & 7) == NVME_TYPE_PATH)
		return -EIO;
	command->status = (uint16_t)(r & NVME_STATUS_MASK);
	command->do_not_retry = r & NVME_DO_NOT_RETRY;
	command->result = passed.result;
	return 0;
}

/* --- SCSI --- */

static int scsi(void *context, struct scsi_command *command)
{
	static const int directions[] = {[SCSI_NO_DATA] = SG_DXFER_NONE,
		[SCSI_FROM_DRIVE] = SG_DXFER_FROM_DEV,
		[SCSI_TO_DRIVE] = SG_DXFER_TO_DEV};
	const struct linux_port *port = context;
	struct sg_io_hdr header = {
		.interface_id = SG_V3,
		.dxfer_direction = directions[command->direction],
		.cmd_len = command->cdb_bytes,
		.mx_sb_len = sizeof(command->sense),
		.dxfer_len = command->direction == SCSI_NO_DATA ? 0 : command->data_bytes,
		.dxferp = command->direction == SCSI_NO_DATA ? NULL : command->data,
		.cmdp = command->cdb,
		.sbp = command->sense,
		.timeout = command->timeout_ms,
	};
	int r;

	memset(command->sense, 0, sizeof(command->sense));
	r = call(port, SG_IO, &header);
	if (r < 0)
		return r;
	command->status = header.status;
	command->sense_bytes = header.sb_len_wr;
	command->host_status = header.host_status;
	command->residual_bytes = header.resid > 0 ? (uint32_t)header.resid : 0;
	return 0;
}

/* --- MMC --- */

static void pass_mmc(const struct mmc_command *command, struct mmc_ioc_cmd *passed)
{
	*passed = (struct mmc_ioc_cmd){
		.write_flag = command->write,
		.opcode = command->opcode,
		.arg = command->argument,
		.flags = command->flags,
		.blksz = command->data ? command->block_bytes : 0,
		.blocks = command->data ? command->blocks : 0,
		.cmd_timeout_ms = command->timeout_ms,
	};
	if (command->data) {
		passed->data_ptr = address(command->data);
		passed->data_timeout_ns = command->timeout_ms < UINT32_MAX / NS_PER_MS
						  ? command->timeout_ms * (uint32_t)NS_PER_MS
						  : UINT32_MAX;
	}
}

static int mmc(void *context, struct mmc_command *commands, uint32_t count)
{
	const struct linux_port *port = context;
	struct mmc_ioc_multi_cmd *several;
	int r;

	if (count == 0 || count > MMC_COMMANDS_MAX)
		return -EINVAL;
	several = calloc(1, sizeof(*several) + count * sizeof(several->cmds[0]));
	if (!several)
		return -ENOMEM;
	several->num_of_cmds = count;
	for (uint32_t i = 0; i < count; i++)
		pass_mmc(&commands[i], &several->cmds[i]);
	r = count == 1 ? call(port, MMC_IOC_CMD, &several->cmds[0])
		       : call(port, MMC_IOC_MULTI_CMD, several);
	for (uint32_t i = 0; r >= 0 && i < count; i++)
		memcpy(commands[i].response, several->cmds[i].response,
			sizeof(commands[i].response));
	free(several);
	return r < 0 ? r : 0;
}

static int mmc_registers(void *context, struct mmc_registers *ret_registers)
{
	const struct linux_port *port = context;

	if (port->mmc_error >= 0)
		*ret_registers = port->mmc;
	return port->mmc_error;
}

/* --- the block path --- */

/*
 * Asked with a range that no kernel takes: that it is refused for the range's sake says that
 * there is a secure discard.
 */
static int has_secure_discard(const struct linux_port *port)
{
	uint64_t no_range[2] = {1, 1};
	int r = call(port, BLKSECDISCARD, no_range);

	if (r == -EINVAL)
		return 0;
	return r == -ENOTTY || r >= 0 ? -EOPNOTSUPP : r;
}

static int secure_discard(void *context, uint64_t first_byte, uint64_t bytes)
{
	const struct linux_port *port = context;
	uint64_t range[2] = {first_byte, bytes};

	if (port->only_ask)
		return -EBADF;
	if (bytes == 0)
		return has_secure_discard(port);
	return call(port, BLKSECDISCARD, range);
}

/* A SCSI disk's size is asked for anew only if somebody says so. */
static void ask_size(struct linux_port *port)
{
	int fd = port->rescan_path[0] != '\0' ? open(port->rescan_path, O_WRONLY | O_CLOEXEC) : -1;
	uint64_t bytes;

	if (fd >= 0) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
	if (port->commands.bytes > 0 && call(port, BLKGETSIZE64, &bytes) >= 0)
		port->commands.bytes = bytes;
}

/* What is cached is of before, and partitions that were there are not. */
static int rescan(void *context)
{
	struct linux_port *port = context;
	int flushed = call(port, BLKFLSBUF, NULL), r;

	ask_size(port);
	r = call(port, BLKRRPART, NULL);

	return flushed < 0 ? flushed : r;
}

const struct command_port_ops linux_port_ops = {
	.nvme_admin = nvme_admin,
	.scsi = scsi,
	.mmc = mmc,
	.mmc_registers = mmc_registers,
	.secure_discard = secure_discard,
	.rescan = rescan,
};

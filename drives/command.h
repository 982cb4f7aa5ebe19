/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - a drive's own commands, and who carries them
 *
 * The seam between what is known of the command sets and the world: linux_port.h carries commands
 * to a real device (NVME_IOCTL_*, SG_IO, MMC_IOC_CMD, BLKSECDISCARD), a test's drive model answers
 * them in memory.  Nothing above it makes an ioctl.
 *
 *   P1  A command is delivered or not: delivered returns 0, and what the drive said stands in the
 *       command; not delivered returns -errno, and nothing is known of the drive.
 *   P2  "No error" is no success: whoever sent a command looks at status, sense and host status,
 *       and afterwards at the medium.
 *   P3  Every command has a time limit of its own.
 *
 * Numbers are the host's; what lies in data is the standard's (NVMe and MMC little-endian, SCSI
 * big-endian, ATA words little-endian).
 * Sources: NVM Express Base 2.0, SPC-5, SBC-4, SAT-5, ACS-4, JESD84-B51.
 */
#ifndef SPOOLGUARD_DRIVES_COMMAND_H
#define SPOOLGUARD_DRIVES_COMMAND_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define COMMAND_SENSE_BYTES 96
#define COMMAND_DATA_MAX    (1u << 20)

struct nvme_command {
	uint8_t opcode;
	uint32_t nsid;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
	void *data; /* borrowed; NULL: none */
	uint32_t data_bytes;
	bool to_drive;
	uint32_t timeout_ms;
	/* answered: */
	uint16_t status; /* status code type in bits 8-10, status code in bits 0-7; 0: success */
	bool do_not_retry;
	uint32_t result; /* completion queue entry, dword 0 */
};

enum scsi_direction { SCSI_NO_DATA, SCSI_FROM_DRIVE, SCSI_TO_DRIVE };

/* ATA commands travel in it too: ATA PASS-THROUGH (16), SAT-5 12.2. */
struct scsi_command {
	uint8_t cdb[16];
	uint8_t cdb_bytes;
	enum scsi_direction direction;
	void *data; /* borrowed */
	uint32_t data_bytes;
	uint32_t timeout_ms;
	/* answered: */
	uint8_t status; /* SAM: 0 GOOD, 2 CHECK CONDITION, 8 BUSY, 0x18 RESERVATION CONFLICT */
	uint8_t sense[COMMAND_SENSE_BYTES];
	uint8_t sense_bytes;
	uint16_t host_status; /* Linux DID_*: not 0: the adapter did not bring it through */
	uint32_t residual_bytes;
};

struct mmc_command {
	uint32_t opcode;
	uint32_t argument;
	uint32_t flags; /* MMC_RSP_* | MMC_CMD_* as linux/mmc/ioctl.h's users give them */
	bool write;
	void *data; /* borrowed; NULL: none */
	uint32_t block_bytes, blocks;
	uint32_t timeout_ms;
	/* answered: */
	uint32_t response[4];
};

/* What a card in use is not asked for by command: the system read it when it found the card. */
struct mmc_registers {
	bool is_emmc; /* false: SD, or something else */
	uint8_t cid[16], csd[16];
};

/* Which of the calls the drive takes. */
enum command_interface {
	INTERFACE_BLOCK, /* none: loop, virtio, and what swallows commands */
	INTERFACE_NVME,
	INTERFACE_SCSI, /* and ATA behind a translation: what it is, IDENTIFY tells */
	INTERFACE_MMC,
};

/* Required are those of the interface; the others are NULL.  Each as P1. */
struct command_port_ops {
	int (*nvme_admin)(void *context, struct nvme_command *command);
	int (*scsi)(void *context, struct scsi_command *command);
	int (*mmc)(void *context, struct mmc_command *commands, uint32_t count); /* in one go */
	/* Optional. */
	int (*mmc_registers)(void *context, struct mmc_registers *ret_registers);
	/* BLKSECDISCARD; -EOPNOTSUPP.  bytes 0: could it?  Nothing is discarded. */
	int (*secure_discard)(void *context, uint64_t first_byte, uint64_t bytes);
	/* The kernel looks at the size and the partitions anew. */
	int (*rescan)(void *context);
	/* Both or neither: a model's own time.  NULL: the machine's. */
	uint64_t (*now_ms)(void *context);
	void (*sleep_ms)(void *context, uint32_t ms);
};

struct command_port {
	const struct command_port_ops *ops;
	void *context;
	enum command_interface interface;
	uint32_t nsid;	/* NVMe: the namespace that the device is; 0: the controller itself */
	uint64_t bytes; /* of the device, as its block path has it; 0: not known */
};

#endif

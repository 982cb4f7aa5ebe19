/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive.h - drives that exist in memory: NVMe, ATA, SCSI, eMMC; honest, or lying by switch
 *
 * A model answers the commands of drives/command.h as the command sets say (NVM Express Base 2.0,
 * ACS-4 and SAT-5, SBC-4 and SPC-5, JESD84-B51), and its medium is a file or memory that a test
 * reads and writes as a blockdev.  The same model stands behind three front ends: this seam (in
 * process), TCMU in a virtual machine, NVMe/TCP from the host.  Time is the model's own:
 * simdrive_advance() moves it, so that a sanitize of hours is tested in microseconds; the front
 * ends move it by the clock.
 *
 *   Z1  What is not switched on is answered as a drive answers what it does not know.
 *   Z2  A power cut loses what the standard says is lost (frozen, unlocked), and keeps what it
 *       says is kept (a sanitize under way, a password that was set).
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_H
#define SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_H

#include "blockdev/blockdev.h"
#include "drives/command.h"

enum simdrive_kind { SIMDRIVE_NVME, SIMDRIVE_ATA, SIMDRIVE_SCSI, SIMDRIVE_MMC };

/* Zeros are an honest drive that offers everything its command set has. */
struct simdrive_options {
	uint64_t bytes;	       /* 0: 1 MiB */
	uint64_t hidden_bytes; /* behind HPA (ATA), native size beyond bytes */
	uint64_t dco_hidden_bytes;
	bool ama;		/* ATA: hidden_bytes by an accessible max address, not by HPA */
	bool short_addresses;	/* ATA: 28 bits */
	bool hidden_frozen;	/* ATA: what hides something cannot be changed */
	uint32_t logical_bytes; /* 0: 512 */
	const char *path;	/* the medium's file; NULL: memory */
	const char *model, *serial, *firmware; /* NULL: the model's own; "": none */
	uint32_t rotation_rpm;		       /* ATA, SCSI; 0: 7200; 1: flash */
	uint32_t sanitize_ms;		       /* how long one takes; 0: 2000 */
	uint32_t namespaces;		       /* NVMe, each of these bytes; 0: 1 */
	uint32_t nsid; /* NVMe: the port's; 0: 1; UINT32_MAX: the controller */
	bool no_sanitize, no_format, no_security, no_enhanced, no_crypto, no_block, no_overwrite;
	bool fna_all;		      /* NVMe: format reaches all namespaces */
	bool no_deallocate_inhibited; /* NVMe */
	bool fixed_sense;	      /* ATA, SCSI: 0x70 instead of 0x72 */
	bool frozen; /* ATA, SCSI translation: security is frozen until a power cycle */
	bool opal;
	/* eMMC: two of 128 KiB and an RPMB of as much: the last 384 KiB of hidden_bytes. */
	bool boot_partitions;
	bool memory_card; /* eMMC: an SD instead */
	bool worn;	  /* eMMC, ATA, SCSI: its health is bad */

	/* Faults. */
	bool lie;		/* says that it did, and changes nothing */
	bool fail;		/* fails at its end, and stays in failed mode until it is left */
	uint64_t residue_bytes; /* so many at the medium's end survive */
	uint32_t hang_at;	/* progress (of 65536) that it never gets beyond; 0: none */
	bool swallow;		/* a bridge: commands "succeed" and come to nothing; blocks work */
	bool crypto_accepted_without_fna; /* NVMe: accepts what it says that it cannot */
	uint64_t bad_sector;		  /* reads and writes of it fail; UINT64_MAX or 0: none */
	bool read_only;
	bool smaller; /* the last sectors cannot be reached */
};

struct simdrive;

must_check int simdrive_new(enum simdrive_kind kind, const struct simdrive_options *options,
	struct simdrive **ret_drive);
void simdrive_free(struct simdrive *drive);

/* Borrowed from the drive. */
const struct command_port *simdrive_port(struct simdrive *drive);
/* Its medium through the ordinary path: fails while a sanitize runs, as a drive's does.  Gives. */
must_check int simdrive_medium(struct simdrive *drive, struct blockdev **ret_bd);

/* All of its bytes, also those that no path shows: to look at, and to fill before. */
uint8_t *simdrive_bytes(struct simdrive *drive, uint64_t *ret_bytes);

void simdrive_advance(struct simdrive *drive, uint32_t ms);
/* Z2; the next command finds it powered up. */
void simdrive_power_cut(struct simdrive *drive);
/* From the nth command on (1: the next) it is gone: -ENODEV; 0: it is there. */
void simdrive_vanish(struct simdrive *drive, uint64_t nth_command);
/* The nth command is not delivered (-EIO), and a reset has happened. */
void simdrive_fail_nth(struct simdrive *drive, uint64_t nth_command);
bool simdrive_fired(const struct simdrive *drive);
/*
 * Sees each command before (result 1) and after it was answered (0, -errno), and may change the
 * answer: what damages an Identify page.  command is a struct nvme_command, scsi_command or
 * mmc_command.
 */
void simdrive_set_hook(struct simdrive *drive,
	void (*hook)(void *context, void *command, int result), void *context);
/* How many commands it was given, and how many of those would change a drive. */
uint64_t simdrive_commands(const struct simdrive *drive);
uint64_t simdrive_changes(const struct simdrive *drive);

#endif

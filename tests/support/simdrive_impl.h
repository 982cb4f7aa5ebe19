/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_impl.h - for those who model one kind of drive
 *
 * A kind answers commands; the frame (simdrive.c) has the medium, the time, the faults and the
 * sanitize that runs by itself.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_IMPL_H
#define SPOOLGUARD_TESTS_SUPPORT_SIMDRIVE_IMPL_H

#include "tests/support/simdrive.h"

enum simdrive_how { SIMDRIVE_CRYPTO, SIMDRIVE_BLOCK, SIMDRIVE_OVERWRITE };

struct simdrive_range {
	uint64_t first, bytes;
};

struct simdrive_sanitize {
	bool running;
	bool failed;	/* failed mode: the medium cannot be read until the kind leaves it */
	bool ever_done; /* one ended well */
	bool written_since;
	enum simdrive_how how;
	uint32_t pattern; /* overwrite, as the command gave it (little-endian on the medium) */
	struct simdrive_range range;
	uint64_t begun_ms;
};

struct simdrive_model {
	enum command_interface interface;
	/* Those of its interface are required.  0: answered, the command tells how; -errno. */
	int (*nvme)(struct simdrive *drive, struct nvme_command *command);
	int (*scsi)(struct simdrive *drive, struct scsi_command *command);
	int (*mmc)(struct simdrive *drive, struct mmc_command *commands, uint32_t count);
	int (*mmc_registers)(struct simdrive *drive, struct mmc_registers *ret_registers);
	/* Optional, all of them. */
	int (*init)(struct simdrive *drive); /* fills in what options left out; makes own */
	void (*done)(struct simdrive *drive);
	void (*power_cut)(struct simdrive *drive);
	void (*reset)(struct simdrive *drive);
	bool (*is_blocked)(struct simdrive *drive); /* its medium cannot be read now: locked */
	void (*sanitized)(struct simdrive *drive);  /* the sanitize ended just now, well or not */
};

struct simdrive {
	struct simdrive_options options; /* with the defaults filled in */
	const struct simdrive_model *model;
	void *own; /* the kind's */
	struct command_port port;
	uint8_t *medium;
	uint64_t medium_bytes;	/* of all namespaces, hidden areas included */
	uint64_t visible_bytes; /* from the block path's beginning; a kind may change it */
	uint64_t visible_first;
	uint8_t *unmapped; /* one for each 512 visible bytes: they read as zeros; NULL: none has */
	uint64_t now_ms;
	struct simdrive_sanitize sanitize;
	uint64_t erases; /* gives each its own key */

	uint64_t commands, changes;
	uint64_t vanish_at, fail_at; /* commands from now; 0: never */
	bool gone, fired;
	void (*hook)(void *context, void *command, int result);
	void *hook_context;
};

extern const struct simdrive_model simdrive_nvme, simdrive_ata, simdrive_scsi, simdrive_mmc;

/* TCG level 0 discovery of a drive with Opal 2, unlocked.  page: 512 bytes of zeros; its length. */
size_t simdrive_level_0(uint8_t *page);
/* A command that would change the drive was given: counts it. */
void simdrive_changed(struct simdrive *drive);
/*
 * What an erase does to these bytes: zeros (block), the pattern, or other bytes (crypto).  As the
 * drive is honest: with lie, nothing; with residue, not the medium's last bytes.
 */
void simdrive_erase(struct simdrive *drive, enum simdrive_how how, uint32_t pattern,
	struct simdrive_range range);
/* Runs from now on; the medium changes at its end.  drive->sanitize tells how it goes. */
void simdrive_sanitize_begin(struct simdrive *drive, enum simdrive_how how, uint32_t pattern,
	struct simdrive_range range);
/* Of 65536, while it runs. */
uint32_t simdrive_sanitize_progress(const struct simdrive *drive);
/* What is due by now has happened.  The frame does it before each command. */
void simdrive_settle(struct simdrive *drive);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmc_impl.h - for those who send commands to an eMMC
 */
#ifndef SPOOLGUARD_DRIVES_MMC_IMPL_H
#define SPOOLGUARD_DRIVES_MMC_IMPL_H

#include "drives/drives_impl.h"
#include "drives/mmc_registers.h"

#define MMC_ASK_MS 15000u

enum {
	MMC_SWITCH = 6,
	MMC_SEND_EXT_CSD = 8,
	MMC_SEND_STATUS = 13,
	MMC_ERASE_START = 35,
	MMC_ERASE_END = 36,
	MMC_ERASE = 38,

	/* Linux: mmc/core.h, as its ioctl takes them. */
	MMC_FLAGS_R1 = 0x15 | 0x80,
	MMC_FLAGS_R1B = 0x1d | 0x80 | 0x400,
	MMC_FLAGS_DATA = 1 << 5,
};

/* EXT_CSD, twice, and both agree.  -EBADMSG.  ret_page: MMC_EXT_CSD_BYTES, or NULL. */
must_check int mmc_ask_extended(
	const struct command_port *port, uint8_t *ret_page, struct mmc_extended *ret_extended);
/* R1 of SEND_STATUS. */
must_check int mmc_ask_status(const struct command_port *port, uint32_t *ret_status);

must_check int mmc_erase_start(const struct method_run *run, struct method_result *result);
must_check int mmc_erase_poll(const struct method_run *run, struct method_result *result);
must_check int mmc_erase_finish(const struct method_run *run, struct method_result *result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmc.c - what an eMMC tells of itself, and what it offers (E1)
 *
 * Its boot partitions, its RPMB and its general purpose partitions are no part of the user area,
 * which the device is: told, and never touched.  Memory cards (SD) have neither EXT_CSD nor such
 * methods, and are sent nothing.
 */
#include "drives/mmc_impl.h"
#include <errno.h>
#include <string.h>

enum { ADDRESS_OF_CARD = 1 << 16 }; /* Linux gives an eMMC this one */

static const enum method_kind all_kinds[] = {METHOD_MMC_SANITIZE, METHOD_MMC_SECURE_TRIM};

/* --- commands --- */

static int read_extended(
	const struct command_port *port, uint8_t ret_page[static MMC_EXT_CSD_BYTES])
{
	struct mmc_command command = {.opcode = MMC_SEND_EXT_CSD,
		.flags = MMC_FLAGS_R1 | MMC_FLAGS_DATA,
		.data = ret_page,
		.block_bytes = MMC_EXT_CSD_BYTES,
		.blocks = 1,
		.timeout_ms = MMC_ASK_MS};

	memset(ret_page, 0, MMC_EXT_CSD_BYTES);
	return port->ops->mmc(port->context, &command, 1);
}

int mmc_ask_extended(
	const struct command_port *port, uint8_t *ret_page, struct mmc_extended *ret_extended)
{
	uint8_t once[MMC_EXT_CSD_BYTES], twice[MMC_EXT_CSD_BYTES];
	int r = read_extended(port, once);

	if (r >= 0)
		r = read_extended(port, twice);
	if (r < 0)
		return r;
	if (!mmc_extended_agree(once, twice))
		return -EBADMSG;
	if (ret_page)
		memcpy(ret_page, twice, MMC_EXT_CSD_BYTES);
	return mmc_extended_decode(twice, sizeof(twice), ret_extended);
}

int mmc_ask_status(const struct command_port *port, uint32_t *ret_status)
{
	struct mmc_command command = {.opcode = MMC_SEND_STATUS,
		.argument = ADDRESS_OF_CARD,
		.flags = MMC_FLAGS_R1,
		.timeout_ms = MMC_ASK_MS};
	int r = port->ops->mmc(port->context, &command, 1);

	if (r >= 0)
		*ret_status = command.response[0];
	return r;
}

/* --- facts and offers --- */

static void refuse_all(struct drive_facts *facts, const char *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++)
		offer_refuse(facts, all_kinds[i], "%s", why);
}

static void take_extended(const struct mmc_extended *extended, struct drive_facts *facts)
{
	if (extended->bytes > 0)
		facts->bytes = extended->bytes;
	facts->logical_bytes = facts->physical_bytes = extended->logical_bytes;
	facts->rotation_known = true;
	facts->mmc_boot = extended->boot_bytes > 0;
	facts->mmc_boot_bytes = extended->boot_bytes;
	facts->mmc_rpmb = extended->rpmb_bytes > 0;
	facts->mmc_rpmb_bytes = extended->rpmb_bytes;
	facts->mmc_general_bytes = extended->general_bytes;
	facts->health_known = extended->health_known;
	facts->healthy = extended->healthy;
	memcpy(facts->firmware, extended->firmware, sizeof(facts->firmware));
	memcpy(facts->health, extended->health, sizeof(facts->health));
}

static void offer_all(
	const struct mmc_extended *extended, const struct mmc_card *card, struct drive_facts *facts)
{
	if (card->write_protected) {
		refuse_all(facts, "its CSD says that it is write-protected");
		return;
	}
	if (facts->bytes < MMC_SECTOR_BYTES) {
		refuse_all(facts, "its size is not known");
		return;
	}
	if (extended->sanitize)
		offer_make(facts, METHOD_MMC_SANITIZE, REACH_DEVICE, UINT64_MAX);
	else
		offer_refuse(facts, METHOD_MMC_SANITIZE,
			"EXT_CSD (SEC_FEATURE_SUPPORT) says that the drive does not have it");
	if (extended->secure_erase && extended->trim)
		offer_make(facts, METHOD_MMC_SECURE_TRIM, REACH_DEVICE, UINT64_MAX);
	else
		offer_refuse(facts, METHOD_MMC_SECURE_TRIM,
			"EXT_CSD (SEC_FEATURE_SUPPORT) says that the drive does not have it");
}

static int ask(const struct command_port *port, struct drive_facts *facts)
{
	struct mmc_registers registers;
	struct mmc_extended extended;
	struct mmc_card card = {.model = ""};
	int r;

	if (!port->ops->mmc_registers || port->ops->mmc_registers(port->context, &registers) < 0) {
		refuse_all(facts, "what kind of card it is, is not known");
		return 0;
	}
	if (mmc_card_decode(&registers, &card) < 0) {
		refuse_all(facts, "what the drive tells of itself is damaged (CID, CSD)");
		return 0;
	}
	memcpy(facts->vendor, card.vendor, sizeof(facts->vendor));
	memcpy(facts->model, card.model, sizeof(facts->model));
	memcpy(facts->serial, card.serial, sizeof(facts->serial));
	if (!registers.is_emmc) {
		refuse_all(facts, "it is a memory card, which has no such command");
		return 0;
	}
	r = mmc_ask_extended(port, NULL, &extended);
	if (r == -EBADMSG) {
		refuse_all(facts, "what the drive tells of itself is damaged (EXT_CSD)");
		return 0;
	}
	if (r < 0)
		return r;
	take_extended(&extended, facts);
	offer_all(&extended, &card, facts);
	return 0;
}

const struct drive_ops drive_ops_mmc = {
	.ask = ask,
	.start = mmc_erase_start,
	.resume = mmc_erase_start,
	.poll = mmc_erase_poll,
	.finish = mmc_erase_finish,
};

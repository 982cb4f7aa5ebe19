/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/facts.h"
#include "drives/drives_impl.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[METHOD_KINDS] = {
	[METHOD_NVME_SANITIZE_CRYPTO] = "nvme-sanitize-crypto",
	[METHOD_NVME_SANITIZE_BLOCK] = "nvme-sanitize-block",
	[METHOD_NVME_SANITIZE_OVERWRITE] = "nvme-sanitize-overwrite",
	[METHOD_NVME_FORMAT_CRYPTO] = "nvme-format-crypto",
	[METHOD_NVME_FORMAT_USER_DATA] = "nvme-format-user-data",
	[METHOD_ATA_SANITIZE_CRYPTO] = "ata-sanitize-crypto",
	[METHOD_ATA_SANITIZE_BLOCK] = "ata-sanitize-block",
	[METHOD_ATA_SANITIZE_OVERWRITE] = "ata-sanitize-overwrite",
	[METHOD_ATA_ENHANCED_SECURITY_ERASE] = "ata-enhanced-security-erase",
	[METHOD_ATA_SECURITY_ERASE] = "ata-security-erase",
	[METHOD_SCSI_SANITIZE_CRYPTO] = "scsi-sanitize-crypto",
	[METHOD_SCSI_SANITIZE_BLOCK] = "scsi-sanitize-block",
	[METHOD_SCSI_SANITIZE_OVERWRITE] = "scsi-sanitize-overwrite",
	[METHOD_MMC_SANITIZE] = "mmc-sanitize",
	[METHOD_MMC_SECURE_TRIM] = "mmc-secure-trim",
	[METHOD_SECURE_DISCARD] = "secure-discard",
};

const char *method_name(enum method_kind kind)
{
	return (unsigned int)kind < METHOD_KINDS ? names[kind] : "unknown";
}

const char *facts_tcg_text(const struct drive_facts *facts)
{
	if (facts->opal_unknown)
		return "it may be a self-encrypting drive (TCG), but cannot be asked: Linux lets "
		       "such "
		       "commands through to an ATA drive only if booted with libata.allow_tpm=1";
	if (!facts->opal)
		return NULL;
	return facts->opal_locked
		       ? "a self-encrypting drive (TCG), and locked: PSID revert is not supported "
			 "here; revert it with its maker's tool or sedutil-cli and the PSID on its "
			 "label"
		       : "a self-encrypting drive (TCG): PSID revert is not supported here; its "
			 "maker's tool or sedutil-cli does it with the PSID on its label";
}

int method_parse(const char *name, enum method_kind *ret_kind)
{
	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++) {
		if (strcmp(names[kind], name) == 0) {
			*ret_kind = (enum method_kind)kind;
			return 0;
		}
	}
	return -EINVAL;
}

/* One line for each interface whose commands are known. */
static const struct drive_ops *ops_of_interface(enum command_interface interface, bool is_ata)
{
	switch (interface) {
	case INTERFACE_NVME:
		return &drive_ops_nvme;
	case INTERFACE_SCSI:
		return is_ata ? &drive_ops_ata : &drive_ops_scsi; /* which asks both */
	case INTERFACE_MMC:
		return &drive_ops_mmc;
	case INTERFACE_BLOCK:
		return NULL;
	}
	return NULL;
}

const struct drive_ops *drive_ops_of(const struct drive_facts *facts, enum method_kind kind)
{
	if (kind == METHOD_SECURE_DISCARD)
		return &drive_ops_discard;
	return ops_of_interface(facts->interface, facts->is_ata);
}

int facts_ask(const struct command_port *port, struct drive_facts *ret_facts)
{
	const struct drive_ops *ops = ops_of_interface(port->interface, false);
	struct drive_facts facts = {.interface = port->interface, .bytes = port->bytes};
	int r;

	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++)
		facts.methods[kind].estimated_s = UINT64_MAX;
	if (ops) {
		r = ops->ask(port, &facts);
		if (r < 0)
			return r;
	}
	r = drive_ops_discard.ask(port, &facts);
	if (r < 0)
		return r;
	*ret_facts = facts;
	return 0;
}

void offer_make(struct drive_facts *facts, enum method_kind kind, enum method_reach reach,
	uint64_t estimated_s)
{
	facts->methods[kind] =
		(struct method_offer){.offered = true, .reach = reach, .estimated_s = estimated_s};
}

void offer_refuse(struct drive_facts *facts, enum method_kind kind, const char *format, ...)
{
	struct method_offer *offer = &facts->methods[kind];
	va_list arguments;

	*offer = (struct method_offer){.estimated_s = UINT64_MAX};
	va_start(arguments, format);
	vsnprintf(offer->why_not, sizeof(offer->why_not), format, arguments);
	va_end(arguments);
}

void facts_text(char ret_text[static FACTS_TEXT_BYTES], const uint8_t *field, size_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes && field[i] != 0 && count + 1 < FACTS_TEXT_BYTES; i++) {
		if (field[i] < ' ' || field[i] > '~')
			ret_text[count++] = '?';
		else if (field[i] != ' ' || count > 0)
			ret_text[count++] = (char)field[i];
	}
	while (count > 0 && ret_text[count - 1] == ' ')
		count--;
	ret_text[count] = '\0';
}

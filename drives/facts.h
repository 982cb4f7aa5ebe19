/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what a drive says of itself, and which of its own ways to forget it offers
 *
 * Asked by commands that change nothing: NVMe Identify, SCSI INQUIRY and its pages, ATA IDENTIFY
 * DEVICE and its logs, EXT_CSD.  An answer that is damaged, cut short or contradicts itself makes
 * the fact "not known", never a better one.
 *
 *   E1  A method is offered only if the drive says, by the bit that the standard names, that it
 *       has it: SANICAP, FNA and OACS for NVMe; IDENTIFY words 59, 82, 89, 90 and 128 for ATA;
 *       REPORT SUPPORTED OPERATION CODES for SCSI; EXT_CSD byte 231 for MMC.
 *   E2  Offered is not performed: what it did is judged from the medium (method.h).
 */
#ifndef SPOOLGUARD_DRIVES_FACTS_H
#define SPOOLGUARD_DRIVES_FACTS_H

#include "drives/command.h"

#define FACTS_TEXT_BYTES     64
#define FACTS_WHY_BYTES	     192
#define FACTS_NAMESPACES_MAX 128

/* Best first: this is the order in which they are tried. */
enum method_kind {
	METHOD_NVME_SANITIZE_CRYPTO,
	METHOD_NVME_SANITIZE_BLOCK,
	METHOD_NVME_SANITIZE_OVERWRITE,
	METHOD_NVME_FORMAT_CRYPTO,
	METHOD_NVME_FORMAT_USER_DATA,
	METHOD_ATA_SANITIZE_CRYPTO,
	METHOD_ATA_SANITIZE_BLOCK,
	METHOD_ATA_SANITIZE_OVERWRITE,
	METHOD_ATA_ENHANCED_SECURITY_ERASE,
	METHOD_ATA_SECURITY_ERASE,
	METHOD_SCSI_SANITIZE_CRYPTO,
	METHOD_SCSI_SANITIZE_BLOCK,
	METHOD_SCSI_SANITIZE_OVERWRITE,
	METHOD_MMC_SANITIZE,
	METHOD_MMC_SECURE_TRIM,
	METHOD_SECURE_DISCARD,
	METHOD_KINDS
};

enum method_reach { REACH_DEVICE, REACH_NAMESPACE, REACH_SUBSYSTEM };

struct method_offer {
	bool offered;
	char why_not[FACTS_WHY_BYTES]; /* if not; "" only if the interface has no such method */
	uint64_t estimated_s;	       /* UINT64_MAX: the drive does not say */
	enum method_reach reach;
};

struct drive_facts {
	enum command_interface interface;
	bool is_ata; /* behind INTERFACE_SCSI */
	char vendor[FACTS_TEXT_BYTES], model[FACTS_TEXT_BYTES], serial[FACTS_TEXT_BYTES];
	char firmware[FACTS_TEXT_BYTES];
	char wwn[FACTS_TEXT_BYTES]; /* "naa.5000c500a1b2c3d4", "eui.0025385...", "nguid...."; "" */
	uint64_t bytes;		    /* addressable now */
	uint64_t native_bytes;	    /* with HPA, AMA and DCO taken away; 0: not known */
	bool hpa, ama, dco;	    /* something is hidden, and how */
	uint32_t logical_bytes, physical_bytes; /* sectors */
	bool rotation_known;
	uint32_t rotation_rpm; /* 0: no rotation: flash */
	bool zoned;

	struct {
		bool supported, enabled, locked, frozen, count_expired, enhanced;
		uint64_t erase_s, enhanced_erase_s; /* 0: not said */
	} security;				    /* ATA, words 128, 89, 90 */
	struct {
		bool idle_known, in_progress, failed; /* a sanitize that was begun earlier */
		uint32_t progress;		      /* of 65536 */
	} sanitize;
	bool opal;	   /* TCG: detected, level 0 discovery */
	bool opal_unknown; /* it says that it takes such commands, and they do not come through */
	bool opal_locked;  /* a range of it is locked */

	/* eMMC: other partitions than the user area, which no method touches. */
	bool mmc_boot, mmc_rpmb;
	uint64_t mmc_boot_bytes; /* of each of two */
	uint64_t mmc_rpmb_bytes, mmc_general_bytes;

	/* NVMe.  What the list does not show (cut, or other controllers' own) may still be reached.
	 */
	uint32_t nsid; /* the device's own; 0: the device is the controller */
	uint32_t namespaces[FACTS_NAMESPACES_MAX];
	uint32_t namespace_count;
	bool namespaces_known;	  /* all of them are in the list */
	bool several_controllers; /* the subsystem has others */

	bool health_known, healthy;
	char health[FACTS_WHY_BYTES]; /* in words: what it warns of */

	struct method_offer methods[METHOD_KINDS];
};

/* -errno: the drive could not be asked at all.  What it does not tell is left "not known". */
must_check int facts_ask(const struct command_port *port, struct drive_facts *ret_facts);

/*
 * The one line about self-encryption (TCG Opal, Enterprise, Pyrite, Ruby): what is not spoken here,
 * and what to do instead.  NULL: nothing speaks for such a drive.
 */
const char *facts_tcg_text(const struct drive_facts *facts);

/* "nvme-sanitize-crypto", ...: for programs and certificates. */
const char *method_name(enum method_kind kind);
/* -EINVAL. */
must_check int method_parse(const char *name, enum method_kind *ret_kind);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme_identify.h - what an NVMe drive's pages say; pure
 *
 * A page that is cut, all of one byte (what a dead bus gives), or that holds what the standard
 * does not allow where it matters, is -EBADMSG: nothing of it is known.
 * Source: NVM Express Base 2.0 5.17 (Identify), 5.16.1.3 (SMART), 5.16.1.25 (Sanitize Status),
 * NVM Command Set 1.0 4.1.5; little-endian.
 */
#ifndef SPOOLGUARD_DRIVES_NVME_IDENTIFY_H
#define SPOOLGUARD_DRIVES_NVME_IDENTIFY_H

#include "drives/facts.h"

#define NVME_PAGE_BYTES		  4096u
#define NVME_SANITIZE_LOG_BYTES	  512u
#define NVME_SMART_LOG_BYTES	  512u
#define NVME_ALL_NAMESPACES	  0xffffffffu
#define NVME_SANITIZE_NO_ESTIMATE 0xffffffffu

struct nvme_controller {
	char serial[FACTS_TEXT_BYTES], model[FACTS_TEXT_BYTES], firmware[FACTS_TEXT_BYTES];
	uint32_t version;
	uint64_t capacity_bytes; /* TNVMCAP; 0: not told, or more than 64 bits hold */
	/* OACS */
	bool security, format, namespace_management;
	/* FNA */
	bool format_takes_all, erase_takes_all, crypto_erase, no_broadcast_format;
	/* SANICAP */
	bool sanitize_crypto, sanitize_block, sanitize_overwrite;
	bool no_deallocate_inhibited;
	bool several_controllers; /* CMIC */
};

struct nvme_namespace {
	uint64_t bytes;
	uint32_t logical_bytes;
	char wwn[FACTS_TEXT_BYTES];
	uint32_t format_as_is; /* Format's CDW10 that keeps sector size, metadata and protection */
};

enum nvme_sanitize_status {
	NVME_SANITIZE_NEVER = 0,
	NVME_SANITIZE_OK = 1,
	NVME_SANITIZE_RUNNING = 2,
	NVME_SANITIZE_FAILED = 3,
	NVME_SANITIZE_OK_DEALLOCATED = 4, /* although that was not wanted */
};

struct nvme_sanitize_log {
	uint32_t progress; /* of 65536 */
	enum nvme_sanitize_status status;
	bool global_data_erased; /* nothing was written since */
	uint32_t action;	 /* SANACT of the last Sanitize command */
	/* NVME_SANITIZE_NO_ESTIMATE: not told; with deallocation, and without. */
	uint32_t crypto_s[2], block_s[2], overwrite_s[2];
};

struct nvme_health {
	bool healthy;
	char text[FACTS_WHY_BYTES];
};

must_check int nvme_controller_decode(
	const uint8_t *page, size_t bytes, struct nvme_controller *ret_controller);
must_check int nvme_namespace_decode(
	const uint8_t *page, size_t bytes, struct nvme_namespace *ret_namespace);
/* A list of namespaces, ascending.  -E2BIG: there may be more than fit. */
must_check int nvme_list_decode(const uint8_t *page, size_t bytes,
	uint32_t ret_list[static FACTS_NAMESPACES_MAX], uint32_t *ret_count);
must_check int nvme_sanitize_log_decode(
	const uint8_t *page, size_t bytes, struct nvme_sanitize_log *ret_log);
must_check int nvme_health_decode(
	const uint8_t *page, size_t bytes, struct nvme_health *ret_health);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme_impl.h - NVMe commands that both what asks and what erases send
 */
#ifndef SPOOLGUARD_DRIVES_NVME_IMPL_H
#define SPOOLGUARD_DRIVES_NVME_IMPL_H

#include "drives/drives_impl.h"
#include "drives/nvme_identify.h"

enum {
	NVME_GET_LOG_PAGE = 0x02,
	NVME_IDENTIFY = 0x06,
	NVME_FORMAT = 0x80,
	NVME_SECURITY_RECEIVE = 0x82,
	NVME_SANITIZE = 0x84,

	NVME_LOG_SANITIZE = 0x81,

	NVME_INVALID_FIELD = 0x02,
	NVME_STATUS_SANITIZE_FAILED = 0x1c,
	NVME_STATUS_SANITIZE_IN_PROGRESS = 0x1d,

	NVME_ASK_MS = 30 * 1000, /* for a command that answers at once */
};

/* Sends.  -errno: not delivered; else the status (0: success). */
must_check int nvme_send(const struct command_port *port, struct nvme_command *command);
/* These take an answer that is no success as -EIO, or -EOPNOTSUPP if the drive does not know it. */
must_check int nvme_identify(const struct command_port *port, uint8_t cns, uint32_t nsid,
	uint8_t ret_page[static NVME_PAGE_BYTES]);
must_check int nvme_log(
	const struct command_port *port, uint8_t log, uint8_t *ret_page, uint32_t bytes);

/* In words, for people: "a sanitize is in progress (1dh)"; returns buf. */
const char *nvme_status_text(int status, char *buf, size_t buf_bytes);

int nvme_sanitize_start(const struct method_run *run, struct method_result *result);
int nvme_sanitize_resume(const struct method_run *run, struct method_result *result);
int nvme_sanitize_poll(const struct method_run *run, struct method_result *result);
int nvme_sanitize_finish(const struct method_run *run, struct method_result *result);

/* Exit Failure Mode, recorded; that it is refused goes into detail, and is no error. */
int nvme_leave_failure(const struct method_run *run, struct method_result *result);

int nvme_format_start(const struct method_run *run, struct method_result *result);
int nvme_format_poll(const struct method_run *run, struct method_result *result);

#endif

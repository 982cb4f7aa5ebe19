/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme_format.c - Format NVM with secure erase (NVM Express Base 2.0 5.14)
 *
 * The command ends with its work; a failed sanitize's failure mode is left for it.  Sector size,
 * metadata and protection stay as they are: what Identify Namespace says of them goes back into the
 * command.
 */
#include "drives/nvme_impl.h"
#include <errno.h>
#include <string.h>

enum {
	CNS_NAMESPACE = 0x00,
	SES_AT_BIT = 9,
	SES_USER_DATA = 1,
	SES_CRYPTO = 2,
	STATUS_FORMAT_IN_PROGRESS = 0x84,
	STATUS_TEXT_BYTES = 96,
};

static int ask_format(const struct method_run *run, uint32_t *ret_as_is)
{
	uint8_t page[NVME_PAGE_BYTES];
	struct nvme_namespace space;
	int r = nvme_identify(run->port, CNS_NAMESPACE, run->facts->nsid, page);

	if (r >= 0)
		r = nvme_namespace_decode(page, sizeof(page), &space);
	if (r < 0)
		return r;
	*ret_as_is = space.format_as_is;
	return 0;
}

/* The status, or -errno. */
static int send_format(
	const struct method_run *run, struct method_result *result, struct nvme_command *command)
{
	int r = method_note(run, METHOD_STEP_ERASE, false);

	if (r < 0)
		return r;
	r = nvme_send(run->port, command);
	if (r < 0)
		method_say(result, METHOD_LOST, "the format was cut off: %s", strerror(-r));
	return r;
}

int nvme_format_start(const struct method_run *run, struct method_result *result)
{
	uint32_t ses = run->kind == METHOD_NVME_FORMAT_CRYPTO ? SES_CRYPTO : SES_USER_DATA;
	struct nvme_command command = {
		.opcode = NVME_FORMAT,
		.nsid = run->facts->nsid,
		.timeout_ms = method_command_ms(run),
	};
	char text[STATUS_TEXT_BYTES];
	uint32_t as_is;
	int r = ask_format(run, &as_is);

	if (r < 0)
		return r;
	command.cdw10 = as_is | ses << SES_AT_BIT;
	r = send_format(run, result, &command);
	if (r == NVME_STATUS_SANITIZE_FAILED) {
		r = nvme_leave_failure(run, result);
		if (r >= 0)
			r = send_format(run, result, &command);
	}
	if (r < 0)
		return r;
	if (r == NVME_STATUS_SANITIZE_IN_PROGRESS || r == STATUS_FORMAT_IN_PROGRESS) {
		method_say(result, METHOD_READY, "the drive refuses: %s",
			nvme_status_text(r, text, sizeof(text)));
		return -EBUSY;
	}
	if (r > 0) {
		method_say(result, METHOD_FAILED, "the drive refuses the format: %s",
			nvme_status_text(r, text, sizeof(text)));
		return 0;
	}
	result->progress = PROGRESS_WHOLE;
	if (run->facts->methods[run->kind].reach == REACH_NAMESPACE &&
		(run->facts->namespace_count > 1 || !run->facts->namespaces_known))
		method_say(result, METHOD_DONE,
			"the drive says that it succeeded, for namespace %u and no other",
			run->facts->nsid);
	else
		method_say(result, METHOD_DONE, "the drive says that it succeeded");
	return 0;
}

/* Asked only after its answer was lost. */
int nvme_format_poll(const struct method_run *run, struct method_result *result)
{
	uint32_t as_is;
	int r = ask_format(run, &as_is);

	if (r < 0)
		return r;
	method_say(result, METHOD_FAILED, "the format was cut off, and its end is not known");
	return 0;
}

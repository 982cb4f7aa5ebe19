/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme.c - what an NVMe drive tells of itself, and what it offers (E1)
 *
 * The controller is asked twice, and both answers must agree in all that the standard names: an
 * Identify page carries no checksum, and one wrong bit would offer a method that is not there.
 */
#include "drives/nvme_impl.h"
#include "drives/tcg.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	CNS_NAMESPACE = 0x00,
	CNS_CONTROLLER = 0x01,
	CNS_ACTIVE_LIST = 0x02,
	CNS_INDEPENDENT = 0x08, /* of the command set; since 2.0 */
	CNS_ALLOCATED_LIST = 0x10,
	VERSION_2_0 = 0x20000,
	ROTATIONAL = 1 << 4,	   /* of NSFEAT there */
	VENDOR_SPECIFIC_AT = 3072, /* of Identify Controller: what lies behind may change at will */
	LOG_SMART = 0x02,
};

/* --- commands --- */

int nvme_send(const struct command_port *port, struct nvme_command *command)
{
	int r = port->ops->nvme_admin(port->context, command);

	return r < 0 ? r : command->status;
}

static int as_errno(int status)
{
	if (status <= 0)
		return status;
	return status == 1 || status == NVME_INVALID_FIELD || status == 0x109 ? -EOPNOTSUPP : -EIO;
}

int nvme_identify(const struct command_port *port, uint8_t cns, uint32_t nsid,
	uint8_t ret_page[static NVME_PAGE_BYTES])
{
	struct nvme_command command = {
		.opcode = NVME_IDENTIFY,
		.nsid = nsid,
		.cdw10 = cns,
		.data = ret_page,
		.data_bytes = NVME_PAGE_BYTES,
		.timeout_ms = NVME_ASK_MS,
	};

	memset(ret_page, 0, NVME_PAGE_BYTES);
	return as_errno(nvme_send(port, &command));
}

int nvme_log(const struct command_port *port, uint8_t log, uint8_t *ret_page, uint32_t bytes)
{
	struct nvme_command command = {
		.opcode = NVME_GET_LOG_PAGE,
		.nsid = NVME_ALL_NAMESPACES,
		.cdw10 = (bytes / 4 - 1) << 16 | log,
		.data = ret_page,
		.data_bytes = bytes,
		.timeout_ms = NVME_ASK_MS,
	};

	memset(ret_page, 0xff, bytes); /* a status that the standard does not have */
	return as_errno(nvme_send(port, &command));
}

const char *nvme_status_text(int status, char *buf, size_t buf_bytes)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{0x01, "it does not know the command"},
		{0x02, "a field of the command is invalid"},
		{0x04, "transfer error"},
		{0x05, "power loss"},
		{0x06, "internal error"},
		{0x07, "aborted"},
		{0x0b, "invalid namespace"},
		{0x15, "operation denied: the drive is locked"},
		{NVME_STATUS_SANITIZE_FAILED, "an earlier sanitize failed"},
		{NVME_STATUS_SANITIZE_IN_PROGRESS, "a sanitize is in progress"},
		{0x20, "the namespace is write-protected"},
		{0x84, "a format is in progress"},
		{0x10a, "invalid format"},
		{0x10b, "it wants a reset first: new firmware"},
		{0x110, "it wants a subsystem reset first: new firmware"},
		{0x111, "it wants a controller reset first: new firmware"},
		{0x123, "sanitize prohibited while persistent memory is enabled"},
		{0x286, "access denied: the drive is locked"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].status == status) {
			snprintf(buf, buf_bytes, "%s (%xh)", texts[i].text, (unsigned int)status);
			return buf;
		}
	}
	snprintf(buf, buf_bytes, "status %xh", (unsigned int)status);
	return buf;
}

/* --- facts --- */

static int ask_controller(const struct command_port *port, struct nvme_controller *ret_controller)
{
	uint8_t once[NVME_PAGE_BYTES], twice[NVME_PAGE_BYTES];
	int r = nvme_identify(port, CNS_CONTROLLER, 0, once);

	if (r >= 0)
		r = nvme_identify(port, CNS_CONTROLLER, 0, twice);
	if (r < 0)
		return r;
	if (memcmp(once, twice, VENDOR_SPECIFIC_AT) != 0)
		return -EBADMSG;
	return nvme_controller_decode(once, sizeof(once), ret_controller);
}

static void ask_list(const struct command_port *port, const struct nvme_controller *controller,
	struct drive_facts *facts)
{
	uint8_t cns = controller->namespace_management ? CNS_ALLOCATED_LIST : CNS_ACTIVE_LIST;
	uint8_t page[NVME_PAGE_BYTES];
	int r = nvme_identify(port, cns, 0, page);

	if (r >= 0)
		r = nvme_list_decode(
			page, sizeof(page), facts->namespaces, &facts->namespace_count);
	if (r < 0)
		facts->namespace_count = 0;
	facts->several_controllers = controller->several_controllers;
	/* Only the list of all that are allocated shows what another controller has to itself. */
	facts->namespaces_known =
		r >= 0 && (cns == CNS_ALLOCATED_LIST || !controller->several_controllers);
}

static void ask_namespace(const struct command_port *port, struct drive_facts *facts)
{
	struct nvme_namespace space;
	uint8_t page[NVME_PAGE_BYTES];
	int r;

	facts->nsid = port->nsid;
	if (port->nsid == 0)
		return;
	r = nvme_identify(port, CNS_NAMESPACE, port->nsid, page);
	if (r >= 0)
		r = nvme_namespace_decode(page, sizeof(page), &space);
	if (r < 0)
		return;
	facts->bytes = space.bytes;
	facts->logical_bytes = facts->physical_bytes = space.logical_bytes;
	memcpy(facts->wwn, space.wwn, sizeof(facts->wwn));
}

/* Before 2.0 no NVMe drive rotated. */
static void ask_rotation(const struct command_port *port, const struct nvme_controller *controller,
	struct drive_facts *facts)
{
	uint8_t page[NVME_PAGE_BYTES];

	if (controller->version < VERSION_2_0)
		facts->rotation_known = controller->version > 0;
	else if (port->nsid > 0 && nvme_identify(port, CNS_INDEPENDENT, port->nsid, page) >= 0)
		facts->rotation_known = !(page[0] & ROTATIONAL);
}

static void ask_health(const struct command_port *port, struct drive_facts *facts)
{
	uint8_t page[NVME_SMART_LOG_BYTES];
	struct nvme_health health;
	int r = nvme_log(port, LOG_SMART, page, sizeof(page));

	if (r >= 0)
		r = nvme_health_decode(page, sizeof(page), &health);
	if (r < 0)
		return;
	facts->health_known = true;
	facts->healthy = health.healthy;
	memcpy(facts->health, health.text, sizeof(facts->health));
}

static void ask_tcg(const struct command_port *port, const struct nvme_controller *controller,
	struct drive_facts *facts)
{
	uint8_t page[TCG_LEVEL_0_BYTES] = {0};
	struct tcg_level_0 discovery;
	struct nvme_command command = {
		.opcode = NVME_SECURITY_RECEIVE,
		.cdw10 = TCG_PROTOCOL << 24 | TCG_LEVEL_0 << 8,
		.cdw11 = sizeof(page),
		.data = page,
		.data_bytes = sizeof(page),
		.timeout_ms = NVME_ASK_MS,
	};

	if (!controller->security || nvme_send(port, &command) != 0 ||
		tcg_level_0_decode(page, sizeof(page), &discovery) < 0)
		return;
	facts->opal = discovery.subsystem;
	facts->opal_locked = discovery.locked;
}

/* --- offers --- */

static const enum method_kind all_kinds[] = {METHOD_NVME_SANITIZE_CRYPTO,
	METHOD_NVME_SANITIZE_BLOCK, METHOD_NVME_SANITIZE_OVERWRITE, METHOD_NVME_FORMAT_CRYPTO,
	METHOD_NVME_FORMAT_USER_DATA};

static void offer_sanitize(struct drive_facts *facts, enum method_kind kind, bool says,
	int log_answer, const uint32_t seconds[static 2], bool no_deallocate)
{
	uint32_t estimate = seconds[no_deallocate ? 1 : 0];

	if (!says)
		offer_refuse(facts, kind, "SANICAP says that the drive does not have it");
	else if (log_answer < 0)
		offer_refuse(facts, kind,
			"the sanitize status log cannot be read, so that its end could not be "
			"known");
	else
		offer_make(facts, kind, REACH_SUBSYSTEM,
			estimate == NVME_SANITIZE_NO_ESTIMATE ? UINT64_MAX : estimate);
}

static void ask_sanitize(const struct command_port *port, const struct nvme_controller *controller,
	struct drive_facts *facts)
{
	bool keeps = !controller->no_deallocate_inhibited;
	bool any = controller->sanitize_crypto || controller->sanitize_block ||
		   controller->sanitize_overwrite;
	uint8_t page[NVME_SANITIZE_LOG_BYTES];
	struct nvme_sanitize_log log = {0};
	int r = any ? nvme_log(port, NVME_LOG_SANITIZE, page, sizeof(page)) : -EOPNOTSUPP;

	if (r >= 0)
		r = nvme_sanitize_log_decode(page, sizeof(page), &log);
	if (r >= 0) {
		facts->sanitize.idle_known = true;
		facts->sanitize.in_progress = log.status == NVME_SANITIZE_RUNNING;
		facts->sanitize.failed = log.status == NVME_SANITIZE_FAILED;
		facts->sanitize.progress = facts->sanitize.in_progress ? log.progress : 0;
	}
	offer_sanitize(facts, METHOD_NVME_SANITIZE_CRYPTO, controller->sanitize_crypto, r,
		log.crypto_s, keeps);
	offer_sanitize(facts, METHOD_NVME_SANITIZE_BLOCK, controller->sanitize_block, r,
		log.block_s, keeps);
	offer_sanitize(facts, METHOD_NVME_SANITIZE_OVERWRITE, controller->sanitize_overwrite, r,
		log.overwrite_s, keeps);
}

static void offer_format(const struct nvme_controller *controller, struct drive_facts *facts)
{
	bool takes_all = controller->format_takes_all || controller->erase_takes_all;
	enum method_reach reach = takes_all ? REACH_SUBSYSTEM : REACH_NAMESPACE;
	enum method_kind kinds[] = {METHOD_NVME_FORMAT_CRYPTO, METHOD_NVME_FORMAT_USER_DATA};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!controller->format)
			offer_refuse(
				facts, kinds[i], "OACS says that the drive does not have Format");
		else if (kinds[i] == METHOD_NVME_FORMAT_CRYPTO && !controller->crypto_erase)
			offer_refuse(
				facts, kinds[i], "FNA says that Format has no cryptographic erase");
		else if (facts->nsid == 0 || facts->logical_bytes == 0)
			offer_refuse(facts, kinds[i],
				"the namespace is not known: name its block device");
		else
			offer_make(facts, kinds[i], reach, UINT64_MAX);
	}
}

static int ask(const struct command_port *port, struct drive_facts *facts)
{
	struct nvme_controller controller;
	int r = ask_controller(port, &controller);

	if (r == -EBADMSG || r == -EOPNOTSUPP) {
		for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++)
			offer_refuse(
				facts, all_kinds[i], "what the drive tells of itself is damaged");
		facts->nsid = port->nsid;
		return 0;
	}
	if (r < 0)
		return r;
	memcpy(facts->model, controller.model, sizeof(facts->model));
	memcpy(facts->serial, controller.serial, sizeof(facts->serial));
	memcpy(facts->firmware, controller.firmware, sizeof(facts->firmware));
	facts->native_bytes = controller.capacity_bytes;
	ask_list(port, &controller, facts);
	ask_namespace(port, facts);
	ask_rotation(port, &controller, facts);
	ask_health(port, facts);
	ask_tcg(port, &controller, facts);
	ask_sanitize(port, &controller, facts);
	offer_format(&controller, facts);
	return 0;
}

/* --- methods --- */

static bool is_format(enum method_kind kind)
{
	return kind == METHOD_NVME_FORMAT_CRYPTO || kind == METHOD_NVME_FORMAT_USER_DATA;
}

static int start(const struct method_run *run, struct method_result *result)
{
	return is_format(run->kind) ? nvme_format_start(run, result)
				    : nvme_sanitize_start(run, result);
}

/* Nobody knows how far a Format came that was cut: it is begun again. */
static int resume(const struct method_run *run, struct method_result *result)
{
	return is_format(run->kind) ? nvme_format_start(run, result)
				    : nvme_sanitize_resume(run, result);
}

static int poll_once(const struct method_run *run, struct method_result *result)
{
	return is_format(run->kind) ? nvme_format_poll(run, result)
				    : nvme_sanitize_poll(run, result);
}

static int finish(const struct method_run *run, struct method_result *result)
{
	return is_format(run->kind) ? 0 : nvme_sanitize_finish(run, result);
}

const struct drive_ops drive_ops_nvme = {
	.ask = ask,
	.start = start,
	.resume = resume,
	.poll = poll_once,
	.finish = finish,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/simdrive_tcp.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 8,
	PENDING_MAX = 128, /* as deep as a queue */
	TRANSFER_MAX = 256 * 1024,
	IN_CAPSULE_BYTES = 8192,
	PDU_MAX = 256 + TRANSFER_MAX,
	PATIENCE_S = 30, /* for the rest of a PDU */

	PDU_IC_REQUEST = 0,
	PDU_IC_RESPONSE = 1,
	PDU_COMMAND = 4,
	PDU_RESPONSE = 5,
	PDU_DATA_OUT = 6, /* host to controller */
	PDU_DATA_IN = 7,
	PDU_READY = 9, /* ready to transfer */
	PDU_HEADER_BYTES = 8,
	SHORT_BYTES = 24, /* of response, data and ready PDUs */
	IC_BYTES = 128,
	COMMAND_BYTES = 64,
	LAST_DATA = 1 << 2,

	ADMIN_KEEP_ALIVE = 0x18,
	ADMIN_SET_FEATURES = 0x09,
	ADMIN_GET_FEATURES = 0x0a,
	ADMIN_EVENT = 0x0c,
	ADMIN_IDENTIFY = 0x06,
	FABRICS = 0x7f,
	FABRICS_SET_PROPERTY = 0x00,
	FABRICS_CONNECT = 0x01,
	FABRICS_GET_PROPERTY = 0x04,
	IO_FLUSH = 0,
	IO_WRITE = 1,
	IO_READ = 2,

	SGL_IN_CAPSULE = 0x01,
	SGL_TRANSPORT = 0x5a,

	STATUS_INVALID_OPCODE = 0x01,
	STATUS_INVALID_FIELD = 0x02,
	STATUS_SANITIZE_FAILED = 0x1c,
	STATUS_SANITIZE_IN_PROGRESS = 0x1d,
	STATUS_LBA_RANGE = 0x80,
	STATUS_WRITE_FAULT = 0x280,
	STATUS_READ_ERROR = 0x281,
};

/* A command whose data has not come yet. */
struct pending {
	bool used;
	uint8_t command[COMMAND_BYTES];
	uint8_t *data;
	uint32_t bytes, received;
};

struct connection {
	int fd; /* owned; -1: free */
	uint16_t queue;
	bool greeted;
	struct pending pending[PENDING_MAX];
};

struct simdrive_tcp {
	struct simdrive *drive;
	int listener;
	uint32_t configuration; /* CC */
	uint64_t told_ms;	/* the clock when the model's time was last moved */
	struct connection connections[CONNECTIONS_MAX];
	uint8_t pdu[PDU_MAX];
	uint8_t data[TRANSFER_MAX];
};

struct answer {
	uint64_t result;
	uint16_t status;
	uint32_t data_bytes; /* of target->data, to the host */
	bool none;	     /* later, or never */
};

/* --- the wire --- */

static bool receive(int fd, uint8_t *buf, size_t bytes)
{
	while (bytes > 0) {
		ssize_t some = recv(fd, buf, bytes, 0);

		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			return false;
		buf += some;
		bytes -= (size_t)some;
	}
	return true;
}

static bool send_all(int fd, const uint8_t *buf, size_t bytes)
{
	while (bytes > 0) {
		ssize_t some = send(fd, buf, bytes, MSG_NOSIGNAL);

		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			return false;
		buf += some;
		bytes -= (size_t)some;
	}
	return true;
}

static void put_header(uint8_t *pdu, uint8_t type, uint8_t flags, uint8_t header_bytes,
	uint8_t data_at, uint32_t bytes)
{
	memset(pdu, 0, header_bytes);
	pdu[0] = type;
	pdu[1] = flags;
	pdu[2] = header_bytes;
	pdu[3] = data_at;
	bytes_put_le32(pdu + 4, bytes);
}

static bool send_data(
	struct connection *connection, const uint8_t *command, const uint8_t *data, uint32_t bytes)
{
	uint8_t pdu[SHORT_BYTES];

	put_header(pdu, PDU_DATA_IN, LAST_DATA, SHORT_BYTES, SHORT_BYTES, SHORT_BYTES + bytes);
	memcpy(pdu + 8, command + 2, 2);
	bytes_put_le32(pdu + 16, bytes);
	return send_all(connection->fd, pdu, sizeof(pdu)) && send_all(connection->fd, data, bytes);
}

static bool send_response(
	struct connection *connection, const uint8_t *command, const struct answer *answer)
{
	uint8_t pdu[SHORT_BYTES];

	put_header(pdu, PDU_RESPONSE, 0, SHORT_BYTES, 0, SHORT_BYTES);
	bytes_put_le64(pdu + 8, answer->result);
	bytes_put_le16(pdu + 18, connection->queue);
	memcpy(pdu + 20, command + 2, 2);
	bytes_put_le16(pdu + 22, (uint16_t)(answer->status << 1));
	return send_all(connection->fd, pdu, sizeof(pdu));
}

/* --- Fabrics --- */

static uint64_t get_property(const struct simdrive_tcp *target, uint32_t offset)
{
	bool enabled = target->configuration & 1;
	bool down = target->configuration >> 14 & 3;

	switch (offset) {
	case 0x00: /* CAP: 128 entries, contiguous, 15 s, NVM command set */
		return 127 | 1u << 16 | 30u << 24 | 1ull << 37;
	case 0x08:
		return 0x10400;
	case 0x14:
		return target->configuration;
	case 0x1c: /* ready, shut down */
		return (enabled ? 1u : 0) | (down ? 2u << 2 : 0);
	default:
		return 0;
	}
}

static struct answer fabrics(
	struct simdrive_tcp *target, struct connection *connection, const uint8_t *command)
{
	switch (command[4]) {
	case FABRICS_CONNECT:
		connection->queue = bytes_get_le16(command + 42);
		return (struct answer){.result = 1};
	case FABRICS_GET_PROPERTY:
		return (struct answer){
			.result = get_property(target, bytes_get_le32(command + 44))};
	case FABRICS_SET_PROPERTY:
		if (bytes_get_le32(command + 44) == 0x14)
			target->configuration = bytes_get_le32(command + 48);
		return (struct answer){0};
	default:
		return (struct answer){.status = STATUS_INVALID_FIELD};
	}
}

/* --- admin --- */

/* What a drive behind a fabric says of that. */
static void add_fabrics_fields(uint8_t *page)
{
	bytes_put_le16(page + 320, 10); /* keep alive, in 100 ms */
	bytes_put_le16(page + 514, 128);
	bytes_put_le32(page + 536, 1 | 1u << 20); /* SGLs, and offsets in them */
	strcpy((char *)page + 768, SIMDRIVE_TCP_NQN);
	bytes_put_le32(page + 1792, (COMMAND_BYTES + IN_CAPSULE_BYTES) / 16);
	bytes_put_le32(page + 1796, 1);
	page[1803] = 1;
}

static struct answer model(struct simdrive_tcp *target, const uint8_t *command, uint32_t bytes)
{
	struct nvme_command nvme = {
		.opcode = command[0],
		.nsid = bytes_get_le32(command + 4),
		.cdw10 = bytes_get_le32(command + 40),
		.cdw11 = bytes_get_le32(command + 44),
		.cdw12 = bytes_get_le32(command + 48),
		.cdw13 = bytes_get_le32(command + 52),
		.cdw14 = bytes_get_le32(command + 56),
		.cdw15 = bytes_get_le32(command + 60),
		.data = bytes > 0 ? target->data : NULL,
		.data_bytes = bytes,
		.to_drive = (command[0] & 3) == 1,
	};
	const struct command_port *port = simdrive_port(target->drive);
	struct answer answer = {0};

	/* A drive that is gone does not answer at all. */
	if (port->ops->nvme_admin(port->context, &nvme) < 0) {
		answer.none = true;
		return answer;
	}
	answer.status = nvme.status;
	answer.result = nvme.result;
	if (nvme.status == 0 && !nvme.to_drive)
		answer.data_bytes = bytes;
	if (nvme.status == 0 && command[0] == ADMIN_IDENTIFY && (nvme.cdw10 & 0xff) == 1 &&
		bytes >= 4096)
		add_fabrics_fields(target->data);
	return answer;
}

static struct answer admin(struct simdrive_tcp *target, const uint8_t *command, uint32_t bytes)
{
	switch (command[0]) {
	case ADMIN_KEEP_ALIVE:
	case ADMIN_GET_FEATURES:
	case ADMIN_SET_FEATURES: /* of queues: one each, counted from 0 */
		return (struct answer){0};
	case ADMIN_EVENT:
		return (struct answer){.none = true};
	default:
		memset(target->data, 0, bytes);
		return model(target, command, bytes);
	}
}

/* --- I/O --- */

static uint16_t block_status(const struct simdrive_tcp *target, int error, bool writes)
{
	if (error >= 0)
		return 0;
	if (target->drive->sanitize.running)
		return STATUS_SANITIZE_IN_PROGRESS;
	if (target->drive->sanitize.failed)
		return STATUS_SANITIZE_FAILED;
	return writes ? STATUS_WRITE_FAULT : STATUS_READ_ERROR;
}

static struct answer transfer(
	struct simdrive_tcp *target, const uint8_t *command, const uint8_t *data, uint32_t bytes)
{
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	struct extent at = {bytes_get_le64(command + 40), bytes_get_le16(command + 48) + 1u};
	bool writes = command[0] == IO_WRITE;
	struct answer answer = {0};
	int r = simdrive_medium(target->drive, &bd);

	if (r < 0)
		return (struct answer){.status = STATUS_READ_ERROR};
	if (at.count * blockdev_block_bytes(bd) != bytes)
		return (struct answer){.status = STATUS_INVALID_FIELD};
	if (!extent_is_within(at, blockdev_blocks(bd)))
		return (struct answer){.status = STATUS_LBA_RANGE};
	if (writes)
		r = blockdev_write(bd, at, data, bytes);
	else
		r = blockdev_read(bd, at, target->data, bytes);
	answer.status = block_status(target, r, writes);
	answer.none = r == -ENODEV;
	if (r >= 0 && !writes)
		answer.data_bytes = bytes;
	return answer;
}

static struct answer io(
	struct simdrive_tcp *target, const uint8_t *command, const uint8_t *data, uint32_t bytes)
{
	switch (command[0]) {
	case IO_FLUSH:
		return (struct answer){0};
	case IO_WRITE:
	case IO_READ:
		return transfer(target, command, data, bytes);
	default:
		return (struct answer){.status = STATUS_INVALID_OPCODE};
	}
}

static void move_time(struct simdrive_tcp *target)
{
	uint64_t now_ms = clock_monotonic_ns() / 1000000u;

	simdrive_advance(target->drive, (uint32_t)(now_ms - target->told_ms));
	target->told_ms = now_ms;
}

/* data: what came with the command; bytes: as the command's SGL has it. */
static bool execute(struct simdrive_tcp *target, struct connection *connection,
	const uint8_t *command, const uint8_t *data, uint32_t bytes)
{
	struct answer answer;

	move_time(target);
	if (command[0] == FABRICS)
		answer = fabrics(target, connection, command);
	else if (connection->queue == 0)
		answer = admin(target, command, bytes);
	else
		answer = io(target, command, data, bytes);
	if (answer.none)
		return true;
	if (answer.data_bytes > 0 &&
		!send_data(connection, command, target->data, answer.data_bytes))
		return false;
	return send_response(connection, command, &answer);
}

/* --- PDUs; false: hang up --- */

static bool greet(struct connection *connection)
{
	uint8_t pdu[IC_BYTES];

	put_header(pdu, PDU_IC_RESPONSE, 0, IC_BYTES, 0, IC_BYTES);
	bytes_put_le32(pdu + 12, TRANSFER_MAX);
	connection->greeted = true;
	return send_all(connection->fd, pdu, sizeof(pdu));
}

static bool moves_to_drive(const uint8_t *command)
{
	return command[0] == FABRICS ? command[4] & 1 : (command[0] & 3) == 1;
}

static bool ask_for_data(struct connection *connection, const uint8_t *command, uint32_t bytes)
{
	uint8_t pdu[SHORT_BYTES];
	uint16_t tag = 0;
	struct pending *pending;

	while (tag < PENDING_MAX && connection->pending[tag].used)
		tag++;
	if (tag == PENDING_MAX)
		return false;
	pending = &connection->pending[tag];
	*pending = (struct pending){.used = true, .bytes = bytes, .data = malloc(bytes)};
	if (!pending->data) {
		pending->used = false;
		return false;
	}
	memcpy(pending->command, command, COMMAND_BYTES);
	put_header(pdu, PDU_READY, 0, SHORT_BYTES, 0, SHORT_BYTES);
	memcpy(pdu + 8, command + 2, 2);
	bytes_put_le16(pdu + 10, tag);
	bytes_put_le32(pdu + 16, bytes);
	return send_all(connection->fd, pdu, sizeof(pdu));
}

static bool take_command(
	struct simdrive_tcp *target, struct connection *connection, uint32_t pdu_bytes)
{
	const uint8_t *pdu = target->pdu, *command = pdu + PDU_HEADER_BYTES;
	uint32_t data_at = pdu[3], sgl_bytes;

	if (!connection->greeted || pdu_bytes < PDU_HEADER_BYTES + COMMAND_BYTES)
		return false;
	sgl_bytes = bytes_get_le32(command + 32);
	if (sgl_bytes > TRANSFER_MAX)
		return false;
	if (!moves_to_drive(command) || sgl_bytes == 0)
		return execute(target, connection, command, NULL, sgl_bytes);
	if (command[39] == SGL_TRANSPORT)
		return ask_for_data(connection, command, sgl_bytes);
	if (command[39] != SGL_IN_CAPSULE || data_at < PDU_HEADER_BYTES + COMMAND_BYTES ||
		data_at + sgl_bytes > pdu_bytes)
		return false;
	return execute(target, connection, command, pdu + data_at, sgl_bytes);
}

static bool take_data(
	struct simdrive_tcp *target, struct connection *connection, uint32_t pdu_bytes)
{
	const uint8_t *pdu = target->pdu;
	uint16_t tag;
	uint32_t offset, bytes, data_at = pdu[3];
	struct pending *pending;
	bool goes_on;

	if (pdu_bytes < SHORT_BYTES || data_at < SHORT_BYTES)
		return false;
	tag = bytes_get_le16(pdu + 10);
	offset = bytes_get_le32(pdu + 12);
	bytes = bytes_get_le32(pdu + 16);
	if (tag >= PENDING_MAX || !connection->pending[tag].used)
		return false;
	pending = &connection->pending[tag];
	if (data_at > pdu_bytes || bytes > pdu_bytes - data_at || offset != pending->received ||
		bytes > pending->bytes - pending->received)
		return false;
	memcpy(pending->data + offset, pdu + data_at, bytes);
	pending->received += bytes;
	if (pending->received < pending->bytes)
		return true;
	goes_on = execute(target, connection, pending->command, pending->data, pending->bytes);
	free(pending->data);
	*pending = (struct pending){0};
	return goes_on;
}

static bool take_pdu(struct simdrive_tcp *target, struct connection *connection)
{
	uint8_t *pdu = target->pdu;
	uint32_t bytes;

	if (!receive(connection->fd, pdu, PDU_HEADER_BYTES))
		return false;
	bytes = bytes_get_le32(pdu + 4);
	if (bytes < PDU_HEADER_BYTES || bytes > PDU_MAX ||
		!receive(connection->fd, pdu + PDU_HEADER_BYTES, bytes - PDU_HEADER_BYTES))
		return false;
	switch (pdu[0]) {
	case PDU_IC_REQUEST:
		return bytes == IC_BYTES && greet(connection);
	case PDU_COMMAND:
		return take_command(target, connection, bytes);
	case PDU_DATA_OUT:
		return take_data(target, connection, bytes);
	default:
		return false;
	}
}

/* --- connections --- */

static void hang_up(struct simdrive_tcp *target, struct connection *connection)
{
	/* The host begins anew when its admin queue is gone. */
	if (connection->queue == 0)
		target->configuration = 0;
	for (size_t i = 0; i < PENDING_MAX; i++)
		free(connection->pending[i].data);
	close(connection->fd);
	*connection = (struct connection){.fd = -1};
}

static void take_connection(struct simdrive_tcp *target)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = accept4(target->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;

	for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
		if (target->connections[i].fd >= 0)
			continue;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		target->connections[i].fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

int simdrive_tcp_new(struct simdrive *drive, int listener, struct simdrive_tcp **ret_target)
{
	struct simdrive_tcp *target = calloc(1, sizeof(*target));

	if (!target)
		return -ENOMEM;
	target->drive = drive;
	target->listener = listener;
	target->told_ms = clock_monotonic_ns() / 1000000u;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		target->connections[i].fd = -1;
	*ret_target = target;
	return 0;
}

void simdrive_tcp_free(struct simdrive_tcp *target)
{
	if (!target)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (target->connections[i].fd >= 0)
			hang_up(target, &target->connections[i]);
	free(target);
}

int simdrive_tcp_turn(struct simdrive_tcp *target, int timeout_ms)
{
	struct pollfd waited[CONNECTIONS_MAX + 1] = {{.fd = target->listener, .events = POLLIN}};
	int r;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		waited[i + 1] = (struct pollfd){.fd = target->connections[i].fd, .events = POLLIN};
	r = poll(waited, ARRAY_SIZE(waited), timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (waited[0].revents)
		take_connection(target);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (waited[i + 1].revents && !take_pdu(target, &target->connections[i]))
			hang_up(target, &target->connections[i]);
	return 0;
}

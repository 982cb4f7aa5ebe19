/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcmu_front.c - in a virtual machine: a kernel's disk, each of whose commands scsi_target answers
 *
 * usage: tcmu_front UIO-DEVICE RING-BYTES HOST PORT
 *
 * The kernel (target_core_user) puts commands into a ring of memory that is shared with it; each is
 * sent to scsi_target with its data, and the answer put back.  Says "serving" when it is connected.
 * Ends when the connection does: the disk then answers nothing any more.
 */
#include "tests/support/simdrive_disk.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel's header brings a struct iovec of its own, otherwise. */
#define __LINUX_UIO_H
#define _UAPI__LINUX_UIO_H
#include <linux/target_core_user.h>

static uint8_t buffer[COMMAND_DATA_MAX];

/* Between the ring's pieces and the buffer; how many bytes. */
static size_t copy(uint8_t *ring, const struct tcmu_cmd_entry *entry, size_t most, bool to_ring)
{
	size_t done = 0;

	for (uint32_t i = 0; i < entry->req.iov_cnt && done < most; i++) {
		struct iovec piece = entry->req.iov[i];
		uint8_t *at = ring + (size_t)piece.iov_base;
		size_t bytes = piece.iov_len < most - done ? piece.iov_len : most - done;

		if (to_ring)
			memcpy(at, buffer + done, bytes);
		else
			memcpy(buffer + done, at, bytes);
		done += bytes;
	}
	return done;
}

static bool hand_on(
	uint8_t *ring, const struct tcmu_mailbox *mailbox, struct tcmu_cmd_entry *entry, int fd)
{
	struct simdrive_disk_request request = {0};
	struct simdrive_disk_answer answer;

	memcpy(request.cdb, ring + entry->req.cdb_off, sizeof(request.cdb));
	request.data_bytes = (uint32_t)copy(ring, entry, sizeof(buffer), false);
	if (!simdrive_disk_send(fd, &request, sizeof(request), buffer, request.data_bytes) ||
		!simdrive_disk_receive(fd, &answer, sizeof(answer)) ||
		answer.data_bytes > sizeof(buffer) ||
		!simdrive_disk_receive(fd, buffer, answer.data_bytes))
		return false;
	copy(ring, entry, answer.data_bytes, true);
	entry->rsp.scsi_status = answer.status;
	if (answer.status != 0)
		memcpy(entry->rsp.sense_buffer, answer.sense, sizeof(entry->rsp.sense_buffer));
	else if (answer.data_bytes > 0 && answer.data_bytes < request.data_bytes &&
		 (mailbox->flags & TCMU_MAILBOX_FLAG_CAP_READ_LEN)) {
		entry->hdr.uflags |= TCMU_UFLAG_READ_LEN;
		entry->rsp.read_len = answer.data_bytes;
	}
	return true;
}

static bool take_all(uint8_t *ring, int fd)
{
	struct tcmu_mailbox *mailbox = (void *)ring;
	uint32_t tail = mailbox->cmd_tail;

	while (tail != __atomic_load_n(&mailbox->cmd_head, __ATOMIC_ACQUIRE)) {
		struct tcmu_cmd_entry *entry = (void *)(ring + mailbox->cmdr_off + tail);
		uint32_t bytes = tcmu_hdr_get_len(entry->hdr.len_op);
		enum tcmu_opcode code = tcmu_hdr_get_op(entry->hdr.len_op);

		if (code == TCMU_OP_CMD) {
			if (!hand_on(ring, mailbox, entry, fd))
				return false;
		} else if (code != TCMU_OP_PAD) {
			entry->hdr.uflags |= TCMU_UFLAG_UNKNOWN_OP;
		}
		tail = (tail + bytes) % mailbox->cmdr_size;
		__atomic_store_n(&mailbox->cmd_tail, tail, __ATOMIC_RELEASE);
	}
	return true;
}

static int connect_to(const char *host, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, host, &address.sin_addr) == 1 && fd >= 0 &&
		connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	perror(host);
	return -1;
}

int main(int argc, char **argv)
{
	uint32_t turn = 0;
	int uio, fd;
	uint8_t *ring;

	if (argc != 5) {
		fprintf(stderr, "usage: tcmu_front UIO-DEVICE RING-BYTES HOST PORT\n");
		return 2;
	}
	uio = open(argv[1], O_RDWR | O_CLOEXEC);
	fd = connect_to(argv[3], argv[4]);
	if (uio < 0 || fd < 0) {
		perror(argv[1]);
		return 1;
	}
	ring = mmap(NULL, strtoul(argv[2], NULL, 0), PROT_READ | PROT_WRITE, MAP_SHARED, uio, 0);
	if (ring == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	printf("serving\n");
	fflush(stdout);
	while (read(uio, &turn, sizeof(turn)) == (ssize_t)sizeof(turn)) {
		if (!take_all(ring, fd))
			return 1;
		turn = 0;
		if (write(uio, &turn, sizeof(turn)) != (ssize_t)sizeof(turn))
			return 1;
	}
	return 1;
}

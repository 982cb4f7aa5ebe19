/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/simdrive_disk.h"
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	TEST_UNIT_READY = 0x00,
	INQUIRY = 0x12,
	MODE_SENSE_6 = 0x1a,
	READ_CAPACITY_10 = 0x25,
	READ_10 = 0x28,
	WRITE_10 = 0x2a,
	FLUSH_10 = 0x35,
	SANITIZE = 0x48,
	MODE_SENSE_10 = 0x5a,
	PASS_THROUGH_16 = 0x85,
	READ_16 = 0x88,
	WRITE_16 = 0x8a,
	FLUSH_16 = 0x91,
	READ_CAPACITY_16 = 0x9e,
	PIO_OUT = 5,
	PAGE_BYTES = 64,
	PAGES_MAX = 8,
};

static uint64_t get_be(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static void put_be(uint8_t *at, size_t bytes, uint64_t value)
{
	while (bytes-- > 0) {
		at[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static void give(struct scsi_command *command, const uint8_t *page, size_t bytes)
{
	if (bytes > command->data_bytes)
		bytes = command->data_bytes;
	memcpy(command->data, page, bytes);
	command->residual_bytes = command->data_bytes - (uint32_t)bytes;
	command->status = 0;
}

static void refuse(struct scsi_command *command, uint8_t key, uint8_t asc, uint8_t ascq)
{
	memset(command->sense, 0, sizeof(command->sense));
	command->sense[0] = 0x70;
	command->sense[2] = key;
	command->sense[7] = 10;
	command->sense[12] = asc;
	command->sense[13] = ascq;
	command->sense_bytes = 18;
	command->status = 2;
	command->residual_bytes = command->data_bytes;
}

/* --- reads and writes --- */

static int transfer(struct simdrive *drive, struct scsi_command *command, struct extent at)
{
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	bool writes = command->cdb[0] == WRITE_10 || command->cdb[0] == WRITE_16;
	uint64_t bytes = at.count * drive->options.logical_bytes;
	int r = simdrive_medium(drive, &medium);

	if (r < 0)
		return r;
	if (bytes > command->data_bytes ||
		extent_end(at) > drive->visible_bytes / drive->options.logical_bytes) {
		refuse(command, 5, 0x21, 0);
		return 0;
	}
	command->residual_bytes = command->data_bytes - (uint32_t)bytes;
	if (at.count == 0)
		return 0;
	r = writes ? blockdev_write(medium, at, command->data, bytes)
		   : blockdev_read(medium, at, command->data, bytes);
	if (r == -ENODEV)
		return r;
	if (r < 0 && drive->sanitize.running)
		refuse(command, 2, 0x04, 0x1b);
	else if (r == -EROFS)
		refuse(command, 7, 0x27, 0);
	else if (r < 0)
		refuse(command, 3, writes ? 0x0c : 0x11, 0);
	return 0;
}

/* --- what a kernel asks --- */

static void mode(struct scsi_command *command)
{
	bool is_short = command->cdb[0] == MODE_SENSE_6;
	uint8_t page[PAGE_BYTES] = {0}, *caching = page + (is_short ? 4 : 8);

	caching[0] = 8;
	caching[1] = 18;
	if (is_short)
		page[0] = 4 + 20 - 1;
	else
		page[1] = 8 + 20 - 2;
	give(command, page, is_short ? 4 + 20 : 8 + 20);
}

static void capacity_10(const struct simdrive *drive, struct scsi_command *command)
{
	uint8_t page[8] = {0};

	put_be(page, 4, drive->visible_bytes / drive->options.logical_bytes - 1);
	put_be(page + 4, 4, drive->options.logical_bytes);
	give(command, page, sizeof(page));
}

static void capacity_16(const struct simdrive *drive, struct scsi_command *command)
{
	uint8_t page[32] = {0};

	put_be(page, 8, drive->visible_bytes / drive->options.logical_bytes - 1);
	put_be(page + 8, 4, drive->options.logical_bytes);
	give(command, page, sizeof(page));
}

static void put_text(uint8_t *at, size_t bytes, const char *text)
{
	size_t length = strlen(text);

	memset(at, ' ', bytes);
	memcpy(at, text, length < bytes ? length : bytes);
}

static void inquire(const struct simdrive *drive, struct scsi_command *command)
{
	const struct simdrive_options *options = &drive->options;
	uint8_t page[PAGE_BYTES] = {0};
	size_t length = strlen(options->serial);

	if (!(command->cdb[1] & 1)) {
		page[2] = 6;
		page[4] = 31;
		put_text(page + 8, 8, "ATA");
		put_text(page + 16, 16, options->model);
		put_text(page + 32, 4, options->firmware);
		give(command, page, 36);
	} else if (command->cdb[2] == 0x80 && length < PAGE_BYTES - 4) {
		page[1] = 0x80;
		page[3] = (uint8_t)length;
		memcpy(page + 4, options->serial, length);
		give(command, page, 4 + length);
	} else if (command->cdb[2] == 0) {
		page[3] = 2;
		page[5] = 0x80;
		give(command, page, 6);
	} else {
		refuse(command, 5, 0x24, 0);
	}
}

/* False: left to the model. */
static bool translate(struct simdrive *drive, struct scsi_command *command)
{
	switch (command->cdb[0]) {
	case TEST_UNIT_READY:
		command->status = 0;
		return true;
	case INQUIRY:
		inquire(drive, command);
		return true;
	case READ_CAPACITY_16:
		capacity_16(drive, command);
		return true;
	default:
		return false;
	}
}

static enum scsi_direction direction_of(const struct scsi_command *command)
{
	const uint8_t *cdb = command->cdb;

	if (command->data_bytes == 0)
		return SCSI_NO_DATA;
	if (cdb[0] == PASS_THROUGH_16)
		return (cdb[1] >> 1 & 0xf) == PIO_OUT ? SCSI_TO_DRIVE : SCSI_FROM_DRIVE;
	return cdb[0] == SANITIZE || cdb[0] == WRITE_10 || cdb[0] == WRITE_16 ? SCSI_TO_DRIVE
									      : SCSI_FROM_DRIVE;
}

int simdrive_disk(struct simdrive *drive, struct scsi_command *command)
{
	const uint8_t *cdb = command->cdb;

	command->direction = direction_of(command);
	command->cdb_bytes = sizeof(command->cdb);
	command->status = command->sense_bytes = 0;
	command->residual_bytes = 0;
	switch (cdb[0]) {
	case READ_10:
	case WRITE_10:
		return transfer(
			drive, command, (struct extent){get_be(cdb + 2, 4), get_be(cdb + 7, 2)});
	case READ_16:
	case WRITE_16:
		return transfer(
			drive, command, (struct extent){get_be(cdb + 2, 8), get_be(cdb + 10, 4)});
	case FLUSH_10:
	case FLUSH_16:
		return 0;
	case READ_CAPACITY_10:
		capacity_10(drive, command);
		return 0;
	case MODE_SENSE_6:
	case MODE_SENSE_10:
		mode(command);
		return 0;
	default:
		break;
	}
	if (drive->model == &simdrive_ata && translate(drive, command))
		return 0;
	return drive->port.ops->scsi(drive->port.context, command);
}

/* --- to another machine --- */

/* In one go, so that neither end waits for the other's acknowledgement. */
bool simdrive_disk_send(
	int fd, const void *head, size_t head_bytes, const void *data, size_t data_bytes)
{
	struct iovec pieces[] = {
		{(void *)(uintptr_t)head, head_bytes}, {(void *)(uintptr_t)data, data_bytes}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = ARRAY_SIZE(pieces)};

	while (pieces[0].iov_len + pieces[1].iov_len > 0) {
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
			size_t gone =
				(size_t)sent < pieces[i].iov_len ? (size_t)sent : pieces[i].iov_len;

			pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + gone;
			pieces[i].iov_len -= gone;
			sent -= (ssize_t)gone;
		}
	}
	return true;
}

bool simdrive_disk_receive(int fd, void *buf, size_t bytes)
{
	uint8_t *at = buf;

	while (bytes > 0) {
		ssize_t got = recv(fd, at, bytes, 0);

		if (got <= 0)
			return false;
		at += got;
		bytes -= (size_t)got;
	}
	return true;
}

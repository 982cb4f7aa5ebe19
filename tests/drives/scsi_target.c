/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scsi_target.c - the model of a SCSI or ATA drive, for the kernel of a virtual machine
 *
 * usage: scsi_target PORT scsi|ata IMAGE [OPTION[=NUMBER]...]
 *
 * Listens on 127.0.0.1 (PORT 0: any free one) and says "port N" when it is ready; ends with SIGTERM
 * or SIGINT.  tcmu_front in the machine hands on each command of its kernel's disk; one at a time.
 * A connection that ends is the drive's power cut.  The medium is IMAGE, hidden areas included;
 * options are those of simdrive_parse.c.
 */
#include "base/clock.h"
#include "base/io.h"
#include "tests/support/simdrive_disk.h"
#include "tests/support/simdrive_parse.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NS_PER_MS = 1000000 };

static volatile sig_atomic_t ended;
static uint64_t last_ms;

static void end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

/* The model's time is the clock's. */
static void move_time(struct simdrive *drive)
{
	uint64_t now = clock_monotonic_ns() / NS_PER_MS;

	if (now > last_ms)
		simdrive_advance(drive, (uint32_t)(now - last_ms));
	last_ms = now;
}

static bool answer_one(struct simdrive *drive, int fd, uint8_t *data)
{
	struct simdrive_disk_request request;
	struct simdrive_disk_answer answer = {0};
	struct scsi_command command = {.data = data};

	if (!simdrive_disk_receive(fd, &request, sizeof(request)) ||
		request.data_bytes > COMMAND_DATA_MAX ||
		!simdrive_disk_receive(fd, data, request.data_bytes))
		return false;
	memcpy(command.cdb, request.cdb, sizeof(command.cdb));
	command.data_bytes = request.data_bytes;
	move_time(drive);
	if (simdrive_disk(drive, &command) < 0)
		return false;
	answer.status = command.status;
	answer.sense_bytes = command.sense_bytes;
	memcpy(answer.sense, command.sense, sizeof(answer.sense));
	if (command.direction == SCSI_FROM_DRIVE && command.status == 0)
		answer.data_bytes = command.data_bytes - command.residual_bytes;
	return simdrive_disk_send(fd, &answer, sizeof(answer), data, answer.data_bytes);
}

static int serve(struct simdrive *drive, int listener)
{
	uint8_t *data = malloc(COMMAND_DATA_MAX);

	while (data && !ended) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		last_ms = clock_monotonic_ns() / NS_PER_MS; /* without power nothing goes on */
		while (!ended && answer_one(drive, fd, data))
			;
		close(fd);
		move_time(drive);
		simdrive_power_cut(drive);
	}
	free(data);
	return data ? 0 : -ENOMEM;
}

static bool parse(
	int argc, char **argv, enum simdrive_kind *ret_kind, struct simdrive_options *ret_options)
{
	struct simdrive_options options = {0};
	struct stat st;

	if (argc < 4 || stat(argv[3], &st) < 0)
		return false;
	*ret_kind = strcmp(argv[2], "ata") == 0 ? SIMDRIVE_ATA : SIMDRIVE_SCSI;
	for (int i = 4; i < argc; i++)
		if (!simdrive_parse(&options, argv[i]))
			return false;
	options.path = argv[3];
	options.bytes = (uint64_t)st.st_size - options.hidden_bytes - options.dco_hidden_bytes;
	*ret_options = options;
	return options.bytes <= (uint64_t)st.st_size && options.bytes >= 4096;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct simdrive_options options;
	enum simdrive_kind kind;
	struct simdrive *drive;
	int listener, r;

	if (!parse(argc, argv, &kind, &options)) {
		fprintf(stderr, "usage: scsi_target PORT scsi|ata IMAGE [OPTION[=NUMBER]...]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	r = simdrive_new(kind, &options, &drive);
	if (r < 0) {
		fprintf(stderr, "scsi_target: %s\n", strerror(-r));
		return 1;
	}
	last_ms = clock_monotonic_ns() / NS_PER_MS;
	listener = simdrive_listen("scsi_target", (unsigned int)strtoul(argv[1], NULL, 10));
	r = listener < 0 ? listener : serve(drive, listener);
	if (listener >= 0)
		close(listener);
	simdrive_free(drive);
	return r < 0 ? 1 : 0;
}

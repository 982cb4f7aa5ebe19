/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme_target.c - the model of an NVMe drive, for a virtual machine or another kernel to attach
 *
 * usage: nvme_target PORT IMAGE [OPTION[=NUMBER]...]
 *
 * Listens on 127.0.0.1 (PORT 0: any free one) and says "port N" when it is ready; ends with
 * SIGTERM or SIGINT.  The medium is IMAGE, as large as it is.  Options are those of
 * simdrive_parse.c, and vanish_at=N.
 */
#include "tests/support/simdrive_parse.h"
#include "tests/support/simdrive_tcp.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static int serve(struct simdrive *drive, unsigned int port)
{
	struct simdrive_tcp *target = NULL;
	int listener = simdrive_listen("nvme_target", port);
	int r = listener < 0 ? listener : simdrive_tcp_new(drive, listener, &target);

	while (r >= 0 && !ended)
		r = simdrive_tcp_turn(target, 1000);
	simdrive_tcp_free(target);
	if (listener >= 0)
		close(listener);
	return r;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct simdrive_options options = {0};
	unsigned long long vanish_at = 0;
	struct simdrive *drive;
	struct stat st;
	int r;

	if (argc < 3 || stat(argv[2], &st) < 0 || st.st_size < 4096) {
		fprintf(stderr, "usage: nvme_target PORT IMAGE [OPTION[=NUMBER]...]\n");
		return 2;
	}
	options.path = argv[2];
	options.bytes = (uint64_t)st.st_size / 4096 * 4096;
	for (int i = 3; i < argc; i++) {
		if (strncmp(argv[i], "vanish_at=", strlen("vanish_at=")) == 0) {
			vanish_at = strtoull(argv[i] + strlen("vanish_at="), NULL, 0);
		} else if (!simdrive_parse(&options, argv[i])) {
			fprintf(stderr, "nvme_target: unknown option %s\n", argv[i]);
			return 2;
		}
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	r = simdrive_new(SIMDRIVE_NVME, &options, &drive);
	if (r < 0) {
		fprintf(stderr, "nvme_target: %s\n", strerror(-r));
		return 1;
	}
	if (vanish_at > 0)
		simdrive_vanish(drive, vanish_at);
	r = serve(drive, (unsigned int)strtoul(argv[1], NULL, 10));
	simdrive_free(drive);
	return r < 0 ? 1 : 0;
}

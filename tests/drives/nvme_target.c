/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme_target.c - the model of an NVMe drive, for a virtual machine or another kernel to attach
 *
 * usage: nvme_target PORT IMAGE [OPTION[=NUMBER]...]
 *
 * Listens on 127.0.0.1 (PORT 0: any free one) and says "port N" when it is ready; ends with
 * SIGTERM or SIGINT.  The medium is IMAGE, as large as it is.  Options are those of simdrive.h:
 * lie, fail, residue_bytes=N, hang_at=N, swallow, sanitize_ms=N, no_sanitize, no_format,
 * no_crypto, no_block, no_overwrite, fna_all, opal, crypto_accepted_without_fna, vanish_at=N.
 */
#include "tests/support/simdrive_tcp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static bool set_flag(struct simdrive_options *options, const char *name)
{
	struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"lie", &options->lie},
		{"fail", &options->fail},
		{"swallow", &options->swallow},
		{"no_sanitize", &options->no_sanitize},
		{"no_format", &options->no_format},
		{"no_crypto", &options->no_crypto},
		{"no_block", &options->no_block},
		{"no_overwrite", &options->no_overwrite},
		{"fna_all", &options->fna_all},
		{"opal", &options->opal},
		{"crypto_accepted_without_fna", &options->crypto_accepted_without_fna},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(flags[i].name, name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static bool set_number(
	struct simdrive_options *options, const char *text, unsigned long long *vanish_at)
{
	const char *value = strchr(text, '=');
	size_t length = value ? (size_t)(value - text) : 0;
	unsigned long long number = value ? strtoull(value + 1, NULL, 0) : 0;

	if (length == strlen("residue_bytes") && strncmp(text, "residue_bytes", length) == 0)
		options->residue_bytes = number;
	else if (length == strlen("sanitize_ms") && strncmp(text, "sanitize_ms", length) == 0)
		options->sanitize_ms = (uint32_t)number;
	else if (length == strlen("hang_at") && strncmp(text, "hang_at", length) == 0)
		options->hang_at = (uint32_t)number;
	else if (length == strlen("vanish_at") && strncmp(text, "vanish_at", length) == 0)
		*vanish_at = number;
	else
		return false;
	return true;
}

/* -1: said why. */
static int listen_on(unsigned int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &bytes) < 0) {
		perror("nvme_target");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static int serve(struct simdrive *drive, unsigned int port)
{
	struct simdrive_tcp *target = NULL;
	int listener = listen_on(port);
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
		if (!set_flag(&options, argv[i]) && !set_number(&options, argv[i], &vanish_at)) {
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/simdrive_parse.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
		{"no_security", &options->no_security},
		{"no_crypto", &options->no_crypto},
		{"no_block", &options->no_block},
		{"no_overwrite", &options->no_overwrite},
		{"fna_all", &options->fna_all},
		{"frozen", &options->frozen},
		{"fixed_sense", &options->fixed_sense},
		{"ama", &options->ama},
		{"opal", &options->opal},
		{"worn", &options->worn},
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

static bool is_named(const char *text, size_t bytes, const char *name)
{
	return bytes == strlen(name) && strncmp(text, name, bytes) == 0;
}

static bool set_number(struct simdrive_options *options, const char *text)
{
	const char *value = strchr(text, '=');
	size_t length = value ? (size_t)(value - text) : 0;
	unsigned long long number = value ? strtoull(value + 1, NULL, 0) : 0;

	if (is_named(text, length, "residue_bytes"))
		options->residue_bytes = number;
	else if (is_named(text, length, "hidden_bytes"))
		options->hidden_bytes = number;
	else if (is_named(text, length, "dco_hidden_bytes"))
		options->dco_hidden_bytes = number;
	else if (is_named(text, length, "sanitize_ms"))
		options->sanitize_ms = (uint32_t)number;
	else if (is_named(text, length, "hang_at"))
		options->hang_at = (uint32_t)number;
	else
		return false;
	return true;
}

bool simdrive_parse(struct simdrive_options *options, const char *word)
{
	return set_flag(options, word) || set_number(options, word);
}

int simdrive_listen(const char *program, unsigned int port)
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
		perror(program);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

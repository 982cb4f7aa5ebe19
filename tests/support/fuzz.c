/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fuzz.h"
#include "base/io.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef SPOOLGUARD_FUZZER /* libFuzzer has a main() of its own */

#define CHANGED_COPIES 200u
#define SEED_BYTES_MAX (1u << 20)

static const char *directory; /* NULL: run, do not write */
static uint64_t seeds, runs, random_state = 88172645463325252u;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void write_seed(const void *data, size_t bytes)
{
	_cleanup_close_ int fd = -1;
	char path[512];

	snprintf(path, sizeof(path), "%s/seed-%03llu", directory, (unsigned long long)seeds);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write(fd, data, bytes) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

/* One small change, of the kinds that find bugs: bits, edges of numbers, cuts, repeats. */
static size_t change(uint8_t *data, size_t bytes)
{
	static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '\\'};
	size_t at;

	if (bytes == 0)
		return 0;
	at = (size_t)next_random(next_random(2) ? bytes : (bytes < 256 ? bytes : 256));
	switch (next_random(5)) {
	case 0:
		data[at] ^= (uint8_t)(1u << next_random(8));
		return bytes;
	case 1:
		data[at] = edges[next_random(sizeof(edges))];
		return bytes;
	case 2:
		memset(data + at, edges[next_random(sizeof(edges))],
			bytes - at < 8 ? bytes - at : 8);
		return bytes;
	case 3:
		return at; /* cut */
	default:
		memmove(data + at, data, bytes - at);
		return bytes;
	}
}

static void run(const uint8_t *data, size_t bytes)
{
	/* Its own allocation, so that a sanitizer sees each byte too far. */
	uint8_t *copy = malloc(bytes ? bytes : 1);

	fuzz_require(copy != NULL);
	memcpy(copy, data, bytes);
	LLVMFuzzerTestOneInput(copy, bytes);
	free(copy);
	runs++;
}

void fuzz_seed(const void *data, size_t bytes)
{
	static uint8_t changed[SEED_BYTES_MAX];

	fuzz_require(bytes <= sizeof(changed));
	seeds++;
	if (directory) {
		write_seed(data, bytes);
		return;
	}
	run(data, bytes);
	for (unsigned int i = 0; i < CHANGED_COPIES; i++) {
		size_t now = bytes;

		memcpy(changed, data, bytes);
		for (uint64_t n = 1 + next_random(4); n > 0; n--)
			now = change(changed, now);
		run(changed, now);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--write") == 0)
		directory = argv[2];
	else if (argc != 1)
		return 2;
	fuzz_seeds();
	printf("%llu seeds, %llu inputs\n", (unsigned long long)seeds, (unsigned long long)runs);
	return seeds > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#else

void fuzz_seed(const void *data, size_t bytes)
{
	(void)data;
	(void)bytes;
}

#endif

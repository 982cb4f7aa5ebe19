/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct secret {
	size_t bytes;
	uint8_t *at; /* sodium_malloc: guard pages on both sides, a canary in front */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool sodium_is_ready;

static void init(void)
{
	sodium_is_ready = sodium_init() >= 0;
}

/* sodium_malloc asks for both and does not say whether it got them: asking again does (S1). */
static int keep_in_memory_only(void *at, size_t bytes)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)at & ~(page_bytes - 1);
	size_t span = (uintptr_t)at + bytes - first;

	if (mlock(at, bytes) < 0 || madvise((void *)first, span, MADV_DONTDUMP) < 0)
		return -ENOMEM;
	return 0;
}

int secret_new(size_t bytes, struct secret **ret_secret)
{
	struct secret *secret;

	assert(bytes > 0);
	pthread_once(&once, init);
	if (!sodium_is_ready)
		return -ENOSYS;
	secret = calloc(1, sizeof(*secret));
	if (!secret)
		return -ENOMEM;
	secret->at = sodium_malloc(bytes);
	if (!secret->at || keep_in_memory_only(secret->at, bytes) < 0) {
		sodium_free(secret->at);
		free(secret);
		return -ENOMEM;
	}
	secret->bytes = bytes;
	memset(secret->at, 0, bytes);
	*ret_secret = secret;
	return 0;
}

int secret_new_copy(const void *from, size_t bytes, struct secret **ret_secret)
{
	int r = secret_new(bytes, ret_secret);

	if (r >= 0)
		memcpy((*ret_secret)->at, from, bytes);
	return r;
}

void secret_free(struct secret *secret)
{
	if (!secret)
		return;
	sodium_free(secret->at); /* wipes, checks the canary, unlocks, unmaps (S2) */
	free(secret);
}

uint8_t *secret_bytes(struct secret *secret)
{
	return secret->at;
}

const uint8_t *secret_peek(const struct secret *secret)
{
	return secret->at;
}

size_t secret_size(const struct secret *secret)
{
	return secret->bytes;
}

void secret_truncate(struct secret *secret, size_t bytes)
{
	assert(bytes <= secret->bytes);
	sodium_memzero(secret->at + bytes, secret->bytes - bytes); /* S3 */
	secret->bytes = bytes;
}

void secret_wipe(void *at, size_t bytes)
{
	sodium_memzero(at, bytes);
}

bool secret_is_equal(const void *a, const void *b, size_t bytes)
{
	return sodium_memcmp(a, b, bytes) == 0;
}

int secret_read_fd(int fd, size_t max_bytes, struct secret **ret_secret)
{
	_cleanup_secret_ struct secret *secret = NULL;
	size_t got = 0;
	int r;

	r = secret_new(max_bytes + 1, &secret);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n;

		if (got > max_bytes)
			return -EFBIG;
		n = read(fd, secret->at + got, max_bytes + 1 - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	secret_truncate(secret, got);
	*ret_secret = secret;
	secret = NULL;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/random.h"
#include "crypto/profile.h"
#include "crypto/secret.h"
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

static int from_kernel(unsigned char *at, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = getrandom(at, bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int random_bytes(void *buf, size_t bytes)
{
	if (profile_current() != PROFILE_HCD_CPP)
		return from_kernel(buf, bytes);
	if (bytes > INT_MAX)
		return -EINVAL;
	return RAND_priv_bytes(buf, (int)bytes) == 1 ? 0 : -EIO;
}

int random_uuid(char ret_text[static RANDOM_UUID_BYTES])
{
	uint8_t b[16];
	int r = random_bytes(b, sizeof(b));

	if (r < 0)
		return r;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(ret_text, RANDOM_UUID_BYTES,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
	return 0;
}

int secret_new_random(size_t bytes, struct secret **ret_secret)
{
	_cleanup_secret_ struct secret *secret = NULL;
	int r;

	r = secret_new(bytes, &secret);
	if (r >= 0)
		r = random_bytes(secret_bytes(secret), bytes);
	if (r < 0)
		return r;
	*ret_secret = secret;
	secret = NULL;
	return 0;
}

void random_thread_done(void)
{
	OPENSSL_thread_stop();
}

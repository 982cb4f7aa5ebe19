/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/xts.h"
#include "base/bytes.h"
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define XTS_UNIT_BYTES_MAX (16u << 20) /* 2^20 AES blocks, SP 800-38E */
#define XTS_POOL	   16u	       /* contexts at hand; more threads than this wait for one */

enum direction { DECRYPT, ENCRYPT, DIRECTIONS };

/* Keyed once; a transfer borrows one and sets only the tweak. */
struct xts {
	pthread_mutex_t lock;
	pthread_cond_t returned;
	EVP_CIPHER_CTX *idle[DIRECTIONS][XTS_POOL];
	size_t idle_count[DIRECTIONS];
};

static EVP_CIPHER_CTX *make_context(const struct secret *key, enum direction direction)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (!context)
		return NULL;
	/* No EVP_CIPHER_CTX_set_padding: XTS has none, and it would be set anew for every sector.
	 */
	if (EVP_CipherInit_ex(context, EVP_aes_256_xts(), NULL, secret_peek(key), NULL,
		    direction == ENCRYPT) != 1) {
		EVP_CIPHER_CTX_free(context);
		return NULL;
	}
	return context;
}

int xts_new(const struct secret *key, struct xts **ret_xts)
{
	struct xts *xts;

	assert(secret_size(key) == XTS_KEY_BYTES);
	if (secret_is_equal(secret_peek(key), secret_peek(key) + XTS_KEY_BYTES / 2,
		    XTS_KEY_BYTES / 2)) /* X1 */
		return -EINVAL;
	xts = calloc(1, sizeof(*xts));
	if (!xts)
		return -ENOMEM;
	pthread_mutex_init(&xts->lock, NULL);
	pthread_cond_init(&xts->returned, NULL);
	for (unsigned int d = 0; d < DIRECTIONS; d++) {
		for (size_t i = 0; i < XTS_POOL; i++) {
			EVP_CIPHER_CTX *context = make_context(key, d);

			if (!context) {
				xts_free(xts);
				return -ENOMEM;
			}
			xts->idle[d][xts->idle_count[d]++] = context;
		}
	}
	*ret_xts = xts;
	return 0;
}

void xts_free(struct xts *xts)
{
	if (!xts)
		return;
	for (unsigned int d = 0; d < DIRECTIONS; d++) {
		for (size_t i = 0; i < xts->idle_count[d]; i++)
			EVP_CIPHER_CTX_free(xts->idle[d][i]); /* OpenSSL wipes the key schedule */
	}
	pthread_cond_destroy(&xts->returned);
	pthread_mutex_destroy(&xts->lock);
	free(xts);
}

static EVP_CIPHER_CTX *borrow(struct xts *xts, enum direction direction)
{
	EVP_CIPHER_CTX *context;

	pthread_mutex_lock(&xts->lock);
	while (xts->idle_count[direction] == 0)
		pthread_cond_wait(&xts->returned, &xts->lock);
	context = xts->idle[direction][--xts->idle_count[direction]];
	pthread_mutex_unlock(&xts->lock);
	return context;
}

static void give_back(struct xts *xts, enum direction direction, EVP_CIPHER_CTX *context)
{
	pthread_mutex_lock(&xts->lock);
	xts->idle[direction][xts->idle_count[direction]++] = context;
	pthread_cond_signal(&xts->returned);
	pthread_mutex_unlock(&xts->lock);
}

static int run(struct xts *xts, enum direction direction, uint64_t tweak, uint64_t tweak_step,
	size_t unit_bytes, const void *in, void *out, size_t bytes)
{
	EVP_CIPHER_CTX *context;
	const uint8_t *from = in;
	uint8_t *to = out;
	uint8_t iv[16] = {0};
	int r = 0;

	assert(unit_bytes >= 16 && unit_bytes <= XTS_UNIT_BYTES_MAX &&
		unit_bytes % 16 == 0);	 /* X2 */
	assert(bytes % unit_bytes == 0); /* X3 */
	context = borrow(xts, direction);
	for (size_t at = 0; at < bytes && r >= 0; at += unit_bytes) {
		int n = 0;

		bytes_put_le64(iv, tweak);
		tweak += tweak_step;
		if (EVP_CipherInit_ex(context, NULL, NULL, NULL, iv, -1) != 1 ||
			EVP_CipherUpdate(context, to + at, &n, from + at, (int)unit_bytes) != 1 ||
			(size_t)n != unit_bytes)
			r = -EIO;
	}
	give_back(xts, direction, context);
	return r;
}

int xts_encrypt(struct xts *xts, uint64_t tweak, uint64_t tweak_step, size_t unit_bytes,
	const void *in, void *out, size_t bytes)
{
	return run(xts, ENCRYPT, tweak, tweak_step, unit_bytes, in, out, bytes);
}

int xts_decrypt(struct xts *xts, uint64_t tweak, uint64_t tweak_step, size_t unit_bytes,
	const void *in, void *out, size_t bytes)
{
	return run(xts, DECRYPT, tweak, tweak_step, unit_bytes, in, out, bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/stream.h"
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Small enough that the zeros stay in the first cache while the stream is made of them. */
#define STREAM_STEP_BYTES (16u << 10)
#define AES_BLOCK_BYTES	  16u

static const uint8_t zeros[STREAM_STEP_BYTES];

struct stream {
	EVP_CIPHER_CTX *context;
};

int stream_new(const struct secret *seed, struct stream **ret_stream)
{
	struct stream *stream;

	assert(secret_size(seed) == STREAM_SEED_BYTES);
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->context = EVP_CIPHER_CTX_new();
	if (!stream->context || EVP_EncryptInit_ex(stream->context, EVP_aes_256_ctr(), NULL,
					secret_peek(seed), NULL) != 1) {
		stream_free(stream);
		return -ENOMEM;
	}
	*ret_stream = stream;
	return 0;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	EVP_CIPHER_CTX_free(stream->context);
	free(stream);
}

/* The counter block is big-endian (SP 800-38A): its low 64 bits count 16-byte blocks. */
static void counter_at(uint64_t offset, uint8_t ret_counter[static AES_BLOCK_BYTES])
{
	uint64_t block = offset / AES_BLOCK_BYTES;

	memset(ret_counter, 0, AES_BLOCK_BYTES);
	for (unsigned int i = 0; i < 8; i++)
		ret_counter[AES_BLOCK_BYTES - 1 - i] = (uint8_t)(block >> (8 * i));
}

/* Encrypting zeros: what comes out is the key stream. */
static int next_bytes(struct stream *stream, uint8_t *at, size_t bytes)
{
	while (bytes > 0) {
		int some = bytes < STREAM_STEP_BYTES ? (int)bytes : (int)STREAM_STEP_BYTES;
		int n = 0;

		if (EVP_EncryptUpdate(stream->context, at, &n, zeros, some) != 1 || n != some)
			return -EIO;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int stream_generate(struct stream *stream, uint64_t offset, void *buf, size_t bytes)
{
	uint8_t counter[AES_BLOCK_BYTES], before[AES_BLOCK_BYTES];
	int r;

	counter_at(offset, counter);
	if (EVP_EncryptInit_ex(stream->context, NULL, NULL, NULL, counter) != 1)
		return -EIO;
	r = next_bytes(stream, before, offset % AES_BLOCK_BYTES);
	if (r >= 0)
		r = next_bytes(stream, buf, bytes);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct aead {
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

int aead_new(const struct secret *key, struct aead **ret_aead)
{
	struct aead *aead;

	assert(secret_size(key) == AEAD_KEY_BYTES);
	aead = calloc(1, sizeof(*aead));
	if (!aead)
		return -ENOMEM;
	aead->seal = EVP_CIPHER_CTX_new();
	aead->open = EVP_CIPHER_CTX_new();
	if (!aead->seal || !aead->open ||
		EVP_EncryptInit_ex(aead->seal, EVP_aes_256_gcm(), NULL, secret_peek(key), NULL) !=
			1 ||
		EVP_DecryptInit_ex(aead->open, EVP_aes_256_gcm(), NULL, secret_peek(key), NULL) !=
			1) {
		aead_free(aead);
		return -ENOMEM;
	}
	*ret_aead = aead;
	return 0;
}

void aead_free(struct aead *aead)
{
	if (!aead)
		return;
	EVP_CIPHER_CTX_free(aead->seal);
	EVP_CIPHER_CTX_free(aead->open);
	free(aead);
}

int aead_seal(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES],
	const void *associated, size_t associated_bytes, const void *in, size_t bytes, void *out,
	uint8_t ret_tag[static AEAD_TAG_BYTES])
{
	EVP_CIPHER_CTX *c = aead->seal;
	uint8_t nothing_more[AEAD_TAG_BYTES]; /* GCM's last step writes no bytes */
	int n = 0;

	if (bytes > INT_MAX || associated_bytes > INT_MAX)
		return -EINVAL;
	if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, nonce) != 1 ||
		(associated_bytes &&
			EVP_EncryptUpdate(c, NULL, &n, associated, (int)associated_bytes) != 1) ||
		(bytes && EVP_EncryptUpdate(c, out, &n, in, (int)bytes) != 1) ||
		EVP_EncryptFinal_ex(c, nothing_more, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_BYTES, ret_tag) != 1)
		return -EIO;
	return 0;
}

int aead_open(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES],
	const void *associated, size_t associated_bytes, const void *in, size_t bytes, void *out,
	const uint8_t tag[static AEAD_TAG_BYTES])
{
	EVP_CIPHER_CTX *c = aead->open;
	uint8_t nothing_more[AEAD_TAG_BYTES];
	int n = 0, r = 0;

	if (bytes > INT_MAX || associated_bytes > INT_MAX)
		return -EINVAL;
	if (EVP_DecryptInit_ex(c, NULL, NULL, NULL, nonce) != 1 ||
		(associated_bytes &&
			EVP_DecryptUpdate(c, NULL, &n, associated, (int)associated_bytes) != 1) ||
		(bytes && EVP_DecryptUpdate(c, out, &n, in, (int)bytes) != 1) ||
		EVP_CIPHER_CTX_ctrl(
			c, EVP_CTRL_GCM_SET_TAG, AEAD_TAG_BYTES, (void *)(uintptr_t)tag) != 1)
		r = -EIO;
	else if (EVP_DecryptFinal_ex(c, nothing_more, &n) != 1)
		r = -EBADMSG;
	if (r < 0 && bytes > 0)
		secret_wipe(out, bytes); /* nobody uses what was not authenticated */
	return r;
}

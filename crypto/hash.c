/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct hash {
	EVP_MD_CTX *context;
	bool finished;
};

int hash_new(struct hash **ret_hash)
{
	struct hash *hash = calloc(1, sizeof(*hash));

	if (!hash)
		return -ENOMEM;
	hash->context = EVP_MD_CTX_new();
	if (!hash->context || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
		hash_free(hash);
		return -ENOMEM;
	}
	*ret_hash = hash;
	return 0;
}

int hash_update(struct hash *hash, const void *data, size_t bytes)
{
	assert(!hash->finished);
	return EVP_DigestUpdate(hash->context, data, bytes) == 1 ? 0 : -EIO;
}

int hash_finish(struct hash *hash, uint8_t ret_digest[static SHA256_BYTES])
{
	unsigned int bytes = 0;

	assert(!hash->finished);
	hash->finished = true;
	return EVP_DigestFinal_ex(hash->context, ret_digest, &bytes) == 1 && bytes == SHA256_BYTES
		       ? 0
		       : -EIO;
}

void hash_free(struct hash *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->context);
	free(hash);
}

int hash_sha256(const void *data, size_t bytes, uint8_t ret_digest[static SHA256_BYTES])
{
	return EVP_Digest(data, bytes, ret_digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int hash_hmac_sha256(const struct secret *key, const void *data, size_t bytes,
	uint8_t ret_mac[static SHA256_BYTES])
{
	unsigned int mac_bytes = 0;

	if (secret_size(key) > INT_MAX)
		return -EINVAL;
	if (!HMAC(EVP_sha256(), secret_peek(key), (int)secret_size(key), data, bytes, ret_mac,
		    &mac_bytes))
		return -EIO;
	return mac_bytes == SHA256_BYTES ? 0 : -EIO;
}

static int derive(EVP_KDF_CTX *context, const struct secret *key, const void *salt,
	size_t salt_bytes, const char *info, struct secret *out)
{
	static const char digest[] = "SHA256";
	OSSL_PARAM params[5], *at = params;

	/* OSSL_PARAM takes pointers to what it only reads. */
	*at++ = OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest, 0);
	*at++ = OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret_peek(key), secret_size(key));
	if (salt_bytes > 0)
		*at++ = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, salt_bytes);
	*at++ = OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info));
	*at = OSSL_PARAM_construct_end();
	return EVP_KDF_derive(context, secret_bytes(out), secret_size(out), params) == 1 ? 0 : -EIO;
}

int hash_hkdf_sha256(const struct secret *key, const void *salt, size_t salt_bytes,
	const char *info, size_t out_bytes, struct secret **ret_key)
{
	_cleanup_secret_ struct secret *out = NULL;
	EVP_KDF_CTX *context;
	EVP_KDF *kdf;
	int r;

	if (secret_size(key) == 0 || out_bytes > HKDF_BYTES_MAX)
		return -EINVAL;
	r = secret_new(out_bytes, &out);
	if (r < 0)
		return r;
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	r = context ? derive(context, key, salt, salt_bytes, info, out) : -EIO;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	if (r < 0)
		return r;
	*ret_key = out;
	out = NULL;
	return 0;
}

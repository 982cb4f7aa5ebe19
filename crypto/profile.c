/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/profile.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <string.h>

static enum profile current = PROFILE_STANDARD;

const char *profile_name(enum profile profile)
{
	return profile == PROFILE_HCD_CPP ? "hcd-cpp" : "standard";
}

int profile_from_name(const char *name, enum profile *ret_profile)
{
	for (enum profile p = PROFILE_STANDARD; p <= PROFILE_HCD_CPP; p++) {
		if (strcmp(name, profile_name(p)) == 0) {
			*ret_profile = p;
			return 0;
		}
	}
	return -EINVAL;
}

int profile_set(enum profile profile)
{
	current = profile;
	return 0;
}

enum profile profile_current(void)
{
	return current;
}

bool profile_allows_argon2id(void)
{
	return current != PROFILE_HCD_CPP;
}

/* A configured provider is one that OpenSSL's own configuration has activated: it is not loaded
 * behind its back. */
bool profile_has_fips_provider(void)
{
	return OSSL_PROVIDER_available(NULL, "fips") == 1 &&
	       EVP_default_properties_is_fips_enabled(NULL) == 1;
}

const char *const *profile_caveats(void)
{
	static const char module[] =
		"AES, SHA-256, HMAC, HKDF and the DRBG come from OpenSSL's default provider: "
		"approved algorithms in a module that is not validated (no FIPS provider is "
		"configured)";
	static const char argon[] = "key slots use Argon2id, which no NIST publication approves";
	static const char sodium[] =
		"Ed25519 comes from libsodium, which is not a validated module";
	static const char generator[] =
		"random bytes come from the kernel's generator, which is not a validated module";
	static const char *list[5];
	size_t count = 0;

	if (!profile_has_fips_provider())
		list[count++] = module;
	if (profile_allows_argon2id()) {
		list[count++] = argon;
		list[count++] = generator;
	}
	list[count++] = sodium;
	list[count] = NULL;
	return list;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/profile.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <string.h>

static enum profile current = PROFILE_STANDARD;
static bool fips_was_enabled_here; /* by us, not by OpenSSL's configuration */

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

/* What this folder fetches from OpenSSL. */
static bool algorithms_are_there(void)
{
	static const char *const ciphers[] = {"AES-256-XTS", "AES-256-GCM", "AES-256-CTR"};
	static const char *const kdfs[] = {"HKDF", "PBKDF2"};
	EVP_MD *digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_RAND *generator = EVP_RAND_fetch(NULL, "CTR-DRBG", NULL);
	bool all = digest && mac && generator;

	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, ciphers[i], NULL);

		all = all && cipher;
		EVP_CIPHER_free(cipher);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kdfs); i++) {
		EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdfs[i], NULL);

		all = all && kdf;
		EVP_KDF_free(kdf);
	}
	EVP_RAND_free(generator);
	EVP_MAC_free(mac);
	EVP_MD_free(digest);
	return all;
}

/* Loading OpenSSL's configuration first: it says which providers are active. */
static bool fips_provider_is_active(void)
{
	return OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1 &&
	       OSSL_PROVIDER_available(NULL, "fips") == 1;
}

static int refuse(enum profile profile, struct problem *reterr_problem)
{
	return problem_set(reterr_problem, -ENOSYS,
		"profile %s: the FIPS provider that OpenSSL's configuration activates lacks an "
		"algorithm that is needed; install one that matches this OpenSSL, or remove it "
		"from the configuration",
		profile_name(profile));
}

/*
 * An active provider is not yet the one that is fetched from: beside an active
 * default provider only the property "fips=yes" decides (F1).
 */
int profile_set(enum profile profile, struct problem *reterr_problem)
{
	bool wanted = profile == PROFILE_HCD_CPP && fips_provider_is_active();

	if (wanted && EVP_default_properties_is_fips_enabled(NULL) != 1) {
		if (EVP_default_properties_enable_fips(NULL, 1) != 1)
			return refuse(profile, reterr_problem);
		fips_was_enabled_here = true;
	} else if (!wanted && fips_was_enabled_here) {
		if (EVP_default_properties_enable_fips(NULL, 0) != 1)
			return refuse(profile, reterr_problem);
		fips_was_enabled_here = false;
	}
	if (wanted && !algorithms_are_there()) {
		if (fips_was_enabled_here && current != PROFILE_HCD_CPP)
			fips_was_enabled_here = EVP_default_properties_enable_fips(NULL, 0) != 1;
		return refuse(profile, reterr_problem);
	}
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

bool profile_has_fips_provider(void)
{
	return fips_provider_is_active() && EVP_default_properties_is_fips_enabled(NULL) == 1;
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
	static const char slot_generator[] =
		"salts and split-key padding of key slots come from the kernel's generator, "
		"through libcryptsetup: not a validated module";
	static _Thread_local const char *list[5];
	size_t count = 0;

	if (!profile_has_fips_provider())
		list[count++] = module;
	if (profile_allows_argon2id()) {
		list[count++] = argon;
		list[count++] = generator;
	} else {
		list[count++] = slot_generator;
	}
	list[count++] = sodium;
	list[count] = NULL;
	return list;
}

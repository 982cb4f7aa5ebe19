/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - which algorithms may be used, and what is not approved or validated
 *
 * "standard": everything here.  "hcd-cpp": only what HCD cPP v1.0e allows
 * (PBKDF2-HMAC-SHA-256 instead of Argon2id, FCS_PCC_EXT.1; OpenSSL's DRBG as
 * generator, FCS_RBG_EXT.1; the FIPS provider where one is configured).
 * The profile is set once, before any other thread starts.
 */
#ifndef SPOOLGUARD_CRYPTO_PROFILE_H
#define SPOOLGUARD_CRYPTO_PROFILE_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

enum profile {
	PROFILE_STANDARD,
	PROFILE_HCD_CPP,
};

const char *profile_name(enum profile profile);
must_check int profile_from_name(const char *name, enum profile *ret_profile); /* -EINVAL */

must_check int profile_set(enum profile profile);
enum profile profile_current(void);
bool profile_allows_argon2id(void);

/* True if OpenSSL's FIPS provider is loaded and its algorithms are the ones fetched. */
bool profile_has_fips_provider(void);

/* One line each for what is in use and is not approved or not validated; NULL ends the list. */
const char *const *profile_caveats(void);

#endif

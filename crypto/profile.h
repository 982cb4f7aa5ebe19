/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - which algorithms may be used, and what is not approved or validated
 *
 * "standard": everything here.  "hcd-cpp": only what HCD cPP v1.0e allows
 * (PBKDF2-HMAC-SHA-256 instead of Argon2id, FCS_PCC_EXT.1; OpenSSL's DRBG as
 * generator, FCS_RBG_EXT.1; the FIPS provider where OpenSSL's own configuration
 * activates one: it is never loaded behind the administrator's back).
 *
 *   F1  With hcd-cpp and an active FIPS provider, OpenSSL's algorithms come
 *       from that provider or not at all.
 *
 * The profile is set before the first use of any other file of this folder, and
 * before any other thread starts; contexts made earlier keep what they were made with.
 */
#ifndef SPOOLGUARD_CRYPTO_PROFILE_H
#define SPOOLGUARD_CRYPTO_PROFILE_H

#include "base/macros.h"
#include "base/problem.h"
#include <stdbool.h>
#include <stddef.h>

enum profile {
	PROFILE_STANDARD,
	PROFILE_HCD_CPP,
};

const char *profile_name(enum profile profile);
must_check int profile_from_name(const char *name, enum profile *ret_profile); /* -EINVAL */

/* -ENOSYS if an active FIPS provider lacks an algorithm that is needed; the profile is then as it
 * was. */
must_check int profile_set(enum profile profile, struct problem *reterr_problem);
enum profile profile_current(void);
bool profile_allows_argon2id(void);

/* True if OpenSSL's FIPS provider is loaded and its algorithms are the ones fetched. */
bool profile_has_fips_provider(void);

/*
 * One line each for what the current profile uses that is not approved or not
 * validated; NULL ends the list.  The list is the calling thread's until it asks again.
 */
const char *const *profile_caveats(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_impl.h - what the files of the keystore share
 */
#ifndef SPOOLGUARD_KEYSTORE_KEYSTORE_IMPL_H
#define SPOOLGUARD_KEYSTORE_KEYSTORE_IMPL_H

#include "keystore/keystore.h"
#include <libcryptsetup.h>

#define KEYSTORE_LOG_BYTES 256

struct keystore {
	struct crypt_device *cd;
	char *path;
	bool read_only;
	struct keystore_segment segment;
	struct keystore_token token;
	int token_number;		     /* in the header, or CRYPT_ANY_TOKEN */
	char last_error[KEYSTORE_LOG_BYTES]; /* what libcryptsetup said last, instead of printing it
					      */
};

/* crypt_init, its log caught, and the header loaded and checked (K2). */
must_check int keystore_load(const char *path, bool read_only, struct keystore **ret_keystore,
	struct problem *reterr_problem);
/* Sets the KDF that the next key slot gets. */
must_check int keystore_set_kdf(
	struct keystore *keystore, uint32_t memory_kib, uint32_t iteration_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random.h - random bytes from the kernel's generator or, in a profile that
 * asks for it, OpenSSL's SP 800-90A DRBG
 *
 * Errors: -errno of getrandom; -EINVAL for more than INT_MAX bytes, -EIO if OpenSSL fails.
 * Threads: any.
 */
#ifndef SPOOLGUARD_CRYPTO_RANDOM_H
#define SPOOLGUARD_CRYPTO_RANDOM_H

#include "base/macros.h"

must_check int random_bytes(void *buf, size_t bytes);

#define RANDOM_UUID_BYTES 37
/* "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b": RFC 9562, version 4. */
must_check int random_uuid(char ret_text[static RANDOM_UUID_BYTES]);

/*
 * Ends what the library keeps for this thread: its generator's state, its list of errors.  The
 * library does so by itself when a thread has ended; a detached thread calls this before it says
 * that it is done, so that nothing of it is left behind whoever waited for that.
 */
void random_thread_done(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest.h - known-answer tests of every algorithm, run before first use
 *
 * Pure apart from the algorithms themselves.  Each test names the source of
 * its vector.  selftest_inject() damages one answer on purpose, to prove
 * that the alarm works; it exists in every build and is refused by callers
 * while a volume is open.
 */
#ifndef SPOOLGUARD_CRYPTO_SELFTEST_H
#define SPOOLGUARD_CRYPTO_SELFTEST_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

struct selftest_result {
	const char *name; /* "aes-256-xts encrypt 4096" */
	bool ok;
	const char *detail; /* what was compared, and its source */
};

#define SELFTEST_MAX 32

/* Fills at most SELFTEST_MAX results; returns 0 if all are ok, -EBADMSG if one is not. */
must_check int selftest_run(struct selftest_result results[static SELFTEST_MAX], size_t *ret_count);

/* One test.  -ENOENT: past the last of the current profile; 0 whatever its result. */
must_check int selftest_run_at(size_t index, struct selftest_result *ret_result);
const char *selftest_name(size_t index); /* NULL past the last */

/* -EINVAL if no test has that name; NULL removes the injection. */
must_check int selftest_inject(const char *name);

#endif

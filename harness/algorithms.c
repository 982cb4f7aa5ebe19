/* SPDX-License-Identifier: Apache-2.0 */
/*
 * algorithms.c - known answers of every algorithm in use, and a signing key that fits itself
 *
 * The known answers are those that every process of ours checks before its first key
 * (crypto/selftest.h), in both directions.  The second is the pairwise consistency test of FIPS
 * 140-3 (ISO/IEC 19790 7.10.3.3): a key pair that was just made signs, and its signature verifies.
 */
#include "harness/harness_impl.h"
#include "crypto/selftest.h"
#include "crypto/signature.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char remedy[] = "check this machine's memory, and its libcrypto and libsodium; then "
			     "run the self-tests again";

static void test_known_answer(const struct trial *trial, struct outcome *out)
{
	struct selftest_result result;
	int r = 0;

	if (trial->damage)
		r = selftest_inject(selftest_name(trial->index));
	if (r >= 0)
		r = selftest_run_at(trial->index, &result);
	if (trial->damage && selftest_inject(NULL) < 0)
		r = -EINVAL;
	if (r < 0)
		outcome_cannot_tell(out, remedy, "it could not be run: %s", strerror(-r));
	else if (!result.ok)
		outcome_failed(out, remedy, "another answer than the known one: %s", result.detail);
	else
		outcome_ok(out, "%s", result.detail);
}

/* -EKEYREJECTED: its own signature is refused; -EBADE: another message's is taken. */
static int try_pair(bool damage)
{
	static const char message[] = "signed by a new key", other[] = "signed by a new kez";
	_cleanup_secret_ struct secret *seed = NULL;
	uint8_t public_key[SIGNATURE_PUBLIC_BYTES], signature[SIGNATURE_BYTES];
	int r;

	r = signature_key_new(&seed, public_key);
	if (r >= 0)
		r = signature_sign(seed, message, sizeof(message), signature);
	if (r < 0)
		return r;
	if (damage)
		signature[0] ^= 1;
	if (signature_verify(public_key, message, sizeof(message), signature) < 0)
		return -EKEYREJECTED;
	return signature_verify(public_key, other, sizeof(other), signature) == -EBADMSG ? 0
											 : -EBADE;
}

static void test_pair(const struct trial *trial, struct outcome *out)
{
	int r = try_pair(trial->damage);

	if (r == -EKEYREJECTED || r == -EBADMSG)
		outcome_failed(out, remedy, "a new key's own signature does not verify");
	else if (r == -EBADE)
		outcome_failed(out, remedy, "a signature verifies for another message too");
	else if (r < 0)
		outcome_cannot_tell(out, remedy, "no key could be made: %s", strerror(-r));
	else
		outcome_ok(out, "a new Ed25519 key signs and verifies, another message is refused; "
				"FIPS 140-3 pairwise consistency");
}

void harness_add_algorithms(struct harness_table *table)
{
	char name[HARNESS_NAME_BYTES];

	for (size_t i = 0; selftest_name(i); i++) {
		snprintf(name, sizeof(name), "algorithm/%s", selftest_name(i));
		harness_add(table, HARNESS_ALGORITHMS, HARNESS_CLAIM, name, test_known_answer, i);
	}
	harness_add(table, HARNESS_ALGORITHMS, HARNESS_CLAIM, "algorithm/new signing key",
		test_pair, 0);
}

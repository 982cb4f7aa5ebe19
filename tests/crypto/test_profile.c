/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_profile.c - what a profile allows, where it fetches, and what it admits
 *
 * Goal: with hcd-cpp and an active FIPS provider everything of OpenSSL's comes
 * from that provider or nothing is set (F1); the caveats name what is in use.
 * Method: a provider of the name "fips", inside the test, that hands out the
 * default provider's algorithms under the property fips=yes; a second one that
 * lacks some.  What is tested is the choice of provider, not a validated module.
 */
/* RAND_set_rand_method: the short way to see which generator is asked. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/profile.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/selftest.h"
#include <check.h>
#include <errno.h>
#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

static OSSL_PROVIDER *lender, *fips; /* of some of the tests */

static void teardown(void)
{
	ck_assert_int_eq(profile_set(PROFILE_STANDARD, NULL), 0);
	EVP_default_properties_enable_fips(NULL, 0);
	if (fips)
		OSSL_PROVIDER_unload(fips);
	if (lender)
		OSSL_PROVIDER_unload(lender);
}

static bool admits(const char *what)
{
	for (const char *const *line = profile_caveats(); *line; line++) {
		if (strstr(*line, what))
			return true;
	}
	return false;
}

/* --- Names --- */

START_TEST(names_are_read_as_they_are_written)
{
	enum profile profile;

	for (enum profile p = PROFILE_STANDARD; p <= PROFILE_HCD_CPP; p++) {
		ck_assert_int_eq(profile_from_name(profile_name(p), &profile), 0);
		ck_assert_int_eq(profile, p);
	}
	ck_assert_str_eq(profile_name(PROFILE_HCD_CPP), "hcd-cpp");
	profile = PROFILE_HCD_CPP;
	ck_assert_int_eq(profile_from_name("HCD-CPP", &profile), -EINVAL);
	ck_assert_int_eq(profile_from_name("", &profile), -EINVAL);
	ck_assert_int_eq(profile, PROFILE_HCD_CPP);
}
END_TEST

/* --- Without a FIPS provider --- */

START_TEST(the_standard_profile_admits_argon2id_and_the_kernels_generator)
{
	ck_assert_int_eq(profile_current(), PROFILE_STANDARD);
	ck_assert(profile_allows_argon2id());
	ck_assert(admits("Argon2id"));
	ck_assert(admits("random bytes come from the kernel's generator"));
	ck_assert(admits("Ed25519"));
	if (!profile_has_fips_provider())
		ck_assert(admits("no FIPS provider is configured"));
}
END_TEST

START_TEST(the_hcd_cpp_profile_admits_what_is_left)
{
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(profile_current(), PROFILE_HCD_CPP);
	ck_assert(!profile_allows_argon2id());
	ck_assert(!admits("Argon2id"));
	ck_assert(!admits("random bytes come from the kernel's generator"));
	ck_assert(admits("through libcryptsetup"));
	ck_assert(admits("Ed25519"));
	if (!profile_has_fips_provider())
		ck_assert(admits("no FIPS provider is configured"));
}
END_TEST

/* --- The generator --- */

static unsigned int asked_of_openssl;

static int count_and_fill(unsigned char *buf, int bytes)
{
	memset(buf, 0x42, (size_t)bytes);
	asked_of_openssl++;
	return 1;
}

static int fail_to_fill(unsigned char *buf, int bytes)
{
	(void)buf;
	(void)bytes;
	return 0;
}

/* RAND_priv_bytes goes through a method that was set, which shows that it was asked. */
START_TEST(the_hcd_cpp_profile_asks_openssls_generator_and_the_standard_one_does_not)
{
	static const RAND_METHOD counting = {.bytes = count_and_fill};
	uint8_t bytes[64] = {0}, answer[64];

	memset(answer, 0x42, sizeof(answer));
	ck_assert_int_eq(RAND_set_rand_method(&counting), 1);
	ck_assert_int_eq(random_bytes(bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(asked_of_openssl, 0);
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(random_bytes(bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(asked_of_openssl, 1);
	ck_assert_mem_eq(bytes, answer, sizeof(answer));
	RAND_set_rand_method(NULL);
}
END_TEST

START_TEST(a_generator_that_fails_is_an_error_and_a_secret_is_not_made)
{
	static const RAND_METHOD failing = {.bytes = fail_to_fill};
	struct secret *secret = NULL;
	uint8_t byte;

	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(RAND_set_rand_method(&failing), 1);
	ck_assert_int_eq(random_bytes(&byte, 1), -EIO);
	ck_assert_int_eq(secret_new_random(32, &secret), -EIO);
	ck_assert_ptr_null(secret);
	RAND_set_rand_method(NULL);
	ck_assert_int_eq(random_bytes(&byte, (size_t)INT32_MAX + 1), -EINVAL);
}
END_TEST

/* --- With one --- */

enum { ALGORITHMS_MAX = 128, OPERATIONS_MAX = 32 };

static bool lacks_kdfs;

/* The default provider's algorithms, declared to be FIPS ones. */
static const OSSL_ALGORITHM *lend(void *context, int operation, int *no_cache)
{
	static OSSL_ALGORITHM lists[OPERATIONS_MAX][ALGORITHMS_MAX];
	const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(lender, operation, no_cache);
	OSSL_ALGORITHM *to = lists[operation];
	size_t count = 0;

	(void)context;
	if (!from || (lacks_kdfs && operation == OSSL_OP_KDF))
		return NULL;
	for (; from->algorithm_names; from++) {
		ck_assert_uint_lt(count, ALGORITHMS_MAX - 1);
		to[count] = *from;
		to[count++].property_definition = "provider=fips,fips=yes";
	}
	to[count].algorithm_names = NULL;
	return to;
}

static int start_lending(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))lend}, {0, NULL}};

	(void)handle;
	(void)in;
	*out = functions;
	*context = OSSL_PROVIDER_get0_provider_ctx(lender);
	return 1;
}

static void activate_fips_provider(void)
{
	lender = OSSL_PROVIDER_load(NULL, "default");
	ck_assert_ptr_nonnull(lender);
	ck_assert_int_eq(OSSL_PROVIDER_add_builtin(NULL, "fips", start_lending), 1);
	fips = OSSL_PROVIDER_load(NULL, "fips");
	ck_assert_ptr_nonnull(fips);
}

static const char *provider_of_xts(void)
{
	static char name[32];
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);

	ck_assert_ptr_nonnull(cipher);
	strncpy(name, OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher)), sizeof(name) - 1);
	EVP_CIPHER_free(cipher);
	return name;
}

START_TEST(an_active_fips_provider_is_the_one_that_hcd_cpp_fetches_from)
{
	struct selftest_result results[SELFTEST_MAX];
	size_t count;

	activate_fips_provider();
	ck_assert(!profile_has_fips_provider()); /* active, but not chosen */
	ck_assert(admits("no FIPS provider is configured"));
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert(profile_has_fips_provider());
	ck_assert_str_eq(provider_of_xts(), "fips");
	ck_assert(!admits("FIPS provider"));
	ck_assert(admits("Ed25519"));
	ck_assert_int_eq(selftest_run(results, &count), 0);
}
END_TEST

START_TEST(the_standard_profile_does_not_insist_on_it)
{
	activate_fips_provider();
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(profile_set(PROFILE_STANDARD, NULL), 0);
	ck_assert(!profile_has_fips_provider());
	ck_assert(admits("no FIPS provider is configured"));
}
END_TEST

START_TEST(a_fips_provider_that_openssls_configuration_chose_stays_chosen)
{
	activate_fips_provider();
	ck_assert_int_eq(EVP_default_properties_enable_fips(NULL, 1), 1);
	ck_assert(profile_has_fips_provider());
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(profile_set(PROFILE_STANDARD, NULL), 0);
	ck_assert(profile_has_fips_provider());
	ck_assert_str_eq(provider_of_xts(), "fips");
}
END_TEST

START_TEST(a_fips_provider_that_lacks_an_algorithm_is_refused_and_nothing_changes)
{
	struct selftest_result results[SELFTEST_MAX];
	size_t count;
	struct problem problem = {""};

	lacks_kdfs = true;
	activate_fips_provider();
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, &problem), -ENOSYS); /* F1 */
	ck_assert_ptr_nonnull(strstr(problem.text, "profile hcd-cpp: the FIPS provider"));
	ck_assert_int_eq(profile_current(), PROFILE_STANDARD);
	ck_assert(!profile_has_fips_provider());
	ck_assert_int_eq(selftest_run(results, &count), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profile");
	TCase *tcase = tcase_create("profile");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, names_are_read_as_they_are_written);
	tcase_add_test(tcase, the_standard_profile_admits_argon2id_and_the_kernels_generator);
	tcase_add_test(tcase, the_hcd_cpp_profile_admits_what_is_left);
	tcase_add_test(
		tcase, the_hcd_cpp_profile_asks_openssls_generator_and_the_standard_one_does_not);
	tcase_add_test(tcase, a_generator_that_fails_is_an_error_and_a_secret_is_not_made);
	tcase_add_test(tcase, an_active_fips_provider_is_the_one_that_hcd_cpp_fetches_from);
	tcase_add_test(tcase, the_standard_profile_does_not_insist_on_it);
	tcase_add_test(tcase, a_fips_provider_that_openssls_configuration_chose_stays_chosen);
	tcase_add_test(
		tcase, a_fips_provider_that_lacks_an_algorithm_is_refused_and_nothing_changes);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

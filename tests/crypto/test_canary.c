/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_canary.c - what becomes of a key in memory
 *
 * Goal: a key lies in its locked pages and nowhere else, no algorithm of
 * crypto/ leaves a copy of it behind, and after secret_free it is gone (S2).
 * Method: a child works with a canary and stops, while its parent, who alone
 * holds the canary openly, searches all of the child's memory; and a core file,
 * where the system writes any.
 *
 * Not under qemu-user: the emulator keeps copies of memory of its own
 */
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "crypto/signature.h"
#include "crypto/stream.h"
#include "crypto/xts.h"
#include "tests/support/memory_search.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANARY_BYTES = 32, CANARY_KEY_BYTES = 64 };

/*
 * Makes a child that gets the canary, twice over, through a pipe and stops
 * wherever it calls pause_here(); each time the parent looks.  The parent has
 * the canary; the child was forked before, and only ever had it in its secret.
 */
struct watched {
	pid_t pid;
	uint8_t canary[CANARY_KEY_BYTES];
};

static void pause_here(void)
{
	raise(SIGSTOP);
}

static struct watched watch(void (*work)(struct secret *key))
{
	struct watched watched;
	int ends[2], random;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	watched.pid = fork();
	ck_assert_int_ge(watched.pid, 0);
	if (watched.pid == 0) {
		struct secret *key;

		close(ends[1]);
		if (secret_read_fd(ends[0], CANARY_KEY_BYTES, &key) < 0 ||
			secret_size(key) != CANARY_KEY_BYTES)
			_exit(1);
		work(key);
		_exit(0);
	}
	random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(random, watched.canary, CANARY_KEY_BYTES), CANARY_KEY_BYTES);
	close(random);
	close(ends[0]);
	ck_assert_int_eq(write(ends[1], watched.canary, CANARY_KEY_BYTES), CANARY_KEY_BYTES);
	close(ends[1]);
	return watched;
}

/* Waits for the next stop and searches for the first half of the key, and for the second. */
static struct memory_found look(struct watched *watched, unsigned int half)
{
	int status;

	if (half == 0) {
		ck_assert_int_eq(waitpid(watched->pid, &status, WUNTRACED), watched->pid);
		ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	}
	return memory_search(watched->pid, watched->canary + half * CANARY_BYTES, CANARY_BYTES);
}

static void go_on(struct watched *watched)
{
	ck_assert_int_eq(kill(watched->pid, SIGCONT), 0);
}

static void assert_ends_well(struct watched *watched)
{
	int status;

	ck_assert_int_eq(waitpid(watched->pid, &status, 0), watched->pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void hold_and_free(struct secret *key)
{
	pause_here();
	secret_free(key);
	pause_here();
}

START_TEST(a_key_is_in_its_locked_pages_alone_and_after_the_free_nowhere)
{
	struct watched watched = watch(hold_and_free);

	for (unsigned int half = 0; half < 2; half++) {
		struct memory_found found = look(&watched, half);

		ck_assert_uint_eq(found.anywhere, 1); /* the search can find it */
		ck_assert_uint_eq(found.locked, 1);
		ck_assert_uint_eq(found.dumpable, 0);
	}
	go_on(&watched);
	ck_assert_uint_eq(look(&watched, 0).anywhere, 0); /* S2 */
	ck_assert_uint_eq(look(&watched, 1).anywhere, 0);
	go_on(&watched);
	assert_ends_well(&watched);
}
END_TEST

static void must(int r)
{
	if (r < 0)
		_exit(2);
}

static void use_xts(struct secret *key)
{
	uint8_t buf[8192] = {0};
	struct xts *xts;

	must(xts_new(key, &xts));
	must(xts_encrypt(xts, 0, 8, 4096, buf, buf, sizeof(buf)));
	must(xts_decrypt(xts, 0, 8, 4096, buf, buf, sizeof(buf)));
	pause_here();
	xts_free(xts);
	secret_free(key);
	pause_here();
}

static void use_aead(struct secret *key)
{
	uint8_t buf[4096] = {0}, nonce[AEAD_NONCE_BYTES] = {0}, tag[AEAD_TAG_BYTES];
	struct aead *aead;

	secret_truncate(key, AEAD_KEY_BYTES);
	must(aead_new(key, &aead));
	must(aead_seal(aead, nonce, "a", 1, buf, sizeof(buf), buf, tag));
	must(aead_open(aead, nonce, "a", 1, buf, sizeof(buf), buf, tag));
	pause_here();
	aead_free(aead);
	secret_free(key);
	pause_here();
}

static void use_stream(struct secret *key)
{
	uint8_t buf[4096];
	struct stream *stream;

	secret_truncate(key, STREAM_SEED_BYTES);
	must(stream_new(key, &stream));
	must(stream_generate(stream, 100, buf, sizeof(buf)));
	pause_here();
	stream_free(stream);
	secret_free(key);
	pause_here();
}

static void use_hmac_and_hkdf(struct secret *key)
{
	uint8_t mac[SHA256_BYTES];
	struct secret *derived;

	must(hash_hmac_sha256(key, "message", 7, mac));
	must(hash_hkdf_sha256(key, "salt", 4, "use", 64, &derived));
	pause_here();
	secret_free(derived);
	secret_free(key);
	pause_here();
}

static void use_kdfs(struct secret *key)
{
	static const uint8_t salt[KDF_ARGON2_SALT_BYTES] = {1};
	struct kdf_cost cost = {.iterations = 1000, .memory_kib = 64};
	struct secret *a, *b;

	must(kdf_pbkdf2(key, salt, sizeof(salt), cost, 32, &a));
	cost.iterations = 2;
	must(kdf_argon2id(key, salt, cost, 32, &b));
	pause_here();
	secret_free(a);
	secret_free(b);
	secret_free(key);
	pause_here();
}

static void use_signature(struct secret *key)
{
	uint8_t public_key[SIGNATURE_PUBLIC_BYTES], signature[SIGNATURE_BYTES];

	secret_truncate(key, SIGNATURE_SEED_BYTES);
	must(signature_public(key, public_key));
	must(signature_sign(key, "message", 7, signature));
	must(signature_verify(public_key, "message", 7, signature));
	pause_here();
	secret_free(key);
	pause_here();
}

/* Contexts of OpenSSL keep the key (secret.h says so); nothing else does. */
static const struct {
	const char *name;
	void (*work)(struct secret *key);
	bool has_contexts;
} uses[] = {
	{"xts", use_xts, true},
	{"aead", use_aead, true},
	{"stream", use_stream, true},
	{"hmac and hkdf", use_hmac_and_hkdf, false},
	{"key derivation", use_kdfs, false},
	{"signature", use_signature, false},
};

START_TEST(no_algorithm_leaves_a_copy_of_its_key)
{
	struct watched watched = watch(uses[_i].work);
	struct memory_found alive = look(&watched, 0);

	ck_assert_uint_ge(alive.anywhere, 1);
	ck_assert_uint_eq(alive.on_stack, 0);
	if (!uses[_i].has_contexts)
		ck_assert_msg(alive.anywhere == 1 && alive.dumpable == 0, "%s: %u copies",
			uses[_i].name, alive.anywhere);
	go_on(&watched);
	ck_assert_msg(look(&watched, 0).anywhere == 0, "%s left its key", uses[_i].name);
	ck_assert_msg(look(&watched, 1).anywhere == 0, "%s left its key", uses[_i].name);
	go_on(&watched);
	assert_ends_well(&watched);
}
END_TEST

static void forget_one_on_the_stack(struct secret *key)
{
	volatile uint8_t copy[CANARY_KEY_BYTES];

	for (size_t i = 0; i < sizeof(copy); i++)
		copy[i] = secret_peek(key)[i];
	secret_free(key);
	pause_here();
	(void)copy[0];
}

START_TEST(a_forgotten_copy_is_found)
{
	struct watched watched = watch(forget_one_on_the_stack);
	struct memory_found found = look(&watched, 0);

	ck_assert_uint_ge(found.anywhere, 1);
	ck_assert_uint_ge(found.dumpable, 1);
	go_on(&watched);
	assert_ends_well(&watched);
}
END_TEST

/* --- A real core file, where the system writes any --- */

/* A key, and beside it something that a core file must have: else the search proves nothing. */
static void crash(struct secret *key)
{
	char *marker = malloc(64);

	if (!marker)
		_exit(2);
	snprintf(marker, 64, "%s%s", "this core ", "is whole");
	marker[63] = (char)secret_peek(key)[0];
	abort();
}

static bool cores_are_files(void)
{
	char pattern[256] = "";
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");

	if (!file)
		return false;
	if (!fgets(pattern, sizeof(pattern), file))
		pattern[0] = '\0';
	fclose(file);
	return strcmp(pattern, "core\n") == 0;
}

START_TEST(a_core_file_has_no_key_in_it)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE"), *parent = getenv("TMPDIR");
	char directory[256], path[300];
	struct watched watched;
	uint8_t *core;
	int fd, status;
	off_t bytes;

	/* Else the mappings, in the tests before, have to do.  Under valgrind a core is valgrind's.
	 */
	if (!LOCKS_ARE_REAL || !cores_are_files() || (scale && strcmp(scale, "small") == 0) ||
		setrlimit(RLIMIT_CORE, &all) < 0)
		return;
	snprintf(directory, sizeof(directory), "%s/spoolguard-core.XXXXXX",
		parent ? parent : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	watched = watch(crash);
	ck_assert_int_eq(waitpid(watched.pid, &status, 0), watched.pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	snprintf(path, sizeof(path), "%s/core", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/core.%d", directory, watched.pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	ck_assert_msg(fd >= 0 || !WCOREDUMP(status), "no core in %s", directory);
	if (fd >= 0) {
		bytes = lseek(fd, 0, SEEK_END);
		core = malloc((size_t)bytes);
		ck_assert_ptr_nonnull(core);
		ck_assert_int_eq(pread(fd, core, (size_t)bytes, 0), bytes);
		close(fd);
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_ptr_nonnull(memmem(core, (size_t)bytes, "this core is whole", 18));
		ck_assert_uint_eq(
			memory_count(core, (size_t)bytes, watched.canary, CANARY_BYTES), 0);
		ck_assert_uint_eq(memory_count(core, (size_t)bytes, watched.canary + CANARY_BYTES,
					  CANARY_BYTES),
			0);
		free(core);
	}
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("canary");
	TCase *tcase = tcase_create("canary");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, a_key_is_in_its_locked_pages_alone_and_after_the_free_nowhere);
	tcase_add_loop_test(tcase, no_algorithm_leaves_a_copy_of_its_key, 0, ARRAY_SIZE(uses));
	tcase_add_test(tcase, a_forgotten_copy_is_found);
	tcase_add_test(tcase, a_core_file_has_no_key_in_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_crypted.c - AES-256-XTS between a medium and its user
 *
 * Goal: what lies on the medium is what dm-crypt would have put there, and no
 * plaintext; what is read is what was written.  Method: digests of ciphertext
 * made by python3-cryptography, and images of stock cryptsetup that an
 * independent program (tests/tools/luks2_decrypt.py) reads and writes.
 */
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/crypted.h"
#include "blockdev/raw.h"
#include "blockdev/window.h"
#include "crypto/hash.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 600, LARGE_BLOCKS = 513 }; /* 513: two copies of 1 MiB and a block */

static struct secret *key;
static struct blockdev *disk;
static struct blockdev *crypted;
static uint8_t *buf, *expected; /* LARGE_BLOCKS */

static void setup(void)
{
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &key), 0);
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
	ck_assert_int_eq(crypted_new(disk, key, BLOCK_BYTES, 0, &crypted), 0);
	buf = malloc(LARGE_BLOCKS * BLOCK_BYTES);
	expected = malloc(LARGE_BLOCKS * BLOCK_BYTES);
	ck_assert(buf && expected);
}

static void teardown(void)
{
	crypted = blockdev_close(crypted);
	disk = blockdev_close(disk);
	secret_free(key);
	free(buf);
	free(expected);
}

static void fill(uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(i * 2654435761u >> 11);
}

/* --- against another implementation --- */

/*
 * Blocks 5 and 6 of bytes (7 i + 3) mod 256 under the key 00 01 ... 3f, by
 * cryptography.hazmat: XTS of each sector, tweak = 8 * 5 + i / 512 + iv_offset, SHA-256 of all.
 */
static const struct {
	uint32_t sector_bytes;
	uint64_t iv_offset;
	const char *digest;
} vectors[] = {
	{4096, 0, "622427a23b116a3442aecc11c2b4d62de80816db85b5fce2c7af761d896d5027"},
	{512, 0, "81998cb1f334c83c097514849bba2735776b1269ffa65c62a42ea4a9cfde6c33"},
	{4096, 1ull << 60, "20868dcf70480174136b4a24c177935da561f9e78345cb86dedc13a814fcf1ae"},
	{512, 1ull << 60, "8c531e344f687ee7e3dc3d81bea46680cc810dcb918bc4a8263e2f451fa099a8"},
	/* the tweak wraps between the two blocks, as the kernel's sector_t does */
	{4096, -48ull, "ad66fae71674a11232d137812d70939ec802993b342dfee19deb9f2241395fac"},
};

static void assert_digest(const char *hex)
{
	uint8_t digest[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	simdisk_peek(disk, (struct extent){5, 2}, buf);
	ck_assert_int_eq(hash_sha256(buf, 2 * BLOCK_BYTES, digest), 0);
	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	ck_assert_str_eq(text, hex);
}

START_TEST(the_medium_holds_what_another_implementation_makes)
{
	const struct extent at = {5, 2};

	blockdev_close(crypted);
	ck_assert_int_eq(
		crypted_new(disk, key, vectors[_i].sector_bytes, vectors[_i].iv_offset, &crypted),
		0);
	for (size_t i = 0; i < 2 * BLOCK_BYTES; i++)
		expected[i] = (uint8_t)(7 * i + 3);
	ck_assert_int_eq(blockdev_write(crypted, at, expected, 2 * BLOCK_BYTES), 0);
	assert_digest(vectors[_i].digest);

	ck_assert_int_eq(blockdev_read(crypted, at, buf, 2 * BLOCK_BYTES), 0);
	ck_assert_int_eq(memcmp(buf, expected, 2 * BLOCK_BYTES), 0);

	simdisk_reset(disk);
	memcpy(buf, expected, 2 * BLOCK_BYTES);
	ck_assert_int_eq(blockdev_write_consuming(crypted, at, buf, 2 * BLOCK_BYTES), 0);
	assert_digest(vectors[_i].digest);
}
END_TEST

/* --- its own behaviour --- */

START_TEST(a_write_leaves_its_callers_buffer_alone)
{
	const struct extent at = {1, LARGE_BLOCKS};
	size_t bytes = LARGE_BLOCKS * (size_t)BLOCK_BYTES;

	fill(buf, bytes);
	memcpy(expected, buf, bytes);
	ck_assert_int_eq(blockdev_write(crypted, at, buf, bytes), 0);
	ck_assert_int_eq(memcmp(buf, expected, bytes), 0);
	memset(buf, 0, bytes);
	ck_assert_int_eq(blockdev_read(crypted, at, buf, bytes), 0);
	ck_assert_int_eq(memcmp(buf, expected, bytes), 0);
}
END_TEST

START_TEST(parts_of_a_large_write_read_alone)
{
	size_t bytes = LARGE_BLOCKS * (size_t)BLOCK_BYTES;

	fill(buf, bytes);
	memcpy(expected, buf, bytes);
	ck_assert_int_eq(
		blockdev_write_consuming(crypted, (struct extent){7, LARGE_BLOCKS}, buf, bytes), 0);
	for (uint64_t i = 0; i < LARGE_BLOCKS; i += 64) {
		ck_assert_int_eq(
			blockdev_read(crypted, (struct extent){7 + i, 1}, buf, BLOCK_BYTES), 0);
		ck_assert_int_eq(memcmp(buf, expected + i * BLOCK_BYTES, BLOCK_BYTES), 0);
	}
}
END_TEST

START_TEST(equal_blocks_look_different_on_the_medium)
{
	memset(expected, 0, 2 * BLOCK_BYTES);
	ck_assert_int_eq(
		blockdev_write(crypted, (struct extent){0, 2}, expected, 2 * BLOCK_BYTES), 0);
	simdisk_peek(disk, (struct extent){0, 2}, buf);
	ck_assert_int_ne(memcmp(buf, buf + BLOCK_BYTES, BLOCK_BYTES), 0);
	ck_assert(!bytes_are_uniform(buf, 16));
}
END_TEST

START_TEST(a_key_with_equal_halves_is_refused)
{
	struct secret *weak;
	struct blockdev *none = NULL;

	ck_assert_int_eq(secret_new(64, &weak), 0);
	ck_assert_int_eq(crypted_new(disk, weak, BLOCK_BYTES, 0, &none), -EINVAL);
	ck_assert_ptr_null(none);
	secret_free(weak);
}
END_TEST

START_TEST(it_is_as_large_as_its_parent_also_after_growth)
{
	ck_assert_uint_eq(blockdev_blocks(crypted), BLOCKS);
	simdisk_grow(disk, BLOCKS + 3);
	ck_assert_int_eq(
		blockdev_read(crypted, (struct extent){BLOCKS, 1}, buf, BLOCK_BYTES), -ERANGE);
	crypted_refresh_size(crypted);
	ck_assert_int_eq(
		blockdev_read(crypted, (struct extent){BLOCKS + 2, 1}, buf, BLOCK_BYTES), 0);
}
END_TEST

START_TEST(every_single_io_error_is_reported)
{
	size_t bytes = LARGE_BLOCKS * (size_t)BLOCK_BYTES;
	const struct extent all = {0, LARGE_BLOCKS};

	for (uint64_t nth = 1;; nth++) {
		int r;

		simdisk_replug(disk);
		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		fill(buf, bytes);
		r = blockdev_write(crypted, all, buf, bytes);
		if (r >= 0)
			r = blockdev_write_consuming(crypted, all, buf, bytes);
		if (r >= 0)
			r = blockdev_read(crypted, all, buf, bytes);
		if (r >= 0)
			r = blockdev_flush(crypted);
		ck_assert_int_eq(r, simdisk_fired(disk) ? -EIO : 0);
		if (!simdisk_fired(disk)) {
			ck_assert_uint_eq(nth, 3 + 3 + 1); /* 3 writes, 1, a read, a flush */
			break;
		}
		crypted = blockdev_close(crypted); /* a failed flush sticks to it */
		ck_assert_int_eq(crypted_new(disk, key, BLOCK_BYTES, 0, &crypted), 0);
	}
}
END_TEST

enum { THREADS = 4, ROUNDS = 100 };

static void *write_and_read(void *context)
{
	uint64_t number = *(uint64_t *)context;
	uint8_t mine[2 * BLOCK_BYTES], back[2 * BLOCK_BYTES];

	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct extent at = {number * 100 + i % 99, 2};

		memset(mine, (int)(number * ROUNDS + i), sizeof(mine));
		if (blockdev_write(crypted, at, mine, sizeof(mine)) < 0 ||
			blockdev_read(crypted, at, back, sizeof(back)) < 0 ||
			memcmp(mine, back, sizeof(mine)) != 0)
			return context;
	}
	return NULL;
}

START_TEST(many_threads_do_not_mix_their_tweaks)
{
	uint64_t numbers[THREADS];
	pthread_t threads[THREADS];
	void *failed;

	for (uint64_t i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_and_read, &numbers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

/* --- images of stock cryptsetup --- */

static char directory[] = "/var/tmp/spoolguard-crypted.XXXXXX";

/* $D is the directory.  True if it exits 0. */
static bool shell(const char *command)
{
	setenv("D", directory, 1);
	return system(command) == 0;
}

static bool has_tools(void)
{
	if (shell("cryptsetup --version >/dev/null && "
		  "python3 tests/tools/luks2_decrypt.py --help >/dev/null 2>&1"))
		return true;
	fputs("test_crypted: skipped: no cryptsetup, no python3-cryptography, or not in the "
	      "source directory\n",
		stderr);
	return false;
}

static struct secret *volume_key_of_image(void)
{
	struct secret *volume_key;
	uint8_t *at;
	FILE *dump;
	int c;

	ck_assert(shell("cryptsetup luksDump --dump-volume-key --batch-mode --key-file $D/key "
			"$D/image | sed '1,/MK dump:/{s/MK dump://;t;d}' | tr -cd 0-9a-f >$D/mk"));
	ck_assert_int_eq(secret_new(64, &volume_key), 0);
	at = secret_bytes(volume_key);
	ck_assert(shell("test $(stat -c %s $D/mk) = 128"));
	dump = popen("cat $D/mk", "re");
	for (size_t i = 0; i < 128 && (c = fgetc(dump)) != EOF; i++)
		at[i / 2] = (uint8_t)(at[i / 2] << 4 | (isdigit(c) ? c - '0' : c - 'a' + 10));
	pclose(dump);
	return volume_key;
}

/* Writes 16 blocks through our layers, or reads what the other program wrote. */
static void use_image(uint32_t sector_bytes, bool written_by_other)
{
	struct raw_options options = {.block_bytes = BLOCK_BYTES};
	struct secret *volume_key = volume_key_of_image();
	struct blockdev *image, *data, *plain;
	char path[64];

	snprintf(path, sizeof(path), "%s/image", directory);
	ck_assert_int_eq(raw_open(path, &options, &image, NULL), 0);
	ck_assert_int_eq(window_new(image, (struct extent){4096, 16}, &data), 0); /* 16 MiB on */
	ck_assert_int_eq(crypted_new(data, volume_key, sector_bytes, 0, &plain), 0);
	if (written_by_other) {
		ck_assert_int_eq(
			blockdev_read(plain, (struct extent){0, 16}, buf, 16 * BLOCK_BYTES), 0);
		fill(expected, 16 * BLOCK_BYTES);
		ck_assert_int_eq(memcmp(buf, expected, 16 * BLOCK_BYTES), 0);
	} else {
		fill(buf, 16 * BLOCK_BYTES);
		ck_assert_int_eq(
			blockdev_write(plain, (struct extent){0, 16}, buf, 16 * BLOCK_BYTES), 0);
		ck_assert_int_eq(blockdev_flush(plain), 0);
	}
	blockdev_close(plain);
	blockdev_close(data);
	blockdev_close(image);
	secret_free(volume_key);
}

static void save_plain(void)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/plain", directory);
	file = fopen(path, "we");
	fill(buf, 16 * BLOCK_BYTES);
	ck_assert(file && fwrite(buf, BLOCK_BYTES, 16, file) == 16);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(stock_images_are_read_and_written_both_ways)
{
	static const uint32_t sectors[] = {512, 4096};

	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	if (!has_tools())
		return;
	ck_assert_ptr_nonnull(mkdtemp(directory));
	setenv("S", _i == 0 ? "512" : "4096", 1);
	ck_assert(shell("printf secret >$D/key && truncate -s 17M $D/image && "
			"cryptsetup luksFormat --batch-mode --type luks2 "
			"--cipher aes-xts-plain64 --key-size 512 --sector-size $S --pbkdf pbkdf2 "
			"--pbkdf-force-iterations 1000 --key-file $D/key $D/image"));
	save_plain();

	use_image(sectors[_i], false);
	ck_assert(shell("python3 tests/tools/luks2_decrypt.py $D/image $D/key --range 0 65536 | "
			"cmp - $D/plain"));

	ck_assert(shell("dd if=/dev/zero of=$D/image bs=64K seek=256 count=1 conv=notrunc "
			"status=none"));
	ck_assert(shell("python3 tests/tools/luks2_decrypt.py $D/image $D/key --encrypt-back "
			"<$D/plain 2>/dev/null"));
	use_image(sectors[_i], true);
	shell("rm -r $D");
}
END_TEST

static TCase *new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_tests(Suite *suite)
{
	TCase *tcase = new_case(suite, "against others");

	tcase_add_loop_test(tcase, the_medium_holds_what_another_implementation_makes, 0,
		(int)ARRAY_SIZE(vectors));
	tcase_add_loop_test(tcase, stock_images_are_read_and_written_both_ways, 0, 2);

	tcase = new_case(suite, "crypted");
	tcase_add_test(tcase, a_write_leaves_its_callers_buffer_alone);
	tcase_add_test(tcase, parts_of_a_large_write_read_alone);
	tcase_add_test(tcase, equal_blocks_look_different_on_the_medium);
	tcase_add_test(tcase, a_key_with_equal_halves_is_refused);
	tcase_add_test(tcase, it_is_as_large_as_its_parent_also_after_growth);
	tcase_add_test(tcase, every_single_io_error_is_reported);
	tcase_add_test(tcase, many_threads_do_not_mix_their_tweaks);
}

int main(void)
{
	Suite *suite = suite_create("crypted");
	SRunner *runner;
	int failed;

	add_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

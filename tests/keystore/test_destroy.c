/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_destroy.c - keys die first, and the medium is asked
 *
 * Goal: after keystore_destroy() no slot is left and no sector of their areas holds what it held;
 * a medium that keeps the old bytes is found out; what was interrupted is done by a second call.
 * Method: the image is compared with a copy of it, byte for byte; a liar puts the old bytes back
 * while the function waits for its flush.
 */
#include "tests/keystore/fixture.h"
#include <dlfcn.h>

/* Of key slots as LUKS2 lays them out here: one after another behind both copies of the metadata.
 */
#define AREAS_FIRST 32768u
#define AREA_BYTES  258048u

static uint8_t *read_image(void)
{
	_cleanup_close_ int fd = open(image, O_RDONLY | O_CLOEXEC);
	uint8_t *bytes = malloc(LAYOUT_SUPERBLOCK_BYTES);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(io_pread(fd, bytes, LAYOUT_SUPERBLOCK_BYTES, 0), 0);
	return bytes;
}

/* Sectors that are the same in both, between two offsets. */
static size_t sectors_kept(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	size_t count = 0;

	for (size_t at = from; at < to; at += 512)
		count += memcmp(a + at, b + at, 512) == 0;
	return count;
}

static int destroy(unsigned int *ret_slots)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(false);

	return keystore_destroy(keystore, ret_slots, &problem);
}

static size_t slots_now(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(true);
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	size_t count = 99;

	ck_assert_int_eq(keystore_list(keystore, slots, &count), 0);
	return count;
}

START_TEST(every_slot_goes_and_nothing_of_it_is_left)
{
	_cleanup_free_ uint8_t *before = NULL, *after = NULL;
	unsigned int slots = 0;

	add_second();
	before = read_image();
	assert_done(destroy(&slots));
	ck_assert_uint_eq(slots, 2);
	ck_assert_uint_eq(slots_now(), 0);
	after = read_image();
	ck_assert_uint_eq(
		sectors_kept(before, after, AREAS_FIRST, AREAS_FIRST + 2 * AREA_BYTES), 0);
	ck_assert_int_lt(try_unlock(first, -1), 0);
	ck_assert_int_lt(try_unlock(second, -1), 0);
}
END_TEST

START_TEST(an_unbound_slot_goes_too)
{
	struct crypt_device *cd = stock_load();
	unsigned int slots = 0;

	ck_assert_int_ge(crypt_keyslot_add_by_key(cd, CRYPT_ANY_SLOT, NULL, 64, "unbound", 7,
				 CRYPT_VOLUME_KEY_NO_SEGMENT),
		0);
	crypt_free(cd);
	assert_done(destroy(&slots));
	ck_assert_uint_eq(slots, 2);
	ck_assert_uint_eq(slots_now(), 0);
}
END_TEST

START_TEST(a_second_call_does_the_rest)
{
	unsigned int slots = 0;

	add_second();
	remove_slot(0);
	assert_done(destroy(&slots));
	ck_assert_uint_eq(slots, 1);
	assert_done(destroy(&slots));
	ck_assert_uint_eq(slots, 0);
}
END_TEST

/* --- a medium that lies --- */

static uint8_t *kept; /* what lay in the first slot's area; NULL: the medium is honest */

static void put_back(void)
{
	_cleanup_close_ int fd = open(image, O_RDWR | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, kept + AREAS_FIRST + 4096, 512, AREAS_FIRST + 4096) != 512)
		abort();
}

/* In place of the C library's: flushes are where the liar does his work. */
int fdatasync(int fd)
{
	int (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	if (kept)
		put_back();
	return real(fd);
}

START_TEST(a_medium_that_keeps_old_bytes_is_found_out)
{
	unsigned int slots = 0;

	kept = read_image();
	assert_refused(destroy(&slots), -EIO, "read as before");
	free(kept);
	kept = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys die first");
	TCase *tests = tcase_create("keystore");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, every_slot_goes_and_nothing_of_it_is_left);
	tcase_add_test(tests, an_unbound_slot_goes_too);
	tcase_add_test(tests, a_second_call_does_the_rest);
	tcase_add_test(tests, a_medium_that_keeps_old_bytes_is_found_out);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_faults.c - the nth write or flush of a key operation fails, tears, or is the last one
 *
 * Goal: no single failed write, and no crash between two, leaves a header that
 * cannot be read, a passphrase that should open the volume and does not, or a
 * volume key that changed (K3).  A failure is reported.
 * Method: this program's own write, pwrite and fsync stand before libc's, also
 * for libcryptsetup; each operation runs with its 1st, 2nd, 3rd ... faulty until
 * a run no longer reaches the fault.
 */
#include "tests/keystore/fixture.h"
#include <sys/syscall.h>

enum fault {
	FAULT_ONCE,  /* one operation fails, the next ones work */
	FAULT_CRASH, /* half of it arrives, and nothing after it */
	FAULT_COUNT
};

static bool armed, fired, flushes_fail;
static unsigned long countdown;
static enum fault fault;
static dev_t image_device;
static ino_t image_inode;

/* --- in front of libc --- */

static bool is_image(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == image_device && st.st_ino == image_inode;
}

static bool is_faulty(int fd)
{
	if (!armed || !is_image(fd))
		return false;
	if (fired)
		return fault == FAULT_CRASH;
	fired = --countdown == 0;
	return fired;
}

static size_t what_arrives(bool first_time, size_t bytes)
{
	return first_time && fault == FAULT_CRASH ? bytes / 2 / 512 * 512 : 0;
}

ssize_t write(int fd, const void *buf, size_t bytes)
{
	bool before = fired;

	if (!is_faulty(fd))
		return syscall(SYS_write, fd, buf, bytes);
	if (what_arrives(!before, bytes) > 0)
		(void)!syscall(SYS_write, fd, buf, what_arrives(!before, bytes));
	errno = EIO;
	return -1;
}

ssize_t pwrite(int fd, const void *buf, size_t bytes, off_t offset)
{
	bool before = fired;

	if (!is_faulty(fd))
		return syscall(SYS_pwrite64, fd, buf, bytes, offset);
	if (what_arrives(!before, bytes) > 0)
		(void)!syscall(SYS_pwrite64, fd, buf, what_arrives(!before, bytes), offset);
	errno = EIO;
	return -1;
}

/* A write that was lost is told to every open file (errseq_t in the kernel): to each flush from now
 * on. */
static int flush(int fd, long number)
{
	bool before = fired;

	if (is_faulty(fd))
		flushes_fail = flushes_fail || !before;
	if (!armed || !is_image(fd) || !(flushes_fail || (fired && fault == FAULT_CRASH)))
		return (int)syscall(number, fd);
	errno = EIO;
	return -1;
}

int fsync(int fd)
{
	return flush(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return flush(fd, SYS_fdatasync);
}

/* --- operations --- */

static int do_add(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int slot, r;

	r = keystore_open(image, false, &keystore, &problem);
	return r < 0 ? r : keystore_add(keystore, first, second, &quick, -1, &slot, &problem);
}

static int do_change(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int slot, r;

	r = keystore_open(image, false, &keystore, &problem);
	return r < 0 ? r : keystore_change(keystore, first, second, &quick, -1, &slot, &problem);
}

static int do_remove(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int r;

	r = keystore_open(image, false, &keystore, &problem);
	return r < 0 ? r : keystore_remove(keystore, 1, NULL, false, &problem);
}

static int do_backup(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	int r;

	(void)unlink(backup);
	r = keystore_open(image, false, &keystore, &problem);
	return r < 0 ? r : keystore_backup(keystore, backup, false, &problem);
}

static int do_restore(void)
{
	return keystore_restore(image, backup, true, &problem);
}

static bool opens_with(const struct secret *passphrase, const struct secret *expected_key)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(true);
	_cleanup_secret_ struct secret *key = NULL;
	int slot;

	if (keystore_unlock(keystore, passphrase, -1, &key, &slot, &problem) < 0)
		return false;
	ck_assert(secret_is_equal(secret_peek(key), secret_peek(expected_key), 64));
	return true;
}

static const struct {
	const char *name;
	int (*run)(void);
	bool has_second;   /* the second passphrase opens the volume before */
	bool first_stays;  /* it opens the volume whatever happens */
	bool second_after; /* it opens the volume afterwards */
	bool first_after;
} operations[] = {
	{"add", do_add, false, true, true, true},
	{"change", do_change, false, false, true, false},
	{"remove", do_remove, true, true, false, true},
	{"backup", do_backup, false, true, false, true},
	/* one write of headers and key slots together: after a crash the backup is restored again
	 */
	{"restore", do_restore, true, false, true, true},
};

/* --- the sweep --- */

static uint8_t *pristine;
static size_t pristine_bytes;

static void load_pristine(void)
{
	_cleanup_close_ int fd = open(image, O_RDONLY | O_CLOEXEC);
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	image_device = st.st_dev;
	image_inode = st.st_ino;
	pristine_bytes = LAYOUT_SUPERBLOCK_BYTES; /* nothing behind it is written */
	pristine = malloc(pristine_bytes);
	ck_assert_int_eq(io_pread(fd, pristine, pristine_bytes, 0), 0);
}

static void put_pristine(void)
{
	_cleanup_close_ int fd = open(image, O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(io_pwrite(fd, pristine, pristine_bytes, 0), 0);
}

static struct secret *key_now(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(true);
	struct secret *key;
	int slot;

	assert_done(keystore_unlock(keystore, first, -1, &key, &slot, &problem));
	return key;
}

static void judge(int operation, int r, unsigned long nth, const struct secret *key)
{
	bool with_first, with_second;

	if (fired &&
		fault == FAULT_CRASH) /* a flush that failed once may be passed over: reported */
		ck_assert_msg(r < 0, "%s: fault %d at %lu was not reported",
			operations[operation].name, fault, nth);
	if (operations[operation].run == do_restore && r < 0)
		assert_done(do_restore());
	with_first = opens_with(first, key);
	if (operations[operation].first_stays)
		ck_assert_msg(with_first, "%s: lost a key at %lu", operations[operation].name, nth);
	/* what is known already is not asked again: each question costs */
	with_second = (r >= 0 || !with_first) && opens_with(second, key);
	ck_assert_msg(with_first || with_second, "%s: nobody can open it after fault %d at %lu",
		operations[operation].name, fault, nth);
	ck_assert(token_now().present);
	if (r < 0)
		return;
	ck_assert_int_eq(with_first, operations[operation].first_after);
	ck_assert_int_eq(with_second, operations[operation].second_after);
}

START_TEST(a_fault_at_any_write_loses_no_key)
{
	int operation = _i / FAULT_COUNT;
	struct secret *key;
	unsigned long nth;
	int r;

	fault = (enum fault)(_i % FAULT_COUNT);
	if (operations[operation].has_second)
		add_second();
	if (operations[operation].run == do_restore)
		back_up(backup);
	key = key_now();
	load_pristine();
	for (nth = 1;; nth++) {
		put_pristine();
		fired = flushes_fail = false;
		countdown = nth;
		armed = true;
		r = operations[operation].run();
		armed = false;
		judge(operation, r, nth, key);
		if (!fired)
			break;
	}
	assert_done(r);
	ck_assert_uint_ge(nth, 3);
	free(pristine);
	secret_free(key);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tests = tcase_create("faults");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, a_fault_at_any_write_loses_no_key, 0,
		(int)ARRAY_SIZE(operations) * FAULT_COUNT);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}

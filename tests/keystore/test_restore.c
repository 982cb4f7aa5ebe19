/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_restore.c - header backups, and what a restored header must not undo
 *
 * Goal: nothing is lost or revived unless forced, by whatever program keys were
 * changed; the record of backups and removals survives every restore; a file
 * that is not ours is not written over, nor a volume that is in use.
 * Method: a backup, one change, a restore; the words of the refusal name slots.
 */
#include "tests/keystore/fixture.h"

static int restore(bool force)
{
	return keystore_restore(image, backup, force, &problem);
}

/* --- backup --- */

START_TEST(every_backup_is_counted_in_the_volume_and_in_the_copy)
{
	struct keystore_token token;
	struct keystore *copy;

	back_up(backup);
	back_up(other_backup);
	ck_assert_uint_eq(token_now().backups, 2);
	assert_refused(keystore_open(backup, true, &copy, &problem), -ENXIO, "header backup");
	memcpy(image, other_backup, sizeof(image)); /* looked at like a volume */
	ck_assert_int_eq(truncate(image, 32 << 20), 0);
	token = token_now();
	ck_assert_uint_eq(token.backups, 2);
}
END_TEST

START_TEST(a_backup_is_readable_by_its_owner_alone)
{
	struct stat st;

	back_up(backup);
	ck_assert_int_eq(stat(backup, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0377, 0);
	ck_assert_int_eq(st.st_size, LAYOUT_SUPERBLOCK_BYTES);
}
END_TEST

static int back_up_by_force(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(false);

	return keystore_backup(keystore, backup, true, &problem);
}

START_TEST(a_file_that_is_there_is_replaced_only_if_it_is_a_backup_of_this_volume)
{
	struct keystore *keystore = open_it(false);
	char original[sizeof(image)];
	int fd;

	back_up(backup);
	assert_refused(
		keystore_backup(keystore, backup, false, &problem), -EEXIST, "exists already");
	keystore_free(keystore);
	assert_done(back_up_by_force());
	ck_assert_uint_eq(token_now().backups, 2);

	/* a backup of another volume */
	memcpy(original, image, sizeof(image));
	snprintf(image, sizeof(image), "%s/another.img", directory);
	make_image();
	make_volume(PROFILE_STANDARD);
	assert_refused(back_up_by_force(), -EEXIST, "left alone");
	memcpy(image, original, sizeof(image));

	ck_assert_int_eq(unlink(backup), 0);
	ck_assert_int_eq(mkdir(backup, 0700), 0);
	assert_refused(back_up_by_force(), -EEXIST, "left alone");
	ck_assert_int_eq(rmdir(backup), 0);
	ck_assert_int_eq(symlink("volume.img", backup), 0);
	assert_refused(back_up_by_force(), -EEXIST, "left alone");
	ck_assert_int_eq(unlink(backup), 0);
	ck_assert_int_eq(link(image, backup), 0); /* the volume itself by another name */
	assert_refused(back_up_by_force(), -EEXIST, "left alone");
	ck_assert_int_eq(unlink(backup), 0);
	fd = open(backup, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	assert_refused(back_up_by_force(), -EEXIST, "left alone");
	ck_assert_uint_eq(token_now().backups, 2);
}
END_TEST

START_TEST(a_backup_that_fails_leaves_no_file)
{
	char command[192];
	struct keystore *keystore = open_it(false);

	ck_assert_int_lt(keystore_backup(keystore, "/nowhere/backup", false, &problem), 0);
	ck_assert_ptr_nonnull(strstr(problem.text, "/nowhere/backup"));
	ck_assert_int_lt(keystore_backup(keystore, "/proc/backup", false, &problem), 0);
	keystore_free(keystore);
	snprintf(command, sizeof(command), "test -z \"$(find %s -name '*partial*')\"", directory);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* --- restore --- */

START_TEST(a_damaged_header_is_restored_by_force_and_says_why_it_must_be)
{
	add_second();
	back_up(backup);
	damage(image, 200);
	damage(image, 16384 + 200);
	assert_refused(restore(false), -EUCLEAN, "both copies of its LUKS2 header are damaged");
	assert_done(restore(true));
	ck_assert_int_eq(try_unlock(first, -1), 0);
	ck_assert_int_eq(try_unlock(second, -1), 1);
	ck_assert_uint_eq(token_now().backups, 1);
}
END_TEST

/* Even the magic is gone: the superblock behind it is trace enough, and names where data begins. */
START_TEST(a_wiped_header_is_restored_only_where_a_volume_was)
{
	static const uint8_t zeros[1 << 20];
	int fd;

	back_up(backup);
	fd = open(image, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(io_pwrite(fd, zeros, sizeof(zeros), 0), 0);
	assert_refused(restore(false), -EUCLEAN, "has no LUKS2 header");
	assert_done(restore(true));
	ck_assert_int_eq(try_unlock(first, -1), 0);

	ck_assert_int_eq(io_pwrite(fd, zeros, sizeof(zeros), 0), 0);
	ck_assert_int_eq(io_pwrite(fd, zeros, sizeof(zeros), LAYOUT_SUPERBLOCK_BYTES), 0);
	close(fd);
	assert_refused(restore(false), -ENODATA, "not a volume");
	assert_refused(restore(true), -ENODATA, "not a volume");
}
END_TEST

START_TEST(a_backup_of_the_same_keys_is_restored_without_force)
{
	add_second();
	back_up(backup);
	back_up(other_backup);	       /* the later record survives the earlier copy */
	damage(image, 40000 + 258048); /* the second key slot's area */
	assert_done(restore(false));
	ck_assert_int_eq(try_unlock(first, -1), 0);
	ck_assert_int_eq(try_unlock(second, -1), 1);
	ck_assert_uint_eq(token_now().backups, 2);
	ck_assert_uint_eq(token_now().key_generation, 1);
}
END_TEST

START_TEST(a_key_that_was_removed_is_not_revived)
{
	add_second();
	back_up(backup);
	remove_slot(1);
	assert_refused(restore(false), -ESTALE,
		"older than the last removal or change of a key: restoring it would revive the "
		"passphrases of key slots: 1; and lose those of key slots: none");
	assert_refused(try_unlock(second, -1), -EPERM, "");
	assert_done(restore(true));
	ck_assert_int_eq(try_unlock(second, -1), 1);
	/* and what happened is not forgotten: the backups of the time between are older too */
	ck_assert_uint_eq(token_now().key_generation, 3);
	ck_assert_uint_eq(token_now().backups, 1);
}
END_TEST

START_TEST(a_key_that_was_added_is_not_lost)
{
	back_up(backup);
	add_second();
	assert_refused(restore(false), -ESTALE,
		"revive the passphrases of key slots: none; and "
		"lose those of key slots: 1");
	ck_assert_int_eq(try_unlock(second, -1), 1);
}
END_TEST

START_TEST(a_key_that_was_changed_is_not_revived)
{
	struct keystore *keystore;
	int slot;

	back_up(backup);
	keystore = open_it(false);
	assert_done(keystore_change(keystore, first, second, &quick, -1, &slot, &problem));
	keystore_free(keystore);
	assert_refused(restore(false), -ESTALE,
		"revive the passphrases of key slots: 0; and lose "
		"those of key slots: 1");
}
END_TEST

/* Stock cryptsetup keeps no count: the slots themselves tell. */
START_TEST(what_stock_cryptsetup_removed_or_changed_is_not_revived)
{
	struct crypt_device *cd;

	add_second();
	back_up(backup);
	cd = stock_load();
	ck_assert_int_eq(crypt_keyslot_destroy(cd, 1), 0);
	crypt_free(cd);
	assert_refused(restore(false), -ESTALE,
		"of other keys than are in use now: restoring it "
		"would revive the passphrases of key slots: 1");
	assert_done(restore(true));

	back_up(other_backup);
	cd = stock_load();
	ck_assert_int_eq(crypt_keyslot_change_by_passphrase(cd, 0, 0, "first", 5, "third", 5), 0);
	crypt_free(cd);
	assert_refused(keystore_restore(image, other_backup, false, &problem), -ESTALE,
		"revive the passphrases of key slots: 0; and lose those of key slots: 0");
}
END_TEST

START_TEST(another_volumes_key_is_refused)
{
	back_up(backup);
	make_image();
	make_volume(PROFILE_STANDARD);
	assert_refused(restore(false), -EKEYREJECTED, "another volume key");
	assert_refused(keystore_restore(image, image, true, &problem), -EINVAL, "volume itself");
}
END_TEST

START_TEST(a_removed_token_comes_back_from_a_backup_and_a_token_survives_one_without)
{
	struct crypt_device *cd;

	back_up(backup);
	cd = stock_load();
	ck_assert_int_eq(crypt_token_json_set(cd, 0, NULL), 0);
	ck_assert_int_eq(crypt_header_backup(cd, CRYPT_LUKS2, other_backup), 0);
	crypt_free(cd);
	assert_done(restore(false));
	ck_assert(token_now().present);
	assert_done(keystore_restore(image, other_backup, false, &problem));
	ck_assert(token_now().present);
	ck_assert_uint_eq(token_now().backups, 1);
}
END_TEST

START_TEST(a_backup_that_is_damaged_or_no_header_is_refused)
{
	back_up(backup);
	ck_assert_int_eq(chmod(backup, 0600), 0);
	damage(backup, 200);
	assert_done(restore(false)); /* its second copy is whole */
	damage(backup, 16384 + 200);
	assert_refused(restore(true), -EBADMSG, "damaged");
	ck_assert_int_eq(truncate(backup, 0), 0);
	assert_refused(restore(true), -ENODATA, "no LUKS2 header");
	ck_assert_int_eq(unlink(backup), 0);
	assert_refused(restore(true), -ENOENT, "does not exist");
	ck_assert_int_eq(try_unlock(first, -1), 0);
}
END_TEST

START_TEST(a_backup_that_was_cut_short_is_refused)
{
	back_up(backup);
	for (off_t bytes = LAYOUT_SUPERBLOCK_BYTES - 4096; bytes > 0; bytes -= 65536 * 7) {
		ck_assert_int_eq(truncate(backup, bytes), 0);
		ck_assert_int_lt(restore(true), 0);
	}
	ck_assert_int_eq(try_unlock(first, -1), 0);
}
END_TEST

START_TEST(a_volume_that_is_in_use_keeps_its_header)
{
	const struct raw_options options = {.block_bytes = BLOCK_BYTES};
	struct blockdev *attached;

	back_up(backup);
	assert_done(raw_open(image, &options, &attached, &problem));
	assert_refused(restore(false), -EBUSY, "in use");
	assert_refused(restore(true), -EBUSY, "in use");
	/* all the rest works while it is attached */
	add_second();
	ck_assert_int_eq(try_unlock(second, -1), 1);
	remove_slot(1);
	back_up(other_backup);
	attached = blockdev_close(attached);
	assert_done(keystore_restore(image, other_backup, false, &problem));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restore");
	TCase *tests = tcase_create("restore");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, every_backup_is_counted_in_the_volume_and_in_the_copy);
	tcase_add_test(tests, a_backup_is_readable_by_its_owner_alone);
	tcase_add_test(
		tests, a_file_that_is_there_is_replaced_only_if_it_is_a_backup_of_this_volume);
	tcase_add_test(tests, a_backup_that_fails_leaves_no_file);
	tcase_add_test(tests, a_damaged_header_is_restored_by_force_and_says_why_it_must_be);
	tcase_add_test(tests, a_wiped_header_is_restored_only_where_a_volume_was);
	tcase_add_test(tests, a_backup_of_the_same_keys_is_restored_without_force);
	tcase_add_test(tests, a_key_that_was_removed_is_not_revived);
	tcase_add_test(tests, a_key_that_was_added_is_not_lost);
	tcase_add_test(tests, a_key_that_was_changed_is_not_revived);
	tcase_add_test(tests, what_stock_cryptsetup_removed_or_changed_is_not_revived);
	tcase_add_test(tests, another_volumes_key_is_refused);
	tcase_add_test(
		tests, a_removed_token_comes_back_from_a_backup_and_a_token_survives_one_without);
	tcase_add_test(tests, a_backup_that_is_damaged_or_no_header_is_refused);
	tcase_add_test(tests, a_backup_that_was_cut_short_is_refused);
	tcase_add_test(tests, a_volume_that_is_in_use_keeps_its_header);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_keystore.c - headers that open, headers that are refused by name, key slots
 *
 * Goal: each error of keystore.h is met, with words that name the cause; what
 * stock libcryptsetup makes is taken for what it is; no last key goes unforced.
 * Method: a small volume per test, changed by libcryptsetup or by bytes written
 * into the image.
 */
#include "keystore/token.h"
#include "tests/keystore/fixture.h"

enum { SECOND_COPY = 16384 };

/* --- open --- */

START_TEST(what_was_formatted_opens_with_its_passphrase)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(true);
	struct keystore_segment segment;
	struct keystore_token token = token_now();

	keystore_get_segment(keystore, &segment);
	ck_assert_uint_eq(segment.data_offset_bytes, layout.data_first * BLOCK_BYTES);
	ck_assert_uint_eq(segment.sector_bytes, 4096);
	ck_assert_uint_eq(segment.iv_offset, 0);
	ck_assert(token.present);
	ck_assert_str_eq(token.scheme, "three-pass");
	ck_assert_uint_eq(token.backups, 0);
	ck_assert_uint_eq(token.key_generation, 1);
	ck_assert(!keystore_has_lost_token(keystore));
	ck_assert_int_eq(try_unlock(first, -1), 0);
	ck_assert_int_eq(try_unlock(first, 0), 0);
}
END_TEST

START_TEST(a_wrong_passphrase_is_told)
{
	assert_refused(try_unlock(wrong, -1), -EPERM, "opens none of its key slots");
	assert_refused(try_unlock(first, 3), -EPERM, "");
}
END_TEST

START_TEST(one_damaged_copy_is_read_through_and_repaired)
{
	damage(image, _i * SECOND_COPY + 200);
	/* read-only: read through and left alone (K4) */
	ck_assert_int_eq(try_unlock(first, -1), 0);
	damage(image, (1 - _i) * SECOND_COPY + 200);
	assert_refused(try_unlock(first, -1), -EBADMSG, "both copies");
	make_volume(PROFILE_STANDARD);

	damage(image, _i * SECOND_COPY + 200);
	assert_done(try_open()); /* for writing: repaired */
	damage(image, (1 - _i) * SECOND_COPY + 200);
	ck_assert_int_eq(try_unlock(first, -1), 0);
}
END_TEST

START_TEST(each_header_copy_is_judged_by_itself_and_none_is_repaired)
{
	bool whole[2] = {false, false};

	assert_done(keystore_check_copies(image, false, whole, &problem));
	ck_assert(whole[0] && whole[1]);
	assert_done(keystore_check_copies(image, true, whole, &problem));
	ck_assert(whole[0] && !whole[1]);
	for (int again = 0; again < 2; again++) { /* the injection above changed nothing */
		assert_done(keystore_check_copies(image, false, whole, &problem));
		ck_assert(whole[0] && whole[1]);
	}
	damage(image, _i * SECOND_COPY + 4096 + 7);
	for (int again = 0; again < 2; again++) {
		assert_done(keystore_check_copies(image, false, whole, &problem));
		ck_assert_int_eq(whole[_i], false);
		ck_assert_int_eq(whole[1 - _i], true);
	}
	damage(image, (1 - _i) * SECOND_COPY + 200);
	assert_refused(
		keystore_check_copies(image, false, whole, &problem), -EBADMSG, "both copies");
}
END_TEST

START_TEST(what_has_no_header_is_told_from_a_damaged_one)
{
	damage(image, 200);
	damage(image, SECOND_COPY + 200);
	assert_refused(try_open(), -EBADMSG, "damaged");
	damage(image, 0); /* the magic of the first */
	assert_refused(try_open(), -EBADMSG, "damaged");
	damage(image, SECOND_COPY);
	assert_refused(try_open(), -ENODATA, "has no LUKS2 header");
	make_image();
	assert_refused(try_open(), -ENODATA, "has no LUKS2 header");
}
END_TEST

START_TEST(an_image_that_was_cut_short_is_refused)
{
	ck_assert_int_eq(truncate(image, (off_t)(layout.data_first * BLOCK_BYTES)), 0);
	assert_refused(try_open(), -ENXIO, "cut short");
	ck_assert_int_eq(truncate(image, 100000), 0); /* within the key slots */
	assert_refused(try_open(), -ENXIO, "cut short");
	ck_assert_int_eq(truncate(image, SECOND_COPY), 0); /* within the headers */
	ck_assert_int_lt(try_open(), 0);
	ck_assert_int_eq(truncate(image, 100), 0);
	ck_assert_int_lt(try_open(), 0);
	ck_assert_int_eq(truncate(image, 0), 0);
	assert_refused(try_open(), -ENODATA, "has no LUKS2 header");
}
END_TEST

/* libcryptsetup wants a block device for itself to format it; format's caller holds it already. */
START_TEST(a_block_device_that_its_caller_holds_is_formatted_and_served)
{
	const struct raw_options options = {.block_bytes = BLOCK_BYTES};
	_cleanup_(blockdev_closep) struct blockdev *held = NULL;
	char command[192], loop[96] = "", file[sizeof(image)];
	FILE *answer;

	memcpy(file, image, sizeof(file));
	snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", image);
	answer = popen(command, "r");
	if (!answer || !fgets(loop, sizeof(loop), answer)) {
		if (answer)
			(void)pclose(answer);
		return; /* no loop devices for this user */
	}
	(void)pclose(answer);
	loop[strcspn(loop, "\n")] = '\0';
	memcpy(image, loop, sizeof(image));
	assert_done(raw_open(image, &options, &held, &problem));
	make_header_only();
	add_second();
	ck_assert_int_eq(try_unlock(second, -1), 1);
	back_up(backup);
	assert_refused(keystore_restore(image, backup, false, &problem), -EBUSY, "in use");
	held = blockdev_close(held);
	assert_done(keystore_restore(image, backup, false, &problem));
	ck_assert_int_eq(try_unlock(first, -1), 0);
	memcpy(image, file, sizeof(image));
	snprintf(command, sizeof(command), "losetup -d %s", loop);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(what_is_no_medium_is_refused_in_words)
{
	struct keystore *keystore;

	assert_refused(keystore_open(directory, true, &keystore, &problem), -EISDIR, "directory");
	assert_refused(
		keystore_open("/nowhere/x", true, &keystore, &problem), -ENOENT, "does not exist");
	assert_refused(keystore_open("/dev/null", true, &keystore, &problem), -EMEDIUMTYPE,
		"neither a file nor a block device");
}
END_TEST

/* --- K2 --- */

START_TEST(stock_volumes_open_with_their_own_geometry)
{
	struct crypt_params_luks2 parameters = {.sector_size = _i ? 4096 : 512};
	struct keystore_segment segment;
	struct keystore *keystore;

	make_image();
	stock_format(CRYPT_LUKS2, "aes", "xts-plain64", 64, &parameters);
	keystore = open_it(true);
	keystore_get_segment(keystore, &segment);
	ck_assert_uint_eq(segment.sector_bytes, parameters.sector_size);
	ck_assert_uint_eq(segment.data_offset_bytes, 16 << 20);
	ck_assert(!token_now().present);
	ck_assert(!keystore_has_lost_token(keystore));
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(first, -1), 0);
}
END_TEST

START_TEST(another_cipher_is_refused_by_name)
{
	struct crypt_params_luks2 parameters = {.sector_size = 512};

	make_image();
	stock_format(CRYPT_LUKS2, "aes", "cbc-essiv:sha256", 32, &parameters);
	assert_refused(try_open(), -EOPNOTSUPP, "aes-cbc-essiv:sha256");
	make_image();
	stock_format(CRYPT_LUKS2, "aes", "xts-plain64be", 64, &parameters);
	assert_refused(try_open(), -EOPNOTSUPP, "aes-xts-plain64be");
	make_image();
	stock_format(CRYPT_LUKS2, "aes", "xts-plain64", 32, &parameters);
	assert_refused(try_open(), -EOPNOTSUPP, "256-bit");
	parameters.sector_size = 2048;
	make_image();
	stock_format(CRYPT_LUKS2, "aes", "xts-plain64", 64, &parameters);
	assert_refused(try_open(), -EOPNOTSUPP, "2048");
}
END_TEST

START_TEST(luks1_is_refused_by_name)
{
	struct crypt_params_luks1 parameters = {.hash = "sha256"};

	make_image();
	stock_format(CRYPT_LUKS1, "aes", "xts-plain64", 64, &parameters);
	assert_refused(try_open(), -EOPNOTSUPP, "LUKS1");
}
END_TEST

START_TEST(a_pending_reencryption_is_refused_by_name)
{
	const struct crypt_params_luks2 luks2 = {.sector_size = 4096};
	const struct crypt_params_reencrypt parameters = {
		.mode = CRYPT_REENCRYPT_REENCRYPT,
		.direction = CRYPT_REENCRYPT_FORWARD,
		.resilience = "checksum",
		.hash = "sha256",
		.luks2 = &luks2,
		.flags = CRYPT_REENCRYPT_INITIALIZE_ONLY,
	};
	struct crypt_device *cd = stock_load();
	int new;

	new = crypt_keyslot_add_by_key(
		cd, CRYPT_ANY_SLOT, NULL, 64, "first", 5, CRYPT_VOLUME_KEY_NO_SEGMENT);
	ck_assert_int_ge(new, 0);
	ck_assert_int_ge(crypt_reencrypt_init_by_passphrase(
				 cd, NULL, "first", 5, 0, new, "aes", "xts-plain64", &parameters),
		0);
	crypt_free(cd);
	assert_refused(try_open(), -EINPROGRESS, "re-encryption");
}
END_TEST

/* --- token --- */

static void stock_token(const char *json)
{
	struct crypt_device *cd = stock_load();

	ck_assert_int_eq(crypt_token_json_set(cd, 0, json), 0);
	crypt_free(cd);
}

START_TEST(a_damaged_or_newer_token_is_refused)
{
	stock_token("{\"type\":\"spoolguard\",\"keyslots\":[],\"version\":2}");
	assert_refused(try_open(), -EPROTONOSUPPORT, "newer version");
	stock_token("{\"type\":\"spoolguard\",\"keyslots\":[],\"version\":1}");
	assert_refused(try_open(), -EBADMSG, "token");
	stock_token("{\"type\":\"spoolguard\",\"keyslots\":[],\"version\":1,"
		    "\"superblock_offset\":\"8388608\",\"scheme\":\"three-pass\","
		    "\"profile\":\"standard\",\"filled_before\":false,\"backups\":0,"
		    "\"key_generation\":\"1\"}");
	assert_refused(try_open(), -EBADMSG, "wrong place");
}
END_TEST

START_TEST(a_token_that_was_removed_is_noticed_and_can_be_put_back)
{
	struct keystore_token token;
	struct keystore *keystore;
	int slot;

	add_second();
	back_up(backup);
	stock_token(NULL);
	ck_assert(!token_now().present);
	keystore = open_it(false);
	ck_assert(keystore_has_lost_token(keystore));
	assert_refused(keystore_backup(keystore, other_backup, false, &problem), -ENOTUNIQ,
		"--repair-token");
	assert_refused(
		keystore_remove(keystore, 1, NULL, false, &problem), -ENOTUNIQ, "--repair-token");
	assert_refused(keystore_change(keystore, first, wrong, &quick, -1, &slot, &problem),
		-ENOTUNIQ, "--repair-token");
	ck_assert_int_eq(try_unlock(second, -1), 1);

	assert_done(keystore_repair_token(keystore, "three-pass", &problem));
	ck_assert(!keystore_has_lost_token(keystore));
	keystore_free(keystore);
	token = token_now();
	ck_assert(token.present);
	ck_assert(token.filled_before);
	ck_assert_uint_ge(token.backups, 1);
	assert_refused(keystore_restore(image, backup, false, &problem), -ESTALE, "older");
}
END_TEST

/* --- key slots --- */

START_TEST(keys_are_added_listed_and_removed)
{
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	struct keystore *keystore = open_it(false);
	size_t count;
	int slot;

	assert_done(keystore_add(keystore, first, second, &quick, 5, &slot, &problem));
	ck_assert_int_eq(slot, 5);
	assert_refused(keystore_add(keystore, first, second, &quick, 5, &slot, &problem), -EEXIST,
		"in use");
	assert_refused(keystore_add(keystore, first, second, &quick, 32, &slot, &problem), -EINVAL,
		"no key slot 32");
	assert_refused(keystore_add(keystore, wrong, second, &quick, -1, &slot, &problem), -EPERM,
		"opens none");
	assert_done(keystore_list(keystore, slots, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(slots[1].number, 5);
	ck_assert_str_eq(slots[1].kdf, "argon2id");
	ck_assert_uint_eq(slots[1].memory_kib, 32);
	ck_assert(slots[1].bound);
	ck_assert_int_eq(try_unlock(second, -1), 5);
	assert_done(keystore_remove(keystore, 5, NULL, false, &problem));
	keystore_free(keystore);
	assert_refused(try_unlock(second, -1), -EPERM, "opens none");
	ck_assert_uint_eq(token_now().key_generation, 2);
}
END_TEST

START_TEST(the_last_key_goes_only_by_force)
{
	struct keystore *keystore = open_it(false);

	assert_refused(keystore_remove(keystore, 0, NULL, false, &problem), -EBUSY, "last one");
	assert_refused(keystore_remove(keystore, 1, NULL, true, &problem), -EINVAL, "not in use");
	assert_refused(keystore_remove(keystore, -1, NULL, true, &problem), -EINVAL, "not in use");
	ck_assert_uint_eq(token_now().key_generation, 1);
	assert_done(keystore_remove(keystore, 0, NULL, true, &problem));
	keystore_free(keystore);
	assert_refused(try_unlock(first, -1), -EPERM, "no key slot");
}
END_TEST

/* A slot whose key is not the volume's keeps nobody in. */
START_TEST(an_unbound_key_is_not_another_key)
{
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	struct crypt_device *cd = stock_load();
	struct keystore *keystore;
	size_t count;

	ck_assert_int_eq(
		crypt_keyslot_add_by_key(cd, 1, NULL, 64, "second", 6, CRYPT_VOLUME_KEY_NO_SEGMENT),
		1);
	crypt_free(cd);
	keystore = open_it(false);
	assert_done(keystore_list(keystore, slots, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert(slots[0].bound);
	ck_assert(!slots[1].bound);
	assert_refused(keystore_remove(keystore, 0, NULL, false, &problem), -EBUSY, "last one");
	assert_done(keystore_remove(keystore, 1, NULL, false, &problem));
	keystore_free(keystore);
}
END_TEST

START_TEST(a_key_that_stays_can_be_proved_before_one_goes)
{
	struct keystore *keystore;

	add_second();
	keystore = open_it(false);
	assert_refused(keystore_remove(keystore, 1, second, false, &problem), -EPERM,
		"opens no other key slot");
	ck_assert_int_eq(try_unlock(second, -1), 1);
	assert_done(keystore_remove(keystore, 1, first, false, &problem));
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(first, -1), 0);
	assert_refused(try_unlock(second, -1), -EPERM, "");
}
END_TEST

START_TEST(a_changed_key_lies_elsewhere_and_the_old_one_opens_nothing)
{
	struct keystore *keystore = open_it(false);
	int slot;

	assert_refused(keystore_change(keystore, wrong, second, &quick, -1, &slot, &problem),
		-EPERM, "opens none");
	ck_assert_uint_eq(token_now().key_generation, 1);
	assert_done(keystore_change(keystore, first, second, &quick, -1, &slot, &problem));
	ck_assert_int_ne(slot, 0);
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(second, -1), slot);
	assert_refused(try_unlock(first, -1), -EPERM, "");
	ck_assert_uint_eq(token_now().key_generation, 2);
}
END_TEST

START_TEST(a_change_needs_room_and_says_so)
{
	struct keystore *keystore = open_it(false);
	int slot, r = 0;

	for (int i = 1; i < KEYSTORE_SLOTS_MAX && r >= 0; i++)
		r = keystore_add(keystore, first, second, &quick, -1, &slot, &problem);
	ck_assert_int_lt(r, 0);
	ck_assert_ptr_nonnull(strstr(problem.text, "could not be added"));
	r = keystore_change(keystore, first, wrong, &quick, -1, &slot, &problem);
	ck_assert_int_lt(r, 0);
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(first, -1), 0);
}
END_TEST

START_TEST(a_header_that_another_program_changed_meanwhile_is_not_written_over)
{
	struct keystore *keystore = open_it(false);
	int slot;

	add_second();
	assert_refused(keystore_add(keystore, first, wrong, &quick, -1, &slot, &problem), -ESTALE,
		"same moment");
	assert_refused(keystore_remove(keystore, 0, NULL, true, &problem), -ESTALE, "same moment");
	assert_refused(keystore_change(keystore, first, wrong, &quick, -1, &slot, &problem),
		-ESTALE, "same moment");
	assert_refused(keystore_backup(keystore, backup, false, &problem), -ESTALE, "same moment");
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(second, -1), 1);
	ck_assert_int_eq(try_unlock(first, -1), 0);
	assert_refused(try_unlock(wrong, -1), -EPERM, "");
}
END_TEST

/* --- key derivation --- */

static void slot_of(int number, struct keystore_slot *ret_slot)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(true);
	struct keystore_slot slots[KEYSTORE_SLOTS_MAX];
	size_t count;

	assert_done(keystore_list(keystore, slots, &count));
	for (size_t i = 0; i < count; i++) {
		if (slots[i].number == number) {
			*ret_slot = slots[i];
			return;
		}
	}
	ck_abort_msg("no slot %d", number);
}

START_TEST(the_default_derivation_fits_a_small_device)
{
	struct keystore *keystore = open_it(false);
	struct keystore_kdf kdf = {.iteration_ms = 20};
	struct keystore_slot described;
	int slot;

	assert_done(keystore_add(keystore, first, second, &kdf, -1, &slot, &problem));
	slot_of(slot, &described);
	ck_assert_str_eq(described.kdf, "argon2id");
	ck_assert_uint_le(described.memory_kib, 65536);
	ck_assert_uint_ge(described.iterations, 4);
	kdf.memory_kib = 8192;
	assert_done(keystore_add(keystore, first, second, &kdf, -1, &slot, &problem));
	slot_of(slot, &described);
	ck_assert_uint_le(described.memory_kib, 8192);
	ck_assert_uint_ge(described.iterations, 4);
	keystore_free(keystore);
}
END_TEST

/* The token remembers the profile: this process is in the standard one. */
START_TEST(an_hcd_cpp_volume_gets_pbkdf2_whoever_adds_a_key)
{
	struct keystore_kdf brief = {.iteration_ms = 20};
	struct secret *passphrase;
	struct keystore_slot described;
	struct keystore *keystore;
	int slot, changed;
	char text[130];

	make_image();
	make_volume(PROFILE_HCD_CPP);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	passphrase = secret_of(text);
	slot_of(0, &described);
	ck_assert_str_eq(described.kdf, "pbkdf2");
	ck_assert_uint_ge(described.iterations, 1000);

	keystore = open_it(false);
	assert_done(keystore_add(keystore, first, passphrase, &brief, -1, &slot, &problem));
	slot_of(slot, &described);
	ck_assert_str_eq(described.kdf, "pbkdf2");
	ck_assert_uint_eq(described.memory_kib, 0);
	ck_assert_uint_ge(described.iterations, KEYSTORE_PBKDF2_ITERATIONS_MIN);
	/* from the first key, which is cheap here */
	assert_done(keystore_change(keystore, first, second, &brief, -1, &changed, &problem));
	slot_of(changed, &described);
	ck_assert_str_eq(described.kdf, "pbkdf2");
	ck_assert_uint_ge(described.iterations, KEYSTORE_PBKDF2_ITERATIONS_MIN);
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(second, changed), changed);
	secret_free(passphrase);
}
END_TEST

/* A passphrase of 64 bytes and more is hashed first by HMAC: all of its bytes must still count. */
START_TEST(every_byte_of_a_long_passphrase_counts)
{
	char text[KEYSTORE_PASSPHRASE_BYTES_MAX + 1];
	struct secret *whole, *shorter;
	struct keystore *keystore = open_it(false);
	int slot;

	memset(text, 'p', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	whole = secret_of(text);
	shorter = secret_of(text + 1);
	assert_done(keystore_add(keystore, first, whole, &quick, -1, &slot, &problem));
	keystore_free(keystore);
	ck_assert_int_eq(try_unlock(whole, -1), slot);
	assert_refused(try_unlock(shorter, -1), -EPERM, "");
	secret_free(whole);
	secret_free(shorter);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keystore");
	TCase *tests = tcase_create("keystore");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_was_formatted_opens_with_its_passphrase);
	tcase_add_test(tests, a_wrong_passphrase_is_told);
	tcase_add_loop_test(tests, one_damaged_copy_is_read_through_and_repaired, 0, 2);
	tcase_add_loop_test(tests, each_header_copy_is_judged_by_itself_and_none_is_repaired, 0, 2);
	tcase_add_test(tests, what_has_no_header_is_told_from_a_damaged_one);
	tcase_add_test(tests, an_image_that_was_cut_short_is_refused);
	tcase_add_test(tests, a_block_device_that_its_caller_holds_is_formatted_and_served);
	tcase_add_test(tests, what_is_no_medium_is_refused_in_words);
	tcase_add_loop_test(tests, stock_volumes_open_with_their_own_geometry, 0, 2);
	tcase_add_test(tests, another_cipher_is_refused_by_name);
	tcase_add_test(tests, luks1_is_refused_by_name);
	tcase_add_test(tests, a_pending_reencryption_is_refused_by_name);
	tcase_add_test(tests, a_damaged_or_newer_token_is_refused);
	tcase_add_test(tests, a_token_that_was_removed_is_noticed_and_can_be_put_back);
	tcase_add_test(tests, keys_are_added_listed_and_removed);
	tcase_add_test(tests, the_last_key_goes_only_by_force);
	tcase_add_test(tests, an_unbound_key_is_not_another_key);
	tcase_add_test(tests, a_key_that_stays_can_be_proved_before_one_goes);
	tcase_add_test(tests, a_changed_key_lies_elsewhere_and_the_old_one_opens_nothing);
	tcase_add_test(tests, a_change_needs_room_and_says_so);
	tcase_add_test(tests, a_header_that_another_program_changed_meanwhile_is_not_written_over);
	tcase_add_test(tests, the_default_derivation_fits_a_small_device);
	tcase_add_test(tests, an_hcd_cpp_volume_gets_pbkdf2_whoever_adds_a_key);
	tcase_add_test(tests, every_byte_of_a_long_passphrase_counts);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_device_keys.c - the device's keys: made once, kept, never replaced silently
 *
 * Goal: D1, D4 and the contract of device_keys.h; crashes and failing disks are
 * test_device_keys_crash.c's.  Method: a state directory of its own for each test; every byte of
 * every key file is damaged in turn.
 */
#include "base/hex.h"
#include "crypto/hash.h"
#include "keystore/device_key_states.h"
#include "keystore/device_keys.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[256];
static struct device_keys *keys;
static struct problem problem;

static void open_it(void)
{
	int r = device_keys_open(directory, true, &keys, NULL, &problem);

	ck_assert_msg(r == 0, "%d: %s", r, problem.text);
}

static void close_it(void)
{
	device_keys_free(keys);
	keys = NULL;
}

static void setup(void)
{
	static unsigned int n;

	snprintf(directory, sizeof(directory), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	open_it();
}

static const char *path_of(const char *name)
{
	static char path[384];

	snprintf(path, sizeof(path), "%s/keys/%s", directory, name);
	return path;
}

static size_t read_file(const char *name, void *bytes, size_t room)
{
	int fd = open(path_of(name), O_RDONLY);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, bytes, room);
	ck_assert_int_ge((int)n, 0);
	close(fd);
	return (size_t)n;
}

static void write_file(const char *name, const void *bytes, size_t count)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, count), (ssize_t)count);
	close(fd);
}

static void assert_log_signs(const struct minisign_key *expected)
{
	struct minisign_key now;
	char *signature;

	ck_assert_int_eq(device_keys_log_public(keys, &now), 0);
	ck_assert(minisign_key_is_equal(&now, expected));
	ck_assert_int_eq(device_keys_log_sign(keys, "head", 4, "x", &signature), 0);
	ck_assert_int_eq(
		minisign_verify(expected, "head", 4, signature, strlen(signature), NULL, 0), 0);
	free(signature);
}

START_TEST(a_first_start_makes_the_keys_and_every_later_one_finds_them)
{
	struct minisign_key device = *device_keys_public(keys), root = *device_keys_log_root(keys);
	bool created = true;

	ck_assert(!minisign_key_is_equal(&device, &root));
	assert_log_signs(&root);
	close_it();
	ck_assert_int_eq(device_keys_open(directory, true, &keys, &created, &problem), 0);
	ck_assert(!created);
	ck_assert(minisign_key_is_equal(&device, device_keys_public(keys)));
	ck_assert(minisign_key_is_equal(&root, device_keys_log_root(keys)));
	assert_log_signs(&root);
}
END_TEST

START_TEST(without_create_nothing_is_made)
{
	char other[300];
	struct device_keys *none;

	snprintf(other, sizeof(other), "%s/other", directory);
	ck_assert_int_eq(mkdir(other, 0700), 0);
	ck_assert_int_eq(device_keys_open(other, false, &none, NULL, &problem), -ENOENT);
	ck_assert_int_eq(rmdir(other), 0);
}
END_TEST

START_TEST(the_enrolment_has_both_keys_and_their_fingerprints)
{
	char fingerprint[MINISIGN_FINGERPRINT_BYTES], line[MINISIGN_KEY_LINE_BYTES], *text;
	const struct minisign_key *both[] = {device_keys_public(keys), device_keys_log_root(keys)};
	struct stat st;

	ck_assert_int_eq(device_keys_read_enrolment(directory, &text, &problem), 0);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		ck_assert_int_eq(minisign_fingerprint(both[i], fingerprint), 0);
		minisign_key_line(both[i], line);
		ck_assert_ptr_nonnull(strstr(text, fingerprint));
		ck_assert_ptr_nonnull(strstr(text, line));
	}
	minisign_key_line(both[0], line);
	ck_assert_int_eq(strncmp(strchr(text, '\n') + 1, line, strlen(line)), 0);
	free(text);
	ck_assert_int_eq(stat(path_of("enrolment.pub"), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(stat(path_of("device.key"), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(path_of(""), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0711);
}
END_TEST

static const char *const key_names[] = {"device.key", "log.key", "names.key", "log.next"};

START_TEST(a_key_file_with_any_byte_changed_is_refused_and_left_as_it_is)
{
	uint8_t was[128], now[128];
	struct minisign_key next;
	size_t bytes;

	ck_assert_int_eq(device_keys_log_next(keys, &next), 0);
	close_it();
	bytes = read_file(key_names[_i], was, sizeof(was));
	ck_assert_uint_eq(bytes, 89);
	for (size_t at = 0; at < bytes; at++) {
		was[at] ^= 0x40;
		write_file(key_names[_i], was, bytes);
		ck_assert_int_eq(
			device_keys_open(directory, true, &keys, NULL, &problem), -EUCLEAN);
		ck_assert_ptr_nonnull(strstr(problem.text, key_names[_i]));
		ck_assert_ptr_nonnull(strstr(problem.text, "enrol the device anew"));
		ck_assert_uint_eq(read_file(key_names[_i], now, sizeof(now)), bytes);
		ck_assert_mem_eq(was, now, bytes);
		was[at] ^= 0x40;
	}
	for (size_t cut = 0; cut < bytes; cut++) {
		write_file(key_names[_i], was, cut);
		ck_assert_int_eq(
			device_keys_open(directory, true, &keys, NULL, &problem), -EUCLEAN);
	}
	write_file(key_names[_i], was, bytes);
	open_it();
}
END_TEST

static const char *const file_names[] = {"device.key", "log.key", "names.key", "enrolment.pub"};

START_TEST(a_missing_file_is_never_replaced)
{
	close_it();
	ck_assert_int_eq(unlink(path_of(file_names[_i])), 0);
	ck_assert_int_eq(device_keys_open(directory, true, &keys, NULL, &problem), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(problem.text, file_names[_i]));
	ck_assert_int_eq(access(path_of(file_names[_i]), F_OK), -1);
}
END_TEST

START_TEST(keys_that_vanished_are_not_made_anew_while_there_is_a_log)
{
	char audit[300], gone[300];

	close_it();
	snprintf(audit, sizeof(audit), "%s/audit", directory);
	snprintf(gone, sizeof(gone), "%s/gone", directory);
	ck_assert_int_eq(mkdir(audit, 0750), 0);
	ck_assert_int_eq(rename(path_of(""), gone), 0);
	ck_assert_int_eq(device_keys_open(directory, true, &keys, NULL, &problem), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(problem.text, "audit log"));
}
END_TEST

START_TEST(another_devices_enrolment_is_refused)
{
	char text[1024];
	size_t bytes = read_file("enrolment.pub", text, sizeof(text));
	char first[300];

	close_it();
	snprintf(first, sizeof(first), "%s", directory);
	setup();
	close_it();
	write_file("enrolment.pub", text, bytes);
	ck_assert_int_eq(device_keys_open(directory, true, &keys, NULL, &problem), -EUCLEAN);
}
END_TEST

START_TEST(a_key_that_others_can_read_is_refused)
{
	close_it();
	ck_assert_int_eq(chmod(path_of("device.key"), 0640), 0);
	ck_assert_int_eq(device_keys_open(directory, true, &keys, NULL, &problem), -EPERM);
	ck_assert_ptr_nonnull(strstr(problem.text, "chmod 0600"));
}
END_TEST

START_TEST(a_symbolic_link_is_no_key)
{
	close_it();
	ck_assert_int_eq(unlink(path_of("names.key")), 0);
	ck_assert_int_eq(symlink("device.key", path_of("names.key")), 0);
	ck_assert_int_eq(device_keys_open(directory, true, &keys, NULL, &problem), -EUCLEAN);
}
END_TEST

START_TEST(the_logs_key_advances_and_the_old_one_is_gone)
{
	struct minisign_key first, next, again, second;
	uint8_t file[128];

	ck_assert_int_eq(device_keys_log_advance(keys), -ENOENT);
	ck_assert_int_eq(device_keys_log_public(keys, &first), 0);
	ck_assert_int_eq(device_keys_log_next(keys, &next), 0);
	ck_assert_int_eq(device_keys_log_next(keys, &again), 0);
	ck_assert(minisign_key_is_equal(&next, &again));
	assert_log_signs(&first);
	close_it();
	open_it();
	ck_assert_int_eq(device_keys_log_next(keys, &again), 0);
	ck_assert(minisign_key_is_equal(&next, &again));
	ck_assert_uint_eq(read_file("log.key", file, sizeof(file)), 89);
	ck_assert_int_eq(device_keys_log_advance(keys), 0);
	assert_log_signs(&next);
	ck_assert_int_eq(access(path_of("log.next"), F_OK), -1);
	ck_assert_int_eq(access(path_of("log.old"), F_OK), -1);
	close_it();
	open_it();
	assert_log_signs(&next);
	ck_assert(minisign_key_is_equal(device_keys_log_root(keys), &first));
	ck_assert_int_eq(device_keys_log_next(keys, &second), 0);
	ck_assert(!minisign_key_is_equal(&second, &next));
}
END_TEST

START_TEST(a_new_log_has_a_new_root_and_the_same_device)
{
	struct minisign_key device = *device_keys_public(keys), root = *device_keys_log_root(keys);
	struct minisign_key next;
	char line[MINISIGN_KEY_LINE_BYTES], *text;

	ck_assert_int_eq(device_keys_log_next(keys, &next), 0);
	ck_assert_int_eq(device_keys_log_restart(keys), 0);
	ck_assert(!minisign_key_is_equal(device_keys_log_root(keys), &root));
	ck_assert(!minisign_key_is_equal(device_keys_log_root(keys), &next));
	ck_assert(minisign_key_is_equal(device_keys_public(keys), &device));
	root = *device_keys_log_root(keys);
	assert_log_signs(&root);
	ck_assert_int_eq(device_keys_read_enrolment(directory, &text, &problem), 0);
	minisign_key_line(&root, line);
	ck_assert_ptr_nonnull(strstr(text, line));
	free(text);
	ck_assert_int_eq(device_keys_log_advance(keys), -ENOENT);
	close_it();
	open_it();
	assert_log_signs(&root);
}
END_TEST

START_TEST(the_devices_signature_verifies_under_its_public_key)
{
	char *signature;

	ck_assert_int_eq(device_keys_sign(keys, "receipt", 7, "spoolguard receipt", &signature), 0);
	ck_assert_int_eq(minisign_verify(device_keys_public(keys), "receipt", 7, signature,
				 strlen(signature), NULL, 0),
		0);
	free(signature);
}
END_TEST

/* HMAC-SHA-256 of "user", a NUL and "alice", under the seed of names.key. */
START_TEST(equal_names_have_equal_digests_and_labels_tell_them_apart)
{
	char a[DEVICE_KEYS_DIGEST_BYTES], b[DEVICE_KEYS_DIGEST_BYTES];
	char expected[DEVICE_KEYS_DIGEST_BYTES], long_name[5000];
	uint8_t file[128], mac[SHA256_BYTES];
	struct secret *seed;

	ck_assert_int_eq(device_keys_name_digest(keys, "user", "alice", a), 0);
	ck_assert_int_eq(device_keys_name_digest(keys, "user", "alice", b), 0);
	ck_assert_str_eq(a, b);
	ck_assert_int_eq(device_keys_name_digest(keys, "title", "alice", b), 0);
	ck_assert_str_ne(a, b);
	ck_assert_int_eq(device_keys_name_digest(keys, "user", "bob", b), 0);
	ck_assert_str_ne(a, b);
	ck_assert_uint_eq(read_file("names.key", file, sizeof(file)), 89);
	ck_assert_int_eq(secret_new_copy(file + 25, 32, &seed), 0);
	ck_assert_int_eq(hash_hmac_sha256(seed, "user\0alice", 10, mac), 0);
	secret_free(seed);
	ck_assert_str_eq(a, hex_encode(mac, sizeof(mac), expected));
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	ck_assert_int_eq(device_keys_name_digest(keys, "user", long_name, a), -EINVAL);
}
END_TEST

/* --- states --- */

static enum device_key_state state_of(const char *key, const struct minisign_key *of)
{
	char id[2 * MINISIGN_ID_BYTES + 1] = "";
	struct device_key_change *all;
	enum device_key_state state = DEVICE_KEY_COMPROMISED;
	size_t count, found = 0;

	if (of)
		hex_encode(of->id, sizeof(of->id), id);
	ck_assert_int_eq(device_keys_states(keys, &all, &count), 0);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].key, key) != 0 || strcmp(all[i].id, id) != 0)
			continue;
		found++;
		state = all[i].state;
		ck_assert_int_gt(all[i].wall_ms, 1600000000000);
	}
	free(all);
	ck_assert_uint_eq(found, 1);
	return state;
}

START_TEST(the_logs_keys_go_through_their_states)
{
	struct minisign_key first = *device_keys_log_root(keys), next;

	ck_assert_int_eq(state_of("device", device_keys_public(keys)), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(state_of("log", &first), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(device_keys_log_next(keys, &next), 0);
	ck_assert_int_eq(state_of("log", &next), DEVICE_KEY_PRE_ACTIVATION);
	ck_assert_int_eq(device_keys_log_advance(keys), 0);
	ck_assert_int_eq(state_of("log", &next), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(state_of("log", &first), DEVICE_KEY_DESTROYED);
	close_it();
	open_it();
	ck_assert_int_eq(state_of("log", &first), DEVICE_KEY_DESTROYED);
	ck_assert_int_eq(device_keys_log_restart(keys), 0);
	ck_assert_int_eq(state_of("log", &next), DEVICE_KEY_DESTROYED);
	ck_assert_int_eq(state_of("log", device_keys_log_root(keys)), DEVICE_KEY_ACTIVE);
}
END_TEST

START_TEST(a_key_kept_elsewhere_is_noted_and_a_destroyed_one_stays_so)
{
	static const char *const bad[] = {"", "a\"b", "a\\b", "line\n"};

	ck_assert_int_eq(
		device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_ACTIVE, "formatted"), 0);
	ck_assert_int_eq(state_of("volume x", NULL), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(
		device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_COMPROMISED, NULL), 0);
	ck_assert_int_eq(
		device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_ACTIVE, NULL), -EINVAL);
	ck_assert_int_eq(
		device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_DESTROYED, NULL), 0);
	ck_assert_int_eq(
		device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_ACTIVE, NULL), -EINVAL);
	close_it();
	open_it();
	ck_assert_int_eq(state_of("volume x", NULL), DEVICE_KEY_DESTROYED);
	ck_assert_int_eq(
		device_keys_note_state(keys, "volume x", "02", DEVICE_KEY_ACTIVE, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(
			device_keys_note_state(keys, bad[i], NULL, DEVICE_KEY_ACTIVE, NULL),
			-EINVAL);
}
END_TEST

START_TEST(what_an_administrator_noted_of_the_device_stays_and_counts)
{
	char id[2 * MINISIGN_ID_BYTES + 1], *signature;
	struct device_keys *other;

	hex_encode(device_keys_public(keys)->id, MINISIGN_ID_BYTES, id);
	ck_assert_int_eq(device_keys_note_state(keys, "device", id, DEVICE_KEY_SUSPENDED, NULL), 0);
	close_it();
	open_it();
	ck_assert_int_eq(state_of("device", device_keys_public(keys)), DEVICE_KEY_SUSPENDED);
	ck_assert_int_eq(device_keys_sign(keys, "x", 1, "c", &signature), -EKEYREVOKED);
	ck_assert_int_eq(device_keys_note_state(keys, "device", id, DEVICE_KEY_ACTIVE, NULL), 0);
	ck_assert_int_eq(device_keys_sign(keys, "x", 1, "c", &signature), 0);
	free(signature);
	other = keys;
	open_it();
	ck_assert_int_eq(
		device_keys_note_state(keys, "device", id, DEVICE_KEY_COMPROMISED, NULL), 0);
	close_it();
	keys = other;
	ck_assert_int_eq(device_keys_sign(keys, "x", 1, "c", &signature), -EKEYREVOKED);
}
END_TEST

/* At least once, in order, also over a restart. */
START_TEST(every_change_is_told_until_it_was)
{
	struct device_key_change change;
	uint64_t told = 0;

	for (int i = 0; i < 3; i++) { /* device, names, log */
		ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
		ck_assert_uint_eq(change.number, told + 1);
		close_it();
		open_it();
		ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
		ck_assert_uint_eq(change.number, told + 1);
		told = change.number;
		ck_assert_int_eq(device_keys_change_told(keys, told), 0);
	}
	ck_assert_int_eq(device_keys_next_change(keys, &change), 0);
	ck_assert_int_eq(device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_ACTIVE, ""), 0);
	ck_assert_int_eq(device_keys_note_state(keys, "volume x", NULL, DEVICE_KEY_ACTIVE, ""), 0);
	ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
	ck_assert_str_eq(change.key, "volume x");
	ck_assert_int_eq(device_keys_change_told(keys, change.number), 0);
	ck_assert_int_eq(device_keys_next_change(keys, &change), 0);
}
END_TEST

START_TEST(a_torn_line_is_written_over_and_a_lost_file_does_not_repeat_numbers)
{
	struct device_key_change change;
	int fd;

	ck_assert_int_eq(device_keys_change_told(keys, 3), 0);
	fd = open(path_of("states"), O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, "{\"number\":4,\"ti", 15), 15);
	close(fd);
	ck_assert_int_eq(device_keys_note_state(keys, "v", NULL, DEVICE_KEY_ACTIVE, NULL), 0);
	close_it();
	open_it();
	ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
	ck_assert_uint_eq(change.number, 4);
	ck_assert_str_eq(change.key, "v");
	close_it();
	ck_assert_int_eq(unlink(path_of("states")), 0);
	open_it();
	ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
	ck_assert_uint_eq(change.number, 4);
}
END_TEST

START_TEST(another_process_may_note_states_too)
{
	struct device_keys *mine = keys;

	open_it();
	ck_assert_int_eq(device_keys_note_state(keys, "theirs", NULL, DEVICE_KEY_ACTIVE, NULL), 0);
	close_it();
	keys = mine;
	ck_assert_int_eq(device_keys_note_state(keys, "mine", NULL, DEVICE_KEY_ACTIVE, NULL), 0);
	ck_assert_int_eq(state_of("theirs", NULL), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(state_of("mine", NULL), DEVICE_KEY_ACTIVE);
}
END_TEST

START_TEST(the_file_of_states_is_bounded_and_keeps_what_lives)
{
	struct device_key_change change;
	struct stat st;
	char id[16];

	ck_assert_int_eq(device_keys_note_state(keys, "old", NULL, DEVICE_KEY_ACTIVE, NULL), 0);
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(id, sizeof(id), "%08x", i);
		ck_assert_int_eq(
			device_keys_note_state(keys, "volume", id, DEVICE_KEY_DESTROYED, "a test"),
			0);
		ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
		ck_assert_int_eq(device_keys_change_told(keys, i + 4), 0);
	}
	ck_assert_int_eq(stat(path_of("states"), &st), 0);
	ck_assert_int_le(st.st_size, DEVICE_KEY_STATES_BYTES + 512);
	close_it();
	open_it();
	ck_assert_int_eq(state_of("old", NULL), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(state_of("device", device_keys_public(keys)), DEVICE_KEY_ACTIVE);
	ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
	ck_assert_uint_eq(change.number, 2004);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device_keys");
	TCase *tcase = tcase_create("device_keys");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, close_it);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_first_start_makes_the_keys_and_every_later_one_finds_them);
	tcase_add_test(tcase, without_create_nothing_is_made);
	tcase_add_test(tcase, the_enrolment_has_both_keys_and_their_fingerprints);
	tcase_add_loop_test(tcase, a_key_file_with_any_byte_changed_is_refused_and_left_as_it_is, 0,
		(int)ARRAY_SIZE(key_names));
	tcase_add_loop_test(
		tcase, a_missing_file_is_never_replaced, 0, (int)ARRAY_SIZE(file_names));
	tcase_add_test(tcase, keys_that_vanished_are_not_made_anew_while_there_is_a_log);
	tcase_add_test(tcase, another_devices_enrolment_is_refused);
	tcase_add_test(tcase, a_key_that_others_can_read_is_refused);
	tcase_add_test(tcase, a_symbolic_link_is_no_key);
	tcase_add_test(tcase, the_logs_key_advances_and_the_old_one_is_gone);
	tcase_add_test(tcase, a_new_log_has_a_new_root_and_the_same_device);
	tcase_add_test(tcase, the_devices_signature_verifies_under_its_public_key);
	tcase_add_test(tcase, equal_names_have_equal_digests_and_labels_tell_them_apart);
	tcase_add_test(tcase, the_logs_keys_go_through_their_states);
	tcase_add_test(tcase, a_key_kept_elsewhere_is_noted_and_a_destroyed_one_stays_so);
	tcase_add_test(tcase, what_an_administrator_noted_of_the_device_stays_and_counts);
	tcase_add_test(tcase, every_change_is_told_until_it_was);
	tcase_add_test(tcase, a_torn_line_is_written_over_and_a_lost_file_does_not_repeat_numbers);
	tcase_add_test(tcase, another_process_may_note_states_too);
	tcase_add_test(tcase, the_file_of_states_is_bounded_and_keeps_what_lives);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

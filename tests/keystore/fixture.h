/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h - a small volume in a directory of its own, for the tests of the keystore
 *
 * Its key slots are the cheapest that libcryptsetup takes; it has a superblock
 * and no map.  Two passphrases open it where a test wants two.
 */
#ifndef SPOOLGUARD_TESTS_KEYSTORE_FIXTURE_H
#define SPOOLGUARD_TESTS_KEYSTORE_FIXTURE_H

#include "base/io.h"
#include "blockdev/raw.h"
#include "keystore/keystore.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_BLOCKS 2048u

static char directory[64], image[96], backup[96], other_backup[96];
static struct secret *first, *second, *wrong;
static const struct keystore_kdf quick = {.memory_kib = 32, .iteration_ms = 1};
static struct problem problem;
static struct layout layout;

static struct secret *secret_of(const char *text)
{
	struct secret *secret;

	ck_assert_int_eq(secret_new_copy(text, strlen(text), &secret), 0);
	return secret;
}

static void assert_done(int r)
{
	ck_assert_msg(r >= 0, "%d: %s", r, problem.text);
}

/* The error, and one line that holds the words. */
static may_be_unused void assert_refused(int r, int error, const char *words)
{
	ck_assert_msg(r == error, "%d instead of %d: %s", r, error, problem.text);
	ck_assert_msg(
		strstr(problem.text, words) != NULL, "\"%s\" is not in: %s", words, problem.text);
	ck_assert_ptr_null(strchr(problem.text, '\n'));
}

static struct keystore *open_it(bool read_only)
{
	struct keystore *keystore;

	assert_done(keystore_open(image, read_only, &keystore, &problem));
	return keystore;
}

static may_be_unused int try_open(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;

	return keystore_open(image, false, &keystore, &problem);
}

static may_be_unused int try_unlock(const struct secret *passphrase, int slot)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	_cleanup_secret_ struct secret *key = NULL;
	int opened, r;

	r = keystore_open(image, true, &keystore, &problem);
	if (r >= 0)
		r = keystore_unlock(keystore, passphrase, slot, &key, &opened, &problem);
	return r < 0 ? r : opened;
}

static may_be_unused struct keystore_token token_now(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(true);
	struct keystore_token token;

	keystore_get_token(keystore, &token);
	return token;
}

static may_be_unused void add_second(void)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(false);
	int slot;

	assert_done(keystore_add(keystore, first, second, &quick, -1, &slot, &problem));
	ck_assert_int_eq(slot, 1);
}

static may_be_unused void remove_slot(int slot)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(false);

	assert_done(keystore_remove(keystore, slot, NULL, true, &problem));
}

static may_be_unused void back_up(const char *path)
{
	_cleanup_(keystore_freep) struct keystore *keystore = open_it(false);

	assert_done(keystore_backup(keystore, path, false, &problem));
}

static may_be_unused void damage(const char *path, uint64_t offset)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(io_pwrite(fd, "damage", 6, offset), 0);
}

static const struct crypt_pbkdf_type cheap = {.type = CRYPT_KDF_PBKDF2,
	.hash = "sha256",
	.iterations = 1000,
	.flags = CRYPT_PBKDF_NO_BENCHMARK};

/* Stock libcryptsetup on the image, as the program cryptsetup would use it. */
static may_be_unused struct crypt_device *stock_load(void)
{
	struct crypt_device *cd;

	ck_assert_int_eq(crypt_init(&cd, image), 0);
	ck_assert_int_eq(crypt_load(cd, CRYPT_LUKS, NULL), 0);
	ck_assert_int_eq(crypt_set_pbkdf_type(cd, &cheap), 0);
	return cd;
}

static may_be_unused void stock_format(
	const char *type, const char *cipher, const char *mode, size_t key_bytes, void *parameters)
{
	struct crypt_device *cd;

	ck_assert_int_eq(crypt_init(&cd, image), 0);
	ck_assert_int_eq(crypt_set_pbkdf_type(cd, &cheap), 0);
	ck_assert_int_eq(
		crypt_format(cd, type, cipher, mode, NULL, NULL, key_bytes, parameters), 0);
	ck_assert_int_ge(
		crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0, "first", 5), 0);
	crypt_free(cd);
}

static struct keystore *format_header(enum profile profile)
{
	struct keystore_format_options format = {
		.profile = profile,
		.scheme = "three-pass",
		.kdf_memory_kib = 32,
		.kdf_iteration_ms = 1,
	};
	struct keystore *keystore;

	ck_assert_int_eq(layout_plan(LAYOUT_SUPERBLOCK_BYTES / BLOCK_BYTES, LAYOUT_BLOCKS_PER_PAGE,
				 DATA_BLOCKS, 2 * DATA_BLOCKS, &layout),
		0);
	format.data_offset_bytes = layout.data_first * BLOCK_BYTES;
	assert_done(keystore_format(image, &format, first, &keystore, &problem));
	return keystore;
}

static may_be_unused void make_header_only(void)
{
	keystore_free(format_header(PROFILE_STANDARD));
}

static void make_volume(enum profile profile)
{
	const struct raw_options options = {.block_bytes = BLOCK_BYTES};
	_cleanup_(keystore_freep) struct keystore *keystore = format_header(profile);
	_cleanup_(blockdev_closep) struct blockdev *device = NULL;
	_cleanup_secret_ struct secret *key = NULL;
	int slot;

	assert_done(keystore_unlock(keystore, first, -1, &key, &slot, &problem));
	assert_done(raw_open(image, &options, &device, &problem));
	assert_done(layout_write(device, &layout, key));
}

static void make_image(void)
{
	_cleanup_close_ int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 32 << 20), 0);
}

static void setup(void)
{
	/* In memory where that is possible: flushes are many. */
	snprintf(directory, sizeof(directory), "%s/spoolguard-keystore.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(image, sizeof(image), "%s/volume.img", directory);
	snprintf(backup, sizeof(backup), "%s/backup", directory);
	snprintf(other_backup, sizeof(other_backup), "%s/other", directory);
	first = secret_of("first");
	second = secret_of("second");
	wrong = secret_of("wrong");
	make_image();
	make_volume(PROFILE_STANDARD);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
	secret_free(first);
	secret_free(second);
	secret_free(wrong);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_key_file.h - one key in one small file: written, read, renamed, destroyed
 *
 *   "SPOOLGUARD-KEY 1\n"  17 bytes
 *   key id                 8 bytes
 *   seed                  32 bytes
 *   SHA-256 of the above  32 bytes
 *
 * Names are of one directory, held open by the caller.  NAME.new is used on the way, and what a
 * crash leaves there has never been used.
 *
 *   D1, D2, D3 of device_keys.h are kept here.
 *
 * Errors: -errno of the files; -EUCLEAN: there is a file, and it is no whole key; -EPERM: others
 * than its owner may read it.  Threads: one caller at a time for each directory.
 */
#ifndef SPOOLGUARD_KEYSTORE_DEVICE_KEY_FILE_H
#define SPOOLGUARD_KEYSTORE_DEVICE_KEY_FILE_H

#include "crypto/minisign.h"
#include <sys/types.h>

#define DEVICE_KEY_FILE_BYTES 89

/* A new key, durable under that name; an older file of that name is replaced, not destroyed. */
must_check int device_key_file_make(
	int directory, const char *name, struct secret **ret_seed, struct minisign_key *ret_key);
must_check int device_key_file_read(
	int directory, const char *name, struct secret **ret_seed, struct minisign_key *ret_key);
/* 1: it is there; 0: it is not. */
must_check int device_key_file_exists(int directory, const char *name);
/* Durable. */
must_check int device_key_file_rename(int directory, const char *from, const char *to);
/* D3; durable.  What is not there is destroyed already. */
must_check int device_key_file_destroy(int directory, const char *name);

/* Any small file, replaced whole; durable. */
must_check int device_key_file_replace(
	int directory, const char *name, const void *bytes, size_t count, mode_t mode);
must_check int device_key_file_sync(int directory);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - what the build made: a digest of every program of ours, in one file
 *
 *   # spoolguard manifest 1
 *   # version 0.1.0
 *   # commit 29bb3c2...            or "unknown"; with "-modified" if the tree was not what it names
 *   # built 1732449600             seconds since 1970: of the commit, or SOURCE_DATE_EPOCH
 *   64 hexadecimal digits  ../../bin/spoolguard
 *
 * The lines are those of sha256sum; names are relative to the manifest's own directory, so that
 * "cd DIRECTORY && sha256sum -c manifest" says the same as the self-test.  "make" writes it beside
 * the programs, "make install" below PREFIX/lib/spoolguard.  Whoever changes the programs after
 * that (strip, a package builder) writes it anew: tools/manifest.sh.
 *
 * What it proves: the programs are the ones that were built together.  It finds a rotted disk, an
 * upgrade that stopped half way, a program that was replaced while the old one still runs.  What it
 * does not prove: that nobody meant harm.  Whoever is root can write programs and manifest alike;
 * only a start-up chain that root cannot change, or a signed package, holds that off.
 *
 * Errors: -ENOENT; -EBADMSG, no such manifest; -EFBIG; what the system says.  Threads: any.
 */
#ifndef SPOOLGUARD_HARNESS_MANIFEST_H
#define SPOOLGUARD_HARNESS_MANIFEST_H

#include "base/macros.h"
#include "base/problem.h"
#include "crypto/hash.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define MANIFEST_BYTES_MAX  16384u
#define MANIFEST_FILES_MAX  32u
#define MANIFEST_WORD_BYTES 80

struct manifest_file {
	char name[256]; /* as the manifest has it */
	uint8_t digest[SHA256_BYTES];
};

struct manifest {
	char directory[PATH_MAX]; /* names are relative to it */
	char version[MANIFEST_WORD_BYTES];
	char commit[MANIFEST_WORD_BYTES];
	int64_t built_wall_s;
	uint8_t digest[SHA256_BYTES]; /* of the manifest: names this build */
	struct manifest_file files[MANIFEST_FILES_MAX];
	size_t count;
};

/* Pure.  text ends with a NUL at text[bytes], and has no other. */
must_check int manifest_parse(const char *text, size_t bytes, struct manifest *ret_manifest);

/* Where the manifest of that program (a path; NULL: the one that runs) is: beside it, or where
 * "make install" puts it.  -ENOENT. */
must_check int manifest_find(const char *program, char ret_path[static PATH_MAX]);

/* Gives a manifest to free(). */
must_check int manifest_read(
	const char *path, struct manifest **ret_manifest, struct problem *reterr_problem);

/* Where the file lies.  -ENAMETOOLONG. */
must_check int manifest_locate(
	const struct manifest *manifest, size_t index, char ret_path[static PATH_MAX]);

/* Of a file's content.  damage: of the content with its first bit turned over. */
must_check int manifest_hash(
	const char *path, bool damage, uint8_t ret_digest[static SHA256_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.c - the program that runs, and all of ours, against the build manifest (manifest.h)
 *
 *   program/manifest   it is there, can be read, and is of this version
 *   program/running    what runs is among what it lists
 *   program/files      each file that it lists is there and has its digest
 */
#include "harness/harness_impl.h"
#include "base/io.h"
#include "harness/manifest.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char remedy[] = "install spoolguard anew, all of it, and start the service again";

static int open_manifest(const struct harness_options *options, struct manifest **ret_manifest,
	struct problem *problem)
{
	char path[PATH_MAX];
	int r;

	if (options->manifest)
		return manifest_read(options->manifest, ret_manifest, problem);
	r = manifest_find(options->program, path);
	if (r < 0)
		return problem_set(problem, r, "there is no build manifest");
	return manifest_read(path, ret_manifest, problem);
}

/* False, and the outcome says why, if there is no manifest to go by. */
static bool get_manifest(
	const struct trial *trial, struct manifest **ret_manifest, struct outcome *out)
{
	struct problem problem = {""};
	int r = open_manifest(trial->options, ret_manifest, &problem);

	if (r == -ENOMEM)
		outcome_cannot_tell(out, "give the machine more memory", "%s", strerror(-r));
	else if (r < 0)
		outcome_failed(out, remedy, "%s", problem_text(&problem, r));
	return r >= 0;
}

static void test_manifest(const struct trial *trial, struct outcome *out)
{
	_cleanup_free_ struct manifest *manifest = NULL;

	if (!get_manifest(trial, &manifest, out))
		return;
	if (trial->damage)
		manifest->version[0] ^= 1;
	if (strcmp(manifest->version, SPOOLGUARD_VERSION) != 0)
		outcome_failed(out, remedy,
			"it is of version %.20s, and this program of " SPOOLGUARD_VERSION,
			manifest->version);
	else
		outcome_ok(out, "version %.20s, commit %.60s, %zu files", manifest->version,
			manifest->commit, manifest->count);
}

static const struct manifest_file *find_digest(
	const struct manifest *manifest, const uint8_t digest[static SHA256_BYTES])
{
	for (size_t i = 0; i < manifest->count; i++) {
		if (memcmp(manifest->files[i].digest, digest, SHA256_BYTES) == 0)
			return &manifest->files[i];
	}
	return NULL;
}

static void test_running(const struct trial *trial, struct outcome *out)
{
	const char *program = trial->options->program ? trial->options->program : "/proc/self/exe";
	_cleanup_free_ struct manifest *manifest = NULL;
	const struct manifest_file *file;
	uint8_t digest[SHA256_BYTES];
	int r;

	if (!get_manifest(trial, &manifest, out))
		return;
	r = manifest_hash(program, trial->damage, digest);
	file = r >= 0 ? find_digest(manifest, digest) : NULL;
	if (r < 0)
		outcome_cannot_tell(
			out, remedy, "%.200s cannot be read: %s", program, strerror(-r));
	else if (!file)
		outcome_failed(out, remedy,
			"the program that runs is none of those that were built together: it is "
			"damaged, or another version was installed since it started");
	else
		outcome_ok(out, "SHA-256 of the running program is that of %.200s", file->name);
}

/* NULL: the file is as it was built; else why not. */
static const char *judge_file(const struct manifest *manifest, size_t index)
{
	uint8_t digest[SHA256_BYTES];
	char path[PATH_MAX];
	int r;

	r = manifest_locate(manifest, index, path);
	if (r >= 0)
		r = manifest_hash(path, false, digest);
	if (r == -ENOENT)
		return "is missing";
	if (r < 0)
		return strerror(-r);
	return memcmp(digest, manifest->files[index].digest, sizeof(digest)) == 0
		       ? NULL
		       : "is not as it was built";
}

static void test_files(const struct trial *trial, struct outcome *out)
{
	_cleanup_free_ struct manifest *manifest = NULL;
	const char *fault = NULL;
	size_t bad = 0, first = 0;

	if (!get_manifest(trial, &manifest, out))
		return;
	if (trial->damage) /* one line is altered */
		manifest->files[manifest->count - 1].digest[0] ^= 0x80;
	for (size_t i = 0; i < manifest->count; i++) {
		const char *why = judge_file(manifest, i);

		if (why && bad++ == 0) {
			first = i;
			fault = why;
		}
	}
	if (bad > 0)
		outcome_failed(out, remedy, "%.200s %s (%zu of %zu files differ)",
			manifest->files[first].name, fault, bad, manifest->count);
	else
		outcome_ok(out, "SHA-256 of %zu files is that of the build", manifest->count);
}

void harness_add_programs(struct harness_table *table)
{
	harness_add(table, HARNESS_PROGRAMS, HARNESS_CLAIM, "program/manifest", test_manifest, 0);
	harness_add(table, HARNESS_PROGRAMS, HARNESS_CLAIM, "program/running", test_running, 0);
	harness_add(table, HARNESS_PROGRAMS, HARNESS_CLAIM, "program/files", test_files, 0);
}

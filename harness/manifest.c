/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/manifest.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_STEP_BYTES	  65536u
#define DIGEST_DIGITS	  (2 * SHA256_BYTES)
#define FIRST_LINE	  "# spoolguard manifest 1"
#define DELETED		  " (deleted)"
#define SELF		  "/proc/self/exe"
#define BUILT_DIGITS_MOST 15

/* --- the text --- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_digest(const char *text, uint8_t ret_digest[static SHA256_BYTES])
{
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		int high = digit_of(text[2 * i]), low = high < 0 ? -1 : digit_of(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret_digest[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool take_word(const char *line, const char *key, char *word)
{
	size_t length = strlen(key);

	if (strncmp(line, key, length) != 0 || strlen(line + length) >= MANIFEST_WORD_BYTES)
		return false;
	strcpy(word, line + length);
	return true;
}

/* Other comments are left to later versions. */
static int parse_comment(const char *line, struct manifest *manifest)
{
	char built[MANIFEST_WORD_BYTES];

	if (take_word(line, "# version ", manifest->version) ||
		take_word(line, "# commit ", manifest->commit))
		return 0;
	if (take_word(line, "# built ", built)) {
		size_t digits = strspn(built, "0123456789");

		if (digits == 0 || digits > BUILT_DIGITS_MOST || built[digits] != '\0')
			return -EBADMSG;
		manifest->built_wall_s = strtoll(built, NULL, 10);
	}
	return 0;
}

static int parse_file(const char *line, struct manifest *manifest)
{
	struct manifest_file *file = &manifest->files[manifest->count];
	size_t length = strlen(line);

	if (manifest->count == MANIFEST_FILES_MAX)
		return -EFBIG;
	if (length < DIGEST_DIGITS + 3 || line[DIGEST_DIGITS] != ' ' ||
		line[DIGEST_DIGITS + 1] != ' ' || line[DIGEST_DIGITS + 2] == '/' ||
		length - DIGEST_DIGITS - 2 >= sizeof(file->name) ||
		!parse_digest(line, file->digest))
		return -EBADMSG;
	strcpy(file->name, line + DIGEST_DIGITS + 2);
	manifest->count++;
	return 0;
}

static int parse_lines(char *text, struct manifest *manifest)
{
	char *rest = text, *line = strsep(&rest, "\n");
	int r = 0;

	if (strcmp(line, FIRST_LINE) != 0)
		return -EBADMSG;
	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		if (line[0] == '#')
			r = parse_comment(line, manifest);
		else if (line[0] != '\0')
			r = parse_file(line, manifest);
	}
	if (r < 0)
		return r;
	return manifest->count > 0 && manifest->version[0] && manifest->built_wall_s > 0 ? 0
											 : -EBADMSG;
}

int manifest_parse(const char *text, size_t bytes, struct manifest *ret_manifest)
{
	_cleanup_free_ struct manifest *manifest = calloc(1, sizeof(*manifest));
	_cleanup_free_ char *copy = NULL;
	int r;

	if (strlen(text) != bytes)
		return -EBADMSG;
	copy = strdup(text);
	if (!manifest || !copy)
		return -ENOMEM;
	r = parse_lines(copy, manifest);
	if (r >= 0)
		r = hash_sha256(text, bytes, manifest->digest);
	if (r >= 0)
		*ret_manifest = *manifest;
	return r;
}

/* --- where it is --- */

/* The directory of a path, in place; false for a path without one. */
static bool cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return false;
	slash[slash == path] = '\0';
	return true;
}

static int directory_of(const char *program, char ret_directory[static PATH_MAX])
{
	ssize_t n;

	if (program) {
		if (!realpath(program, ret_directory))
			return -errno;
	} else {
		size_t deleted = strlen(DELETED);

		n = readlink(SELF, ret_directory, PATH_MAX - 1);
		if (n < 0)
			return -errno;
		ret_directory[n] = '\0';
		/* An upgrade has replaced what runs; what it left is beside where that was. */
		if ((size_t)n > deleted &&
			strcmp(ret_directory + (size_t)n - deleted, DELETED) == 0)
			ret_directory[(size_t)n - deleted] = '\0';
	}
	return cut_name(ret_directory) ? 0 : -ENOENT;
}

int manifest_find(const char *program, char ret_path[static PATH_MAX])
{
	static const char *const places[] = {
		"manifest",			 /* the build directory */
		"../lib/spoolguard/manifest",	 /* from bin, sbin */
		"../../lib/spoolguard/manifest", /* from libexec/spoolguard */
	};
	char directory[PATH_MAX], path[PATH_MAX];
	int r;

	r = directory_of(program, directory);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int n = snprintf(path, sizeof(path), "%s/%s", directory, places[i]);

		if (n < PATH_MAX && access(path, F_OK) == 0) {
			strcpy(ret_path, path);
			return 0;
		}
	}
	return -ENOENT;
}

static int read_text(const char *path, char text[static MANIFEST_BYTES_MAX + 1], size_t *ret_bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, text, MANIFEST_BYTES_MAX, ret_bytes);
	if (r >= 0)
		text[*ret_bytes] = '\0';
	return r;
}

static int read_manifest(const char *path, struct manifest *manifest)
{
	_cleanup_free_ char *text = malloc(MANIFEST_BYTES_MAX + 1);
	size_t bytes;
	int r;

	if (!text)
		return -ENOMEM;
	r = read_text(path, text, &bytes);
	if (r >= 0)
		r = manifest_parse(text, bytes, manifest);
	if (r < 0)
		return r;
	if (!realpath(path, manifest->directory) || !cut_name(manifest->directory))
		return errno ? -errno : -ENOENT;
	return 0;
}

int manifest_read(const char *path, struct manifest **ret_manifest, struct problem *reterr_problem)
{
	_cleanup_free_ struct manifest *manifest = calloc(1, sizeof(*manifest));
	int r;

	if (!manifest)
		return -ENOMEM;
	r = read_manifest(path, manifest);
	if (r == -EBADMSG || r == -EFBIG)
		return problem_set(
			reterr_problem, r, "%s is damaged, or no manifest of spoolguard", path);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s cannot be read: %s", path, strerror(-r));
	*ret_manifest = manifest;
	manifest = NULL;
	return 0;
}

int manifest_locate(const struct manifest *manifest, size_t index, char ret_path[static PATH_MAX])
{
	int n = snprintf(
		ret_path, PATH_MAX, "%s/%s", manifest->directory, manifest->files[index].name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* --- digests --- */

static int hash_all(int fd, struct hash *hash, bool damage)
{
	_cleanup_free_ uint8_t *piece = malloc(HASH_STEP_BYTES);
	ssize_t n;
	int r = piece ? 0 : -ENOMEM;

	while (r >= 0) {
		n = read(fd, piece, HASH_STEP_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		piece[0] ^= damage;
		damage = false;
		r = hash_update(hash, piece, (size_t)n);
	}
	return r;
}

int manifest_hash(const char *path, bool damage, uint8_t ret_digest[static SHA256_BYTES])
{
	_cleanup_(hash_freep) struct hash *hash = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = hash_new(&hash);
	if (r >= 0)
		r = hash_all(fd, hash, damage);
	return r < 0 ? r : hash_finish(hash, ret_digest);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_files.c - records in the state directory
 *
 *   DIR/decommission/KEY.json           of a drive that is worked on
 *   DIR/decommission/KEY.witness        what the witness saw of it, in hexadecimal
 *   DIR/decommission/KEY.ID.done.json   of one that is finished
 */
#include "base/durable.h"
#include "base/hex.h"
#include "base/io.h"
#include "decommission/record.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE	       "decommission"
#define SUFFIX	       ".json"
#define SUFFIX_DONE    ".done.json"
#define SUFFIX_WITNESS ".witness"

enum { FILE_BYTES_MAX = 16 << 20 };

static int path_of(const char *directory, const char *name, const char *suffix,
	char ret_path[static PATH_MAX], struct problem *reterr_problem)
{
	int n = snprintf(ret_path, PATH_MAX, "%s/" PLACE "/%s%s", directory, name, suffix);

	if (n < 0 || n >= PATH_MAX)
		return problem_set(reterr_problem, -ENAMETOOLONG,
			"%.200s...: the name of the state directory is too long", directory);
	return 0;
}

static int sync_directory(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The place below the state directory; that one itself is never made here: if it is gone, what was
 * recorded in it is too. */
static int make_place(const char *directory, struct problem *reterr_problem)
{
	char path[PATH_MAX];
	int r = path_of(directory, "", "", path, reterr_problem);

	if (r < 0)
		return r;
	if (mkdir(path, 0700) == 0)
		r = sync_directory(directory);
	else if (errno != EEXIST)
		r = -errno;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be made (%s), so nothing is begun that could not be taken up; "
			"see to the state directory",
			path, strerror(-r));
	return 0;
}

static int say(int error, const char *path, struct problem *reterr_problem)
{
	if (error == -EBADMSG)
		return problem_set(reterr_problem, error,
			"%s is damaged: how far that drive is cannot be told; keep the file for "
			"its evidence under another name, and begin anew",
			path);
	if (error == -EPROTONOSUPPORT)
		return problem_set(reterr_problem, error,
			"%s is of a newer version of spoolguard; use that one", path);
	return problem_set(reterr_problem, error, "%s cannot be read: %s", path, strerror(-error));
}

/* --- one file --- */

int record_save(const char *directory, const struct record *record, struct problem *reterr_problem)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r = path_of(directory, record_key(record), SUFFIX, path, reterr_problem);

	if (r >= 0)
		r = make_place(directory, reterr_problem);
	if (r < 0)
		return r;
	r = record_encode(record, &text);
	if (r >= 0)
		r = durable_write(path, text);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be written (%s), so the drive is not touched further; make "
			"room there, or bring it back, and run the same again",
			path, strerror(-r));
	return 0;
}

static int read_file(const char *path, struct record **ret_record, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	size_t bytes;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return say(-errno, path, reterr_problem);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return say(-EBADMSG, path, reterr_problem);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	r = io_read_to_end(fd, text, (size_t)st.st_size, &bytes);
	if (r >= 0)
		r = record_decode(text, bytes, ret_record);
	return r < 0 ? say(r == -EFBIG ? -EBADMSG : r, path, reterr_problem) : 0;
}

int record_load(const char *directory, const char *key, struct record **ret_record,
	struct problem *reterr_problem)
{
	char path[PATH_MAX];
	struct record *record;
	int r;

	if (key[0] == '\0' || key[strspn(key, "0123456789abcdef")] != '\0')
		return problem_set(
			reterr_problem, -ENOENT, "nothing is recorded of \"%.64s\"", key);
	r = path_of(directory, key, SUFFIX, path, reterr_problem);
	if (r >= 0)
		r = read_file(path, &record, reterr_problem);
	if (r < 0)
		return r;
	if (strcmp(record_key(record), key) != 0) { /* somebody has renamed it */
		record_free(record);
		return say(-EBADMSG, path, reterr_problem);
	}
	*ret_record = record;
	return 0;
}

/* --- finding --- */

struct find {
	const char *directory, *wanted;
	struct record *found; /* owned */
	bool is_twice;
	struct problem *damage; /* of a file that may be it */
	int damage_error;
};

static bool is_record_name(const char *name)
{
	const size_t length = strlen(name), end = sizeof(SUFFIX) - 1,
		     done = sizeof(SUFFIX_DONE) - 1;

	return length > end && strcmp(name + length - end, SUFFIX) == 0 &&
	       !(length > done && strcmp(name + length - done, SUFFIX_DONE) == 0);
}

static int look_at(struct find *find, const char *name)
{
	_cleanup_(record_freep) struct record *record = NULL;
	char path[PATH_MAX];
	int r;

	r = path_of(find->directory, name, "", path, NULL);
	if (r >= 0)
		r = read_file(path, &record, find->damage);
	if (r < 0) {
		find->damage_error = r;
		return r == -ENOMEM ? r : 0;
	}
	if (strcmp(record->id, find->wanted) != 0 &&
		strcmp(record->identity.serial, find->wanted) != 0)
		return 0;
	find->is_twice = find->is_twice || find->found;
	record_free(find->found);
	find->found = record;
	record = NULL;
	return 0;
}

static int look_at_all(struct find *find, const char *place)
{
	DIR *stream = opendir(place);
	struct dirent *entry;
	int r = 0;

	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while (r >= 0 && (errno = 0, entry = readdir(stream))) {
		if (is_record_name(entry->d_name))
			r = look_at(find, entry->d_name);
	}
	if (r >= 0 && errno != 0)
		r = -errno;
	closedir(stream);
	return r;
}

int record_find(const char *directory, const char *id_or_serial, struct record **ret_record,
	struct problem *reterr_problem)
{
	struct problem damage = {{0}};
	struct find find = {.directory = directory, .wanted = id_or_serial, .damage = &damage};
	char place[PATH_MAX];
	int r;

	r = path_of(directory, "", "", place, reterr_problem);
	if (r < 0)
		return r;
	r = look_at_all(&find, place);
	if (r < 0)
		r = problem_set(reterr_problem, r, "%s cannot be read: %s", place, strerror(-r));
	else if (find.is_twice)
		r = problem_set(reterr_problem, -ENOTUNIQ,
			"several drives with the serial %s are being decommissioned; name the one "
			"that you mean by its id",
			id_or_serial);
	else if (!find.found && find.damage_error < 0)
		r = problem_set(reterr_problem, find.damage_error, "%s",
			problem_text(&damage, find.damage_error));
	else if (!find.found)
		r = problem_set(reterr_problem, -ENOENT, "nothing is recorded of \"%.160s\" in %s",
			id_or_serial, place);
	if (r < 0) {
		record_free(find.found);
		return r;
	}
	*ret_record = find.found;
	return 0;
}

/* --- the witness, and the end --- */

int record_save_witness(const char *directory, const struct record *record, const uint8_t *bytes,
	size_t count, struct problem *reterr_problem)
{
	_cleanup_free_ char *text = malloc(2 * count + 1);
	char path[PATH_MAX];
	int r = path_of(directory, record_key(record), SUFFIX_WITNESS, path, reterr_problem);

	if (r >= 0)
		r = make_place(directory, reterr_problem);
	if (r < 0)
		return r;
	r = text ? durable_write(path, hex_encode(bytes, count, text)) : -ENOMEM;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be written (%s), so the drive is not touched further", path,
			strerror(-r));
	return 0;
}

int record_load_witness(const char *directory, const struct record *record, uint8_t *ret_bytes,
	size_t *ret_count, struct problem *reterr_problem)
{
	const size_t room = 2 * (size_t)WITNESS_BYTES_MAX + 1;
	_cleanup_free_ char *text = malloc(room);
	char path[PATH_MAX];
	size_t digits;
	int r;

	if (!text)
		return -ENOMEM;
	r = path_of(directory, record_key(record), SUFFIX_WITNESS, path, reterr_problem);
	if (r < 0)
		return r;
	r = durable_read(path, text, room);
	if (r < 0)
		return say(r == -EFBIG ? -EBADMSG : r, path, reterr_problem);
	digits = strlen(text);
	if (digits % 2 != 0 || hex_decode(text, digits, ret_bytes, digits / 2) < 0)
		return say(-EBADMSG, path, reterr_problem);
	*ret_count = digits / 2;
	return 0;
}

int record_finish(
	const char *directory, const struct record *record, struct problem *reterr_problem)
{
	char from[PATH_MAX], to[PATH_MAX], witness[PATH_MAX], place[PATH_MAX];
	char name[RECORD_KEY_BYTES + RECORD_ID_BYTES + 1];
	int r;

	snprintf(name, sizeof(name), "%s.%s", record_key(record), record->id);
	r = path_of(directory, "", "", place, reterr_problem);
	if (r >= 0)
		r = path_of(directory, record_key(record), SUFFIX, from, reterr_problem);
	if (r >= 0)
		r = path_of(directory, name, SUFFIX_DONE, to, reterr_problem);
	if (r >= 0)
		r = path_of(directory, record_key(record), SUFFIX_WITNESS, witness, reterr_problem);
	if (r < 0)
		return r;
	r = durable_remove(witness);
	if (r >= 0 && rename(from, to) < 0)
		r = -errno;
	if (r >= 0)
		r = sync_directory(place);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be put away as %s: %s; the drive itself is done with", from, to,
			strerror(-r));
	return 0;
}

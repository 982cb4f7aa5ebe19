/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/inprocess_impl.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <string.h>

int inprocess_next_part(const char **path, char ret_part[static INPROCESS_NAME_BYTES],
	struct problem *reterr_problem)
{
	const char *start = *path + strspn(*path, "/");
	size_t length = strcspn(start, "/");

	if (length >= INPROCESS_NAME_BYTES)
		return problem_set(reterr_problem, -ENAMETOOLONG,
			"a part of the name is longer than %d bytes", INPROCESS_NAME_BYTES - 1);
	memcpy(ret_part, start, length);
	ret_part[length] = '\0';
	*path = start + length;
	if (strcmp(ret_part, ".") == 0 || strcmp(ret_part, "..") == 0)
		return problem_set(reterr_problem, -EINVAL,
			"\"%s\" in a name on the volume is not followed; give the path from its "
			"root",
			ret_part);
	return 0;
}

static bool is_last(const char *path)
{
	return path[strspn(path, "/")] == '\0';
}

static int read_body(struct inprocess *inprocess, struct inprocess_place *place, const char *path,
	struct problem *reterr_problem)
{
	errcode_t e = ext2fs_read_inode(inprocess->fs, place->inode, &place->body);

	return e ? inprocess_fail(reterr_problem, e, "reading its inode", path) : 0;
}

static int check_directory(
	const struct inprocess_place *place, const char *path, struct problem *reterr_problem)
{
	if (LINUX_S_ISLNK(place->body.i_mode))
		return problem_set(reterr_problem, -ELOOP,
			"%s: \"%s\" on the volume is a symbolic link, which is not followed; give "
			"the path without it",
			path, place->name);
	if (!LINUX_S_ISDIR(place->body.i_mode))
		return problem_set(reterr_problem, -ENOTDIR,
			"%s: \"%s\" on the volume is not a directory", path, place->name);
	return 0;
}

int inprocess_find(struct inprocess *inprocess, const char *path, struct inprocess_place *ret_place,
	const char **missing_from, struct problem *reterr_problem)
{
	struct inprocess_place place = {.directory = EXT2_ROOT_INO, .inode = EXT2_ROOT_INO};
	const char *rest = path;
	errcode_t e;
	int r;

	if (!inprocess->fs)
		return problem_set(
			reterr_problem, -EIO, "an earlier change failed; open the volume again");
	r = read_body(inprocess, &place, path, reterr_problem);
	while (r >= 0 && !is_last(rest)) {
		const char *part = rest;

		r = check_directory(&place, path, reterr_problem);
		if (r >= 0)
			r = inprocess_next_part(&rest, place.name, reterr_problem);
		if (r < 0)
			return r;
		place.directory = place.inode;
		e = ext2fs_lookup(inprocess->fs, place.directory, place.name,
			(int)strlen(place.name), NULL, &place.inode);
		if (e == EXT2_ET_FILE_NOT_FOUND && !is_last(rest)) {
			if (!missing_from)
				return problem_set(reterr_problem, -ENOENT,
					"%s: there is no directory \"%s\" on the volume; make it "
					"with --parents",
					path, place.name);
			*missing_from = part;
			place.inode = 0;
			break;
		}
		if (e == EXT2_ET_FILE_NOT_FOUND) {
			place.inode = 0;
			break;
		}
		if (e)
			return inprocess_fail(reterr_problem, e, "looking it up", path);
		r = read_body(inprocess, &place, path, reterr_problem);
	}
	if (r >= 0)
		*ret_place = place;
	return r;
}

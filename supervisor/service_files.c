/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/path.h"
#include "supervisor/ledger_key.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where a file that somebody named lies. */
struct place {
	struct runtime_state runtime;
	char inside[PATH_MAX]; /* from the volume's root */
};

void service_files_done(struct service_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->paths[i]);
	free(files->paths);
	files->paths = NULL;
	files->count = 0;
}

/* What a name means by the slashes at its end (ledger.h). */
enum kind { KIND_FILE, KIND_DIRECTORY, KIND_PREFIX };

/* Cuts them off. */
static enum kind take_kind(char *path)
{
	size_t length = strlen(path), slashes = 0;

	while (slashes < 2 && length > slashes + 1 && path[length - slashes - 1] == '/')
		slashes++;
	path[length - slashes] = '\0';
	return slashes == 2 ? KIND_PREFIX : slashes == 1 ? KIND_DIRECTORY : KIND_FILE;
}

/* No "//", ".", "..", nor a slash at the end. */
static bool is_plain(const char *path)
{
	if (path[0] != '/')
		return false;
	while (*path == '/') {
		size_t length = strcspn(++path, "/");

		if (length == 0 || (length == 1 && path[0] == '.') ||
			(length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += length;
	}
	return true;
}

/* What follows directory in path, or NULL. */
static const char *behind(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (length == 0 || strncmp(path, directory, length) != 0 || path[length] != '/')
		return NULL;
	return path + length + 1;
}

/* "" is the volume's root. */
static bool set_inside(struct place *place, const char *directory, const char *rest)
{
	int n;

	if (!rest)
		return false;
	n = snprintf(place->inside, sizeof(place->inside), "%s%s%s", directory,
		directory[0] ? "/" : "", rest);
	return n > 0 && (size_t)n < sizeof(place->inside);
}

/* Would it lie on that volume, if it were open? */
static bool belongs_to(const struct config_volume *volume, const char *path)
{
	if (behind(path, volume->mount))
		return true;
	for (size_t i = 0; i < volume->bind_count; i++) {
		if (behind(path, volume->binds[i].at))
			return true;
	}
	return false;
}

/* Names as the configuration has them, and as the kernel does. */
static bool find_inside(const struct config_volume *volume, struct place *place, const char *path)
{
	const struct runtime_state *runtime = &place->runtime;

	for (size_t i = 0; i < volume->bind_count; i++) {
		if (set_inside(
			    place, volume->binds[i].directory, behind(path, volume->binds[i].at)))
			return true;
	}
	for (size_t i = 0; i < runtime->bind_count; i++) {
		if (set_inside(
			    place, runtime->binds[i].directory, behind(path, runtime->binds[i].at)))
			return true;
	}
	return set_inside(place, "", behind(path, volume->mount)) ||
	       set_inside(place, "", behind(path, runtime->mount));
}

static int find_place(
	struct service *service, const char *path, struct place *place, struct problem *problem)
{
	struct supervisor *supervisor = service->supervisor;

	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		const struct config_volume *volume = keeper_volume(supervisor->keepers[i]);

		if (keeper_runtime(supervisor->keepers[i], &place->runtime) < 0) {
			if (belongs_to(volume, path))
				return problem_set(problem, -ENOTCONN,
					"%s lies on volume %s, which is not open (%s); "
					"\"spoolguard "
					"status\" says why",
					path, volume->name,
					keeper_state_text(keeper_state(supervisor->keepers[i])));
			continue;
		}
		if (find_inside(volume, place, path))
			return 0;
	}
	return problem_set(problem, -ENODEV,
		"%s does not lie on a volume of this service; \"spoolguard status\" lists them",
		path);
}

static int open_beneath(const struct place *place, const char *inside)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	_cleanup_close_ int root =
		open(place->runtime.mount, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	long fd;

	if (root < 0)
		return -errno;
	fd = syscall(SYS_openat2, root, inside, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* What is opened by that name on the volume.  -ENOENT. */
static int look_at(const struct place *place, const char *inside, const char *path,
	struct stat *ret_st, struct problem *problem)
{
	_cleanup_close_ int fd = open_beneath(place, inside);

	if (fd == -ENOENT)
		return fd;
	if (fd == -ELOOP)
		return problem_set(problem, -EACCES,
			"%s has a symbolic link in its path; name the file itself", path);
	if (fd < 0)
		return problem_set(problem, fd == -EXDEV || fd == -ENOTDIR ? -EACCES : fd, "%s: %s",
			path, strerror(-fd));
	if (fstat(fd, ret_st) < 0)
		return problem_set(problem, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int check_file(
	const struct place *place, uid_t uid, const char *path, struct problem *problem)
{
	struct stat st;
	int r = look_at(place, place->inside, path, &st, problem);

	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return problem_set(
			problem, -EACCES, "%s is no regular file; only files hold job data", path);
	if (uid != 0 && st.st_uid != uid)
		return problem_set(problem, -EACCES,
			"%s is not yours: a job hands over files that its caller owns", path);
	return 0;
}

/* One that is not there yet may come; whose it is is asked again when the job ends. */
static int check_directory(
	const struct place *place, uid_t uid, const char *path, struct problem *problem)
{
	struct stat st;
	int r = look_at(place, place->inside, path, &st, problem);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!S_ISDIR(st.st_mode))
		return problem_set(problem, -EACCES, "%s is no directory", path);
	if (uid != 0 && st.st_uid != uid)
		return problem_set(problem, -EACCES,
			"%s is not yours: a job hands over directories that its caller owns", path);
	return 0;
}

/* Of the files that begin so, those of the caller's count when the job ends. */
static int check_prefix(const struct place *place, const char *path, struct problem *problem)
{
	_cleanup_free_ char *parent = strdup(place->inside);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	struct stat st;
	int r;

	if (!parent)
		return -ENOMEM;
	if (!slash)
		return 0; /* in the volume's root */
	*slash = '\0';
	r = look_at(place, parent, path, &st, problem);
	return r == -ENOENT ? 0 : r;
}

static int check_place(const struct place *place, enum kind kind, uid_t uid, const char *path,
	struct problem *problem)
{
	if (path_is_at_or_below(place->inside, LEDGER_KEY_DIRECTORY))
		return problem_set(problem, -EACCES, "%s is spoolguard's own", path);
	switch (kind) {
	case KIND_DIRECTORY:
		return check_directory(place, uid, path, problem);
	case KIND_PREFIX:
		return check_prefix(place, path, problem);
	case KIND_FILE:
	default:
		return check_file(place, uid, path, problem);
	}
}

static int add_file(struct service_files *files, const struct place *place, enum kind kind,
	struct problem *problem)
{
	static const char *const ends[] = {
		[KIND_FILE] = "", [KIND_DIRECTORY] = "/", [KIND_PREFIX] = "//"};

	if (files->volume_uuid[0] && strcmp(files->volume_uuid, place->runtime.uuid) != 0)
		return problem_set(problem, -EXDEV,
			"the job's files lie on two volumes; announce them as two jobs");
	strcpy(files->volume_uuid, place->runtime.uuid);
	if (asprintf(&files->paths[files->count], "%s/%s%s", place->runtime.mount, place->inside,
		    ends[kind]) < 0)
		return -ENOMEM;
	files->count++;
	return 0;
}

static int check_name(struct service *service, uid_t uid, const char *path,
	struct service_files *files, struct place *place, struct problem *problem)
{
	_cleanup_free_ char *plain = NULL;
	enum kind kind;
	int r;

	if (strlen(path) >= PATH_MAX)
		return problem_set(problem, -ENAMETOOLONG, "a file has too long a path");
	plain = strdup(path);
	if (!plain)
		return -ENOMEM;
	kind = take_kind(plain);
	if (!is_plain(plain))
		return problem_set(problem, -EINVAL,
			"\"%s\" is no plain absolute path (no \"//\", \".\", \"..\" in it)", path);
	r = find_place(service, plain, place, problem);
	if (r >= 0)
		r = check_place(place, kind, uid, path, problem);
	if (r == -ENOENT) {
		files->absent++;
		return 0;
	}
	return r < 0 ? r : add_file(files, place, kind, problem);
}

int service_files_check(struct service *service, uid_t uid, struct json_object *names,
	struct service_files *ret_files, struct problem *reterr_problem)
{
	size_t count = names ? json_object_array_length(names) : 0;
	struct service_files files = {.volume_uuid = ""};
	_cleanup_free_ struct place *place = malloc(sizeof(*place));
	int r = 0;

	files.paths = calloc(count + 1, sizeof(*files.paths));
	if (!files.paths || !place)
		r = -ENOMEM;
	for (size_t i = 0; i < count && r >= 0; i++) {
		struct json_object *name = json_object_array_get_idx(names, i);

		if (!json_object_is_type(name, json_type_string))
			r = problem_set(reterr_problem, -EINVAL, "a file's name is no string");
		else
			r = check_name(service, uid, json_object_get_string(name), &files, place,
				reterr_problem);
	}
	if (r < 0) {
		service_files_done(&files);
		return r;
	}
	*ret_files = files;
	return 0;
}

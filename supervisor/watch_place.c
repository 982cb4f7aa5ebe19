/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/watch_place.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is left of path below at: "" if they are the same; NULL: it lies elsewhere. */
static const char *below(const char *path, const char *at)
{
	size_t length = strlen(at);

	if (strncmp(path, at, length) != 0)
		return NULL;
	if (path[length] == '\0')
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

/* The longest match is where the path leads. */
static void try_place(const struct config_volume *volume, const char *at, const char *directory,
	const char *path, size_t *longest, struct watch_place *place)
{
	const char *rest = below(path, at);
	int n;

	if (!rest || strlen(at) < *longest)
		return;
	n = snprintf(place->relative, sizeof(place->relative), "%s%s%s", directory,
		directory[0] && rest[0] ? "/" : "", rest);
	if (n < 0 || (size_t)n >= sizeof(place->relative))
		return;
	*longest = strlen(at);
	place->volume = volume;
}

void watch_place_find(const struct config *config, const char *path, struct watch_place *ret_place)
{
	size_t longest = 0;

	*ret_place = (struct watch_place){.volume = NULL};
	for (size_t i = 0; i < config->volume_count; i++) {
		const struct config_volume *volume = &config->volumes[i];

		try_place(volume, volume->mount, "", path, &longest, ret_place);
		for (size_t j = 0; j < volume->bind_count; j++)
			try_place(volume, volume->binds[j].at, volume->binds[j].directory, path,
				&longest, ret_place);
	}
}

bool watch_place_is_same(const struct watch_place *a, const struct watch_place *b)
{
	return a->volume && a->volume == b->volume && strcmp(a->relative, b->relative) == 0;
}

int watch_place_open_mount(const struct config_volume *volume, int *ret_fd)
{
	int fd = open(volume->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int watch_place_open(int mount, const char *relative, int *ret_fd)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, mount, relative[0] ? relative : ".", &how, sizeof(how));

	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* Nobody but us could have put something there. */
static int open_private(int directory, const char *name, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (mkdirat(directory, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = watch_place_open(directory, name, &fd);
	if (r < 0)
		return r == -ELOOP || r == -ENOTDIR || r == -EXDEV ? -EPERM : r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return -EPERM;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int watch_place_open_pending(int mount, const char *name, int *ret_fd,
	const struct config_volume *volume, struct problem *reterr_problem)
{
	_cleanup_close_ int private = -1, pending = -1, own = -1;
	int r = open_private(mount, WATCH_PLACE_PRIVATE, &private);

	if (r >= 0)
		r = open_private(private, "pending", &pending);
	if (r >= 0)
		r = open_private(pending, name, &own);
	if (r == -EPERM)
		return problem_set(reterr_problem, r,
			"%s/" WATCH_PLACE_PENDING " was not made by spoolguard (another owner, or "
			"open to others); look at it, and move it away",
			volume->mount);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s/" WATCH_PLACE_PENDING ": %s",
			volume->mount, strerror(-r));
	*ret_fd = own;
	own = -1;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attached_fixture.h - a volume, attached and mounted by the command for the tests of one program
 *
 * The command is the one beside this build, or the plain one above it (sanitizer builds
 * make tests alone): it only sets the scene.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_ATTACHED_FIXTURE_H
#define SPOOLGUARD_TESTS_SUPPORT_ATTACHED_FIXTURE_H

#include "attached/volumes.h"
#include "base/io.h"
#include "base/macros.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char command[PATH_MAX], mount_point[PATH_MAX];
static struct runtime_state state;

/* Why the tests cannot run here; NULL: they can. */
static inline const char *why_skipped(void)
{
	static const char *const places[] = {"../../spoolguard", "../../../spoolguard"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (geteuid() != 0)
		return "needs root";
	if (access("/dev/fuse", F_OK) < 0 || access("/dev/loop-control", F_OK) < 0)
		return "needs /dev/fuse and loop devices";
	if (n <= 0)
		return "needs /proc";
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (snprintf(command, sizeof(command), "%s/%s", self, places[i]) <
				(int)sizeof(command) &&
			access(command, X_OK) == 0)
			return NULL;
	}
	return "needs build/spoolguard (make all)";
}

static may_be_unused void run_command(const char *arguments)
{
	char line[3 * PATH_MAX];

	snprintf(line, sizeof(line), "cd '%s' && printf secret | '%s' %s >>log 2>&1",
		scratch_path(), command, arguments);
	ck_assert_msg(system(line) == 0, "%s", line);
}

static may_be_unused void attach_volume_of(const char *size)
{
	struct problem problem = {""};
	char path[PATH_MAX], arguments[256];
	int r;

	scratch_make();
	snprintf(path, sizeof(path), "%s/run", scratch_path());
	setenv("SPOOLGUARD_RUNTIME_DIR", path, 1);
	snprintf(mount_point, sizeof(mount_point), "%s/mnt", scratch_path());
	snprintf(arguments, sizeof(arguments),
		"format --size %s --kdf-memory 32M --kdf-time 50 --passphrase-file - image", size);
	run_command(arguments);
	run_command("attach --mount mnt --passphrase-file - image");
	snprintf(path, sizeof(path), "%s/image", scratch_path());
	r = volumes_find_by_medium(path, &state, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static may_be_unused uint64_t status_of_volume(const char *key)
{
	struct json_object *status;
	struct client *client;
	uint64_t value;

	ck_assert_int_eq(client_connect(state.uuid, &client), 0);
	ck_assert_int_eq(client_status(client, &status), 0);
	value = volumes_status_u64(status, key);
	json_object_put(status);
	client_free(client);
	return value;
}

/* A file of the spool, on the medium; returns its path in one of four buffers. */
static may_be_unused const char *make_file(const char *name, size_t bytes)
{
	static char paths[4][PATH_MAX + 64];
	static unsigned int next;
	static const char block[65536] = "a job";
	char *path = paths[next++ % 4];
	int fd;

	snprintf(path, sizeof(paths[0]), "%s/%s", mount_point, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	for (size_t done = 0; done < bytes; done += sizeof(block))
		ck_assert_int_eq(
			io_write(fd, block,
				bytes - done < sizeof(block) ? bytes - done : sizeof(block)),
			0);
	ck_assert_int_eq(fsync(fd), 0);
	close(fd);
	return path;
}

static may_be_unused bool exists(const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	return access(path, F_OK) == 0;
}

/* A test beside us that copies the mounts (unshare) holds ours for a moment. */
static may_be_unused void detach_it(void)
{
	char line[4 * PATH_MAX];

	snprintf(line, sizeof(line),
		"exec >/dev/null 2>&1; for i in $(seq 150); do '%s' detach --all && break; sleep "
		"0.2; done; chattr -i '%s'; chmod 700 '%s'",
		command, mount_point, mount_point);
	(void)!system(line);
	scratch_remove();
}

#endif

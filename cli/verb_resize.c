/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_resize.c - "spoolguard resize": a volume, and the file system on it, grow
 *
 *   image file grown -> volume takes its new size (map pages durable first) -> loop device
 *   -> ext4 grown while it is mounted
 *
 * Each step may be done again: a resize that was interrupted is finished by the same command.
 */
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include "cli/cli.h"
#include "cli/volumes.h"
#include "volume/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* From the kernel's fs/ext4/ext4.h. */
#define RESIZE_FS_IOCTL _IOW('f', 16, uint64_t)

struct arguments {
	const char *path;
	uint64_t bytes;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"size", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j') {
			arguments->json = true;
		} else if (option == 's') {
			if (!cli_parse_size(&cli_verb_resize, "--size", optarg, &arguments->bytes))
				return CLI_USAGE;
		} else {
			return cli_usage_error(&cli_verb_resize,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		}
	}
	if (optind + 1 != argc || arguments->bytes == 0)
		return cli_usage_error(&cli_verb_resize, "give --size SIZE and one volume");
	arguments->path = argv[optind];
	return 0;
}

/* An image file gets its new length; a device has grown already, or has not. */
static int grow_medium(const struct arguments *arguments, struct problem *problem)
{
	_cleanup_close_ int fd = open(arguments->path, O_WRONLY | O_CLOEXEC);
	struct statvfs room;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return problem_set(problem, -errno, "%s: %s", arguments->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return 0;
	if (arguments->bytes < (uint64_t)st.st_size)
		return problem_set(problem, -EINVAL,
			"%s is larger than that already (%" PRIu64
			" bytes); a volume can only grow",
			arguments->path, (uint64_t)st.st_size);
	if (fstatvfs(fd, &room) == 0 &&
		arguments->bytes - (uint64_t)st.st_size > room.f_bavail * room.f_frsize)
		cli_warn("the file system that holds %s has not that much free: when it is full, "
			 "writes to the spool fail",
			arguments->path);
	if (ftruncate(fd, (off_t)arguments->bytes) < 0 || fsync(fd) < 0)
		return problem_set(problem, -errno, "%s cannot be grown: %s", arguments->path,
			strerror(errno));
	return 0;
}

static int grow_filesystem(
	const struct runtime_state *state, uint64_t blocks, struct problem *problem)
{
	_cleanup_close_ int fd = -1;

	if (!state->mount[0])
		return 0;
	fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RESIZE_FS_IOCTL, &blocks) < 0)
		return problem_set(problem, -errno,
			"the volume has grown, but the file system on it has not: %s; run "
			"\"resize2fs %s\"",
			strerror(errno), state->device);
	return 0;
}

static int grow(const struct arguments *arguments, struct runtime_state *state,
	uint64_t *ret_blocks, struct problem *problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	int r;

	r = volumes_find_by_medium(arguments->path, state, problem);
	if (r >= 0)
		r = volumes_connect(state, &client, problem);
	if (r >= 0)
		r = grow_medium(arguments, problem);
	if (r < 0)
		return r;
	r = client_grow(client, ret_blocks);
	if (r == -EFBIG)
		return problem_set(problem, r,
			"%s: the map has no room for that size; format a new volume with a larger "
			"--max-size",
			arguments->path);
	if (r < 0)
		return problem_set(problem, r, "%s cannot grow: %s", arguments->path,
			r == -EOPNOTSUPP ? "it has no residue map (encryption only)"
					 : strerror(-r));
	r = loop_refresh_size(state->device);
	if (r < 0)
		return problem_set(problem, r, "%s does not take the new size: %s", state->device,
			strerror(-r));
	return grow_filesystem(state, *ret_blocks, problem);
}

static int run(int argc, char **argv)
{
	struct arguments arguments = {.path = NULL};
	struct problem problem = {""};
	struct runtime_state state;
	uint64_t blocks = 0;
	char size[32];
	int r;

	r = parse(argc, argv, &arguments);
	if (r != 0)
		return r;
	r = grow(&arguments, &state, &blocks, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	if (arguments.json) {
		struct json_object *object = cli_json("resize");

		cli_add_string(object, "path", state.path);
		cli_add_u64(object, "data_bytes", blocks * BLOCK_BYTES);
		cli_add_bool(object, "filesystem_grown", state.mount[0] != '\0');
		cli_print_json(object);
		return CLI_YES;
	}
	printf("%s holds %s for data now%s\n", state.path,
		bytes_format_size(blocks * BLOCK_BYTES, size, sizeof(size)),
		state.mount[0] ? ", and its file system has grown"
			       : "; its file system has not: nothing is mounted");
	return CLI_YES;
}

const struct cli_verb cli_verb_resize = {
	.name = "resize",
	.summary = "grow a volume and its file system",
	.usage = "usage: spoolguard resize --size SIZE [--json] PATH\n\n"
		 "PATH is an attached volume.  An image file is grown to SIZE (a device must have\n"
		 "grown already), the map takes the new blocks (CLEAN in an image, owed every\n"
		 "pass on a device), and a mounted ext4 grows with it.\n",
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_resize.c - "spoolguard resize": a volume, and the file system on it, grow
 *
 *   image file grown -> volume takes its new size (map pages durable first) -> loop device
 *   -> ext4 grown, by the kernel while it is mounted, else by resize2fs
 *
 * Each step may be done again: a resize that was interrupted is finished by the same command.
 */
#include "attached/bring_up_volume.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include "cli/cli.h"
#include "spool/tool.h"
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
	const char *passphrase_file;
	uint64_t bytes;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"size", required_argument, NULL, 's'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j') {
			arguments->json = true;
		} else if (option == 'p') {
			arguments->passphrase_file = optarg;
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

/* The map has room for so many blocks; asked before anything is changed. */
static int check_room(
	const struct arguments *arguments, struct client *client, struct problem *problem)
{
	struct json_object *status;
	uint64_t most;
	bool managed;
	int r;

	r = client_status(client, &status);
	if (r < 0)
		return r;
	most = volumes_status_u64(status, "medium_bytes_most");
	managed = json_object_get_boolean(json_object_object_get(status, "managed"));
	json_object_put(status);
	if (!managed)
		return problem_set(problem, -EOPNOTSUPP,
			"%s has no residue map (encryption only): grow the image and attach it "
			"again",
			arguments->path);
	if (arguments->bytes > most)
		return problem_set(problem, -EFBIG,
			"%s: its map has room for a medium of %" PRIu64
			" bytes; format a new volume with a larger --max-size",
			arguments->path, most);
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

static int grow_mounted(const struct runtime_state *state, uint64_t blocks, struct problem *problem)
{
	_cleanup_close_ int fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, RESIZE_FS_IOCTL, &blocks) == 0)
		return 0;
	return problem_set(problem, -errno,
		"the volume has grown, but the file system on it has not: %s%s; detach it, and run "
		"the same command again",
		strerror(errno), errno == EPERM ? " (CAP_SYS_RESOURCE is missing)" : "");
}

/* What resize2fs does not accept unchecked, e2fsck checks first; 1: it mended something. */
static int grow_unmounted(const struct runtime_state *state, struct problem *problem)
{
	const char *const check[] = {"e2fsck", "-fp", state->device, NULL};
	const char *const resize[] = {"resize2fs", state->device, NULL};
	int code, r;

	r = tool_run(check, &code, problem);
	if (r >= 0 && code <= 1)
		r = tool_run(resize, &code, problem);
	if (r >= 0 && code > 1)
		r = problem_set(problem, -EUCLEAN,
			"the volume has grown, but the file system on it has not (exit %d); run "
			"\"e2fsck -f %s\" and \"resize2fs %s\"",
			code, state->device, state->device);
	return r;
}

/* The medium, the volume, the loop device. */
static int grow_volume(const struct arguments *arguments, const struct runtime_state *state,
	struct client *client, uint64_t *ret_blocks, struct problem *problem)
{
	int r;

	r = check_room(arguments, client, problem);
	if (r >= 0)
		r = grow_medium(arguments, problem);
	if (r < 0)
		return r;
	r = client_grow(client, ret_blocks);
	if (r < 0)
		return problem_set(problem, r, "%s cannot grow: %s", arguments->path, strerror(-r));
	r = loop_refresh_size(state->device);
	if (r < 0)
		return problem_set(problem, r, "%s does not take the new size: %s", state->device,
			strerror(-r));
	return 0;
}

static int grow_attached(const struct arguments *arguments, struct runtime_state *state,
	uint64_t *ret_blocks, struct problem *problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	int r;

	if (state->read_only)
		return problem_set(problem, -EROFS,
			"%s is attached read-only; attach it for writing", state->path);
	r = volumes_connect(state, &client, problem);
	if (r >= 0)
		r = grow_volume(arguments, state, client, ret_blocks, problem);
	if (r >= 0 && state->mount[0])
		r = grow_mounted(state, *ret_blocks, problem);
	return r;
}

/* Attached for this alone; detached again whatever happens. */
static int grow_detached(const struct arguments *arguments, struct runtime_state *state,
	uint64_t *ret_blocks, struct problem *problem)
{
	const struct attach_options options = {.read_only = false};
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_secret_ struct secret *passphrase = NULL;
	struct bring_up_options found;
	struct bring_up_report report;
	struct mount_seal unused;
	int lock = -1, r, ended;

	r = cli_read_passphrase(
		arguments->passphrase_file, "Passphrase", false, &passphrase, problem);
	if (r >= 0)
		r = attach_volume(
			arguments->path, &options, passphrase, state, &client, &lock, problem);
	if (r < 0)
		return r;
	r = bring_up_volume(client, NULL, state, &found, &report, &unused, problem);
	if (r >= 0)
		r = grow_volume(arguments, state, client, ret_blocks, problem);
	if (r >= 0 && report.has_filesystem)
		r = grow_unmounted(state, problem);
	client_free(client);
	client = NULL;
	ended = attach_undo(state, false, r >= 0 ? problem : NULL);
	close(lock);
	return r < 0 ? r : ended;
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
	r = runtime_find(arguments.path, &state) >= 0
		    ? grow_attached(&arguments, &state, &blocks, &problem)
		    : grow_detached(&arguments, &state, &blocks, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	if (arguments.json) {
		struct json_object *object = cli_json("resize");

		cli_add_string(object, "path", state.path);
		cli_add_u64(object, "data_bytes", blocks * BLOCK_BYTES);
		cli_print_json(object);
		return CLI_YES;
	}
	printf("%s holds %s for data now\n", cli_shown(state.path),
		bytes_format_size(blocks * BLOCK_BYTES, size, sizeof(size)));
	return CLI_YES;
}

const struct cli_verb cli_verb_resize = {
	.name = "resize",
	.summary = "grow a volume and its file system",
	.usage =
		"usage: spoolguard resize --size SIZE [--passphrase-file F] [--json] PATH\n\n"
		"An image file is grown to SIZE (a device must have grown already), the map takes\n"
		"the new blocks (CLEAN in an image, owed every pass on a device), and the ext4 on\n"
		"it grows: while it is mounted, or, on a volume that is not attached, with\n"
		"resize2fs (the volume is attached for that, and detached again).\n\n"
		"  --passphrase-file F    if it is not attached: \"-\" is standard input, fd:N a\n"
		"                         descriptor; else asked for\n",
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/attach.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "blockdev/mount_table.h"
#include "keystore/keystore.h"
#include "volume/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DISCARD_BYTES_MAX (128ull << 20)
#define PROGRAM		  "spoolguard-volume"

/* Descriptors that the volume process is born with. */
enum { CHILD_FUSE = 3, CHILD_PASSPHRASE = 4, CHILD_STATUS = 5 };

/* --- what a killed process left --- */

void attach_find_device(struct runtime_state *state)
{
	char end[RUNTIME_UUID_BYTES + 16];

	snprintf(end, sizeof(end), "/%s/medium", state->uuid);
	if (state->device[0] && loop_is_over(state->device, end))
		return;
	if (loop_find(end, state->device) < 0)
		state->device[0] = '\0';
}

/* The dead device answers nothing: whatever is mounted of it goes, lazily. */
static void unmount_dead(const char *device)
{
	char where[PATH_MAX];
	struct stat st;

	if (stat(device, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	while (mount_table_place(st.st_rdev, 0, where, sizeof(where)) >= 0) {
		if (umount2(where, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return;
	}
}

void attach_clear_dead(const struct runtime_state *state)
{
	struct runtime_state now = *state;
	char medium[RUNTIME_PATH_BYTES];

	attach_find_device(&now);
	if (now.device[0]) {
		unmount_dead(now.device);
		if (loop_detach(now.device) < 0)
			(void)0; /* it is gone already */
	}
	if (runtime_path(now.uuid, "medium", medium) >= 0)
		(void)umount2(medium, MNT_DETACH);
	runtime_remove(now.uuid);
}

/* -EBUSY if a process serves the volume; otherwise the way is clear. */
static int check_free(const char *uuid, struct problem *reterr_problem)
{
	struct runtime_state state = {.read_only = false};
	struct client *client = NULL;
	int loaded = runtime_load(uuid, &state);

	if (client_connect(uuid, &client) >= 0) {
		client_free(client);
		return problem_set(reterr_problem, -EBUSY,
			"%s is attached already (%s%s%s); detach it first",
			loaded < 0 ? uuid : state.path, state.device,
			state.mount[0] ? ", mounted at " : "", state.mount);
	}
	snprintf(state.uuid, sizeof(state.uuid), "%s", uuid);
	attach_clear_dead(&state);
	return 0;
}

/* --- FUSE --- */

static int mount_fuse(const char *medium, int *ret_fd, struct problem *reterr_problem)
{
	_cleanup_close_ int file = -1, fd = -1;
	char options[128];

	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return problem_set(reterr_problem, -errno,
			"/dev/fuse cannot be opened (%s); load the fuse module, or work without a "
			"mount (put, get, ls)",
			strerror(errno));
	file = open(medium, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", medium, strerror(errno));
	snprintf(options, sizeof(options),
		"fd=%d,rootmode=100600,user_id=%u,group_id=%u,max_read=1048576", fd,
		(unsigned int)geteuid(), (unsigned int)getegid());
	if (mount("spoolguard", medium, "fuse.spoolguard", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    options) < 0)
		return problem_set(reterr_problem, -errno,
			"FUSE cannot be mounted at %s (%s); run as root, or work without a mount "
			"(put, get, ls)",
			medium, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* --- the volume process --- */

/* Beside this program, or where "make install" puts it. */
static int find_program(char path[static PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	if (snprintf(path, PATH_MAX, "%s/" PROGRAM, self) < PATH_MAX && access(path, X_OK) == 0)
		return 0;
	if (snprintf(path, PATH_MAX, "%s/../libexec/spoolguard/" PROGRAM, self) < PATH_MAX &&
		access(path, X_OK) == 0)
		return 0;
	return -ENOENT;
}

/* In the child: descriptors 3, 4 and 5, and nothing else of ours. */
static void become_volume(char *const argv[], pid_t parent, int fuse, int passphrase, int status)
{
	int moved[3], null;

	/* Out of the way first: they may stand where they are to go. */
	moved[0] = fcntl(fuse, F_DUPFD, 16);
	moved[1] = fcntl(passphrase, F_DUPFD, 16);
	moved[2] = fcntl(status, F_DUPFD, 16);
	null = open("/dev/null", O_RDWR);
	if (moved[0] < 0 || moved[1] < 0 || moved[2] < 0 || null < 0)
		_exit(127);
	for (int i = 0; i < 3; i++) {
		if (dup2(null, i) < 0 || dup2(moved[i], CHILD_FUSE + i) < 0)
			_exit(127);
	}
	if (close_range(CHILD_STATUS + 1, ~0u, 0) < 0)
		_exit(127);
	/* Until it is ready it lives no longer than we do (spoolguard_volume_main.c ends this). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	if (setsid() < 0 || chdir("/") < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

static int read_status(int fd, struct problem *reterr_problem)
{
	char line[PROBLEM_TEXT_BYTES + 32];
	size_t bytes = 0;
	char *text;
	long number;
	int r;

	r = io_read_to_end(fd, line, sizeof(line) - 1, &bytes);
	if (r < 0)
		return r;
	line[bytes] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "ok") == 0)
		return 0;
	number = strtol(line, &text, 10);
	if (number >= 0)
		return problem_set(reterr_problem, -ECHILD,
			PROGRAM " ended before it was ready; see the kernel's log (killed, or out "
				"of memory?)");
	return problem_set(reterr_problem, (int)number, "%s", *text == ' ' ? text + 1 : text);
}

/* A process that ended already has said why: its pipe must not end us too. */
static int write_passphrase(int fd, const struct secret *passphrase)
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	int r = io_write(fd, secret_peek(passphrase), secret_size(passphrase));

	(void)signal(SIGPIPE, before);
	return r;
}

/* The passphrase goes through a pipe: no argument, no environment, no file. */
static int launch(const char *path, const char *uuid, const struct attach_options *options,
	const char *profile, const struct secret *passphrase, int fuse_fd,
	struct problem *reterr_problem)
{
	int secret_pipe[2] = {-1, -1}, status_pipe[2] = {-1, -1};
	char program[PATH_MAX], fuse[16], key[16], status[16];
	const char *argv[24];
	size_t n = 0;
	pid_t parent, child;
	int r;

	r = find_program(program);
	if (r < 0)
		return problem_set(reterr_problem, r,
			PROGRAM " was not found beside this program; install it");
	if (pipe2(secret_pipe, O_CLOEXEC) < 0 || pipe2(status_pipe, O_CLOEXEC) < 0)
		return -errno;
	snprintf(fuse, sizeof(fuse), "%d", CHILD_FUSE);
	snprintf(key, sizeof(key), "%d", CHILD_PASSPHRASE);
	snprintf(status, sizeof(status), "%d", CHILD_STATUS);
	argv[n++] = program;
	argv[n++] = "--path";
	argv[n++] = path;
	argv[n++] = "--uuid";
	argv[n++] = uuid;
	argv[n++] = "--fuse-fd";
	argv[n++] = fuse;
	argv[n++] = "--passphrase-fd";
	argv[n++] = key;
	argv[n++] = "--status-fd";
	argv[n++] = status;
	argv[n++] = "--verify";
	argv[n++] = options->verify ? options->verify : "full";
	argv[n++] = "--profile";
	argv[n++] = profile;
	if (options->scheme) {
		argv[n++] = "--scheme";
		argv[n++] = options->scheme;
	}
	if (options->read_only)
		argv[n++] = "--read-only";
	if (options->repair_token)
		argv[n++] = "--repair-token";
	argv[n] = NULL;

	parent = getpid();
	child = fork();
	if (child == 0) /* execv does not change what it is given */
		become_volume((char *const *)(uintptr_t)argv, parent, fuse_fd, secret_pipe[0],
			status_pipe[1]);
	close(secret_pipe[0]);
	close(status_pipe[1]);
	r = child < 0 ? -errno : write_passphrase(secret_pipe[1], passphrase);
	close(secret_pipe[1]);
	if (r >= 0 || r == -EPIPE)
		r = read_status(status_pipe[0], reterr_problem);
	close(status_pipe[0]);
	if (r < 0 && child > 0)
		(void)waitpid(child, NULL, 0);
	return r;
}

/* --- attach --- */

static int make_device(const char *medium, uint32_t block_bytes, bool managed,
	struct runtime_state *state, struct client *client, struct problem *reterr_problem)
{
	int r;

	r = loop_attach(medium, block_bytes, state->read_only, state->device, reterr_problem);
	if (r < 0) {
		state->device[0] = '\0';
		return r;
	}
	if (managed && !state->read_only) {
		r = loop_refuse_zeroing(state->device, reterr_problem);
		if (r < 0)
			return r;
		loop_limit_discards(state->device, DISCARD_BYTES_MAX);
	}
	r = client_serve(client);
	if (r >= 0)
		r = runtime_save(state, reterr_problem);
	return r;
}

static int start_volume(const char *uuid, const struct attach_options *options,
	const struct secret *passphrase, const char *profile, struct runtime_state *state,
	struct client **ret_client, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_close_ int fuse_fd = -1;
	char medium[RUNTIME_PATH_BYTES];
	struct json_object *status = NULL;
	bool managed = false;
	uint64_t block_bytes = 0;
	int r;

	/* Recorded before anything is there, so that "detach" finds whatever this leaves if it is
	 * killed. */
	r = runtime_path(uuid, "medium", medium);
	if (r >= 0)
		r = runtime_save(state, reterr_problem);
	if (r >= 0)
		r = mount_fuse(medium, &fuse_fd, reterr_problem);
	if (r < 0) {
		runtime_remove(uuid);
		return r;
	}
	r = launch(state->path, uuid, options, profile, passphrase, fuse_fd, reterr_problem);
	if (r < 0)
		goto fail;
	io_closep(&fuse_fd); /* only the process holds it: its end ends the mount */
	r = client_connect(uuid, &client);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		goto fail;
	managed = json_object_get_boolean(json_object_object_get(status, "managed"));
	block_bytes = json_object_get_uint64(json_object_object_get(status, "block_bytes"));
	json_object_put(status);
	r = make_device(medium, (uint32_t)block_bytes, managed, state, client, reterr_problem);
	if (r < 0)
		goto fail_running;
	*ret_client = client;
	client = NULL;
	return 0;

fail_running:
	if (state->device[0] && loop_detach(state->device) < 0)
		(void)0;
	(void)umount2(medium, MNT_DETACH);
	if (client_detach(client) < 0)
		(void)0; /* it ends as after a crash */
	runtime_remove(uuid);
	return r;
fail:
	(void)umount2(medium, MNT_DETACH);
	if (client && client_detach(client) < 0)
		(void)0;
	runtime_remove(uuid);
	return r;
}

int attach_volume(const char *path, const struct attach_options *options,
	const struct secret *passphrase, struct runtime_state *ret_state,
	struct client **ret_client, int *ret_lock, struct problem *reterr_problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	struct runtime_state state = {.read_only = options->read_only};
	const struct guard_options guard = {.read_only = options->read_only};
	struct guard_report checked;
	_cleanup_close_ int lock = -1;
	struct keystore_token token;
	const char *profile;
	int r;

	/* Looked at first without a key: most mistakes show here, before anything is set up. */
	r = guard_check(path, &guard, &checked, reterr_problem);
	if (r < 0)
		return r;
	r = keystore_open(path, true, &keystore, reterr_problem);
	if (r < 0)
		return r;
	snprintf(state.uuid, sizeof(state.uuid), "%s", keystore_uuid(keystore));
	keystore_get_token(keystore, &token);
	profile = options->profile ? options->profile : profile_name(token.profile);
	if (!realpath(path, state.path))
		return problem_set(reterr_problem, -errno, "%s: %s", path, strerror(errno));

	r = runtime_lock(state.uuid, &lock, reterr_problem);
	if (r >= 0)
		r = check_free(state.uuid, reterr_problem);
	if (r >= 0)
		r = start_volume(state.uuid, options, passphrase, profile, &state, ret_client,
			reterr_problem);
	if (r < 0)
		return r;
	*ret_state = state;
	*ret_lock = lock;
	lock = -1;
	return 0;
}

int attach_undo(const struct runtime_state *state, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct runtime_state now = *state;
	char medium[RUNTIME_PATH_BYTES];
	int r;

	r = client_connect(state->uuid, &client);
	if (r < 0) { /* killed: nothing is lost, the next attach recovers */
		attach_clear_dead(state);
		return problem_set(reterr_problem, -ESRCH,
			"the process of %s was gone; what it left mounted was cleared, and the "
			"next attach recovers the volume",
			state->path);
	}
	attach_find_device(&now);
	r = now.device[0] ? loop_detach(now.device) : 0;
	if (r < 0 && r != -ENXIO)
		return problem_set(
			reterr_problem, r, "%s cannot be released: %s", now.device, strerror(-r));
	r = runtime_path(state->uuid, "medium", medium);
	if (r < 0)
		return r;
	for (int i = 0; i < 50 && (r = umount2(medium, 0) < 0 ? -errno : 0) == -EBUSY; i++)
		usleep(20000); /* the loop device lets go of its file a moment later */
	if (r < 0 && r != -EINVAL)
		return problem_set(reterr_problem, r,
			"%s is still in use (by a program that has it open, or a mount in another "
			"namespace?), so %s stays attached; end that, then detach again",
			now.device[0] ? now.device : medium, state->path);
	r = client_detach(client);
	runtime_remove(state->uuid);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s was detached, but its last records could not be written (%s); the next "
			"attach recovers it",
			state->path, strerror(-r));
	return 0;
}

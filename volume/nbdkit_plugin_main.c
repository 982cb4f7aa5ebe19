/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbdkit_plugin_main.c - nbdkit-spoolguard-plugin.so: a volume in an nbdkit process
 *
 * Either spoolguard-volume became nbdkit (uuid=, status-fd=: nbdkit_host.h), and this is the volume
 * process in all but its port: control socket, no capabilities, a list of system calls, and
 * "detach" ends it.  Or somebody brought his own nbdkit: then the volume is known to nobody else,
 * and is closed in order when nbdkit ends.
 *
 *   config* -> get_ready (the engine is opened: errors are seen) -> [fork] -> after_fork (threads)
 *
 *   K1  A passphrase comes from a descriptor or a file, never from the command line.
 *   K2  Memory is locked before the key is read, and again in the child if nbdkit forks: locks are
 *       not inherited.
 *
 * nbdkit keeps the data of each thread's last request until the next one, or until the client
 * goes: then free() overwrites it.
 *
 * Threads: nbdkit's, for each connection; the eraser; in the hosted form one that waits for Detach.
 */
#include "base/mutant.h"
#include "blockdev/guard.h"
#include "volume/control.h"
#include "volume/harden.h"
#include "volume/nbd_port.h"
#include "volume/serve.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define PREFERRED_BYTES BLOCK_BYTES
#define MAXIMUM_BYTES	(4u << 20) /* what a client may send at once: nbdkit has it in memory */
#define STACK_BYTES	(256u << 10)
#define PERTURB_BYTE	0x5a

static struct {
	char *path;
	char *uuid; /* hosted: of the control socket */
	int status_fd;
	bool has_profile; /* false: the volume's own */
	struct serve_options options;
} given = {
	.status_fd = -1,
	.options = {.passphrase_fd = -1, .engine = {.verify = VERIFY_FULL}},
};

static struct {
	struct engine *engine;
	struct nbd_port *port;
	struct control *control;
} parts;

static bool is_hosted(void)
{
	return given.uuid != NULL;
}

/* -1, as nbdkit wants it; the errno is for the client, the text for who started nbdkit. */
static int fail(struct problem *problem, int r)
{
	nbdkit_error("%s", problem_text(problem, r));
	if (given.status_fd >= 0)
		serve_say(given.status_fd, r, problem_text(problem, r));
	given.status_fd = -1;
	return -1;
}

/* --- what nbdkit was given --- */

static int take_passphrase_fd(const char *value)
{
	if (given.options.passphrase_fd >= 0) {
		nbdkit_error("the passphrase is given twice");
		return -1;
	}
	return nbdkit_parse_int("passphrase-fd", value, &given.options.passphrase_fd);
}

static int take_passphrase_file(const char *value)
{
	int fd;

	if (given.options.passphrase_fd >= 0) {
		nbdkit_error("the passphrase is given twice");
		return -1;
	}
	fd = open(value, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		nbdkit_error("passphrase-file: %s: %s", value, strerror(errno));
		return -1;
	}
	given.options.passphrase_fd = fd;
	return 0;
}

static int take_image(const char *value)
{
	free(given.path);
	given.path = nbdkit_realpath(value); /* nbdkit goes to / */
	given.options.path = given.path;
	return given.path ? 0 : -1;
}

static int take_uuid(const char *value)
{
	free(given.uuid);
	given.uuid = strdup(value);
	return given.uuid ? 0 : -1;
}

static int take_status_fd(const char *value)
{
	return nbdkit_parse_int("status-fd", value, &given.status_fd);
}

static int take_scheme(const char *value)
{
	given.options.engine.scheme = scheme_find(value);
	if (given.options.engine.scheme)
		return 0;
	nbdkit_error("there is no scheme \"%s\" (\"spoolguard schemes\" lists them)", value);
	return -1;
}

static int take_verify(const char *value)
{
	if (serve_parse_verify(value, &given.options.engine.verify) >= 0)
		return 0;
	nbdkit_error("verify is full, sample or none, not \"%s\"", value);
	return -1;
}

static int take_profile(const char *value)
{
	given.has_profile = profile_from_name(value, &given.options.profile) >= 0;
	if (given.has_profile)
		return 0;
	nbdkit_error("there is no profile \"%s\" (standard, hcd-cpp)", value);
	return -1;
}

static int take_flag(const char *value, bool *ret_flag)
{
	int r = nbdkit_parse_bool(value);

	*ret_flag = r == 1;
	return r < 0 ? -1 : 0;
}

static int take_read_only(const char *value)
{
	return take_flag(value, &given.options.engine.read_only);
}

static int take_repair_token(const char *value)
{
	return take_flag(value, &given.options.engine.repair_token);
}

/* K1 */
static int refuse_passphrase(const char *value)
{
	(void)value;
	nbdkit_error("a passphrase on the command line can be read by every user (ps): give "
		     "passphrase-file=FILE or passphrase-fd=N");
	return -1;
}

static int config(const char *key, const char *value)
{
	static const struct {
		const char *key;
		int (*take)(const char *value);
	} keys[] = {
		{"image", take_image},
		{"passphrase-file", take_passphrase_file},
		{"passphrase-fd", take_passphrase_fd},
		{"passphrase", refuse_passphrase},
		{"scheme", take_scheme},
		{"verify", take_verify},
		{"profile", take_profile},
		{"read-only", take_read_only},
		{"repair-token", take_repair_token},
		{"uuid", take_uuid},
		{"status-fd", take_status_fd},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].take(value);
	}
	nbdkit_error("\"%s\" is no parameter of this plugin (\"nbdkit spoolguard --help\" lists "
		     "them)",
		key);
	return -1;
}

static int config_complete(void)
{
	if (!given.path) {
		nbdkit_error("name the volume: nbdkit spoolguard IMAGE passphrase-file=FILE");
		return -1;
	}
	if (given.options.passphrase_fd < 0) {
		nbdkit_error("give the passphrase of %s: passphrase-file=FILE or passphrase-fd=N",
			given.path);
		return -1;
	}
	return 0;
}

/* --- start --- */

/* K2.  Between here and after_fork nothing but nbdkit itself forks. */
static void lock_again(void)
{
	if (parts.engine && !parts.port && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		_exit(EXIT_FAILURE);
}

/* What "attach" looks at before it starts a hosted one. */
static int look_first(struct problem *problem)
{
	_cleanup_(keystore_freep) struct keystore *keystore = NULL;
	const struct guard_options guard = {.read_only = given.options.engine.read_only};
	struct keystore_token token;
	struct guard_report checked;
	int r;

	if (is_hosted())
		return 0;
	r = guard_check(given.path, &guard, &checked, problem);
	if (r >= 0)
		r = keystore_open(given.path, true, &keystore, problem);
	if (r < 0)
		return r;
	keystore_get_token(keystore, &token);
	if (!given.has_profile)
		given.options.profile = token.profile;
	return 0;
}

static int get_ready(void)
{
	struct problem problem = {""};
	int r;

	mutant_choose_from_environment();
	r = look_first(&problem);
	if (r >= 0)
		r = serve_open(&given.options, &parts.engine, &problem);
	if (r >= 0)
		r = -pthread_atfork(NULL, NULL, lock_again);
	/* What nbdkit frees of its clients' data is overwritten; a mapping would only be given
	 * back. */
	(void)mallopt(M_PERTURB, PERTURB_BYTE);
	(void)mallopt(M_MMAP_THRESHOLD, 2 * MAXIMUM_BYTES);
	return r < 0 ? fail(&problem, r) : 0;
}

static void *wait_for_detach(void *unused)
{
	int r;

	control_wait_for_detach(parts.control);
	engine_stop(parts.engine); /* those who wait in it leave */
	control_quiesce(parts.control);
	nbd_port_quiesce(parts.port);
	r = engine_close(parts.engine);
	control_answer_detach(parts.control, r);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	return unused;
}

static int start_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &attributes, wait_for_detach, NULL);
	pthread_attr_destroy(&attributes);
	return r;
}

static int make_control(bool is_foreign, struct problem *problem)
{
	int listen_fd, r;

	/* nbdkit has set these; "detach" ends the process, and nothing else does. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	r = serve_listen(given.uuid, &listen_fd, problem);
	if (r >= 0)
		r = control_new(listen_fd, parts.engine, NULL, &parts.control);
	if (r < 0)
		return r;
	control_use_nbd(parts.control, parts.port, is_foreign);
	/* From here on it outlives who started it, who is told below or is gone. */
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return -errno;
	return harden_late(problem);
}

static int start(struct problem *problem)
{
	bool is_foreign = false;
	int r;

	r = nbd_port_new(parts.engine, &parts.port);
	if (r >= 0)
		r = engine_settle_trust(parts.engine, &is_foreign);
	if (r >= 0 && is_hosted())
		r = make_control(is_foreign, problem);
	if (r >= 0)
		r = engine_start(parts.engine);
	if (r >= 0 && is_hosted())
		r = control_start(parts.control);
	if (r >= 0 && is_hosted())
		r = start_thread();
	if (is_foreign && !is_hosted())
		nbdkit_error("%s: something else wrote to it since: nothing that it holds now is "
			     "overwritten when it is freed, until it was attached once with "
			     "\"spoolguard attach --mount\"",
			given.path);
	return r;
}

static int after_fork(void)
{
	struct problem problem = {""};
	int r = start(&problem);

	if (r < 0)
		return fail(&problem, r);
	if (given.status_fd >= 0)
		serve_say(given.status_fd, 0, "");
	given.status_fd = -1;
	return 0;
}

/* The connections are gone.  (Where Detach ended a hosted one, this is never reached.) */
static void cleanup(void)
{
	struct problem problem = {""};
	int r;

	if (!parts.port || is_hosted())
		return;
	engine_stop(parts.engine);
	nbd_port_quiesce(parts.port);
	nbd_port_free(parts.port);
	r = engine_close(parts.engine);
	if (r < 0)
		nbdkit_error("%s: its last records could not be written (%s); the next attach "
			     "recovers it",
			given.path, problem_text(&problem, r));
	parts.port = NULL;
	parts.engine = NULL;
}

static void unload(void)
{
	free(given.path);
	free(given.uuid);
}

/* --- connections --- */

/* What a connection's callbacks get; one port serves all of them. */
static void *open_connection(int readonly)
{
	(void)readonly;
	if (nbd_port_connect(parts.port) < 0) {
		nbdkit_error("the volume is being detached");
		return NULL;
	}
	return parts.port;
}

static void close_connection(void *handle)
{
	nbd_port_disconnect(handle);
}

static int64_t get_size(void *handle)
{
	return (int64_t)nbd_port_bytes(handle);
}

static int can_write(void *handle)
{
	return nbd_port_can_write(handle);
}

static int can_trim(void *handle)
{
	return nbd_port_can_trim(handle);
}

static int can_extents(void *handle)
{
	return nbd_port_can_tell_extents(handle);
}

static int is_true(void *handle)
{
	(void)handle;
	return 1;
}

static int can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

static int block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	(void)handle;
	*minimum = 1;
	*preferred = PREFERRED_BYTES;
	*maximum = MAXIMUM_BYTES;
	return 0;
}

/* --- requests --- */

static int answer(const char *what, struct byte_run at, int r)
{
	if (r >= 0)
		return 0;
	nbdkit_error("%s of %llu bytes at %llu: %s", what, (unsigned long long)at.bytes,
		(unsigned long long)at.offset, strerror(-r));
	nbdkit_set_error(-r);
	return -1;
}

/* FUA: this request is durable when it is answered; a flush of all of them is that too. */
static int finish(void *handle, uint32_t flags, int r)
{
	return r >= 0 && (flags & NBDKIT_FLAG_FUA) ? nbd_port_flush(handle) : r;
}

static int pread_bytes(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct byte_run at = {offset, count};

	(void)flags;
	return answer("read", at, nbd_port_read(handle, at, buf));
}

static int pwrite_bytes(
	void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct byte_run at = {offset, count};

	return answer("write", at, finish(handle, flags, nbd_port_write(handle, at, buf)));
}

/*
 * Zeros are written one by one, so a fast zero is refused each time.  It is offered all the same:
 * nbdkit 1.32 aborts when a client asks for what was not offered.
 */
static int zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct byte_run at = {offset, count};

	if (flags & NBDKIT_FLAG_FAST_ZERO) {
		nbdkit_set_error(EOPNOTSUPP);
		return -1;
	}
	return answer("write of zeros", at, finish(handle, flags, nbd_port_zero(handle, at)));
}

static int trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct byte_run at = {offset, count};

	return answer("trim", at, finish(handle, flags, nbd_port_trim(handle, at)));
}

static int flush(void *handle, uint32_t flags)
{
	(void)flags;
	return answer("flush", (struct byte_run){0, 0}, nbd_port_flush(handle));
}

static int extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
	struct nbdkit_extents *extents)
{
	struct byte_run at = {offset, count};
	uint64_t bytes;
	bool is_hole;
	int r = 0;

	while (at.bytes > 0 && r >= 0) {
		r = nbd_port_extent(handle, at, &bytes, &is_hole);
		if (r >= 0 && nbdkit_add_extent(extents, at.offset, bytes,
				      is_hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0) < 0)
			return -1;
		if (r < 0 || (flags & NBDKIT_FLAG_REQ_ONE))
			break;
		at = (struct byte_run){at.offset + bytes, at.bytes - bytes};
	}
	return answer("block status", at, r);
}

static struct nbdkit_plugin plugin = {
	.name = "spoolguard",
	.longname = "spoolguard volume",
	.version = SPOOLGUARD_VERSION,
	.description = "an encrypted volume whose trimmed blocks are overwritten",
	.magic_config_key = "image",
	.config_help =
		"image=IMAGE             the volume: an image file or a block device (required)\n"
		"passphrase-file=FILE    one of these two is required; never on the command line\n"
		"passphrase-fd=N\n"
		"scheme=NAME             overwrite scheme (default: the volume's own)\n"
		"verify=full|sample|none read-back after the passes (default full)\n"
		"profile=NAME            standard or hcd-cpp\n"
		"read-only=true          nothing at all is written, not even of the map\n"
		"repair-token=true       put a removed spoolguard token back into the header",
	.config = config,
	.config_complete = config_complete,
	.get_ready = get_ready,
	.after_fork = after_fork,
	.cleanup = cleanup,
	.unload = unload,
	.open = open_connection,
	.close = close_connection,
	.get_size = get_size,
	.block_size = block_size,
	.can_write = can_write,
	.can_flush = is_true,
	.can_fua = can_fua,
	.can_trim = can_trim,
	.can_zero = is_true,
	.can_fast_zero = is_true, /* see zero() */
	.can_multi_conn = is_true,
	.can_extents = can_extents,
	.pread = pread_bytes,
	.pwrite = pwrite_bytes,
	.flush = flush,
	.trim = trim,
	.zero = zero,
	.extents = extents,
};

struct nbdkit_plugin *plugin_init(void); /* what the macro defines */
NBDKIT_REGISTER_PLUGIN(plugin)

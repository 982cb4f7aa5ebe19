/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/mounter.h"
#include "base/io.h"
#include "ipc/fields.h"
#include "ipc/server.h"
#include "supervisor/open_volume.h"
#include "supervisor/unlock.h"
#include "supervisor/wipe_unnamed.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERFACE "io.spoolguard.mounter"

static const char description[] =
	"# The process that mounts for spoolguardd; for root alone.  It does what its "
	"configuration\n"
	"# says, and takes no path from anybody.\n"
	"interface " INTERFACE "\n\n"
	"type State (uuid: string, path: string, device: string, mount: string)\n\n"
	"# made: what was on it is gone (a key of one boot, or a renewal).\n"
	"type Report (adopted: bool, made: bool, renewal_resumed: bool, replaced: string,\n"
	"  slots_destroyed: int,\n"
	"  owed_bytes: int, header_backups: int, was_unclean: bool, foreign_writes: bool, swept: "
	"bool,\n"
	"  damaged_pages: int, warnings: []string, state: State)\n\n"
	"# A descriptor that comes along holds the passphrase; without one it is as configured.\n"
	"method Attach(volume: string) -> (report: Report)\n"
	"method Detach(volume: string) -> (warnings: []string)\n"
	"# A new key and a new file system: everything on the volume is gone.  force: whoever has\n"
	"# files open there meets errors from then on.\n"
	"method Renew(volume: string, force: ?bool) -> (report: Report)\n"
	"# Reads the configuration again.\n"
	"method Reload() -> ()\n"
	"# Ends the process; the volumes stay attached.\n"
	"method Release() -> ()\n\n"
	"error NoSuchVolume (volume: string)\n"
	"error Failed (errno: int, text: string)\n";

struct mounter {
	struct config *config; /* ours: read again on request */
	struct open_volume_key keys[CONFIG_VOLUMES_MAX];
	char key_names[CONFIG_VOLUMES_MAX][CONFIG_NAME_BYTES]; /* of which volume each key is */
	struct server *server;
};

/* Signals reach the one server that there is. */
static struct server *running;
static atomic_bool reload_asked;

static void on_end(int signal_number)
{
	(void)signal_number;
	if (running)
		server_stop(running);
}

static void on_reload(int signal_number)
{
	(void)signal_number;
	atomic_store(&reload_asked, true);
}

/* --- answers --- */

static void fail(struct server_call *call, int error, const struct problem *problem)
{
	struct json_object *out = json_object_new_object();

	fields_add_u64(out, "errno", (uint64_t)-error);
	fields_add_string(out, "text", problem_text(problem, error));
	server_error(call, INTERFACE ".Failed", out);
}

static void add_warning(struct json_object *list, const char *text)
{
	struct json_object *holder = json_object_new_object();

	fields_add_string(holder, "text", text);
	json_object_array_add(list, json_object_get(json_object_object_get(holder, "text")));
	json_object_put(holder);
}

static struct json_object *list_warnings(
	const struct config_volume *volume, const struct open_volume_report *report)
{
	struct json_object *list = json_object_new_array();
	char text[PROBLEM_TEXT_BYTES];

	if (report->attached_now && report->attached.brought_up.warning.text[0])
		add_warning(list, report->attached.brought_up.warning.text);
	if (report->attached_now && (!report->attached.sealed || !report->attached.binds_sealed))
		add_warning(list,
			"the directory under the mount, or under a bind, lies on a file system "
			"without the immutable flag: when the volume is away, root can write to "
			"the bare directory");
	if (report->attached_now && report->attached.promise != MEDIUM_NOT_ASSESSED)
		add_warning(list, report->attached.medium);
	if (strcmp(report->state.mount, volume->mount) != 0) {
		snprintf(text, sizeof(text),
			"it was attached by hand, %s%.300s, and not at %.300s; detach it there to "
			"have it where it is configured",
			report->state.mount[0] ? "mounted at " : "without a mount",
			report->state.mount, volume->mount);
		add_warning(list, text);
	}
	return list;
}

static void answer(struct server_call *call, const struct config_volume *volume,
	const struct open_volume_report *report)
{
	struct json_object *out = json_object_new_object(), *object = json_object_new_object();
	struct json_object *state = json_object_new_object();

	fields_add_string(state, "uuid", report->state.uuid);
	fields_add_string(state, "path", report->state.path);
	fields_add_string(state, "device", report->state.device);
	fields_add_string(state, "mount", report->state.mount);
	fields_add_bool(object, "adopted", report->adopted);
	fields_add_bool(object, "made", report->made);
	fields_add_bool(object, "renewal_resumed", report->renewal_resumed);
	fields_add_string(object, "replaced", report->replaced);
	fields_add_u64(object, "slots_destroyed", report->slots_destroyed);
	fields_add_u64(object, "owed_bytes", report->owed_bytes);
	fields_add_u64(object, "header_backups", report->header_backups);
	fields_add_bool(
		object, "was_unclean", report->attached_now && report->attached.found.was_unclean);
	fields_add_bool(object, "foreign_writes",
		report->attached_now && report->attached.brought_up.foreign_writes);
	fields_add_bool(object, "swept", report->attached_now && report->attached.brought_up.swept);
	fields_add_u64(object, "damaged_pages",
		report->attached_now ? report->attached.found.damaged_pages : 0);
	json_object_object_add(object, "warnings", list_warnings(volume, report));
	json_object_object_add(object, "state", state);
	json_object_object_add(out, "report", object);
	(void)server_reply(call, out, false);
}

/* --- what is asked --- */

/* Only what was a child of ours: volume processes that ended. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static int reload(struct mounter *mounter, struct problem *reterr_problem)
{
	struct config *config = malloc(sizeof(*config));
	int r;

	if (!config)
		return -ENOMEM;
	r = config_read(mounter->config->file, config, reterr_problem);
	if (r < 0) {
		free(config);
		return r;
	}
	free(mounter->config);
	mounter->config = config;
	return 0;
}

static const struct config_volume *find_volume(struct mounter *mounter, struct server_call *call)
{
	struct json_object *out;
	const char *name;

	if (!message_get_string(server_call_parameters(call), "volume", &name)) {
		server_error_parameter(call, "volume");
		return NULL;
	}
	for (size_t i = 0; i < mounter->config->volume_count; i++) {
		if (strcmp(mounter->config->volumes[i].name, name) == 0)
			return &mounter->config->volumes[i];
	}
	out = json_object_new_object();
	fields_add_string(out, "volume", name);
	server_error(call, INTERFACE ".NoSuchVolume", out);
	return NULL;
}

/* A volume's place among the keys is its for good: the configuration may be read again. */
static struct open_volume_key *find_key(struct mounter *mounter, const char *name)
{
	size_t i = 0;

	while (i < CONFIG_VOLUMES_MAX - 1 && mounter->key_names[i][0] &&
		strcmp(mounter->key_names[i], name) != 0)
		i++;
	if (strcmp(mounter->key_names[i], name) != 0)
		open_volume_key_done(&mounter->keys[i]);
	strcpy(mounter->key_names[i], name);
	return &mounter->keys[i];
}

typedef int opener(const struct open_volume_request *request, struct open_volume_report *ret_report,
	struct problem *reterr_problem);

static void run_opener(struct mounter *mounter, struct server_call *call, opener *open_it)
{
	_cleanup_close_ int fd = server_call_take_fd(call);
	_cleanup_secret_ struct secret *passphrase = NULL;
	struct open_volume_request request = {.config = mounter->config};
	struct open_volume_report report = {.adopted = false};
	struct problem problem = {""};
	int r = 0;

	request.volume = find_volume(mounter, call);
	if (!request.volume)
		return;
	reap();
	request.key = find_key(mounter, request.volume->name);
	(void)message_get_bool(server_call_parameters(call), "force", &request.by_force);
	if (fd >= 0)
		r = unlock_read_fd(fd, UNLOCK_FD_MS, &passphrase, &problem);
	request.passphrase = passphrase;
	if (r >= 0)
		r = open_it(&request, &report, &problem);
	reap();
	if (r < 0)
		fail(call, r, &problem);
	else
		answer(call, request.volume, &report);
}

static void method_attach(void *context, struct server_call *call)
{
	run_opener(context, call, open_volume);
}

static void method_renew(void *context, struct server_call *call)
{
	run_opener(context, call, open_volume_renew);
}

static void method_detach(void *context, struct server_call *call)
{
	const struct config_volume *volume = find_volume(context, call);
	struct problem problem = {""}, warning = {""};
	struct json_object *out, *list;
	int r;

	if (!volume)
		return;
	r = open_volume_close(volume, &warning, &problem);
	reap();
	if (r < 0) {
		fail(call, r, &problem);
		return;
	}
	out = json_object_new_object();
	list = json_object_new_array();
	if (warning.text[0])
		add_warning(list, warning.text);
	json_object_object_add(out, "warnings", list);
	(void)server_reply(call, out, false);
}

/* The volume's own file system, and no other that may be mounted there. */
static int device_of(const struct config_volume *volume, dev_t *ret_device)
{
	struct runtime_state state;
	struct stat mounted, device;
	int r = runtime_find(volume->medium, &state);

	if (r < 0 || state.mount[0] == '\0' || stat(state.mount, &mounted) < 0 ||
		stat(state.device, &device) < 0 || !S_ISBLK(device.st_mode) ||
		mounted.st_dev != device.st_rdev)
		return -ENOTCONN;
	*ret_device = mounted.st_dev;
	return 0;
}

static void method_cut_unnamed(void *context, struct server_call *call)
{
	const struct config_volume *volume = find_volume(context, call);
	struct problem problem = {""};
	struct wipe_unnamed found;
	struct json_object *out;
	dev_t device;
	int r;

	if (!volume)
		return;
	r = device_of(volume, &device);
	if (r < 0) {
		fail(call, problem_set(&problem, r, "volume %s is not open", volume->name),
			&problem);
		return;
	}
	wipe_unnamed(device, &found);
	out = json_object_new_object();
	fields_add_u64(out, "files", found.files);
	fields_add_u64(out, "bytes", found.bytes);
	fields_add_u64(out, "left", found.left);
	fields_add_u64(out, "unseen", found.unseen);
	(void)server_reply(call, out, false);
}

static void method_reload(void *context, struct server_call *call)
{
	struct problem problem = {""};
	int r = reload(context, &problem);

	if (r < 0)
		fail(call, r, &problem);
	else
		(void)server_reply(call, NULL, false);
}

static void method_release(void *context, struct server_call *call)
{
	struct mounter *mounter = context;

	(void)server_reply(call, NULL, false);
	server_stop(mounter->server);
}

static bool takes_descriptor(void *context, const struct server_peer *peer)
{
	(void)context;
	return peer->uid == 0 || peer->uid == geteuid();
}

/* Root alone; and a signal to reload is obeyed before the next call, not in its middle. */
static bool allow(void *context, struct server_call *call, const struct server_method *method)
{
	(void)method;
	if (server_call_peer(call)->uid != 0 && server_call_peer(call)->uid != geteuid()) {
		fail(call, -EACCES, NULL);
		return false;
	}
	if (atomic_exchange(&reload_asked, false) && reload(context, NULL) < 0)
		(void)0; /* the one before goes on */
	return true;
}

/* --- its life --- */

static int hold_secrets(struct problem *reterr_problem)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return problem_set(reterr_problem, -errno,
			"core dumps of the mounter cannot be switched off: %s", strerror(errno));
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return problem_set(reterr_problem, -errno,
			"the mounter's memory cannot be locked (%s); raise LimitMEMLOCK, or run it "
			"as root",
			strerror(errno));
	return 0;
}

static void catch_signals(void)
{
	static const struct {
		int number;
		void (*handler)(int);
	} actions[] = {
		{SIGTERM, on_end},
		{SIGINT, on_end},
		{SIGHUP, on_reload},
		{SIGPIPE, SIG_IGN},
	};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		const struct sigaction action = {
			.sa_handler = actions[i].handler, .sa_flags = SA_RESTART};

		(void)sigaction(actions[i].number, &action, NULL);
	}
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int serve(struct mounter *mounter, int listen_fd, struct problem *reterr_problem)
{
	static const struct server_method methods[] = {
		{"Attach", method_attach},
		{"Detach", method_detach},
		{"Renew", method_renew},
		{"CutUnnamed", method_cut_unnamed},
		{"Reload", method_reload},
		{"Release", method_release},
	};
	const struct server_options options = {
		.listen_fd = listen_fd,
		.product = "spoolguard",
		.version = SPOOLGUARD_VERSION,
		.url = "",
		.interface = INTERFACE,
		.description = description,
		.methods = methods,
		.method_count = ARRAY_SIZE(methods),
		.context = mounter,
		.allow = allow,
		.takes_descriptor = takes_descriptor,
	};
	int r;

	r = server_new(&options, &mounter->server);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "the mounter cannot listen: %s", strerror(-r));
	running = mounter->server;
	catch_signals();
	r = server_run(mounter->server);
	running = NULL;
	server_free(mounter->server);
	return r;
}

int mounter_run(const struct config *config, int listen_fd, struct problem *reterr_problem)
{
	struct mounter *mounter = calloc(1, sizeof(*mounter));
	int r;

	if (mounter)
		mounter->config = malloc(sizeof(*mounter->config));
	if (!mounter || !mounter->config) {
		close(listen_fd);
		free(mounter);
		return -ENOMEM;
	}
	*mounter->config = *config;
	r = hold_secrets(reterr_problem);
	if (r >= 0)
		r = serve(mounter, listen_fd, reterr_problem);
	else
		close(listen_fd);
	for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
		open_volume_key_done(&mounter->keys[i]);
	free(mounter->config);
	free(mounter);
	return r;
}

int mounter_socket(char ret_path[static 108])
{
	int n = snprintf(ret_path, 108, "%s/mounter", runtime_directory());

	return n < 0 || n >= 108 ? -ENAMETOOLONG : 0;
}

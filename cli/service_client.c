/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/service_client.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include "ipc/channel.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME "io.spoolguard"
#define PREFIX	    "io.spoolguard."

struct service_client {
	struct channel *channel;
	struct json_object *status; /* of the first find; volumes are looked up in it */
	char path[PATH_MAX];
	pid_t process;
};

/* --- who is there --- */

static const char *find_socket(char buf[static PATH_MAX])
{
	const char *named = getenv("SPOOLGUARD_SOCKET");

	if (named)
		return named;
	snprintf(buf, PATH_MAX, "%s/" SOCKET_NAME, runtime_directory());
	return buf;
}

static bool is_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static int check_owner(struct service_client *client, struct problem *problem)
{
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (lstat(client->path, &st) < 0 ||
		channel_peer(client->channel, &uid, &gid, &client->process) < 0)
		return -ESRCH;
	if (is_trusted(st.st_uid) && is_trusted(uid))
		return 0;
	return problem_set(problem, -EPERM,
		"the socket %s is neither root's nor yours: it is not believed; "
		"SPOOLGUARD_SOCKET names another",
		client->path);
}

int service_client_open(struct service_client **ret_client, struct problem *reterr_problem)
{
	_cleanup_(service_client_freep) struct service_client *client = calloc(1, sizeof(*client));
	char buf[PATH_MAX];
	int r;

	if (!client)
		return -ENOMEM;
	snprintf(client->path, sizeof(client->path), "%s", find_socket(buf));
	if (client->path[0] == '\0')
		return -ESRCH;
	r = channel_connect(client->path, &client->channel);
	if (r < 0) /* whatever it is, nobody answers there */
		return -ESRCH;
	r = check_owner(client, reterr_problem);
	if (r < 0)
		return r;
	*ret_client = client;
	client = NULL;
	return 0;
}

void service_client_free(struct service_client *client)
{
	if (!client)
		return;
	channel_free(client->channel);
	json_object_put(client->status);
	free(client);
}

pid_t service_client_process(const struct service_client *client)
{
	return client->process;
}

/* --- calls --- */

static int error_number(const char *error)
{
	static const struct {
		const char *name;
		int error;
	} errors[] = {
		{PREFIX "PermissionDenied", EACCES},
		{PREFIX "NotFound", ENOENT},
		{PREFIX "Busy", EBUSY},
		{PREFIX "Failed", EIO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (strcmp(errors[i].name, error) == 0)
			return -errors[i].error;
	}
	return -EINVAL;
}

static int read_error(const struct message *answer, const char *method, struct problem *problem)
{
	const char *text = NULL, *parameter = NULL;
	int r = error_number(answer->error);

	if (message_get_string(answer->parameters, "text", &text))
		return problem_set(problem, r, "%s", text);
	if (strstr(answer->error, "MethodNotFound"))
		return problem_set(problem, r,
			"the service does not know %s: it is of another version; restart it",
			method);
	if (message_get_string(answer->parameters, "parameter", &parameter))
		return problem_set(problem, r,
			"the service does not take this value of \"%s\" for %s", parameter, method);
	return problem_set(
		problem, r, "the service refused %s with these values (%s)", method, answer->error);
}

/* Takes answer, whatever r is. */
static int finish(const struct service_client *client, const char *method, int r,
	struct message *answer, struct json_object **ret_answer, struct problem *problem)
{
	if (r == -EREMOTEIO)
		r = read_error(answer, method, problem);
	else if (r == -ECONNRESET || r == -EPIPE)
		r = problem_set(problem, r,
			"the service went away in mid-call; \"spoolguard status\" says how things "
			"stand");
	else if (r < 0 && r != -ECANCELED)
		r = problem_set(problem, r, "the service at %s: %s", client->path, strerror(-r));
	if (r >= 0)
		*ret_answer = json_object_get(answer->parameters);
	message_done(answer);
	return r;
}

int service_client_call(struct service_client *client, const char *method,
	struct json_object *parameters, struct json_object **ret_answer,
	struct problem *reterr_problem)
{
	struct message answer = {.object = NULL};
	char name[64];
	int r;

	snprintf(name, sizeof(name), PREFIX "%s", method);
	r = channel_call(client->channel, name, parameters, &answer);
	return finish(client, method, r, &answer, ret_answer, reterr_problem);
}

static bool show(void *context, struct json_object *parameters)
{
	struct json_object *object = json_object_object_get(parameters, "progress");
	char what[64];
	struct progress progress = {.what = what};

	if (!object)
		return false;
	snprintf(what, sizeof(what), "%s", cli_shown(service_client_text(object, "what")));
	progress.done_bytes = service_client_number(object, "done_bytes");
	progress.total_bytes = service_client_number(object, "total_bytes");
	return progress_report(context, &progress);
}

static int call_more(struct service_client *client, const char *method,
	struct json_object *parameters, int fd, const struct progress_sink *sink,
	struct json_object **ret_answer, struct problem *problem)
{
	struct message answer = {.object = NULL};
	char name[64];
	int r;

	snprintf(name, sizeof(name), PREFIX "%s", method);
	r = channel_call_more(client->channel, name, json_object_get(parameters), fd, show,
		(void *)(uintptr_t)sink, &answer);
	if (r == -EPERM && fd >= 0) /* it takes no descriptor from us, and says why itself */
		r = channel_call_more(client->channel, name, json_object_get(parameters), -1, show,
			(void *)(uintptr_t)sink, &answer);
	json_object_put(parameters);
	return finish(client, method, r, &answer, ret_answer, problem);
}

int service_client_call_long(struct service_client *client, const char *method,
	struct json_object *parameters, int fd, struct json_object **ret_answer,
	struct problem *reterr_problem)
{
	return call_more(
		client, method, parameters, fd, cli_progress(), ret_answer, reterr_problem);
}

int service_client_call_shown(struct service_client *client, const char *method,
	struct json_object *parameters, const struct progress_sink *sink,
	struct json_object **ret_answer, struct problem *reterr_problem)
{
	return call_more(client, method, parameters, -1, sink, ret_answer, reterr_problem);
}

/* --- answers --- */

const char *service_client_text(struct json_object *object, const char *key)
{
	return volumes_status_string(object, key);
}

bool service_client_flag(struct json_object *object, const char *key)
{
	return volumes_status_bool(object, key);
}

uint64_t service_client_number(struct json_object *object, const char *key)
{
	return volumes_status_u64(object, key);
}

/* --- its volumes --- */

static int get_status(struct service_client *client, struct problem *problem)
{
	if (client->status)
		return 0;
	return service_client_call(client, "GetStatus", NULL, &client->status, problem);
}

static bool is_same_file(const char *one, const char *other)
{
	struct stat a, b;

	if (strcmp(one, other) == 0)
		return true;
	return stat(one, &a) == 0 && stat(other, &b) == 0 &&
	       (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode)
			       ? a.st_rdev == b.st_rdev
			       : a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static struct json_object *volume_at(const struct service_client *client, size_t index)
{
	struct json_object *volumes = json_object_object_get(client->status, "volumes");

	return volumes && index < json_object_array_length(volumes)
		       ? json_object_array_get_idx(volumes, index)
		       : NULL;
}

int service_client_find_volume(struct service_client *client, const char *name,
	struct json_object **ret_volume, struct problem *reterr_problem)
{
	struct json_object *volume;
	struct problem ignored;
	int r = get_status(client, reterr_problem);

	for (size_t i = 0; r >= 0 && (volume = volume_at(client, i)); i++) {
		if (strcmp(service_client_text(volume, "name"), name) != 0 &&
			!is_same_file(service_client_text(volume, "medium"), name))
			continue;
		*ret_volume = volume;
		return 0;
	}
	if (r >= 0 && volumes_check_allowed(&ignored) < 0)
		return problem_set(reterr_problem, -EACCES,
			"the service has no volume \"%s\" (\"spoolguard status\" lists those that "
			"it "
			"has); others are for root alone",
			name);
	return r < 0 ? r : -ENODEV;
}

static bool device_of(const char *path, dev_t *ret_device)
{
	char directory[PATH_MAX];
	size_t length = strlen(path);
	const char *slash;
	struct stat st;
	bool found = lstat(path, &st) == 0;

	while (length > 1 && path[length - 1] == '/') /* "DIR/", "BEGINNING//" */
		length--;
	slash = memrchr(path, '/', length);

	if (!found && (size_t)(slash ? slash - path : 0) + 1 < sizeof(directory)) {
		snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) + 1 : 1,
			slash ? path : ".");
		found = stat(directory, &st) == 0;
	}
	if (found)
		*ret_device = st.st_dev;
	return found;
}

int service_client_find_by_file(struct service_client *client, const char *path,
	struct json_object **ret_volume, struct problem *reterr_problem)
{
	struct json_object *volume;
	struct stat st;
	dev_t device = 0;
	int r = get_status(client, reterr_problem);

	if (r < 0)
		return r;
	if (!device_of(path, &device))
		return -ENODEV;
	for (size_t i = 0; (volume = volume_at(client, i)); i++) {
		const char *mount = service_client_text(volume, "mount");

		if (json_object_object_get(volume, "volume") && mount[0] && stat(mount, &st) == 0 &&
			st.st_dev == device) {
			*ret_volume = volume;
			return 0;
		}
	}
	return -ENODEV;
}

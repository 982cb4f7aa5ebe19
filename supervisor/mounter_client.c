/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/mounter_client.h"
#include "base/io.h"
#include "ipc/channel.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PREFIX "io.spoolguard.mounter."

struct mounter_client {
	char path[108];
	pthread_mutex_t lock;
	struct channel *channel; /* of the call under way */
	bool cancelled;
};

int mounter_client_new(const char *path, struct mounter_client **ret_client)
{
	struct mounter_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	if (strlen(path) >= sizeof(client->path)) {
		free(client);
		return -ENAMETOOLONG;
	}
	strcpy(client->path, path);
	pthread_mutex_init(&client->lock, NULL);
	*ret_client = client;
	return 0;
}

void mounter_client_free(struct mounter_client *client)
{
	if (!client)
		return;
	pthread_mutex_destroy(&client->lock);
	free(client);
}

void mounter_client_cancel(struct mounter_client *client)
{
	pthread_mutex_lock(&client->lock);
	client->cancelled = true;
	if (client->channel)
		(void)shutdown(channel_fd(client->channel), SHUT_RDWR);
	pthread_mutex_unlock(&client->lock);
}

bool mounter_client_is_there(const char *path)
{
	struct channel *channel = NULL;
	bool is_there = channel_connect(path, &channel) >= 0;

	channel_free(channel);
	return is_there;
}

static int begin(struct mounter_client *client)
{
	int r;

	pthread_mutex_lock(&client->lock);
	r = client->cancelled ? -ECANCELED : channel_connect(client->path, &client->channel);
	pthread_mutex_unlock(&client->lock);
	return r;
}

static bool end(struct mounter_client *client)
{
	bool cancelled;

	pthread_mutex_lock(&client->lock);
	channel_free(client->channel);
	client->channel = NULL;
	cancelled = client->cancelled;
	pthread_mutex_unlock(&client->lock);
	return cancelled;
}

static bool no_more(void *context, struct json_object *parameters)
{
	(void)context;
	(void)parameters;
	return false;
}

/* The server takes descriptors from whom it knows: something is called first (ipc/channel.h). */
static int introduce(struct mounter_client *client)
{
	struct message answer = {.object = NULL};
	int r = channel_call(client->channel, "org.varlink.service.GetInfo", NULL, &answer);

	message_done(&answer);
	return r;
}

/* Takes parameters.  *ret_answer is to be message_done() whatever comes of it. */
static int exchange(struct mounter_client *client, const char *method,
	struct json_object *parameters, int fd, struct message *ret_answer)
{
	char name[64];
	int r = 0;

	snprintf(name, sizeof(name), PREFIX "%s", method);
	if (fd >= 0)
		r = introduce(client);
	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	return channel_call_more(client->channel, name, parameters, fd, no_more, NULL, ret_answer);
}

static int read_failure(const struct message *answer, struct problem *reterr_problem)
{
	uint64_t number = 0;
	const char *text;

	if (!message_get_u64(answer->parameters, "errno", &number) || number == 0 ||
		number > 4095 || !message_get_string(answer->parameters, "text", &text))
		return problem_set(reterr_problem, -EPROTO,
			"the mounter answered %.100s: does it read the same configuration?",
			answer->error ? answer->error : "nothing that is known");
	return problem_set(reterr_problem, -(int)number, "%s", text);
}

static struct json_object *name_volume(const char *volume)
{
	struct json_object *parameters = json_object_new_object();

	if (volume)
		json_object_object_add(parameters, "volume", json_object_new_string(volume));
	return parameters;
}

/* Takes parameters and fd. */
static int call(struct mounter_client *client, const char *method, struct json_object *parameters,
	int fd, struct message *ret_answer, struct problem *reterr_problem)
{
	int r;

	*ret_answer = (struct message){.object = NULL};
	r = begin(client);
	if (r >= 0)
		r = exchange(client, method, parameters, fd, ret_answer);
	else
		json_object_put(parameters);
	io_closep(&fd);
	if (end(client) && r < 0)
		return problem_set(reterr_problem, -ECANCELED, "the service is stopping");
	if (r == -EREMOTEIO)
		return read_failure(ret_answer, reterr_problem);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return problem_set(reterr_problem, -EHOSTDOWN,
			"the mounter is not running; start spoolguard-mounter.service, or let the "
			"service start it");
	if (r < 0)
		return problem_set(reterr_problem, -EHOSTDOWN,
			"the mounter ended before it answered (%s); see its messages",
			strerror(-r));
	return 0;
}

static int call_for_report(struct mounter_client *client, const char *method,
	struct json_object *parameters, int fd, struct json_object **ret_report,
	struct problem *reterr_problem)
{
	struct json_object *report;
	struct message answer;
	int r;

	r = call(client, method, parameters, fd, &answer, reterr_problem);
	if (r >= 0 && !json_object_object_get_ex(answer.parameters, "report", &report))
		r = -EPROTO;
	if (r >= 0)
		*ret_report = json_object_get(report);
	message_done(&answer);
	return r;
}

static int call_plain(struct mounter_client *client, const char *method, const char *volume,
	struct problem *reterr_problem)
{
	struct message answer;
	int r = call(client, method, name_volume(volume), -1, &answer, reterr_problem);

	message_done(&answer);
	return r;
}

int mounter_client_attach(struct mounter_client *client, const char *volume, int passphrase_fd,
	struct json_object **ret_report, struct problem *reterr_problem)
{
	return call_for_report(
		client, "Attach", name_volume(volume), passphrase_fd, ret_report, reterr_problem);
}

int mounter_client_renew(struct mounter_client *client, const char *volume, int passphrase_fd,
	bool by_force, struct json_object **ret_report, struct problem *reterr_problem)
{
	struct json_object *parameters = name_volume(volume);

	json_object_object_add(parameters, "force", json_object_new_boolean(by_force));
	return call_for_report(
		client, "Renew", parameters, passphrase_fd, ret_report, reterr_problem);
}

int mounter_client_detach(
	struct mounter_client *client, const char *volume, struct problem *reterr_problem)
{
	return call_plain(client, "Detach", volume, reterr_problem);
}

int mounter_client_cut_unnamed(struct mounter_client *client, const char *volume,
	struct wipe_unnamed *ret_found, struct problem *reterr_problem)
{
	struct wipe_unnamed found = {.files = 0};
	struct message answer;
	int r = call(client, "CutUnnamed", name_volume(volume), -1, &answer, reterr_problem);

	if (r >= 0 && (!message_get_u64(answer.parameters, "files", &found.files) ||
			      !message_get_u64(answer.parameters, "bytes", &found.bytes) ||
			      !message_get_u64(answer.parameters, "left", &found.left) ||
			      !message_get_u64(answer.parameters, "unseen", &found.unseen)))
		r = -EPROTO;
	if (r >= 0)
		*ret_found = found;
	message_done(&answer);
	return r;
}

int mounter_client_reload(struct mounter_client *client, struct problem *reterr_problem)
{
	return call_plain(client, "Reload", NULL, reterr_problem);
}

int mounter_client_release(struct mounter_client *client)
{
	return call_plain(client, "Release", NULL, NULL);
}

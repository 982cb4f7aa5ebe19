/* SPDX-License-Identifier: Apache-2.0 */
#include "client/spoolguard.h"
#include "base/problem.h"
#include "ipc/channel.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spoolguard {
	char *path;
	struct channel *channel; /* NULL: lost, connected again by the next call */
	struct problem problem;
};

static int connect_again(struct spoolguard *session)
{
	int r;

	if (session->channel)
		return 0;
	r = channel_connect(session->path, &session->channel);
	if (r < 0)
		return problem_set(&session->problem, r,
			"no service answers at %s (%s); start spoolguardd", session->path,
			strerror(-r));
	return 0;
}

int spoolguard_open(const char *socket, struct spoolguard **ret_session)
{
	struct spoolguard *session = calloc(1, sizeof(*session));
	const char *named = getenv("SPOOLGUARD_SOCKET");
	int r = -ENOMEM;

	if (!session)
		return r;
	if (!socket)
		socket = named ? named : SPOOLGUARD_SOCKET;
	session->path = strdup(socket);
	if (session->path)
		r = connect_again(session);
	if (r < 0) {
		spoolguard_close(session);
		return r;
	}
	*ret_session = session;
	return 0;
}

void spoolguard_close(struct spoolguard *session)
{
	if (!session)
		return;
	channel_free(session->channel);
	free(session->path);
	free(session);
}

const char *spoolguard_text(const struct spoolguard *session)
{
	return session->problem.text;
}

static struct json_object *describe(const char *id, const char *const *files, size_t count)
{
	struct json_object *parameters = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(files[i]));
	json_object_object_add(parameters, "id", json_object_new_string(id));
	json_object_object_add(parameters, "files", list);
	return parameters;
}

/* What the service refused, in its own words. */
static int read_refusal(struct spoolguard *session, const struct message *answer)
{
	const char *text = NULL;
	const char *dot = strrchr(answer->error, '.');

	if (!message_get_string(answer->parameters, "text", &text))
		text = answer->error;
	return problem_set(&session->problem,
		dot && strcmp(dot + 1, "PermissionDenied") == 0 ? -EACCES : -EREMOTEIO, "%s", text);
}

static int call(struct spoolguard *session, const char *method, struct json_object *parameters,
	struct message *ret_answer)
{
	struct message answer = {.object = NULL};
	int r;

	session->problem.text[0] = '\0';
	r = connect_again(session);
	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	r = channel_call(session->channel, method, parameters, &answer);
	if (r == -EREMOTEIO) {
		r = read_refusal(session, &answer);
	} else if (r < 0) {
		channel_free(session->channel);
		session->channel = NULL;
		r = problem_set(&session->problem, -ECONNRESET,
			"the service at %s went away in mid-call (%s)", session->path,
			strerror(-r));
	}
	if (r < 0) {
		message_done(&answer);
		return r;
	}
	*ret_answer = answer;
	return 0;
}

int spoolguard_job_begin_named(struct spoolguard *session, const char *id, const char *user,
	const char *title, const char *const *files, size_t count)
{
	struct json_object *parameters = describe(id, files, count);
	struct message answer;
	int r;

	if (user)
		json_object_object_add(parameters, "user", json_object_new_string(user));
	if (title)
		json_object_object_add(parameters, "title", json_object_new_string(title));
	r = call(session, "io.spoolguard.JobBegin", parameters, &answer);
	if (r >= 0)
		message_done(&answer);
	return r;
}

int spoolguard_job_begin(
	struct spoolguard *session, const char *id, const char *const *files, size_t count)
{
	return spoolguard_job_begin_named(session, id, NULL, NULL, files, count);
}

/* The state that the job has now: retired, or not yet and why. */
static int judge(struct spoolguard *session, const struct message *answer, char **ret_receipt)
{
	struct json_object *job = json_object_object_get(answer->parameters, "job");
	const char *state = "", *why = "";
	struct json_object *receipt;

	(void)message_get_string(job, "state", &state);
	(void)message_get_string(job, "why", &why);
	if (strcmp(state, "failed") == 0)
		return problem_set(&session->problem, -EREMOTEIO, "%s", why);
	if (strcmp(state, "retired") != 0)
		return problem_set(&session->problem, -EINPROGRESS, "%s", why[0] ? why : state);
	receipt = json_object_object_get(job, "receipt");
	if (ret_receipt && receipt) {
		*ret_receipt =
			strdup(json_object_to_json_string_ext(receipt, JSON_C_TO_STRING_PLAIN));
		if (!*ret_receipt)
			return -ENOMEM;
	}
	return 0;
}

int spoolguard_job_complete(struct spoolguard *session, const char *id, const char *const *files,
	size_t count, bool wait, char **ret_receipt)
{
	struct json_object *parameters = describe(id, files, count);
	struct message answer;
	int r;

	if (ret_receipt)
		*ret_receipt = NULL;
	json_object_object_add(parameters, "wait", json_object_new_boolean(wait));
	r = call(session, "io.spoolguard.JobComplete", parameters, &answer);
	if (r < 0)
		return r;
	r = judge(session, &answer, ret_receipt);
	if (r == -EINPROGRESS && !wait) /* as was asked: it is recorded */
		r = 0;
	message_done(&answer);
	return r;
}

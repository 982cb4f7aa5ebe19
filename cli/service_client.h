/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_client.h - verbs ask the service, when it runs
 *
 * The socket: $SPOOLGUARD_SOCKET ("": do without a service), or io.spoolguard in the runtime
 * directory.  It, and whoever listens on it, must be root's or our own: it is handed
 * passphrases and believed.
 *
 *   K1  A passphrase is never in a message: a descriptor of it goes along.
 *
 * What the service refuses comes as its own words in the problem, and as -EACCES (no role for it),
 * -ENOENT (no such job or volume), -EBUSY, -EIO (tried, and failed), -EINVAL (all else).
 */
#ifndef SPOOLGUARD_CLI_SERVICE_CLIENT_H
#define SPOOLGUARD_CLI_SERVICE_CLIENT_H

#include "base/problem.h"
#include "base/progress.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct service_client;

/* -ESRCH: none runs, or none that is for us; nothing is said of it, the verb works alone.  -EPERM:
 * the socket is somebody else's. */
must_check int service_client_open(
	struct service_client **ret_client, struct problem *reterr_problem);
void service_client_free(struct service_client *client);
DEFINE_CLEANUP(struct service_client *, service_client_free)

/* method: "GetStatus".  Takes parameters; gives the answer's to json_object_put(). */
must_check int service_client_call(struct service_client *client, const char *method,
	struct json_object *parameters, struct json_object **ret_answer,
	struct problem *reterr_problem);
/*
 * The same with progress on the terminal: answers with "progress" before the last.  fd: a
 * descriptor to go along, or -1; it stays the caller's.  -ECANCELED: the user interrupted it.
 */
must_check int service_client_call_long(struct service_client *client, const char *method,
	struct json_object *parameters, int fd, struct json_object **ret_answer,
	struct problem *reterr_problem);
/* The same, with progress to a sink, whose text is its own until it returns. */
must_check int service_client_call_shown(struct service_client *client, const char *method,
	struct json_object *parameters, const struct progress_sink *sink,
	struct json_object **ret_answer, struct problem *reterr_problem);

/*
 * The volume (one of GetStatus' "volumes", borrowed) that is meant by a name of the configuration
 * or by any name of its medium; or that a file, or where it would be, lies on.  -ENODEV: none of
 * the service's; nothing is said of it.
 */
must_check int service_client_find_volume(struct service_client *client, const char *name,
	struct json_object **ret_volume, struct problem *reterr_problem);
must_check int service_client_find_by_file(struct service_client *client, const char *path,
	struct json_object **ret_volume, struct problem *reterr_problem);

/* Who answers there. */
pid_t service_client_process(const struct service_client *client);

/* What a field of an answer says; "" or false if it is not there. */
const char *service_client_text(struct json_object *object, const char *key);
bool service_client_flag(struct json_object *object, const char *key);
uint64_t service_client_number(struct json_object *object, const char *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h - what callers may ask of the service: the methods of io.spoolguard
 *
 *   caller -> ipc/server.h (who is it?) -> roles.h (may he?) -> a worker -> the parts -> answer
 *
 *   Y1  A method is run by a worker, never by the thread that serves the socket: a disk that
 *       hangs, a volume that does not answer hold up their own callers.  Short methods, long
 *       ones (Sweep, SelfTest, Attach, Detach, WipeSpool, CloseForDecommission) and the status have
 * workers of their own; each queue has its end, and who finds it full is told so (Busy). Y2  Each
 * refusal is an event.  Of one uid REFUSALS_SHOWN a minute stand there one by one, the others as a
 * number: who is refused cannot push out what he did before. Y3  A caller who is not root hands
 * over what is his: regular files and directories, owned by him, on the mount of a configured and
 * open volume, without a symbolic link in their path. Everything else is a job id that lies, and
 * refused in words; so is, whoever hands it over, the service's own directory on a volume. Y4  A
 * job belongs to the uid that announced it; another uid's (who is no administrator) is refused. Y5
 * Nobody is told "seen" before the ledger has it durable, nor "retired" before that. Y6  A job that
 * was begun and not completed is retired job_abandoned_s (config.h) after the connection that began
 * it has ended, or after the service was started.
 *
 * The interface, its types and errors: supervisor/io.spoolguard.varlink.
 * Threads: any, except where it says otherwise.
 */
#ifndef SPOOLGUARD_SUPERVISOR_SERVICE_H
#define SPOOLGUARD_SUPERVISOR_SERVICE_H

#include "base/macros.h"
#include <json-c/json.h>
#include <stdbool.h>

struct service;
struct supervisor;

struct service_options {
	/* Its parts are used as they are when they are used: config, state, events, ledger,
	 * retirer, keepers, and supervisor_test(), supervisor_last_report(), supervisor_reload().
	 */
	struct supervisor *supervisor;
	int listen_fd; /* taken; mode 0666 (X4 in supervisor.h) */
	/*
	 * Jobs of a spooler that are not retired, and why ("held for a person", "retained by the
	 * queue"): gives an array of {"source","id","why","since"}, or NULL.  Asked from a thread
	 * that may wait.  May be NULL.
	 */
	struct json_object *(*waiting)(void *context);
	void *context;
};

must_check int service_new(const struct service_options *options, struct service **ret_service);
/* Its threads begin, and callers are served. */
must_check int service_start(struct service *service);
/*
 * No call is taken any more; those under way come to their end, what waits for a job is told
 * how it stands.  The parts must live until this has returned.
 */
void service_stop(struct service *service);
void service_free(struct service *service);

/* State, keepers or jobs changed: who monitors is told. */
void service_changed(struct service *service);
/* The configuration was read again: roles and limits are taken from it. */
void service_reload(struct service *service);
/* Now and then: what the host reported too fast, and has not been told of, is told as a number. */
void service_tell_host(struct service *service);
/* The thread that serves the socket has come round since this was asked last (watchdog). */
bool service_is_alive(struct service *service);

/*
 * {"state","reasons","volumes","jobs","waiting","debt","selftest","version","build"}: what
 * GetStatus answers, at most two seconds old unless a volume hangs; gives.
 */
struct json_object *service_status(struct service *service);

/* The interface's text. */
extern const char service_interface[];

#endif

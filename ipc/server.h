/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - a Varlink service on a Unix stream socket, for callers whom nobody trusts
 *
 *   I1  Memory is bounded: SERVER_CONNECTIONS_MAX connections, each with at most
 *       SERVER_CALL_BYTES_MAX of calls that have not begun and SERVER_QUEUE_BYTES_MAX of replies
 *       that it has not read.  What a call's JSON becomes in memory lives while run() runs.
 *   I2  No peer makes another wait: nothing here blocks on a peer; a call that lasts is
 *       answered later, from another thread.
 *   I3  A peer that began a message and does not end it within SERVER_MESSAGE_MS, that does not
 *       read its replies, or that sends what is no call, is cut off.  At the limit the
 *       connection that was idle longest makes room, of the peer (uid) that has the most;
 *       connections with a call under way stay.  One uid has SERVER_PEER_CONNECTIONS_MAX
 *       at most; SERVER_RESERVED_CONNECTIONS more are kept for root and for our own uid, who have
 *       no such limit.
 *   I4  A peer is who the kernel says (SO_PEERCRED, SO_PEERGROUPS), never who it says.
 *   I5  A descriptor is taken only from a peer that takes_descriptor() allows: closing a
 *       stranger's may wait on the stranger (a FUSE file, a socket that lingers).  Linux
 *       keeps such descriptors away from us since 6.16 (SO_PASSRIGHTS); before, they
 *       are dropped unseen, and a stranger's socket that lingers can still hold us up.
 *
 * org.varlink.service.GetInfo and GetInterfaceDescription are answered here (varlink.org).
 * Calls of one connection are run one after another, as Varlink wants; the next begins when
 * the replies to the last have been handed to the kernel.  A descriptor belongs to the call that
 * it was sent with, one for each call; of several calls sent together, to the last.
 * Threads: server_run() in one; server_reply(), server_error() and server_stop() from any.
 */
#ifndef SPOOLGUARD_IPC_SERVER_H
#define SPOOLGUARD_IPC_SERVER_H

#include "ipc/message.h"
#include <sys/types.h>

#define SERVER_CONNECTIONS_MAX	    256u
#define SERVER_PEER_CONNECTIONS_MAX 128u
#define SERVER_RESERVED_CONNECTIONS 32u
#define SERVER_CALL_BYTES_MAX	    (64u << 10)
#define SERVER_QUEUE_BYTES_MAX	    (1u << 20)
#define SERVER_MESSAGE_MS	    5000u
#define SERVER_GROUPS_MAX	    64u

struct server;
struct server_call;

struct server_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t groups[SERVER_GROUPS_MAX]; /* supplementary; of more, the first */
	size_t group_count;
	uint64_t connection; /* never used twice */
};

struct server_method {
	const char *name; /* without the interface's */
	/* Must answer, now or later, with server_reply() or server_error(). */
	void (*run)(void *context, struct server_call *call);
};

/* The callbacks are called from server_run(), and must not block. */
struct server_options {
	int listen_fd; /* taken; its mode is the caller's */
	const char *product, *version, *url;
	const char *interface;	 /* "io.spoolguard" */
	const char *description; /* its text, as varlink.org defines it */
	const struct server_method *methods;
	size_t method_count;
	void *context;
	/* Before each method; false: it has been answered (server_error).  May be NULL. */
	bool (*allow)(void *context, struct server_call *call, const struct server_method *method);
	/* May this peer send descriptors?  NULL: nobody. */
	bool (*takes_descriptor)(void *context, const struct server_peer *peer);
	/* A connection ended; its unanswered calls are dead already.  May be NULL. */
	void (*gone)(void *context, const struct server_peer *peer);
};

must_check int server_new(const struct server_options *options, struct server **ret_server);
/* Returns after server_stop(). */
must_check int server_run(struct server *server);
/* Also from a signal handler. */
void server_stop(struct server *server);
/*
 * After server_run().  What was answered meanwhile is sent, as far as the kernel takes it.  Calls
 * that have not been answered may still be, from any thread: they are gone.
 */
void server_free(struct server *server);
DEFINE_CLEANUP(struct server *, server_free)
size_t server_connections(const struct server *server);
/* server_run() has come round since this was asked last. */
bool server_is_alive(struct server *server);

const char *server_call_method(const struct server_call *call); /* as in the table */
/* Borrowed, while run() runs and the call is not answered. */
struct json_object *server_call_parameters(const struct server_call *call);
const struct server_peer *server_call_peer(const struct server_call *call);
bool server_call_wants_more(const struct server_call *call);
/* The descriptor that came with the call (SCM_RIGHTS), taken; -1: none came. */
int server_call_take_fd(struct server_call *call);
/* The peer went away: what is done for it may stop. */
bool server_call_is_gone(const struct server_call *call);

/*
 * Take parameters (may be NULL).  continues: more replies follow (only if the caller wants more;
 * otherwise it is dropped).  Without it, and after an error, the call is gone.  A peer that has
 * gone away is no error; -ENOBUFS: it does not read (it is cut off), or the reply is longer than
 * SERVER_QUEUE_BYTES_MAX.
 */
int server_reply(struct server_call *call, struct json_object *parameters, bool continues);
void server_error(struct server_call *call, const char *error, struct json_object *parameters);

/* org.varlink.service.InvalidParameter. */
void server_error_parameter(struct server_call *call, const char *parameter);

#endif

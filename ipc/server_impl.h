/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_impl.h - what the three files of the server share
 *
 *   server.c             the loop: who connects, who makes room, what is late
 *   server_connection.c  bytes of one peer: in, out, descriptors
 *   server_call.c        a call's life, its replies, and the methods of org.varlink.service
 *
 * A connection and its input belong to the loop's thread.  What is marked "lock" is reached from
 * any thread, under server.lock.  A call is held by its connection's loop while run() runs
 * and by whoever has to answer it; its connection may end before it.
 */
#ifndef SPOOLGUARD_IPC_SERVER_IMPL_H
#define SPOOLGUARD_IPC_SERVER_IMPL_H

#include "ipc/server.h"
#include <pthread.h>
#include <stdatomic.h>

#define CONNECTION_FDS_MAX 2u /* of a call that is complete, and of one that is not */

struct reply {
	struct reply *next;
	char *text;
	size_t bytes, sent; /* bytes with the NUL */
};

struct connection_fd {
	uint64_t at; /* the call that this byte of the stream belongs to */
	int fd;
};

struct connection {
	struct server *server;
	struct connection *next;
	int fd; /* -1: it ended; freed when the loop has looked at all that happened */
	struct server_peer peer;
	bool takes_fd;
	uint32_t interest; /* what epoll was told */

	char *input; /* from first to end; searched: no NUL before it */
	size_t first, end, searched, capacity;
	uint64_t taken; /* place of input[first] in the stream */
	struct connection_fd fds[CONNECTION_FDS_MAX];
	size_t fd_count;
	bool ended;	     /* it will send no more */
	bool again;	     /* it may have a whole call left that its turn did not let it begin */
	uint64_t active_ns;  /* when its last call came or ended */
	uint64_t partial_ns; /* since when we wait for the end of a message; 0: we do not */

	struct server_call *call;	    /* lock; under way */
	struct reply *replies, *last_reply; /* lock */
	size_t reply_bytes;		    /* lock; what is not sent yet */
	uint64_t unread_ns;		    /* lock; when it last read something */
	bool cut;			    /* lock; it does not read */
	bool changed;			    /* lock; the loop has to look at it */
};

struct server_call {
	struct server *server;
	struct connection *connection; /* lock; NULL: gone */
	unsigned int references;       /* lock */
	const char *method;
	struct json_object *parameters; /* while run() runs */
	struct server_peer peer;
	int fd;
	bool more, oneway;
};

struct server {
	struct server_options options;
	int epoll_fd, wake_fd;
	atomic_bool stop, asked;
	atomic_size_t connection_count;
	struct connection *connections, *dead;
	uint64_t next_connection;
	uint64_t listens_again_ns; /* 0: it listens */
	bool again;		   /* so has some connection */

	pthread_mutex_t lock;
	bool woken;		 /* lock */
	unsigned int references; /* lock; one for each call, and its owner's */
};

void server_wake_locked(struct server *server);
void server_unref(struct server *server);

/* Takes fd, also on failure. */
must_check int connection_new(struct server *server, int fd, struct connection **ret_connection);
void connection_free(struct connection *connection);
/* Reads what is there, once. */
must_check int connection_read(struct connection *connection);
/* Sends what the kernel takes. */
must_check int connection_send(struct connection *connection);
/* The next call; -EAGAIN: not whole yet.  Gives *ret_fd, or -1. */
must_check int connection_take(
	struct connection *connection, struct message *ret_message, int *ret_fd);
/* A call is under way, or replies are not sent yet. */
bool connection_is_busy(struct connection *connection);

/* Takes fd. */
void call_start(struct connection *connection, const struct message *message, int fd);
/* The connection ended. */
void call_abandon(struct connection *connection);

#endif

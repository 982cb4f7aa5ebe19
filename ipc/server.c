/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/io.h"
#include "ipc/server_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

#define EVENTS_AT_ONCE	64
#define ACCEPTS_AT_ONCE 32
#define CALLS_AT_ONCE	16 /* of one connection, before the others have their turn */
#define MESSAGE_NS	(SERVER_MESSAGE_MS * UINT64_C(1000000))
#define PAUSE_NS	UINT64_C(100000000) /* in accepting, when there are no descriptors */

/* --- waking --- */

void server_wake_locked(struct server *server)
{
	const uint64_t one = 1;

	if (server->woken)
		return;
	server->woken = true;
	(void)!write(server->wake_fd, &one, sizeof(one));
}

void server_stop(struct server *server)
{
	const uint64_t one = 1;

	atomic_store(&server->stop, true);
	(void)!write(server->wake_fd, &one, sizeof(one));
}

bool server_is_alive(struct server *server)
{
	const uint64_t one = 1;
	bool alive = !atomic_exchange(&server->asked, true);

	(void)!write(server->wake_fd, &one, sizeof(one));
	return alive;
}

static void take_wake(struct server *server)
{
	uint64_t ignored;

	pthread_mutex_lock(&server->lock);
	server->woken = false;
	(void)!read(server->wake_fd, &ignored, sizeof(ignored));
	pthread_mutex_unlock(&server->lock);
}

/* --- connections --- */

size_t server_connections(const struct server *server)
{
	return atomic_load(&server->connection_count);
}

static void end_connection(struct connection *connection)
{
	struct server *server = connection->server;
	struct connection **at = &server->connections;

	if (connection->fd < 0)
		return;
	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	call_abandon(connection);
	/* A child between fork and exec may hold the descriptor too: closing ends nothing then. */
	(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
	(void)shutdown(connection->fd, SHUT_RDWR);
	close(connection->fd);
	connection->fd = -1;
	connection->next = server->dead;
	server->dead = connection;
	atomic_fetch_sub(&server->connection_count, 1);
	if (server->options.gone)
		server->options.gone(server->options.context, &connection->peer);
}

static void free_dead(struct server *server)
{
	while (server->dead) {
		struct connection *connection = server->dead;

		server->dead = connection->next;
		connection_free(connection);
	}
}

static bool has_call(struct connection *connection)
{
	bool has;

	pthread_mutex_lock(&connection->server->lock);
	has = connection->call != NULL;
	pthread_mutex_unlock(&connection->server->lock);
	return has;
}

static size_t count_of(const struct server *server, uid_t uid)
{
	size_t count = 0;

	for (const struct connection *c = server->connections; c; c = c->next)
		count += c->peer.uid == uid;
	return count;
}

/* Ends the connection that was idle longest, of the uid that has the most; uid: of nobody else. */
static bool make_room(struct server *server, const uid_t *uid)
{
	struct connection *oldest = NULL;
	size_t most = 0, count = 0;
	uid_t counted = 0;

	for (struct connection *c = server->connections; c; c = c->next) {
		if ((uid && c->peer.uid != *uid) || has_call(c))
			continue;
		if (count == 0 || c->peer.uid != counted) {
			counted = c->peer.uid;
			count = count_of(server, counted);
		}
		if (!oldest || count > most ||
			(count == most && c->active_ns < oldest->active_ns)) {
			oldest = c;
			most = count;
		}
	}
	if (oldest)
		end_connection(oldest);
	return oldest != NULL;
}

static bool admit(struct server *server, const struct server_peer *peer)
{
	bool ours = peer->uid == 0 || peer->uid == geteuid();
	size_t limit = SERVER_CONNECTIONS_MAX + (ours ? SERVER_RESERVED_CONNECTIONS : 0);

	if (!ours && count_of(server, peer->uid) >= SERVER_PEER_CONNECTIONS_MAX)
		return make_room(server, &peer->uid);
	if (server_connections(server) < SERVER_CONNECTIONS_MAX || make_room(server, NULL))
		return true;
	return server_connections(server) < limit;
}

static void add_connection(struct server *server, int fd)
{
	struct connection *connection;
	struct epoll_event event = {.events = EPOLLIN};

	if (connection_new(server, fd, &connection) < 0)
		return;
	event.data.ptr = connection;
	connection->interest = event.events;
	if (!admit(server, &connection->peer) ||
		epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		connection_free(connection);
		return;
	}
	connection->next = server->connections;
	server->connections = connection;
	atomic_fetch_add(&server->connection_count, 1);
}

static void listen_for(struct server *server, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = &server->options.listen_fd};

	(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->options.listen_fd, &event);
}

static void accept_some(struct server *server)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(
			server->options.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			add_connection(server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && !make_room(server, NULL)) {
			server->listens_again_ns = clock_monotonic_ns() + PAUSE_NS;
			listen_for(server, 0);
		}
		return;
	}
}

/* --- one connection's turn --- */

static void set_interest(struct connection *connection)
{
	struct epoll_event event = {.data.ptr = connection};
	struct server *server = connection->server;

	pthread_mutex_lock(&server->lock);
	event.events = connection->replies ? EPOLLOUT : connection->call ? 0 : EPOLLIN;
	pthread_mutex_unlock(&server->lock);
	if (event.events == connection->interest)
		return;
	connection->interest = event.events;
	(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Begins the next call; 0: it was begun; -EAGAIN: there is none. */
static int begin_call(struct connection *connection)
{
	struct message message;
	int fd, r;

	r = connection_take(connection, &message, &fd);
	if (r < 0)
		return r;
	connection->active_ns = clock_monotonic_ns();
	if (message.method) {
		call_start(connection, &message, fd);
	} else {
		io_closep(&fd);
		r = -EBADMSG;
	}
	message_done(&message);
	return r;
}

static void set_deadline(struct connection *connection)
{
	bool waits = connection->end > connection->first && !connection_is_busy(connection);

	if (!waits)
		connection->partial_ns = 0;
	else if (connection->partial_ns == 0)
		connection->partial_ns = clock_monotonic_ns();
}

/* Sends what there is to send, begins what there is to begin. */
static void attend(struct connection *connection)
{
	int r = 0, turns = 0;

	connection->again = false;
	while (r >= 0) {
		r = connection_send(connection);
		if (r < 0 || connection_is_busy(connection))
			break;
		if (turns++ == CALLS_AT_ONCE) {
			connection->again = connection->server->again = true;
			break;
		}
		r = begin_call(connection);
		if (r == -EAGAIN && connection->ended)
			r = -ECONNRESET;
	}
	if (r < 0 && r != -EAGAIN) {
		end_connection(connection);
		return;
	}
	set_deadline(connection);
	set_interest(connection);
}

static void on_events(struct connection *connection, uint32_t events)
{
	bool busy;
	int r = 0;

	if (connection->fd < 0) /* it made room a moment ago */
		return;
	busy = connection_is_busy(connection);
	if ((events & EPOLLERR) || (busy && (events & EPOLLHUP)))
		r = -ECONNRESET;
	else if (!busy && !connection->again && (events & (EPOLLIN | EPOLLHUP)))
		r = connection_read(connection);
	if (r < 0)
		end_connection(connection);
	else
		attend(connection);
}

static void attend_changed(struct server *server)
{
	struct connection *connection, *next;
	bool changed;

	for (connection = server->connections; connection; connection = next) {
		next = connection->next;
		pthread_mutex_lock(&server->lock);
		changed = connection->changed || connection->again;
		connection->changed = false;
		pthread_mutex_unlock(&server->lock);
		if (!changed)
			continue;
		connection->active_ns = clock_monotonic_ns();
		attend(connection);
	}
}

/* --- time --- */

/* When it is to be cut off, unless something comes; UINT64_MAX: never. */
static uint64_t deadline_of(struct connection *connection)
{
	uint64_t deadline = UINT64_MAX;

	if (connection->partial_ns != 0)
		deadline = connection->partial_ns + MESSAGE_NS;
	pthread_mutex_lock(&connection->server->lock);
	if (connection->replies && connection->unread_ns + MESSAGE_NS < deadline)
		deadline = connection->unread_ns + MESSAGE_NS;
	pthread_mutex_unlock(&connection->server->lock);
	return deadline;
}

/* Cuts off who is late; how long until the next may be: milliseconds, or -1. */
static int cut_late(struct server *server)
{
	uint64_t now = clock_monotonic_ns(), next_ns = UINT64_MAX;
	struct connection *connection, *next;

	for (connection = server->connections; connection; connection = next) {
		uint64_t deadline = deadline_of(connection);

		next = connection->next;
		if (deadline <= now)
			end_connection(connection);
		else if (deadline < next_ns)
			next_ns = deadline;
	}
	if (server->listens_again_ns != 0 && server->listens_again_ns <= now) {
		server->listens_again_ns = 0;
		listen_for(server, EPOLLIN);
	} else if (server->listens_again_ns != 0 && server->listens_again_ns < next_ns) {
		next_ns = server->listens_again_ns;
	}
	if (server->again)
		return 0;
	return next_ns == UINT64_MAX ? -1 : (int)((next_ns - now) / 1000000u) + 1;
}

int server_run(struct server *server)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!atomic_load(&server->stop)) {
		int timeout_ms = cut_late(server), n;

		atomic_store(&server->asked, false);
		free_dead(server);
		server->again = false;
		n = epoll_wait(server->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &server->wake_fd)
				take_wake(server);
			else if (events[i].data.ptr == &server->options.listen_fd)
				accept_some(server);
			else
				on_events(events[i].data.ptr, events[i].events);
		}
		attend_changed(server);
	}
	return 0;
}

/* --- its life --- */

static int watch(struct server *server, int *fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, *fd, &event) < 0 ? -errno : 0;
}

static int open_server(struct server *server)
{
	const int no = 0;
	int r;

	/* Connections are born with it; each peer that may is given leave by itself (I5). */
	(void)setsockopt(server->options.listen_fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll_fd < 0)
		return -errno;
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->wake_fd < 0)
		return -errno;
	if (fcntl(server->options.listen_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = watch(server, &server->options.listen_fd);
	return r < 0 ? r : watch(server, &server->wake_fd);
}

int server_new(const struct server_options *options, struct server **ret_server)
{
	struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server) {
		close(options->listen_fd);
		return -ENOMEM;
	}
	server->options = *options;
	server->epoll_fd = server->wake_fd = -1;
	server->references = 1;
	pthread_mutex_init(&server->lock, NULL);
	r = open_server(server);
	if (r < 0) {
		server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

void server_unref(struct server *server)
{
	bool last;

	pthread_mutex_lock(&server->lock);
	last = --server->references == 0;
	pthread_mutex_unlock(&server->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&server->lock);
	io_closep(&server->wake_fd);
	free(server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	while (server->connections) {
		struct connection *connection = server->connections;

		server->connections = connection->next;
		call_abandon(connection);
		(void)!connection_send(connection);
		connection_free(connection);
	}
	free_dead(server);
	io_closep(&server->options.listen_fd);
	io_closep(&server->epoll_fd);
	server_unref(server);
}

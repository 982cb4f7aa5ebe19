/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/io.h"
#include "ipc/server_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

#define INPUT_BYTES_LEAST 4096u
#define INPUT_BYTES_MOST  (SERVER_CALL_BYTES_MAX + 1u) /* the longest call and its NUL */
#define SENT_FDS_MAX	  253			       /* SCM_MAX_FD: of one message */

static int read_groups(int fd, struct server_peer *peer)
{
	_cleanup_free_ gid_t *all = NULL;
	socklen_t bytes = sizeof(peer->groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &bytes) >= 0) {
		peer->group_count = bytes / sizeof(gid_t);
		return 0;
	}
	if (errno != ERANGE)
		return -errno;
	all = malloc(bytes);
	if (!all)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, all, &bytes) < 0)
		return -errno;
	memcpy(peer->groups, all, sizeof(peer->groups));
	peer->group_count = SERVER_GROUPS_MAX;
	return 0;
}

static int read_peer(int fd, struct server_peer *peer)
{
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
		return -errno;
	peer->uid = credentials.uid;
	peer->gid = credentials.gid;
	peer->pid = credentials.pid;
	return read_groups(fd, peer);
}

/* An older kernel does not know the option: then what is sent is dropped (I5). */
static void allow_descriptors(struct connection *connection)
{
	const struct server_options *options = &connection->server->options;
	const int yes = 1;

	connection->takes_fd = options->takes_descriptor &&
			       options->takes_descriptor(options->context, &connection->peer);
	if (connection->takes_fd)
		(void)setsockopt(connection->fd, SOL_SOCKET, SO_PASSRIGHTS, &yes, sizeof(yes));
}

int connection_new(struct server *server, int fd, struct connection **ret_connection)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int r;

	r = connection ? read_peer(fd, &connection->peer) : -ENOMEM;
	if (r < 0) {
		close(fd);
		free(connection);
		return r;
	}
	connection->server = server;
	connection->fd = fd;
	connection->peer.connection = ++server->next_connection;
	connection->active_ns = clock_monotonic_ns();
	allow_descriptors(connection);
	*ret_connection = connection;
	return 0;
}

void connection_free(struct connection *connection)
{
	struct reply *reply, *next;

	for (reply = connection->replies; reply; reply = next) {
		next = reply->next;
		free(reply->text);
		free(reply);
	}
	for (size_t i = 0; i < connection->fd_count; i++)
		close(connection->fds[i].fd);
	if (connection->fd >= 0)
		close(connection->fd);
	free(connection->input);
	free(connection);
}

bool connection_is_busy(struct connection *connection)
{
	bool busy;

	pthread_mutex_lock(&connection->server->lock);
	busy = connection->call || connection->replies;
	pthread_mutex_unlock(&connection->server->lock);
	return busy;
}

/* --- in --- */

/* Room for at least one byte more; false: there is a whole call to take first. */
static bool make_room(struct connection *connection)
{
	size_t capacity = connection->capacity ? connection->capacity * 2 : INPUT_BYTES_LEAST;
	char *input;

	if (connection->end < connection->capacity)
		return true;
	if (connection->first > 0) {
		connection->end -= connection->first;
		connection->searched -= connection->first;
		memmove(connection->input, connection->input + connection->first, connection->end);
		connection->first = 0;
		return true;
	}
	if (connection->capacity == INPUT_BYTES_MOST)
		return false;
	if (capacity > INPUT_BYTES_MOST)
		capacity = INPUT_BYTES_MOST;
	input = realloc(connection->input, capacity);
	if (!input)
		return false;
	connection->input = input;
	connection->capacity = capacity;
	return true;
}

/* The first descriptor that came with these bytes is kept, unless their call has one already. */
static void keep_fd(struct connection *connection, int fd)
{
	uint64_t last = connection->taken + (connection->end - connection->first) - 1;
	const char *begin = connection->input + connection->first;
	bool has = connection->fd_count == CONNECTION_FDS_MAX;

	if (!has && connection->fd_count > 0) {
		uint64_t at = connection->fds[connection->fd_count - 1].at - connection->taken;

		/* No message ended between the two: they came with the same one. */
		has = !memchr(begin + at, '\0', (size_t)(last - connection->taken - at));
	}
	if (has)
		close(fd);
	else
		connection->fds[connection->fd_count++] =
			(struct connection_fd){.at = last, .fd = fd};
}

static void receive_fds(struct connection *connection, struct msghdr *message)
{
	int fd;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
		header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= header->cmsg_len;
			at += sizeof(fd)) {
			memcpy(&fd, (const char *)header + at, sizeof(fd));
			keep_fd(connection, fd);
		}
	}
}

int connection_read(struct connection *connection)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * SENT_FDS_MAX)];
	} control;
	struct iovec vector;
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	ssize_t n;

	if (connection->ended || !make_room(connection))
		return 0;
	if (connection->takes_fd) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
	}
	vector = (struct iovec){
		connection->input + connection->end, connection->capacity - connection->end};
	n = recvmsg(connection->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	connection->ended = n == 0;
	connection->end += (size_t)n;
	if (connection->takes_fd && n > 0)
		receive_fds(connection, &message);
	return 0;
}

/* Those that came with a message that ends there; one is the call's. */
static int take_fd(struct connection *connection, uint64_t end)
{
	int fd;

	if (connection->fd_count == 0 || connection->fds[0].at >= end)
		return -1;
	fd = connection->fds[0].fd;
	connection->fd_count--;
	memmove(connection->fds, connection->fds + 1,
		connection->fd_count * sizeof(connection->fds[0]));
	return fd;
}

/* Bytes of input were a message and its NUL; an empty input costs no memory. */
static void drop(struct connection *connection, size_t bytes)
{
	connection->first += bytes;
	connection->taken += bytes;
	connection->searched = connection->first;
	if (connection->first < connection->end)
		return;
	free(connection->input);
	connection->input = NULL;
	connection->first = connection->end = connection->searched = connection->capacity = 0;
}

int connection_take(struct connection *connection, struct message *ret_message, int *ret_fd)
{
	const char *text = connection->input + connection->first, *nul = NULL;
	size_t bytes;
	int r;

	if (connection->end > connection->searched)
		nul = memchr(connection->input + connection->searched, '\0',
			connection->end - connection->searched);
	if (!nul) {
		connection->searched = connection->end;
		return connection->end - connection->first > SERVER_CALL_BYTES_MAX ? -EMSGSIZE
										   : -EAGAIN;
	}
	bytes = (size_t)(nul - text);
	r = message_decode(text, bytes, ret_message);
	*ret_fd = take_fd(connection, connection->taken + bytes + 1);
	drop(connection, bytes + 1);
	if (r < 0)
		io_closep(ret_fd);
	return r;
}

/* --- out --- */

static void drop_reply(struct connection *connection)
{
	struct reply *reply = connection->replies;

	connection->replies = reply->next;
	if (!reply->next)
		connection->last_reply = NULL;
	free(reply->text);
	free(reply);
}

static int send_locked(struct connection *connection)
{
	while (connection->replies) {
		struct reply *reply = connection->replies;
		ssize_t n = send(connection->fd, reply->text + reply->sent,
			reply->bytes - reply->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		reply->sent += (size_t)n;
		connection->reply_bytes -= (size_t)n;
		connection->unread_ns = clock_monotonic_ns();
		if (reply->sent == reply->bytes)
			drop_reply(connection);
	}
	return 0;
}

int connection_send(struct connection *connection)
{
	int r;

	pthread_mutex_lock(&connection->server->lock);
	r = connection->cut ? -ENOBUFS : send_locked(connection);
	pthread_mutex_unlock(&connection->server->lock);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/channel.h"
#include "base/clock.h"
#include "base/io.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG	       128
#define READ_BYTES     4096u
#define CAPACITY_MOST  (MESSAGE_BYTES_MAX + 1u) /* the longest message and its NUL */
#define KEPT_BYTES_MAX 65536u			/* a larger buffer is given back when it is empty */

struct channel {
	int fd;
	char *buffer; /* what was received and not yet taken: from first to end */
	size_t first;
	size_t end;
	size_t capacity;
};

int channel_new(int fd, struct channel **ret_channel)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel) {
		close(fd);
		return -ENOMEM;
	}
	channel->fd = fd;
	*ret_channel = channel;
	return 0;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	close(channel->fd);
	free(channel->buffer);
	free(channel);
}

int channel_fd(const struct channel *channel)
{
	return channel->fd;
}

static int make_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret_address->sun_path, path);
	return 0;
}

int channel_connect(const char *path, struct channel **ret_channel)
{
	struct sockaddr_un address;
	int fd, r;

	r = make_address(path, &address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return channel_new(fd, ret_channel);
}

/* A socket that nobody listens on was left by a process that died; anything else is not ours. */
static int remove_dead(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) >= 0 ||
		errno == EAGAIN) /* alive, and has more callers than it takes */
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

int channel_listen(const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	mode_t mask;
	int r;

	r = make_address(path, &address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = remove_dead(&address);
	if (r < 0)
		return r;
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r >= 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int send_all(struct channel *channel, const char *text, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = send(channel->fd, text, bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		text += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int channel_send(struct channel *channel, const char *text)
{
	return send_all(channel, text, strlen(text) + 1); /* the NUL ends the message */
}

int channel_send_with_fd(struct channel *channel, const char *text, int fd)
{
	size_t bytes = strlen(text) + 1;
	struct iovec vector = {(void *)(uintptr_t)text, bytes};
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t n;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	do
		n = sendmsg(channel->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	/* The descriptor went with the first byte. */
	return send_all(channel, text + n, bytes - (size_t)n);
}

/* Room for at least one byte more behind end. */
static int make_room(struct channel *channel)
{
	size_t capacity = channel->capacity ? channel->capacity * 2 : READ_BYTES;
	char *buffer;

	if (channel->first > 0) {
		channel->end -= channel->first;
		memmove(channel->buffer, channel->buffer + channel->first, channel->end);
		channel->first = 0;
	}
	if (channel->end < channel->capacity)
		return 0;
	if (capacity > CAPACITY_MOST)
		capacity = CAPACITY_MOST;
	buffer = realloc(channel->buffer, capacity);
	if (!buffer)
		return -ENOMEM;
	channel->buffer = buffer;
	channel->capacity = capacity;
	return 0;
}

/* The first bytes are a message that was taken, and its NUL. */
static void drop(struct channel *channel, size_t bytes)
{
	channel->first += bytes;
	if (channel->first < channel->end)
		return;
	channel->first = channel->end = 0;
	if (channel->capacity > KEPT_BYTES_MAX) {
		free(channel->buffer);
		channel->buffer = NULL;
		channel->capacity = 0;
	}
}

static int wait_readable(int fd, uint64_t deadline_ns, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now = clock_monotonic_ns();
		int left = timeout_ms < 0	? -1
			   : now >= deadline_ns ? 0
						: (int)((deadline_ns - now) / 1000000u) + 1;
		int n = poll(&poll_fd, 1, left);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int channel_receive(struct channel *channel, int timeout_ms, struct message *ret_message)
{
	uint64_t deadline =
		clock_monotonic_ns() + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000000u : 0);
	size_t looked = 0;

	for (;;) {
		const char *text = channel->buffer + channel->first;
		size_t bytes = channel->end - channel->first;
		const char *end =
			bytes > looked ? memchr(text + looked, '\0', bytes - looked) : NULL;
		ssize_t n;
		int r;

		if (end) {
			bytes = (size_t)(end - text);
			r = message_decode(text, bytes, ret_message);
			drop(channel, bytes + 1);
			return r;
		}
		if (bytes > MESSAGE_BYTES_MAX)
			return -EMSGSIZE;
		looked = bytes;
		r = make_room(channel);
		if (r >= 0)
			r = wait_readable(channel->fd, deadline, timeout_ms);
		if (r < 0)
			return r;
		n = recv(channel->fd, channel->buffer + channel->end,
			channel->capacity - channel->end, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -ECONNRESET : -errno;
		channel->end += (size_t)n;
	}
}

int channel_peer(const struct channel *channel, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid)
{
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);

	if (getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
		return -errno;
	*ret_uid = credentials.uid;
	*ret_gid = credentials.gid;
	*ret_pid = credentials.pid;
	return 0;
}

int channel_call(struct channel *channel, const char *method, struct json_object *parameters,
	struct message *ret_answer)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = message_encode_call(method, parameters, &text);
	if (r >= 0)
		r = channel_send(channel, text);
	if (r >= 0)
		r = channel_receive(channel, -1, ret_answer);
	if (r < 0)
		return r;
	return ret_answer->error ? -EREMOTEIO : 0;
}

int channel_call_more(struct channel *channel, const char *method, struct json_object *parameters,
	int fd, bool (*each)(void *context, struct json_object *parameters), void *context,
	struct message *ret_answer)
{
	_cleanup_free_ char *text = NULL;
	bool stop;
	int r;

	r = message_encode_call_more(method, parameters, &text);
	if (r >= 0)
		r = fd < 0 ? channel_send(channel, text) : channel_send_with_fd(channel, text, fd);
	for (;;) {
		if (r >= 0)
			r = channel_receive(channel, -1, ret_answer);
		if (r < 0)
			return r;
		if (ret_answer->error)
			return -EREMOTEIO;
		if (!ret_answer->continues)
			return 0;
		stop = each(context, ret_answer->parameters);
		message_done(ret_answer);
		if (stop)
			return -ECANCELED;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_socket.c - datagrams to a local socket, and whether they were read
 *
 * The kernel counts against us what lies in the receiver's queue (SIOCOUTQ), so 0 is: he has taken
 * it all, or he is gone and his queue with him.  He is not gone if the socket at that path is the
 * one that we are connected to, and somebody listens on it.
 */
#include "audit/export_journal.h"
#include "base/io.h"
#include "supervisor/export_sink.h"
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct socket_sink {
	struct export_sink sink;
	bool is_journal;
	int fd;
	struct sockaddr_un address;
	struct stat there; /* when we connected */
};

static int find_receiver(struct socket_sink *it, struct stat *ret_there)
{
	return stat(it->address.sun_path, ret_there) < 0 ? -errno : 0;
}

static int connect_to(struct socket_sink *it, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&it->address, sizeof(it->address)) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* --- sending --- */

static int send_text(struct socket_sink *it, const char *text, size_t bytes)
{
	ssize_t n;

	do
		n = send(it->fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == ENOBUFS)
		return -EAGAIN;
	/* Who listened may have ended before it read what was sent. */
	return errno == EAGAIN ? -EAGAIN : -ESTALE;
}

static int socket_send(struct export_sink *sink, const struct audit_record *record,
	const struct export_source *source, const char *line, size_t line_bytes)
{
	struct socket_sink *it = (struct socket_sink *)sink;
	char message[EXPORT_RFC5424_MAX + 1];
	_cleanup_free_ char *entry = NULL;
	size_t bytes;

	if (!it->is_journal) {
		bytes = export_rfc5424(record, source, message);
		return send_text(it, message, bytes);
	}
	entry = export_journal(record, source, line, line_bytes, &bytes);
	return entry ? send_text(it, entry, bytes) : -EAGAIN;
}

static int socket_confirm(struct export_sink *sink)
{
	struct socket_sink *it = (struct socket_sink *)sink;
	_cleanup_close_ int probe = -1;
	struct stat now;
	int unread;

	if (ioctl(it->fd, SIOCOUTQ, &unread) < 0)
		return -errno;
	if (find_receiver(it, &now) < 0 || now.st_dev != it->there.st_dev ||
		now.st_ino != it->there.st_ino || now.st_mtim.tv_sec != it->there.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != it->there.st_mtim.tv_nsec || connect_to(it, &probe) < 0)
		return -ESTALE;
	return unread > 0 ? -EAGAIN : 0;
}

static void socket_close(struct export_sink *sink)
{
	struct socket_sink *it = (struct socket_sink *)sink;

	io_closep(&it->fd);
	free(it);
}

static int open_socket(const char *path, bool is_journal, struct export_sink **ret_sink,
	struct problem *reterr_problem)
{
	static const struct export_sink_ops ops = {socket_send, socket_confirm, NULL, socket_close};
	struct socket_sink *it = calloc(1, sizeof(*it));
	int r;

	if (!it)
		return -ENOMEM;
	*it = (struct socket_sink){.sink = {&ops}, .is_journal = is_journal, .fd = -1};
	it->address.sun_family = AF_UNIX;
	if (strlen(path) < sizeof(it->address.sun_path)) {
		strcpy(it->address.sun_path, path);
		r = find_receiver(it, &it->there);
		if (r >= 0)
			r = connect_to(it, &it->fd);
	} else {
		r = -ENAMETOOLONG;
	}
	if (r >= 0) {
		*ret_sink = &it->sink;
		return 0;
	}
	socket_close(&it->sink);
	return problem_set(reterr_problem, r, "nobody takes records at %s: %s", path, strerror(-r));
}

int export_sink_journal(
	const char *socket_path, struct export_sink **ret_sink, struct problem *reterr_problem)
{
	return open_socket(socket_path, true, ret_sink, reterr_problem);
}

int export_sink_syslog(
	const char *socket_path, struct export_sink **ret_sink, struct problem *reterr_problem)
{
	return open_socket(socket_path, false, ret_sink, reterr_problem);
}

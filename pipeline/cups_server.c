/* SPDX-License-Identifier: Apache-2.0 */
/* cups_server.c - the connection: one request, one answer, one deadline */
#include "pipeline/cups_server.h"
#include "base/clock.h"
#include "pipeline/cups_server_impl.h"
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define WAIT_S		    0.2 /* libcups asks this often whether the deadline has passed */
#define WAIT_MS		    20
#define HEADER_BYTES_MAX    16384u
#define DATA_PIECE_BYTES    65536u
#define AUTHENTICATIONS_MAX 1

/* --- addresses --- */

static int parse_host(const char *address, struct cups_server *server)
{
	const char *colon = strrchr(address, ':');
	char *end;
	unsigned long port;

	if (!colon || colon == address || !isdigit((unsigned char)colon[1]))
		return -EINVAL;
	errno = 0;
	port = strtoul(colon + 1, &end, 10);
	if (errno || *end || port == 0 || port > 65535)
		return -EINVAL;
	if ((size_t)(colon - address) >= sizeof(server->host))
		return -EINVAL;
	*stpncpy(server->host, address, (size_t)(colon - address)) = '\0';
	server->port = (int)port;
	return 0;
}

static int parse_address(const char *address, struct cups_server *server)
{
	if (address[0] != '/')
		return parse_host(address, server);
	if (strlen(address) >= sizeof(server->host))
		return -EINVAL;
	strcpy(server->host, address);
	return 0;
}

int cups_server_new(const char *address, unsigned int timeout_ms, struct cups_server **ret_server,
	struct problem *reterr_problem)
{
	struct cups_server *server = calloc(1, sizeof(*server));

	if (!server)
		return problem_set(reterr_problem, -ENOMEM, "out of memory");
	server->timeout_ms = timeout_ms;
	server->page_jobs = CUPS_PAGE_JOBS;
	if (parse_address(address, server) < 0) {
		free(server);
		return problem_set(reterr_problem, -EINVAL,
			"%s is no address of a cupsd; give the path of its socket or HOST:PORT",
			address);
	}
	*ret_server = server;
	return 0;
}

static void hang_up(struct cups_server *server)
{
	if (server->http)
		httpClose(server->http);
	server->http = NULL;
}

void cups_server_free(struct cups_server *server)
{
	if (!server)
		return;
	hang_up(server);
	free(server);
}

/* --- what went wrong, for people --- */

static const char *name_of(const struct cups_server *server, char buf[static 300])
{
	if (server->port)
		snprintf(buf, 300, "cupsd at %s:%d", server->host, server->port);
	else
		snprintf(buf, 300, "cupsd at %s", server->host);
	return buf;
}

static int fail(struct cups_server *server, int error, struct problem *reterr_problem)
{
	char name[300];

	name_of(server, name);
	switch (error) {
	case -ECONNREFUSED:
		return problem_set(reterr_problem, error,
			"%s does not run; start it (systemctl start cups)", name);
	case -ETIMEDOUT:
		return problem_set(reterr_problem, error,
			"%s did not answer within %u s; if it stays so, restart it", name,
			(server->timeout_ms + 999) / 1000);
	case -EPROTO:
		return problem_set(reterr_problem, error,
			"%s gave an answer that makes no sense; is it a cupsd?", name);
	case -EACCES:
		return problem_set(reterr_problem, error,
			"%s refused; run as root, or allow this user in its policy (cupsd.conf)",
			name);
	case -EAGAIN:
		return problem_set(reterr_problem, error,
			"%s has too much to do; it is asked again later", name);
	default:
		return problem_set(reterr_problem, error, "%s: %s", name, strerror(-error));
	}
}

int cups_server_nonsense(struct cups_server *server, struct problem *reterr_problem)
{
	hang_up(server);
	return fail(server, -EPROTO, reterr_problem);
}

/* --- the deadline --- */

static bool is_late(const struct cups_server *server)
{
	return clock_monotonic_ns() >= server->deadline_ns;
}

/* Called when nothing came for WAIT_S: whether to wait on. */
static int wait_on(http_t *http, void *context)
{
	(void)http;
	return !is_late(context);
}

static const char *no_password(
	const char *prompt, http_t *http, const char *method, const char *resource, void *context)
{
	(void)prompt, (void)http, (void)method, (void)resource, (void)context;
	return NULL;
}

/* What has arrived of a header, looked at and not taken. */
struct header {
	char text[HEADER_BYTES_MAX];
	size_t length;
};

/*
 * Over TCP a look shows all that is there; over a Unix socket one piece as it was sent, and with
 * SO_PEEK_OFF the next look goes on behind it.  -EAGAIN: nothing new.
 */
static int peek(const struct cups_server *server, struct header *header)
{
	size_t before = server->port ? 0 : header->length;
	ssize_t n = recv(httpGetFd(server->http), header->text + before,
		sizeof(header->text) - before, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	if (before + (size_t)n == header->length)
		return -EAGAIN;
	header->length = before + (size_t)n;
	return 0;
}

static bool is_whole(const struct header *header)
{
	return memmem(header->text, header->length, "\r\n\r\n", 4) ||
	       memmem(header->text, header->length, "\n\n", 2);
}

static void wait_for_more(const struct cups_server *server, const struct header *header)
{
	struct pollfd poll_fd = {.fd = httpGetFd(server->http), .events = POLLIN};

	/* With a part of it there, poll would return at once. */
	if (header->length > 0)
		nanosleep(&(struct timespec){.tv_nsec = WAIT_MS * 1000000L}, NULL);
	else
		(void)poll(&poll_fd, 1, WAIT_MS * 5);
}

/* libcups waits for each byte of a header anew.  So it is given the header when all is there. */
static int await_header(struct cups_server *server)
{
	struct header *header;
	int fd = httpGetFd(server->http), from = 0, off = -1, r = 0;

	if (httpGetReady(server->http) > 0)
		return 0;
	header = calloc(1, sizeof(*header));
	if (!header)
		return -ENOMEM;
	if (!server->port && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &from, sizeof(from)) < 0)
		r = -errno;
	while (r == 0 && !is_whole(header)) {
		r = header->length < sizeof(header->text) ? peek(server, header) : -EPROTO;
		if (r == -EAGAIN) {
			r = is_late(server) ? -ETIMEDOUT : 0;
			wait_for_more(server, header);
		}
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
	free(header);
	return r;
}

/* --- connecting --- */

static int open_connection(struct cups_server *server)
{
	uint64_t now = clock_monotonic_ns();
	int left_ms = now < server->deadline_ns ? (int)((server->deadline_ns - now) / 1000000u) : 0;

	if (left_ms == 0)
		return -ETIMEDOUT;
	server->http = httpConnect2(server->host, server->port, NULL, AF_UNSPEC,
		HTTP_ENCRYPTION_NEVER, 1, left_ms, NULL);
	if (!server->http)
		return is_late(server) ? -ETIMEDOUT : -ECONNREFUSED;
	httpSetTimeout(server->http, WAIT_S, wait_on, server);
	return 0;
}

/* Something to read before we asked: cupsd has hung up, or talks out of turn. */
static bool is_dead(const struct cups_server *server)
{
	struct pollfd poll_fd = {.fd = httpGetFd(server->http), .events = POLLIN};
	const char *connection = httpGetField(server->http, HTTP_FIELD_CONNECTION);

	return httpGetState(server->http) != HTTP_STATE_WAITING ||
	       (connection && strcasecmp(connection, "close") == 0) || poll(&poll_fd, 1, 0) != 0;
}

/* ret_old: the connection served before, so cupsd may have left it without our knowing. */
static int connect_if_needed(struct cups_server *server, bool *ret_old)
{
	if (server->http && is_dead(server))
		hang_up(server);
	*ret_old = server->http != NULL;
	return server->http ? 0 : open_connection(server);
}

/* --- one exchange --- */

static int send_request(
	struct cups_server *server, ipp_t *request, const void *data, size_t data_bytes)
{
	http_t *http = server->http;
	const char *at = data;
	ipp_state_t state;

	httpClearFields(http);
	httpSetField(http, HTTP_FIELD_CONTENT_TYPE, "application/ipp");
	httpSetLength(http, ippLength(request) + data_bytes);
	httpSetField(http, HTTP_FIELD_AUTHORIZATION, httpGetAuthString(http));
	if (httpPost(http, "/") != 0)
		return -EPIPE;
	ippSetState(request, IPP_STATE_IDLE);
	do {
		state = ippWrite(http, request);
		if (state == IPP_STATE_ERROR)
			return -EPIPE;
	} while (state != IPP_STATE_DATA);
	while (data_bytes > 0) {
		size_t piece = data_bytes < DATA_PIECE_BYTES ? data_bytes : DATA_PIECE_BYTES;

		if (is_late(server) || httpWrite2(http, at, piece) != (ssize_t)piece)
			return -EPIPE;
		at += piece;
		data_bytes -= piece;
	}
	return httpFlushWrite(http) < 0 ? -EPIPE : 0;
}

static int read_status(struct cups_server *server, http_status_t *ret_status)
{
	http_status_t status;
	int r;

	do {
		r = await_header(server);
		if (r < 0)
			return r;
		status = httpUpdate(server->http);
		if (status == HTTP_STATUS_ERROR)
			return -EPROTO;
	} while (status == HTTP_STATUS_CONTINUE);
	*ret_status = status;
	return 0;
}

/* No more bytes than an answer can have, and none after the deadline. */
static ssize_t read_some(struct cups_server *server, ipp_uchar_t *buf, size_t bytes)
{
	ssize_t n;

	if (is_late(server) || server->answer_bytes >= CUPS_ANSWER_BYTES_MAX)
		return -1;
	n = httpRead2(server->http, (char *)buf, bytes);
	if (n > 0)
		server->answer_bytes += (size_t)n;
	return n;
}

/* For ippReadIO, which takes fewer bytes than it asked for as the end. */
static ssize_t read_all(void *context, ipp_uchar_t *buf, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		ssize_t n = read_some(context, buf + got, bytes - got);

		if (n <= 0)
			return n < 0 ? -1 : (ssize_t)got;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* To the end of the answer, so that the next begins with a header; else the connection is over. */
static void drain(struct cups_server *server)
{
	ipp_uchar_t buf[1024];

	while (httpGetState(server->http) != HTTP_STATE_WAITING) {
		if (read_some(server, buf, sizeof(buf)) > 0)
			continue;
		if (httpGetState(server->http) != HTTP_STATE_WAITING)
			hang_up(server);
		return;
	}
}

static int read_answer(struct cups_server *server, ipp_t **ret_answer)
{
	ipp_t *answer = ippNew();
	ipp_state_t state;

	if (!answer)
		return -ENOMEM;
	server->answer_bytes = 0;
	do
		state = ippReadIO(server, read_all, 1, NULL, answer);
	while (state != IPP_STATE_DATA && state != IPP_STATE_ERROR);
	if (state == IPP_STATE_ERROR) {
		ippDelete(answer);
		return -EPROTO;
	}
	drain(server);
	*ret_answer = answer;
	return 0;
}

static int exchange(struct cups_server *server, ipp_t *request, const void *data, size_t data_bytes,
	http_status_t *ret_status, ipp_t **ret_answer)
{
	int r = send_request(server, request, data, data_bytes);

	/* cupsd may refuse before it has read everything: its answer says why. */
	if (r < 0 && !httpWait(server->http, 0))
		return r;
	r = read_status(server, ret_status);
	if (r < 0)
		return r;
	if (*ret_status == HTTP_STATUS_OK)
		return read_answer(server, ret_answer);
	server->answer_bytes = 0;
	return 0;
}

/* cupsd wants to know who asks.  Over its socket the kernel tells it (PeerCred). */
static int authenticate(struct cups_server *server)
{
	char authorization[1024];
	const char *string;
	int r;

	cupsSetUser(NULL);
	cupsSetPasswordCB2(no_password, NULL);
	if (cupsDoAuthentication(server->http, "POST", "/") != 0)
		return -EACCES;
	string = httpGetAuthString(server->http);
	snprintf(authorization, sizeof(authorization), "%s", string ? string : "");
	hang_up(server);
	r = open_connection(server);
	if (r >= 0 && authorization[0]) {
		char *value = strchr(authorization, ' ');

		if (value)
			*value++ = '\0';
		httpSetAuthString(server->http, authorization, value);
	}
	return r;
}

static int error_of_http(http_status_t status)
{
	switch (status) {
	case HTTP_STATUS_UNAUTHORIZED:
	case HTTP_STATUS_FORBIDDEN:
	case HTTP_STATUS_UPGRADE_REQUIRED:
		return -EACCES;
	case HTTP_STATUS_SERVICE_UNAVAILABLE:
		return -EAGAIN;
	default:
		return -EPROTO;
	}
}

/* What the transport gave up with: the connection broken, or the time over. */
static int error_of_transport(const struct cups_server *server, int r)
{
	if (r == -ENOMEM || r == -EACCES || r == -ECONNREFUSED)
		return r;
	if (is_late(server))
		return -ETIMEDOUT;
	return r == -EPIPE ? -ECONNREFUSED : r;
}

static int exchange_with_authentication(struct cups_server *server, ipp_t *request,
	enum cups_repeat repeat, const void *data, size_t data_bytes, ipp_t **ret_answer)
{
	http_status_t status = HTTP_STATUS_ERROR;
	int authentications = 0, tries = 0, r;

	for (;;) {
		bool old;

		r = connect_if_needed(server, &old);
		if (r < 0)
			return r;
		r = exchange(server, request, data, data_bytes, &status, ret_answer);
		if (r < 0) {
			hang_up(server);
			if (r == -EPIPE && old && repeat == CUPS_REPEAT && tries++ == 0)
				continue; /* cupsd has left an idle connection */
			return r;
		}
		if (status == HTTP_STATUS_OK)
			return 0;
		if (status != HTTP_STATUS_UNAUTHORIZED ||
			authentications++ == AUTHENTICATIONS_MAX) {
			hang_up(server);
			return error_of_http(status);
		}
		r = authenticate(server);
		if (r < 0) {
			hang_up(server);
			return r;
		}
	}
}

static int error_of_ipp(ipp_status_t status)
{
	switch (status) {
	case IPP_STATUS_ERROR_NOT_FOUND:
	case IPP_STATUS_ERROR_GONE:
		return -ESRCH;
	case IPP_STATUS_ERROR_NOT_AUTHENTICATED:
	case IPP_STATUS_ERROR_NOT_AUTHORIZED:
	case IPP_STATUS_ERROR_FORBIDDEN:
		return -EACCES;
	case IPP_STATUS_ERROR_BUSY:
	case IPP_STATUS_ERROR_SERVICE_UNAVAILABLE:
		return -EAGAIN;
	default:
		return -EREMOTEIO;
	}
}

/* Says the name of the status, never cupsd's own text: that may name a user. */
static int judge(
	struct cups_server *server, ipp_t *request, ipp_t *answer, struct problem *reterr_problem)
{
	ipp_status_t status = ippGetStatusCode(answer);
	char name[300];
	int error;

	if (ippGetRequestId(answer) != ippGetRequestId(request))
		return cups_server_nonsense(server, reterr_problem);
	snprintf(server->said, sizeof(server->said), "%s", ippErrorString(status));
	if (status < IPP_STATUS_ERROR_BAD_REQUEST)
		return 0;
	error = error_of_ipp(status);
	if (error == -EACCES || error == -EAGAIN)
		return fail(server, error, reterr_problem);
	return problem_set(reterr_problem, error, "%s refused %s: %s", name_of(server, name),
		ippOpString(ippGetOperation(request)), server->said);
}

int cups_server_ask(struct cups_server *server, ipp_t *request, enum cups_repeat repeat,
	const void *data, size_t data_bytes, ipp_t **ret_answer, struct problem *reterr_problem)
{
	_cleanup_ipp_ ipp_t *taken = request;
	_cleanup_ipp_ ipp_t *answer = NULL;
	int r;

	if (!taken)
		return problem_set(reterr_problem, -ENOMEM, "out of memory");
	server->deadline_ns = clock_monotonic_ns() + (uint64_t)server->timeout_ms * 1000000u;
	r = exchange_with_authentication(server, request, repeat, data, data_bytes, &answer);
	if (r < 0)
		return fail(server, error_of_transport(server, r), reterr_problem);
	r = judge(server, request, answer, reterr_problem);
	if (r < 0 || !ret_answer)
		return r;
	*ret_answer = answer;
	answer = NULL;
	return 0;
}

/* --- requests and answers --- */

static ipp_t *new_request(ipp_op_t operation, const char *uri_name, const char *uri)
{
	ipp_t *request = ippNewRequest(operation);

	if (!request)
		return NULL;
	ippAddString(request, IPP_TAG_OPERATION, IPP_TAG_URI, uri_name, NULL, uri);
	ippAddString(
		request, IPP_TAG_OPERATION, IPP_TAG_NAME, "requesting-user-name", NULL, cupsUser());
	return request;
}

ipp_t *cups_server_request(ipp_op_t operation)
{
	return new_request(operation, "printer-uri", "ipp://localhost/");
}

ipp_t *cups_server_queue_request(ipp_op_t operation, const char *queue)
{
	char uri[HTTP_MAX_URI];

	if (httpAssembleURIf(HTTP_URI_CODING_ALL, uri, sizeof(uri), "ipp", NULL, "localhost", 0,
		    "/printers/%s", queue) < HTTP_URI_STATUS_OK)
		return NULL;
	return new_request(operation, "printer-uri", uri);
}

ipp_t *cups_server_job_request(ipp_op_t operation, int id)
{
	char uri[64];

	snprintf(uri, sizeof(uri), "ipp://localhost/jobs/%d", id);
	return new_request(operation, "job-uri", uri);
}

void cups_server_want(ipp_t *request, const char *const *names, size_t count)
{
	if (request)
		ippAddStrings(request, IPP_TAG_OPERATION, IPP_TAG_KEYWORD, "requested-attributes",
			(int)count, NULL, names);
}

int cups_server_integer(ipp_attribute_t *attribute, int fallback)
{
	ipp_tag_t tag = ippGetValueTag(attribute);

	if (tag == IPP_TAG_BOOLEAN)
		return ippGetBoolean(attribute, 0);
	return tag == IPP_TAG_INTEGER || tag == IPP_TAG_ENUM ? ippGetInteger(attribute, 0)
							     : fallback;
}

void cups_server_text(ipp_attribute_t *attribute, int index, char *buf, size_t bytes)
{
	const char *text = ippGetString(attribute, index, NULL);

	snprintf(buf, bytes, "%s", text ? text : "");
	for (; *buf; buf++) {
		if (!isprint((unsigned char)*buf))
			*buf = '?';
	}
}

int cups_server_each_group(ipp_t *answer, const struct cups_groups *groups)
{
	bool inside = false;
	int r = 0;

	for (ipp_attribute_t *a = ippFirstAttribute(answer); a && r >= 0;
		a = ippNextAttribute(answer)) {
		const char *name = ippGetName(a);

		if (ippGetGroupTag(a) == groups->tag && name) {
			inside = true;
			groups->take(groups->context, name, a);
		} else if (inside) {
			inside = false;
			r = groups->end(groups->context);
		}
	}
	return inside && r >= 0 ? groups->end(groups->context) : r;
}

int cups_server_ping(struct cups_server *server, struct problem *reterr_problem)
{
	static const char *const wanted[] = {"printer-name"};
	ipp_t *request = ippNewRequest(IPP_OP_CUPS_GET_DEFAULT);
	int r;

	cups_server_want(request, wanted, ARRAY_SIZE(wanted));
	r = cups_server_ask(server, request, CUPS_REPEAT, NULL, 0, NULL, reterr_problem);
	return r == -ESRCH ? 0 : r; /* no default printer */
}

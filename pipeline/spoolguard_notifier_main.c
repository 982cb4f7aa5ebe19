/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolguard_notifier_main.c - a CUPS notifier: tells the service that something happened to a job
 *
 * Installed as SERVERBIN/notifier/spoolguard.  cupsd starts it, as its own User, for a subscription
 * whose recipient is spoolguard:///run/cups/spoolguard.wake, and writes IPP events to its standard
 * input; it ends with that input.
 *
 *   N1  For each event about a job one datagram: the job's number, in decimal.  Of what else the
 * event holds (title, user, printer) nothing leaves this process, also not in a core file. N2  It
 * never waits for anybody but cupsd: a datagram that cannot be sent is dropped. N3  It never fails:
 * cupsd would log about it, and start it again. N4  Whoever may subscribe chooses the path: it
 * sends to sockets named spoolguard.wake alone.
 */
#include "pipeline/wake.h"
#include <cups/cups.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The path in the recipient's URI, or the usual one. */
static bool make_address(const char *uri, struct sockaddr_un *ret_address)
{
	char scheme[32], user[64], host[256], path[1024] = WAKE_PATH;
	const char *slash;
	int port;

	if (uri && httpSeparateURI(HTTP_URI_CODING_ALL, uri, scheme, sizeof(scheme), user,
			   sizeof(user), host, sizeof(host), &port, path,
			   sizeof(path)) < HTTP_URI_STATUS_OK)
		return false;
	slash = strrchr(path, '/');
	if (!slash || strcmp(path, "/") == 0)
		slash = strrchr(strcpy(path, WAKE_PATH), '/');
	if (strcmp(slash + 1, WAKE_FILE_NAME) != 0)
		return false;
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return false;
	strcpy(ret_address->sun_path, path);
	return true;
}

static void tell(int fd, const struct sockaddr_un *address, int job_id)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", job_id);

	(void)sendto(fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)address, sizeof(*address));
}

/* False at the end of the input. */
static bool read_event(ipp_t *event)
{
	ipp_state_t state;

	do {
		state = ippReadFile(0, event);
		if (state == IPP_STATE_ERROR || state == IPP_STATE_IDLE)
			return false;
	} while (state != IPP_STATE_DATA);
	return true;
}

static void no_core(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address;
	bool known;
	int fd;

	no_core();
	known = make_address(argc > 1 ? argv[1] : NULL, &address);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (;;) {
		ipp_t *event = ippNew();
		ipp_attribute_t *id;
		bool more = event && read_event(event);

		id = more ? ippFindAttribute(event, "notify-job-id", IPP_TAG_INTEGER) : NULL;
		if (id && known && fd >= 0 && ippGetInteger(id, 0) > 0)
			tell(fd, &address, ippGetInteger(id, 0));
		ippDelete(event);
		if (!more)
			return 0;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/notify.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_BYTES 512

struct notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_bytes;
	uint64_t watchdog_us;
};

/* "/path", or "@name" in the abstract namespace. */
static bool make_address(const char *name, struct notify *notify)
{
	size_t length = strlen(name);

	notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((name[0] != '/' && name[0] != '@') || length < 2 ||
		length >= sizeof(notify->address.sun_path))
		return false;
	memcpy(notify->address.sun_path, name, length);
	notify->address_bytes =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'));
	if (name[0] == '@')
		notify->address.sun_path[0] = '\0';
	return true;
}

/* 0 unless it is a number. */
static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	value = strtoull(text, &end, 10);
	return *end == '\0' ? value : 0;
}

int notify_new(struct notify **ret_notify)
{
	const char *name = getenv("NOTIFY_SOCKET"), *pid = getenv("WATCHDOG_PID");
	struct notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return -ENOMEM;
	notify->fd = -1;
	if (name && make_address(name, notify))
		notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd >= 0 && (!pid || number(pid) == (uint64_t)getpid()))
		notify->watchdog_us = number(getenv("WATCHDOG_USEC"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	*ret_notify = notify;
	return 0;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	io_closep(&notify->fd);
	free(notify);
}

bool notify_has_listener(const struct notify *notify)
{
	return notify->fd >= 0;
}

static void tell(struct notify *notify, const char *text)
{
	if (notify->fd >= 0)
		(void)!sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
			(const struct sockaddr *)&notify->address, notify->address_bytes);
}

void notify_ready(struct notify *notify)
{
	tell(notify, "READY=1");
}

void notify_status(struct notify *notify, const char *text)
{
	char shown[STATUS_BYTES], message[STATUS_BYTES + 16];

	snprintf(message, sizeof(message), "STATUS=%s",
		utf8_printable(text, strlen(text), shown, sizeof(shown)));
	tell(notify, message);
}

void notify_reloading(struct notify *notify)
{
	char message[80];

	snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		clock_monotonic_ns() / 1000);
	tell(notify, message);
}

void notify_stopping(struct notify *notify)
{
	tell(notify, "STOPPING=1");
}

void notify_extend(struct notify *notify, uint64_t ms)
{
	char message[64];

	snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%" PRIu64, ms * 1000);
	tell(notify, message);
}

uint64_t notify_watchdog_ms(const struct notify *notify)
{
	uint64_t ms = notify->watchdog_us / 2000;

	return notify->watchdog_us > 0 && ms == 0 ? 1 : ms;
}

void notify_watchdog(struct notify *notify)
{
	if (notify->watchdog_us > 0)
		tell(notify, "WATCHDOG=1");
}

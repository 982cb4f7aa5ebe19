/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - what systemd is told (sd_notify(3)), without libsystemd
 *
 * One datagram to $NOTIFY_SOCKET for each change; without that variable nothing is sent and
 * everything works.  notify_new() takes the variables out of the environment, so that no child
 * speaks in our name: call it before the first thread is started.
 *
 * The watchdog wants a datagram twice in each interval ($WATCHDOG_USEC, $WATCHDOG_PID).  Whether
 * we deserve one is the caller's to know (pulse.h).
 *
 * Threads: any, after notify_new().  Nothing here blocks: a socket that is full loses a status,
 * and the next one is told.
 */
#ifndef SPOOLGUARD_SUPERVISOR_NOTIFY_H
#define SPOOLGUARD_SUPERVISOR_NOTIFY_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct notify;

must_check int notify_new(struct notify **ret_notify);
void notify_free(struct notify *notify);

/* Somebody named a socket to tell it to. */
bool notify_has_listener(const struct notify *notify);

void notify_ready(struct notify *notify);
/* One line for "systemctl status". */
void notify_status(struct notify *notify, const char *text);
void notify_reloading(struct notify *notify); /* notify_ready() ends it */
void notify_stopping(struct notify *notify);
/* Long work at start or stop: so much time more from now on. */
void notify_extend(struct notify *notify, uint64_t ms);

/* How often to call notify_watchdog(): half of what is allowed; 0: nobody watches. */
uint64_t notify_watchdog_ms(const struct notify *notify);
void notify_watchdog(struct notify *notify);

#endif

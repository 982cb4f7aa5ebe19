/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wake.h - the socket at which the notifier says that a job has ended
 *
 * Datagrams, each the decimal number of a job; a hint to look at cupsd's lists, nothing more.  One
 * that gets lost, because nobody listened or the queue was full (the kernel keeps ten or so), costs
 * the time until the next round by the clock.
 *
 * The notifier is started by cupsd as its User and Group (lp), and has to be able to write: the
 * socket is root's, its group is the sender's, its mode 0620.  Where the group cannot be set (no
 * CAP_CHOWN and not a member) the mode is 0622: anybody on this machine may then cause rounds, at
 * most as many as the caller makes, and nothing else.
 *
 * Errors: -EADDRINUSE  a live socket is there (another service)
 *         -EEXIST      something that is no socket is there
 *         -ENAMETOOLONG, and what bind(2) says
 * Threads: one caller at a time.
 *
 *   W1  Whatever arrives, wake_drain() ends: it takes WAKE_DRAIN_MAX datagrams at most.
 *   W2  What is no number of a job counts as a hint without one.
 */
#ifndef SPOOLGUARD_PIPELINE_WAKE_H
#define SPOOLGUARD_PIPELINE_WAKE_H

#include "base/problem.h"
#include <stdbool.h>
#include <sys/types.h>

#define WAKE_PATH      "/run/cups/spoolguard.wake"
#define WAKE_SCHEME    "spoolguard"
#define WAKE_FILE_NAME "spoolguard.wake" /* the notifier sends to sockets of this name alone */
#define WAKE_DRAIN_MAX 1024u

struct wake;

/* (gid_t)-1: the group "lp".  The path ends in WAKE_FILE_NAME. */
must_check int wake_open(const char *path, gid_t sender_group, struct wake **ret_wake,
	struct problem *reterr_problem);
/* Removes the socket. */
void wake_close(struct wake *wake);
DEFINE_CLEANUP(struct wake *, wake_close)

/* Readable: drain it.  Changes when wake_renew() made a new socket. */
int wake_fd(const struct wake *wake);

/* Somebody may clear /run/cups: makes the socket again if its name is gone.  Once each round. */
must_check int wake_renew(struct wake *wake, struct problem *reterr_problem);

/*
 * Takes what is there.  ids, of WAKE_DRAIN_MAX, receives the numbers, each as often as it came;
 * *ret_woken: something came, be it a number or not.
 */
must_check int wake_drain(
	struct wake *wake, int ids[static WAKE_DRAIN_MAX], size_t *ret_count, bool *ret_woken);

/* "spoolguard:///run/cups/spoolguard.wake": what cups_server_subscribe_notifier() wants. */
#define WAKE_URI_BYTES 128u
must_check int wake_uri(const char *path, char uri[static WAKE_URI_BYTES]);

/* A datagram's number: 0 if it is none.  Pure. */
int wake_parse(const char *text, size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - messages over a Unix stream socket, each ended by a NUL byte
 *
 * A peer that sends more than MESSAGE_BYTES_MAX without a NUL is cut off
 * (-EMSGSIZE, from then on always); one that goes away gives -ECONNRESET.  Memory
 * for one message in each direction is all that a peer can make us use, and it is given
 * back when the message was taken.
 * Threads: one caller at a time for each channel.
 */
#ifndef SPOOLGUARD_IPC_CHANNEL_H
#define SPOOLGUARD_IPC_CHANNEL_H

#include "ipc/message.h"
#include <sys/types.h>

struct channel;

/* Takes fd, also on failure. */
must_check int channel_new(int fd, struct channel **ret_channel);
void channel_free(struct channel *channel);
DEFINE_CLEANUP(struct channel *, channel_free)
int channel_fd(const struct channel *channel);

/* -ENOENT, -ECONNREFUSED: nobody is there. */
must_check int channel_connect(const char *path, struct channel **ret_channel);
/* A listening socket with mode 0600; a dead one in its place is removed.  -EADDRINUSE: a live one
 * is there; -EEXIST: something that is no socket is. */
must_check int channel_listen(const char *path, int *ret_fd);

must_check int channel_send(struct channel *channel, const char *text);
/*
 * With a descriptor beside it (SCM_RIGHTS), which stays the caller's.  -EPERM: the peer takes none
 * from us, or not yet; a server gives leave when it knows us, so something has to be called first.
 */
must_check int channel_send_with_fd(struct channel *channel, const char *text, int fd);
/* timeout_ms < 0: for ever; -ETIMEDOUT. */
must_check int channel_receive(
	struct channel *channel, int timeout_ms, struct message *ret_message);

must_check int channel_peer(
	const struct channel *channel, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid);

/* One call and its answer; takes parameters.  A Varlink error is -EREMOTEIO, with the answer filled
 * in. */
must_check int channel_call(struct channel *channel, const char *method,
	struct json_object *parameters, struct message *ret_answer);

/*
 * A call that is answered many times: each answer that announces another goes to each(), whose true
 * ends it (-ECANCELED: the channel is of no use then but to be freed).  fd: sent along, or -1.  The
 * last answer is *ret_answer, as with channel_call().
 */
must_check int channel_call_more(struct channel *channel, const char *method,
	struct json_object *parameters, int fd,
	bool (*each)(void *context, struct json_object *parameters), void *context,
	struct message *ret_answer);

#endif

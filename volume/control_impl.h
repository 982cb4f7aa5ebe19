/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_impl.h - what the files of the control socket share
 *
 *   control.c           connections, and which method a call names
 *   control_status.c    Status
 *   control_retire.c    Watch, Unwatch, Condemn
 *   control_methods.c   barriers, and what bringing a spool up asks for
 *   control_selftest.c  SelfTestOverwrite, SelfTestMap
 *   control_search.c    Search
 */
#ifndef SPOOLGUARD_VOLUME_CONTROL_IMPL_H
#define SPOOLGUARD_VOLUME_CONTROL_IMPL_H

#include "ipc/channel.h"
#include "volume/control.h"
#include <pthread.h>

struct control {
	int listen_fd;
	struct engine *engine;
	struct fuse_port *port;
	struct nbd_port *nbd;
	bool foreign_writes; /* engine_settle_trust(), if that was for us to do */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int connections;
	unsigned int calls; /* in the engine now */
	bool detach_asked;  /* nobody enters the engine any more */
	bool detach_answered;
	int detach_result;
	unsigned int detach_waiters;
};

struct watched {
	uint64_t id;
	uint64_t blocks;
	struct residue_watch *watch; /* NULL: free */
};

/* For its thread alone. */
struct connection {
	struct control *control;
	struct channel *channel;
	struct watched *watches; /* owned */
	size_t watch_count;
	uint64_t next_id;
	bool leads;
	bool waited_for_detach; /* and has its answer, or cannot be given one */
};

/* A method fills parameters of the reply (an object it is given) or returns -errno. */
typedef int method_function(
	struct connection *connection, struct json_object *in, struct json_object *out);

method_function method_status;
method_function method_watch, method_unwatch, method_condemn;
method_function method_barrier_enter, method_barrier_leave, method_barrier;
method_function method_serve, method_trust, method_distrust, method_allow_unknown_discards,
	method_settle_unknown, method_get_fingerprint, method_set_fingerprint,
	method_set_sweep_owed, method_set_filesystem_expected, method_grow;
method_function method_selftest_overwrite, method_selftest_map;
method_function method_search;

void control_drop_watch(struct connection *connection, struct watched *watched);

void control_add_u64(struct json_object *object, const char *key, uint64_t value);
void control_add_string(struct json_object *object, const char *key, const char *value);
void control_add_bool(struct json_object *object, const char *key, bool value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - the other end of control.h: one function for each method
 *
 * Errors: -ENOENT or -ECONNREFUSED if no volume process is there; what the
 * process answered, as -errno.
 */
#ifndef SPOOLGUARD_VOLUME_CLIENT_H
#define SPOOLGUARD_VOLUME_CLIENT_H

#include "base/extent.h"
#include "blockdev/residue.h"
#include "overwrite/scheme.h"
#include "volume/engine.h"
#include <json-c/json.h>

struct client;

must_check int client_connect(const char *uuid, struct client **ret_client);
void client_free(struct client *client);
DEFINE_CLEANUP(struct client *, client_free)
/* From another thread: the call that waits, and every later one, fails (-ECONNRESET). */
void client_cancel(struct client *client);

must_check int client_serve(struct client *client);
/* Gives an object to json_object_put(). */
must_check int client_status(struct client *client, struct json_object **ret_status);

must_check int client_watch(
	struct client *client, const struct extent_list *extents, uint64_t *ret_watch);
must_check int client_unwatch(struct client *client, uint64_t watch);
/* Ends the watches; one retirement for each. */
must_check int client_condemn(struct client *client, const uint64_t *watches, size_t count,
	struct retirement *ret_retirements);

must_check int client_barrier_enter(struct client *client, bool *ret_lead);
must_check int client_barrier_leave(struct client *client, bool done);
must_check int client_barrier(struct client *client, bool all, uint64_t *ret_epoch);

must_check int client_trust(struct client *client);
must_check int client_distrust(struct client *client);
must_check int client_allow_unknown_discards(struct client *client);
must_check int client_settle_unknown(struct client *client);
must_check int client_get_fingerprint(
	struct client *client, uint8_t ret_bytes[static RESIDUE_FINGERPRINT_BYTES]);
must_check int client_set_fingerprint(
	struct client *client, const uint8_t bytes[static RESIDUE_FINGERPRINT_BYTES]);
must_check int client_set_sweep_owed(struct client *client, bool owed);
must_check int client_set_filesystem_expected(struct client *client, bool expected);
must_check int client_grow(struct client *client, uint64_t *ret_blocks);
/* -ETIMEDOUT: no answer within so long (< 0: for ever); nothing more is answered to this client. */
must_check int client_selftest_overwrite(
	struct client *client, int timeout_ms, struct scratch_report *ret_report);
must_check int client_selftest_map(
	struct client *client, int timeout_ms, struct residue_check *ret_check);

/*
 * Strings, each under the same mask: strings[i] XOR mask is what is searched for.  They are never
 * in clear here; the volume process has them so for as long as the call lasts.
 */
#define CLIENT_SEARCH_BYTES_MAX 64u
struct client_search {
	enum engine_area area;
	struct extent at;
	uint8_t mask[CLIENT_SEARCH_BYTES_MAX];
	struct {
		uint8_t masked[CLIENT_SEARCH_BYTES_MAX];
		size_t bytes;
	} strings[ENGINE_STRINGS_MAX];
	size_t count;
};
/* engine_search().  -ENOSYS: the process is of an older version, which has no such method. */
must_check int client_search(struct client *client, const struct client_search *what,
	struct engine_search_report *ret_report);

/* -EBUSY: it is served through NBD, clients are connected, and they are not to be cut off. */
must_check int client_detach(struct client *client, bool disconnect);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/volume_port.h"

/* Each function passes its call on; the context is the client. */

static int watch(void *context, const struct extent_list *extents, uint64_t *ret_watch)
{
	return client_watch(context, extents, ret_watch);
}

static int unwatch(void *context, uint64_t watch)
{
	return client_unwatch(context, watch);
}

static int condemn(
	void *context, const uint64_t *watches, size_t count, struct retirement *ret_retirements)
{
	return client_condemn(context, watches, count, ret_retirements);
}

static int barrier_enter(void *context, bool *ret_lead)
{
	return client_barrier_enter(context, ret_lead);
}

static int barrier_leave(void *context, bool done)
{
	return client_barrier_leave(context, done);
}

static int barrier(void *context, bool all, uint64_t *ret_epoch)
{
	return client_barrier(context, all, ret_epoch);
}

static int trust(void *context)
{
	return client_trust(context);
}

static int distrust(void *context)
{
	return client_distrust(context);
}

static int allow_unknown_discards(void *context)
{
	return client_allow_unknown_discards(context);
}

static int settle_unknown(void *context)
{
	return client_settle_unknown(context);
}

static int get_fingerprint(void *context, uint8_t ret_bytes[static RESIDUE_FINGERPRINT_BYTES])
{
	return client_get_fingerprint(context, ret_bytes);
}

static int set_sweep_owed(void *context, bool owed)
{
	return client_set_sweep_owed(context, owed);
}

static int set_filesystem_expected(void *context, bool expected)
{
	return client_set_filesystem_expected(context, expected);
}

struct spool_port volume_port(struct client *client)
{
	return (struct spool_port){
		.context = client,
		.watch = watch,
		.unwatch = unwatch,
		.condemn = condemn,
		.barrier_enter = barrier_enter,
		.barrier_leave = barrier_leave,
		.barrier = barrier,
		.trust = trust,
		.distrust = distrust,
		.allow_unknown_discards = allow_unknown_discards,
		.settle_unknown = settle_unknown,
		.get_fingerprint = get_fingerprint,
		.set_sweep_owed = set_sweep_owed,
		.set_filesystem_expected = set_filesystem_expected,
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.h - the service as a whole: which parts there are, and the order in which they come
 *
 *   start  configuration -> lock of the state directory -> device keys, audit log -> ledger
 *          -> server listens
 *          -> SELF-TEST (in a thread) -> keepers -> retirer -> follower of CUPS -> READY
 *   stop   STOPPING -> server takes no more calls -> follower, retirer (its batch comes to its end)
 *          -> keepers (the volumes stay attached) -> ledger, events
 *
 *   X1  No keeper asks for a volume before the tests of the algorithms have passed once.
 *   X2  Stopping detaches nothing: an upgrade never takes a spool from a ward that prints.
 *   X3  One service for a state directory and for a runtime directory; the second refuses.
 *   X4  Access to the socket is for everybody (mode 0666): who may do what is decided by who the
 *       caller is (roles), each refusal is an event, and a program that prints needs no group to
 *       be told no.
 *
 * Parts are made once and live until supervisor_free(); a pointer that is NULL is a part that this
 * configuration has not (no CUPS), or that could not be had: state says why.
 * Threads: the functions here from any, except supervisor_run() and supervisor_free().
 */
#ifndef SPOOLGUARD_SUPERVISOR_SUPERVISOR_H
#define SPOOLGUARD_SUPERVISOR_SUPERVISOR_H

#include "harness/harness.h"
#include "keystore/device_keys.h"
#include <stdatomic.h>
#include "supervisor/config.h"
#include "supervisor/events.h"
#include "supervisor/keeper.h"
#include "supervisor/state.h"

struct ledger;
struct policy;
struct retirer;
struct supervisor_impl;

struct supervisor {
	/* The configuration as it was at start or at the last reload; borrowed by all parts, so
	 * that a reload changes it in place only where supervisor_reload() says that it may. */
	struct config *config;
	struct state *state;
	struct events *events;
	struct device_keys *_Atomic keys; /* supervisor_keys() */
	struct ledger *ledger;
	struct retirer *retirer; /* there if the ledger is */
	struct policy *policy;
	struct keeper *keepers[CONFIG_VOLUMES_MAX]; /* in the order of the configuration */
	size_t keeper_count;
	struct supervisor_impl *impl;
};

/* Makes all parts and starts none.  -EBUSY: another service has the directories. */
must_check int supervisor_new(const char *config_path, struct supervisor **ret_supervisor,
	struct problem *reterr_problem);
/* Starts, and returns when SIGTERM or SIGINT has been obeyed. */
must_check int supervisor_run(struct supervisor *supervisor, struct problem *reterr_problem);
void supervisor_free(struct supervisor *supervisor);

/* With which receipts are signed, and names hidden; lives as long as the supervisor.  NULL: they
 * could not be opened (yet): nothing can be claimed now, and the state says why. */
struct device_keys *supervisor_keys(struct supervisor *supervisor);
/* The key of the volume with that UUID is in that state now.  Its record follows in a moment, or
 * with supervisor_tell_keys(), which waits until it is durable. */
void supervisor_note_key(struct supervisor *supervisor, const char *uuid,
	enum device_key_state state, const char *reason);
void supervisor_tell_keys(struct supervisor *supervisor);

/* Does a configured volume lie where CUPS has its spool?  Otherwise CUPS is left alone. */
bool supervisor_follows_cups(const struct config *config);

/* By its name in the configuration; NULL. */
struct keeper *supervisor_find_keeper(struct supervisor *supervisor, const char *volume);
/* The keeper of the volume with that UUID, if it is open now; NULL. */
struct keeper *supervisor_find_uuid(struct supervisor *supervisor, const char *uuid);

/*
 * Runs the self-tests: groups and inject as in harness.h.  State and events follow from the
 * report, unless a fault was injected.  Waits for the outcome; what harness_run() says, and
 * -EPERM: injections are not allowed while a volume is open.
 */
must_check int supervisor_test(struct supervisor *supervisor, unsigned int groups,
	const char *inject, struct harness_report **ret_report, struct problem *reterr_problem);
/* The last report without an injection; NULL before the first.  harness_report_free() it. */
struct harness_report *supervisor_last_report(struct supervisor *supervisor);

/*
 * Reads the file again (also SIGHUP).  Roles, limits, schedules, on_failure and metrics_file are
 * taken at once; what cannot change at run time (paths of the service, volumes, watches, CUPS)
 * stays, and is named in *ret_kept (empty: nothing).  On failure all stays as it was.
 */
must_check int supervisor_reload(struct supervisor *supervisor, char *ret_kept, size_t kept_bytes,
	struct problem *reterr_problem);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - sees to it that one configured volume is open, and stays so
 *
 *   ABSENT --> LOCKED --> OPENING --> OPEN --+--> LOST (its process died) --> OPENING ...
 *     medium     no key       |              |
 *     not there  yet          +--> FAILED    +--> CLOSED (detached on purpose; stays so)
 *
 * The work that needs privilege (attach, mount, binds) is the mounter's (mounter.h).  A volume
 * that is attached already (by hand, or before the service was restarted) is adopted as it is.
 * A dead volume process is noticed at once (a descriptor of the process) and started again, its
 * mount and binds brought back; after KEEPER_RESTARTS_MAX within KEEPER_RESTARTS_S the keeper
 * gives up until an administrator attaches it, and says so.  What failed otherwise is tried again
 * at growing intervals, and at once when the medium or the key file changes.
 *
 * DECOMMISSIONED (closure.h): it was closed for good, and stays so until it has been formatted anew
 * and an administrator attaches it.
 *
 * CLOSED outlives the service (RUNTIME/closed.NAME): a drive that is being swapped is not opened
 * again by an upgrade.  It does not outlive a boot.
 *
 *   K1  A key is asked for anew at each start, and kept nowhere; the boot key alone is
 *       kept, in locked memory of the mounter, and its loss is the loss of the spool.
 *
 * One thread for each keeper.  The functions here: any thread.
 */
#ifndef SPOOLGUARD_SUPERVISOR_KEEPER_H
#define SPOOLGUARD_SUPERVISOR_KEEPER_H

#include "keystore/device_keys.h"
#include "supervisor/config.h"
#include "supervisor/events.h"
#include "supervisor/state.h"
#include "volume/runtime.h"

#define KEEPER_RESTARTS_MAX 10
#define KEEPER_RESTARTS_S   600

enum keeper_state {
	KEEPER_ABSENT,
	KEEPER_LOCKED,
	KEEPER_OPENING,
	KEEPER_OPEN,
	KEEPER_LOST,
	KEEPER_FAILED,
	KEEPER_CLOSED,
	KEEPER_DECOMMISSIONED,
};

struct keeper;
struct mounter_client;

struct keeper_options {
	const struct config_volume *volume; /* borrowed for good, as all here */
	const char *mounter_path;	    /* the mounter's socket */
	const char *state_directory;	    /* of closure.h */
	struct state *state;
	struct events *events;
	/*
	 * Called from the keeper's thread when it became OPEN, and before it ceases to be on
	 * purpose or after it did: who has something open on the spool lets go before he returns.
	 */
	void (*changed)(void *context, struct keeper *keeper);
	/* The volume's key is in that state now.  May be NULL. */
	void (*key)(
		void *context, const char *uuid, enum device_key_state state, const char *reason);
	void *context;
};

must_check int keeper_new(const struct keeper_options *options, struct keeper **ret_keeper);
must_check int keeper_start(struct keeper *keeper);
/* Who waits in a call below is told -ESHUTDOWN or -ECANCELED; what the mounter does goes on. */
void keeper_stop(struct keeper *keeper);
/* The volume stays attached. */
void keeper_free(struct keeper *keeper);

enum keeper_state keeper_state(struct keeper *keeper);
const char *keeper_state_text(enum keeper_state state); /* "open" */
/* Its thread comes round, or waits for something that may last (pulse.h). */
bool keeper_is_alive(struct keeper *keeper);
const struct config_volume *keeper_volume(const struct keeper *keeper);
/* How often its process died and was started again, since the service was started. */
uint64_t keeper_restarts(struct keeper *keeper);
/* What records of the audit log are about: its UUID, or before it was open once, its name;
 * returns buf. */
#define KEEPER_OBJECT_BYTES 64
const char *keeper_object(struct keeper *keeper, char buf[static KEEPER_OBJECT_BYTES]);
/* -ENOTCONN: not OPEN. */
must_check int keeper_runtime(struct keeper *keeper, struct runtime_state *ret_state);
/*
 * {"name","state","why","uuid","mount","configured_mount","medium","key":{"source","file","place","beside"},
 *  "restarts","warnings":[]}, and "volume" (attached/volume_status.h) if it is OPEN; gives.
 */
struct json_object *keeper_to_json(struct keeper *keeper);

/* By an administrator.  passphrase_fd: taken; -1: as configured.  Waits for the outcome. */
must_check int keeper_attach(
	struct keeper *keeper, int passphrase_fd, struct problem *reterr_problem);
must_check int keeper_detach(struct keeper *keeper, struct problem *reterr_problem);
/*
 * Detached, if it is open, and closed for good: its closure is CLOSED already.  uuid: its key is
 * deactivated; "": not known.
 */
must_check int keeper_close_for_good(
	struct keeper *keeper, const char *uuid, struct problem *reterr_problem);
/*
 * A new key and a new file system; everything on it is gone (mounter.h Renew).  It must be OPEN.
 * Gives what the mounter reports (ret_report may be NULL).
 */
struct keeper_renewal {
	int passphrase_fd; /* taken; the volume's own passphrase, which stays its own; -1: as
			      configured (-ENOKEY if only an administrator has it) */
	bool by_force;	   /* whoever has files open there meets errors; else -EBUSY */
};
must_check int keeper_renew(struct keeper *keeper, const struct keeper_renewal *how,
	struct json_object **ret_report, struct problem *reterr_problem);

#endif

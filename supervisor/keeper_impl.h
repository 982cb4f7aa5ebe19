/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_impl.h - what keeper.c (its life, what others ask) and keeper_steps.c (what its thread
 * does) share
 */
#ifndef SPOOLGUARD_SUPERVISOR_KEEPER_IMPL_H
#define SPOOLGUARD_SUPERVISOR_KEEPER_IMPL_H

#include "supervisor/keeper.h"
#include "supervisor/mounter_client.h"
#include "supervisor/pulse.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define KEEPER_WHY_BYTES 512

enum keeper_request { REQUEST_NONE, REQUEST_ATTACH, REQUEST_DETACH, REQUEST_CLOSE, REQUEST_RENEW };

/* What a file was when something failed with it. */
struct keeper_mark {
	bool there;
	dev_t device;
	ino_t inode;
	off_t bytes;
	struct timespec changed;
};

struct keeper {
	struct keeper_options options;
	struct mounter_client *mounter;
	char key_medium[80], key_key[80]; /* of its reasons: "volume:NAME", "key:NAME" */
	pthread_t thread;
	bool started;
	int wake_fd;
	atomic_bool stop;
	struct pulse pulse;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a request was taken, or answered */
	enum keeper_state state;
	char why[KEEPER_WHY_BYTES];
	struct runtime_state runtime; /* OPEN */
	struct json_object *warnings; /* of the last attach */
	uint64_t restarts;
	enum keeper_request request;
	char request_uuid[RUNTIME_UUID_BYTES]; /* REQUEST_CLOSE */
	struct keeper_renewal request_how;     /* of an attach its descriptor alone */
	struct json_object *request_report;    /* of a renewal; owned until it is taken */
	bool request_done;
	int request_result;
	struct problem request_problem;

	/* The thread's own. */
	int process_fd;	  /* of the volume process: readable when it ends; -1 */
	uint64_t next_ns; /* when to try again, or to look again */
	unsigned int failures;
	bool detaching; /* its end is begun, and not yet true */
	bool stuck_known;
	uint64_t stuck_blocks; /* that the audit log knows of */
	bool given_up;	       /* until an administrator attaches it */
	bool mounter_owed;     /* adopted without the mounter: its binds are not looked after */
	struct keeper_mark medium_mark, key_mark;
	uint64_t deaths_ns[KEEPER_RESTARTS_MAX];
	size_t deaths;
};

/* Raises or clears reasons, notes an event and calls changed() as the change demands. */
void keeper_set(struct keeper *keeper, enum keeper_state state, const char *format, ...)
	format_printf(3, 4);

/* An event about the volume; data: of the kind, taken; its name is added. */
void keeper_note(struct keeper *keeper, const char *event, const char *outcome, const char *detail,
	struct json_object *data);

/* One turn: what is to be done now is done.  Returns how long to wait, in milliseconds. */
int keeper_step(struct keeper *keeper);
/* The first thing: closed on purpose before the service was started? */
void keeper_begin(struct keeper *keeper);

must_check int keeper_do_attach(
	struct keeper *keeper, int passphrase_fd, struct problem *reterr_problem);
must_check int keeper_do_detach(struct keeper *keeper, struct problem *reterr_problem);
must_check int keeper_do_close(
	struct keeper *keeper, const char *uuid, struct problem *reterr_problem);
must_check int keeper_do_renew(struct keeper *keeper, const struct keeper_renewal *how,
	struct json_object **ret_report, struct problem *reterr_problem);

#endif

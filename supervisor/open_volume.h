/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open_volume.h - one configured volume is attached, detached or made anew, as the mounter does it
 *
 *   open   attached already? -> adopted, and what is missing of its binds is bound
 *          decommissioned (closure.h) -> refused
 *          half attached, or its process dead -> cleared away
 *          a renewal that was interrupted -> finished first
 *          boot-key: this boot's key -> attached; none (a new boot, or the mounter was
 *             restarted) -> made anew with a new key
 *          otherwise -> attached with its passphrase
 *   renew  detached (in use and by force: its process ended, what it left cleared) -> record
 * (volume_record.h, R1) -> every key slot destroyed, read back
 *          -> new header, new key, new ext4, everything before it owed its passes -> record
 *          taken back -> attached
 *
 *   O1  Nothing is destroyed of which it is not known that it is ours: a volume made by us with
 *       a key of one boot, a volume that an administrator renews, a medium that holds nothing.
 *   O2  What a crash interrupts is done anew from its beginning by the next open.
 *
 * Threads: one, always the same: a volume process dies with the thread that started it until it
 * is ready (volume/launch.h).
 */
#ifndef SPOOLGUARD_SUPERVISOR_OPEN_VOLUME_H
#define SPOOLGUARD_SUPERVISOR_OPEN_VOLUME_H

#include "attached/attach_spool.h"
#include "crypto/secret.h"
#include "supervisor/config.h"
#include "supervisor/volume_record.h"

/* The key of a volume that is made at each boot; empty until then. */
struct open_volume_key {
	struct secret *secret; /* owned */
	char uuid[RUNTIME_UUID_BYTES];
};

struct open_volume_report {
	bool adopted;			   /* it was attached before */
	bool made;			   /* it is new: what was on it is gone */
	bool renewal_resumed;		   /* ... because a renewal had been interrupted */
	char replaced[RUNTIME_UUID_BYTES]; /* made: the volume that was there; "": not known */
	unsigned int slots_destroyed;
	uint64_t owed_bytes;	 /* of the medium, when it was made */
	uint32_t header_backups; /* of the old header: each is a key that lies elsewhere */
	bool attached_now;	 /* attached.* says something */
	struct attach_spool_report attached;
	struct runtime_state state; /* what it is attached as */
};

struct open_volume_request {
	const struct config *config;
	const struct config_volume *volume;
	struct open_volume_key *key;
	const struct secret *passphrase; /* NULL: as configured */
	bool by_force; /* renew: a volume that is in use loses its process, as by a crash */
};

/*
 * -ENOKEY: no passphrase is to be had now; -EPERM: it opens nothing; -EEXIST: O1; and what
 * attach_spool() and volume_format() say; -EKEYREVOKED: it was decommissioned.
 */
must_check int open_volume(const struct open_volume_request *request,
	struct open_volume_report *ret_report, struct problem *reterr_problem);
must_check int open_volume_renew(const struct open_volume_request *request,
	struct open_volume_report *ret_report, struct problem *reterr_problem);
/* -ENODEV: it is not attached. */
must_check int open_volume_close(const struct config_volume *volume, struct problem *reterr_warning,
	struct problem *reterr_problem);

void open_volume_key_done(struct open_volume_key *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.h - an ext4 on a volume's block device, mounted as a spool must be
 *
 * nodev, nosuid, noexec, noatime, data=ordered, discard.  Online discard keeps the
 * time short in which ext4 may reuse a freed block before the volume has heard of
 * it; barriers never rely on it (free_space.h).
 *
 *   N1  The mount point underneath is an empty directory, mode 0000 and immutable, so
 *       that nothing can print onto the bare disk when the volume is away.
 */
#ifndef SPOOLGUARD_SPOOL_MOUNT_H
#define SPOOLGUARD_SPOOL_MOUNT_H

#include "base/problem.h"
#include <stdbool.h>
#include <sys/types.h>

/* What a mount point was before it was sealed. */
struct mount_seal {
	bool sealed; /* false where the file system below has no immutable flag */
	bool made;
	bool changed; /* was not immutable */
	mode_t mode;
};

enum mount_point_mode {
	MOUNT_POINT_CLOSED, /* 0000 */
	MOUNT_POINT_KEPT,   /* as it is: another program's directory, whose owner and mode the one
			       that is bound over it is to have */
};

/*
 * Makes the mount point if it does not exist, and seals it (N1).  -ENOTDIR,
 * -ENOTEMPTY, -EBUSY (something is mounted there).
 */
must_check int mount_point_seal(const char *point, enum mount_point_mode mode,
	struct mount_seal *ret_seal, struct problem *reterr_problem);
/* Nothing was mounted after all: it is again what it was, as far as that can be. */
void mount_point_unseal(const char *point, const struct mount_seal *seal);

must_check int mount_spool(
	const char *device, const char *point, bool read_only, struct problem *reterr_problem);

/* -EBUSY: names who holds it. */
must_check int mount_end(const char *point, struct problem *reterr_problem);

/*
 * The directory (an open one, of a mounted spool) is seen at another place too, with the spool's
 * own nodev, nosuid and noexec.
 */
must_check int mount_bind(int directory_fd, const char *to, struct problem *reterr_problem);

/* From one place to another, without an instant in which it is nowhere. */
must_check int mount_move(const char *from, const char *to, struct problem *reterr_problem);

#endif

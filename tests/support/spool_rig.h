/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_rig.h - a volume with an ext4 on a simulated disk, for tests of the in-process port
 *
 * Everything below the file system is the real thing: residue map, eraser, redo layer.  Only
 * the LUKS2 header is missing: the volume key is a random one of the test's.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SPOOL_RIG_H
#define SPOOLGUARD_TESTS_SUPPORT_SPOOL_RIG_H

#include "blockdev/redo.h"
#include "blockdev/residue.h"
#include "overwrite/eraser.h"
#include "spool/inprocess.h"
#include <stdbool.h>

struct spool_rig {
	struct layout layout;
	struct secret *key;
	struct blockdev *disk; /* borrowed: whatever spool_rig_open() was given */
	struct residue *residue;
	struct eraser *eraser;
	struct blockdev *below;
	struct redo *redo;
	struct inprocess *inprocess;
	struct residue_open_report opened;
	enum redo_outcome outcome;
	struct problem problem;
};

/* A new disk with a fresh volume of that many data blocks and an ext4; closed in order.  Aborts
 * if that cannot be. */
struct blockdev *spool_rig_make(struct spool_rig *rig, uint64_t data_blocks);
void spool_rig_done(struct spool_rig *rig); /* drops and forgets the key, not the disk */

/* As the volume and the command line open it: map, replay, file system.  On error all is dropped,
 * and the problem is in rig->problem. */
must_check int spool_rig_open(struct spool_rig *rig, struct blockdev *disk, bool read_only);
/* Only the map and what lies above it up to the replay. */
must_check int spool_rig_open_volume(struct spool_rig *rig, struct blockdev *disk, bool read_only);
must_check int spool_rig_close(struct spool_rig *rig); /* settles, in order */
void spool_rig_drop(struct spool_rig *rig);	       /* as a crash: nothing more is written */

/* What the source of a put reads: an unlinked file with these bytes, at its start. */
int spool_rig_source(const void *bytes, size_t count);
must_check int spool_rig_put(
	struct spool_rig *rig, const char *name, const void *bytes, size_t count);
/* The file's bytes (count at most), or -errno. */
must_check int spool_rig_get(
	struct spool_rig *rig, const char *name, void *bytes, size_t count, size_t *ret_count);
must_check bool spool_rig_has(struct spool_rig *rig, const char *name);

/*
 * e2fsck -fn on what the volume reads as (blocks that the bitmaps call free as zeros).  A content
 * that was found clean before is not checked again.  False, and e2fsck's words on stderr, if not.
 */
must_check bool spool_rig_is_whole(struct spool_rig *rig);
/* Everything free is CLEAN and shows one byte repeated on the medium; so does the redo area. */
must_check bool spool_rig_is_paid(struct spool_rig *rig);
/* How often the bytes occur in what the volume reads as. */
size_t spool_rig_count(struct spool_rig *rig, const void *bytes, size_t count);

#endif

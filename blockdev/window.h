/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - a run of another blockdev's blocks, as a blockdev
 *
 * The parent is borrowed and must outlive the window.  A flush of the window
 * flushes the parent.
 */
#ifndef SPOOLGUARD_BLOCKDEV_WINDOW_H
#define SPOOLGUARD_BLOCKDEV_WINDOW_H

#include "blockdev/blockdev.h"

/* -ERANGE if the run leaves the parent. */
must_check int window_new(struct blockdev *parent, struct extent run, struct blockdev **ret_bd);

/* After the parent grew: the run's new length.  -ERANGE as above; may only grow. */
must_check int window_grow(struct blockdev *window, uint64_t blocks);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_impl.h - the part of the guard that asks who uses a medium (G2)
 *
 * Each returns a descriptor open for reading, or -errno with the line.  st is
 * of path, and of the right kind.
 */
#ifndef SPOOLGUARD_BLOCKDEV_GUARD_IMPL_H
#define SPOOLGUARD_BLOCKDEV_GUARD_IMPL_H

#include "blockdev/device_tree.h"
#include "blockdev/guard.h"
#include <sys/stat.h>

must_check int guard_open_unused_device(const char *path, const struct stat *st,
	const struct guard_options *options, struct problem *reterr_problem);
must_check int guard_open_unused_file(const char *path, const struct stat *st,
	const struct guard_options *options, struct problem *reterr_problem);

#endif

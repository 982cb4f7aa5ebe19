/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable.h - small files that are replaced whole, and are there after a power cut
 *
 *   new file, fsync, rename over the old one, fsync of the directory
 *
 * Whoever reads one finds what was written last, or what was there before.
 */
#ifndef SPOOLGUARD_BASE_DURABLE_H
#define SPOOLGUARD_BASE_DURABLE_H

#include "base/macros.h"
#include <stddef.h>

/* PATH.new is used on the way; mode 0600. */
must_check int durable_write(const char *path, const char *text);
/* What is not there is removed already. */
must_check int durable_remove(const char *path);
/* The whole file, with a NUL behind it; -EFBIG: it is longer than bytes - 1; -EBADMSG: a NUL is in
 * it. */
must_check int durable_read(const char *path, char *buf, size_t bytes);

#endif

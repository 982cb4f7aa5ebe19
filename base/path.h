/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - paths as text; pure, nothing is looked up
 */
#ifndef SPOOLGUARD_BASE_PATH_H
#define SPOOLGUARD_BASE_PATH_H

#include "base/macros.h"
#include <stdbool.h>

/*
 * The path is the directory, or lies in it at any depth.  Both are as realpath(3) gives them, or
 * both relative to one place; slashes at the end of directory do not count.
 */
bool path_is_at_or_below(const char *path, const char *directory);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_paths.h - where a CUPS server keeps what, from its cups-files.conf
 *
 * As cupsd works them out: what is not set has CUPS's own default (Debian's places); what does not
 * begin with "/" lies below ServerRoot, which is the directory of cupsd.conf unless it is set.
 * Pure.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_PATHS_H
#define SPOOLGUARD_PIPELINE_CUPS_PATHS_H

#include "pipeline/cups_conf.h"
#include <limits.h>

struct cups_path {
	const char *directive;
	unsigned int line; /* in cups-files.conf; 0: not set there */
	char path[PATH_MAX];
};

enum cups_path_name {
	CUPS_SERVER_ROOT,
	CUPS_REQUEST_ROOT,
	CUPS_TEMP_DIR,
	CUPS_CACHE_DIR,
	CUPS_STATE_DIR,
	CUPS_ACCESS_LOG, /* a path, "syslog" or "stderr"; so the other logs */
	CUPS_ERROR_LOG,
	CUPS_PAGE_LOG,
	CUPS_PATHS,
};

struct cups_paths {
	struct cups_path items[CUPS_PATHS];
};

/* files: cups-files.conf, may be empty; config: path of cupsd.conf.  -ENAMETOOLONG. */
must_check int cups_paths_get(
	const struct cups_conf *files, const char *config, struct cups_paths *ret_paths);

/* False for "syslog", "stderr" and what is below /dev: there is no file to speak of. */
bool cups_path_is_file(const struct cups_path *path);

#endif

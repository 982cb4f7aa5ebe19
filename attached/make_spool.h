/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_spool.h - from a medium to an encrypted spool: volume_format(), then an ext4 through the map
 *
 * Whether the path may be destroyed is the caller's question (blockdev/guard.h).
 */
#ifndef SPOOLGUARD_ATTACHED_MAKE_SPOOL_H
#define SPOOLGUARD_ATTACHED_MAKE_SPOOL_H

#include "volume/format.h"

/*
 * options->ret_volume_key is not looked at.  A crash in between leaves a volume without a file
 * system, or a header that attach refuses in words.
 */
must_check int make_spool(const char *path, const struct volume_format_options *options,
	bool filesystem, const struct secret *passphrase, struct volume_format_report *ret_report,
	struct problem *reterr_problem);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open_volume_impl.h - what open_volume.c (there and back) and open_volume_make.c (anew) share
 */
#ifndef SPOOLGUARD_SUPERVISOR_OPEN_VOLUME_IMPL_H
#define SPOOLGUARD_SUPERVISOR_OPEN_VOLUME_IMPL_H

#include "supervisor/open_volume.h"

/* With its configured mount, binds, scheme, read-back and profile. */
must_check int open_volume_attach(const struct config_volume *volume,
	const struct secret *passphrase, struct open_volume_report *report,
	struct problem *reterr_problem);

/* False: there is no header that can be read. */
bool open_volume_get_uuid(const char *medium, char ret_uuid[static RUNTIME_UUID_BYTES]);

/* The request's, or as configured: *ret_read is then to be freed. */
must_check int open_volume_get_passphrase(const struct open_volume_request *request,
	struct secret **ret_read, const struct secret **ret_passphrase,
	struct problem *reterr_problem);

/* A new key of this boot, a new volume, attached.  record: NULL, or what is known of the medium. */
must_check int open_volume_make_boot(const struct open_volume_request *request,
	const struct volume_record *record, struct open_volume_report *report,
	struct problem *reterr_problem);

/* The old keys, the new volume, the record taken back; not attached. */
must_check int open_volume_finish(const struct open_volume_request *request,
	const struct volume_record *record, const struct secret *passphrase,
	struct open_volume_report *report, struct problem *reterr_problem);

#endif

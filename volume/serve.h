/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - what every process that serves a volume does, whatever port it serves
 *
 *   serve_open -> the port -> serve_listen (control socket) -> harden_late -> engine_start
 *   -> serve_say
 *
 * Used by spoolguard_volume_main.c (FUSE) and nbdkit_plugin_main.c (NBD).
 */
#ifndef SPOOLGUARD_VOLUME_SERVE_H
#define SPOOLGUARD_VOLUME_SERVE_H

#include "crypto/profile.h"
#include "volume/engine.h"

struct serve_options {
	const char *path;
	int passphrase_fd; /* read to its end, and closed */
	struct engine_options engine;
	enum profile profile;
};

/* By the name that the command line has for it; -EINVAL. */
must_check int serve_parse_verify(const char *name, enum verify_mode *ret_verify);

/* Memory locked, algorithms tested, then the key: in this order, before any thread is started. */
must_check int serve_open(const struct serve_options *options, struct engine **ret_engine,
	struct problem *reterr_problem);

must_check int serve_listen(const char *uuid, int *ret_fd, struct problem *reterr_problem);

/* "ok", or "-ERRNO TEXT", to who started us (launch.h); closes fd. */
void serve_say(int fd, int error, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_context.h - what "spoolguard cups ..." works on: options, both configuration files, paths
 *
 *   X1  Where a confinement is in force (SPOOLGUARD_CONFINE, a test build) every path that is
 *       read, written or started for is asked of it first: the system's /etc/cups is out of
 *       reach then.
 *   X2  --root says where etc/ and usr/ are looked for; what cupsd.conf and cups-files.conf name is
 *       taken as cupsd takes it.
 */
#ifndef SPOOLGUARD_CLI_CUPS_CONTEXT_H
#define SPOOLGUARD_CLI_CUPS_CONTEXT_H

#include "pipeline/cups_edit.h"
#include "pipeline/cups_residue.h"
#include <limits.h>
#include <stdbool.h>

#define CUPS_WITHOUT_MAX 64

struct cups_options {
	const char *root;	  /* "": this machine's */
	const char *config;	  /* NULL: ROOT/etc/cups/cupsd.conf */
	const char *files_config; /* NULL: cups-files.conf beside it */
	const char *cupsd;	  /* the program, for its -t */
	const char *templates;	  /* NULL: ROOT/usr/share/spoolguard, or of /usr/local */
	const char *reload_command, *stop_command, *start_command; /* NULL: see cups_control.h */
	const char *volume_mount;				   /* of migrate; NULL: find it */
	const char *without[CUPS_WITHOUT_MAX];
	size_t without_count;
	unsigned int wait_s;
	bool json, dry_run, no_reload;
	const char *directory; /* of migrate: of the volume, for the spool; NULL: its root */
};

struct cups_context {
	const struct cups_options *options;
	char config[PATH_MAX], files_config[PATH_MAX], queues_path[PATH_MAX];
	struct cups_text config_text, files_text;
	bool has_files; /* cups-files.conf exists; else its text is empty */
	struct cups_conf conf, files;
	struct cups_paths paths;
	struct cups_conf queues; /* printers.conf; empty if it is not there */
	int queues_error;	 /* why it could not be read, or 0 */
};

/* Reads everything.  -ENOENT, -EACCES: a file; -EINVAL: what cups_conf.h says; -EPERM: X1. */
must_check int cups_context_open(const struct cups_options *options,
	struct cups_context *ret_context, struct problem *reterr_problem);
void cups_context_done(struct cups_context *context);

/* A whole file; a text that is empty if it is missing and may_be_missing.  X1. */
must_check int cups_read_text(const char *path, bool may_be_missing, struct cups_text *ret_text,
	struct problem *reterr_problem);

/* ROOT + path.  -ENAMETOOLONG. */
must_check int cups_context_path(const struct cups_context *context, const char *path,
	char ret_path[static PATH_MAX], struct problem *reterr_problem);

/* What a path lies on (or will, if it does not exist yet): a cups_places function; context is not
 * looked at. */
enum cups_place cups_context_place(void *context, const char *path);

bool cups_is_without(const struct cups_options *options, const char *id);

/* What the service reads of a running cupsd goes through the first of its addresses that answers:
 * "/run/cups/cups.sock", "localhost:631".  False: past the last. */
bool cups_context_address(
	const struct cups_context *context, size_t index, char *ret_address, size_t bytes);

#endif

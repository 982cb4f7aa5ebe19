/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - spoolguard.conf: one INI file, every key with a default
 *
 * config_keys() is the one table of keys: the parser, "spoolguard config check", the man page
 * (spoolguard.conf(5)) and its test are held against it.  Unknown sections and keys are errors: a
 * typing error must not leave a spool unprotected in silence.  Every error names file, line, key
 * and reason.
 */
#ifndef SPOOLGUARD_SUPERVISOR_CONFIG_H
#define SPOOLGUARD_SUPERVISOR_CONFIG_H

#include "audit/log.h"
#include "base/problem.h"
#include "supervisor/schedule.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_PATH_DEFAULT "/etc/spoolguard/spoolguard.conf"
#define CONFIG_VOLUMES_MAX  16
#define CONFIG_BINDS_MAX    8
#define CONFIG_GROUPS_MAX   8
#define CONFIG_RETAIN_MAX   16
#define CONFIG_WATCHES_MAX  16
#define CONFIG_NAME_BYTES   33 /* [volume NAME]: letters, digits, "-", "_" */

enum config_unlock {
	CONFIG_UNLOCK_ASK,	  /* an administrator attaches it */
	CONFIG_UNLOCK_CREDENTIAL, /* systemd: $CREDENTIALS_DIRECTORY/spoolguard.NAME */
	CONFIG_UNLOCK_KEY_FILE,	  /* key_file, waited for if its medium is not there yet */
	CONFIG_UNLOCK_BOOT_KEY,	  /* made at each boot, in memory alone: the spool is lost at
				     power-off */
};

enum config_on_failure {
	CONFIG_HOLD, /* jobs are queued, none is lost */
	CONFIG_CONTINUE_WITHOUT_RECEIPTS,
};

enum config_role {
	CONFIG_PIPELINE,
	CONFIG_OPERATOR,
	CONFIG_TECHNICIAN,
	CONFIG_ADMINISTRATOR, /* root always is */
	CONFIG_AUDITOR,
	CONFIG_ROLES,
};

struct config_bind { /* a directory of the volume, mounted elsewhere too */
	char directory[64];
	char at[PATH_MAX];
};

struct config_volume {
	char name[CONFIG_NAME_BYTES];
	char medium[PATH_MAX];
	char mount[PATH_MAX];
	enum config_unlock unlock;
	char key_file[PATH_MAX];
	uint64_t size_bytes;			  /* boot-key: of an image that is not there yet */
	char scheme[32], verify[16], profile[16]; /* "": the volume's own */
	struct config_bind binds[CONFIG_BINDS_MAX];
	size_t bind_count;
	char retain[CONFIG_RETAIN_MAX]
		   [64]; /* directories of the spool that wipe-spool --standard keeps */
	size_t retain_count;
};

struct config_watch { /* a spooler that cannot be changed: what closes in the directory is a job */
	char name[CONFIG_NAME_BYTES];
	char directory[PATH_MAX];
	char pattern[64];   /* of names, fnmatch(3); "*" */
	uint64_t settle_ms; /* not written for so long */
	bool when_unlinked; /* retired when the spooler unlinks it (hard links); else when settled
			     */
};

#define CONFIG_TEXT_BYTES 192

enum config_decommission_verify {
	CONFIG_VERIFY_FULL,
	CONFIG_VERIFY_STRATIFIED,
	CONFIG_VERIFY_HCD,
};

/* What "spoolguard decommission" does and says unless it is told otherwise. */
struct config_decommission {
	uint64_t approvals;	  /* of other persons, by their own keys; 0: none */
	char approvers[PATH_MAX]; /* their minisign public keys; "": none */
	uint64_t approval_window_s;
	enum config_decommission_verify verify;
	char scheme[32]; /* "": the default */
	/* In certificates; "": not given. */
	char organization[CONFIG_TEXT_BYTES], location[CONFIG_TEXT_BYTES];
	char contact[CONFIG_TEXT_BYTES];
	char asset_number[CONFIG_TEXT_BYTES], machine_serial[CONFIG_TEXT_BYTES];
};

struct config {
	char file[PATH_MAX];
	/* [service] */
	char socket[PATH_MAX];
	char state_directory[PATH_MAX];
	enum config_on_failure on_failure;
	uint64_t debt_limit_bytes;  /* 0: none */
	uint64_t debt_limit_age_s;  /* 0: none */
	uint64_t retention_limit_s; /* of held jobs, before status calls for attention; 0: none */
	uint64_t job_abandoned_s;   /* begun, and its caller has gone away */
	struct schedule selftest;
	char metrics_file[PATH_MAX]; /* node_exporter's text file; "": none */
	/* [roles] */
	char groups[CONFIG_ROLES][CONFIG_GROUPS_MAX][33];
	size_t group_counts[CONFIG_ROLES];
	/* [cups] */
	bool cups;
	char cups_server[PATH_MAX]; /* a socket, or host:port */
	char cups_spool[PATH_MAX], cups_temp[PATH_MAX], cups_cache[PATH_MAX], cups_wake[PATH_MAX];
	uint64_t cups_poll_ms, cups_orphan_s;
	bool cups_keep_history; /* files are retired, the job stays in lpstat -W completed */
	bool cups_state_reason; /* printers show what is owed (policy.h) */
	char cups_restart[512]; /* for a shell; "": none */
	/* [wipe] */
	struct schedule wipe;
	bool wipe_full;
	char confirmation_queue[128]; /* "": none */
	uint64_t confirmation_timeout_s;

	/* [audit] */
	uint64_t audit_size_bytes, audit_segment_bytes, audit_segment_age_s;
	enum log_when_full audit_when_full;
	bool audit_journal, audit_syslog;
	char audit_journal_socket[PATH_MAX], audit_syslog_socket[PATH_MAX];
	char audit_sqlite[PATH_MAX]; /* "": none */
	uint64_t audit_enterprise;   /* RFC 5424, 7.2.2 */
	char audit_device_uuid[64];  /* "": not known */

	struct config_decommission decommission;

	struct config_volume volumes[CONFIG_VOLUMES_MAX];
	size_t volume_count;
	struct config_watch watches[CONFIG_WATCHES_MAX];
	size_t watch_count;
};

/* One key of the file. */
struct config_key {
	const char *section; /* "service", "volume NAME", ... */
	const char *key;
	const char *default_value;
	const char *summary; /* one sentence */
};

const struct config_key *config_keys(size_t *ret_count);

/* A file that is absent is the defaults if it is CONFIG_PATH_DEFAULT, else -ENOENT.  -EINVAL. */
must_check int config_read(
	const char *path, struct config *ret_config, struct problem *reterr_problem);

/* Reads on after an error, and calls back for each: line, key, reason.  Returns how many.  It looks
 * at what config_read() leaves to whoever needs it: can the file of approvers be read? */
struct config_complaint {
	int line; /* 0: of the whole file */
	const char *key;
	const char *reason;
};
must_check int config_check(const char *path,
	void (*complain)(void *context, const struct config_complaint *complaint), void *context,
	struct problem *reterr_problem);

const char *config_role_name(enum config_role role);

/* CUPS is followed, and its spool lies on that volume: at or below its mount, or one of its binds.
 */
bool config_has_cups_spool(const struct config *config, const struct config_volume *volume);

#endif

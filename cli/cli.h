/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - what the verbs of "spoolguard" share
 *
 * A verb is one file, cli/verb_NAME.c, and one line in the table of
 * spoolguard_main.c.  Human text goes to stdout; with --json exactly one object
 * with a "schema" field does; diagnostics go to stderr, one line each.
 */
#ifndef SPOOLGUARD_CLI_CLI_H
#define SPOOLGUARD_CLI_CLI_H

#include "base/macros.h"
#include "base/problem.h"
#include "base/progress.h"
#include "crypto/secret.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

enum cli_exit {
	CLI_YES = 0,	     /* yes, done */
	CLI_NO = 1,	     /* no, failed */
	CLI_USAGE = 2,	     /* the command line is wrong */
	CLI_CANNOT_TELL = 3, /* neither yes nor no can be said */
};

struct cli_verb {
	const char *name;
	const char *summary; /* one line for "spoolguard help" */
	const char *usage;   /* full usage text for "spoolguard help NAME" and --help */
	/* argv[0] is the verb's name.  Returns an enum cli_exit. */
	int (*run)(int argc, char **argv);
};

extern const struct cli_verb cli_verb_format, cli_verb_attach, cli_verb_detach, cli_verb_job,
	cli_verb_sweep, cli_verb_status, cli_verb_overwrite, cli_verb_inspect, cli_verb_key,
	cli_verb_resize, cli_verb_schemes, cli_verb_cups, cli_verb_put, cli_verb_get, cli_verb_ls,
	cli_verb_selftest, cli_verb_config, cli_verb_events, cli_verb_wipe_spool, cli_verb_audit,
	cli_verb_receipt, cli_verb_volatility, cli_verb_check, cli_verb_devices,
	cli_verb_certificate, cli_verb_decommission;

/* "spoolguard: TEXT" on stderr; returns CLI_NO. */
int cli_fail(const struct problem *problem, int error);
/* "spoolguard NAME: TEXT" and where the usage is; returns CLI_USAGE. */
int cli_usage_error(const struct cli_verb *verb, const char *format, ...) format_printf(2, 3);
/* The option that getopt_long took last, as it was typed. */
const char *cli_typed_option(char **argv);
/*
 * Options that take a text, each into *texts[its letter], and 'j', which takes none.  False: there
 * is another, or one lacks its value.  optind is where the rest begins.
 */
struct option;
must_check bool cli_read_texts(int argc, char **argv, const struct option *options,
	const char **const *texts, bool *ret_json);
void cli_warn(const char *format, ...) format_printf(1, 2);

/*
 * Text from outside (a path, a job's id, a serial number) as it may stand on a terminal: the text
 * itself, or with what would steer a terminal as \xNN.  Valid until the fourth call from now.
 */
const char *cli_shown(const char *text);

void cli_add_u64(struct json_object *object, const char *key, uint64_t value);
/* JSON is UTF-8: text that is not is added as fields.h says. */
void cli_add_string(struct json_object *object, const char *key, const char *value);
void cli_add_bool(struct json_object *object, const char *key, bool value);
/* A new object with its "schema": "spoolguard.NAME/1". */
struct json_object *cli_json(const char *name);
/* Prints the object on one line and drops it. */
void cli_print_json(struct json_object *object);

/* "--size 10G" and the like.  False, and a usage error was printed, if text is no size. */
must_check bool cli_parse_size(
	const struct cli_verb *verb, const char *option, const char *text, uint64_t *ret_bytes);

/*
 * A passphrase: from a file ("-" is standard input; "fd:N" a file descriptor), or NULL: asked for
 * at the terminal, twice if confirm.  One trailing newline is cut from what a terminal gives, none
 * from a file.  From the first call on the process is kept out of core dumps.
 */
must_check int cli_read_passphrase(const char *file, const char *prompt, bool confirm,
	struct secret **ret_passphrase, struct problem *reterr_problem);

/* Such a file, opened and not read: to be handed on. */
must_check int cli_open_passphrase_file(
	const char *file, int *ret_fd, struct problem *reterr_problem);

/* A line with rate and time left on a terminal (stderr), nothing elsewhere; Ctrl-C asks the worker
 * to stop. */
const struct progress_sink *cli_progress(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_process.h - the cupsd that runs with a certain configuration
 *
 * Found by its command line in /proc: "cupsd [-f] -c FILE", or without -c if the file is the
 * system's own.  cupsd's filters and backends have other names.
 */
#ifndef SPOOLGUARD_CLI_CUPS_PROCESS_H
#define SPOOLGUARD_CLI_CUPS_PROCESS_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CUPS_CONFIG_SYSTEM "/etc/cups/cupsd.conf"

struct cups_process {
	pid_t pid;
	uint64_t started; /* in ticks since boot: a number that is given anew has another */
};

/* -ESRCH: none runs. */
must_check int cups_process_find(const char *config, struct cups_process *ret_process);
/* It is still that one. */
bool cups_process_is_alive(const struct cups_process *process);

/* How large a core file it may leave, in bytes; UINT64_MAX: any. */
must_check int cups_process_core_limit(const struct cups_process *process, uint64_t *ret_bytes);

/* The configuration that a command line names, or NULL: none.  arguments: parted by NULs.  Pure. */
const char *cups_process_config(const char *arguments, size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_residue.h - "spoolguard check residue": is anything left of a job that was retired?
 *
 * A job of words made for this run goes the way of every job, is retired, and is then searched for
 * wherever it could have been left (residue_report.h lists the places).  Everything is done by this
 * process, as root: the service lives in a sandbox that sees neither the raw medium nor other
 * processes' memory, and whoever checks it should not be it.  The service is asked for what it does
 * with every job, for the receipt, and to record the result.
 *
 *   E1  The words are in clear for no longer than they are used; this process is locked in memory
 *       and leaves no core, so that a match in swap is not its own.
 *   E2  Nothing prints unless it is asked for.
 *   E3  Interrupted, it ends the job it planted, says so, and exits with 3.
 */
#ifndef SPOOLGUARD_CLI_CHECK_RESIDUE_H
#define SPOOLGUARD_CLI_CHECK_RESIDUE_H

#define CHECK_RESIDUE_SYNOPSIS                                                                     \
	"       spoolguard check residue [--volume NAME] [--queue NAME] [--print] [--way WAY]\n"   \
	"                                [--without PLACE]... [--rate SIZE] [--timeout SECONDS]\n" \
	"                                [--config FILE] [--cups-config FILE] [--json]\n"

/* Its part of the usage of "check". */
#define CHECK_RESIDUE_USAGE                                                                        \
	"check residue: is anything left of a job that was retired?\n"                             \
	"Puts a job of words made for this run on the volume, has it retired, and searches for\n"  \
	"its text, title and user wherever they could have been left: the raw medium; every\n"     \
	"block of the volume, decrypted, whatever its map says; CUPS's spool, cache, logs and\n"   \
	"configuration; the service's records; the system's logs; swap; the memory of\n"           \
	"spoolguard's processes.  Root alone.\n\n"                                                 \
	"  --volume NAME     a volume of the service's, its medium or its mount; else the one\n"   \
	"                    that CUPS's spool is on, or the only one that is attached\n"          \
	"  --way WAY         cups (submitted on hold and cancelled: nothing is printed), call "    \
	"(as\n"                                                                                    \
	"                    a printer program does), direct (without the service); else the\n"    \
	"                    first of these that there is\n"                                       \
	"  --queue NAME      through this queue of CUPS; else its default, or the first\n"         \
	"  --print           really print the one page, through filters and printer\n"             \
	"  --without PLACE   leave it out: memory, cups-memory, spool, cups-cache, cups-logs,\n"   \
	"                    cups-config, state, system-logs, swap, decrypted, medium\n"           \
	"  --rate SIZE       read so much a second at most (\"50M\")\n"                            \
	"  --timeout N       wait so many seconds for the receipt (120)\n"                         \
	"  --config FILE     the service's configuration; --cups-config FILE: cupsd.conf\n\n"      \
	"Exit codes: 0 nothing is left in any place that was searched, 1 something is, or the\n"   \
	"job was not retired, 2 usage, 3 cannot tell (a place could not be searched, or the\n"     \
	"canary was not seen where it had to be before).\n"

/* argv[0] is "residue".  Returns an enum cli_exit. */
int check_residue(int argc, char **argv);

#endif

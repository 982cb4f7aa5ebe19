#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# spoolguard-ippeve-command - the job command of ippeveprinter: prints, then has the job retired
#
#   SPOOLGUARD_COMMAND=/usr/lib/cups/command/ippeveps \
#   ippeveprinter -d /var/spool/mfp -k -c /usr/libexec/spoolguard/spoolguard-ippeve-command NAME
#
# ippeveprinter shows a job as completed only after this has ended, so what a user sees as
# completed has been overwritten: the document ($1) is handed over and waited for.  The pages that
# the command wrote to standard output lie in a file that ippeveprinter holds open till we end:
# that one is handed over without waiting, and retired as soon as it is closed.
#
#   SPOOLGUARD_COMMAND   what prints: gets the same arguments, standard output and error
#   SPOOLGUARD_JOBS      what is put before the job's number ("ippeve-"), if there are several printers
#   SPOOLGUARD           the command line tool ("spoolguard")
#
# While the service cannot be reached the job is printed nevertheless, its file stays where it is
# (ippeveprinter -k), and the printer says so: by the reason "other", since ippeveprinter drops those
# that it does not know, and in printer-alert-description.
command=${SPOOLGUARD_COMMAND:?names the command that prints}
spoolguard=${SPOOLGUARD:-spoolguard}
job=${SPOOLGUARD_JOBS:-ippeve-}${IPP_JOB_ID:-$$}
pages=$(readlink -f "/proc/$$/fd/1")

"$command" "$@"
code=$?

if why=$("$spoolguard" job complete --id "$job" --wait -- "$1" 2>&1 >/dev/null); then
	echo 'STATE: -other' >&2
	echo 'ATTR: printer-alert-description=""' >&2
else
	echo 'STATE: +other' >&2
	echo 'ATTR: printer-alert-description="a job is printed and not overwritten"' >&2
	echo "ERROR: $why" >&2
fi
case $pages in
*.prn) "$spoolguard" job complete --id "$job-pages" -- "$pages" >/dev/null 2>&1 ;;
esac
exit $code

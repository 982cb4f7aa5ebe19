#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# events-table.sh - the table of docs/EVENTS.md, from the program's
#
# usage: events-table.sh SPOOLGUARDD            prints it
#        events-table.sh SPOOLGUARDD FILE       writes it into FILE, between the marks
set -eu -o pipefail
program=$1 file=${2:-}

table() {
	echo '| event | severity (failed) | FAU_GEN.1 table 3 | subject | object | data | what happened |'
	echo '|---|---|---|---|---|---|---|'
	"$program" --print-audit-events | awk -F'\t' '{
		severity = $2 == $3 ? $2 : $2 " (" $3 ")"
		host = $4 == "yes" && $5 != "host" ? ", host" : ""
		printf "| `%s` | %s | %s | %s%s | %s | %s | %s |\n", $1, severity, $8, $5, host, $6, $7, $9
	}'
}

if [ -z "$file" ]; then
	table
	exit
fi
new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
	sed '/^<!-- table -->$/q' "$file"
	table
	sed -n '/^<!-- end of table -->$/,$p' "$file"
} >"$new"
cat "$new" >"$file"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_events.sh - docs/EVENTS.md has the table of events that the program has
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-$PWD/build}
[ -x "$build/spoolguardd" ] || { echo "skipped: $build/spoolguardd is not built"; exit 77; }

diff <(sed -n '/^<!-- table -->$/,/^<!-- end of table -->$/p' docs/EVENTS.md | sed '1d;$d') \
	<(tools/events-table.sh "$build/spoolguardd") ||
	{ echo "FAILED: docs/EVENTS.md (<) and the program (>) differ: tools/events-table.sh writes it" >&2; exit 1; }

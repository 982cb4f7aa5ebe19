#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_check_licences.sh - a file without a licence line is named, wherever it stands in the list
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(mktemp -d "${TMPDIR:-/tmp}/licences.XXXXXX")
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 1
printf '/* SPDX-License-Identifier: Apache-2.0 */\nint x;\n' > good.c
printf 'int x;\n' > without.c
printf '\n\n\n/* SPDX-License-Identifier: Apache-2.0 */\n' > late.c
printf '/* SPDX-License-Identifier: GPL-3.0 */\n' > other.c

check() { "$root/tools/check-licences.sh" "$@" 2>&1; }
check good.c good.c >/dev/null || { echo "FAILED: good.c refused"; exit 1; }
for bad in without.c late.c other.c; do
	for list in "$bad good.c" "good.c $bad" "good.c $bad good.c"; do
		# shellcheck disable=SC2086 # a list of names
		said=$(check $list) && { echo "FAILED: $list passes"; exit 1; }
		[[ $said == "$bad: "* ]] || { echo "FAILED: $list: $said"; exit 1; }
	done
done

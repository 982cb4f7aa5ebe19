#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check-licences.sh - every source file says its licence in its first three lines
#
# usage: check-licences.sh FILE...
bad=$(awk '
	FNR == 1 { if (last != "" && !said) print last; last = FILENAME; said = 0 }
	FNR <= 3 && /SPDX-License-Identifier: Apache-2\.0/ { said = 1 }
	END { if (last != "" && !said) print last }' "$@")
[ -z "$bad" ] && exit 0
while read -r file; do
	echo "$file: no SPDX-License-Identifier: Apache-2.0 in its first three lines" >&2
done <<< "$bad"
exit 1

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# manifest.sh - writes the manifest of a build: a digest for each program of ours
#
# usage: manifest.sh VERSION MANIFEST PROGRAM...
#
# MANIFEST names each PROGRAM relative to its own directory (harness/manifest.h has the format), so that
# the whole tree may be moved.  To be called once nothing changes the programs any more: after strip.
#
# Environment
#   SOURCE_DATE_EPOCH  the time of the build; otherwise the commit's, or else now
set -eu
[ $# -ge 3 ] || { echo "usage: manifest.sh VERSION MANIFEST PROGRAM..." >&2; exit 2; }
version=$1 manifest=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
directory=$(dirname "$manifest")
mkdir -p "$directory"

# A tree that merely lies within another's repository has no commit of its own.
commit=unknown built=$(date +%s)
if [ "$(git -C "$root" rev-parse --show-toplevel 2>/dev/null)" = "$root" ]; then
	commit=$(git -C "$root" rev-parse HEAD)
	built=$(git -C "$root" log -1 --format=%ct)
	git -C "$root" diff --quiet HEAD || commit+=-modified
fi

trap 'rm -f "$manifest.new"' EXIT
{
	echo "# spoolguard manifest 1"
	echo "# version $version"
	echo "# commit $commit"
	echo "# built ${SOURCE_DATE_EPOCH:-$built}"
	for program; do
		sum=$(sha256sum <"$program")
		echo "${sum%% *}  $(realpath -m --relative-to="$directory" "$program")"
	done
} >"$manifest.new"
mv "$manifest.new" "$manifest"

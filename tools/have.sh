#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# have.sh - is a checking tool here?
#
# usage: have.sh TOOL [MAJOR]     no, and a line that says so, if it is missing or of another
#                                 major version (formatting differs between them)
if ! command -v "$1" >/dev/null; then
	echo "check: $1 is not installed, so its check is skipped (make deps)"
	exit 1
fi
if [ -n "${2:-}" ] && ! "$1" --version | grep -qE "version $2\."; then
	echo "check: $1 is not of version $2, so its check is skipped"
	exit 1
fi

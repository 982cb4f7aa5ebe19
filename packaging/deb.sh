#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# deb.sh - builds the Debian packages in build/deb/; called by "make deb"
#
# usage: deb.sh [VERSION-SUFFIX]
#
# The source tree is copied to build/deb/spoolguard, packaging/debian to debian/ there, and
# dpkg-buildpackage does the rest: nothing is generated in the tree itself.
#
# Environment
#   VERSION           of the Makefile; has to be the changelog's
#   JOBS              compilers at once (2)
#   SPOOLGUARD_BUILD  an absolute build directory whose programs are packaged as they are
#   DEB_OUTPUT        instead of build/deb
# VERSION-SUFFIX makes a higher version ("+1"): for tests of an upgrade.
set -eu
cd "$(dirname "$0")/.."
output=${DEB_OUTPUT:-$PWD/build/deb}
tree=$output/spoolguard
suffix=${1:-}

changelog=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
[ "$changelog" = "${VERSION:?}" ] || {
	echo "deb: packaging/debian/changelog has version $changelog, the Makefile $VERSION" >&2
	exit 1
}

rm -rf "$tree"
mkdir -p "$tree"
rm -f "$output"/*.deb "$output"/*.changes "$output"/*.buildinfo
tar -cf - --exclude=./build --exclude=./.git --exclude=./debian . | tar -xf - -C "$tree"
cp -R packaging/debian "$tree/debian"
[ -z "$suffix" ] || sed -i "1s/(\(.*\))/(\1$suffix)/" "$tree/debian/changelog"

log=$output/build.log
(cd "$tree" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD -u DESTDIR -u PREFIX \
	DEB_BUILD_OPTIONS="parallel=${JOBS:-2} nocheck ${DEB_BUILD_OPTIONS:-}" \
	dpkg-buildpackage --build=binary --unsigned-changes --unsigned-source --no-pre-clean) >"$log" 2>&1 || {
	tail -n 30 "$log" >&2
	echo "deb: failed; $log has all of it" >&2
	exit 1
}
rm -rf "$tree"
ls "$output"/*.deb

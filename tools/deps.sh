#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh - installs the Debian packages that are missing
#
# usage: deps.sh --needed PACKAGE... [--wanted PACKAGE...]
#
# As root, both lists are installed if anything of them is missing; where nothing is missing
# nothing is asked of apt.  Not as root, it says what to run.  Missing "needed" packages are
# a failure; missing "wanted" ones are named, and what they serve is skipped later on.
set -u

needed=() wanted=()
for word; do
	case $word in
	--needed) list=needed ;;
	--wanted) list=wanted ;;
	*) if [ "${list:-}" = needed ]; then needed+=("$word"); else wanted+=("$word"); fi ;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps: this is no Debian; what is needed goes by these names there: ${needed[*]}"
	command -v pkg-config >/dev/null && exit 0 # the compiler will say what is missing
	echo "deps: pkg-config is missing" >&2
	exit 1
fi

missing() { # missing PACKAGE...: those that are not installed
	local package
	for package; do
		case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*' ok installed') ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

install() {
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -q \
		--no-install-recommends "$@" >"$log" 2>&1
}

absent=$(missing "${needed[@]}" "${wanted[@]}")
[ -n "$absent" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "deps: missing: $absent"
	echo "deps: as root, run: apt-get install --no-install-recommends $absent"
else
	echo "deps: installing $absent"
	log=$(mktemp)
	# shellcheck disable=SC2086 # a list of names
	install $absent || { apt-get -o DPkg::Lock::Timeout=600 update -q >/dev/null 2>&1 && install $absent; } || {
		echo "deps: not all at once ($(grep -m1 '^E:' "$log")); one by one"
		for package in $absent; do
			install "$package" || echo "deps: $package: $(grep -m1 '^E:' "$log")"
		done
	}
	rm -f "$log"
fi

absent=$(missing "${wanted[@]}")
[ -z "$absent" ] || echo "deps: what needs these is skipped: $absent"
absent=$(missing "${needed[@]}")
[ -z "$absent" ] || { echo "deps: cannot build without $absent" >&2; exit 1; }

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# sbom.sh - the libraries that the programs load, their versions and their licences
#
# usage: sbom.sh VERSION PROGRAM...
#
# A Debian source package often holds files under several licences, and its copyright file says
# which; asked is the paragraph that covers the library's own sources (the table below says
# where they lie).  A library that is not in the table gets the licence of the package as a
# whole.  "direct" is what a program names (DT_NEEDED), "through" what those bring along.
set -u
version=$1
shift

sources_of() { # sources_of LIBRARY: a file of the kind that it is made from
	case $1 in
	libblkid.*) echo libblkid/src/blkidP.h ;;
	libcom_err.*) echo lib/et/com_err.c ;;
	libcryptsetup.*) echo lib/setup.c ;;
	libdevmapper.*) echo libdm/libdm-common.c ;;
	libext2fs.*) echo lib/ext2fs/openfs.c ;;
	libfuse3.*) echo lib/fuse_lowlevel.c ;;
	libudev.*) echo src/libudev/libudev.c ;;
	libuuid.*) echo libuuid/src/gen_uuid.c ;;
	*) echo src/library.c ;;
	esac
}

licence_of() { # licence_of COPYRIGHT-FILE SOURCE: the last paragraph that covers it counts
	local line pattern licence='' patterns=() at=''
	set -f
	while IFS= read -r line; do
		case $line in
		Files:*) at=files patterns=() line=${line#Files:} ;;
		License:*)
			for pattern in "${patterns[@]}"; do
				# shellcheck disable=SC2053 # a pattern is meant
				[[ $2 == $pattern ]] && licence=${line#License: }
			done
			at='' patterns=()
			;;
		[!\ ]* | '') at='' ;;
		esac
		# shellcheck disable=SC2206 # a list of patterns
		[ "$at" = files ] && patterns+=($line)
	done < "$1"
	set +f
	if [ -z "$licence" ]; then # no machine-readable file: what it refers to
		if head -n 20 "$1" | grep -qi 'public domain'; then
			licence=public-domain
		else
			licence=$(grep -o 'common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]' "$1" | sed 's|.*/||' | head -n 1)
		fi
		licence=${licence:-see its copyright file}
	fi
	echo "$licence"
}

owner_of() { # owner_of PATH: the package; its file may be recorded by either name of a merged /usr
	local name
	for name in "$1" "/usr$1" "${1#/usr}"; do
		dpkg-query -S "$name" 2>/dev/null | grep -v '^diversion' | cut -d: -f1
	done | head -n 1
}

direct=$(readelf -d "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
printf 'spoolguard %s, Apache-2.0: %s\n\n' "$version" "$(printf '%s\n' "${@##*/}" | paste -sd' ')"
printf '%-24s %-8s %-22s %-24s %s\n' library loaded package version licence
ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u | while read -r library path; do
	how=through
	grep -qxF "$library" <<< "$direct" && how=direct
	package=$(owner_of "$path")
	if [ -n "$package" ]; then
		release=$(dpkg-query -W -f '${Version}\n' "$package" | head -n 1)
		licence=$(licence_of "/usr/share/doc/$package/copyright" "$(sources_of "$library")")
	else
		release=unknown licence=unknown package='(no package)'
	fi
	printf '%-24s %-8s %-22s %-24s %s\n' "$library" "$how" "$package" "$release" "$licence"
done

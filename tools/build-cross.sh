#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build-cross.sh - builds the pure parts' unit tests for another architecture
#
# usage: build-cross.sh TRIPLET [TARGET...]     aarch64-linux-gnu; all of them if none is named
#
# The libraries that the tests link are unpacked into build/cross-TRIPLET/root, a directory that
# apt fills with an empty package database of its own: nothing is installed, no architecture is
# added to this machine, and it needs no root.  Exit code 77 and a reason if the compiler, qemu
# or the packages cannot be had.
set -u
cd "$(dirname "$0")/.." || exit 2

triplet=${1:?usage: build-cross.sh TRIPLET [TARGET...]}
shift
targets=("$@")
top=$PWD/build/cross-$triplet
root=$top/root
folders='base crypto ipc blockdev keystore overwrite'
packages='libc6-dev check libssl-dev libsodium-dev libjson-c-dev libcryptsetup-dev libblkid-dev libext2fs-dev
	comerr-dev uuid-dev libfuse3-dev'
case $triplet in
aarch64-linux-gnu) architecture=arm64 qemu=qemu-aarch64 ;;
*) echo "skipped: nobody said what Debian calls $triplet"; exit 77 ;;
esac
skip() { echo "skipped: $*"; exit 77; }

command -v "$triplet-gcc" >/dev/null || skip "no $triplet-gcc (make deps)"
command -v "$qemu" >/dev/null || skip "no $qemu (make deps)"
command -v apt-get >/dev/null || skip "no apt-get to fetch $architecture libraries with"

unpack_libraries() {
	local at=$top/apt link target
	local apt=(apt-get -q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
		-o "Dir::State=$at" -o "Dir::State::status=$at/status" -o "Dir::Cache=$at/cache"
		-o "APT::Sandbox::User=$(id -un)")
	rm -rf "$root"
	mkdir -p "$at/lists/partial" "$at/cache/archives/partial" "$root/usr/lib" "$root/usr/bin" "$root/usr/sbin"
	: > "$at/status"
	ln -s usr/lib usr/bin usr/sbin "$root" # Debian's merged /usr
	"${apt[@]}" update || true             # a source without this architecture is no failure
	# shellcheck disable=SC2086 # a list of names
	"${apt[@]}" install -y --download-only --no-install-recommends $packages || return 1
	for package in "$at"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root" || return 1; done
	# A link from / would lead out of this root.
	find "$root/usr/lib" -lname '/*' | while read -r link; do
		target=$(readlink "$link")
		ln -sf "$(realpath -m --relative-to="$(dirname "$link")" "$root$target")" "$link"
	done
	rm -rf "$at"
	touch "$root/.whole"
}

[ -e "$root/.whole" ] || unpack_libraries || skip "the $architecture libraries could not be fetched"

if [ ${#targets[@]} = 0 ]; then
	for folder in $folders; do
		for source in tests/"$folder"/test_*.c; do
			[ -e "$source" ] && targets+=("build/cross-$triplet/${source%.c}")
		done
	done
fi
exec "${MAKE:-make}" -j "${JOBS:-2}" CROSS="$triplet-" "${targets[@]}"

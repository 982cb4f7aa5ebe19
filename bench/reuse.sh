#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# reuse.sh - how many freed blocks ext4 reuses before the volume has heard of them
#
# Files are written, synced and deleted without "job complete", as filter temporaries are.
# A deleted block that was never erased was reused first: it got one overwrite, by the new
# data.  Counted from the volume's side: blocks deleted, less blocks erased after a sweep.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-300}
image=$work/spool.img
mount=$work/mnt
mkdir -p "$mount"
"$sg" format --size 512M --kdf-time 50 --passphrase-file "$pass" "$image" >/dev/null || exit 1
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null || exit 1
erased() { "$sg" status --json "$image" | jq .erased_blocks; }
device=$(findmnt -nro SOURCE "$mount")
blocks=64

one() { # one MODE SLEEP FSYNC
	local before after deleted=$((rounds * blocks))
	mount -o "remount,$1" "$device" "$mount"
	"$sg" sweep "$image" >/dev/null
	before=$(erased)
	for i in $(seq "$rounds"); do
		dd if=/dev/zero of="$mount/t" bs=4096 count=$blocks $3 status=none
		rm "$mount/t"
		[ "$2" = 0 ] || sleep "$2"
	done
	"$sg" sweep "$image" >/dev/null
	after=$(erased)
	echo "$1, $( [ -n "$3" ] && echo "each file synced" || echo "not synced"), pause $2 s: $deleted blocks deleted, $((after - before)) erased (with metadata)"
}
for mode in discard nodiscard; do
	one $mode 0 conv=fsync
	one $mode 0.05 conv=fsync
	one $mode 0 ""
done

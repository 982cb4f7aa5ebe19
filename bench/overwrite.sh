#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# overwrite.sh - "spoolguard overwrite" and "decommission" against dd, shred, scrub and nwipe
#
# First on this machine's own disk, against bare dd with O_DIRECT: how much of what
# the disk gives is lost.  A bare dd leaves in the disk's cache what we flush after each
# pass, so there is one that flushes, too.  Then on a medium faster than 1 GB/s (a loop device on a
# tmpfs, direct I/O), against the other tools: there the tool is what is slow.
# Times are wall clock in seconds, so a ratio above 1 means that the peer is faster,
# except in the second table, which says how many times faster spoolguard is.
# A peer that is not installed is left out.
#
#   SIZE  MiB (1024)    RUNS  (3; nwipe: once)
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

mib=${SIZE:-1024}
export SPOOLGUARD_STATE_DIR=$work/state

# passes FILE|DEVICE SCHEME VERIFY: seconds; 0 and 3 (tmpfs promises nothing) are success
passes() {
	local confirm=() start end code
	if [ -b "$1" ]; then
		confirm=(--confirm "$("$sg" overwrite --dry-run --json "$1" | jq -r .serial)")
	fi
	start=$(date +%s.%N)
	"$sg" overwrite --scheme "$2" --verify "$3" "${confirm[@]}" "$1" >/dev/null 2>"$work/err"
	code=$?
	end=$(date +%s.%N)
	[ $code = 0 ] || [ $code = 3 ] || { cat "$work/err" >&2; exit 1; }
	awk -v a="$start" -v b="$end" 'BEGIN {printf "%.4f", b - a}'
}

# decommissioned DEVICE VERIFY: seconds of the whole command: self-tests, passes, read-back, a search
# that reads the medium once more, certificate and its page
decommissioned() {
	local serial start end code
	serial=$("$sg" devices --json "$1" | jq -r '.devices[0].serial')
	start=$(date +%s.%N)
	"$sg" decommission --standalone --state "$work/decommissioned" --verify "$2" --confirm "$serial" "$1" >/dev/null 2>"$work/err"
	code=$?
	end=$(date +%s.%N)
	[ $code = 0 ] || [ $code = 3 ] || { cat "$work/err" >&2; exit 1; }
	awk -v a="$start" -v b="$end" 'BEGIN {printf "%.4f", b - a}'
}

three_dd() { for _ in 1 2 3; do dd if=/dev/zero of="$1" bs=1M count="$mib" oflag=direct conv=notrunc; done; }
three_durable_dd() { for _ in 1 2 3; do dd if=/dev/zero of="$1" bs=1M count="$mib" oflag=direct conv=notrunc,fsync; done; }
dd_and_read() { three_dd "$1" && dd if="$1" of=/dev/null bs=1M iflag=direct; }
nwipe_passes() { nwipe --autonuke --nogui --nowait --method=dodshort --verify=off --noblank --logfile="$work/nwipe.log" "$1"; }

# compare TEXT BAR OURS... -- PEER...: in turns; smaller is better, ratio = ours / peer
compare() {
	local text=$1 bar=$2 invert=$3 ours=() a b
	shift 3
	while [ "$1" != -- ]; do ours+=("$1"); shift; done
	shift
	: > "$work/ra"; : > "$work/rb"
	for _ in $(seq "$runs"); do
		"${ours[@]}" >> "$work/ra"; echo >> "$work/ra"
		seconds "$@" >> "$work/rb"; echo >> "$work/rb"
	done
	a=$(median < "$work/ra") b=$(median < "$work/rb")
	if [ "$invert" = invert ]; then row "$text" "$a" "$b" "$(ratio "$b" "$a")" "$bar"
	else row "$text" "$a" "$b" "$(ratio "$a" "$b")" "$bar"; fi
}

file=$work/file
dd if=/dev/zero of="$file" bs=1M count="$mib" oflag=direct status=none || exit 1
header "Overwrite of $mib MiB on this disk (seconds, median of $runs; ratio: ours / dd)"
compare "three passes / 3 dd oflag=direct" "<= 1.1" plain passes "$file" three-pass none -- three_dd "$file"
compare "three passes / 3 dd oflag=direct conv=fsync" "<= 1.1" plain passes "$file" three-pass none -- three_durable_dd "$file"
compare "and full read-back / and dd iflag=direct" "<= 1.1" plain passes "$file" three-pass full -- dd_and_read "$file"
rm -f "$file"

memory=$(mktemp -d /dev/shm/spoolguard-bench.XXXXXX) || exit 1
trap 'losetup -j "$memory/disk" -nO NAME | while read -r l; do losetup -d "$l"; done; rm -rf "$memory"; cleanup' EXIT
dd if=/dev/zero of="$memory/disk" bs=1M count="$mib" status=none || exit 1
loop=$(losetup --show -f --direct-io=on "$memory/disk") || exit 1
header "Overwrite of $mib MiB on a loop device in memory (seconds, median of $runs; ratio: peer / ours)"
have shred && compare "three-pass / shred -n 3" ">= 4" invert passes "$loop" three-pass none -- shred -n 3 "$loop"
have shred && compare "dod-5220.22-m (one pass random) / shred -n 3" "-" invert passes "$loop" dod-5220.22-m none -- shred -n 3 "$loop"
have scrub && compare "three-pass and read-back / scrub -p dod (it reads back too)" ">= 4" invert passes "$loop" three-pass full -- scrub -f -S -p dod "$loop"
have scrub && compare "dod-5220.22-m and read-back / scrub -p dod" "-" invert passes "$loop" dod-5220.22-m full -- scrub -f -S -p dod "$loop"
have scrub && compare "decommission, all of it / scrub -p dod" "-" invert decommissioned "$loop" full -- scrub -f -S -p dod "$loop"
compare "decommission, all of it / 3 dd oflag=direct, and dd iflag=direct" "-" invert decommissioned "$loop" full -- dd_and_read "$loop"
runs=1 # nwipe takes a minute where the others take seconds
have nwipe && compare "three-pass / nwipe dodshort, passes only" ">= 4" invert passes "$loop" three-pass none -- nwipe_passes "$loop"
have nwipe && compare "decommission, all of it / nwipe dodshort, passes only" ">= 4" invert decommissioned "$loop" full -- nwipe_passes "$loop"
exit 0

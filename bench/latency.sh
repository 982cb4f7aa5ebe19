#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# latency.sh - what a foreground writer feels of a backlog that is being overwritten
#
# A used image is formatted, so that all of it is owed; a fresh one owes nothing.  Both are attached
# without a file system, in turns, and written to in 4 KiB blocks, one at a time: LIVE blocks (random)
# and CLEAN blocks (first writes, in order).  The 99th percentile with the backlog must be at most
# twice the one without, once the writer has been at it for a second (before, nobody used the volume, and
# the eraser works in larger pieces).  What a write to a block that is owed waits for is another thing, and apart.
#
#   SIZE  of the images (4G)    TIME  of a measurement in seconds (4)    RUNS  (3)
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

size=${SIZE:-4G}
time=${TIME:-4}
mib=$((1 << 20))
live=$((64 * mib)) # bytes from the start on: written before anything is timed
step=$((256 * mib)) # of CLEAN blocks, new ones each time

write_4k() { # write_4k DEVICE OFFSET SIZE FIO-OPTION...: p50 and p99 in microseconds
	local device=$1 offset=$2 bytes=$3
	shift 3
	fio --name=x --filename="$device" --offset="$offset" --size="$bytes" --bs=4k --iodepth=1 --ioengine=psync \
		--direct=1 --ramp_time=1 --lat_percentiles=1 --output-format=json "$@" 2>/dev/null |
		jq -r '.jobs[0].write.lat_ns.percentile | "\(.["50.000000"] / 1000) \(.["99.000000"] / 1000)"'
}
clean_bytes() { "$sg" status --json "$1" | jq '.clean * 4096'; }
measure() { # measure NAME ROUND: on the image of that name
	local image=$work/$1.img device offset=$((live + $2 * step))
	device=$(attach_volume "$image")
	while [ "$(clean_bytes "$image")" -lt $((live + ($2 + 2) * step)) ]; do sleep 0.2; done
	[ "$2" != 0 ] || dd if=/dev/urandom of="$device" bs=1M count=$((live / mib)) oflag=direct conv=notrunc,fsync status=none
	write_4k "$device" 0 "$live" --rw=randwrite --runtime="$time" --time_based >> "$work/$1.live"
	write_4k "$device" "$offset" "$step" --rw=write --runtime="$time" >> "$work/$1.clean"
	if [ "$1" = used ]; then
		[ "$("$sg" status --json "$image" | jq .residue)" -gt 0 ] || echo "latency.sh: the backlog was too short; give a larger SIZE" >&2
		offset=$(($(blockdev --getsize64 "$device") - step * ($2 + 1)))
		write_4k "$device" "$offset" "$step" --rw=randwrite --runtime=2 >> "$work/residue"
	fi
	"$sg" detach "$image" >/dev/null
}
column() { awk -v c="$1" '{print $c}' "$2" | median; }

head -c "$size" /dev/zero | tr '\0' x > "$work/used.img"
truncate -s "$size" "$work/fresh.img"
format_volume --force --no-filesystem "$work/used.img" || exit 1
format_volume --no-filesystem "$work/fresh.img" || exit 1
for ((round = 0; round < runs; round++)); do
	measure fresh "$round"
	measure used "$round"
done

header "Latency of 4 KiB writes while a backlog is overwritten, against none (microseconds, median of $runs)"
for kind in live clean; do
	for p in "1 median" "2 99th percentile"; do
		set -- $p
		a=$(column "$1" "$work/used.$kind") b=$(column "$1" "$work/fresh.$kind")
		bar=-
		[ "$1" = 1 ] || bar="<= 2"
		row "${kind^^} blocks, ${p#* }" "$a" "$b" "$(ratio "$a" "$b")" "$bar"
	done
done
row "blocks that are owed, median wait" "$(column 1 "$work/residue")" - - -
row "blocks that are owed, 99th percentile" "$(column 2 "$work/residue")" - - -

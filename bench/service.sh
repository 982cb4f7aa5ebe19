#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# service.sh - from completion to receipt through spoolguardd, and what the service costs when idle
#
# Jobs of 1 MiB, with 1, 10 and 100 in flight (bench/service_jobs.c): from "it is printed" to the
# receipt, three passes and their flushes, read-back, purge of the journal included.  The peer
# under the same load is "shred -u -n 3" on a plain loop device with the same ext4, which
# gives no receipt, reads nothing back and leaves the journal.  Then the processor time of service, mounter
# and volume process over half a minute in which nothing is printed.
#
#   JOBS (200)    RUNS (3)    IDLE (30 s)
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

jobs=${JOBS:-200} idle=${IDLE:-30}
export SPOOLGUARD_SOCKET=$work/run/io.spoolguard
service=

stop_service() { [ -n "$service" ] && kill "$service" 2>/dev/null && wait "$service" 2>/dev/null; service=; }
trap 'stop_service; cleanup' EXIT

mkdir -p "$work/ours" "$work/plain" "$work/state"
format_volume --size 2G "$work/spool.img"
cat > "$work/conf" <<EOF
[service]
socket = $SPOOLGUARD_SOCKET
state_directory = $work/state
[cups]
enabled = no
[volume bench]
medium = $work/spool.img
mount = $work/ours
unlock = key-file
key_file = $pass
EOF
"$build/spoolguardd" --config "$work/conf" > "$work/log" 2>&1 &
service=$!
for _ in $(seq 200); do "$sg" status --json 2>/dev/null | jq -e '.volumes[0].state == "open"' >/dev/null && break; sleep 0.1; done
mountpoint -q "$work/ours" || { cat "$work/log" >&2; exit 1; }
truncate -s 2G "$work/plain.img"
loop=$(losetup --show -f --direct-io=on -b 4096 "$work/plain.img") || exit 1
mkfs.ext4 -q -b 4096 "$loop" && mount -o noatime,discard "$loop" "$work/plain" || exit 1

header "Completion to receipt, 1 MiB (ms: median of $runs runs' medians; of their 99th percentiles)"
for flight in 1 10 100; do
	: > "$work/ours.median"; : > "$work/ours.p99"; : > "$work/peer.median"; : > "$work/peer.p99"
	for _ in $(seq "$runs"); do
		read -r median_ms p99_ms _ < <("$build/bench/service_jobs" "$work/ours" $flight "$jobs" 1048576) || exit 1
		echo "$median_ms" >> "$work/ours.median"; echo "$p99_ms" >> "$work/ours.p99"
		read -r median_ms p99_ms _ < <("$build/bench/service_jobs" "$work/plain" $flight "$jobs" 1048576 'shred -u -n 3') || exit 1
		echo "$median_ms" >> "$work/peer.median"; echo "$p99_ms" >> "$work/peer.p99"
	done
	for what in median p99; do
		ours=$(median < "$work/ours.$what") peer=$(median < "$work/peer.$what")
		row "$flight in flight, $what / shred -u -n 3" "$ours" "$peer" "$(ratio "$ours" "$peer")" "-"
	done
done

ticks() { # of the service, its mounter and the volume process
	local pid sum=0
	for pid in $service $(pgrep -P "$service") $(volume_process "$work/spool.img"); do
		sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat")))
	done
	echo $sum
}
header "Idle for $idle s (percent of one processor)"
sleep 5
before=$(ticks); sleep "$idle"; after=$(ticks)
row "service, mounter and volume process / (nothing)" \
	"$(awk -v t=$((after - before)) -v s="$idle" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.3f", 100 * t / hz / s}')" 0 "-" "< 0.1"

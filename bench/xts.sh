#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# xts.sh - AES-256-XTS of this code against the same cipher in a bare loop ("openssl speed")
#
# The peer encrypts one buffer of 4096 bytes over and over with one tweak; here each sector has its
# tweak set, and a context is borrowed for each call.  Both count processor time, so that other work
# on the machine does not decide the ratio.  Wall time is shown for two threads against one.
set -eu
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

speed=$build/bench/xts_speed
[ -x "$speed" ] || { echo "xts.sh: $speed is missing: make bench builds it" >&2; exit 2; }
command -v openssl >/dev/null || { echo "xts.sh: skipped: no openssl command"; exit 0; }

bare() { # bare DIRECTION: bytes per second
	local decrypt=()
	[ "$1" = encrypt ] || decrypt=(-decrypt)
	openssl speed "${decrypt[@]}" -seconds 1 -evp aes-256-xts -bytes 4096 2>/dev/null |
		awk 'END {sub(/k$/, "", $2); print $2 * 1000}'
}
gigabytes() { awk -v b="$1" 'BEGIN {printf "%.2f GB/s", b / 1e9}'; }

header "AES-256-XTS, sectors of 4096 bytes, processor time"
for direction in encrypt decrypt; do
	for bytes in 1048576 4096; do
		: > "$work/ours"
		: > "$work/peers"
		for ((i = 0; i < runs; i++)); do
			"$speed" "$direction" "$bytes" 1 1 | awk '{print $2}' >> "$work/ours"
			bare "$direction" >> "$work/peers"
		done
		ours=$(median < "$work/ours")
		peers=$(median < "$work/peers")
		row "$direction, calls of $bytes bytes" "$(gigabytes "$ours")" \
			"openssl speed: $(gigabytes "$peers")" "$(ratio "$ours" "$peers")" "-"
	done
done

header "AES-256-XTS, one sector in a call, two threads against one, wall time"
for direction in encrypt decrypt; do
	: > "$work/one"
	: > "$work/two"
	for ((i = 0; i < runs; i++)); do
		"$speed" "$direction" 4096 1 1 | awk '{print $1}' >> "$work/one"
		"$speed" "$direction" 4096 2 1 | awk '{print $1}' >> "$work/two"
	done
	one=$(median < "$work/one")
	two=$(median < "$work/two")
	row "$direction" "two: $(gigabytes "$two")" "one: $(gigabytes "$one")" "$(ratio "$two" "$one")" "-"
done

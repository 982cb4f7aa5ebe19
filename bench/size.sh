#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# size.sh - memory of spoolguard-volume and time to attach, for a volume of 100 GiB
#
# The image is sparse.  Memory is what is resident after I/O of every kind and after an attach that
# followed a crash; the peak of the key derivation is not part of it.  What the key derivation takes
# is measured by stock cryptsetup on the same header, and taken off the time of attach.
#
#   SIZE  (100G)    RUNS  (3)
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

size=${SIZE:-100G}
image=$work/spool.img
mkdir -p "$work/mount"

resident() { awk '/VmRSS/ {print $2 / 1024}' "/proc/$1/status"; }
attach() { "$sg" attach --passphrase-file "$pass" --mount "$work/mount" "$image"; }
key_derivation() { cryptsetup open --test-passphrase --key-file "$pass" "$image"; }
transfers() {
	for rw in write read randwrite randread; do
		fio --name=x --directory="$work/mount" --filename=bench.dat --size=256M --rw="$rw" --bs=2M --iodepth=8 \
			--ioengine=libaio --direct=1 --runtime=2 --time_based >/dev/null
	done
	"$sg" job complete --id 1 "$work/mount/bench.dat" >/dev/null
}

format_volume --size "$size" "$image" || exit 1
: > "$work/orderly"; : > "$work/crash"; : > "$work/kdf"; : > "$work/rss"
for _ in $(seq "$runs"); do
	seconds key_derivation >> "$work/kdf"; echo >> "$work/kdf"
	seconds attach >> "$work/orderly"; echo >> "$work/orderly"
	transfers
	for i in $(seq 20); do head -c 1M /dev/urandom > "$work/mount/$i"; done
	process=$(volume_process "$image")
	resident "$process" >> "$work/rss"
	kill -9 "$process"
	sleep 0.5
	seconds attach >> "$work/crash"; echo >> "$work/crash"
	resident "$(volume_process "$image")" >> "$work/rss"
	rm -f "$work"/mount/[0-9]*
	"$sg" detach "$image" >/dev/null
done
kdf=$(median < "$work/kdf")

header "A volume of $size (median of $runs; key derivation: $(short "$kdf") s, taken off)"
for what in "orderly, attach after an orderly detach, s" "crash, attach after kill -9, s"; do
	took=$(median < "$work/${what%%,*}")
	row "${what#*, }" "$(awk -v a="$took" -v b="$kdf" 'BEGIN {print a - b}')" - - "< 1"
done
row "memory of spoolguard-volume, the most of all runs, MiB" "$(sort -g "$work/rss" | tail -1)" - - "<= 32"

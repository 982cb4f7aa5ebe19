#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# jobs.sh - 300 jobs of 64 KiB retired together, with receipts, against "shred -u -n 3"
#
# Ours: "job complete --jobs LIST --json", three passes, read-back, unlink, barrier, one receipt a
# job.  The peer runs on the mounted spool itself, and on the same ext4 on a plain loop device.
# Then again where each flush takes 8 ms longer (bench/slow_flush.c), below either; shred gets
# fewer files there, its rate does not depend on their number.  Rates are jobs per second.
#
#   JOBS (300)    RUNS  (3)
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

jobs=${JOBS:-300}
slow=$build/bench/slow_flush

make_jobs() { # make_jobs DIRECTORY COUNT
	local i
	rm -f "$work/list"
	for ((i = 1; i <= $2; i++)); do
		head -c 65536 /dev/urandom > "$1/job$i"
		printf '%s\t%s\n' "$i" "$1/job$i" >> "$work/list"
	done
	sync -f "$1"
}
retire() { # prints jobs per second
	local took
	make_jobs "$work/ours" "$jobs"
	took=$(seconds sh -c "'$sg' job complete --jobs '$work/list' --json > '$work/receipts'")
	[ "$(grep -c '"result":"retired"' "$work/receipts")" = "$jobs" ] || { echo "jobs.sh: not all retired" >&2; exit 1; }
	ratio "$jobs" "$took"; echo
}
shred_at() { # shred_at DIRECTORY COUNT: jobs per second
	make_jobs "$1" "$2"
	ratio "$2" "$(seconds sh -c "cd '$1' && shred -u -n 3 job*")"; echo
}
attach_both() { # attach_both SPOOL PLAIN: the files that the two sides lie on
	local loop
	attach_volume --mount "$work/ours" "$1" >/dev/null || exit 1
	loop=$(losetup --show -f --direct-io=on -b 4096 "$2") || exit 1
	mount -o noatime,discard "$loop" "$work/plain" || exit 1
}
detach_both() {
	local loop
	loop=$(findmnt -no SOURCE "$work/plain")
	umount "$work/plain" && losetup -d "$loop"
	"$sg" detach --all >/dev/null
}
compare() { # compare TITLE SHRED-COUNT BAR
	header "$1 (jobs a second, median of $runs)"
	: > "$work/r.ours"; : > "$work/r.same"; : > "$work/r.plain"
	for _ in $(seq "$runs"); do
		retire >> "$work/r.ours"
		shred_at "$work/plain" "$2" >> "$work/r.plain"
		shred_at "$work/ours" "$2" >> "$work/r.same"
	done
	ours=$(median < "$work/r.ours") same=$(median < "$work/r.same") plain=$(median < "$work/r.plain")
	row "$jobs jobs of 64 KiB / shred -u -n 3 on the same mount" "$ours" "$same" "$(ratio "$ours" "$same")" "$3"
	row "$jobs jobs of 64 KiB / shred -u -n 3 on plain loop + ext4" "$ours" "$plain" "$(ratio "$ours" "$plain")" "-"
}

mkdir -p "$work/ours" "$work/plain"
format_volume --size 1G "$work/spool.img" || exit 1
truncate -s 1G "$work/plain.img"
mkfs.ext4 -q -F -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$work/plain.img"

attach_both "$work/spool.img" "$work/plain.img"
compare "Jobs retired, on this disk" "$jobs" "> 1"
detach_both

for side in spool plain; do
	: > "$work/$side.slow"
	"$slow" "$work/$side.img" "$work/$side.slow" 8 || exit 1
done
attach_both "$work/spool.slow" "$work/plain.slow"
runs=1
compare "Jobs retired, each flush 8 ms slower" 30 ">= 10"
detach_both
umount "$work/spool.slow" "$work/plain.slow"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# mount.sh - the mounted spool against the same ext4 on a plain loop device
#
# LIVE blocks: the file is written once before anything is timed.  Both sides
# have their image on the same file system, O_DIRECT below, and the same fio job.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

size=${SIZE:-512M}
time=${TIME:-5}

fio_at() { # fio_at DIRECTORY RW BS DEPTH: MB/s
	fio --name=x --directory="$1" --filename=bench.dat --size="$size" --rw="$2" --bs="$3" --iodepth="$4" \
		--ioengine=libaio --direct=1 --runtime="$time" --time_based --ramp_time=1 --group_reporting \
		--output-format=json 2>/dev/null |
		jq '.jobs[0] | (.read.bw_bytes + .write.bw_bytes) / 1e6'
}

truncate -s 2G "$work/plain.img"
mkfs.ext4 -q -F -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$work/plain.img"
plain=$(losetup --show -f --direct-io=on -b 4096 "$work/plain.img")
mkdir -p "$work/a" "$work/b"
mount -o noatime,nodiscard "$plain" "$work/b"
"$sg" format --size 2G --passphrase-file "$pass" "$work/spool.img" >/dev/null || exit 1
"$sg" attach --passphrase-file "$pass" --mount "$work/a" "$work/spool.img" >/dev/null || exit 1
for d in "$work/a" "$work/b"; do
	fio --name=x --directory="$d" --filename=bench.dat --size="$size" --rw=write --bs=1M --direct=1 --end_fsync=1 >/dev/null
done

header "Mounted ext4, LIVE blocks, against plain loop + ext4 (MB/s, median of $runs)"
for job in "read 1M 4 0.9" "write 1M 4 0.9" "randread 4k 16 0.5" "randwrite 4k 16 0.5"; do
	set -- $job
	: > "$work/ra"; : > "$work/rb"
	for _ in $(seq "$runs"); do
		fio_at "$work/a" "$1" "$2" "$3" >> "$work/ra"
		fio_at "$work/b" "$1" "$2" "$3" >> "$work/rb"
	done
	a=$(median < "$work/ra") b=$(median < "$work/rb")
	row "$1 $2, depth $3" "$a" "$b" "$(ratio "$a" "$b")" "$4"
done

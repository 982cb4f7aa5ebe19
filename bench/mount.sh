#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# mount.sh - the mounted spool against the same ext4 on a plain loop device, and against QEMU's LUKS
#
# LIVE blocks: the file is written once before anything is timed.  All images lie on one file system,
# O_DIRECT below, under the same ext4 and the same fio job.  QEMU's side is a LUKS image (aes-256-xts)
# that qemu-storage-daemon exports through FUSE, with a loop device on the exported file.
# Twice: on this machine's disk, where the disk may be what is slow, and on a file system in memory,
# where the code is: there every copy and every context switch counts against us.
#
#   SIZE  of the file (512M)    TIME  of each measurement in seconds (5)    RUNS  (3)    MEDIA  ("disk memory")
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

size=${SIZE:-512M}
time=${TIME:-5}
qemu=

fio_at() { # fio_at DIRECTORY RW BS DEPTH: MB/s
	fio --name=x --directory="$1" --filename=bench.dat --size="$size" --rw="$2" --bs="$3" --iodepth="$4" \
		--ioengine=libaio --direct=1 --runtime="$time" --time_based --ramp_time=1 --group_reporting \
		--output-format=json 2>/dev/null |
		jq '.jobs[0] | (.read.bw_bytes + .write.bw_bytes) / 1e6'
}

plain_ext4() { # plain_ext4 FILE DIRECTORY
	local loop
	loop=$(losetup --show -f --direct-io=on -b 4096 "$1") || exit 1
	mkfs.ext4 -q -F -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$loop" || exit 1
	mount -o noatime,nodiscard "$loop" "$2"
}

start_qemu() { # start_qemu DIRECTORY: the exported file is DIRECTORY/qemu.raw
	have qemu-storage-daemon || return 1
	qemu-img create -q --object "secret,id=key,file=$pass" -f luks -o key-secret=key,iter-time=10 \
		"$1/qemu.img" 2G || return 1
	: > "$1/qemu.raw"
	qemu-storage-daemon --object "secret,id=key,file=$pass" \
		--blockdev "driver=file,node-name=file,filename=$1/qemu.img,cache.direct=on,aio=threads" \
		--blockdev driver=luks,node-name=luks,file=file,key-secret=key \
		--export "type=fuse,id=e,node-name=luks,mountpoint=$1/qemu.raw,writable=on" &
	qemu=$!
	for _ in $(seq 50); do
		[ "$(stat -c %s "$1/qemu.raw" 2>/dev/null)" = 2147483648 ] && return 0
		sleep 0.1
	done
	return 1
}

stop_qemu() { # its file system is unmounted and its loop device gone first, or it hangs on itself
	[ -n "$qemu" ] || return 0
	kill "$qemu" && wait "$qemu"
	qemu=
}

compare() { # compare MEDIUM DIRECTORY
	local ours=$2/ours plain=$2/plain other=$2/other sides job a b q
	mkdir -p "$ours" "$plain" "$other"
	truncate -s 2G "$2/plain.img"
	plain_ext4 "$2/plain.img" "$plain"
	format_volume --size 2G "$2/spool.img" || exit 1
	attach_volume --mount "$ours" "$2/spool.img" >/dev/null || exit 1
	sides=("$ours" "$plain")
	if start_qemu "$2"; then
		plain_ext4 "$2/qemu.raw" "$other"
		sides+=("$other")
	fi
	for side in "${sides[@]}"; do
		fio --name=x --directory="$side" --filename=bench.dat --size="$size" --rw=write --bs=1M \
			--direct=1 --end_fsync=1 >/dev/null
	done

	header "Mounted ext4, LIVE blocks, $1 (MB/s, median of $runs)"
	for job in "read 1M 4 0.9 6" "write 1M 4 0.9 6" "randread 4k 16 0.5 3" "randwrite 4k 16 0.5 3"; do
		set -- $job
		for _ in $(seq "$runs"); do
			for side in "${sides[@]}"; do
				fio_at "$side" "$1" "$2" "$3" >> "$work/$(basename "$side").figures"
			done
		done
		a=$(median < "$work/ours.figures") b=$(median < "$work/plain.figures")
		row "$1 $2, depth $3 / plain loop" "$a" "$b" "$(ratio "$a" "$b")" ">= $4"
		if [ -n "$qemu" ]; then
			q=$(median < "$work/other.figures")
			row "$1 $2, depth $3 / QEMU LUKS through FUSE" "$a" "$q" "$(ratio "$a" "$q")" ">= $5"
		fi
		rm -f "$work"/*.figures
	done
	for side in "${sides[@]}"; do
		[ "$side" = "$ours" ] || umount "$side"
	done
	losetup -nO NAME,BACK-FILE | awk -v w="$work" '/plain.img|qemu.raw/ && index($2, w) {print $1}' |
		while read -r l; do losetup -d "$l"; done
	stop_qemu
	"$sg" detach --all >/dev/null
}

for medium in ${MEDIA:-disk memory}; do
	mkdir -p "$work/$medium"
	[ "$medium" = disk ] || memory_medium "$work/$medium" 5G || continue
	compare "image on ${medium/disk/this disk}" "$work/$medium"
	[ "$medium" = disk ] || umount "$work/$medium"
done

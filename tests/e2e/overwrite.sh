#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# overwrite.sh - "spoolguard overwrite" on real files and loop devices, and what it refuses
#
# Everything happens on image files in a directory of its own, and the program is
# confined to it besides.  What this machine cannot set up is named and passed over.
#
# Time limit: 300 s
set -u
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
export SPOOLGUARD_CONFINE=$work SPOOLGUARD_STATE_DIR=$work/state
chmod 755 "$work"

passed_over() { echo "passed over: $*"; }
new_image() { rm -f "$1"; fallocate -l "$2" "$1" || fail "no room for $1"; } # new_image FILE SIZE
bind() { loop=$(losetup -f --show --direct-io=on "$@") || fail "losetup $*"; }
serial_of() { "$sg" overwrite --dry-run --json "$1" | jq -r .serial; }
expect() { # expect CODE COMMAND...: output in $work/out and $work/err
	local code=$1 got
	shift
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "$*: exit $got instead of $code: $(cat "$work/out" "$work/err")"
}
shows_only() { # shows_only FILE BYTE(octal): every byte of it is that
	[ -z "$(tr -d "\\$2" < "$1" | head -c 1)" ] || fail "$1 does not show only \\$2"
}
field() { jq -r ".$1" "$work/out"; }

# --- the command line

refuses 2 'no scheme "nonesuch"' "$sg" overwrite --scheme nonesuch "$work/x"
refuses 2 'full, sample or none' "$sg" overwrite --verify some "$work/x"
refuses 2 'name one file' "$sg" overwrite
refuses 2 'name one file' "$sg" overwrite a b
refuses 2 'not an option' "$sg" overwrite --frobnicate "$work/x"

# --- what is no medium

mkfifo "$work/fifo"
refuses 1 'does not exist' "$sg" overwrite "$work/missing"
refuses 1 'is a directory' "$sg" overwrite "$work"
refuses 1 'pipe' "$sg" overwrite "$work/fifo"
refuses 1 'character device' "$sg" overwrite /dev/null
refuses 1 'does not exist, and nothing is ever created in /dev' "$sg" overwrite /dev/spoolguard-none
root_device=$(findmnt -nro SOURCE /)
[ -b "$root_device" ] && refuses 1 'CONFINE|mounted' "$sg" overwrite --confirm x "$root_device"
if [ -d /etc/cups ]; then
	for f in /etc/cups/*; do
		[ -f "$f" ] && { refuses 1 'ever a medium' "$sg" overwrite --dry-run "$f"; break; }
	done
fi
echo "not yours" > "$work/rootfile"
chmod 600 "$work/rootfile"
refuses 1 'no permission' setpriv --reuid=65534 --regid=65534 --clear-groups "$sg" overwrite "$work/rootfile"
grep -q 'not yours' "$work/rootfile" || fail "a refused file was changed"

# --- a file: slack, preallocation, holes, the raw medium

canary=Kanarienvogel-4711
new_image "$work/fs.img" 64M
mkfs.ext4 -q -F "$work/fs.img" || fail mkfs
bind "$work/fs.img"
mkdir -p "$work/fs"
mount "$loop" "$work/fs" || fail mount
yes "$canary" | head -c 100001 > "$work/fs/job"
fallocate -n -o 100001 -l 200000 "$work/fs/job"
truncate -s 40M "$work/fs/sparse"
yes "$canary" | dd of="$work/fs/sparse" bs=4096 seek=5000 count=3 iflag=fullblock conv=notrunc status=none
sync "$work/fs/job" "$work/fs/sparse"
grep -qa "$canary" "$work/fs.img" || fail "the canary never reached the medium"

before=$(sha256sum < "$work/fs/job")
expect 0 "$sg" overwrite --dry-run --json "$work/fs/job"
[ "$(field result)" = "nothing was done" ] && [ "$(sha256sum < "$work/fs/job")" = "$before" ] || fail "--dry-run changed a file"
ok "--dry-run changes nothing"
expect 0 "$sg" overwrite --json "$work/fs/job"
[ "$(field schema)" = spoolguard.overwrite/1 ] && [ "$(field result)" = "done" ] || fail "$(cat "$work/out")"
[ "$(stat -c %s "$work/fs/job")" = 100001 ] || fail "the file did not keep its size"
[ "$(field verified_bytes)" = "$(field requested_bytes)" ] && [ "$(field requested_bytes)" -ge 300001 ] || fail "not all that is allocated: $(cat "$work/out")"
shows_only "$work/fs/job" 227
ok "a file is overwritten with its slack and its preallocation, and keeps its size"
expect 0 "$sg" overwrite --scheme zero --json "$work/fs/sparse"
[ "$(field requested_bytes)" = 12288 ] || fail "holes were filled: $(field requested_bytes)"
[ "$(stat -c %b "$work/fs/sparse")" -lt 100 ] || fail "holes were filled"
ok "holes stay holes"
expect 0 "$sg" overwrite --remove --verify sample "$work/fs/sparse"
[ -e "$work/fs/sparse" ] && fail "--remove left the file"
: > "$work/fs/empty"
expect 0 "$sg" overwrite "$work/fs/empty"
sync -f "$work/fs/job"
grep -qa "$canary" "$work/fs.img" && fail "the raw medium still shows the canary"
ok "the raw medium shows nothing of what was overwritten"

sleep 60 < "$work/fs/job" & pids+=($!)
refuses 1 "sleep \(process $!\) has it open" "$sg" overwrite "$work/fs/job"
kill $!; wait $! 2>/dev/null

# --- a mounted device, its image, its partitions

refuses 1 "mounted at $work/fs" "$sg" overwrite --confirm x "$loop"
refuses 1 "mounted at $work/fs" "$sg" overwrite "$work/fs.img"
umount "$work/fs"
refuses 1 "$loop is bound to it" "$sg" overwrite "$work/fs.img"
sleep 60 < "$loop" & pids+=($!)
refuses 1 "sleep \(process $!\) has it open" "$sg" overwrite --confirm x "$loop"
kill $!; wait $! 2>/dev/null
expect 0 "$sg" overwrite --dry-run "$loop"
grep -q 'an ext4 file system' "$work/out" || fail "the file system is not named: $(cat "$work/out")"
ok "what a device holds is named"

before=$(sha256sum < "$work/fs.img")
refuses 1 'say --confirm' "$sg" overwrite "$loop"
refuses 1 'is not the device' "$sg" overwrite --confirm "$(basename "$loop")" "$loop"
refuses 1 'remove is for files' "$sg" overwrite --remove --confirm "$(serial_of "$loop")" "$loop"
[ "$(sha256sum < "$work/fs.img")" = "$before" ] || fail "a refused device was changed"
stand_in=$(serial_of "$loop")
[ "$stand_in" = "$(serial_of "$loop")" ] || fail "the stand-in is not the same twice"
new_image "$work/twin.img" 64M
first=$loop
bind "$work/twin.img"
twin=$loop
loop=$first
[ "$(serial_of "$twin")" != "$stand_in" ] || fail "two devices have one stand-in"
refuses 1 'is not the device' "$sg" overwrite --confirm "$stand_in" "$twin"
losetup -d "$twin"

for scheme in zero:000 three-pass:227 ar-380-19:252 ricoh-nsa:000; do
	expect 0 "$sg" overwrite --scheme "${scheme%:*}" --confirm "$stand_in" --json "$loop"
	[ "$(field verified_bytes)" = 67108864 ] || fail "not all was verified: $(cat "$work/out")"
	shows_only "$work/fs.img" "${scheme#*:}"
done
ok "the last pattern of each scheme lies on the raw medium"
expect 0 "$sg" overwrite --scheme dod-5220.22-m --confirm "$stand_in" "$loop"
[ "$(gzip -c "$work/fs.img" | wc -c)" -gt 67000000 ] || fail "random bytes that can be packed"
ok "a random pass is random"
losetup -d "$loop"

new_image "$work/disk.img" 64M
printf 'label: gpt\nsize=20M\nsize=20M\n' | sfdisk -q "$work/disk.img" || fail sfdisk
bind -P "$work/disk.img"
[ -b "${loop}p1" ] || partx -a "$loop" # a kernel that does not read this kind of table
if [ -b "${loop}p1" ]; then
	mkfs.ext4 -q -F "${loop}p1"
	mount "${loop}p1" "$work/fs"
	refuses 1 "$(basename "$loop")p1 is mounted at" "$sg" overwrite --confirm x "$loop"
	refuses 1 "$(basename "$loop")p1 is mounted at" "$sg" overwrite "$work/disk.img"
	expect 0 "$sg" overwrite --confirm "$(serial_of "${loop}p2")" "${loop}p2"
	ok "a partition beside a mounted one may be overwritten"
	umount "$work/fs"
else
	passed_over "partitions on loop devices: there are no device nodes"
fi
expect 0 "$sg" overwrite --dry-run "$loop"
grep -q 'a gpt partition table' "$work/out" || fail "the partition table is not named: $(cat "$work/out")"
partx -d "$loop" 2>/dev/null
losetup -d "$loop"

# --- what else is used, or worth a name

new_image "$work/used.img" 64M
mkswap -q "$work/used.img" 2>/dev/null || mkswap "$work/used.img" >/dev/null 2>&1
bind "$work/used.img"
if swapon "$loop" 2>/dev/null; then
	refuses 1 'swap space; run swapoff' "$sg" overwrite --confirm x "$loop"
	refuses 1 'swap space; run swapoff' "$sg" overwrite "$work/used.img"
	swapoff "$loop"
else
	passed_over "swap in use: swapon is refused here"
fi
expect 0 "$sg" overwrite --dry-run "$loop"
grep -q 'swap space' "$work/out" || fail "swap space is not named"

if dmsetup targets 2>/dev/null | grep -q linear; then
	sectors=$(blockdev --getsz "$loop")
	dmsetup create "sg-e2e-$$" --table "0 $sectors linear $loop 0" || fail dmsetup
	refuses 1 "sg-e2e-$$ holds it" "$sg" overwrite --confirm x "$loop"
	refuses 1 "sg-e2e-$$ holds it" "$sg" overwrite "$work/used.img"
	dmsetup remove "sg-e2e-$$"
	dmsetup create "sg-e2e-$$" --table "0 8000 linear $loop 0
8000 8 error
8008 $((sectors - 8008)) linear $loop 8008" || fail dmsetup
	SPOOLGUARD_CONFINE='' expect 1 "$sg" overwrite --json --confirm "$(SPOOLGUARD_CONFINE='' serial_of "/dev/mapper/sg-e2e-$$")" "/dev/mapper/sg-e2e-$$"
	[ "$(field 'refused[0].offset')" = 4096000 ] && [ "$(field refused_bytes)" = 4096 ] || fail "$(cat "$work/out")"
	dmsetup remove "sg-e2e-$$"
	ok "bad sectors are listed, and the answer is no"
else
	passed_over "device-mapper: not in this kernel"
fi
losetup -d "$loop"

truncate -s 0 "$work/used.img"
fallocate -l 64M "$work/used.img"
printf 'LABELONE\1\0\0\0\0\0\0\0\0\0\0\0\40\0\0\0LVM2 001' | dd of="$work/used.img" bs=512 seek=1 conv=notrunc status=none
expect 0 "$sg" overwrite --dry-run "$work/used.img"
grep -q 'LVM physical volume' "$work/out" || fail "an LVM volume is not named: $(cat "$work/out")"
printf x | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$work/used.img" - || fail luksFormat
expect 0 "$sg" overwrite --dry-run "$work/used.img"
grep -q 'LUKS header' "$work/out" || fail "a LUKS header is not named: $(cat "$work/out")"
ok "LVM and LUKS are named"

make_volume 64M >/dev/null
attach >"$work/attached" || fail attach
refuses 1 'in use by|has it open|attached' "$sg" overwrite "$image"
echo "$canary" > "$mount/job"
expect 3 "$sg" overwrite "$mount/job"
grep -q 'job complete' "$work/out" || fail "a file of a volume is not told from others: $(cat "$work/out")"
device=$(device_of_mount)
SPOOLGUARD_CONFINE='' refuses 1 'mounted at|attached' "$sg" overwrite --confirm x "$device"
detach >/dev/null
ok "an attached volume is refused by its image and by its device"

# --- media that promise nothing

truncate -s 0 "$work/fs.img"
fallocate -l 300M "$work/fs.img"
if mkfs.btrfs -q -f "$work/fs.img" >/dev/null 2>&1 && bind "$work/fs.img" && mount "$loop" "$work/fs" 2>/dev/null; then
	yes "$canary" | head -c 1000000 > "$work/fs/job"
	sync "$work/fs/job"
	expect 3 "$sg" overwrite --json "$work/fs/job"
	[ "$(field medium)" = cannot-promise ] && [ "$(field result)" = "cannot tell" ] || fail "$(cat "$work/out")"
	shows_only "$work/fs/job" 227
	sync -f "$work/fs/job"
	grep -qa "$canary" "$work/fs.img" || echo "note: btrfs happened to overwrite in place"
	umount "$work/fs"
	losetup -d "$loop"
	ok "on btrfs every pass is written, and the answer is: cannot tell"
else
	passed_over "btrfs: cannot be made or mounted here"
fi
memory=$(mktemp /dev/shm/spoolguard-e2e.XXXXXX)
head -c 10000 /dev/urandom > "$memory"
SPOOLGUARD_CONFINE=/dev/shm expect 3 "$sg" overwrite "$memory"
grep -q 'page cache only' "$work/out" || fail "$(cat "$work/out")"
SPOOLGUARD_CONFINE=/dev/shm expect 0 "$sg" overwrite --verify none --remove "$memory"
[ ! -e "$memory" ] || fail "--remove left $memory"
ok "in memory, what is read back proves nothing, and that is said"

# --- interrupted, and taken up

new_image "$work/large.img" 768M
bind "$work/large.img"
stand_in=$(serial_of "$loop")
interrupt() { # interrupt SIGNAL: as soon as something is durable
	"$sg" overwrite --json --confirm "$stand_in" "$loop" >"$work/out" 2>"$work/err" &
	local pid=$!
	pids+=("$pid")
	for _ in $(seq 3000); do
		ls "$work"/state/overwrite-*.json >/dev/null 2>&1 && break
		sleep 0.01
	done
	kill -"$1" $pid
	wait $pid 2>/dev/null
}
interrupt INT
[ $? = 1 ] || fail "interrupted: not exit 1"
[ "$(field result)" = interrupted ] && grep -q 'takes it up' "$work/err" || fail "$(cat "$work/out" "$work/err")"
grep -q loop <<<"$(echo "$work"/state/*)" && fail "the state is bound to a name in /dev"
losetup -d "$loop"
bind "$work/large.img"
stand_in=$(serial_of "$loop")
expect 0 "$sg" overwrite --json --confirm "$stand_in" "$loop"
[ "$(field resumed)" = true ] && [ "$(field verified_bytes)" = $((768 << 20)) ] || fail "not taken up: $(cat "$work/out")"
ls "$work"/state/*.json >/dev/null 2>&1 && fail "the state outlives the run"
shows_only "$work/large.img" 227
ok "an interrupted overwrite says so, and is taken up"

interrupt KILL
printf 'somebody wrote here' | dd of="$loop" bs=4096 seek=3 conv=notrunc oflag=seek_bytes status=none
sync "$loop"
expect 0 "$sg" overwrite --json --confirm "$stand_in" "$loop"
[ "$(field resumed)" = false ] && grep -q 'begins anew' "$work/err" || fail "foreign writes were not noticed: $(cat "$work/out" "$work/err")"
shows_only "$work/large.img" 227
ok "a killed overwrite whose device was written to begins anew"

echo "$pass_count checks"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# interrupted.sh - attach and detach that are killed, refused or in a strange place leave nothing
# that the next command cannot find
#
# The command is killed at many instants of an attach; whatever it leaves, "detach" then "attach"
# bring the spool up.  What a dead volume is remembered to have used is not touched if it belongs
# to somebody else by now.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

nothing_left() { # nothing_left WHEN
	findmnt -rno TARGET | grep -F "$work/" | grep -vF "$work/keep-" >"$work/left" && fail "$1: still mounted: $(cat "$work/left")"
	losetup -nO BACK-FILE | grep -F "$work/run" && fail "$1: a loop device stays"
	pgrep -f "spoolguard-volume --path $image" >/dev/null && fail "$1: a volume process stays"
	return 0
}

make_volume 64M
attach >/dev/null
head -c 1000000 /dev/urandom >"$mount/keep"
sum=$(sha256sum <"$mount/keep")
detach
nothing_left "after detach"

# --- the command is killed while it attaches ---
for ms in 20 60 100 140 180 220 260 300 400 500; do
	"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null 2>&1 & killed=$!
	sleep "0.$(printf %03d "$ms")"
	kill -9 "$killed" 2>/dev/null
	wait "$killed" 2>/dev/null
	sleep 0.5 # a volume process that finds nobody to report to ends
	"$sg" detach "$image" >"$work/out" 2>&1
	nothing_left "killed after $ms ms, then detached ($(cat "$work/out"))"
	attach >/dev/null
	[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "killed after $ms ms: the file is not whole"
	detach
done
ok "attach killed at ten instants: detach clears what it left, and nothing is lost"

# --- ... and while it sweeps what a killed volume left: the command is killed by what it calls ---
attach >/dev/null
kill -9 "$("$sg" status --json "$image" | jq .process)"
mkdir "$work/bin"
printf '#!/bin/sh\ncp "$SPOOLGUARD_RUNTIME_DIR"/*/state "%s/state-then"\nkill -9 $PPID\n' "$work" >"$work/bin/e2fsck"
chmod +x "$work/bin/e2fsck"
PATH=$work/bin:$PATH "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null 2>&1 && fail "the command outlived its killing"
jq -e --arg m "$mount" '.mount == $m and .ready == false' "$work/state-then" >/dev/null || fail "the mount is not recorded before it is made: $(cat "$work/state-then")"
"$sg" status "$image" >"$work/out" 2>&1 && fail "status says that all is well"
grep -q 'interrupted' "$work/out" || fail "status does not name the interrupted attach: $(cat "$work/out")"
"$sg" detach "$image" || fail "detach of an interrupted attach"
nothing_left "killed in the sweep"
printf '#!/bin/sh\nexit 4\n' >"$work/bin/e2fsck"
attach >/dev/null
kill -9 "$("$sg" status --json "$image" | jq .process)"
mkdir "$work/plain-point" && chmod 750 "$work/plain-point"
"$sg" detach "$image" >/dev/null 2>&1
for at in "$work/plain-point" "$work/new-point"; do
	refuses 1 'damaged.*e2fsck' env PATH="$work/bin:$PATH" "$sg" attach --passphrase-file "$pass" --mount "$at" "$image"
	nothing_left "a damaged file system"
done
printf '#!/bin/sh\nkill -INT $$\n' >"$work/bin/e2fsck"
refuses 1 'could not check' env PATH="$work/bin:$PATH" "$sg" attach --passphrase-file "$pass" --mount "$work/new-point" "$image"
[ "$(stat -c %a "$work/plain-point")" = 750 ] || fail "a directory that was not used stays sealed"
touch "$work/plain-point/file" || fail "a directory that was not used stays immutable"
[ ! -e "$work/new-point" ] || fail "a directory that was not used stays"
attach >/dev/null
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "killed in the sweep: the file is not whole"
detach
ok "attach killed in the middle of its sweep, and one that is refused there: nothing is left"

# --- detach looks before it leaps ---
attach >/dev/null
mkdir "$work/bound"
mount --bind "$mount" "$work/bound"
refuses 1 'mounted at .*/bound too' "$sg" detach "$image"
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "a refused detach took the mount away"
"$sg" status "$image" >/dev/null || fail "after a refused detach the volume is not well"
umount "$work/bound"
mkdir "$work/keep-over"
mount -t tmpfs none "$mount"
refuses 1 'mounted over' "$sg" detach "$image"
umount "$mount"
detach
nothing_left "bind mounts"
ok "a spool that is bound elsewhere, or covered, is refused and stays as it is"

"$sg" attach --passphrase-file "$pass" "$image" >"$work/out" || fail attach
device=$(awk '/^device/ {print $2}' "$work/out")
mkdir "$work/by-hand" && mount "$device" "$work/by-hand" || fail "mount by hand"
refuses 1 'mounted at .*/by-hand too' "$sg" detach "$image"
umount "$work/by-hand"
detach

attach >/dev/null
device=$(device_of_mount)
sleep 30 <"$device" &
opener=$!
pids+=("$opener")
sleep 0.2
refuses 1 'open in sleep.*nothing was detached' "$sg" detach "$image"
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "a refused detach took the mount away"
kill "$opener"; wait "$opener" 2>/dev/null
umount "$mount" && losetup -d "$device"
for _ in $(seq 50); do losetup "$device" >/dev/null 2>&1 || break; sleep 0.1; done
"$sg" status "$image" >"$work/out" 2>&1 && fail "the device is gone, and status says that all is well"
grep -q 'device is gone' "$work/out" || fail "status: $(cat "$work/out")"
"$sg" detach "$image" || fail "detach of a volume whose device is gone"
nothing_left "a device that was open, then taken away"
ok "a device that is open elsewhere is refused, one that was taken away is told and cleared"

# --- strange mount points ---
for at in "$work/with space" "$work/real/../dotted" "$work/link"; do
	mkdir -p "$work/real" "$work/target"
	[ -e "$work/link" ] || ln -s target "$work/link"
	"$sg" attach --passphrase-file "$pass" --mount "$at/" "$image" >/dev/null || fail "attach at $at"
	[ "$(sha256sum <"$at/keep")" = "$sum" ] || fail "$at: the file is not whole"
	detach
	nothing_left "$at"
done
mkdir "$work/self" && mount --bind "$work/self" "$work/self"
refuses 1 'mounted at .*/self already' "$sg" attach --passphrase-file "$pass" --mount "$work/self" "$image"
umount "$work/self"
lsattr -d "$work/self" | cut -d' ' -f1 | grep -q i && fail "a directory that was refused was sealed"
echo file >"$work/file"
refuses 1 'file' "$sg" attach --passphrase-file "$pass" --mount "$work/file" "$image"
refuses 1 'parent' "$sg" attach --passphrase-file "$pass" --mount "$work/no/such/parent" "$image"
nothing_left "mount points that are refused"
ok "mount points with spaces, dots and links serve; what is none is refused, and all is undone"

# --- a shared mount above, as systemd has /run ---
unshare -m bash -c '
	mount --make-rprivate / && mkdir -p "$2/keep-run" && mount -t tmpfs none "$2/keep-run" && mount --make-shared "$2/keep-run" || exit 9
	export SPOOLGUARD_RUNTIME_DIR=$2/keep-run/sg
	"$1" attach --passphrase-file "$3" --mount "$4" "$5" >/dev/null || exit 1
	pid=$("$1" status --json "$5" | jq .process); kill -9 "$pid"
	while [ -d "/proc/$pid" ]; do sleep 0.02; done
	"$1" attach --passphrase-file "$3" --mount "$4" --json "$5" >"$2/out" || exit 2
	jq -e .swept "$2/out" >/dev/null || exit 3
	findmnt -rno OPTIONS "$4" | grep -q nodev.*noexec || findmnt -rno VFS-OPTIONS "$4" | grep -q noexec || exit 4
	[ "$(findmnt -rno TARGET | grep -c private)" = 0 ] || exit 5
	"$1" detach "$5" || exit 6
' shared "$sg" "$work" "$pass" "$mount" "$image" || fail "below a shared mount: step $?"
ok "the runtime directory lies below a shared mount: swept, mounted in place, and not twice"

# --- a volume that died, and whose device and mount point belong to somebody else by now ---
attach >/dev/null
device=$(device_of_mount)
pid=$("$sg" status --json "$image" | jq .process)
kill -9 "$pid"
while [ -d "/proc/$pid" ]; do sleep 0.02; done
umount -l "$mount"
losetup -d "$device" 2>/dev/null
for _ in $(seq 50); do losetup "$device" >/dev/null 2>&1 || break; sleep 0.1; done
truncate -s 8M "$work/stranger.img"
mkfs.ext4 -q "$work/stranger.img"
if losetup "$device" "$work/stranger.img" 2>/dev/null; then
	chattr -i "$mount"
	mount "$device" "$mount" || fail "the stranger's mount"
	"$sg" detach "$image" >/dev/null 2>&1
	losetup "$device" | grep -q stranger || fail "a stranger's loop device was detached"
	findmnt -rno SOURCE "$mount" | grep -q "$device" || fail "a stranger's mount was ended"
	umount "$mount"
	losetup -d "$device"
	ok "a device and a mount that belong to a stranger by now are left alone"
fi
attach >/dev/null
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "the file is not whole"
detach
nothing_left "the end"

# --- steps that fail ---
mkdir -p "$work/keep-full"
mount -t tmpfs -o size=16k,nr_inodes=64 none "$work/keep-full"
head -c 16k /dev/zero >"$work/keep-full/fill" 2>/dev/null
refuses 1 'recorded in .*make room' env SPOOLGUARD_RUNTIME_DIR="$work/keep-full" "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"
umount "$work/keep-full"
nothing_left "no room for the record"
unshare -m bash -c 'mount --bind /dev/null /dev/loop-control && exec "$@"' hidden \
	"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >"$work/out" 2>"$work/err" && fail "without loop-control"
[ "$(wc -l <"$work/err")" = 1 ] || fail "without loop-control: $(cat "$work/err")"
nothing_left "no loop-control"
attach >/dev/null
detach
ok "no room for the record, no loop devices: one line each, nothing left behind"

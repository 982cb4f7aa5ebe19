#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# stock.sh - volumes made by stock cryptsetup, a used device, a volume without a file system
#
# The judge of what is on the medium is a decryptor that shares no code with spoolguard.
#
# Time limit: 420 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v cryptsetup >/dev/null || skip "needs cryptsetup"

decrypt=$root/tests/tools/luks2_decrypt.py
stock=$work/stock.img
printf 'correct horse battery staple' >"$pass"
mkdir -p "$mount"
status() { "$sg" status --json "$2" | jq -r ".$1"; }

# --- encryption only ---
for sector in 512 4096; do
	rm -f "$stock"
	truncate -s 64M "$stock"
	cryptsetup luksFormat -q --type luks2 --cipher aes-xts-plain64 --key-size 512 --sector-size $sector \
		--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file "$pass" "$stock" || fail luksFormat
	device=$("$sg" attach --passphrase-file "$pass" --json "$stock" | jq -r .device)
	[ "$(status managed "$stock")" = false ] || fail "a stock volume is taken for a managed one"
	"$sg" status "$stock" | grep -qi 'encryption only' || fail "status does not say what it is"
	[ "$(blockdev --getss "$device")" = $sector ] || fail "sector size $(blockdev --getss "$device")"
	mkfs.ext4 -q -F "$device"
	mount "$device" "$mount"
	head -c 5000000 /dev/urandom >"$mount/f"
	sum=$(sha256sum <"$mount/f")
	umount "$mount"
	"$sg" detach "$stock" || fail detach
	python3 "$decrypt" "$stock" "$pass" >"$work/plain" || fail decrypt
	e2fsck -fn "$work/plain" >/dev/null 2>&1 || fail "e2fsck, sector size $sector"
	[ "$(debugfs -R 'cat f' "$work/plain" 2>/dev/null | sha256sum)" = "$sum" ] || fail "an independent decryptor reads something else"
	# and the other way: what the decryptor's side writes, we read
	head -c 3000000 /dev/urandom >"$work/g"
	debugfs -w -R "write $work/g g" "$work/plain" >/dev/null 2>&1
	python3 "$decrypt" "$stock" "$pass" --encrypt-back <"$work/plain" 2>/dev/null
	"$sg" attach --passphrase-file "$pass" --mount "$mount" "$stock" >"$work/out" || fail "attach --mount"
	grep -qi 'encryption only' "$work/out" || fail "attach does not say what it is"
	cmp -s "$mount/g" "$work/g" && [ "$(sha256sum <"$mount/f")" = "$sum" ] || fail "files are not whole"
	"$sg" job complete --id x "$mount/g" >/dev/null 2>&1 && fail "a job was retired where nothing is overwritten"
	[ -e "$mount/g" ] || fail "a refused job's file is gone"
	"$sg" detach "$stock" || fail detach
	ok "stock volume, sector size $sector: attached, read and written right both ways, and named"
done

# --- a device that held something: all of it is owed, and paid in the background ---
truncate -s 96M "$work/used"
yes "OLDCONTENT of this disk" | head -c 96M >"$work/used"
disk=$(losetup -f --show --direct-io=on "$work/used")
"$sg" format --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$disk" >"$work/out" || fail "format of a device"
grep -q 'owed every pass' "$work/out" || fail "format does not say what is owed: $(cat "$work/out")"
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$disk" >/dev/null || fail attach
head -c 4000000 /dev/urandom >"$mount/f" && sync "$mount/f" || fail "a write while the backlog is paid"
sum=$(sha256sum <"$mount/f")
kill -9 "$(status process "$disk")" # and it goes on after a crash
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$disk" >/dev/null || fail "attach after kill"
"$sg" detach "$disk" || fail detach
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$disk" >/dev/null || fail "attach again"
"$sg" sweep "$disk" >/dev/null || fail sweep
[ "$(status owed_bytes "$disk")" = 0 ] || fail "something is still owed"
[ "$(sha256sum <"$mount/f")" = "$sum" ] || fail "file is not whole"
"$sg" detach "$disk" || fail detach
[ "$(grep -a -c OLDCONTENT "$disk")" = 0 ] || fail "the disk still shows what it held"
"$sg" inspect --passphrase-file "$pass" --search OLDCONTENT "$disk" >"$work/out" || fail "inspect: $(cat "$work/out")"
losetup -d "$disk"
rm -f "$work/used"
ok "a used device: everything it held is overwritten, through detach and crash"

# --- resize ---
make_volume 64M
attach >/dev/null
head -c 20000000 /dev/urandom >"$mount/f"
sum=$(sha256sum <"$mount/f")
if ! "$sg" resize --size 160M "$image" >/dev/null 2>"$work/err"; then
	grep -q CAP_SYS_RESOURCE "$work/err" || fail "resize: $(cat "$work/err")"
	echo "this machine lets nobody grow a mounted ext4 (CAP_SYS_RESOURCE): grown unmounted"
fi
detach
"$sg" resize --size 170M --passphrase-file "$pass" "$image" >/dev/null || fail "resize, detached"
attach >/dev/null
[ "$(df --output=size -B1M "$mount" | tail -1)" -gt 110 ] || fail "the file system has not grown"
head -c 90000000 /dev/urandom >"$mount/g" && sync "$mount/g" || fail "write to the new part"
big=$(sha256sum <"$mount/g")
kill -9 "$(status process "$image")"
attach >/dev/null
[ "$(sha256sum <"$mount/f")" = "$sum" ] && [ "$(sha256sum <"$mount/g")" = "$big" ] || fail "files are not whole"
refuses 1 'only grow' "$sg" resize --size 100M "$image"
refuses 1 'no room|max-size' "$sg" resize --size 900G "$image"
[ "$(stat -c %s "$image")" = $((170 << 20)) ] || fail "a refused resize changed the image"
detach
python3 "$decrypt" "$image" "$pass" >"$work/plain"
e2fsck -fn "$work/plain" >/dev/null 2>&1 || fail "e2fsck after resize"
ok "resize: volume and file system grew, and survived a crash"

# --- no file system ---
rm -f "$image"
make_volume 64M --no-filesystem
device=$("$sg" attach --passphrase-file "$pass" --json "$image" | jq -r .device)
head -c 8M /dev/urandom >"$work/data"
dd if="$work/data" of="$device" bs=1M oflag=direct status=none
cmp -n 8388608 "$work/data" "$device" || fail "read back"
blkdiscard -o 0 -l 4194304 "$device" || fail blkdiscard
"$sg" sweep "$image" >/dev/null || fail sweep
[ "$(status owed_bytes "$image")" = 0 ] || fail "owed after a sweep"
cmp -n 4194304 "$device" /dev/zero || fail "discarded blocks do not read as zeros"
blkdiscard -z -o 4194304 -l 1048576 "$device" || fail "write-zeroes"
[ "$(status live "$image")" -ge 1024 ] || fail "zeros were taken for a discard"
detach
refuses 1 'no ext4' "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"
device=$("$sg" attach --passphrase-file "$pass" --json "$image" | jq -r .device)
mkfs.ext4 -q -F "$device" || fail "stock mkfs.ext4"
detach
attach >/dev/null || fail "a stock ext4 is not accepted"
echo hello >"$mount/f"
"$sg" job complete --id x "$mount/f" >/dev/null || fail "job on a stock ext4"
detach
ok "without a file system: discards are paid, zeros are data, a stock ext4 is accepted"

# --- read-only ---
before=$(sha256sum <"$image")
attach --read-only >/dev/null
touch "$mount/x" 2>/dev/null && fail "a read-only spool takes writes"
refuses 1 'read-only' "$sg" sweep "$image"
detach
[ "$(sha256sum <"$image")" = "$before" ] || fail "a read-only attach changed the image"
ok "read-only: not a byte of the image changed"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# refusals.sh - bad input gets one clear line and the right exit code, and nothing is lost
#
# Every damage is done to a copy; the volume itself must open afterwards with its file whole.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

superblock=$((4 << 20)) # docs/ONDISK.md
map=$((superblock + 2 * 4096))
copy=$work/copy.img

attach_copy() { "$sg" attach --passphrase-file "$pass" --mount "$mount" "$@" "$copy"; }
fresh_copy() { cp --sparse=always "$image" "$copy"; }
scribble() { dd if=/dev/urandom of="$copy" bs=1 seek="$1" count="${2:-512}" conv=notrunc status=none; }
check_copy() { # attaches, the file is whole, detaches
	attach_copy >"$work/attach.out" || fail "attach of the copy: $1"
	[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "$1: the file is not whole"
	"$sg" sweep "$copy" >/dev/null || fail "$1: sweep"
	"$sg" detach "$copy" || fail "$1: detach"
}

make_volume 96M
attach >/dev/null
head -c 3000000 /dev/urandom >"$mount/keep"
sum=$(sha256sum <"$mount/keep")
detach

# --- the passphrase, the path ---
printf 'wrong' >"$work/wrong"
refuses 1 'passphrase' "$sg" attach --passphrase-file "$work/wrong" --mount "$mount" "$image"
refuses 1 'cannot be opened|No such file' "$sg" attach --passphrase-file "$work/none" "$image"
: >"$work/empty"
refuses 1 'empty' "$sg" attach --passphrase-file "$work/empty" "$image"
refuses 1 'directory' "$sg" attach --passphrase-file "$pass" "$work"
refuses 1 'directory' "$sg" format --passphrase-file "$pass" "$work"
refuses 1 'exist' "$sg" attach --passphrase-file "$pass" "$work/none.img"
refuses 1 '/dev/sg-none' "$sg" format --passphrase-file "$pass" --size 64M /dev/sg-none
[ ! -e /dev/sg-none ] || fail "a file was made in /dev"
refuses 1 'LUKS' "$sg" format --passphrase-file "$pass" "$image"
refuses 2 'scheme' "$sg" format --scheme none-such --size 64M --passphrase-file "$pass" "$work/new.img"
refuses 2 'size' "$sg" format --size lots --passphrase-file "$pass" "$work/new.img"
refuses 2 'profile' "$sg" format --profile none-such --size 64M --passphrase-file "$pass" "$work/new.img"
refuses 2 'option' "$sg" attach --none-such "$image"
refuses 2 'no verb' "$sg" none-such
refuses 1 'too small' "$sg" format --size 8M --passphrase-file "$pass" --kdf-memory 32M --kdf-time 50 "$work/new.img"
[ ! -e "$work/new.img" ] || fail "a failed format left its file"
mkdir -p "$work/open" && chmod 755 "$work" "$work/open"
cp "$image" "$work/open/theirs.img"
chmod 600 "$work/open/theirs.img"
echo word >"$work/open/word"
refuses 1 'permission' setpriv --reuid=65534 --regid=65534 --clear-groups \
	env SPOOLGUARD_RUNTIME_DIR="$work/open/run" "$sg" attach --passphrase-file "$work/open/word" "$work/open/theirs.img"

# --- the medium is short, or its header damaged ---
fresh_copy
truncate -s 40M "$copy"
refuses 1 'cut short|short' attach_copy
truncate -s 5M "$copy"
refuses 1 'cut short|short' attach_copy
truncate -s 10K "$copy"
refuses 1 'LUKS|header|short' attach_copy
: >"$copy"
refuses 1 'LUKS|header' attach_copy
fresh_copy && scribble 0 4096
check_copy "the first LUKS2 header is damaged"
fresh_copy && scribble 16384 4096
check_copy "the second LUKS2 header is damaged"
fresh_copy && scribble 0 4096 && scribble 16384 4096
refuses 1 'LUKS|header' attach_copy
ok "damaged headers: one is mended, both are refused"

# --- the map ---
fresh_copy && scribble "$superblock" 512
check_copy "the first superblock is damaged"
fresh_copy && scribble $((superblock + 4096)) 512
check_copy "the second superblock is damaged"
fresh_copy && scribble "$superblock" 512 && scribble $((superblock + 4096)) 512
refuses 1 'superblock|map|damaged' attach_copy
for slot in 0 1; do
	fresh_copy && scribble $((map + slot * 4096 + 300)) 8
	check_copy "slot $slot of a map page is damaged"
	grep -q 'damaged map page' "$work/attach.out" || fail "a damaged map page was not told: $(cat "$work/attach.out")"
done
fresh_copy && scribble "$map" 8192
check_copy "both slots of a map page are damaged"
ok "damaged map pages are judged anew, and nothing is lost"

newer() { # newer WHERE: version 2, and the digest of it
	python3 - "$copy" "$1" <<-'PY'
		import hashlib, sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2])); b = bytearray(f.read(4096))
		    b[8:12] = (2).to_bytes(4, "little"); b[4064:] = hashlib.sha256(b[:4064]).digest()
		    f.seek(int(sys.argv[2])); f.write(b)
	PY
}
fresh_copy && newer "$superblock" && newer $((superblock + 4096))
refuses 1 'newer' attach_copy

"$sg" format --size 96M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$work/other.img" >/dev/null || fail format
fresh_copy
dd if="$work/other.img" of="$copy" bs=4096 skip=1024 seek=1024 count=200 conv=notrunc status=none
refuses 1 'another|other' attach_copy
rm -f "$work/other.img"

fresh_copy
token=$(cryptsetup luksDump --dump-json-metadata "$copy" | jq -r '.tokens | to_entries[] | select(.value.type=="spoolguard") | .key')
cryptsetup token remove --token-id "$token" "$copy" || fail "cryptsetup token remove"
refuses 1 'token.*repair-token' attach_copy
attach_copy --repair-token >/dev/null || fail "repair-token"
"$sg" detach "$copy" || fail detach
check_copy "the token was put back"

# --- in use ---
attach >/dev/null
refuses 1 'attached|in use' "$sg" attach --passphrase-file "$pass" "$image"
refuses 1 'attached|in use' "$sg" format --force --passphrase-file "$pass" "$image"
refuses 3 'in use|attached|locked' "$sg" inspect --passphrase-file "$pass" "$image"
(cd "$mount" && sleep 60) &
pids+=($!)
sleep 0.3
refuses 1 'in use by sleep|in use by bash' "$sg" detach "$image"
kill "${pids[-1]}"
detach
refuses 1 'not attached' "$sg" detach "$image"
refuses 1 'not attached' "$sg" sweep "$image"
refuses 1 'not empty' "$sg" attach --passphrase-file "$pass" --mount "$work" "$image"

# Two commands race: one wins, the other is refused, and the volume is attached once.
for _ in 1 2 3; do
	"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null 2>"$work/err1" & a=$!
	"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null 2>"$work/err2" & b=$!
	wait $a; ra=$?
	wait $b; rb=$?
	[ $((ra + rb)) = 1 ] || fail "two attaches: exit $ra and $rb: $(cat "$work/err1" "$work/err2")"
	"$sg" detach "$image" >/dev/null 2>&1 & a=$!
	"$sg" detach "$image" >/dev/null 2>&1 & b=$!
	wait $a; ra=$?
	wait $b; rb=$?
	[ $ra = 0 ] || [ $rb = 0 ] || fail "two detaches: exit $ra and $rb"
done
ok "two attaches and two detaches at once: one of each wins"

# --- full ---
attach >/dev/null
dd if=/dev/zero of="$mount/fill" bs=1M status=none 2>/dev/null
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "full: the file is not whole"
"$sg" job complete --id full "$mount/fill" >/dev/null || fail "a job on a full spool is not retired"
detach
ok "a full spool: writes fail, the job is retired, nothing is lost"

mkdir -p "$work/small"
mount -t tmpfs -o size=24M none "$work/small" || fail tmpfs
"$sg" format --size 96M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$work/small/s.img" >/dev/null || fail format
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$work/small/s.img" >/dev/null || fail attach
head -c 2000000 /dev/urandom >"$mount/first" && sync "$mount/first" || fail "write"
first=$(sha256sum <"$mount/first")
dd if=/dev/urandom of="$mount/fill" bs=1M count=40 conv=fsync status=none 2>/dev/null && fail "the host's file system was full"
"$sg" detach "$work/small/s.img" >/dev/null 2>&1 # may say that not all could be written
umount "$mount" 2>/dev/null
mount -o remount,size=200M "$work/small"
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$work/small/s.img" >/dev/null || fail "attach after the host was full"
[ "$(sha256sum <"$mount/first")" = "$first" ] || fail "host full: an acknowledged file is not whole"
[ "$("$sg" status --json "$work/small/s.img" | jq .stuck)" = 0 ] || fail "host full: blocks were taken for refused ones"
"$sg" sweep "$work/small/s.img" >/dev/null || fail "sweep after the host was full"
"$sg" detach "$work/small/s.img" || fail detach
umount "$work/small"
ok "the host's file system was full: acknowledged files are whole, and the volume goes on"

check_copy "the last copy"
attach >/dev/null
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "the volume itself is not whole"
detach
ok "the volume itself is whole"

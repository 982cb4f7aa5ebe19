#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# foreign.sh - somebody else wrote to the volume, below spoolguard
#
# The volume is opened by an independent decryptor, its ext4 changed through libext2fs
# (debugfs, resize-free), encrypted back, and attached again: it is noticed, nothing is lost,
# every block is judged anew, and what the stranger deleted is overwritten.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

mark=FOREIGNJOB$$
decrypt=$root/tests/tools/luks2_decrypt.py
text() { head -c "$2" < <(yes "$mark $1" 2>/dev/null); }
blocks() { "$sg" status --json "$image" | jq ".$1"; }

make_volume 128M
attach >/dev/null
mkdir "$mount/d"
for i in $(seq 120); do text "$i" $((1 + (i * 7919) % 90000)) >"$mount/d/f$i"; done
(cd "$mount" && sha256sum d/f{1..60} d/f{91..120}) >"$work/sums"
detach

change() { # change COMMANDS-FILE: debugfs on the decrypted bytes, then back into the image
	python3 "$decrypt" "$image" "$pass" >"$work/plain" || fail "decrypt"
	debugfs -w -f "$1" "$work/plain" >"$work/debugfs.log" 2>&1 || fail "debugfs: $(cat "$work/debugfs.log")"
	e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "the stranger's own work is damaged: $(tail -3 "$work/fsck")"
	python3 "$decrypt" "$image" "$pass" --encrypt-back <"$work/plain" || fail "encrypt back"
	rm -f "$work/plain"
}

text stranger 300000 >"$work/new"
{
	for i in $(seq 61 90); do echo "rm d/f$i"; done
	for i in $(seq 5); do echo "write $work/new n$i"; done
} >"$work/commands"
change "$work/commands"
(cd "$work" && for i in $(seq 5); do sha256sum new | sed "s/new/n$i/"; done) >>"$work/sums"

attach >"$work/attach.out"
grep -q 'Something else wrote' "$work/attach.out" || fail "foreign writes were not noticed: $(cat "$work/attach.out")"
(cd "$mount" && sha256sum -c --quiet "$work/sums") || fail "a file was lost"
[ "$(blocks unknown)" = 0 ] || fail "$(blocks unknown) blocks were not judged"
ok "foreign writes noticed, every file whole, every block judged"

"$sg" sweep "$image" >/dev/null || fail "sweep"
detach
python3 "$decrypt" "$image" "$pass" >"$work/plain" || fail "decrypt"
e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -3 "$work/fsck")"
python3 "$root/tests/tools/free_blocks.py" "$image" "$work/plain" 0x97 >"$work/free" ||
	fail "what the stranger freed is still there: $(cat "$work/free")"
rm -f "$work/plain"
ok "what the stranger deleted is overwritten: $(cat "$work/free")"

attach >"$work/attach.out"
grep -q 'Something else wrote' "$work/attach.out" && fail "nobody else wrote this time"
"$sg" sweep "$image" >/dev/null || fail "sweep"
detach
ok "an attach of our own is not taken for a stranger's"

# A stranger who damages the file system: nothing is erased, and the words say what to do.
printf "clri d/f1\nssv mtime 20260101\n" >"$work/commands"
python3 "$decrypt" "$image" "$pass" >"$work/plain"
debugfs -w -f "$work/commands" "$work/plain" >/dev/null 2>&1
python3 "$decrypt" "$image" "$pass" --encrypt-back <"$work/plain"
rm -f "$work/plain"
refuses 1 'damaged.*e2fsck' "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"
device=$("$sg" attach --passphrase-file "$pass" --json "$image" | jq -r .device)
e2fsck -fy "$device" >/dev/null 2>&1
[ "$(blocks unknown)" -gt 0 ] || fail "nothing is unknown before the sweep"
[ "$(blocks residue)" = 0 ] || fail "something was judged free on a damaged file system"
detach
attach >/dev/null
[ "$(blocks unknown)" = 0 ] || fail "the repaired file system was not judged"
(cd "$mount" && grep -v ' d/f1$' "$work/sums" | sha256sum -c --quiet) || fail "a file was lost"
detach
ok "a damaged file system is refused, repaired on the device, and judged then"

# The stranger makes a file system that cannot be a spool.
python3 "$decrypt" "$image" "$pass" >"$work/plain"
mkfs.ext4 -q -F -b 1024 "$work/plain" && python3 "$decrypt" "$image" "$pass" --encrypt-back <"$work/plain"
refuses 1 '4096' "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"
python3 "$decrypt" "$image" "$pass" >"$work/plain"
mkfs.ext4 -q -F -b 4096 -O inline_data "$work/plain" && python3 "$decrypt" "$image" "$pass" --encrypt-back <"$work/plain"
refuses 1 'inline_data' "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"
ok "an ext4 with forbidden features is refused by name"

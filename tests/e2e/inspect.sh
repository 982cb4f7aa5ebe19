#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# inspect.sh - the offline judge, on file systems that a kernel wrote
#
# A live job is found and named, an attached volume is refused, a retired job is
# nowhere, a crash cannot be judged, a foreign write by the kernel's dm-crypt is
# noticed, and what was written below the map shows.  An independent decryptor and
# grep count the same.
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"

mark=INSPECTJOB$$
look() { "$sg" inspect --passphrase-file "$pass" "$@" "$image"; }
expect() { # expect CODE WHAT OPTION...: the exit code; the answer is left in $work/answer
	local code=$1 what=$2 got
	shift 2
	look --json "$@" >"$work/answer" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "$what: exit $got instead of $code: $(cat "$work/answer" "$work/err")"
	ok "$what"
}
answer() { jq -r "$1" "$work/answer"; }

make_volume 64M
expect 0 "a fresh volume is in order"
attach >/dev/null
mkdir "$mount/$mark-folder"
yes "$mark page" 2>/dev/null | head -c 100000 >"$mount/$mark-folder/job"
refuses 3 "in use by .*detach" look --search "$mark"
detach

expect 1 "a live job is found" --search "$mark"
[ "$(answer '.searches[0].raw')" = 0 ] || fail "plaintext on the medium"
answer '.searches[0].examples[].path' | grep -qx "/$mark-folder/job" || fail "the file is not named"
[ "$(answer '.searches[0].places["decrypted-directory"]')" -ge 1 ] || fail "its name in the directory"
[ "$(answer '.findings.list | length')" = 0 ] || fail "findings: $(answer '.findings')"
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" >"$work/plain" || fail "independent decryptor"
[ "$(answer '.searches[0].decrypted')" = "$(grep -a -o -F "$mark" "$work/plain" | wc -l)" ] ||
	fail "an independent decryptor counts otherwise"
ok "an independent decryptor counts the same"

attach >/dev/null
"$sg" job complete --id 1 "$mount/$mark-folder/job" >/dev/null || fail "job complete"
rmdir "$mount/$mark-folder"
"$sg" sweep "$image" >/dev/null || fail "sweep"
detach
expect 0 "a retired job is in no data" --search "$mark page"
[ "$(answer '.compared.free.live')" = 0 ] || fail "free blocks are live"

# Below the map: one bit of a clean block.
first=$(answer '.header.data_offset_bytes')
blocks=$(answer '.map.blocks')
printf x | dd of="$image" bs=1 seek=$((first + (blocks - 5) * 4096 + 77)) conv=notrunc status=none
expect 1 "one byte under a clean block is found"
[ "$(answer '.findings.list[0] | "\(.kind) \(.first) \(.count)"')" = "clean-not-blank $((blocks - 5)) 1" ] ||
	fail "not that block: $(answer '.findings')"
printf '\0' | dd of="$image" bs=1 seek=$((first + (blocks - 5) * 4096 + 77)) conv=notrunc status=none
expect 0 "put back, all is in order again"

# A crash: the journal holds what is not in place.
attach >/dev/null
yes "$mark crash" 2>/dev/null | head -c 50000 >"$mount/job"
sync -f "$mount"
kill -9 "$("$sg" status --json "$image" | jq -r .process)"
umount -l "$mount" 2>/dev/null
losetup -nO NAME,BACK-FILE | awk -v w="$work" 'index($2, w) {print $1}' | while read -r l; do losetup -d "$l"; done
for _ in $(seq 50); do
	look >/dev/null 2>"$work/err"
	grep -q "in use" "$work/err" || break
	sleep 0.1
done
expect 3 "after a crash it cannot tell"
answer '.cannot_tell[]' | grep -q journal || fail "does not say why: $(answer '.cannot_tell')"
attach >/dev/null
rm "$mount/job"
"$sg" sweep "$image" >/dev/null || fail "sweep"
detach
expect 0 "attached and swept, all is in order" --search "$mark crash"

# Somebody else mounts it, past the map: what dm-crypt would do, by the independent program.
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" >"$work/plain" || fail "independent decryptor"
mkdir "$work/other"
mount -o loop "$work/plain" "$work/other" || fail "mount of the decrypted bytes"
yes "$mark foreign" 2>/dev/null | head -c 50000 >"$work/other/foreign"
umount "$work/other"
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" --encrypt-back <"$work/plain" 2>/dev/null ||
	fail "independent writer"
expect 1 "a foreign file is found, and the map does not agree" --search "$mark foreign"
answer '.cannot_tell[]' | grep -q "written since" || fail "foreign writes unnoticed"
[ "$(answer '.findings.counts["clean-not-blank"]')" -ge 12 ] || fail "the foreign file's blocks are not found"
attach >/dev/null
rm "$mount/foreign"
"$sg" sweep "$image" >/dev/null || fail "sweep"
detach
expect 0 "attached and swept, nothing of it is left" --search "$mark foreign"

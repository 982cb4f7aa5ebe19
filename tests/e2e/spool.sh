#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# spool.sh - a few hundred files on a real mount, and nothing of them afterwards
#
# Files are written, retired, deleted behind spoolguard's back, truncated and
# renamed.  Judges: e2fsck, grep on the raw image, grep on what an independent
# decryptor makes of it, and "inspect" (map against ext4 against medium).
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

mark=SECRETJOB$$
text() { yes "$mark body of job $1 " | head -c "$2"; }
raw_hits() { sync -f "$work"; grep -a -c -e "$mark" "$image"; }

make_volume 256M
attach
device=$(device_of_mount)
[ "$(raw_hits)" = 0 ] || fail "the raw image knows the mark already"
queue=/sys/block/${device##*/}/queue
if grep -q mq-deadline "$queue/scheduler"; then
	[ "$(cat "$queue/iosched/async_depth" "$queue/async_depth" 2>/dev/null | head -1)" = 10 ] ||
		fail "a flood of writes may take all of the volume process's memory and of the queue"
	ok "few writes are handed down at once: reads and memory do not suffer from many that wait"
fi

for i in $(seq 300); do
	text "$i" $((1 + (i * 7919) % 200000)) > "$mount/job-$i"
done
sync -f "$mount"
[ "$(raw_hits)" = 0 ] || fail "plaintext on the raw medium while jobs are live"
[ "$(grep -a -c -e "$mark" "$device")" -gt 1000 ] || fail "the decrypted device does not show live jobs"
ok "300 jobs are live and encrypted"

for i in $(seq 1 100); do printf '%s\t%s\n' "$i" "$mount/job-$i"; done > "$work/jobs"
"$sg" job complete --jobs "$work/jobs" --json > "$work/receipts" || fail "job complete --jobs"
[ "$(grep -c '"schema"' "$work/receipts")" = 100 ] || fail "not one receipt a job"
for i in $(seq 101 110); do
	"$sg" job complete --id "$i" "$mount/job-$i" >/dev/null || fail "job complete $i"
done
[ ! -e "$mount/job-1" ] && [ ! -e "$mount/job-105" ] || fail "a retired file is still there"
ok "110 jobs retired"

for i in $(seq 111 160); do rm "$mount/job-$i"; done
for i in $(seq 161 200); do truncate -s 10 "$mount/job-$i"; done
for i in $(seq 201 240); do mv "$mount/job-$i" "$mount/job-$((i + 1))" 2>/dev/null; done
for i in $(seq 242 300); do text "$i" 5000 > "$mount/job-$i"; done
"$sg" sweep "$image" || fail "sweep"
ok "deleted, truncated, renamed and rewritten behind its back; swept"

rm -f "$mount"/job-*
"$sg" sweep "$image" || fail "second sweep"
sync -f "$mount"
echo 1 > /proc/sys/vm/drop_caches
[ "$(grep -a -c -e "$mark" "$device")" = 0 ] || fail "the decrypted device still shows retired jobs"
detach
grep -q '\[none\]' "$queue/scheduler" || fail "the loop device keeps a scheduler of ours"
[ "$(raw_hits)" = 0 ] || fail "plaintext on the raw medium"
ok "nothing on the attached volume"

"$sg" inspect --passphrase-file "$pass" --search "$mark" --json "$image" > "$work/inspect" || {
	cat "$work/inspect" >&2
	fail "inspect found something"
}
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" > "$work/plain" || fail "independent decryptor"
[ "$(grep -a -c -e "$mark" "$work/plain")" = 0 ] || fail "the independent decryptor still sees a job"
e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -3 "$work/fsck")"
ok "inspect, e2fsck and an independent decryptor agree"

python3 "$root/tests/tools/free_blocks.py" "$image" "$work/plain" 0x97 >"$work/free" || fail "free blocks: $(cat "$work/free")"
ok "every free block shows the last pattern, or zeros: $(cat "$work/free")"

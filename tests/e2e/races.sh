#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# races.sh - what happens to a job file while it is retired, and which files are refused
#
# The file is large, so that its passes take a while; in that time it is renamed, truncated,
# opened, replaced, removed, defragmented.  Whatever happens, no other file loses a byte,
# and nothing of the job is readable afterwards.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

mark=RACEJOB$$
victim_mb=${VICTIM_MB:-80}
lease=$(cat /proc/sys/fs/lease-break-time)
victim() { yes "$mark body" | head -c "${victim_mb}M" >"$mount/victim"; sync "$mount/victim"; }
hits() { sync -f "$mount"; echo 1 >/proc/sys/vm/drop_caches; grep -a -c -e "$mark" "$(device_of_mount)"; }
retire() { "$sg" job complete --id r "$mount/victim" >"$work/out" 2>"$work/err" & job=$!; sleep 0.15; }
joined() { wait "$job"; code=$?; }
others_whole() { (cd "$mount" && sha256sum -c --quiet "$work/sums") || fail "$1: another file lost a byte"; }

set +o pipefail
make_volume 400M
attach >/dev/null
for i in $(seq 40); do head -c $((i * 5000)) /dev/urandom >"$mount/other-$i"; done
sync -f "$mount"
(cd "$mount" && sha256sum other-*) >"$work/sums"

victim; retire
mv "$mount/victim" "$mount/renamed"
joined
[ $code = 1 ] && grep -q 'renamed' "$work/err" || fail "renamed: exit $code: $(cat "$work/out" "$work/err")"
[ "$(stat -c %s "$mount/renamed")" = 0 ] || fail "renamed: not empty"
rm "$mount/renamed"
[ "$(hits)" = 0 ] || fail "renamed: its text is readable"
others_whole renamed
ok "renamed: erased, said, and not removed under the new name"

victim; retire
echo new >"$work/replacement"
cp "$work/replacement" "$mount/new" && mv "$mount/new" "$mount/victim"
joined
[ $code = 1 ] && grep -q 'replaced' "$work/err" || fail "replaced: exit $code: $(cat "$work/err")"
[ "$(cat "$mount/victim")" = new ] || fail "replaced: the new file was touched"
rm "$mount/victim"
[ "$(hits)" = 0 ] || fail "replaced: its text is readable"
others_whole replaced
ok "replaced: the old content is erased, the new file is left alone"

victim; retire
cat "$mount/victim" >"$work/read" 2>/dev/null # waits for the lease, which must not cost the command its life
joined
[ $code = 0 ] || fail "opened by a reader: exit $code: $(cat "$work/err")"
grep -q "$mark" "$work/read" && fail "a reader who waited was given the job"
rm -f "$work/read"
[ "$(hits)" = 0 ] || fail "opened by a reader: its text is readable"
others_whole "opened by a reader"
ok "opened by a reader meanwhile: he waits, and reads nothing of the job"

victim; retire
rm "$mount/victim"
joined
[ $code = 0 ] || fail "removed meanwhile: exit $code: $(cat "$work/err")"
[ "$(hits)" = 0 ] || fail "removed meanwhile: its text is readable"
others_whole removed
ok "removed by somebody else meanwhile: erased all the same"

victim; retire
start=$SECONDS
truncate -s 100 "$mount/victim" 2>/dev/null # waits for the lease, and finds the file gone or cut
joined
[ $((SECONDS - start)) -lt "$lease" ] || fail "truncated: waited for the lease to break"
rm -f "$mount/victim"
"$sg" sweep "$image" >/dev/null
[ "$(hits)" = 0 ] || fail "truncated: its text is readable"
others_whole truncated
ok "truncated meanwhile (exit $code): nothing readable, nothing else touched"

if command -v e4defrag >/dev/null; then
	victim; retire
	e4defrag "$mount/victim" >/dev/null 2>&1
	joined
	rm -f "$mount/victim"
	"$sg" sweep "$image" >/dev/null
	[ "$(hits)" = 0 ] || fail "defragmented: its text is readable"
	others_whole defragmented
	ok "defragmented meanwhile (exit $code)"
fi

victim; retire
"$sg" job complete --id second "$mount/victim" >"$work/out2" 2>"$work/err2"
second=$?
joined
[ $code = 0 ] || fail "two retirements: the first exits $code: $(cat "$work/err")"
[ $second = 1 ] || fail "two retirements: the second exits $second"
[ "$(wc -l <"$work/err2")" = 1 ] || fail "two retirements: $(cat "$work/err2")"
[ "$(hits)" = 0 ] || fail "two retirements: its text is readable"
ok "retired twice at once: one does it, the other is told"

# --- what is refused, and left as it is ---
echo "$mark hardlink" >"$mount/one" && ln "$mount/one" "$mount/two"
refuses 1 'hard links' "$sg" job complete --id x "$mount/one"
grep -q hardlink "$mount/two" || fail "a refused file was touched"
rm "$mount/two"
"$sg" job complete --id x "$mount/one" >/dev/null || fail "after the other name is gone it is retired"

echo "$mark target" >"$mount/target" && ln -s target "$mount/link"
refuses 1 'symbolic link' "$sg" job complete --id x "$mount/link"
grep -q target "$mount/target" || fail "a link's target was touched"
rm "$mount/link" "$mount/target"

echo "$mark twice" >"$mount/twice"
refuses 1 'named twice' "$sg" job complete --id x "$mount/twice" "$mount/../$(basename "$mount")/twice"
[ ! -e "$mount/twice" ] || fail "a file that is named twice stays"

mkdir "$mount/bound" "$work/bound" && echo "$mark bound" >"$mount/bound/file"
mount --bind "$mount/bound" "$work/bound" || fail "bind"
(cd "$work/bound" && "$sg" job complete --id x file) >/dev/null || fail "a job below a bind mount is not retired"
umount "$work/bound"
rmdir "$mount/bound"
ok "a job is retired through a bind mount of the spool, and by a relative name"

mkdir "$mount/dir"
refuses 1 'directory' "$sg" job complete --id x "$mount/dir"
mkfifo "$mount/fifo"
refuses 1 'regular file' "$sg" job complete --id x "$mount/fifo"
echo elsewhere >"$work/elsewhere"
refuses 1 'does not lie on' "$sg" job complete --id x "$work/elsewhere"
[ "$(cat "$work/elsewhere")" = elsewhere ] || fail "a file elsewhere was touched"
refuses 1 'does not exist' "$sg" job complete --id x "$mount/none"
refuses 2 'id' "$sg" job complete "$mount/fifo"

echo "$mark open" >"$mount/open"
tail -f "$mount/open" >/dev/null &
reader=$!
pids+=("$reader")
sleep 0.2
refuses 1 'open in tail' "$sg" job complete --id x "$mount/open"
grep -q open "$mount/open" || fail "an open file was touched"
(sleep 1; kill "$reader") &
"$sg" job complete --wait --id x "$mount/open" >/dev/null || fail "--wait did not wait"
ok "--wait waits until the file is closed"

python3 - "$mount/open" <<-'PY' &
	import mmap, os, sys, time
	f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); os.write(f, b"mapped"); m = mmap.mmap(f, 6); os.close(f)
	time.sleep(30)
PY
mapper=$!
pids+=("$mapper")
for _ in $(seq 300); do grep -qs "$mount/open" "/proc/$mapper/maps" && break; sleep 0.1; done
refuses 1 'open in python3' "$sg" job complete --id x "$mount/open"
kill "$mapper"; wait "$mapper" 2>/dev/null
"$sg" job complete --id x "$mount/open" >/dev/null || fail "a file that was mapped is not retired when it is let go"

truncate -s 10M "$mount/sparse"
echo "$mark sparse" | dd of="$mount/sparse" bs=1 seek=5000000 conv=notrunc status=none
"$sg" job complete --id x --json "$mount/sparse" | jq -e '.result == "retired" and .written_blocks == 1' >/dev/null ||
	fail "a sparse file is not retired"
: >"$mount/empty"
"$sg" job complete --id x "$mount/empty" >/dev/null || fail "an empty file is not retired"
fallocate -l 2M "$mount/prealloc"
echo "$mark prealloc" | dd of="$mount/prealloc" bs=1 conv=notrunc status=none
"$sg" job complete --id x --json "$mount/prealloc" | jq -e '.result == "retired" and .requested_blocks >= 512' >/dev/null ||
	fail "a preallocated file is not retired whole"
ok "sparse, empty and preallocated files are retired"

rm -rf "$mount/fifo" "$mount/dir"
"$sg" sweep "$image" >/dev/null
[ "$(hits)" = 0 ] || fail "something is still readable"
others_whole end
detach
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" >"$work/plain"
e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -3 "$work/fsck")"
ok "the file system is clean, no other file lost a byte"

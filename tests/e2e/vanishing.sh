#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# vanishing.sh - the medium fails or goes away under I/O
#
# The image lies behind qemu-storage-daemon, which shows it as a file through FUSE and can
# fail chosen requests (blkdebug), or be killed: every request then fails, as from a drive
# that was pulled.  The volume says so, claims nothing, and opens again when the medium is back.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v qemu-storage-daemon >/dev/null || skip "needs qemu-storage-daemon (qemu-system-common)"

drive=$work/drive
daemon=
plug() { # plug [BLKDEBUG-RULES-FILE]: the image appears as $drive
	: >"$drive"
	qemu-storage-daemon --pidfile "$work/qsd.pid" --daemonize \
		--blockdev driver=file,node-name=file,filename="$image",cache.direct=off,locking=off \
		--blockdev driver=blkdebug,node-name=debug,image=file${1:+,config=$1} \
		--export type=fuse,id=e,node-name=debug,mountpoint="$drive",writable=on 2>"$work/qsd.err" ||
		skip "qemu-storage-daemon cannot export here: $(cat "$work/qsd.err")"
	daemon=$(cat "$work/qsd.pid")
	pids+=("$daemon")
	for _ in $(seq 50); do [ -s "$drive" ] && return; sleep 0.1; done
	fail "the drive did not appear"
}
pull() {
	kill -9 "$daemon"
	for _ in $(seq 50); do kill -0 "$daemon" 2>/dev/null || break; sleep 0.1; done
	umount -l "$drive" 2>/dev/null
	rm -f "$drive" "$work/qsd.pid"
}
attach_drive() { timeout 60 "$sg" attach --passphrase-file "$pass" --mount "$mount" "$drive"; }
clear_up() { # whatever is left of the attach
	"$sg" detach --all >"$work/detach.out" 2>&1
	for _ in $(seq 50); do findmnt -rno TARGET "$mount" >/dev/null || break; umount -l "$mount" 2>/dev/null; sleep 0.1; done
}

make_volume 96M
attach >/dev/null
head -c 3000000 /dev/urandom >"$mount/keep"
sum=$(sha256sum <"$mount/keep")
detach

# --- pulled while jobs are written and retired ---
plug
attach_drive >/dev/null || fail "attach through qemu"
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "file is not whole through qemu"
(while head -c 500000 /dev/urandom >"$mount/w" 2>/dev/null && sync "$mount/w" 2>/dev/null; do :; done) 2>/dev/null &
pids+=($!)
yes PULLEDJOB | head -c 20M >"$mount/job" 2>/dev/null
sync "$mount/job"
(sleep 0.1; kill -9 "$daemon") &
timeout 60 "$sg" job complete --id pulled "$mount/job" >"$work/out" 2>"$work/err"
code=$?
[ $code = 1 ] || [ $code = 0 ] || fail "job on a pulled drive: exit $code"
if [ $code = 1 ]; then
	! grep -q 'job pulled retired' "$work/out" || fail "a receipt claims what was not done"
fi
timeout 20 "$sg" status "$drive" >"$work/out" 2>&1
[ $? = 1 ] || fail "status of a pulled drive is not 1: $(cat "$work/out")"
kill "${pids[-1]}" 2>/dev/null
clear_up
pull
plug
attach_drive >"$work/out" || fail "attach after the drive is back"
[ "$(sha256sum <"$mount/keep")" = "$sum" ] || fail "pulled: an acknowledged file is not whole"
rm -f "$mount/job" "$mount/w"
"$sg" sweep "$drive" >/dev/null || fail "sweep after the drive is back"
"$sg" detach "$drive" || fail "detach after the drive is back"
pull
[ "$(grep -a -c PULLEDJOB "$image")" = 0 ] || fail "plaintext"
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" >"$work/plain"
[ "$(grep -a -c PULLEDJOB "$work/plain")" = 0 ] || fail "the job is still readable"
e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -2 "$work/fsck")"
ok "pulled under I/O: no claim, no loss, nothing left when it is back (job exit $code)"

# --- every flush fails ---
cat >"$work/noflush" <<-'RULES'
	[inject-error]
	event = "none"
	iotype = "flush"
	errno = "5"
RULES
plug "$work/noflush"
attach_drive >"$work/out" 2>"$work/err" && fail "attached on a drive that cannot flush"
[ "$(wc -l <"$work/err")" -le 2 ] || fail "more than one line: $(cat "$work/err")"
clear_up
pull
ok "a drive that cannot flush is refused: $(tail -1 "$work/err" | cut -c1-100)"

# --- a sector that refuses writes: STUCK, remapped, and the file system never sees it ---
offset=$(cryptsetup luksDump --dump-json-metadata "$image" | jq -r '.segments."0".offset')
attach >/dev/null
yes STUCKJOB | head -c 400000 >"$mount/job"
sync "$mount/job"
block=$(filefrag -b4096 -v "$mount/job" | awk '/^ *0:/ {sub(/\.\./, "", $4); print $4}')
"$sg" detach "$image" || fail detach
sector=$((offset / 512 + block * 8 + 16))
cat >"$work/badsector" <<-RULES
	[inject-error]
	event = "none"
	iotype = "write"
	errno = "5"
	sector = "$sector"
RULES
plug "$work/badsector"
attach_drive >/dev/null || fail "attach with a bad sector"
"$sg" job complete --id stuck --json "$mount/job" >"$work/out" 2>"$work/err"
code=$?
[ "$("$sg" status --json "$drive" | jq .stuck)" = 1 ] || fail "the bad block is not STUCK: $(cat "$work/out" "$work/err")"
[ $code = 1 ] && jq -e '.result == "failed" and .refused_blocks == 1' "$work/out" >/dev/null ||
	fail "a job with a bad sector is called retired: exit $code, $(cat "$work/out" "$work/err")"
[ ! -e "$mount/job" ] || fail "job with a bad sector: its file is still there"
head -c 80M /dev/urandom >"$mount/fill" 2>/dev/null # the file system uses every block
sync -f "$mount" || fail "the file system saw the bad block"
a=$(sha256sum <"$mount/fill"); echo 1 >/proc/sys/vm/drop_caches
[ "$(sha256sum <"$mount/fill")" = "$a" ] || fail "what lies on the spare block does not read back"
"$sg" detach "$drive" || fail detach
pull
attach >/dev/null
[ "$("$sg" status --json "$image" | jq .stuck)" = 1 ] || fail "STUCK is forgotten"
[ "$(sha256sum <"$mount/fill")" = "$a" ] || fail "the remapped block is lost"
rm -f "$mount/fill"
detach
ok "a sector that refuses writes: STUCK, remapped, remembered (job exit $code)"

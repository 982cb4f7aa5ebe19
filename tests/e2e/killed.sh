#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# killed.sh - kill -9 of the volume process in the middle of work, ten times
#
# fio writes with verification and jobs are retired while the process that serves the
# volume is killed.  After each kill: the volume attaches again (what was left mounted is
# cleared), every file that was acknowledged by fsync is whole, no retired job is readable
# on the raw medium or in the decrypted bytes, and the file system is clean.
#
# Time limit: 600 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v fio >/dev/null || skip "needs fio"

rounds=${ROUNDS:-10}
mark=KILLEDJOB$$
seed=${SEED:-$RANDOM}
echo "seed $seed"
RANDOM=$seed

text() { head -c "$2" < <(yes "$mark $1 retired" 2>/dev/null); }
serving() { "$sg" status --json "$image" | jq -r .process; }

make_volume 200M
declare -A acknowledged # name -> digest
n=0

for round in $(seq "$rounds"); do
	attach >"$work/attach.out" 2>&1
	cat "$work/attach.out" >>"$work/log"
	for name in "${!acknowledged[@]}"; do
		[ "$(sha256sum <"$mount/$name" | cut -d' ' -f1)" = "${acknowledged[$name]}" ] ||
			fail "round $round: acknowledged file $name is not whole"
	done
	process=$(serving)

	fio --aux-path="$work" --name=v --directory="$mount" --filename=fio.dat --size=16M --rw=randwrite --bs=4k \
		--iodepth=8 --ioengine=libaio --direct=1 --verify=crc32c --verify_backlog=64 --fsync=50 \
		--runtime=20 --time_based >"$work/fio.log" 2>&1 &
	fio=$!
	pids+=("$fio")
	(
		# Jobs come and are retired, until the volume is gone.
		for i in $(seq 500); do
			text "$round-$i" $((1 + (i * 7919) % 60000)) >"$mount/job-$round-$i" || exit
			"$sg" job complete --id "$round-$i" "$mount/job-$round-$i" >/dev/null || exit
			echo "$round-$i" >>"$work/retired"
		done
	) 2>/dev/null &
	jobs=$!
	pids+=("$jobs")

	for _ in $(seq $((1 + RANDOM % 6))); do
		n=$((n + 1))
		head -c $((1 + RANDOM * 7)) /dev/urandom >"$work/data"
		cp "$work/data" "$mount/keep-$n" && sync "$mount/keep-$n" || fail "round $round: write"
		sync -f "$mount"
		acknowledged[keep-$n]=$(sha256sum <"$work/data" | cut -d' ' -f1)
	done
	sleep 0.$((RANDOM % 10))
	kill -9 "$process"
	kill "$fio" "$jobs" 2>/dev/null
	wait "$fio" "$jobs" 2>/dev/null
	pids=()
	grep -q 'verify: bad\|verify failed' "$work/fio.log" && fail "round $round: fio: $(grep -m1 verify "$work/fio.log")"
	[ "$(grep -a -c -e "$mark" "$image")" = 0 ] || fail "round $round: plaintext on the raw medium"
done
ok "$rounds kills, ${#acknowledged[@]} acknowledged files whole each time, $(wc -l <"$work/retired") jobs retired"

attach >/dev/null
"$sg" sweep "$image" >/dev/null || fail "sweep"
rm -f "$mount"/job-* "$mount/fio.dat"
"$sg" sweep "$image" >/dev/null || fail "sweep"
detach
python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" >"$work/plain" || fail "independent decryptor"
e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -3 "$work/fsck")"
[ "$(grep -a -c -e "$mark" "$work/plain")" = 0 ] || fail "a job's text is still in the decrypted bytes"
ok "nothing of any job is left, and the file system is clean"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit_crash.sh - the log's writer is killed at any instant: what it leaves verifies as it lies, has
# every record that was said to be durable, and is gone on with; and while it writes, closes and
# drops, the log verifies too
#
# Kills AUDIT_CRASH_ROUNDS times (40), fewer on a slow machine.
#
# Time limit: 400 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography"
writer=$build/tests/supervisor/log_writer
[ -e "$writer" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/supervisor/log_writer" >/dev/null || fail "log_writer is not built"
state=$work/state
mkdir "$state"
rounds=${AUDIT_CRASH_ROUNDS:-40}

judge() { # judge WHAT: good for both verifiers
	"$root/tools/verify_log.py" --json "$state/audit" "$state/keys/enrolment.pub" >"$work/verdict" ||
		fail "$1: verify_log.py: $(cat "$work/verdict")"
	"$sg" audit verify --trust "$state/keys/enrolment.pub" "$state/audit" >"$work/out" || fail "$1: $(cat "$work/out")"
	[ "$(jq .last_sequence "$work/verdict")" -ge "$2" ] ||
		fail "$1: record $2 was durable, and the log ends with $(jq .last_sequence "$work/verdict")"
}

durable=0
RANDOM=4711
for round in $(seq "$rounds"); do
	rm -f "$work/said"
	"$writer" "$state" 0 16384 131072 >"$work/said" 2>"$work/err" &
	pid=$!
	pids+=("$pid")
	# Once it writes, somewhere in the next tenth of a second: about as long as a segment takes.
	for _ in $(seq 600); do [ -s "$work/said" ] || ! kill -0 $pid 2>/dev/null || { sleep 0.1; continue; }; break; done
	kill -0 $pid 2>/dev/null || fail "round $round: the writer ended: $(cat "$work/err")"
	sleep "0.0$((RANDOM % 100))"
	kill -9 $pid
	wait $pid 2>/dev/null
	said=$(grep -E '^[0-9]+$' "$work/said" | tail -n 1)
	[ -n "$said" ] || fail "round $round: nothing was written: $(cat "$work/err")"
	[ "$said" -gt "$durable" ] || fail "round $round: record $said again after $durable"
	durable=$said
	judge "round $round" "$durable"
	[ "$SECONDS" -lt 45 ] || [ "$round" -lt 8 ] || [ -n "${AUDIT_CRASH_ROUNDS:-}" ] || break
done
ok "killed $round times, $durable records: the log is good, and has all that was durable"

"$writer" "$state" 600 16384 131072 >/dev/null || fail "the log is not gone on with"
judge "at the end" $((durable + 600))
[ "$(jq .dropped_segments "$work/verdict")" -gt 0 ] || fail "no segment was dropped: the test is too small"
[ "$(jq .torn_bytes "$work/verdict")" = 0 ] || fail "half a line stands in a log that was opened since"
ok "$(jq .dropped_segments "$work/verdict") segments were dropped meanwhile, and the log says so"

# --- while it is written ---
python3 "$root/tests/audit/verify_in_use.py" "$writer" "$state" || fail "verify_log.py looks at a log that is in use"
ok "the log may be another one between any two steps of verify_log.py (of audit verify: test_log_in_use)"

# As fast as a busy service, not as fast as it can be: then it is another log within a tenth of a second.
"$writer" "$state" 0 16384 131072 1000 >"$work/said" 2>"$work/err" &
pid=$!
pids+=("$pid")
for try in $(seq 25); do
	"$sg" audit verify --trust "$state/keys/enrolment.pub" "$state/audit" >"$work/out" || fail "in use, try $try: $(cat "$work/out")"
	[ $((try % 5)) != 0 ] || "$root/tools/verify_log.py" "$state/audit" "$state/keys/enrolment.pub" >"$work/out" ||
		fail "in use, try $try: verify_log.py: $(cat "$work/out")"
done
kill -0 $pid 2>/dev/null || fail "the writer ended: $(cat "$work/err")"
kill $pid
ok "a log that is in use, and loses a segment every few moments, is good whenever it is looked at"

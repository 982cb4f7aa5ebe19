#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_plugin.sh - check_spoolguard: its exit codes, its line, its performance data
#
# A stand-in for the service answers what it is told: every state, every way of being wrong.
# Each case is held to its exit code and to the form of the line.
#
# Time limit: 120 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "needs python3"
plugin=$build/check_spoolguard
export SPOOLGUARD_SOCKET=$work/socket

# expect CODE PATTERN ARGUMENTS...: one line (without -v) that matches, and the exit code
expect() {
	local code=$1 pattern=$2 got
	shift 2
	"$plugin" "$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "check_spoolguard $*: exit $got instead of $code: $(cat "$work/out" "$work/err")"
	head -1 "$work/out" | grep -qE -- "$pattern" || fail "check_spoolguard $*: no /$pattern/ in: $(cat "$work/out")"
	[ ! -s "$work/err" ] || fail "check_spoolguard $*: stderr: $(cat "$work/err")"
}

# --- nobody is there ---
expect 3 'UNKNOWN - spoolguardd is not running'
touch "$work/socket"
expect 3 'UNKNOWN - spoolguardd is not running'
rm "$work/socket"
ok "without a service it cannot tell"

python3 "$root/tests/tools/fake_service.py" "$work/socket" "$work/answer" &
pids+=($!)
for _ in $(seq 100); do [ -S "$work/socket" ] && break; sleep 0.05; done

# status STATE REASONS WAITING OLDEST OWED [MORE]
status() {
	printf '{"parameters":{"state":"%s","reasons":[%s],"volumes":[],"jobs":{"oldest_seconds":%s},"waiting":[],' \
		"$1" "$2" "$4"
	printf '"debt":{"bytes":%s,"blocks":1,"oldest_seconds":0,"jobs_waiting":%s}%s}}' "$5" "$3" "${6:-}"
}
reason() { printf '{"key":"k","weight":"%s","text":"%s"}' "$1" "$2"; }

# --- states ---
status READY "" 0 0 0 >"$work/answer"
expect 0 "^SPOOLGUARD OK - 0 jobs pending \| 'backlog'=0;;;0; 'oldest'=0s;;;0; 'owed'=0B;;;0;$"
expect 0 "'backlog'=0;1;10;0; 'oldest'=0s;60;600;0;" -w 1 -c 10 --age-warning 60 --age-critical 600 -H localhost
status WIPING "" 0 0 4096 >"$work/answer"
expect 0 "OK - 0 jobs pending, WIPING \|.*'owed'=4096B"
status SELF-TEST "" 0 0 0 >"$work/answer"
expect 0 'OK - .*SELF-TEST'
status DEGRADED "$(reason attention "swap is not encrypted; x | y")" 1 5 0 >"$work/answer"
expect 1 'WARNING - 1 job pending, DEGRADED: swap is not encrypted; x / y \|'
[ "$(tr -cd '|' <"$work/out" | wc -c)" = 1 ] || fail "a reason's bar ends the text: $(cat "$work/out")"
status LOCKED "$(reason locked "volume spool is locked")" 0 0 0 >"$work/answer"
expect 2 'CRITICAL - .*LOCKED: volume spool is locked'
status DEGRADED "$(reason attention swap),$(reason stops-claims "AES is wrong")" 0 0 0 >"$work/answer"
expect 2 'CRITICAL'
status STOPPED "" 0 0 0 >"$work/answer"
expect 2 'CRITICAL'
ok "each state has its exit code"

# --- ranges ---
status READY "" 5 100 0 >"$work/answer"
expect 0 OK -w 5 -c 10
expect 1 WARNING -w 4 -c 10
expect 2 CRITICAL -w 1 -c 4
expect 1 WARNING -w @5:5
expect 2 CRITICAL -c 6:
expect 0 OK --age-warning 100 --age-critical 200
expect 1 WARNING --age-warning 99 --age-critical 200
expect 2 CRITICAL --age-warning 1 --age-critical 99
expect 2 CRITICAL --warning 1 --critical 100 --age-critical 99
status DEGRADED "$(reason attention swap)" 5 100 0 >"$work/answer"
expect 2 CRITICAL -c 4
ok "ranges are held against jobs and age"

# --- verbose ---
status DEGRADED "$(reason attention one),$(reason attention two)" 0 0 0 >"$work/answer"
expect 1 WARNING -v
[ "$(sed -n 2,3p "$work/out" | tr '\n' ' ')" = "one two " ] || fail "reasons: $(cat "$work/out")"
ok "-v lists the reasons"

# --- what cannot be told ---
status READY "" 0 0 0 ',"stale_seconds":61' >"$work/answer"
expect 3 'UNKNOWN - .*a volume has not answered for 61 s'
status READY "" 0 0 0 ',"stale_seconds":5' >"$work/answer"
expect 0 OK
echo '{"error":"io.spoolguard.PermissionDenied","parameters":{"text":"GetStatus needs a role"}}' >"$work/answer"
expect 3 'UNKNOWN - the service refused: GetStatus needs a role$'
echo '{"error":"io.spoolguard.PermissionDenied","parameters":{}}' >"$work/answer"
expect 3 'UNKNOWN - the service refused: io.spoolguard.PermissionDenied'
echo close >"$work/answer"
expect 3 'UNKNOWN - the service could not be asked'
echo silence >"$work/answer"
expect 3 'UNKNOWN - the service did not answer in time' -t 1
for nonsense in '' '{' '[]' '{"parameters":{}}' '{"parameters":{"state":"READY","reasons":7}}' \
	'{"parameters":{"state":7,"reasons":[]}}' '{"parameters":{"state":"READY","reasons":[{}],"debt":{},"jobs":{}}}' \
	'{"parameters":{"state":"READY","reasons":[],"debt":{"bytes":-1},"jobs":{}}}'; do
	printf '%s' "$nonsense" >"$work/answer"
	expect 3 UNKNOWN
done
head -c 6000000 /dev/zero | tr '\0' '{' >"$work/answer"
expect 3 UNKNOWN
ok "what cannot be told is UNKNOWN"

# --- usage ---
for wrong in "-w x" "-c 20:10" "-w" "-t 0" "-t x" "--nonsense" "more"; do
	# shellcheck disable=SC2086 # words
	expect 3 'UNKNOWN - .*see --help' $wrong
done
expect 0 '^check_spoolguard [0-9]' -V
expect 0 '^usage:' -h
ok "a wrong command line is UNKNOWN too"
echo "$pass_count checks passed"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit_stops.sh - a log that takes no records stops claims, and no job is lost
#
# The log is full and must not rotate; its disk is full; it does not fit what was written.  Each time:
# the status says why and what to do, a job that is announced is not retired and its file stays,
# and once the cause has gone (by itself, or by the one command that the status names) the same
# job is retired, with a receipt.
#
# Time limit: 200 s
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"

job_state() { "$sg" job show --json "$1" 2>/dev/null | jq -r .job.state; }
is_retired() { [ "$(job_state "$1")" = retired ]; }
reasons() { "$sg" status --json 2>/dev/null | jq -r '.reasons[]?.text // empty'; }
says() { reasons | grep -q "$1"; }
# Before that the command, finding that the volume is nobody's, would do root's jobs itself.
is_ready() { [ "$(grep -c '"event":"service-ready"' "$work/log")" = "$1" ] && is_open; }
document() { yes "BODY $1" | head -c 100000 >"$mount/$1"; }

# stands_still NAME PATTERN: the job NAME is announced, and nothing is claimed of it
stands_still() {
	wait_until 60 says "$2" || fail "$1: the status does not say /$2/: $(reasons)"
	document "$1"
	"$sg" job complete --id "$1" "$mount/$1" >/dev/null 2>"$work/err" && accepted=1 || accepted=0
	sleep 1 # long enough for a job to be retired
	is_retired "$1" && fail "$1: retired while nothing can be logged"
	[ -e "$mount/$1" ] || fail "$1: the file is gone, and nothing says so"
	ok "$1: the status says \"$(reasons | grep -m 1 "$2" | cut -c1-60)...\", and the job stands still"
}

# goes_on NAME: it is retired now; announced again where it could not be taken
goes_on() {
	wait_until 90 eval "! says 'takes no records'" || fail "$1: the reason does not go: $(reasons)"
	[ "$accepted" = 1 ] || "$sg" job complete --id "$1" "$mount/$1" >/dev/null || fail "$1: is not taken"
	wait_until 90 is_retired "$1" || fail "$1: is $(job_state "$1"): $(reasons)"
	[ ! -e "$mount/$1" ] || fail "$1: retired, and its file is there"
	seen job-retired "call $1"
	ok "$1: retired once the cause had gone"
}

fill_log() { # fill_log PATTERN: events of the host (the service takes so many of each kind), until the status says that
	local n kind
	for n in $(seq 60); do
		for kind in management time-changed role-changed session-failed authentication-failed login-limit; do
			"$sg" audit record "$kind" --detail "$(printf '%01000d' "$n")" >/dev/null 2>"$work/err"
		done
		says "$1" && return 0
	done
	fail "the log takes everything: $(reasons)"
}

make_volume 64M >/dev/null
mkdir -m 700 "$state"
mount -t tmpfs -o size=4m,mode=700 spoolguard-test "$state" || fail "a small file system"
write_configuration() { # write_configuration SIZE
	configure 'job_abandoned = 1s' '[cups]' 'enabled = no' '[audit]' "size = $1" 'segment_size = 16K' 'when_full = stop' \
		"$(volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass")"
}
write_configuration 128K
start_service
wait_until 60 is_ready 1 || fail "no volume: $(tail -n 5 "$work/log")"
document first
wait_until 60 "$sg" job complete --id first --wait "$mount/first" || fail "the first job"

# --- the log is full ---
fill_log "takes no records"
stands_still full "takes no records"
says "when_full = rotate" || fail "the status does not say what to do: $(reasons)"
write_configuration 1M
kill -HUP "$service"
goes_on full

# --- its disk is full ---
cat /dev/zero >"$state/filler" 2>/dev/null
fill_log "No space"
stands_still disk "No space"
rm "$state/filler"
goes_on disk

# --- it does not fit ---
stop_service || fail "the service does not end in order"
segment=$(printf '%s\n' "$state"/audit/segment-*.jsonl | tail -n 1)
sed -i '1s/"outcome":"success"/"outcome":"failure"/' "$segment"
start_service
wait_until 60 is_ready 2 || fail "not ready again: $(tail -n 5 "$work/log")"
stands_still changed "set-aside"
before=$(cat "$segment")
"$sg" audit set-aside >/dev/null || fail "audit set-aside"
mark=0 # numbers begin anew
goes_on changed
[ "$(cat "$state"/audit.set-aside-*/"$(basename "$segment")")" = "$before" ] || fail "what was set aside is not what was there"
head -n 1 "$state"/audit/segment-00000001.jsonl | jq -e '.event == "log-set-aside"' >/dev/null ||
	fail "the new log does not know of the old one: $(head -n 1 "$state"/audit/segment-00000001.jsonl)"
"$sg" audit verify --trust "$state/keys/enrolment.pub" "$state/audit" >"$work/out" || fail "the new log: $(cat "$work/out")"
ok "the new log verifies"
stop_service || fail "the service does not end in order"
echo "$pass_count checks"

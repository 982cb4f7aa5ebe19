#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# hold.sh - when nothing may be claimed, or too much is owed, CUPS holds new jobs and loses none
#
# A private cupsd on a volume under spoolguardd.  A program of ours is damaged, so that a self-test
# fails: queues stand still with a message that says why, jobs are accepted and wait; repaired, they
# are printed and retired.  The same over a kill -9 of the service, both ways; a queue that somebody
# else stopped stays stopped; on_failure = continue-without-receipts prints on; an old job holds
# intake until it is retired.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"

# Programs that may be damaged.
mkdir "$work/bin"
cp "$build"/manifest "$work/bin/"
sed -n 's/^[0-9a-f]\{64\}  //p' "$build/manifest" | while read -r program; do
	cp "$build/$program" "$work/bin/$program" || exit 1
done || fail "the programs of the manifest could not be copied"
daemon=$work/bin/spoolguardd
damage() { printf x >>"$work/bin/check_spoolguard"; }
repair() { cp "$build/check_spoolguard" "$work/bin/check_spoolguard"; }
call() { python3 "$root/tests/tools/varlink_call.py" "$SPOOLGUARD_SOCKET" "io.spoolguard.$1" "${2:-}" >"$work/answer"; }
selftest() { call SelfTest '{}' || fail "SelfTest: $(cat "$work/answer")"; }
message() { LC_ALL=C lpstat -p "$1"; }
is_held() { message "$1" | grep -q "spoolguard: .*$2"; }
is_free() { message "$1" | grep -q "is idle.*enabled"; }
job() { # prints the ledger's state of CUPS's job $1
	call JobShow "{\"id\":\"$1\",\"source\":\"cups\"}" && jq -r .parameters.job.state "$work/answer"
}
is_retired() { [ "$(job "$1")" = retired ]; }

server=$work/server
mkdir -p "$server"/{etc,log,cache,run}
make_volume 128M >/dev/null
write_conf() { # write_conf [SERVICE-LINES...]
	configure "$@" "$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $pass" \
		"bind = cache:$server/cache" "bind = log:$server/log")" "$(cups_section)"
}
write_conf
start_service
seen service-ready
cupsd_spool=$mount cupsd_start "$server" 'PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' 'MaxJobs 0'
queue_raw front 0
queue_raw back 0
queue_raw stopped 0
cupsdisable -r "out of paper" stopped
echo "a document" >"$work/a"

id=$(job_submit front "$work/a")
wait_until 30 is_retired "$id" || fail "a job is not retired: $(cat "$work/answer")"
is_free front || fail "the queue: $(message front)"
ok "while all is well nothing is held"

# --- claims stop ---
mark_events
damage
selftest
seen intake-held "" "self-test"
wait_until 20 is_held front "self-test failed" || fail "front: $(message front)"
wait_until 20 is_held back "self-test failed" || fail "back: $(message back)"
message stopped | grep -q "out of paper" || fail "stopped: $(message stopped)"
id=$(job_submit front "$work/a") && [ -n "$id" ] || fail "a job was rejected"
sleep 2
[ "$(job_state "$id")" = 3 ] || fail "a job is in state $(job_state "$id") instead of pending"
ok "a failed self-test holds every queue and says why; jobs are accepted, and wait"

stop_service KILL
start_service
seen intake-held "" "self-test"
sleep 2
is_held front "self-test failed" || fail "a restart let go: $(message front)"
[ "$(job_state "$id")" = 3 ] || fail "printed meanwhile"
ok "a hold outlives the service, and is kept while it is due"

cupsenable front # a person means well
wait_until 20 is_held front "self-test failed" || fail "started by hand: $(message front)"
ok "a queue that somebody starts meanwhile is held again"

mark_events
repair
selftest
seen intake-released
wait_until 20 is_free front || fail "front: $(message front)"
wait_until 20 is_free back || fail "back: $(message back)"
message stopped | grep -q "out of paper" || fail "somebody else's queue was started: $(message stopped)"
wait_until 30 is_retired "$id" || fail "the job that waited is not retired: $(job "$id")"
ok "repaired: the queues go on, the job is printed and retired; another's stopped queue stays so"

damage
selftest
wait_until 20 is_held front "self-test failed" || fail "front: $(message front)"
stop_service KILL
repair
start_service
wait_until 30 is_free front || fail "a hold that is not due any more was left: $(message front)"
ok "a hold that a crash left is taken back when it is not due"

# --- without receipts ---
write_conf "on_failure = continue-without-receipts"
kill -HUP "$service"
seen configuration-changed
damage
selftest
id=$(job_submit front "$work/a")
wait_until 30 is_retired "$id" || fail "a job waits: $(job "$id")"
is_free front || fail "front: $(message front)"
[ "$(jq -r '.parameters.job.receipt.claims' "$work/answer")" = false ] || fail "a receipt that claims: $(cat "$work/answer")"
repair
selftest
ok "continue-without-receipts: jobs are printed and retired, and claim nothing"

# --- debt ---
mark_events
write_conf "debt_limit_age = 2s"
kill -HUP "$service"
seen configuration-changed
echo "an old job" >"$mount/old"
call JobBegin "{\"id\":\"old\",\"files\":[\"$mount/old\"]}" || fail "JobBegin: $(cat "$work/answer")"
# The call's connection has ended; the job is retired job_abandoned later, and holds until then.
wait_until 20 is_held front "waited to be overwritten for [0-9]* s (limit 2 s)" || fail "front: $(message front)"
id=$(job_submit front "$work/a") && [ -n "$id" ] || fail "a job was rejected"
call JobComplete "{\"id\":\"old\",\"wait\":true,\"timeout_s\":20}" || fail "JobComplete: $(cat "$work/answer")"
wait_until 20 is_free front || fail "front: $(message front)"
wait_until 30 is_retired "$id" || fail "the job that waited: $(job "$id")"
ok "an old debt holds new jobs until it is paid, and rejects none"
stop_service TERM
echo "$pass_count checks passed"

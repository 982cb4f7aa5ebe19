#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# decommission_service.sh - a volume whose drive is decommissioned is closed for good, and no job is lost in silence
#
# A private cupsd on a volume under spoolguardd, and a second volume.  CloseForDecommission, by root alone:
# jobs that print are retired, those that wait are listed, and the service is killed in the middle; the
# same call goes on, also after one that found a file open.  Then the volume is detached, neither "spoolguard attach" nor a restart brings it
# back, a wipe is refused, CUPS holds its jobs, and the other volume goes on.  Its key's states stand in the
# log.  A medium that is formatted anew is attached, and CUPS prints again.
#
# Time limit: 400 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"
command -v setpriv >/dev/null || skip "needs setpriv"
[ -x /usr/bin/python3 ] || skip "needs /usr/bin/python3" # one that other users can run

server=$work/server
other=$work/other
mkdir -p "$server"/{etc,log,cache,run} "$other"
make_volume 128M >/dev/null
uuid=$(cryptsetup luksUUID "$image")
"$sg" format --size 64M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$work/other.img" >/dev/null || fail "format"
configure 'job_abandoned = 1s' "$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $pass")" \
	"$(volume other "$work/other.img" "$other" 'unlock = key-file' "key_file = $pass")" "$(cups_section)" \
	'[roles]' 'operator = daemon'

call() { python3 "$root/tests/tools/varlink_call.py" "$SPOOLGUARD_SOCKET" "io.spoolguard.$1" "${2:-}" >"$work/answer"; }
close() { call CloseForDecommission "{\"volume\":\"$uuid\",\"confirm\":\"${1:-$uuid}\",\"wait_s\":${2:-120}}"; }
answered() { jq -e "$1" "$work/answer" >/dev/null || fail "$2: $(cat "$work/answer")"; }
volume_is() { { "$sg" status --json || true; } | jq -e ".volumes[] | select(.name == \"$1\") | .state == \"$2\""; }
message() { LC_ALL=C lpstat -p "$1"; }
is_held() { message "$1" | grep -q "spoolguard: .*$2"; }
is_free() { message "$1" | grep -q "is idle.*enabled"; }
cups_state() { call JobShow "{\"id\":\"$1\",\"source\":\"cups\"}" && jq -r .parameters.job.state "$work/answer"; }
is_retired() { [ "$(cups_state "$1")" = retired ]; }
happens() { wait_until 60 has_event "$1" || fail "no event $1 in: $(events)"; }
prints_on_other() {
	echo DATA >"$other/job$1"
	"$sg" job complete --id "other$1" --wait "$other/job$1" >/dev/null || fail "the other volume does not retire: $("$sg" status)"
}

start_service
seen service-ready
wait_until 60 volume_is other open || fail "the other volume is not open: $("$sg" status)"
cupsd_spool=$mount cupsd_start "$server" 'PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' 'MaxJobs 0'
queue_raw front 0
lpadmin -p slow -E -v slowsink:/6 || fail "lpadmin"
echo "a document" >"$work/a"
before=$(job_submit front "$work/a")
wait_until 60 is_retired "$before" || fail "a job is not retired"

# --- who may, and how ---

mark_events
setpriv --reuid 12001 --regid 12001 --groups "$(getent group daemon | cut -d: -f3)" /usr/bin/python3 - \
	"$SPOOLGUARD_SOCKET" io.spoolguard.CloseForDecommission '{"volume":"spool","confirm":"spool"}' \
	<"$root/tests/tools/varlink_call.py" >"$work/answer"
answered '.error == "io.spoolguard.PermissionDenied"' "an operator closes a volume"
happens '.event == "access-denied" and .data.method == "CloseForDecommission" and .subject.uid == 12001'
close another && fail "closed without its name"
answered '.parameters.text | test("confirm with")' "why"
volume_is spool open || fail "it was closed"
ok "an operator is refused, which is an event; what is to be closed has to be named"

# --- closed, and killed in the middle ---

printing=$(job_submit slow "$work/a")
waiting=$(job_submit slow "$work/a")
held=$(LP_OPTIONS='-H indefinite' job_submit front "$work/a")
echo DATA >"$mount/called"
"$sg" job begin --id called "$mount/called" >/dev/null || fail "job begin"
wait_until 60 eval 'lpstat -o slow | grep -q .' || fail "nothing prints"
mark_events
close &
closer=$!
pids+=("$closer")
happens ".event == \"decommission\" and .outcome == \"begun\" and .object.volume == \"$uuid\" and .subject.role == \"administrator\""
stop_service KILL
wait "$closer" && fail "it was answered by a service that was killed"
[ "$(jq -r .state "$state/closure.spool")" = closing ] || fail "how far it is is not recorded: $(cat "$state/closure.spool")"
start_service
seen service-ready
wait_until 60 volume_is spool open || fail "its jobs cannot end: $("$sg" status)"
wait_until 60 is_held front "was decommissioned" || fail "intake goes on after a kill: $(message front)"
call JobBegin "{\"id\":\"new\",\"volume\":\"spool\"}" && fail "a new job is taken"
answered '.parameters.text | test("decommissioned")' "why no job is taken"
prints_on_other 1
mkdir "$mount/someone"
exec 8>"$mount/someone/file"
close && fail "detached while a program has a file open"
answered '.error == "io.spoolguard.Busy" and (.parameters.text | test("takes no job any more.*in use"))' "why"
exec 8>&-
close || fail "the third call: $(cat "$work/answer")"
cp "$work/answer" "$work/first"
answered '.parameters.result | .detached and .jobs_retired >= 2' "the result"
not_retired() { answered ".parameters.result.jobs_not_retired | any(.source == \"cups\" and .id == \"$1\" and (.why | test(\"$2\")))" "job $1"; }
not_retired "$waiting" .
not_retired "$held" .
answered ".parameters.result.jobs_not_retired | all(.id != \"$printing\" and .id != \"called\")" "a job that was under way"
mountpoint -q "$mount" && fail "it is mounted"
[ -z "$(process_of "$image" | grep '[0-9]')" ] || fail "its process lives"
happens ".event == \"decommission\" and .outcome == \"success\" and .object.volume == \"$uuid\" and .data.retired >= 2 and .data.not_retired >= 2"
happens ".event == \"key-state\" and .data.to == \"deactivated\" and .object.volume == \"$uuid\""
ok "killed in the middle, the same call goes on: what was under way is retired, what waited is listed, it is detached"

# --- and stays so ---

volume_is spool decommissioned || fail "status: $("$sg" status)"
[ "$("$sg" status --json | jq -r .state)" = DEGRADED ] || fail "state: $("$sg" status)"
refuses 1 'was decommissioned' "$sg" attach spool
refuses 1 'was decommissioned' "$sg" wipe-spool --full --confirm spool spool
close || fail "the fourth call"
cmp -s <(jq -S .parameters.result "$work/first") <(jq -S .parameters.result "$work/answer") || fail "another answer: $(cat "$work/answer")"
stop_service TERM
start_service
seen service-ready
wait_until 60 volume_is other open || fail "the other volume: $("$sg" status)"
volume_is spool decommissioned || fail "a restart brings it back: $("$sg" status)"
wait_until 60 is_held front "was decommissioned" || fail "intake: $(message front)"
prints_on_other 2
ok "neither an attach nor a restart brings it back, and the other volume goes on"

# --- its key is destroyed ---

call RecordKeyChange "{\"volume\":\"$uuid\",\"act\":\"destroy\",\"header_backups\":0}" || fail "RecordKeyChange: $(cat "$work/answer")"
happens ".event == \"key-state\" and .data.to == \"destroyed\" and .object.volume == \"$uuid\""
[ "$("$sg" status --json | jq '.jobs | .begun + .seen + .held + .retiring + .failed')" = 0 ] || fail "jobs are owed that died: $("$sg" status)"
ok "with its key its jobs have died, and the log has the states of SP 800-57"

# --- another one in its place ---

rm -f "$image"
"$sg" format --size 128M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$image" >/dev/null || fail "format"
"$sg" attach spool >/dev/null || fail "a volume that was formatted anew is not attached"
[ ! -e "$state/closure.spool" ] || fail "it counts as decommissioned"
wait_until 60 volume_is spool open || fail "not open"
wait_until 60 eval '! is_held front decommissioned' || fail "intake stays held: $(message front)"
ok "formatted anew it is attached, and intake is released"
cupsd_stop
stop_service TERM || fail "it did not end in order"
"$sg" detach "$image" >/dev/null 2>&1
"$sg" detach "$work/other.img" >/dev/null 2>&1
echo "$pass_count checks passed"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 200 s
# service_calls.sh - the command through the service: jobs by call, roles, volumes, self-tests, events
#
# Callers are other users, with groups of their own; every verb is used by who may and by who may
# not, and again when the service is gone.
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
command -v setpriv >/dev/null || skip "needs setpriv"
. "$(dirname "$0")/service_lib.sh"
chmod 755 "$work"

# as GROUP COMMAND...: a user of that group alone
as() {
	local group=$1
	shift
	setpriv --reuid 23456 --regid 23456 --groups "$(getent group "$group" | cut -d: -f3)" "$@"
}
pipeline() { as lp "$sg" "$@"; }
operator() { as tty "$sg" "$@"; }
technician() { as disk "$sg" "$@"; }
auditor() { as adm "$sg" "$@"; }
nobody() { as nogroup "$sg" "$@"; }
document() { # document NAME [OWNER]: a file of a job
	yes "BODYMARK $1" | head -c 200000 >"$mount/$1"
	chown "${2:-23456}" "$mount/$1"
}
job_state() { "$sg" job show --json "$1" | jq -r .job.state; }
is_open() { "$sg" status --json | jq -e '.volumes[0].state == "open"'; }

make_volume 64M >/dev/null
configure 'job_abandoned = 1s' '[roles]' 'pipeline = lp' 'operator = tty' 'technician = disk' 'auditor = adm' \
	'[cups]' 'enabled = no' "$(volume spool "$image" "$mount" 'unlock = ask')"
start_service
wait_until 30 "$sg" status --json || [ -S "$SPOOLGUARD_SOCKET" ] || fail "no service: $(cat "$work/log")"
wait_until 60 eval '"$sg" status --json | jq -e ".state == \"LOCKED\""' || fail "not LOCKED: $("$sg" status)"

# --- the interface ---
python3 - "$SPOOLGUARD_SOCKET" "$root/supervisor/io.spoolguard.varlink" <<'PY' || fail "the interface is not described as it is shipped"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.spoolguard"}}\0')
text = b""
while not text.endswith(b"\0"):
    text += s.recv(65536)
sys.exit(json.loads(text[:-1])["parameters"]["description"] != open(sys.argv[2]).read())
PY
ok "the interface is described as it is shipped"

# --- volumes ---
refuses 1 'administrator' technician attach --passphrase-file "$work/err" spool
printf wrong >"$work/wrong"
refuses 1 'passphrase|key' "$sg" attach --passphrase-file "$work/wrong" spool
refuses 1 'as configured' "$sg" attach --passphrase-file "$pass" --mount "$work/other" "$image"
"$sg" attach --passphrase-file - "$image" <"$pass" >"$work/out" || fail "attach by medium, passphrase on standard input"
grep -q "^mount  $mount" "$work/out" || fail "attach says: $(cat "$work/out")"
wait_until 30 is_open || fail "not open: $("$sg" status)"
refuses 1 'role|operator' pipeline detach spool
technician detach spool >/dev/null || fail "a technician cannot take a drive out"
# It is configured, attached by hand, and the service has not opened it: nobody retires jobs past its ledger and its log.
"$sg" attach --no-service --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null || fail "attach by hand"
document past
refuses 1 'not open to the service' "$sg" job complete --id past "$mount/past"
[ -e "$mount/past" ] || fail "a job was retired past the service"
rm "$mount/past"
"$sg" detach --no-service "$image" >/dev/null || fail "detach by hand"
mountpoint -q "$mount" && fail "detached, and still mounted"
sleep 1
mountpoint -q "$mount" && fail "the service opened what was detached"
"$sg" attach --passphrase-file "$pass" spool --json | jq -e --arg m "$mount" '.mount == $m and .managed' >/dev/null || fail "attach --json"
wait_until 30 is_open || fail "not open again"
chmod 1777 "$mount"
ok "a volume is attached with a passphrase handed over, and detached by a technician"

# --- status ---
for who in pipeline operator technician auditor; do
	$who status >"$work/out"
	grep -q '^service: ' "$work/out" || fail "$who: status says $(cat "$work/out")"
	grep -q "volume spool: open" "$work/out" || fail "$who: status says $(cat "$work/out")"
done
nobody status >"$work/out" 2>"$work/err"
[ $? = 3 ] || fail "without a role: status exits $?"
grep -q 'needs one of the roles' "$work/err" || fail "without a role: $(cat "$work/err")"
"$sg" status --json spool | jq -e --arg p "$image" '.schema == "spoolguard.status/1" and .path == $p and .name == "spool" and .clean > 0' >/dev/null ||
	fail "status of one volume: $("$sg" status --json spool)"
"$sg" status --json | jq -e '.debt.jobs_waiting == 0 and .jobs.seen == 0 and (.selftest.id | length) == 32 and .volumes[0].clean > 0' >/dev/null ||
	fail "status: $("$sg" status --json)"
ok "status tells state, debt, jobs and volumes to whoever has a role"

# --- jobs by call ---
document one
pipeline job begin --id one "$mount/one" >/dev/null || fail "job begin"
(cd "$mount" && pipeline job complete --id one --wait --timeout 60 --json one) >"$work/receipt" || fail "job complete: $(cat "$work/receipt"; "$sg" job list)"
jq -e '.schema == "spoolguard.job/1" and .id == "one" and .result == "retired" and .verified_blocks == 49 and (.selftest | length) == 32' "$work/receipt" >/dev/null ||
	fail "receipt: $(cat "$work/receipt")"
[ ! -e "$mount/one" ] || fail "retired, and its file is there"
pipeline job complete --id one --wait --json "$mount/one" | cmp -s - "$work/receipt" || fail "the same completion again gives another receipt"
pipeline job show one >"$work/out" || fail "job show"
grep -q 'verified 49' "$work/out" || fail "job show says $(cat "$work/out")"
for i in 1 2 3 4 5; do document "many$i"; printf 'many%s\t%s\n' $i "$mount/many$i"; done >"$work/list"
pipeline job complete --jobs "$work/list" --wait --json >"$work/out" || fail "job complete --jobs: $(cat "$work/out")"
[ "$(jq -r '"\(.id) \(.result)"' "$work/out" | tr '\n' ' ')" = "many1 retired many2 retired many3 retired many4 retired many5 retired " ] || fail "receipts: $(cat "$work/out")"
document open
exec 9<"$mount/open"
(sleep 1.5; :) 9<&9 &
holder=$!
exec 9<&-
pipeline job complete --id open --wait --timeout 30 "$mount/open" >/dev/null || fail "a file that is closed in time is not retired"
wait $holder
ok "jobs are begun, completed, waited for; the same again gives the same receipt"

document unnamed
sync -f "$mount"
sleep 60 <"$mount/unnamed" &
holder=$!
device=$(findmnt -nro SOURCE "$mount")
(sleep 1; rm "$mount/unnamed") &
pipeline job complete --id unnamed --wait --timeout 30 --json "$mount/unnamed" >"$work/out" || fail "removed while it was open: $(cat "$work/out")"
jq -e '.erased_files == 0 and .files_missing == 1 and (.files_missing_why | contains("when it is closed"))' "$work/out" >/dev/null ||
	fail "a receipt for a file that lives on without a name: $(cat "$work/out")"
kill $holder
wait $holder 2>/dev/null
"$sg" sweep spool >/dev/null || fail "sweep"
dd if="$device" iflag=direct bs=1M status=none | grep -aq 'BODYMARK unnamed' && fail "closed, it is still there"
ok "a file that is removed while a program has it open: the receipt says so, and it is overwritten when it is closed"

python3 - "$SPOOLGUARD_SOCKET" "$mount/gone" <<'PY' || fail "a caller that begins and dies"
import json, os, socket, sys
open(sys.argv[2], "w").write("BODYMARK gone" * 1000)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({"method": "io.spoolguard.JobBegin", "parameters": {"id": "gone", "files": [sys.argv[2]]}}).encode() + b"\0")
assert json.loads(s.recv(65536)[:-1])["parameters"]["job"]["state"] == "begun"
os._exit(0)
PY
wait_until 20 eval '[ "$(job_state gone)" = retired ]' || fail "its job is $(job_state gone)"
[ ! -e "$mount/gone" ] || fail "its file is there"
ok "what a caller began that is gone is retired"

document kept
exec 9<"$mount/kept" # so that its caller's end does not retire it before it is held
pipeline job begin --id kept "$mount/kept" >/dev/null || fail "begin"
operator job hold --reason 'a person asked' kept >/dev/null || fail "job hold"
exec 9<&-
pipeline job complete --id kept --wait --json | jq -e '.result == "held" and .why == "a person asked"' >/dev/null || fail "completed, it is not held"
"$sg" status >"$work/out"
grep -q 'job call kept: not yet overwritten, because a person asked' "$work/out" || fail "status says $(cat "$work/out")"
refuses 1 'operator' pipeline job release kept
sleep 2
[ "$(job_state kept)" = held ] && [ -e "$mount/kept" ] || fail "a held job is $(job_state kept)"
operator job release kept >/dev/null || fail "job release"
wait_until 20 eval '[ "$(job_state kept)" = retired ]' || fail "released: $(job_state kept)"
ok "a job is held until it is released, and status says why"

# --- a job id that lies ---
document roots 0
document hers 23457
refuses 1 'not yours' pipeline job complete --id lie "$mount/roots"
refuses 1 'not yours' pipeline job complete --id lie "$mount/hers"
as lp ln -s "$mount/roots" "$mount/link"
refuses 1 'symbolic link' pipeline job complete --id lie "$mount/link"
refuses 1 'does not lie on a volume of this service' pipeline job complete --id lie /etc/hostname
refuses 1 'no volume "nosuch"' operator sweep nosuch
refuses 1 'no volume "nosuch"' technician detach nosuch
refuses 3 'no volume "nosuch"' auditor status nosuch
refuses 1 'value of "state"' pipeline job list --state nonsense
python3 "$root/tests/tools/varlink_call.py" "$SPOOLGUARD_SOCKET" io.spoolguard.JobComplete '{"id":"lie","files":["/etc/hostname"]}' | grep -q 'does not lie' ||
	fail "a file elsewhere is taken"
setpriv --reuid 23457 --regid 23457 --groups "$(getent group lp | cut -d: -f3)" "$sg" job begin --id hers "$mount/hers" >/dev/null || fail "another user's job"
refuses 1 "another user" pipeline job complete --id hers
refuses 1 'no job' pipeline job show hers
[ -e "$mount/roots" ] && [ -e "$mount/hers" ] || fail "a lie erased a file"
"$sg" job complete --id hers --wait >/dev/null || fail "an administrator cannot complete another's job"
"$sg" job complete --id roots --wait "$mount/roots" >/dev/null || fail "root's own"
ok "a job id that lies erases nothing"

# --- roles ---
refuses 1 'operator' pipeline sweep spool
operator sweep spool >"$work/out" || fail "sweep: $(cat "$work/out")"
grep -q 'what was owed when it began is paid' "$work/out" || fail "sweep says $(cat "$work/out")"
operator sweep --json "$image" | jq -e '.schema == "spoolguard.sweep/1" and .result == "swept"' >/dev/null || fail "sweep --json"
refuses 1 'technician' operator selftest
technician selftest --json >"$work/out"
jq -e '.schema == "spoolguard.selftest/1" and (.tests | length) > 20 and any(.tests[]; .subject == "spool")' "$work/out" >/dev/null || fail "selftest: $(cat "$work/out")"
refuses 1 'open|attached' technician selftest --inject "$(jq -r '.tests[0].name' "$work/out")"
refuses 1 'auditor' operator events
auditor events >"$work/out" || fail "events"
grep -q 'access-denied.*(technician, uid 23456)' "$work/out" || fail "events say $(cat "$work/out")"
auditor events --json | jq -e '.schema == "spoolguard.events/1" and any(.events[]; .event == "sweep" and .subject.role == "operator")' >/dev/null || fail "events --json"
n=$(auditor events --json | jq '.events[-1].sequence')
[ "$(auditor events --since "$n" --json | jq '.events | length')" = 1 ] || fail "events --since"
grep -rq "$mount/roots" "$state/audit" && fail "an event names a file"
refuses 1 'administrator' auditor config reload
ok "each verb is its roles', and each refusal an event"

# --- the configuration ---
"$sg" config check "$conf" >/dev/null || fail "config check"
sed 's/^on/#on/; s/^\[roles\]/[rolls]/; s/^unlock.*/unlock = by-magic/' "$conf" >"$work/bad.conf"
"$sg" config check "$work/bad.conf" >"$work/out" 2>"$work/err" && fail "a bad configuration is taken"
grep -q "bad.conf:[0-9]*: .*rolls" "$work/err" && grep -q "bad.conf:[0-9]*: unlock: .*by-magic" "$work/err" || fail "config check says $(cat "$work/err")"
"$sg" config check --json "$work/bad.conf" | jq -e '.ok == false and (.errors | length) >= 2 and .errors[0].line > 0' >/dev/null || fail "config check --json"
sed -i 's/^auditor = adm/auditor = adm nogroup/; s/^state_directory.*/&x/' "$conf"
"$sg" config reload >"$work/out" || fail "config reload"
grep -q 'next start only: .*state_directory' "$work/out" || fail "reload says $(cat "$work/out")"
nobody events >/dev/null || fail "a reload did not give the role"
sed -i 's/^state_directory = \(.*\)x$/state_directory = \1/' "$conf"
ok "a configuration is checked, and read again"

# --- many who only sit there ---
python3 - "$SPOOLGUARD_SOCKET" <<'PY' &
import socket, sys, time
peers = []
for i in range(2000):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.send(b'{"method":"' + b"x" * (i * 37 % 60000))
    peers.append(s)
    if len(peers) > 400:
        peers.pop(0).close()
time.sleep(3)
PY
crowd=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	began=$(date +%s%N)
	pipeline status >/dev/null 2>&1
	[ $? -le 1 ] || fail "status in a crowd"
	[ $((($(date +%s%N) - began) / 1000000)) -lt 3000 ] || fail "status in a crowd took too long"
done
wait $crowd
[ "$(awk '/VmRSS/ {print $2}' "/proc/$service/status")" -lt 120000 ] || fail "the service holds $(grep VmRSS "/proc/$service/status")"
ok "two thousand bad callers keep nobody waiting"

# --- without it ---
stop_service TERM || fail "the service did not end in order"
"$sg" status >"$work/out" || fail "status without the service: $(cat "$work/out")"
grep -q "$image: attached" "$work/out" || fail "status without the service says $(cat "$work/out")"
refuses 1 'start spoolguardd' "$sg" job list
refuses 1 'start spoolguardd' "$sg" events
document alone
"$sg" job complete --id alone "$mount/alone" >/dev/null || fail "job complete without the service"
"$sg" sweep "$image" >/dev/null || fail "sweep without the service"
"$sg" detach "$image" || fail "detach without the service"
ok "the verbs work alone when it does not run"

# --- a socket that is not root's ---
SPOOLGUARD_SOCKET=$work/theirs
export SPOOLGUARD_SOCKET
python3 - "$SPOOLGUARD_SOCKET" <<'PY' &
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chown(sys.argv[1], 23456, 23456)
s.listen(5)
time.sleep(20)
PY
pids+=($!)
wait_until 5 test -S "$SPOOLGUARD_SOCKET"
refuses 1 'not believed' "$sg" detach spool
SPOOLGUARD_SOCKET='' refuses 1 'not attached' "$sg" detach spool
ok "a stranger's socket is not believed"
grep -aq BODYMARK "$image" && fail "a body is on the raw medium"
echo "$pass_count checks passed"

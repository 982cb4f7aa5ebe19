#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 400 s
# events.sh - every kind of event comes about by a real act, and what cannot be logged is not claimed
#
# A service with a volume that CUPS prints through does, suffers and refuses all that the table of events
# has ("spoolguardd --print-audit-events"); a kind that no act produced fails, and so does a record of
# another kind, or with members that the table does not have.  "block-stuck" needs tools.  The log verifies all along: after a kill -9, a torn line, when it
# turns and drops; one that does not fit stops claims and intake until it is set aside, one that is full and
# is to stop likewise; with continue-without-receipts jobs go on without a claim.  No title, user or
# name of a file is in the log, nor in the state directory.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"
. "$(dirname "$0")/service_lib.sh"

# Programs that may be damaged.
mkdir "$work/bin"
cp "$build"/manifest "$work/bin/"
sed -n 's/^[0-9a-f]\{64\}  //p' "$build/manifest" | while read -r program; do
	cp "$build/$program" "$work/bin/$program" || exit 1
done || fail "the programs of the manifest could not be copied"
daemon=$work/bin/spoolguardd

server=$work/server
title=EVENTS-TITLE-CANARY user=eventscanary file=events-file-canary

log_size=128K
write_conf() { # write_conf [LINES of [audit] and [wipe]...]
	local groups=adm
	[ "${1:-}" != --groups ] || { groups=$2; shift 2; }
	configure ${on_failure:+"on_failure = $on_failure"} '[roles]' "auditor = $groups" "$(cups_section)" \
		"$(cups_volume)" '[audit]' 'segment_size = 16K' "size = $log_size" "$@"
}
call() { python3 "$root/tests/tools/varlink_call.py" "$SPOOLGUARD_SOCKET" "io.spoolguard.$1" "${2:-}" >"$work/answer"; }
cat >"$work/reload.py" <<'PY'
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
for i in range(int(sys.argv[2])):
    connection.sendall(b'{"method":"io.spoolguard.Reload"}\0')
    answer = b""
    while not answer.endswith(b"\0"):
        answer += connection.recv(65536)
PY
reload() { python3 "$work/reload.py" "$SPOOLGUARD_SOCKET" "$1"; } # reload TIMES
has_reason() { "$sg" status --json 2>/dev/null | jq -e ".reasons[] | select(.key == \"$1\")${2:+ | select(.weight == \"$2\")}"; }
has_no_reason() { ! has_reason "$1" >/dev/null; }
# happens FILTER: such a record since the mark
happens() { wait_until 60 has_event "$1" || fail "no record $1 in: $(events)"; }
# gather: what the log has is kept, as the log does not keep all
gather() { log_lines | jq -cR 'fromjson?' >>"$work/all"; }
# verifies WHEN: the log is what the device wrote
verifies() {
	"$sg" audit verify --trust "$work/trust" "$state/audit" >"$work/verified" 2>&1 || fail "$1, the log does not verify: $(cat "$work/verified")"
	gather
	ok "$1, the log verifies"
}
trust() { "$sg" key public >"$work/trust" 2>"$work/err" || fail "key public"; }
start_and_wait() {
	start_service
	wait_until 60 is_open || { tail -n 20 "$work/log"; fail "the service did not open the volume"; }
}
retired() { "$sg" job show --source cups --json "$1" | jq -e '(.job.state // .state) == "retired"'; }

# --- it starts, and a volume waits, opens, dies, is closed ---

make_volume 128M >/dev/null
mkdir -p "$server"/{etc,log,cache,run}
mv "$pass" "$pass.away"
write_conf
start_service
seen service-started
seen volume-waits spool "key file"
mv "$pass.away" "$pass"
seen volume-attached spool
seen service-ready
seen state-changed
seen selftest
seen mounter-started
happens '.event == "key-state" and .data.to == "active" and .object.volume'
happens '.event == "key-state" and .data.key == "device"'
trust
uuid=$("$sg" status --json | jq -r '.volumes[0].uuid')
kill -9 "$(process_of "$image")"
seen volume-failed "$uuid" "process ended"
seen volume-attached "$uuid" "not detached in order"
kill -9 "$(mounter)"
seen service-fault "" "it ended"
mark_events
wait_until 60 "$sg" detach "$image" || fail "detach" # once there is a mounter again
seen volume-detached "$uuid"
happens ".event == \"management\" and .data.method == \"Detach\" and .object.volume == \"$uuid\""
happens '.event == "key-state" and .data.to == "suspended"'
mkdir "$work/elsewhere"
SPOOLGUARD_SOCKET= "$sg" attach --passphrase-file "$pass" --mount "$work/elsewhere" "$image" >/dev/null || fail "attach by hand"
seen volume-warning "$uuid" "attached by hand"
SPOOLGUARD_SOCKET= "$sg" detach "$image" >/dev/null || fail "detach by hand"
"$sg" attach spool >/dev/null || fail "attach"
happens '.event == "management" and .data.method == "Attach"'
ok "what becomes of a volume, its key and its process is recorded"

# --- keys of a header ---

printf other >"$work/other"
mark_events
"$sg" key add --passphrase-file "$pass" --new-passphrase-file "$work/other" --kdf-memory 32M --kdf-time 100 "$image" >/dev/null || fail "key add"
happens ".event == \"key-changed\" and .data.act == \"add\" and .object.volume == \"$uuid\" and .subject.role == \"administrator\""
"$sg" key backup --file "$work/header" "$image" >/dev/null || fail "key backup"
happens '.event == "key-changed" and .data.act == "backup" and .data.header_backups == 1'
call RecordDecommission '{"drive":"WD-1234","id":"0123456789abcdef0123456789abcdef","step":"keys","outcome":"begun"}'
happens '.event == "decommission" and .outcome == "begun" and .object.drive == "WD-1234" and .data.step == "keys" and .subject.role == "administrator"'
other=11111111-2222-4333-8444-555555555555
call RecordKeyChange "{\"volume\":\"$other\",\"act\":\"destroy\"}"
happens ".event == \"key-changed\" and .data.act == \"destroy\" and .object.volume == \"$other\""
happens ".event == \"key-state\" and .data.to == \"destroyed\" and .object.volume == \"$other\""
ok "changes of a header's keys are recorded"

# --- jobs ---

cupsd_spool=$mount cupsd_start "$server" 'PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' \
	'MaxJobs 0' 'PageLogFormat'
install -m 755 "$build/spoolguard-notifier" "$server/bin/notifier/spoolguard"
queue_raw fast 0
queue_raw sheets 0
printf 'EVENTS-BODY-CANARY\n' >"$work/$file"
mark_events
printed() { LP_OPTIONS="-t $title -U $user" job_submit fast "$work/$file"; }
id=$(printed)
wait_until 60 retired "$id" || fail "a job is not retired"
seen job-retired "cups $id"
happens ".event == \"job-retired\" and .outcome == \"success\" and .object.volume == \"$uuid\" and .data.requested == .data.verified and .data.selftest"
mkdir "$mount/jobs"
cp "$work/$file" "$mount/jobs/$file"
exec 8>>"$mount/jobs/$file"
"$sg" job complete --id 1 "$mount/jobs/$file" >/dev/null || fail "job complete"
seen job-failed "call 1"
exec 8>&-
seen job-retired "call 1"
cp "$work/$file" "$mount/jobs/$file"
"$sg" job begin --id 2 "$mount/jobs/$file" >/dev/null || fail "job begin"
"$sg" job hold --reason "a person looks" 2 >/dev/null || fail "job hold"
seen job-held "call 2"
"$sg" job release 2 >/dev/null || fail "job release"
happens '.event == "job-released" and .subject.role == "administrator"'
ok "jobs are recorded: retired, failed, held, released"

# --- sweep, wipe, sheet ---

"$sg" sweep spool >/dev/null || fail "sweep"
seen sweep "$uuid"
write_conf '[wipe]' 'confirmation_timeout = 30s' 'confirmation_queue = sheets'
reload 1
mark_events
"$sg" wipe-spool --standard --confirm spool spool >/dev/null 2>"$work/err" || fail "wipe: $(cat "$work/err")"
for outcome in begun progress success; do happens ".event == \"wipe\" and .outcome == \"$outcome\" and .subject.role == \"administrator\""; done
happens '.event == "wipe-sheet" and .data.state == "successful"'
seen intake-held "" "overwritten|wip"
seen intake-released
"$sg" wipe-spool --full --confirm spool spool >/dev/null 2>"$work/err" || fail "full wipe: $(cat "$work/err")"
# A header backup has the old key: it is not destroyed as long as that may exist.
happens ".event == \"key-state\" and .data.to == \"deactivated\" and .object.volume == \"$uuid\""
uuid=$("$sg" status --json | jq -r '.volumes[0].uuid')
"$sg" wipe-spool --full --confirm spool spool >/dev/null 2>"$work/err" || fail "full wipe: $(cat "$work/err")"
happens ".event == \"key-state\" and .data.to == \"destroyed\" and .object.volume == \"$uuid\""
[ "$(events "select((.event == \"key-state\" and .object.volume == \"$uuid\" and .data.to == \"destroyed\") or (.event == \"wipe\" and .outcome == \"success\")) | .event" | tail -n 2 | tr -d '"\n')" = key-statewipe ] ||
	fail "a key's end is recorded after the wipe's"
ok "on-demand overwrite is recorded: begun, each step, ended; its sheet, and what became of the keys"
verifies "after all that"

# --- callers, and the host ---

mark_events
setpriv --reuid 65534 --regid 65534 --clear-groups "$sg" sweep spool 2>/dev/null && fail "nobody sweeps"
happens '.event == "access-denied" and .outcome == "denied" and .subject.uid == 65534 and .data.method == "GetStatus"'
"$sg" events >/dev/null || fail "events"
seen audit-read
for event in $("$daemon" --print-audit-events | awk -F'\t' '$4 == "yes" {print $1}'); do
	"$sg" audit record "$event" --user "$user" --origin 192.0.2.7 --detail "told by the test" || fail "record $event"
	happens ".event == \"$event\" and .subject.origin == \"192.0.2.7\" and (.data.user | length) == 64"
done
PAM_USER=$user PAM_RHOST=198.51.100.1 PAM_SERVICE=sshd "$sg" audit record --pam authentication-failed || fail "record --pam"
happens '.event == "authentication-failed" and .outcome == "failure" and .subject.origin == "198.51.100.1" and (.detail | test("sshd"))'
"$sg" audit match --user "$user" --state-directory "$state" >"$work/out" || fail "an auditor cannot match a name: $(cat "$work/out")"
refuses 1 'cannot report "job-retired"' "$sg" audit record job-retired
for _ in $(seq 60); do echo authentication-failed; done | xargs -n1 -P4 "$sg" audit record || fail "a flood is an error"
"$sg" events >/dev/null # all are written then
flood=$(events 'select(.event == "authentication-failed")' | wc -l)
[ "$flood" -le 34 ] || fail "a flood of failed logins has $flood records"
ok "the host's events are recorded, names as digests alone, and a flood is bounded ($flood of 62)"
clock() { python3 -c 'import time; time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))' 2>/dev/null; }
mark_events
if clock; then
	happens '.event == "time-changed" and (.data.step_ms | . > -1000 and . < 1000)'
	ok "that the clock was set is seen"
fi
write_conf --groups 'daemon adm'
reload 1
happens '.event == "role-changed" and .data.role == "auditor" and .data.groups == "daemon, adm"'
write_conf --groups 'nosuchgroup adm'
reload 1
happens '.event == "role-changed" and .outcome == "failure"'
happens '.event == "configuration-changed" and .outcome == "success"'
echo nonsense >>"$conf"
"$sg" config reload 2>/dev/null && fail "a bad configuration is taken"
happens '.event == "configuration-changed" and .outcome == "failure"'
write_conf
reload 1
ok "roles, configuration and refusals are recorded"

# --- a self-test fails ---

mark_events
printf x >>"$work/bin/check_spoolguard"
call SelfTest '{}'
seen selftest-failed
happens '.event == "selftest" and .outcome == "failure" and .data.bad > 0'
seen intake-held "" "self-test"
cp "$build/check_spoolguard" "$work/bin/check_spoolguard"
call SelfTest '{}'
seen intake-released
"$sg" check residue --json --config "$conf" --without swap --without medium --without system-logs >"$work/report" 2>"$work/err" ||
	fail "check residue: $(cat "$work/err")"
seen residue-check
ok "a failed self-test and a residue check are recorded"

# --- a medium that refuses ---

if command -v qemu-storage-daemon >/dev/null; then
	gather
	stop_service TERM
	mkdir "$work/bad"
	"$sg" format --size 64M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$work/bad.img" >/dev/null || fail "format"
	"$sg" attach --passphrase-file "$pass" --mount "$work/bad" "$work/bad.img" >/dev/null || fail "attach"
	head -c 400000 /dev/urandom >"$work/bad/$file"
	sync "$work/bad/$file"
	block=$(filefrag -b4096 -v "$work/bad/$file" | awk '/^ *0:/ {sub(/\.\./, "", $4); print $4}')
	"$sg" detach "$work/bad.img" >/dev/null || fail "detach"
	offset=$(cryptsetup luksDump --dump-json-metadata "$work/bad.img" | jq -r '.segments."0".offset')
	printf '[inject-error]\nevent = "none"\niotype = "write"\nerrno = "5"\nsector = "%s"\n' \
		$((offset / 512 + block * 8 + 16)) >"$work/rules"
	: >"$work/drive"
	qemu-storage-daemon --pidfile "$work/qsd.pid" --daemonize \
		--blockdev driver=file,node-name=file,filename="$work/bad.img",cache.direct=off,locking=off \
		--blockdev driver=blkdebug,node-name=debug,image=file,config="$work/rules" \
		--export type=fuse,id=e,node-name=debug,mountpoint="$work/drive",writable=on 2>"$work/qsd.err" || fail "$(cat "$work/qsd.err")"
	drive_process=$(cat "$work/qsd.pid")
	wait_until 10 test -s "$work/drive"
	at_exit+=(pull)
	pull() { "$sg" detach "$work/drive" >/dev/null 2>&1; kill -9 "$drive_process"; }
	write_conf
	volume bad "$work/drive" "$work/bad" 'unlock = key-file' "key_file = $pass" >>"$conf"
	start_and_wait
	seen volume-attached bad
	wait_until 60 "$sg" job complete --id 3 "$work/bad/$file" || fail "job complete: $("$sg" status)"
	happens '.event == "job-held" and .object.job == "call 3" and .subject.role == "service"'
	happens '.event == "block-stuck" and .data.blocks == 1 and .data.name == "bad"'
	ok "blocks that the medium refuses are recorded, and their job is held"
	"$sg" detach bad >/dev/null || fail "detach"
fi

# --- its end, a crash, a torn line ---

gather
stop_service TERM || fail "it did not end in order"
wait_until 5 has_event '.event == "audit-stopped"' || fail "no record of the end of the log"
happens '.event == "service-stopped"'
verifies "after an orderly stop"
write_conf
start_and_wait
stop_service KILL
verifies "after a kill -9"
newest=$(ls "$state"/audit/segment-*.jsonl | tail -n 1)
printf '{"sequence":9999999,"ti' >>"$newest"
start_and_wait
seen audit-recovered
happens '.event == "audit-started" and (.detail | test("crash"))'
verifies "after a line that was torn"

# --- it turns, and is bounded ---

mark_events
for _ in 1 2 3 4 5 6; do
	reload 100
	"$sg" events --since 999999999 >/dev/null # all are written then
	gather
done
has_event '.event == "log-dropped"' || fail "nothing was dropped: $(ls -l "$state/audit")"
gather
happens '.event == "log-segment-closed"'
[ "$(log_lines | wc -c)" -le $((128 * 1024)) ] || fail "the log is larger than its bound"
verifies "when it has turned and dropped what is old"

# --- one that does not fit stops claims (P7), and is set aside ---

stop_service TERM
newest=$(ls "$state"/audit/segment-*.jsonl | tail -n 1)
cp -r "$state/audit" "$work/before"
sed -i '1s/"uid":0/"uid":1/' "$newest"
"$sg" audit verify --trust "$work/trust" "$state/audit" >/dev/null 2>&1 && fail "a changed record is not found"
log_size=2M
write_conf
start_service
wait_until 60 has_reason audit-log stops-claims || fail "a log that was changed is written on: $("$sg" status)"
wait_until 60 is_open || fail "the volume is closed because of it"
LC_ALL=C wait_until 30 eval 'lpstat -p fast | grep -q "audit log"' || fail "intake goes on: $(lpstat -p)"
cp "$work/$file" "$mount/jobs.4" && "$sg" job complete --id 4 "$mount/jobs.4" >/dev/null || fail "job complete"
refuses 1 'nothing was touched.*|audit log' "$sg" wipe-spool --standard --confirm spool spool
sleep 1
[ "$("$sg" job show --json 4 | jq -r '.job.state // .state')" != retired ] || fail "a job is claimed to be retired"
reload 1200 # more than memory holds
"$sg" audit set-aside || fail "set-aside"
wait_until 60 has_no_reason audit-log || fail "it does not recover: $("$sg" status)"
mark=0
seen log-set-aside
happens '.event == "log-lost" and .data.count > 0'
happens '.event == "management" and .data.method == "SetLogAside"'
trust
wait_until 60 eval '"$sg" job show --json 4 | jq -e "(.job.state // .state) == \"retired\""' || fail "the job that waited is not retired"
LC_ALL=C wait_until 30 eval '! lpstat -p fast | grep -q "audit log"' || fail "intake stands still: $(lpstat -p)"
[ -n "$(ls -d "$state"/audit.set-aside-*)" ] || fail "the old log is gone"
ok "a log that does not fit stops claims and intake, says what to do, and is set aside"
verifies "the new one"

# --- one that is full and is to stop ---

"$sg" audit set-aside || fail "set-aside"
trust
log_size=128K
write_conf 'when_full = stop'
reload 1
mark=0
reload 600
wait_until 60 has_reason audit-log stops-claims || fail "it is full, and does not stop: $("$sg" status; ls -l "$state/audit")"
happens '.event == "log-nearly-full"'
"$sg" status | grep -q 'larger size' || fail "what to do is not said: $("$sg" status)"
on_failure=continue-without-receipts
write_conf 'when_full = stop'
reload 1
cp "$work/$file" "$mount/jobs.5" && "$sg" job complete --id 5 --wait --json "$mount/jobs.5" >"$work/out" 2>"$work/err"
jq -e '[.. | objects | select(has("claims")) | .claims] | any(. == false)' "$work/out" >/dev/null || fail "a claim without a log: $(cat "$work/out" "$work/err")"
write_conf 'when_full = rotate'
reload 1
wait_until 60 has_no_reason audit-log || fail "it does not go on: $("$sg" status)"
mark=0
seen job-retired "call 5"
happens '.event == "job-retired" and .outcome == "failure" and .object.job == "call 5"'
ok "a log that is full and is to stop stops claims; jobs go on without, if they may; room brings it back"
cupsd_stop
stop_service TERM || fail "it did not end in order"
verifies "at the end"
"$sg" detach "$image" >/dev/null || fail "detach"

# --- all of them, and nothing else ---

"$daemon" --print-audit-events | cut -f1,7 | sort >"$work/table"
jq -r .event "$work/all" | sort -u >"$work/kinds"
exempt='^$'
command -v qemu-storage-daemon >/dev/null || exempt='^block-stuck$'
missing=$(cut -f1 "$work/table" | comm -23 - "$work/kinds" | grep -vE "$exempt")
[ -z "$missing" ] || fail "no act produced: $(echo $missing)"
strange=$(cut -f1 "$work/table" | comm -13 - "$work/kinds")
[ -z "$strange" ] || fail "not in the table: $(echo $strange)"
jq -r '.event as $e | (.data // {}) | keys[] | select(. != "happened") | [$e, .] | @tsv' "$work/all" | sort -u >"$work/members"
awk -F'\t' 'NR == FNR {has[$1] = ", " $2 ","; next} index(has[$1], ", " $2 ",") == 0 {print $1 ": " $2; bad = 1} END {exit bad}' \
	"$work/table" "$work/members" || fail "members that the table does not have"
ok "each of $(wc -l <"$work/kinds") kinds was produced, each of the table, with its members"

# --- and no names ---

for word in "$title" "$user" "$file" EVENTS-BODY-CANARY; do
	grep -rqaF "$word" "$state" "$work/all" "$work/log" && fail "\"$word\" is in the log or the state directory: $(grep -rlaF "$word" "$state" "$work/all" "$work/log")"
done
others=$(find "$state" -type f -perm /o+r ! -name enrolment.pub)
[ -z "$others" ] || fail "others may read: $others"
[ "$(stat -c %G "$state/audit/log.json")" = adm ] || fail "auditors cannot read the log"
ok "no title, user or file name is in log or state; auditors may read the log, nobody the rest"
echo "$pass_count checks passed"

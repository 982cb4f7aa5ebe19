#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# decommission_command_service.sh - "spoolguard decommission" with the service: jobs, log, certificate
#
# A volume on a loop device under spoolguardd, with jobs.  The command takes its defaults from the
# configuration, the service retires the jobs and closes the volume for good, each step stands in the log
# in order, and the certificate and the log name each other.  A file that is open is waited for, an
# operator is refused, and approvals that the configuration asks for cannot be had for less.
#
# Time limit: 400 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
for program in jq setpriv minisign cryptsetup; do
	command -v $program >/dev/null || skip "needs $program"
done
[ -x /usr/bin/python3 ] || skip "needs /usr/bin/python3" # one that other users can run
export SPOOLGUARD_CONFINE=$work
unset SPOOLGUARD_STATE_DIR # the configuration's counts

call() { python3 "$root/tests/tools/varlink_call.py" "$SPOOLGUARD_SOCKET" "io.spoolguard.$1" "${2:-}" >"$work/answer"; }
volume_is() { { "$sg" status --json || true; } | jq -e ".volumes[] | select(.name == \"$1\") | .state == \"$2\""; }
happens() { wait_until 60 has_event "$1" || fail "no event $1 in: $(events)"; }
decommission() { "$sg" decommission --config "$conf" --confirm "$serial" --certificate "$work/c.json" --location 'Hall 4' --json "$@" "$drive"; }
shows_pattern() { # every byte of the file is 0x97
	sync "$1"
	[ -z "$(tr -d '\227' <"$1" | head -c 1 | tr '\0' 0)" ] || fail "$1 does not show 0x97 alone"
}

make_volume 64M >/dev/null
uuid=$(cryptsetup luksUUID "$image")
drive=$(losetup -f --show "$image") || fail "losetup"
spool_volume=$(volume spool "$drive" "$mount" 'unlock = key-file' "key_file = $pass")
policy=('[roles]' 'operator = daemon' '[decommission]' 'verify = stratified' 'organization = Example Works'
	'location = Hall 3' 'contact = 555-0100' 'asset_number = A-17' 'machine_serial = M-4711')
configure 'job_abandoned = 1h' "$spool_volume" "${policy[@]}"
start_service
seen service-ready
wait_until 60 volume_is spool open || fail "not open: $("$sg" status)"
"$sg" decommission --config "$conf" --dry-run --json "$drive" >"$work/plan" || fail "dry run"
serial=$(jq -r '.drives[0].serial' "$work/plan")
grep -q 'read-back stratified' "$work/plan" || fail "the configuration's read-back: $(cat "$work/plan")"
"$sg" decommission --config "$conf" --dry-run --verify full --json "$drive" | grep -q 'read-back full' || fail "an option does not win"
printf '[decommission]\nverify = some\n' >"$work/wrong.conf"
"$sg" decommission --config "$work/wrong.conf" --confirm "$serial" "$drive" 2>"$work/err"
[ $? = 1 ] && grep -q 'wrong.conf.*verify.*nothing was done' "$work/err" || fail "a wrong configuration: $(cat "$work/err")"
ok "rehearsed while the service has the volume, as the configuration says and options say otherwise"

# --- an operator ---

mark_events
cp "$sg" "$work/sg" && chmod 755 "$work" "$work/sg"
as_operator() { setpriv --reuid 12001 --regid 12001 --groups "$(getent group daemon | cut -d: -f3)" "$@"; }
if as_operator "$work/sg" --version >/dev/null 2>&1; then
	as_operator "$work/sg" decommission --standalone --confirm "$serial" --state "$work/none" "$drive" 2>"$work/err" &&
		fail "an operator decommissions a drive"
	grep -qE 'root|ermission|ermitted' "$work/err" || fail "why: $(cat "$work/err")"
fi
for method in RecordDecommission CloseForDecommission; do
	as_operator /usr/bin/python3 - "$SPOOLGUARD_SOCKET" io.spoolguard.$method \
		"{\"volume\":\"$uuid\",\"confirm\":\"$uuid\",\"drive\":\"x\",\"id\":\"$(printf '%032d' 7)\",\"step\":\"keys\",\"outcome\":\"success\"}" \
		<"$root/tests/tools/varlink_call.py" >"$work/answer"
	jq -e '.error == "io.spoolguard.PermissionDenied"' "$work/answer" >/dev/null || fail "$method by an operator: $(cat "$work/answer")"
	happens ".event == \"access-denied\" and .data.method == \"$method\" and .subject.uid == 12001"
done
volume_is spool open >/dev/null || fail "it was closed"
ok "an operator is refused, which is an event"

# --- approvals of the configuration ---

minisign -G -W -f -p "$work/ada.pub" -s "$work/ada.key" >/dev/null || fail "minisign -G"
minisign -G -W -f -p "$work/eve.pub" -s "$work/eve.key" >/dev/null || fail "minisign -G"
{ echo "untrusted comment: Ada Lovelace"; sed -n 2p "$work/ada.pub"; } >"$work/approvers"
{ echo "untrusted comment: Eve"; sed -n 2p "$work/eve.pub"; } >"$work/other"
configure 'job_abandoned = 1h' "$spool_volume" "${policy[@]}" 'approvals = 1' "approvers = $work/approvers"
mark_events
decommission >"$work/out" 2>"$work/err" && fail "done without an approval"
grep -q 'waits for 1 of 1 approvals' "$work/err" || fail "why: $(cat "$work/err")"
id=$("$sg" decommission status --config "$conf" --json | jq -r '.decommissionings[0].id')
"$sg" decommission approve "$id" --config "$conf" --approvers "$work/other" --sign "$work/eve.key" >"$work/out" 2>"$work/err" &&
	fail "approved by a list of one's own"
grep -q 'not in the list' "$work/err" || fail "why: $(cat "$work/err")"
decommission --approvers "$work/other" >"$work/out" 2>"$work/err" && fail "a list of one's own counts"
volume_is spool open >/dev/null || fail "it was closed"
has_event '.event == "decommission"' && fail "something was begun"
"$sg" decommission approve "$id" --config "$conf" --sign "$work/ada.key" >"$work/out" || fail "Ada approves"
ok "what the configuration asks for cannot be had for less"

# --- done ---

echo "a document" >"$mount/printing"
"$sg" job begin --id job-printing "$mount/printing" >/dev/null || fail "job begin"
echo "a document" >"$mount/held"
"$sg" job begin --id job-held "$mount/held" >/dev/null || fail "job begin"
call JobHold '{"id":"job-held","reason":"asked for"}' || fail "JobHold: $(cat "$work/answer")"
mark_events
mkdir "$mount/someone"
exec 8>"$mount/someone/file"
decommission >"$work/out" 2>"$work/err" 8>&- &
command=$!
pids+=("$command")
happens ".event == \"decommission\" and .outcome == \"begun\" and .object.volume == \"$uuid\" and .data.name == \"spool\""
"$sg" job complete --id job-printing --wait "$mount/printing" >/dev/null || fail "job complete"
wait_until 120 grep -q 'is asked again' "$work/err" || fail "a file that is open: $(cat "$work/err")"
exec 8>&-
wait "$command"
code=$?
[ $code = 3 ] || fail "exit $code instead of 3: $(cat "$work/err" "$work/out")"
grep -q 'the audit log does not have' "$work/err" && fail "$(cat "$work/err")"
grep -q 'job job-held of call is not retired' "$work/err" || fail "the job that is held is not named: $(cat "$work/err")"
mountpoint -q "$mount" && fail "it is mounted"
shows_pattern "$image"
ok "a file that is open is waited for, and every byte is 0x97"

jq -e '.jobs.retired == 1 and .jobs.not_retired == 1' "$work/c.json" >/dev/null ||
	fail "the jobs in the certificate: $(jq -c .jobs "$work/c.json")"
for text in 'Example Works' 'Hall 4' 555-0100 A-17 M-4711 stratified 'Ada Lovelace' "$uuid" job-held; do
	grep -q -- "$text" "$work/c.json" || fail "$text is not in the certificate"
done
ok "jobs that the service retired, and what the configuration says, are in the certificate"

# --- the log ---

of_id() { events "select(.event == \"decommission\" and .data.id == \"$id\") | .data.step + \" \" + .outcome"; }
expected='"intake begun" "intake success" "keys begun" "keys success" "sanitize begun" "sanitize success" "overwrite begun" "overwrite success" "search begun" "search success" "certificate begun" "certificate success"'
got=$(of_id | tr '\n' ' ')
[ "$(sed 's/"sanitize begun" //; s/ $//' <<<"$got")" = "${expected/'"sanitize begun" '/}" ] || fail "the steps: $got"
happens ".event == \"decommission\" and .data.retired == 1 and .data.not_retired == 1 and .object.volume == \"$uuid\""
happens ".event == \"key-changed\" and .data.act == \"destroy\" and .object.volume == \"$uuid\""
states=$(events "select(.event == \"key-state\" and .object.volume == \"$uuid\") | .data.to" | tr -d '"' | tr '\n' ' ')
[[ $states == *"deactivated destroyed " ]] || fail "the states of the key: $states"
happens ".event == \"decommission\" and .data.certificate == \"$work/c.json\" and .data.certificate_sha256 == \"$(sha256sum <"$work/c.json" | cut -d' ' -f1)\""
"$sg" certificate verify --trust "$state/keys/enrolment.pub" --log "$state/audit" "$work/c.json" >"$work/out" 2>&1 ||
	fail "the certificate and the log: $(cat "$work/out")"
grep -q 'audit log: verified' "$work/out" || fail "the log was not looked at: $(cat "$work/out")"
ok "the steps stand in the log in order, and certificate and log name each other"

# --- and stays so ---

volume_is spool decommissioned >/dev/null || fail "status: $("$sg" status)"
stop_service TERM
configure 'job_abandoned = 1h' "$spool_volume" "${policy[@]}"
start_service
seen service-ready
wait_until 60 volume_is spool decommissioned || fail "a restart brings it back: $("$sg" status)"
mountpoint -q "$mount" && fail "it is mounted again"
shows_pattern "$image"
ok "the service shows it as decommissioned, and a restart does not bring it back"
stop_service TERM || fail "it did not end in order"
echo "$pass_count checks passed"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# receipts.sh - a job's receipt, from the service to somebody who trusts nobody
#
# The device's key is enrolled, jobs are retired, their receipts taken out and verified by
# spoolguard and, without it, by stock minisign, sha256sum and jq; then forged, truncated, another
# device's, replayed, cut off from their log.
#
# Time limit: 200 s
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
command -v minisign >/dev/null || skip "needs minisign"

retire() { # retire ID: a job of that id, with a file of its own
	yes "BODYMARK $1" | head -c 100000 >"$mount/job-$1"
	"$sg" job complete --id "$1" --wait --json "$mount/job-$1" >"$work/job" || fail "job $1: $(cat "$work/job")"
}
good() { "$sg" receipt verify --trust "$work/device.pub" "$@" >"$work/out" 2>"$work/err" || fail "not good: $* : $(cat "$work/err")"; }
stock() { minisign -V -q -p "$work/device.pub" -m "$1"; }

make_volume 64M >/dev/null
configure '[roles]' 'pipeline = lp' '[cups]' 'enabled = no' "$(volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass")"
start_service
wait_until 60 is_open || fail "not open: $(cat "$work/log")"
is_claiming() { [ "$("$sg" status --json | jq -r '.state != "SELF-TEST" and ([.reasons[] | select(.weight == "stops-claims")] == [])')" = true ]; }
wait_until 60 is_claiming || fail "nothing may be claimed: $("$sg" status)"

# --- enrolment ---
"$sg" key public --config "$conf" --output "$work/device.pub" 2>"$work/told" || fail "key public: $(cat "$work/told")"
"$sg" key public --config "$conf" --json >"$work/key.json" || fail "key public --json"
for fingerprint in $(jq -r '.fingerprint, .log_root_fingerprint' "$work/key.json"); do
	grep -q "$fingerprint" "$work/told" && grep -q "$fingerprint" "$work/device.pub" || fail "$fingerprint is not told"
done
jq -j .enrolment "$work/key.json" | cmp - "$work/device.pub" || fail "--json has another text"
[ "$(jq -r .key "$work/key.json")" = "$(sed -n 2p "$work/device.pub")" ] || fail "the device's key is not on the second line"
[ "$(jq -r .fingerprint "$work/key.json")" = "$(sed -n 2p "$work/device.pub" | base64 -d | tail -c 32 | sha256sum | cut -d' ' -f1)" ] ||
	fail "the fingerprint is not the digest of the key"
! grep -q "PRIVATE\|SPOOLGUARD-KEY" "$work/device.pub" || fail "that is no public key"
[ "$(stat -c %a "$state/keys/device.key")" = 600 ] || fail "the private key can be read by others"
[ "$(grep -c "^spoolguardd: .*$state/keys/enrolment.pub.*$(jq -r .fingerprint "$work/key.json")" "$work/log")" = 1 ] ||
	fail "the journal does not say where the key is: $(grep ^spoolguardd "$work/log")"
chmod 755 "$work"
as() { setpriv --reuid 23456 --regid 23456 --groups "$(getent group "$1" | cut -d: -f3)" "${@:2}"; }
if command -v setpriv >/dev/null && [ ! -e /var/lib/spoolguard/keys ]; then # without access to the state directory
	as lp "$sg" key public 2>"$work/err" | cmp - "$work/device.pub" || fail "the service does not tell the key: $(cat "$work/err")"
	refuses 3 'key' as nogroup "$sg" key public
fi
ok "the device's keys are made at the first start, and their public part is told with its fingerprints"

# --- a receipt ---
retire 17
jq -e '.schema == "spoolguard.job/1" and .result == "retired" and .claims and (.receipt | length) == 32' "$work/job" >/dev/null ||
	fail "job complete says: $(cat "$work/job")"
"$sg" receipt show 17 --output "$work/r17" >"$work/shown" || fail "receipt show"
grep -q "^receipt [0-9a-f]* of job call/17" "$work/shown" && grep -q 'not claimed: copies outside' "$work/shown" || fail "it shows: $(cat "$work/shown")"
stock "$work/r17" || fail "stock minisign does not believe it"
[ "$(wc -l <"$work/r17")" = 1 ] && jq -e '
	.schema == "spoolguard.receipt/1" and .source == "call" and .id == "17" and .scheme and .volume
	and .requested_blocks > 0 and .verified_blocks == .requested_blocks - .not_owed_blocks
	and (.pass_times | length) == .passes and .key_state == "active" and .selftest != "" and .build != "" and .version
	and .device == $key[0].fingerprint and .log.sequence > 0 and (.log.sha256 | length) == 64
	and .media_verdict.overwrite and .media_verdict.clause' --slurpfile key "$work/key.json" "$work/r17" >/dev/null || fail "it says: $(jq . "$work/r17")"
jq -e --slurpfile receipt "$work/r17" '. as $job | $receipt[0] | .schema = $job.schema | . == $job' "$work/job" >/dev/null ||
	fail "job complete printed something else than what was signed"
ok "a job's receipt is signed, and stock minisign says so"

log=$state/audit
record() { cat "$log"/segment-*.jsonl | grep -a "\"event\":\"job-retired\"" | grep -a "\"receipt\":\"$1\""; }
id=$(jq -r .receipt "$work/r17")
[ "$(record "$id" | jq -r .data.receipt_sha256)" = "$(sha256sum <"$work/r17" | cut -d' ' -f1)" ] || fail "the log names another text: $(record "$id")"
at=$(jq .log.sequence "$work/r17")
[ "$(cat "$log"/segment-*.jsonl | grep -a "^{\"sequence\":$at," | sha256sum | cut -d' ' -f1)" = "$(jq -r .log.sha256 "$work/r17")" ] ||
	fail "the record that it stands on is another one"
[ "$(record "$id" | jq .sequence)" -gt "$at" ] || fail "its record does not come after its position"
good --job call/17 --log "$log" "$work/r17"
grep -q 'verified; record [0-9]* names this receipt$' "$work/out" || fail "verify says: $(cat "$work/out")"
good --json --log "$log" "$work/r17"
jq -e '.schema == "spoolguard.receipt-verify/1" and .result == "good" and .log_checked and .root_enrolled and .receipt.id == "17"' "$work/out" >/dev/null ||
	fail "verify --json says: $(cat "$work/out")"
ok "the audit log names it with its digest, behind the record that it stands on; by sha256sum and jq too"

# --- names ---
yes BODYMARK | head -c 1000 >"$mount/named"
python3 - "$SPOOLGUARD_SOCKET" "$mount/named" >"$work/begun" <<'PY' || fail "JobComplete: $(cat "$work/begun")"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({"method": "io.spoolguard.JobComplete", "parameters": {
    "id": "named", "files": [sys.argv[2]], "wait": True, "user": "USERMARK", "title": "TITLEMARK"}}).encode() + b"\0")
text = b""
while not text.endswith(b"\0"):
    text += s.recv(65536)
print(text[:-1].decode())
sys.exit("error" in json.loads(text[:-1]))
PY
"$sg" receipt show named --output "$work/named" >/dev/null || fail "receipt show named"
for kind in user title; do
	name=$(echo ${kind}MARK | tr a-z A-Z)
	"$sg" audit match --$kind "$name" --state-directory "$state" --json >"$work/match" || fail "audit match: $(cat "$work/match")"
	jq -e --arg kind $kind --slurpfile receipt "$work/named" '.digest == $receipt[0][$kind + "_digest"]
		and (.records | length) == 1 and .records[0].data.receipt == $receipt[0].receipt' "$work/match" >/dev/null || fail "$kind: $(cat "$work/match")"
done
! grep -raq 'USERMARK\|TITLEMARK' "$state" "$work/log" "$work/run" || fail "a name stands in clear: $(grep -ral 'USERMARK\|TITLEMARK' "$state" "$work/log")"
ok "whose a job is, and what it is called, is found by who knows it, and stands nowhere"

# --- an id that is not a plain word ---
odd=$(printf 'j\303\274/b "x\\ %0200d' 7)
retire_odd() { echo BODYMARK >"$mount/odd" && "$sg" job complete --id "$odd" --wait --json "$mount/odd" >"$work/job"; }
retire_odd || fail "odd id: $(cat "$work/job")"
"$sg" receipt show "$odd" --output "$work/odd" >/dev/null && stock "$work/odd" || fail "receipt of an odd id"
good --job "call/$odd" --log "$log" "$work/odd"
[ "$(jq -r .id "$work/odd")" = "$odd" ] || fail "the id is $(jq .id "$work/odd")"
ok "an id may be any text"

# --- refusals ---
verify() { "$sg" receipt verify --trust "$work/device.pub" "$@"; }
refuses 3 'no key to believe.*--trust' "$sg" receipt verify "$work/r17"
refuses 3 'absent: No such file' "$sg" receipt verify --trust "$work/absent" "$work/r17"
refuses 3 'holds no public key' "$sg" receipt verify --trust "$conf" "$work/r17"
refuses 2 'SOURCE/ID' verify --job 17 "$work/r17"
refuses 3 'absent: No such file' verify "$work/absent"
sed 's/"requested_blocks":[0-9]*/"requested_blocks":99999/' "$work/r17" >"$work/forged" && cp "$work/r17.minisig" "$work/forged.minisig"
refuses 1 'forged: changed' verify "$work/forged"
! stock "$work/forged" 2>/dev/null || fail "stock minisign believes the forged one"
head -c 300 "$work/r17" >"$work/cut" && cp "$work/r17.minisig" "$work/cut.minisig"
refuses 1 'cut: changed' verify "$work/cut"
head -2 "$work/r17.minisig" >"$work/half.minisig"
refuses 1 "signature is none" verify --signature "$work/half.minisig" "$work/r17"
retire 18
"$sg" receipt show 18 --output "$work/r18" >/dev/null || fail "receipt show 18"
refuses 1 "another job's: it is of call/18" verify --job call/17 "$work/r18"
cp "$work/r18" "$work/mixed" && cp "$work/r17.minisig" "$work/mixed.minisig"
refuses 1 'mixed: changed' verify "$work/mixed"
(cd "$work" && minisign -G -W -p other.pub -s other.key && minisign -S -s other.key -m r17 -x r17.other) >/dev/null 2>&1 || fail "minisign"
refuses 1 "another device's" verify --signature "$work/r17.other" "$work/r17"
refuses 1 "another device's" "$sg" receipt verify --trust "$work/other.pub" "$work/r17"
# A copy of the log from before the job: who hides the job has to cut it.
mkdir "$work/old" && cp -a "$log" "$work/old/audit"
open=$(ls "$work/old/audit"/segment-*.jsonl | tail -1)
number=$(record "$(jq -r .receipt "$work/r18")" | jq .sequence)
grep -a "^{\"sequence\"" "$open" | awk -F'[:,]' -v n="$number" '$2 < n' >"$work/short" && cp "$work/short" "$open"
refuses 1 'no record "job-retired"' verify --log "$work/old/audit" "$work/r18"
awk -F'[:,]' -v n="$(jq .log.sequence "$work/r18")" '$2 < n' "$work/short" >"$open"
refuses 1 'not anchored|does not verify' verify --log "$work/old/audit" "$work/r18"
sed -i '2s/success/failure/' "$open"
refuses 1 'the log does not verify' verify --log "$work/old/audit" "$work/r17"
ok "forged, cut, mixed, another job's, another device's, not in the log: each is refused with its reason"

# --- the same bytes for ever ---
kill -9 "$service"
wait "$service" 2>/dev/null
start_service
wait_until 60 "$sg" receipt show 17 --json || fail "it does not come back: $(tail -5 "$work/log")"
"$sg" receipt show 17 --output "$work/again" >/dev/null || fail "receipt show after a kill"
cmp "$work/again" "$work/r17" && cmp "$work/again.minisig" "$work/r17.minisig" || fail "it is not what was signed"
"$sg" key public --config "$conf" 2>/dev/null | cmp - "$work/device.pub" || fail "the device has another key now"
[ "$(grep -c "^spoolguardd: this device has its keys" "$work/log")" = 1 ] || fail "a later start says that keys were made"
good --job call/17 --log "$log" "$work/again"
refuses 1 'no job|not known' "$sg" receipt show 99
ok "a receipt is the same, byte by byte, after a kill"
stop_service TERM || fail "it did not end in order: $(tail -5 "$work/log")"
good --job call/18 --log "$log" "$work/r18"
! grep -aq BODYMARK "$image" || fail "a body is on the raw medium"
"$sg" detach "$image" || fail "detach"
echo "$pass_count checks passed"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit_service.sh - the log of the real service: enrolled at its first start, read by an auditor who
# is not root, verified in three ways while it runs, after it was killed, and elsewhere
#
# Time limit: 200 s
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
for tool in jq minisign sha256sum; do
	command -v $tool >/dev/null || skip "needs $tool"
done
python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography"

trust=$work/enrolment.pub
retire() { # retire ID
	yes "BODYMARK $1" | head -c 50000 >"$mount/job-$1"
	"$sg" job complete --id "$1" --wait "$mount/job-$1" >"$work/job" || fail "job $1: $(cat "$work/job")"
}
verified() { # verified WHAT [DIRECTORY]: by both verifiers
	local directory=${2:-$state}
	"$sg" audit verify --trust "$trust" "$directory/audit" >"$work/out" || fail "$1: $(cat "$work/out")"
	grep -q '^root: the key that was enrolled' "$work/out" || fail "$1: the root is not the enrolled one: $(cat "$work/out")"
	"$root/tools/verify_log.py" "$directory/audit" "$trust" >"$work/out" || fail "$1: verify_log.py: $(cat "$work/out")"
}

make_volume 64M >/dev/null
configure '[cups]' 'enabled = no' '[roles]' 'auditor = adm' \
	"$(volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass")"
start_service
wait_until 60 is_open || fail "not open: $(cat "$work/log")"
is_claiming() { [ "$("$sg" status --json | jq -r '.state != "SELF-TEST" and ([.reasons[] | select(.weight == "stops-claims")] == [])')" = true ]; }
wait_until 60 is_claiming || fail "nothing may be claimed: $("$sg" status)"
"$sg" key public --config "$conf" --output "$trust" 2>/dev/null || fail "key public"
for id in 1 2 3; do retire $id; done
verified "while it runs"
ok "the service's log is good, and begins with the key that was enrolled"

# --- shown ---
"$sg" audit show "$state/audit" | grep -q ' audit-started' || fail "its beginning is not shown"
[ "$("$sg" audit show --event job-retired --json "$state/audit" | jq '.records | length')" = 3 ] || fail "three jobs are not shown"
for job in 2 call/2 'call 2'; do
	[ "$("$sg" audit show --job "$job" --event job-retired "$state/audit" | wc -l)" = 1 ] || fail "job $job is not shown"
done
[ -z "$("$sg" audit show --job cups/2 "$state/audit")" ] || fail "a job of another source is shown"
"$sg" events --json | jq -c '.events[]' | sort >"$work/remembered"
"$sg" audit show --json "$state/audit" | jq -c '.records[] | .sequence' | sort >"$work/shown"
[ -z "$(jq .sequence "$work/remembered" | sort | comm -23 - "$work/shown")" ] || fail "\"events\" knows what is not in the log"
ok "audit show has what the service remembers"

# --- by an auditor ---
chmod 711 "$work"
as_auditor() { setpriv --reuid=65534 --regid=65534 --groups "$(getent group "$1" | cut -d: -f3)" "${@:2}"; }
if as_auditor adm test -x "$sg"; then
	as_auditor adm "$sg" audit verify --trust "$trust" "$state/audit" >"$work/out" 2>&1 || fail "an auditor: $(cat "$work/out")"
	grep -q 'audit-position: at hand' "$work/out" || fail "an auditor cannot read audit-position"
	as_auditor adm "$sg" audit show "$state/audit" | grep -q job-retired || fail "an auditor is shown nothing"
	refuses 3 'group of the auditors' as_auditor lp "$sg" audit verify --trust "$trust" "$state/audit"
	refuses 3 'run as root' as_auditor adm "$sg" audit match --user alice --state-directory "$state"
	ok "who is in the auditors' group reads and verifies; others are told so"
fi

# --- killed, elsewhere, and gone on with ---
stop_service KILL
verified "after a kill"
mkdir "$work/elsewhere"
cp -a "$state/audit" "$state/audit-position" "$work/elsewhere"
start_service
wait_until 60 is_open || fail "not open again: $(cat "$work/log")"
wait_until 60 is_claiming || fail "nothing may be claimed: $("$sg" status)"
retire 4
stop_service TERM || fail "the service did not end in order: $(cat "$work/log")"
verified "after a kill and a stop"
verified "elsewhere" "$work/elsewhere"
ok "killed and started: it goes on, and the copy that left before is good too"

sed -n '/^## With stock tools/,/^## /{/^```sh$/,/^```$/p}' "$root/docs/EVIDENCE.md" | grep -v '^```' >"$work/lines.sh"
(cd "$state" && ENROLMENT=$trust bash "$work/lines.sh") >"$work/out" 2>&1
[ ! -s "$work/out" ] || fail "the lines of EVIDENCE.md: $(cat "$work/out")"
first=$(printf '%s\n' "$state"/audit/segment-*.jsonl | head -n 1)
sed -i '3s/"outcome":"[a-z]*"/"outcome":"denied"/' "$first"
"$sg" audit verify --trust "$trust" "$state/audit" >"$work/out" && fail "a changed record is not found"
grep -qE 'segment 1, line 3, record 3: ' "$work/out" || fail "it is not named: $(cat "$work/out")"
start_service
wait_until 30 grep -q 'not as it was written' "$work/log" || fail "the service goes on with a log that was changed: $(tail -n 3 "$work/log")"
ok "a changed record is named, and the service does not go on with that log"

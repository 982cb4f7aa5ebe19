#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit_verify.sh - "spoolguard audit show" and "verify" on logs that somebody else's program made,
# and an independent verifier that has to agree with it on good and on damaged ones
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography"
log=$work/log
trust=$log/enrolment.pub
maker=$root/tests/audit/make_log.py

"$maker" "$log" --records 400 --segment-bytes 30000 --drop 2 || fail "make_log"

# --- verify ---
"$sg" audit verify --trust "$trust" "$log/audit" >"$work/out" || fail "a good log: $(cat "$work/out")"
grep -qx good "$work/out" || fail "no verdict: $(cat "$work/out")"
grep -q 'root: the key that was enrolled' "$work/out" || fail "the root is not told: $(cat "$work/out")"
grep -qE 'signatures reach record [0-9]+; the [0-9]+ records behind are chained' "$work/out" || fail "not how far: $(cat "$work/out")"
head -n 2 "$trust" >"$work/device.pub"
"$sg" audit verify --trust "$work/device.pub" "$log/audit" | grep -q 'root: not enrolled' || fail "a root from nowhere is not told"
cp -a "$log/audit" "$work/copy"
"$sg" audit verify --trust "$trust" "$work/copy" | grep -q 'not at hand; a cut end would not show' || fail "a missing position is not told"
"$sg" audit verify --trust "$trust" --position "$log/audit-position" --json "$work/copy" >"$work/out" || fail "a copy"
jq -e '.schema == "spoolguard.audit-verify/1" and .good and .position_known and .dropped_segments == 2' "$work/out" >/dev/null || fail "JSON: $(cat "$work/out")"
ok "a good log: how far signatures reach, which root, whether the end is known"

refuses 3 'give --trust FILE' "$sg" audit verify "$log/audit"
refuses 3 'no-such-file' "$sg" audit verify --trust "$work/no-such-file" "$log/audit"
refuses 3 'no-such-directory' "$sg" audit verify --trust "$trust" "$work/no-such-directory"
refuses 3 'no-such-position' "$sg" audit verify --trust "$trust" --position "$work/no-such-position" "$log/audit"
refuses 2 'one directory' "$sg" audit verify --trust "$trust" a b
refuses 2 'no "audit prove"' "$sg" audit prove
"$maker" "$work/other" --records 20 --seed 2 || fail "make_log"
"$sg" audit verify --trust "$work/other/enrolment.pub" "$log/audit" >"$work/out" && fail "another device's log is good"
grep -q 'log: key: .*another key' "$work/out" || fail "it is not told whose it is not: $(cat "$work/out")"
sed -i '/"sequence":200,/s/"role":"service"/"role":"servant"/' "$work/copy/"segment-*.jsonl
"$sg" audit verify --trust "$trust" "$work/copy" >"$work/out" && fail "a changed record is not found"
grep -qE '^segment [0-9]+, line [0-9]+, record 200: changed: ' "$work/out" || fail "the place is not named: $(cat "$work/out")"
ok "no key, another key, a changed record: refused, with the place"

cp -a "$log" "$work/anew"
mv "$work/anew/audit" "$work/anew/audit.set-aside-20261124T090000Z"
cp "$work/other/audit-position" "$work/anew"
"$sg" audit verify --trust "$trust" "$work/anew/audit.set-aside-20261124T090000Z" >"$work/out" || fail "a log that was set aside: $(cat "$work/out")"
grep -q 'not at hand' "$work/out" || fail "the position of another log is taken"
"$root/tools/verify_log.py" "$work/anew/audit.set-aside-20261124T090000Z" "$trust" >/dev/null || fail "verify_log.py: a log that was set aside"
ok "a log that was set aside is not held against the position of the new one"

# --- show ---
show() { "$sg" audit show "$@" "$log/audit"; }
[ "$(show | wc -l)" = "$(cat "$log"/audit/segment-*.jsonl | wc -l)" ] || fail "not all records are shown"
show --since 398 | awk 'NR == 1 && $1 == 398 {first = 1} END {exit !(first && NR == 3)}' || fail "--since a number"
show --json | jq -c '.records[]' | cmp -s - <(cat "$log"/audit/segment-*.jsonl | jq -c .) || fail "JSON is not what stands in the log"
show --event wipe | grep -qv ' wipe' && fail "--event"
show --job "cups 12" --json | jq -e '.records | length > 0 and all(.object.job == "cups 12")' >/dev/null || fail "--job"
middle=$(show --since 300 | awk 'NR == 1 {print $2}')
show --since "$middle" | awk 'NR == 1 && $1 <= 300 {first = 1} END {exit !first}' || fail "--since a time"
[ -z "$(show --since 2030-01-01)" ] || fail "--since the future"
refuses 2 'number, or a time' "$sg" audit show --since yesterday "$log/audit"
refuses 2 'no such event' "$sg" audit show --event nonsense "$log/audit"
refuses 3 'no log' "$sg" audit show "$work/none"
ok "show: from a number or a time on, by event and by job, as text and as JSON"

cp -a "$log/audit" "$work/live"
timeout 60 "$sg" audit show --follow --json --since 399 "$work/live" >"$work/followed" &
pids+=($!)
for _ in $(seq 100); do [ "$(wc -l <"$work/followed")" = 2 ] && break; sleep 0.1; done
last=$(printf '%s\n' "$work/live"/segment-*.jsonl | tail -n 1)
next=$(printf '%s/segment-%08d.jsonl' "$work/live" $(($(basename "$last" .jsonl | tr -dc 0-9 | sed 's/^0*//') + 1)))
tail -n 1 "$last" | head -c 50 >"$work/half"
tail -n 1 "$last" | tail -c +51 >"$work/rest"
cat "$work/half" >>"$last"
sleep 0.3
cat "$work/rest" >>"$last"
tail -n 1 "$last" >"$next"
for _ in $(seq 100); do [ "$(wc -l <"$work/followed")" = 4 ] && break; sleep 0.1; done
[ "$(wc -l <"$work/followed")" = 4 ] || fail "--follow: $(cat "$work/followed")"
kill "${pids[-1]}"
[ "$(tail -n 3 "$work/followed" | sort -u | wc -l)" = 1 ] || fail "--follow tears lines"
ok "show --follow: what is appended, also line by half line, and in the next segment"

# --- match ---
mkdir "$work/state"
writer=$build/tests/supervisor/log_writer
[ -e "$writer" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/supervisor/log_writer" >/dev/null || fail "log_writer is not built"
"$writer" "$work/state" 3 >/dev/null || fail "log_writer"
match() { "$sg" audit match --state-directory "$work/state" "$@"; }
[ "$(match --user alice)" = "$(echo alice | match --user -)" ] || fail "a name from standard input is another"
match --user alice >/dev/null && fail "a name is found that is in no record"
[[ $(match --user alice) =~ ^[0-9a-f]{64}$ ]] || fail "no digest"
[ "$(match --user alice)" != "$(match --title alice)" ] || fail "users and titles have the same digests"
# A record about that digest (its link is nobody's: match does not judge).
digest=$(match --user alice)
tail -n 1 "$work/state"/audit/segment-*1.jsonl | sed -E 's/"event":.*"previous"/"event":"authentication-failed","subject":{"role":"host","uid":0},"outcome":"failure","data":{"user":"'"$digest"'"},"previous"/' >"$work/line"
cat "$work/line" >>"$work/state/audit/segment-00000001.jsonl"
match --user alice | tail -n +2 | cmp -s - "$work/line" || fail "the record of a name is not found"
match --user alice --json | jq -e '.kind == "user" and (.records | length) == 1' >/dev/null || fail "match --json"
match --user Alice >/dev/null && fail "another name is found"
refuses 2 'user NAME' "$sg" audit match
refuses 3 "$work/none|no " "$sg" audit match --user x --state-directory "$work/none"
ok "match: a name is found by its digest alone"

# --- who may not read is told what to do ---
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$work" "$log"
	chmod 750 "$log/audit"
	as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	if as_nobody test -x "$sg"; then
		refuses 3 'group of the auditors' as_nobody "$sg" audit show "$log/audit"
		refuses 3 'group of the auditors' as_nobody "$sg" audit verify --trust "$trust" "$log/audit"
	fi
fi

# --- the other verifier ---
"$root/tests/audit/agree.py" "$sg" "$log" "$trust" --each 4 || fail "the verifiers do not agree"
"$maker" "$work/torn" --records 50 --segment-bytes 6000 --torn || fail "make_log"
"$root/tests/audit/agree.py" "$sg" "$work/torn" "$work/torn/enrolment.pub" --each 0 || fail "the verifiers do not agree on a torn log"
"$root/tools/verify_log.py" "$log/audit" "$trust" >/dev/null || fail "verify_log.py"
"$root/tools/verify_log.py" "$work/copy" "$trust" >/dev/null && fail "verify_log.py finds a changed log good"
"$root/tools/verify_log.py" "$log/audit" "$work/none" 2>/dev/null
[ $? = 3 ] || fail "verify_log.py without a key can tell"
ok "two verifiers that share no code name the same places"

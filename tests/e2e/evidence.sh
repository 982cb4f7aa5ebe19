#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# evidence.sh - the lines of docs/EVIDENCE.md, as they stand there, on a log that the real writer
# made: nothing is said of the good one, and each damage is found
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
for tool in minisign jq sha256sum; do
	command -v $tool >/dev/null || skip "needs $tool"
done
writer=$build/tests/supervisor/log_writer
[ -e "$writer" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/supervisor/log_writer" >/dev/null || fail "log_writer is not built"

sed -n '/^## With stock tools/,/^## /{/^```sh$/,/^```$/p}' "$root/docs/EVIDENCE.md" | grep -v '^```' >"$work/lines.sh"
[ "$(wc -l <"$work/lines.sh")" = 10 ] || fail "EVIDENCE.md does not have ten lines: $(wc -l <"$work/lines.sh")"

good=$work/good
mkdir "$good"
"$writer" "$good" 122 >/dev/null || fail "log_writer"
export ENROLMENT=$work/enrolment.pub
cp "$good/keys/enrolment.pub" "$ENROLMENT"
rm -r "$good/keys"

run_lines() { (cd "$1" && bash "$work/lines.sh") >"$work/said" 2>&1; }
judged() { "$sg" audit verify --trust "$ENROLMENT" "$1/audit" >/dev/null; }

run_lines "$good"
[ ! -s "$work/said" ] || fail "a good log: $(cat "$work/said")"
judged "$good" || fail "audit verify: a good log"
ls "$good"/audit/head-00000002.json >/dev/null || fail "the log is too short for the test"
ok "a good log: nothing is found"

mkdir "$work/new"
"$writer" "$work/new" 5 >/dev/null || fail "log_writer"
ENROLMENT=$work/new/keys/enrolment.pub run_lines "$work/new"
[ ! -s "$work/said" ] || fail "a log without heads yet: $(cat "$work/said")"

is_found() { # is_found WHAT COMMAND: run in a copy of the log
	local what=$1 bad=$work/bad
	shift
	rm -rf "$bad"
	cp -a "$good" "$bad"
	(cd "$bad/audit" && eval "$*") || fail "$what: could not be done"
	run_lines "$bad"
	grep -q '^BAD: ' "$work/said" || fail "$what: is not found by the lines: $(cat "$work/said")"
	! judged "$bad" || fail "$what: is not found by audit verify"
	found=$((found + 1))
}
found=0
last=$(cd "$good/audit" && printf '%s\n' segment-*.jsonl | tail -n 1)
is_found "a changed record" "sed -i '5s/success/failure/' segment-00000001.jsonl"
is_found "a removed record" "sed -i 5d segment-00000002.jsonl"
is_found "a repeated record" "sed -i 5p segment-00000002.jsonl"
is_found "swapped records" "sed -i '5{h;d};6G' segment-00000002.jsonl"
is_found "a cut segment" "sed -i '20,\$d' segment-00000001.jsonl"
is_found "a record of the open segment" "sed -i '3s/success/failure/' $last"
is_found "the last record" "sed -i '\$s/success/failure/' $last"
is_found "a removed last record" "sed -i '\$d' $last"
is_found "a removed open segment" "rm $last"
is_found "a removed segment" "rm segment-00000002.jsonl"
is_found "a removed head" "rm head-00000002.json head-00000002.json.minisig"
is_found "a removed signature" "rm head-00000001.json.minisig"
is_found "a changed head" "sed -i 's/\"records\":/\"records\": /' head-00000001.json"
is_found "swapped heads" "mv head-00000001.json x; mv head-00000002.json head-00000001.json; mv x head-00000002.json
	mv head-00000001.json.minisig x; mv head-00000002.json.minisig head-00000001.json.minisig; mv x head-00000002.json.minisig"
is_found "a changed log.json" "sed -i 's/\"segment\":1/\"segment\":2/' log.json"
is_found "audit-position" "sed -i 's/\"sha256\":\"./\"sha256\":\"x/' ../audit-position"
is_found "another device's log" "rm -r ../audit; cp -a '$work/new/audit' '$work/new/audit-position' .."
ok "$found damages, each found by the ten lines and by audit verify"

head -n 2 "$ENROLMENT" >"$work/device.pub"
(cd "$good/audit" && minisign -Vq -p "$work/device.pub" -m log.json) || fail "the first two lines are no key of minisign's"
ok "the first two lines of the enrolment are a public key to stock minisign"

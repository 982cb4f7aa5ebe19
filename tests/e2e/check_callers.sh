#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_callers.sh - who calls "spoolguard check": OpenSCAP, Serverspec, InSpec
#
# Method: each is run by its own program (oscap, rspec; of the InSpec profile only the syntax is
# looked at, since no runner of it is in Debian), first with a stand-in for the command that answers
# what it is told, so that each answer is seen to become the right verdict, then with the command itself.
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
command -v oscap >/dev/null || skip "needs oscap (openscap-scanner)"

from=$root/packaging/compliance
cp "$from/openscap/spoolguard-check.sh" "$work"
benchmark() { # benchmark PROGRAM: the benchmark, calling it
	sed "s|@bindir@/spoolguard|$1|" "$from/openscap/spoolguard-xccdf.xml.in" >"$work/spoolguard-xccdf.xml"
}

# A stand-in: exit code and text as they are told.
cat >"$work/stand-in" <<'STANDIN'
#!/bin/bash
here=$(dirname "$0")
case "$*" in
*--json*) cat "$here/answer.json" ;;
*) cat "$here/answer.txt" ;;
esac
exit "$(cat "$here/answer.code")"
STANDIN
chmod 755 "$work/stand-in"
answer() { # answer CODE TEXT
	echo "$1" >"$work/answer.code"
	echo "$2" >"$work/answer.txt"
}

# evaluated CODE VERDICT: oscap's exit code, and what it says of every rule
evaluated() {
	oscap xccdf eval --results "$work/results.xml" "$work/spoolguard-xccdf.xml" >"$work/oscap.out" 2>&1
	local got=$? other
	[ $got = "$1" ] || fail "oscap: exit $got instead of $1: $(cat "$work/oscap.out")"
	other=$(sed -n 's/^Result[[:space:]]*//p' "$work/oscap.out" | grep -cvx "$2")
	[ "$(grep -c '^Result' "$work/oscap.out")" -ge 7 ] || fail "oscap: not every profile has a rule"
	[ "$other" = 0 ] || fail "oscap: not every rule is $2: $(cat "$work/oscap.out")"
}

oscap xccdf validate "$from/openscap/spoolguard-xccdf.xml.in" >"$work/out" 2>&1 || fail "oscap validate: $(cat "$work/out")"
ok "the benchmark is valid XCCDF"
benchmark "$work/stand-in"
answer 0 "met: all"
evaluated 0 pass
answer 1 "not met: FDP_DSK_EXT.1: spool.img is not encrypted"
evaluated 2 fail
grep -q 'spool.img is not encrypted' "$work/results.xml" || fail "the results do not say why"
answer 3 "cannot tell: the service does not run"
evaluated 2 unknown
benchmark "$work/nowhere"
evaluated 2 error
ok "OpenSCAP: each answer becomes the right verdict, and says why"

benchmark "$sg"
oscap xccdf eval "$work/spoolguard-xccdf.xml" >"$work/oscap.out" 2>&1
# shellcheck disable=SC2181
[ $? -le 2 ] || fail "oscap with the command itself: $(cat "$work/oscap.out")"
[ "$(grep -cE '^Result[[:space:]]+(pass|fail|unknown)$' "$work/oscap.out")" -ge 7 ] ||
	fail "oscap with the command itself: $(cat "$work/oscap.out")"
ok "OpenSCAP: every profile of the benchmark is one of the command's"

if command -v rspec >/dev/null && ruby -e 'require "serverspec"' 2>/dev/null; then
	specs() { SPOOLGUARD=$1 rspec "$from/serverspec/spoolguard_spec.rb" >"$work/rspec.out" 2>&1; }
	control() { printf '{"id":"%s","title":"t","state":"%s","evidence":"seen","remedy":"mend"}' "$1" "$2"; }
	echo "{\"schema\":\"spoolguard.check/1\",\"technical_controls_met\":true,\"controls\":[$(control a met)]}" >"$work/answer.json"
	answer 0 ""
	specs "$work/stand-in" || fail "rspec: $(cat "$work/rspec.out")"
	echo "{\"schema\":\"spoolguard.check/1\",\"technical_controls_met\":false,\"controls\":[$(control a met),$(control b 'not met')]}" >"$work/answer.json"
	answer 1 ""
	specs "$work/stand-in" && fail "rspec passes what is not met"
	grep -q '3 examples, 1 failure' "$work/rspec.out" || fail "rspec: $(cat "$work/rspec.out")"
	grep -q 'not met: mend' "$work/rspec.out" || fail "rspec does not say the remedy: $(cat "$work/rspec.out")"
	specs "$sg"
	grep -qE '[0-9]+ examples, [0-9]+ failure' "$work/rspec.out" || fail "rspec with the command itself: $(cat "$work/rspec.out")"
	ok "Serverspec: one example for each control, and each answer becomes the right verdict"
else
	echo "not tried: Serverspec (ruby-serverspec is not installed)"
fi
if command -v ruby >/dev/null; then
	ruby -c "$from/inspec/controls/spoolguard.rb" >"$work/out" 2>&1 || fail "InSpec: $(cat "$work/out")"
	ok "InSpec: the profile is Ruby (no runner of it is here)"
fi
echo "check_callers: $pass_count passed"

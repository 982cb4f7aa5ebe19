#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_cc_papers.sh - the evaluator's papers (docs/cc) speak of what is there
#
# Every file that they name exists; every requirement that "check" judges is in the summary, each row
# with a claim, code and a test; every key that the code derives is in the key management description;
# every verb and self-test that they name is the program's.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-$PWD/build}
papers=${1:-docs/cc}
failed=0
fail() { echo "FAILED: $*" >&2; failed=1; }

# Each word between backticks.
quoted() { grep -oh '`[^`]*`' "$papers"/*.md | tr -d '\140' | sort -u; }

for paper in key-management sfr-summary administrator-guidance entropy volatility; do
	[ -s "$papers/$paper.md" ] || fail "there is no $papers/$paper.md"
done

while read -r path; do
	[ -e "$path" ] || fail "docs/cc names $path, which is not there"
done < <(quoted | grep -E '^[a-z]+(/[A-Za-z0-9_.-]+)+\.(c|h|sh|py|md|conf)$')

# Rows of the summary: requirement, claim, words, code, test.
rows=$(grep -E '^\| F[A-Z]{2}_' "$papers/sfr-summary.md")
[ "$(grep -c . <<<"$rows")" -ge 20 ] || fail "the summary has hardly a row"
while IFS='|' read -r _ requirement claim _ code test _; do
	case $claim in
	' claimed ' | ' not claimed ' | ' host must provide ') ;;
	*) fail "$requirement is neither claimed, nor not claimed, nor the host's: \"$claim\"" ;;
	esac
	grep -q '`[a-z]*/' <<<"$code" || fail "$requirement names no code"
	grep -q '`tests/' <<<"$test" || fail "$requirement names no test"
done <<<"$rows"
judged=$(grep -ohE '\bHCD, "F[A-Z]{2}_[A-Z0-9_.]+' compliance/*.c | grep -oE 'F[A-Z]{2}_[A-Z0-9_.]+' | sort -u)
[ -n "$judged" ] || fail "compliance/ judges no requirement, or no longer writes it as it did"
for requirement in $judged; do
	grep -qF "| $requirement |" <<<"$rows" || fail "check judges $requirement, and the summary does not have it"
done

derived=$(grep -rhoE '"spoolguard [a-z ]+ v[0-9]+"' --include='*.[ch]' base crypto blockdev keystore overwrite audit spool \
	volume supervisor | tr -d '"' | sort -u)
[ -n "$derived" ] || fail "no derived key is found in the code"
while read -r info; do
	grep -qF "\`$info\`" "$papers/key-management.md" || fail "the key that is derived with \"$info\" is in no row"
done <<<"$derived"

! grep -niE 'certified|compliant|common criteria certif' "$papers"/*.md || fail "a claim that nobody here can make"

if [ -x "$build/spoolguard" ]; then
	verbs=$("$build/spoolguard" help | awk '/^  [a-z]/ { print $1 }'; echo version)
	while read -r verb; do
		grep -qx "$verb" <<<"$verbs" || fail "docs/cc names spoolguard $verb, which is no verb"
	done < <(grep -ohE '(`|^ +)spoolguard [a-z-]+( v[0-9])?' "$papers"/*.md | grep -v ' v[0-9]$' | awk '{ print $NF }' | sort -u)
	tests=$("$build/spoolguard" selftest --list)
	while read -r name; do
		grep -q "^$name\b" <<<"$tests" || fail "docs/cc names the self-test $name, which is none"
	done < <(quoted | grep -E '^(algorithm|random|pattern|memory|program|medium|host)/[a-z0-9-]+$')
fi
exit $failed

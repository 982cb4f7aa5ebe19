#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_run_tests.sh - the runner loses no failure, counts right, ends what hangs and cleans up
#
# Method: a tree of its own with the runner, a Makefile that "builds" by copying, and tests whose
# ends are known.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(mktemp -d "${TMPDIR:-/tmp}/runner.XXXXXX")
trap 'rm -rf "$tree"' EXIT
failed=0
fail() {
	echo "FAILED: $*"
	sed 's/^/    /' "$tree/said"
	failed=1
}
says() { grep -qE -- "$1" "$tree/said" || fail "does not say /$1/"; }
silent() { ! grep -qE -- "$1" "$tree/said" || fail "says /$1/"; }
closes() { [[ $(tail -n 1 "$tree/said") == "tests: $1 in "* ]] || fail "does not close with: $1"; }
run() { # run EXPECTED-CODE RUNNER-ARGUMENT...
	local code wanted=$1
	shift
	(cd "$tree" && MAKE="make" tools/run-tests.sh "$@") >"$tree/said" 2>&1
	code=$?
	[ $code = "$wanted" ] || fail "$*: exit $code instead of $wanted"
}

mkdir -p "$tree"/{tools,tests/base,tests/e2e,build}
cp "$root/tools/run-tests.sh" "$tree/tools"
cat > "$tree/Makefile" <<'END'
build/tests/%: tests/%.c
	@mkdir -p $(@D)
	@case $@ in *unbuilt) exit 0 ;; esac; install -m 755 $< $@
all:
	@true
END
script() { # script FILE: its body comes on stdin
	{ echo '#!/bin/bash'; cat; } > "$tree/tests/$1"
	chmod +x "$tree/tests/$1"
}
script base/test_good.c <<< '[ -d "$TMPDIR" ] && [ "$TMPDIR" = "$SPOOLGUARD_CONFINE" ] && [ -z "${SPOOLGUARD_TEST_SCALE:-}" ]'
script e2e/good.sh <<< '[ "$BUILD" = "$PWD/build" ] && touch "$TMPDIR/litter"'
script e2e/sourced.sh <<< 'exit 1'
chmod -x "$tree/tests/e2e/sourced.sh"

run 0 plain
closes '2 passed, 0 failed, 0 skipped'
says '^pass +[0-9.]+ s  base/test_good$'
run 0 e2e
closes '2 passed, 0 failed, 0 skipped'

script base/test_bad.c <<< 'echo the reason why; exit 1'
script base/test_killed.c <<< 'kill -SEGV $$'
script base/test_skips.c <<< 'echo "skipped: no such thing here"; exit 77'
script base/test_slow.c <<< '# Time limit: 1 s
sleep 60'
touch "$tree/tests/base/test_unbuilt.c"
AGAIN=0 run 1 plain
closes '2 passed, 4 failed, 1 skipped'
silent '(again)'
says '^FAIL .* base/test_bad: exit code 1'
says '^ +the reason why'
says '^FAIL .* base/test_killed: exit code 139'
says '^FAIL .* base/test_slow: not done within 1 s'
says '^FAIL .* base/test_unbuilt'
says '^skip .* base/test_skips: no such thing here$'

# What matters stands before the end of the output, and in the list at the end.
script base/test_bad.c <<< 'echo "{\"json\":\"$(printf %2000d 7)\"}"; echo "tests/a.c:7:F:case:name:0: it is three"
for i in $(seq 50); do echo "{\"FAILED\": $i}"; done; exit 1'
AGAIN=4 run 1 plain
closes '2 passed, 4 failed, 1 skipped'
says '^FAIL .* base/test_bad \(again\)'
[ "$(tail -n 12 "$tree/said" | grep -A 1 'base/test_bad$' | tail -n 1)" = "        tests/a.c:7:F:case:name:0: it is three" ] ||
	fail "the list at the end does not say why"
[ "$(wc -L <"$tree/said")" -lt 400 ] || fail "long lines are not cut"
AGAIN=2 run 1 plain
silent '(again)'

# By chance: it is told, and is no failure.
script base/test_chance.c <<< 'mkdir "$PWD/been-here" || { echo "FAILED: the first time"; exit 1; }'
mkdir "$tree/been-here"
sed -i 's/|| {/|| { rmdir "$PWD\/been-here";/' "$tree/tests/base/test_chance.c"
ONLY='chance|good' run 0 plain
closes '2 passed, 0 failed, 0 skipped, 1 flaky'
says '^FAIL .* base/test_chance: exit code 1'
says '^pass .* base/test_chance \(again\)$'
says '^flaky '
says '^        FAILED: the first time$'

ONLY=skips run 0 plain
closes '1 passed, 0 failed, 1 skipped'
silent test_bad
ONLY=no-such-test run 1 plain

sed -i 's/^\t@true/\t@false/' "$tree/Makefile"
ONLY=good run 1 plain
says '^FAIL .* build \[plain\]'

if [ "$(id -u)" = 0 ] && mkdir "$tree/probe" && mount -t tmpfs none "$tree/probe" 2>/dev/null; then
	umount "$tree/probe"
	sed -i 's/^\t@false/\t@true/' "$tree/Makefile"
	script e2e/leaves.sh <<< 'mkdir "$TMPDIR/left" && mount -t tmpfs none "$TMPDIR/left"'
	run 1 e2e
	closes '3 passed, 1 failed, 0 skipped'
	says 'still mounted: .*/left'
fi

rm -f "$tree"/tests/e2e/*.sh
script e2e/long.sh <<< 'echo $$ > long.pid; touch "$TMPDIR/litter"; sleep 60'
sed -i 's/^\t@false/\t@true/' "$tree/Makefile"
for signal in TERM INT; do
	rm -f "$tree/long.pid"
	# What a shell starts in the background ignores SIGINT: python3 gives that back.
	(cd "$tree" && MAKE="make" exec python3 -c 'import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv("tools/run-tests.sh", ["tools/run-tests.sh", "e2e"])') >"$tree/said" 2>&1 &
	runner=$!
	for _ in $(seq 600); do [ -s "$tree/long.pid" ] && break; sleep 0.1; done
	[ -s "$tree/long.pid" ] || fail "the long test did not begin"
	kill -s $signal $runner
	wait $runner
	! kill -0 "$(cat "$tree/long.pid")" 2>/dev/null || fail "ended by $signal, the runner leaves a test running"
done

leftover=$(grep -o '/var/tmp/spoolguard-test\.[0-9]*' "$tree/said" | head -n 1)
[ -z "$leftover" ] || [ ! -e "$leftover" ] || fail "$leftover is still there"
exit $failed

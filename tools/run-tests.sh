#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run-tests.sh - builds and runs tests, a line each, and says at the end how many passed
#
# usage: run-tests.sh all | plain | e2e | valgrind | cross | mutants | SANITIZERS...
#
#   all         the checks, both compilers, and every way of running a test
#   mutants     the tests that choose a mutant, in a build that has them
#   SANITIZERS  unit tests in such a build: "thread", "address,undefined"
#
# A test passes with exit code 0 and is skipped with 77 (its last line says why).  It runs under
# a time limit: 120 s (where everything is slower, twice that), or what a line "Time limit: N s" among its first forty says.  A script
# that has "Runs alone." there has the machine for itself; a unit test that has
# "Not under qemu-user: REASON" or "Not under valgrind: REASON" is skipped there with the reason.
#
# Of a test that failed there is shown what matters (assertions, "FAILED", a sanitizer's heading) and the
# end of its output.  What failed is run once more when all is done, alone; what passes then is "flaky":
# told with its first failure, and counted apart in the closing line, but no failure.  If more
# failed than AGAIN, something is broken, and nothing is run again.
#
# Environment
#   AGAIN  how many may have failed to be run again (6; 0: never again)
#   ONLY   extended regular expression: items whose name does not match are left out
#   JOBS   how many run at once (2)
#   SMOKE  a pattern of unit tests: those that "all" also runs under valgrind
#
# What tests find in theirs
#   SPOOLGUARD_CONFINE      the directory below which media must lie; TMPDIR is the same
#   SPOOLGUARD_TEST_SCALE   "small" in builds and under tools that make everything slower
#   BUILD                   the build directory, absolute
#
# Output of each item stays in build/test-logs/.
set -u
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 2

make=${MAKE:-make}
jobs=${JOBS:-2}
again_most=${AGAIN:-6}
again= # or " (again)"
only=${ONLY:-}
smoke=${SMOKE:-^(base|overwrite)/|^ipc/test_message}
logs=$PWD/build/test-logs
results=$logs/results
to_repeat=$logs/to-repeat
export SPOOLGUARD_CONFINE=/var/tmp/spoolguard-test.$$
export TMPDIR=$SPOOLGUARD_CONFINE
unset MAKEFLAGS MAKELEVEL MFLAGS BUILD SAN CROSS MUTANTS ONLY AGAIN # each build below names its own
began=$SECONDS

rm -rf "$logs"
mkdir -p "$logs" "$SPOOLGUARD_CONFINE"
: > "$results"
: > "$to_repeat"

# What tests left behind: nothing may stay, and what does is told (L1).
left_behind() {
	local at loop
	findmnt -rno TARGET | grep -F "$SPOOLGUARD_CONFINE/" | sort -r | while read -r at; do
		echo "still mounted: $at"
		umount -l "$at"
	done
	losetup -nO NAME,BACK-FILE 2>/dev/null | grep -F "$SPOOLGUARD_CONFINE/" | while read -r loop at; do
		echo "still attached: $loop to $at"
		losetup -d "$loop"
	done
}
clean_up() {
	local running
	running=$(jobs -rp)
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$running" ] || { kill $running; wait; }
	left_behind >/dev/null
	chattr -R -f -i "$SPOOLGUARD_CONFINE"
	rm -rf "$SPOOLGUARD_CONFINE"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

readonly line_max=300
# Check's failures, its count, what lib.sh and others say, sanitizers and valgrind, compilers and make.
readonly -a telling=(
	'^[^ {]+\.[ch]:[0-9]+:[FE]:' '^ *(FAILED|not ok|FAIL)\b' '^(SUMMARY: |.*runtime error: )'
	'^==[0-9]+==.*(ERROR|Invalid|Conditional jump|definitely lost)' '^WARNING: ThreadSanitizer'
	'Assertion .* failed' '(: |^)(fatal )?error: |\*\*\* |: undefined reference' '^[0-9]+%: Checks:'
)
shown() { grep -avE '^  (CC|AR|LINK)  ' "$1" | cut -c "1-$line_max"; }
telling_lines() { # telling_lines LOG: those that say what failed
	local pattern
	pattern=$(printf '|%s' "${telling[@]}")
	shown "$1" | grep -aE "${pattern:1}" | head -n 30
}
most_telling() { # most_telling LOG: one line; its last if there is none
	local pattern line=
	# A sanitizer ends a test "early": it says why.
	for pattern in "${telling[2]}" "${telling[@]}"; do
		line=$(shown "$1" | grep -aE -m 1 "$pattern") && break
	done
	[ -n "$line" ] || line=$(shown "$1" | grep -a . | tail -n 1)
	tr '\t' ' ' <<< "$line"
}
report() { # report VERDICT SECONDS LABEL NOTE [LOG]: one write, so that lines do not mix
	local text one=
	text=$(printf '%s %7.2f s  %s%s' "$1" "$2" "$3" "${4:+: $4}")
	if [ "$1" = FAIL ]; then
		one=$(most_telling "$5")
		text+=$'\n'$({ telling_lines "$5"; echo '--- its end:'; shown "$5" | tail -n 20; } | sed 's/^/        /')
	fi
	printf '%s\n' "$text"
	printf '%s\t%s\t%s\n' "$1" "$3" "$one" >> "$results"
}

run() { # run LABEL LIMIT-SECONDS COMMAND...
	local label=$1$again limit=$2 log start code took program
	shift 2
	log=$logs/$(tr -c 'A-Za-z0-9._-' _ <<< "$label").log
	start=$EPOCHREALTIME
	# It has a process group of its own: if we are ended, it has to be told.
	timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null &
	program=$!
	trap 'kill $program; wait $program; exit 130' INT TERM
	wait $program
	code=$?
	trap 'exit 130' INT TERM
	took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {print b - a}')
	case $code in
	0) report pass "$took" "$label" '' ;;
	77) report skip "$took" "$label" "$(grep . "$log" | tail -n 1 | sed 's/^skipped: //')" ;;
	124 | 137) report FAIL "$took" "$label" "not done within $limit s" "$log" ;;
	*) report FAIL "$took" "$label" "exit code $code" "$log" ;;
	esac
	return $code
}

wanted() { [ -z "$only" ] || grep -qE "$only" <<< "$1"; }

directory_of() { # the build directory of a way of running
	case $1 in
	plain | valgrind | e2e) echo build ;;
	mutants) echo build/mutants ;;
	cross) echo build/cross-aarch64-linux-gnu ;;
	*) echo "build/san-${1//,/-}" ;;
	esac
}
label_of() { # label_of WAY NAME
	[ "$1" = plain ] && echo "$2" || echo "$2 [$1]"
}
limit_of() { # limit_of FILE DEFAULT
	local limit
	limit=$(head -n 40 "$1" | sed -n 's/.*Time limit: \([0-9]*\) s.*/\1/p' | head -n 1)
	echo "${limit:-$2}"
}

unit_sources() { # unit_sources WAY: the tests that are run so
	local source name pattern=.
	case $1 in
	valgrind) [ "$what" = all ] && pattern=$smoke ;;
	cross)
		pattern='^(base|crypto|ipc|blockdev|keystore|overwrite)/'
		[ "$what" = all ] && pattern='^(base|crypto)/|^ipc/test_message'
		;;
	esac
	for source in tests/*/test_*.c; do
		name=${source#tests/}
		name=${name%.c}
		[ "$1" != mutants ] || grep -q mutant_active "$source" || continue
		grep -qE "$pattern" <<< "$name" && wanted "$(label_of "$1" "$name")" && echo "$source"
	done
}

# The tools that stand before a test program.
no_aslr=()
setarch -R true 2>/dev/null && no_aslr=(setarch -R) # the thread sanitizer wants its addresses free
memory_judge=(valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
	--show-leak-kinds=definite --num-callers=20)

left_out() { # left_out WAY SOURCE NAME TOOL: it says itself that it cannot be run under that tool
	local reason
	reason=$(head -n 40 "$2" | sed -n "s/.*Not under $4: //p")
	[ -n "$reason" ] && report skip 0 "$(label_of "$1" "$3")" "$reason"
}

repeat_later() { # repeat_later EXIT-CODE FUNCTION ARGUMENT ARGUMENT
	[ "$1" = 77 ] || [ -n "$again" ] || printf '%s\t%s\t%s\n' "$2" "$3" "$4" >> "$to_repeat"
}

run_unit() { # run_unit WAY SOURCE
	local way=$1 source=$2 name program limit before=()
	name=${source#tests/}
	name=${name%.c}
	program=$(directory_of "$way")/tests/$name
	limit=$(limit_of "$source" 120)
	export CK_TIMEOUT_MULTIPLIER=5 CK_DEFAULT_TIMEOUT=10 SPOOLGUARD_TEST_SCALE=small
	case $way in
	plain | mutants)
		unset SPOOLGUARD_TEST_SCALE
		;;
	valgrind)
		left_out "$way" "$source" "$name" valgrind && return
		before=("${memory_judge[@]}")
		CK_TIMEOUT_MULTIPLIER=30 limit=$((limit * 2))
		;;
	cross)
		left_out "$way" "$source" "$name" qemu-user && return
		before=(qemu-aarch64 -L "$(directory_of cross)/root")
		CK_TIMEOUT_MULTIPLIER=30 limit=$((limit * 2))
		;;
	*)
		export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
		export TSAN_OPTIONS=second_deadlock_stack=1
		[[ $way == *thread* ]] && before=("${no_aslr[@]}")
		CK_TIMEOUT_MULTIPLIER=15 limit=$((limit * 2))
		;;
	esac
	if [ ! -x "$program" ]; then
		echo "not built" > "$logs/none"
		report FAIL 0 "$(label_of "$way" "$name")" "" "$logs/none"
		return
	fi
	BUILD=$PWD/$(directory_of "$way") run "$(label_of "$way" "$name")" "$limit" "${before[@]}" "$program" ||
		repeat_later $? run_unit "$way" "$source"
}

run_script() { # run_script SCRIPT DEFAULT-LIMIT
	local name=${1#tests/}
	wanted "${name%.sh}" || return
	BUILD=$PWD/build run "${name%.sh}" "$(limit_of "$1" "$2")" "$1" || repeat_later $? run_script "$@"
}

in_pool() { # in_pool COMMAND...: no more than $jobs at once
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
	"$@" &
}

build_way() { # build_way WAY SOURCE...: what these tests need
	local way=$1 source command=("$make" -j "$jobs")
	shift
	case $way in
	plain) command+=(BUILD=build all) ;;
	valgrind) command+=(BUILD=build) ;;
	e2e) command+=(BUILD=build all) ;;
	mutants) command+=(MUTANTS=1) ;;
	cross) command=(tools/build-cross.sh aarch64-linux-gnu) ;;
	*) command+=(SAN="$way") ;;
	esac
	for source; do command+=("$(directory_of "$way")/${source%.c}"); done
	run "build [$way]" 600 "${command[@]}"
}

what=${1:?usage: run-tests.sh all | plain | e2e | valgrind | cross | mutants | SANITIZERS}
if [ "$what" = all ]; then
	ways=(plain mutants 'address,undefined' thread valgrind cross)
	with_e2e=1
	wanted check && run check 300 "$make" check
	wanted 'build [clang]' && run 'build [clang]' 600 "$make" -j "$jobs" CC=clang BUILD=build/clang all tests
elif [ "$what" = e2e ]; then
	ways=() with_e2e=1
else
	ways=("$@") with_e2e=
fi

for way in "${ways[@]}"; do
	mapfile -t sources < <(unit_sources "$way")
	[ ${#sources[@]} -gt 0 ] || continue
	if [ "$way" = valgrind ] && ! command -v valgrind >/dev/null; then
		report skip 0 "valgrind" "valgrind is not installed (make deps)"
		continue
	fi
	build_way "$way" "${sources[@]}"
	[ $? = 77 ] && continue
	for source in "${sources[@]}"; do in_pool run_unit "$way" "$source"; done
	wait
done

if [ -n "$with_e2e" ]; then
	scripts=()
	for script in tests/tools/test_*.sh tests/e2e/*.sh; do
		name=${script#tests/}
		[ -x "$script" ] && wanted "${name%.sh}" && scripts+=("$script")
	done
	[ ${#scripts[@]} = 0 ] || [[ " ${ways[*]} " == *' plain '* && -z $only ]] || build_way e2e
	for script in "${scripts[@]}"; do
		head -n 40 "$script" | grep -q 'Runs alone\.' || in_pool run_script "$script" 300
	done
	wait
	for script in "${scripts[@]}"; do
		head -n 40 "$script" | grep -q 'Runs alone\.' && run_script "$script" 300
	done
fi

# Once more, one after the other: did it fail because it is broken, or by chance?
failures=$(wc -l < "$to_repeat")
if [ "$failures" -gt 0 ] && [ "$failures" -le "$again_most" ]; then
	echo "again, alone:"
	again=' (again)'
	while IFS=$'\t' read -r function first second; do
		results=$logs/results-again "$function" "$first" "$second"
	done < "$to_repeat"
	while IFS=$'\t' read -r verdict label said; do
		[ "$verdict" = FAIL ] && grep -qF $'pass\t'"$label$again"$'\t' "$logs/results-again" && verdict=flaky
		printf '%s\t%s\t%s\n' "$verdict" "$label" "$said"
	done < "$results" > "$logs/results-in-the-end"
	mv "$logs/results-in-the-end" "$results"
fi

left_behind > "$logs/left"
[ ! -s "$logs/left" ] || report FAIL 0 "nothing is left behind" "" "$logs/left"

count() { grep -c "^$1" "$results"; }
list() { # list VERDICT TITLE: each with its most telling line
	[ "$(count "$1")" -gt 0 ] || return 0
	echo "$2:"
	sed -n "s/^$1\t\([^\t]*\)\t\(.*\)/    \1\n        \2/p" "$results"
}
list flaky "flaky (failed once, and passed alone; the first time's output is in build/test-logs)"
list FAIL failed
[ -s "$results" ] || { echo "tests: nothing matches ${only:-$what}"; exit 1; }
flaky=
[ "$(count flaky)" = 0 ] || flaky=", $(count flaky) flaky"
echo "tests: $(count pass) passed, $(count FAIL) failed, $(count skip) skipped$flaky in $((SECONDS - began)) s"
[ "$(count FAIL)" = 0 ]

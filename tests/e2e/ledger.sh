#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ledger.sh - kill -9 of the service, and of the volume's process, while jobs are being retired
#
# Callers announce jobs without end: single files, several, a directory of their own, the beginning of
# names; who is not answered announces the same job again.  The service is killed at random instants
# (from a seed, printed), the volume's process now and then.  After each: the same jobs are announced
# once more.  At the end every job that was accepted is RETIRED, once, with a receipt whose numbers
# add up; no file is left, nothing of any job is on the medium, decrypted or not, and no name of a
# file in the service's own files.
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"

rounds=${ROUNDS:-12}
RANDOM=${SEED:=$(($(date +%s) % 32768))}
echo "seed $SEED, $rounds rounds"
body=LEDGER-BODY$$
title=LedgerTitle$$

is_open() { [ "$("$sg" status --json 2>/dev/null | jq -r '.volumes[0].state')" = open ]; }
volume_process() { "$sg" status --json "$image" 2>/dev/null | jq -r '.process // empty'; }
write() { # write PATH LINES
	local line
	for line in $(seq "$2"); do echo "$body line $line of a job"; done >"$1"
}
kinds=(file three directory beginning)
make_job() { # make_job N: its files; its names as the command takes them are in ${names[@]}
	local n=$1
	case ${kinds[n % 4]} in
	file)
		write "$mount/$title-$n.pdf" $((RANDOM % 900 + 1)) || return
		names=("$mount/$title-$n.pdf")
		;;
	three)
		names=()
		for part in a b c; do
			write "$mount/$title-$n-$part" $((RANDOM % 200 + 1)) || return
			names+=("$mount/$title-$n-$part")
		done
		;;
	directory)
		mkdir -p "$mount/$title-$n.d/deeper" || return
		write "$mount/$title-$n.d/one" 100 && write "$mount/$title-$n.d/deeper/two" 50 || return
		names=("$mount/$title-$n.d/")
		;;
	beginning)
		write "$mount/$title-$n-x" 80 && write "$mount/$title-$n-y" 80 || return
		names=("$mount/$title-$n-//")
		;;
	esac
}
# files_of N: how many files the job has
files_of() { case ${kinds[$1 % 4]} in file) echo 1 ;; three) echo 3 ;; *) echo 2 ;; esac; }
# Where the service does not answer at all, the command does the job itself: then no ledger knows it.
announce() { "$sg" job complete --id "$1" --json "${names[@]}" 2>"$work/said" | jq -e .job >/dev/null; }
# A status may be two seconds old, and call a volume open whose process was just killed.
is_told() { announce "$1" || ! grep -qE 'is not open|is gone' "$work/said"; }

make_volume 128M >/dev/null
configure "job_abandoned = 1s" "$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $pass")"
start_service
wait_until 60 is_open || fail "the service does not open its volume: $(tail -n 5 "$work/log")"

n=0 unanswered=0 kills=0
declare -A accepted
for round in $(seq "$rounds"); do
	(
		sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
		if [ $((round % 4)) = 0 ]; then
			process=$(volume_process)
			[ -z "$process" ] || kill -9 "$process"
		else
			kill -9 "$service"
		fi
	) 2>/dev/null &
	killer=$!
	kills=$((kills + 1))
	open=()
	# Jobs come until the one or the other is dead.
	while kill -0 $killer 2>/dev/null && [ ${#open[@]} -lt 40 ]; do
		n=$((n + 1))
		make_job $n 2>/dev/null || { n=$((n - 1)); break; }
		if announce $n; then
			accepted[$n]=1
		else
			unanswered=$((unanswered + 1))
		fi
		open+=("$n")
	done
	wait $killer
	if [ $((round % 4)) != 0 ]; then
		wait "$service" 2>/dev/null
		pids=("${pids[@]/$service/}")
		start_service
	fi
	wait_until 90 is_open || fail "round $round: the volume is not open again: $(tail -n 5 "$work/log")"
	# Who was not answered, and who was, says it again.
	for job in "${open[@]}"; do
		case ${kinds[job % 4]} in
		file) names=("$mount/$title-$job.pdf") ;;
		three) names=("$mount/$title-$job-a" "$mount/$title-$job-b" "$mount/$title-$job-c") ;;
		directory) names=("$mount/$title-$job.d/") ;;
		beginning) names=("$mount/$title-$job-//") ;;
		esac
		wait_until 30 is_told "$job" && [ ! -s "$work/said" ] && accepted[$job]=1
	done
done
rm -rf "$mount/$title-$((n + 1))"* # of a job that was not made to its end
echo "$n jobs, $unanswered at first without an answer; $kills kills"
[ $n -ge $((2 * rounds)) ] || fail "only $n jobs"

open_jobs() { "$sg" status --json | jq '.jobs | [.begun, .seen, .retiring, .held, .failed] | add'; }
wait_until 60 eval '[ "$(open_jobs)" = 0 ]' || { "$sg" job list; fail "$(open_jobs) jobs are not retired"; }
left=$(find "$mount" -name "$title*" ! -type d | wc -l)
[ "$left" = 0 ] || fail "$left files are left: $(find "$mount" -name "$title*" ! -type d | head -5)"
ok "every job is retired, and its files are gone"

missing=0
for job in $(seq $n); do
	"$sg" job show --json "$job" >"$work/shown" 2>"$work/err" || {
		[ -z "${accepted[$job]:-}" ] || fail "job $job was accepted, and is not known: $(cat "$work/err")"
		continue
	}
	jq -e '.job.state == "retired" and .job.receipt.claims and .job.receipt.result == "retired" and .job.receipt.barrier_epoch > 0' \
		"$work/shown" >/dev/null || fail "job $job: $(cat "$work/shown")"
	jq -e '.job.receipt | .files == .removed_files + (.files_missing // 0) and .erased_files == .removed_files and
		.requested_blocks == .written_blocks + .not_owed_blocks and (.files_missing // 0) <= '"$(files_of "$job")" \
		"$work/shown" >/dev/null || fail "numbers of job $job do not add up: $(cat "$work/shown")"
	missing=$((missing + $(jq '.job.receipt.files_missing // 0' "$work/shown")))
done
ok "every receipt adds up; $missing files were gone when their turn came again"
[ "$missing" -lt "$n" ] || fail "more files are missing than kills can explain"

# The same completion again is the same job.
write "$mount/$title-again" 100
names=("$mount/$title-again")
first=$("$sg" job complete --id again --wait --json "${names[@]}") || fail "complete: $first"
second=$("$sg" job complete --id again --wait --json "${names[@]}") || fail "complete again: $second"
[ "$first" = "$second" ] || fail "another receipt: $first $second"
ok "the same completion again gives the same receipt"

# What a caller left in its directory when it went away.
mkdir "$mount/$title-begun"
"$sg" job begin --id begun "$mount/$title-begun/" >/dev/null || fail "job begin"
write "$mount/$title-begun/later" 100
kill -9 "$service"
wait "$service" 2>/dev/null
pids=("${pids[@]/$service/}")
start_service
wait_until 60 is_open || fail "not open again"
wait_until 20 eval '"$sg" job show --json begun 2>/dev/null | jq -e ".job.state == \"retired\""' || fail "begun and abandoned: $("$sg" job show begun)"
[ -z "$(ls "$mount/$title-begun")" ] || fail "its directory holds $(ls "$mount/$title-begun")"
rmdir "$mount/$title-begun"
ok "what was begun before a crash, and abandoned, is retired"

for text in "$body" "$title"; do
	count=$(grep -raF "$text" "$state" "$work/log" | wc -l)
	[ "$count" = 0 ] || fail "$count lines with $text in the service's own files"
done
ok "the service's own files name no file"

find "$mount" -name "$title*" -type d -depth -exec rmdir {} +
"$sg" sweep "$image" >/dev/null || fail "sweep"
stop_service || fail "the service ends with $?"
"$sg" detach "$image" >/dev/null || fail "detach"
for text in "$body" "$title"; do
	"$sg" inspect --passphrase-file "$pass" --search "$text" "$image" >"$work/out" ||
		fail "inspect finds $text: $(cat "$work/out")"
done
ok "inspect finds nothing of any job"

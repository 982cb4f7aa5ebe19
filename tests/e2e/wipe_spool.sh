#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 240 s
# wipe_spool.sh - on-demand overwrite of a spool that a stock cupsd prints through, under spoolguardd
#
# Dry run, confirmation and refusals; standard keeps what is retained, kills every job and nothing of
# them is found; jobs that come meanwhile wait and print; full: a new key, and cupsd prints on; a kill
# of the service in the middle; the confirmation sheet printed, failed, cancelled, timed out; on
# schedule.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"
. "$(dirname "$0")/service_lib.sh"

server=$work/server
body=WIPE-BODY
kept=RETAINED-LETTER

sheet_timeout=150s # long: how soon a crowded machine prints is not what is tested
configure_wipe() { # configure_wipe [LINES of [wipe]...]
	configure "$(cups_section)" "$(cups_volume 'retain = mailbox')" \
		"[wipe]" "confirmation_timeout = $sheet_timeout" "$@"
}
is_state() { [ "$("$sg" status --json 2>/dev/null | jq -r .state)" = "$1" ]; }
start_and_wait() {
	start_service
	wait_until 60 is_open || { tail -n 20 "$work/log"; fail "the service did not open the volume"; }
}
document() { local i; for i in $(seq 300); do echo "$body of $1, line $i"; done >"$work/$1"; }
hold_job() { LP_OPTIONS="-t WIPE-Title -U wipeuser -H hold" job_submit "$1" "$work/a"; }
wipe() { "$sg" wipe-spool --json --confirm spool "$@" >"$work/report" 2>"$work/err"; }
report() { jq -r "$1" "$work/report"; }
# nothing_is_left PATTERN: not on the medium, decrypted or not; everything is stopped for it
nothing_is_left() {
	cupsd_stop
	stop_service TERM
	"$sg" detach "$image" || fail "detach"
	"$sg" inspect --passphrase-file "$pass" --search "$body" --search WIPE-Title --search wipeuser "$image" \
		>"$work/inspected" || { cat "$work/inspected"; fail "$1: something is left"; }
	! grep -q "$body" "$image" || fail "$1: it is in clear on the medium"
	start_and_wait
	cupsd_up
	ok "$1: nothing of any job is found"
}

# --- without the service, and before anything is confirmed ---

make_volume 128M >/dev/null
mkdir -p "$server"/{etc,log,cache,run}
SPOOLGUARD_SOCKET=$work/none refuses 1 'service does not run.*nothing was touched' "$sg" wipe-spool --standard spool
refuses 2 'give --standard or --full' "$sg" wipe-spool spool
refuses 2 'give --standard or --full' "$sg" wipe-spool --standard --full spool

configure_wipe "confirmation_queue = sheets"
start_and_wait
cupsd_spool=$mount cupsd_start "$server" 'PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' \
	'MaxJobs 0' 'PageLogFormat'
install -m 755 "$build/spoolguard-notifier" "$server/bin/notifier/spoolguard"
queue_raw fast 0
queue_raw slow 8
document a

refuses 1 'no queue "sheets".*nothing was touched|confirmation sheet cannot be printed.*nothing was touched' \
	"$sg" wipe-spool --standard --dry-run spool
queue_raw sheets 0
mkdir -m 700 "$mount/mailbox"
echo "$kept" >"$mount/mailbox/letter"
chown 9 "$mount/mailbox"
held=$(hold_job fast)
sync -f "$mount"

everything() { # of the spool that a dry run could change
	find "$mount" -printf '%p %y %m %U %G %s %T@ %C@ %A@\n' | sort
	find "$mount" -type f -not -path '*/.cups/log/*' -print0 | sort -z | xargs -0 sha256sum
	lpstat -o
	ls "$state"
}
everything >"$work/before"
"$sg" wipe-spool --standard --dry-run >"$work/out" || fail "dry run"
everything >"$work/after"
diff "$work/before" "$work/after" | grep -v access_log | grep '^[<>]' && fail "a dry run changed something"
grep -q "cups $held, held" "$work/out" || { cat "$work/out"; fail "the held job is not listed"; }
grep -q 'retained: mailbox' "$work/out" || fail "the retained directory is not listed"
grep -q 'confirmation sheet: on sheets' "$work/out" || fail "the sheet is not announced"
"$sg" wipe-spool --full --dry-run --json | jq -e '.mode == "full" and .dry_run and (.retained == [])' >/dev/null ||
	fail "dry run of a full wipe"
refuses 1 'confirm: --confirm spool' "$sg" wipe-spool --standard spool
refuses 1 'nothing was touched' "$sg" wipe-spool --standard --confirm spoool spool
refuses 1 'no volume "nosuch"' "$sg" wipe-spool --standard --confirm nosuch nosuch
[ "$(job_state "$held")" = 4 ] || fail "a refused wipe touched the held job"
ok "a dry run tells what would die, and changes nothing"

# wiped step|outcome WORD: waits for such a record of a wipe since the mark
wiped() {
	local filter=".event == \"wipe\" and (.$1 // .data.$1) == \"$2\""
	wait_until 120 has_event "$filter" || fail "no wipe with $1 $2 in: $(events)"
}

# --- standard ---

printing=$(LP_OPTIONS="-t WIPE-Title -U wipeuser" job_submit slow "$work/a")
job_wait "$printing" 5
cp "$work/a" "$mount/tmp/left-by-a-filter"
mark_events
wipe --standard &
wiping=$!
wiped step intake
is_state WIPING || fail "the state is not WIPING: $("$sg" status --json | jq -c .state)"
refuses 1 'under way' "$sg" wipe-spool --standard --confirm spool spool
# One that comes meanwhile is accepted, held, and printed afterwards.
later=$(LP_OPTIONS="-t LATER" job_submit fast "$work/err")
wait $wiping || { cat "$work/err" "$work/report"; fail "the wipe failed"; }
[ "$(report .result)" = successful ] || fail "result: $(cat "$work/report")"
[ "$(report .sheet.state)" = successful ] || fail "the sheet: $(cat "$work/report")"
[ "$(report '.numbers | .requested_blocks > 0 and .requested_blocks == .verified_blocks and .owed_blocks == 0')" = true ] ||
	fail "numbers: $(report .numbers)"
[ "$(report '[.jobs[].id] | index("'"$held"'") != null')" = true ] || fail "the held job is not in the report"
[ "$(cat "$mount/mailbox/letter")" = "$kept" ] && [ "$(stat -c %u "$mount/mailbox")" = 9 ] || fail "what is retained was touched"
[ -z "$(job_state "$held")$(job_state "$printing")" ] || fail "a job survived the wipe"
[ ! -e "$mount/tmp/left-by-a-filter" ] || fail "a temporary file is left"
[ -d "$mount/tmp" ] && [ -d "$server/cache/rss" ] || fail "a directory is gone"
wait_until 30 sh -c "! $sg status --json | jq -e '.state == \"WIPING\"'" || fail "it is wiping still"
wait_until 30 sh -c "$sg job show --source cups --json $later | jq -e '(.job.state // .state) == \"retired\"'" ||
	fail "the job that came meanwhile was not printed: $("$sg" job list)"
for outcome in begun progress success; do wiped outcome $outcome; done
seen wipe-sheet spool
! log_lines | jq -c "del(.previous)" | grep -E 'WIPE-Title|wipeuser|d0000' || fail "an event names a job's title, user or file"
ok "standard: jobs die, what is retained stays, a later job waits and prints, the sheet is printed"
nothing_is_left "after a standard wipe"
[ "$(cat "$mount/mailbox/letter")" = "$kept" ] || fail "what is retained is gone"

# --- full, under a cupsd that has its logs open there ---

held=$(hold_job fast)
uuid=$("$sg" status --json | jq -r '.volumes[0].uuid')
owners() { stat -c '%n %U %G %a' "$mount" "$mount/tmp" "$server/cache" "$server/log"; }
owners >"$work/before"
mark_events
wipe --full || { cat "$work/err" "$work/report"; fail "the full wipe failed"; }
[ "$(report .result)" = successful ] || fail "result: $(cat "$work/report")"
[ "$(report .uuid)" = "$uuid" ] && [ "$(report .new_uuid)" != "$uuid" ] || fail "the volume is the old one"
[ "$("$sg" status --json | jq -r '.volumes[0].uuid')" = "$(report .new_uuid)" ] || fail "status has another UUID"
[ "$(report .numbers.slots_destroyed)" = 1 ] || fail "slots: $(report .numbers)"
[ "$(report '.numbers | .requested_blocks > 20000 and .requested_blocks == .verified_blocks and .owed_blocks == 0')" = true ] ||
	fail "numbers: $(report .numbers)"
[ "$(report '[.notes[] | select(test("CUPS"))] | length')" = 0 ] || fail "notes: $(report .notes)"
owners >"$work/after"
diff "$work/before" "$work/after" || fail "directories are not as they were"
[ -z "$(job_state "$held")" ] && [ ! -e "$mount/mailbox" ] || fail "something survived a full wipe"
[ "$(report .sheet.state)" = successful ] || fail "the sheet: $(cat "$work/report")"
after=$(LP_OPTIONS="-t AFTER" job_submit fast "$work/after")
wait_until 30 sh -c "$sg job show --source cups --json $after | jq -e '(.job.state // .state) == \"retired\"'" ||
	fail "cupsd does not print after a full wipe: $("$sg" job list)"
for fd in /proc/"$cupsd_pid"/fd/*; do
	case $(readlink "$fd") in "$server"/log/*) stat -Lc %d "$fd" ;; esac
done | sort -u >"$work/devices"
[ "$(cat "$work/devices")" = "$(stat -c %d "$mount")" ] || fail "cupsd has files of the old file system open"
ok "full: a new key and file system, directories as they were, cupsd prints on"
nothing_is_left "after a full wipe"

# --- killed in the middle ---

for mode in standard full; do
	held=$(hold_job fast)
	mark_events
	wipe --$mode &
	wiping=$!
	wiped step erase
	kill -9 "$service"
	wait "$service" $wiping 2>/dev/null
	grep -q 'went away in mid-call' "$work/err" || fail "the caller is not told: $(cat "$work/err")"
	start_and_wait
	wiped outcome success
	has_event '.event == "wipe" and .data.resumed == 1' || fail "it was not resumed"
	[ -z "$(job_state "$held")" ] || fail "a job survived"
	[ ! -e "$state/wipe" ] || fail "its record is left"
	wait_until 30 sh -c "! lpstat -p | grep -q 'spoolguard:'" || fail "queues are held still: $(lpstat -p)"
	ok "$mode: killed in the middle, and finished after the next start"
done
nothing_is_left "after wipes that were interrupted"

# --- the sheet ---

sheet_is() { # sheet_is STATE: after another wipe
	wipe --standard || fail "wipe: $(cat "$work/err" "$work/report")"
	[ "$(report .sheet.state)" = "$1" ] || fail "the sheet is \"$(report .sheet.state)\" and not \"$1\""
	ok "a sheet that is $1 is told so"
}
cat >"$server/bin/backend/keeping" <<BACKEND
#!/bin/sh
[ \$# = 0 ] && { echo 'direct keeping "Unknown" "Keeping"'; exit 0; }
cat "\${6:--}" >$work/sheet
BACKEND
chmod 700 "$server/bin/backend/keeping"
lpadmin -p sheets -v keeping:/ -E
sheet_is successful
grep -q 'Result *SUCCESSFUL' "$work/sheet" && grep -q 'Volume *spool' "$work/sheet" && grep -q 'Blocks read back' "$work/sheet" ||
	{ cat "$work/sheet"; fail "the sheet does not say what it should"; }
[ "$(wc -l <"$work/sheet")" -le 60 ] || fail "the sheet is longer than a page"
lpadmin -p sheets -v failing:/ -E
sheet_is failed
lpadmin -p sheets -v slowsink:/30 -E
wipe --standard &
wiping=$!
mark_events
wiped step sheet
wait_until 10 sh -c 'lpstat -o sheets | grep -q sheets' || fail "no sheet"
cancel -a sheets
wait $wiping
[ "$(report .sheet.state)" = cancelled ] || fail "the sheet is \"$(report .sheet.state)\" and not cancelled"
ok "a sheet that is cancelled is told so"
stop_service TERM
sheet_timeout=3s
configure_wipe "confirmation_queue = sheets"
start_and_wait
cupsdisable sheets
sheet_is timed-out
cancel -a sheets

# --- on schedule ---

stop_service TERM
configure_wipe "schedule = daily 03:00"
jq -n '{began: (now | floor - 2 * 86400)}' >"$state/wipe.spool"
held=$(hold_job fast)
mark_events
start_and_wait
wiped outcome success
has_event '.event == "wipe" and .outcome == "begun" and .detail == "on schedule"' || fail "not on schedule: $(events)"
[ -z "$(job_state "$held")" ] || fail "a job survived the schedule"
ok "a wipe that was due while the service was away is done once"

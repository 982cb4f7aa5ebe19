#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 240 s
# cups_service.sh - a stock cupsd whose spool is a volume under spoolguardd: jobs retire by themselves
#
# Every way that a job can end, in a private instance of Debian's cupsd; nobody calls anything.  After
# each: the job is RETIRED in the ledger, cupsd knows it no more, nothing of it is in the spool
# directory; at the end nothing of any job is on the medium, decrypted or not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"

. "$(dirname "$0")/service_lib.sh"

server=$work/server
body=WARD-BODY

daemon_kill() {
	kill -9 "$service" 2>/dev/null
	wait "$service" 2>/dev/null
}
wait_open() { wait_until "$1" is_open; } # wait_open SECONDS
volume_pid() { pgrep -n -f "^[^ ]*spoolguard-volume --path $image "; }
ledger_state() { "$sg" job show --source cups --json "$1" 2>/dev/null | jq -r '.job.state // .state'; }
retired() { # retired ID WHAT [SECONDS]: the ledger says so, cupsd knows it no more, its files are gone
	local i got
	for i in $(seq $((${3:-20} * 10))); do
		got=$(ledger_state "$1")
		[ "$got" = retired ] && break
		sleep 0.1
	done
	[ "$got" = retired ] || { "$sg" job list; tail -n 5 "$work/log"; fail "$2: job $1 is \"$got\""; }
	[ -z "$(job_state "$1")" ] || fail "$2: cupsd still knows job $1"
	[ -z "$(spool_files | grep -E "^[acd]0*$1(-|\$)")" ] || fail "$2: files of job $1 are left: $(spool_files)"
	ok "$2: retired"
}
document() { # document NAME: writes $work/NAME
	local line
	for line in $(seq 300); do echo "$body of $1, line $line"; done >"$work/$1"
}

mkdir -p "$server"/{etc,log,cache,run}
make_volume 256M >/dev/null
configure "$(cups_volume)" "$(cups_section 'orphan = 3s')"
start_service
wait_open 30 || { cat "$work/log"; fail "the service did not open the volume"; }
cupsd_spool=$mount cupsd_start "$server" 'PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' \
	'MaxJobs 0' 'PageLogFormat' 'LogDebugHistory 0'
install -m 755 "$build/spoolguard-notifier" "$server/bin/notifier/spoolguard"
queue_raw fast 0
queue_raw slow 3
queue_ps filtered 0
queue_raster photo 0
queue_failing broken
LP_OPTIONS='-t WARD-Title -U warduser'
document a
document b

# --- the ways in which a job ends ---

retired "$(job_submit fast "$work/a")" "a completed job"
retired "$(job_submit fast "$work/a" "$work/b")" "a job of two documents"
retired "$(job_submit filtered "$work/a")" "a job through filters"
retired "$(job_submit photo "$work/a")" "a raster job"
retired "$(job_submit broken "$work/a")" "an aborted job"
id=$(job_submit slow "$work/a")
job_wait "$id" 5
cancel "$id"
retired "$id" "a job cancelled while it prints"

id=$(LP_OPTIONS="$LP_OPTIONS -H hold" job_submit fast "$work/a")
sleep 2
[ "$(ledger_state "$id")" != retired ] || fail "a held job was retired"
[ -f "$cupsd_spool_dir/$(printf 'd%05d-001' "$id")" ] || fail "a held job's document is gone"
"$sg" status >"$work/out"
grep -q "not yet overwritten" "$work/out" || { cat "$work/out"; fail "status does not say that a held job waits"; }
ok "a held job waits, and status says why"
lp -i "$id" -H resume >/dev/null 2>&1 || lp -i "$id" -H resume
retired "$id" "a held job after its release"
id=$(LP_OPTIONS="$LP_OPTIONS -H hold" job_submit fast "$work/a")
cancel "$id"
retired "$id" "a held job that is cancelled"

# --- crashes ---

id=$(job_submit slow "$work/a")
job_wait "$id" 5
cupsd_kill
cupsd_up
retired "$id" "a job whose cupsd was killed, printed again" 40

# Its control file is lost: cupsd will never know it again.
rm -f "$work/upload"
id=$(LP_OPTIONS="$LP_OPTIONS -H hold" job_submit fast "$work/b")
cupsd_kill
rm -f "$cupsd_spool_dir/$(printf 'c%05d' "$id")"
cupsd_up
[ -f "$cupsd_spool_dir/$(printf 'd%05d-001' "$id")" ] || fail "cupsd removed the orphan"
retired "$id" "a document file that cupsd does not know any more" 30

ids=()
for i in 1 2 3 4 5; do ids+=("$(job_submit fast "$work/a")"); done
daemon_kill
for i in 1 2 3; do ids+=("$(job_submit fast "$work/b")"); done
sleep 1
start_service
for id in "${ids[@]}"; do retired "$id" "a job around a kill -9 of the service" 30; done

id=$(job_submit slow "$work/a")
job_wait "$id" 5
kill -9 "$(volume_pid)"
wait_open 60 || { tail "$work/log"; fail "the volume did not come back"; }
mountpoint -q "$server/cache" && mountpoint -q "$server/log" || fail "the binds did not come back"
ok "the volume process killed in mid-job: mount and binds are back"
cupsd_kill # it has open files on the mount that died; its unit goes with the mount
cupsd_up
# cupsd does not fsync what it is given: the job is printed again, or waits for a document that had not
# reached the disk (as after a power cut), or was never there.
if [ -n "$(job_state "$id")$(spool_files)" ]; then
	[ "$(job_state "$id")" != 4 ] || cancel "$id"
	retired "$id" "the job that printed then" 40
else
	ok "the job that printed then had not reached the disk"
fi

# --- cupsd never runs on the bare directory ---

cupsd_stop
kill "$service"
wait "$service" 2>/dev/null
"$sg" detach "$image" || fail "detach"
lsattr -d "$mount" | grep -q -- '^[^ ]*i' || skip "$work has no immutable flag"
rm -f "$cupsd_socket"
setsid cupsd -f -c "$cupsd_dir/etc/cupsd.conf" -s "$cupsd_dir/etc/cups-files.conf" >"$work/bare" 2>&1 </dev/null &
bare=$!
pids+=("$bare")
sleep 2
timeout 5 lp -d fast "$work/a" >/dev/null 2>&1 && fail "a job was taken onto the bare directory"
[ -z "$(find "$mount" "$server/cache" "$server/log" -mindepth 1)" ] || fail "cupsd wrote onto the bare directory"
kill -9 $bare 2>/dev/null
ok "without the volume cupsd can write nothing below it"

# --- and nothing of them is left ---

start_service
wait_open 30 || fail "the volume did not open again"
rm -f "$work/a" "$work/b"
cupsd_up
sleep 6 # the settle rounds
"$sg" sweep "$image" >/dev/null || fail "sweep"
cupsd_stop
sync -f "$mount"
echo 1 >/proc/sys/vm/drop_caches
for text in "$body" WARD-Title warduser; do
	n=$(grep -a -c "$text" "$(device_of_mount)")
	[ "$n" = 0 ] || fail "$n lines with $text are left on the decrypted volume: $(grep -rl "$text" "$mount")"
	n=$(grep -a -c "$text" "$image")
	[ "$n" = 0 ] || fail "$n lines with $text on the raw medium"
	! grep -r -q -a "$text" "$state" "$work/log" || fail "$text is in the service's own files"
done
ok "no text, title or user name of any job is left anywhere"

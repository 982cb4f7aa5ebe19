#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 900 s
# soak.sh - jobs without end, while cupsd, spoolguardd and spoolguard-volume are killed at random
#
# Jobs of several kinds go into a private cupsd whose spool is a volume under the service; at random
# instants (from a seed, printed) one of the three is killed with kill -9 and comes back: cupsd and
# spoolguardd are started again here, as an init system does, spoolguard-volume by the service.
# At the end, when all are left in peace: every job that was accepted, and had reached the disk when the
# volume died, is RETIRED, no job is left in the ledger, in cupsd or in the spool; nothing of any job is on
# the volume (decrypted, free blocks and journal included), on the raw medium or in the service's own
# files; header, map, file system and medium agree; and the service has grown by nothing: memory,
# descriptors, processes, mounts, loop devices.
#
#   SOAK_SECONDS (60; "make soak": 600)    SOAK_SEED
#   SOAK_VICTIMS ("cupsd service volume")  who is killed; "none": nobody.  A service that is never
#                                          killed shows best whether it grows.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"

seconds=${SOAK_SECONDS:-60}
RANDOM=${SOAK_SEED:=$(($(date +%s) % 32768))}
read -ra victims <<<"${SOAK_VICTIMS:-cupsd service volume}"
[ "${victims[*]}" != none ] || victims=()
echo "seed $SOAK_SEED, $seconds s"
# The service looks at no medium, and opens no place, but below this.
export SPOOLGUARD_CONFINE=$work
. "$(dirname "$0")/service_lib.sh"
server=$work/server
body=SOAK-BODY title=SOAK-Title user=soakuser
texts=(-e "$body" -e "$title" -e "$user")

backlog_most=24   # documents in the spool: beyond, the next job waits
rss_growth_kib=16384 descriptor_growth=4 ledger_most_bytes=$((8 << 20))

# --- the service, and the volume ---

state() { "$sg" status --json 2>/dev/null; }
volume_pid() { pgrep -n -f "^[^ ]*spoolguard-volume --path $image "; }
wait_open() { # wait_open SECONDS: the volume is open, and mounted
	local i
	for i in $(seq $(($1 * 10))); do
		state | jq -e '.volumes[0].state == "open"' >/dev/null && mountpoint -q "$mount" && return 0
		sleep 0.1
	done
	tail -n 20 "$work/log"
	state | jq -c '.volumes[0] | {state, why}'
	return 1
}
figure() { # figure NAME PID: what a process has of it
	case $1 in
	rss) awk '/^VmRSS/ {print $2}' "/proc/$2/status" ;;
	descriptors) find "/proc/$2/fd" -mindepth 1 2>/dev/null | wc -l ;;
	threads) awk '/^Threads/ {print $2}' "/proc/$2/status" ;;
	esac
}
figures() { # figures WHEN
	echo "  $1: service $(figure rss "$service") KiB, $(figure descriptors "$service") descriptors," \
		"$(figure threads "$service") threads; ledger $(stat -c %s "$state/ledger") bytes"
}

mkdir -p "$server"/{etc,log,cache,run}
make_volume 256M >/dev/null
configure "$(cups_volume)" "$(cups_section 'poll = 2s' 'orphan = 5s')"
start_service
wait_open 30 || fail "the service did not open the volume"

# --- cupsd, as "spoolguard cups apply" has it ---

cupsd_spool=$mount cupsd_start "$server"
mkdir -p "$work/root/etc/systemd/system"
"$sg" cups apply --config "$server/etc/cupsd.conf" --files-config "$server/etc/cups-files.conf" --root "$work/root" \
	--no-reload >"$work/out" 2>&1 || { cat "$work/out"; fail "cups apply"; }
cupsd_restart
install -m 755 "$build/spoolguard-notifier" "$server/bin/notifier/spoolguard"
queue_raw fast 0
queue_raw slow 1
queue_ps filtered 0
queue_failing broken

# --- jobs ---

submitted=0 refused=0 kills=0
declare -A pending=() # ids whose documents may not have reached the disk
declare -A owed=()    # ids that have to be RETIRED at the end
reached_disk() { # all that was accepted so far
	local id
	sync -f "$mount" || return
	for id in "${!pending[@]}"; do owed[$id]=1; done
	pending=()
}
document() { # document NUMBER
	awk -v mark="$body" -v job="$1" -v lines=$((RANDOM % 400 + 20)) \
		'BEGIN {for (i = 1; i <= lines; i++) print mark " job " job " line " i}' >"$work/document"
}
wait_for_backlog() {
	local i documents
	for i in $(seq 50); do
		documents=("$mount"/d[0-9]*)
		[ ${#documents[@]} -gt $backlog_most ] || return 0
		sleep 0.1
	done
}
job() {
	local queues=(fast fast fast slow filtered broken) options=() queue id what=$((RANDOM % 12))
	queue=${queues[RANDOM % 6]}
	submitted=$((submitted + 1))
	document $submitted
	[ $what -gt 1 ] || options=(-H hold)
	if ! timeout 10 lp -d "$queue" -t "$title $submitted" -U $user "${options[@]}" "$work/document" \
		>"$work/lp.out" 2>&1; then
		refused=$((refused + 1))
		return
	fi
	id=$(sed -n 's/^request id is .*-\([0-9]*\) .*/\1/p' "$work/lp.out")
	[ -n "$id" ] || return
	pending[$id]=1
	case $what in
	0 | 2 | 3) timeout 10 cancel "$id" 2>/dev/null ;;
	1) timeout 10 lp -i "$id" -H resume >/dev/null 2>&1 ;;
	esac
}

# --- deaths ---

kill_cupsd() {
	cupsd_kill
	# A volume that is away keeps cupsd from its spool, as the unit's BindsTo does.
	wait_open 60 || fail "the volume did not come back"
	cupsd_up
}
service_kills=0 volume_kills_since=0
kill_service() {
	kill -9 "$service" 2>/dev/null
	wait "$service" 2>/dev/null
	service_kills=$((service_kills + 1))
	volume_kills_since=0
	sleep 0.$((RANDOM % 10))
	start_service
}
kill_volume() {
	# After more than ten deaths in ten minutes a service gives up, until an administrator attaches it.
	[ $volume_kills_since -lt 9 ] || { kill_cupsd; return; }
	[ $((RANDOM % 2)) = 0 ] || reached_disk
	kill -9 "$(volume_pid)" 2>/dev/null
	pending=()
	wait_open 60 || fail "the volume did not come back"
	# cupsd has open files on the mount that died: it is started again with the mount.
	cupsd_kill
	cupsd_up
	volume_kills_since=$((volume_kills_since + 1))
}
disturb() {
	[ ${#victims[@]} -gt 0 ] || return
	kills=$((kills + 1))
	"kill_${victims[RANDOM % ${#victims[@]}]}"
}

# The first jobs fill what is kept for good: threads, arenas, caches.
for _ in $(seq 10); do job; done
sleep 2
rss=$(figure rss "$service") descriptors=$(figure descriptors "$service")
figures "at the start"
end=$((SECONDS + seconds))
next=$((SECONDS + 1))
tell=$((SECONDS + 60))
while [ $SECONDS -lt $end ]; do
	wait_for_backlog
	job
	if [ $SECONDS -ge $next ]; then
		disturb
		next=$((SECONDS + 2 + RANDOM % 5))
	fi
	if [ $SECONDS -ge $tell ]; then
		figures "after $((SECONDS + seconds - end)) s"
		tell=$((SECONDS + 60))
	fi
done
rm -f "$work/document"
echo "$submitted jobs submitted, $refused of them not accepted; $kills kills, $SECONDS s so far"

# --- in peace: all that was accepted is printed and retired ---

wait_open 60 || fail "the volume is not open"
for id in "${!pending[@]}"; do owed[$id]=1; done
deadline=$((SECONDS + 60))
once_more=$((SECONDS + 10))
while :; do
	kill -0 "$cupsd_pid" 2>/dev/null || { echo "  cupsd ended by itself"; cupsd_up; } # as its unit does
	# Documents that had not reached the disk when the volume died are waited for by cupsd, as after a power
	# cut: these jobs are held.  Those whose filter met errors then are stopped.
	for id in $(lpstat -o | awk '{print $1}'); do
		[[ $(job_state "${id##*-}") != [46] ]] || cancel "$id" 2>/dev/null
	done
	open=$(state | jq '.jobs | [.begun, .seen, .retiring, .held, .failed] | add')
	known=$(lpstat -W all -o | wc -l)
	[ "$open" = 0 ] && [ -z "$(spool_files)" ] && [ "$known" = 0 ] && break
	[ $SECONDS -lt $deadline ] || break
	# cupsd writes job.cache before the control files of jobs.  Killed in between, it comes back with jobs
	# that are pending and that it does not start, because they were over in job.cache; not so when it has
	# been started once more.
	if [ $SECONDS -ge $once_more ] && [ "$known" != 0 ]; then
		for id in $(lpstat -o | awk '{print $1}'); do
			echo "  $id: state $(job_state "${id##*-}"); in job.cache: $(sed -n "/<Job ${id##*-}>/,/<\/Job>/s/^State //p" "$server/cache/job.cache" "$server/cache/job.cache.O" | tr '\n' ' ')"
		done
		cupsd_restart
		once_more=$deadline
	fi
	sleep 0.5
done
what_is_left() {
	"$sg" job list | grep -v -i retired | head -n 20
	lpstat -W all -o | awk '{print $1}' | head -n 20
	ls -l "$mount"
	state | jq -c '.jobs, .waiting, .reasons'
	tail -n 5 "$work/log"
}
[ "$open" = 0 ] || { what_is_left; fail "$open jobs are not retired"; }
[ -z "$(spool_files)" ] || { what_is_left; fail "files are left on the spool"; }
[ "$known" = 0 ] || { what_is_left; fail "cupsd knows $known jobs still"; }
"$sg" job list --json >"$work/jobs" || fail "job list"
jq -r '.jobs[] | select(.source == "cups" and .state == "retired") | .id' "$work/jobs" | sort -u >"$work/retired"
printf '%s\n' "${!owed[@]}" | sort -u | comm -23 - "$work/retired" >"$work/lost"
[ ! -s "$work/lost" ] || fail "lost: $(tr '\n' ' ' <"$work/lost")"
ok "every job is retired (${#owed[@]} that have to be, $(wc -l <"$work/retired") in the ledger)"
figures "at the end, $SECONDS s"

# cupsd writes job.cache anew, a second or so after it forgot a job, and its last version is retired.
for i in $(seq 300); do
	! grep -q -a "${texts[@]}" "$server/cache/"job.cache* 2>/dev/null && break
	sleep 0.1
done
echo "  job.cache was without users and titles after $((i / 10)) s"
sleep 2
"$sg" sweep "$image" >/dev/null || fail "sweep"
sync -f "$mount"
echo 1 >/proc/sys/vm/drop_caches
n=$(grep -a -c "${texts[@]}" "$(device_of_mount)")
[ "$n" = 0 ] || { grep -rl "${texts[@]}" "$mount"; fail "$n lines with text, title or user are left on the decrypted volume"; }
n=$(grep -a -c "${texts[@]}" "$image")
[ "$n" = 0 ] || fail "$n lines with text, title or user on the raw medium"
! grep -r -a -l "${texts[@]}" "$state" "$work/log" "$work/run" "$server/etc" "$server/run" 2>/dev/null ||
	fail "text, title or user in the service's own files"
ok "nothing of any job is left"

# --- what grows, and what stays behind ---

[ $(($(figure descriptors "$service") - descriptors)) -le $descriptor_growth ] || fail "descriptors: $descriptors became $(figure descriptors "$service")"
[ $(($(figure rss "$service") - rss)) -le $rss_growth_kib ] || fail "memory: $rss KiB became $(figure rss "$service")"
[ "$(stat -c %s "$state/ledger")" -le $ledger_most_bytes ] || fail "the ledger has $(stat -c %s "$state/ledger") bytes"
[ "$(service_processes | wc -l)" = 2 ] || { pgrep -fa "$conf"; fail "there is more than the service and its mounter"; }
[ "$(pgrep -f "^[^ ]*spoolguard-volume --path $image " | wc -l)" = 1 ] || fail "there is more than one process of the volume"
ok "the service has not grown"
cupsd_stop
kill "$service"
wait "$service" || fail "the service ended with $?"
"$sg" detach "$image" || fail "detach"
"$sg" inspect --passphrase-file "$pass" --search "$body" --search "$title" --search "$user" "$image" >"$work/inspected" || { cat "$work/inspected"; fail "inspect"; }
ok "header, map, file system and medium agree"
for _ in $(seq 50); do pgrep -f "$conf" >/dev/null || break; sleep 0.1; done
left=$(pgrep -f -a "$work" | grep -v -e 'pgrep' -e 'soak\.sh')
[ -z "$left" ] || fail "processes are left: $left"
left=$(findmnt -rno TARGET | grep -F "$work")
[ -z "$left" ] || fail "mounts are left: $left"
left=$(losetup -nO NAME,BACK-FILE | grep -F "$work")
[ -z "$left" ] || fail "loop devices are left: $left"
ok "no process, mount or loop device is left"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 900 s
# soak.sh - jobs without end, while cupsd, spoolguardd and spoolguard-volume are killed at random
#
# Jobs of several kinds go into a private cupsd whose spool is a volume under the service; at random
# instants (from a seed, printed) one of the three is killed with kill -9 and comes back: cupsd and
# spoolguardd are started again here, as an init system does, spoolguard-volume by the service.
# At the end, when all are left in peace: every job is retired or was never accepted, nothing of any
# job is left on the volume (decrypted, free blocks and journal included) nor on the raw medium, and ledger,
# spool and map agree.
#
#   SOAK_SECONDS (60; "make soak": 600)    SOAK_SEED
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"

seconds=${SOAK_SECONDS:-60}
RANDOM=${SOAK_SEED:=$(($(date +%s) % 32768))}
echo "seed $SOAK_SEED, $seconds s"
server=$work/server
conf=$work/spoolguard.conf
export SPOOLGUARD_SOCKET=$work/run/io.spoolguard
service=
mark=SOAK-BODY

daemon_up() {
	"$build/spoolguardd" --config "$conf" >>"$work/spoolguardd.log" 2>&1 &
	service=$!
	pids+=("$service")
}
state() { "$sg" status --json 2>/dev/null; }
volume_pid() { pgrep -n -f "^[^ ]*spoolguard-volume --path $image "; }
wait_open() { # wait_open SECONDS: the volume is open, and mounted
	local i
	for i in $(seq $(($1 * 10))); do
		state | jq -e '.volumes[0].state == "open"' >/dev/null && return 0
		sleep 0.1
	done
	return 1
}

mkdir -p "$server"/{etc,log,cache,run} "$work/state"
make_volume 384M >/dev/null
cat >"$conf" <<EOF
[service]
socket = $SPOOLGUARD_SOCKET
state_directory = $work/state
[volume spool]
medium = $image
mount = $mount
unlock = key-file
key_file = $pass
bind = .cups/cache:$server/cache
bind = .cups/log:$server/log
[cups]
server = $server/run/cups.sock
spool = $mount
temp = $mount/tmp
cache = $server/cache
wake = $server/run/spoolguard.wake
poll = 2s
orphan = 5s
EOF
daemon_up
wait_open 30 || { cat "$work/spoolguardd.log"; fail "the service did not open the volume"; }
cupsd_spool=$mount cupsd_start "$server" 'PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' \
	'MaxJobs 0' 'PageLogFormat'
[ -x "$build/spoolguard-notifier" ] && install -m 755 "$build/spoolguard-notifier" "$server/bin/notifier/spoolguard"
queue_raw fast 0
queue_raw slow 1
queue_ps filtered 0
queue_failing broken

document() { for line in $(seq $((RANDOM % 400 + 20))); do echo "$mark job $1 line $line"; done; }

submitted=0 refused=0 kills=0
job() {
	local queues=(fast slow filtered broken) queue
	queue=${queues[RANDOM % 4]}
	submitted=$((submitted + 1))
	document $submitted >"$work/document"
	if timeout 10 lp -d "$queue" -t "SOAK-Title $submitted" -U soakuser "$work/document" >"$work/lp.out" 2>&1; then
		case $((RANDOM % 6)) in
		0) timeout 10 cancel "$(sed -n 's/^request id is \([^ ]*\) .*/\1/p' "$work/lp.out")" 2>/dev/null ;;
		esac
	else
		refused=$((refused + 1))
	fi
}
disturb() {
	kills=$((kills + 1))
	case $((RANDOM % 3)) in
	0)
		cupsd_kill
		# A volume that is away keeps cupsd from its spool, as the unit's BindsTo does.
		wait_open 60 || fail "the volume did not come back"
		cupsd_up
		;;
	1)
		kill -9 "$service" 2>/dev/null
		wait "$service" 2>/dev/null
		daemon_up
		;;
	2)
		kill -9 "$(volume_pid)" 2>/dev/null
		wait_open 60 || { tail -n 20 "$work/spoolguardd.log"; fail "the volume did not come back"; }
		# cupsd has open files on the mount that died: it is started again with the mount.
		cupsd_kill
		cupsd_up
		;;
	esac
}

end=$((SECONDS + seconds))
next=$((SECONDS + 3))
while [ $SECONDS -lt $end ]; do
	job
	if [ $SECONDS -ge $next ]; then
		disturb
		next=$((SECONDS + 2 + RANDOM % 5))
	fi
done
rm -f "$work/document"
echo "$submitted jobs submitted, $refused of them not accepted; $kills kills"

# In peace: all that was accepted is printed and retired.
wait_open 60 || fail "the volume is not open"
sleep 2
# Documents that had not reached the disk when the volume died are waited for by cupsd, as after a power cut.
for id in $(lpstat -o | awk '{print $1}'); do
	[ "$(job_state "${id##*-}")" != 4 ] || cancel "$id"
done
for _ in $(seq 900); do
	open=$(state | jq '.jobs | [.begun, .seen, .retiring, .held, .failed] | add')
	[ "$open" = 0 ] && [ -z "$(spool_files)" ] && [ "$(lpstat -o | wc -l)" = 0 ] && break
	sleep 0.1
done
[ "$open" = 0 ] || { "$sg" job list; fail "$open jobs are not retired"; }
[ -z "$(spool_files)" ] || fail "files are left on the spool: $(spool_files | tr '\n' ' ')"
ok "every job is retired ($(state | jq .jobs.retired) in the ledger)"
sleep 3
"$sg" sweep "$image" >/dev/null || fail "sweep"
sync -f "$mount"
echo 1 >/proc/sys/vm/drop_caches
for text in "$mark" SOAK-Title soakuser; do
	n=$(grep -a -c "$text" "$(device_of_mount)")
	[ "$n" = 0 ] || fail "$n lines with $text are left on the decrypted volume"
	n=$(grep -a -c "$text" "$image")
	[ "$n" = 0 ] || fail "$n lines with $text on the raw medium"
	n=$(grep -r -a -c "$text" "$work/state" "$work/spoolguardd.log" | awk -F: '{s += $NF} END {print s + 0}')
	[ "$n" = 0 ] || fail "$n lines with $text in the service's own files"
done
ok "nothing of any job is left"
cupsd_stop
kill "$service"
wait "$service"
"$sg" detach "$image" || fail "detach"
"$sg" inspect --passphrase-file "$pass" --search "$mark" --search SOAK-Title "$image" >"$work/inspected" || { cat "$work/inspected"; fail "inspect"; }
ok "header, map, file system and medium agree"
